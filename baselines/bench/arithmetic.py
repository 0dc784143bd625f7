"""Arithmetic of a training step, and how fast this machine does arithmetic."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torch import nn

SIDE = 1024
"""Rows and columns of the matrices whose product measures the peak."""
NUM_PRODUCTS = 20


@dataclass(frozen=True, slots=True)
class LinearSizes:
    """Numbers of weights of the linear layers of a language model.

    Args:
        frozen: Weights without gradient, without the output layer.
        trained: Weights with gradient, such as those of adapters, without the output layer.
        head: Weights of the output layer.
        is_head_trained: Whether they have a gradient.
    """

    frozen: int
    trained: int
    head: int
    is_head_trained: bool

    @classmethod
    def of(cls, model: nn.Module) -> LinearSizes:
        """Count the weights of a model of transformers."""
        from torch import nn

        head = model.get_output_embeddings().weight  # type: ignore[operator]
        layers = [m.weight for m in model.modules() if isinstance(m, nn.Linear)]
        layers = [weight for weight in layers if weight is not head]
        trained = sum(weight.numel() for weight in layers if weight.requires_grad)
        whole = sum(weight.numel() for weight in layers)
        return cls(whole - trained, trained, head.numel(), head.requires_grad)

    def forward(self, num_read: int, num_predicted: int) -> int:
        """Return the floating-point operations of the matrix products of a forward pass.

        Args:
            num_read: Tokens that the layers process.
            num_predicted: Tokens whose logits are computed.

        Note: Those of the attention scores, which are few for short texts, are not counted.
        """
        return 2 * ((self.frozen + self.trained) * num_read + self.head * num_predicted)

    def backward(self, num_read: int, num_predicted: int) -> int:
        """Return those of the backward pass: a trained weight has a gradient of its own."""
        per_head = 4 if self.is_head_trained else 2
        of_layers = (2 * self.frozen + 4 * self.trained) * num_read
        return of_layers + per_head * self.head * num_predicted


def peak_rate() -> float:
    """Return the largest measured number of floating-point operations per second."""
    import torch

    first, second = torch.rand(SIDE, SIDE), torch.rand(SIDE, SIDE)
    seconds = []
    for _ in range(NUM_PRODUCTS):
        started = time.perf_counter()
        first @ second
        seconds.append(time.perf_counter() - started)
    return 2.0 * SIDE**3 / min(seconds)
