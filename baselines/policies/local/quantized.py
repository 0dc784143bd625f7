"""What can be trained of a model whose weights are stored in few bits: adapters, on a GPU."""

from __future__ import annotations

from baselines.policies.base import TrainablePolicy
from baselines.policies.local.lora import LoraPolicy


def check_trainable(policy: TrainablePolicy) -> None:
    """Raise ValueError if the policy is of a quantised model and cannot be trained.

    Note: On a CPU bitsandbytes 0.50 has no backward pass for the kernels that models in eval mode
        use, and ours always are: the gradients of all adapters but the last are zero, and only
        a warning of torch tells.
    """
    from transformers import PreTrainedModel

    model = policy.module
    # The attribute is absent where nothing is quantised.
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
