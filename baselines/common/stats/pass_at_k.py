"""pass@k: the probability that at least one of k samples is correct."""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt

from baselines.common.types import FloatArray


def pass_at_k(
    num_samples: npt.NDArray[np.int64], num_correct: npt.NDArray[np.int64], k: int
) -> FloatArray:
    """Return the unbiased estimate, per task, that at least one of k samples is correct.

    pass@k = 1 - C(n - c, k) / C(n, k)

    Args:
        num_samples: Samples n of each task, each at least k.
        num_correct: Number c of correct samples of each task.
        k: Samples that a user would draw, at least 1.

    Returns:
        One value in [0, 1] per task; for k = 1 it is c / n.

    Raises:
        ValueError: If k < 1, a task has fewer than k samples, or c is not in [0, n].

    Source: Chen et al., arXiv:2107.03374, eq. (1).
    """
    if k < 1 or (num_samples < k).any():
        raise ValueError(
            f"k must lie in [1, samples of each task], got {k} of {num_samples.tolist()}; leave "
            f"out the tasks with fewer"
        )
    if ((num_correct < 0) | (num_correct > num_samples)).any():
        raise ValueError(
            f"num_correct must lie in [0, num_samples], got {num_correct.tolist()} of "
            f"{num_samples.tolist()}; count each sample once"
        )
    pairs = zip(num_samples.tolist(), num_correct.tolist(), strict=True)
    return np.array([1.0 - math.comb(n - c, k) / math.comb(n, k) for n, c in pairs])
