"""How far to step: policy losses, pure functions of tensors.

They call methods of the tensors they are given and import torch for type checking only, so the
optimizers, and with them the audit of credit, can be imported without it.
"""

from baselines.losses.ppo_clip import clipped_policy_loss

__all__ = ["clipped_policy_loss"]
