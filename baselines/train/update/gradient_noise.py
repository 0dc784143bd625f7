"""Signal-to-noise ratio of the gradient, from the gradients of two successive steps."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch

MAX_COORDINATES = 2**18
"""Coordinates of the gradient that are compared; of a larger one, a random choice of them."""
_CHOICE_SEED = 20260212


def signal_to_noise(now: torch.Tensor, before: torch.Tensor) -> float | None:
    """Return the signal-to-noise ratio of two independent estimates of one gradient.

    ratio = <g, h> / (|g - h|² / 2)

    The gradients are g = G + e and h = G + f, with independent errors e and f of mean 0: the
    numerator is |G|² on average, the denominator the variance of a step's gradient, tr(Cov).

    Args:
        now: The gradient g of a step, shape (P,), or a random choice of its coordinates.
        before: The gradient h of the step before, at the same coordinates.

    Returns:
        At least -1/2; about 0 where the noise is far larger than the gradient, 1 where both are of
        one size. None if the two are equal.

    Note: The ratio of the gradient noise scale to the samples of a step is its inverse. The policy
        changes between the steps, and tasks that occur in both share their noise: the first lowers
        the ratio, the second raises it.

    Source: McCandlish et al., arXiv:1812.06162, appendix A.1: both terms are theirs, with the batch
        of one step as the small one and those of both steps as the large one.
    """
    now, before = now.double(), before.double()
    noise = float((now - before).square().sum()) / 2.0
    return float(now @ before) / noise if noise > 0.0 else None


class GradientNoise:
    """Keeps the gradient of the last step, to compare the next one with it.

    Args:
        parameters: The trained parameters.
    """

    def __init__(self, parameters: Sequence[torch.nn.Parameter]) -> None:
        self.before: torch.Tensor | None = None
        sizes = [parameter.numel() for parameter in parameters]
        ends = np.cumsum(sizes)
        total = int(ends[-1]) if sizes else 0
        chosen = np.arange(total)
        if total > MAX_COORDINATES:
            rng = np.random.default_rng(_CHOICE_SEED)
            chosen = np.sort(rng.integers(total, size=MAX_COORDINATES))
        parts = np.split(chosen, np.searchsorted(chosen, ends[:-1]))
        starts = ends - sizes
        self._chosen = [
            (parameter, torch.from_numpy(part - start).to(parameter.device))
            for parameter, part, start in zip(parameters, parts, starts, strict=True)
            if len(part)
        ]

    def measure(self) -> float | None:
        """Compare the gradient in the parameters with the last one, and keep it if it is finite.

        Returns:
            The ratio of `signal_to_noise`; None the first time, and for a gradient not kept.
        """
        now = self._gradient()
        if not now.isfinite().all():
            return None
        before, self.before = self.before, now
        return None if before is None else signal_to_noise(now, before)

    def _gradient(self) -> torch.Tensor:
        """Return the chosen coordinates of the gradient, on the CPU."""
        parts = [
            torch.zeros(len(places), device=parameter.device)
            if parameter.grad is None
            else parameter.grad.reshape(-1)[places].float()
            for parameter, places in self._chosen
        ]
        return torch.cat([part.cpu() for part in parts])
