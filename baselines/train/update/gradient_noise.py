"""Signal-to-noise ratio of the gradient, from the gradients of two successive steps."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import torch

from baselines.common.processes import SINGLE_PROCESS, ProcessGroup
from baselines.policies.local.sharding import own_elements

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
    difference = now - before
    noise = float(difference @ difference) / 2.0
    return float(now @ before) / noise if noise > 0.0 else None


class GradientNoise:
    """Keeps the gradient of the last step, to compare the next one with it.

    Args:
        parameters: The trained parameters.
        processes: Processes over which they may be sharded.
    """

    def __init__(
        self,
        parameters: Sequence[torch.nn.Parameter],
        processes: ProcessGroup = SINGLE_PROCESS,
    ) -> None:
        self.before: torch.Tensor | None = None
        self._parameters = parameters
        self._processes = processes
        self._places = _choice(parameters)

    def measure(self) -> float | None:
        """Compare the gradient in the parameters with the last one, and keep it if it is finite.

        Returns:
            The ratio of `signal_to_noise`; None the first time, and for a gradient not kept.
        """
        now = self._gradient()
        if not math.isfinite(float(now.sum())):
            return None
        before, self.before = self.before, now
        return None if before is None else signal_to_noise(now, before)

    def _gradient(self) -> torch.Tensor:
        """Return the chosen coordinates of the gradient, on the CPU."""
        places: Sequence[torch.Tensor | None] = self._places or [None] * len(self._parameters)
        if self._processes.mesh is None:
            return torch.cat(
                [_chosen(*pair) for pair in zip(self._parameters, places, strict=True)]
            )
        own = [_chosen_here(*pair) for pair in zip(self._parameters, places, strict=True)]
        # The shards of a parameter are contiguous, in the order of ranks.
        ranks = self._processes.all_gather([[part.numpy() for part in own]])
        parts = [part for of_parameter in zip(*ranks, strict=True) for part in of_parameter]
        return torch.from_numpy(np.concatenate(parts))


def _chosen(parameter: torch.nn.Parameter, places: torch.Tensor | None) -> torch.Tensor:
    """Return the chosen coordinates of a whole gradient, 0 if it was not used."""
    flat = _gradient_of(parameter).reshape(-1)
    return (flat if places is None else flat[places]).float().cpu()


def _chosen_here(parameter: torch.nn.Parameter, places: torch.Tensor | None) -> torch.Tensor:
    """Return those chosen coordinates of a sharded gradient that this process holds."""
    flat, first = own_elements(_gradient_of(parameter))
    if places is not None:
        own = places - first
        flat = flat[own[(own >= 0) & (own < len(flat))]]
    return flat.float().cpu()


def _gradient_of(parameter: torch.nn.Parameter) -> torch.Tensor:
    return torch.zeros_like(parameter) if parameter.grad is None else parameter.grad


def _choice(parameters: Sequence[torch.nn.Parameter]) -> list[torch.Tensor] | None:
    """Return the chosen coordinates of each parameter; None for all of them."""
    sizes = np.array([parameter.numel() for parameter in parameters])
    if sizes.sum() <= MAX_COORDINATES:
        return None
    rng = np.random.default_rng(_CHOICE_SEED)
    chosen = np.sort(rng.integers(sizes.sum(), size=MAX_COORDINATES))
    ends = sizes.cumsum()
    parts = np.split(chosen, np.searchsorted(chosen, ends[:-1]))
    return [
        torch.from_numpy(part - start).to(parameter.device)
        for parameter, part, start in zip(parameters, parts, ends - sizes, strict=True)
    ]
