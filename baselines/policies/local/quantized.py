"""Training of quantised models: only adapters, and only on a GPU."""

from __future__ import annotations

from baselines.policies.base import TrainablePolicy
from baselines.policies.local.lora import LoraPolicy


def check_trainable(policy: TrainablePolicy) -> None:
    """Raise ValueError if the policy's model is quantised and cannot be trained.

    Note: On a CPU bitsandbytes 0.50 has no backward pass for the kernels that models in eval mode
        use, and ours always are: the gradients of all adapters but the last are zero, and torch
        only warns.
    """
    from transformers import PreTrainedModel

    model = policy.module
    # Models that are not quantised lack the attribute.
    if not isinstance(model, PreTrainedModel) or not getattr(model, "is_quantized", False):
        return
    if not isinstance(policy, LoraPolicy):
        raise ValueError(
            "weights must be lora for a quantised model, whose own weights cannot be trained; "
            "pass --weights lora"
        )
    if model.device.type == "cpu":
        raise ValueError(
            "a quantised model must be on a GPU to be trained, got one on the CPU, where gradients "
            "are lost; pass a model that is not quantised"
        )
