"""Mean and standard error of numbers that come in clusters, from sums that can be added."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from baselines.common.types import FloatArray


@dataclass(frozen=True, slots=True)
class ClusterSums:
    """Sums over clusters c of n_c, s_c and their products; the n_c numbers of a cluster sum to s_c.

    Args:
        values: C, sum n, sum s, sum n^2, sum n s, sum s^2.
    """

    values: tuple[float, ...] = (0.0,) * 6

    @classmethod
    def of(cls, rows: Sequence[FloatArray]) -> ClusterSums:
        """Return the sums of one array of numbers per cluster."""
        n = np.array([len(row) for row in rows], dtype=np.float64)
        s = np.array([row.sum() for row in rows], dtype=np.float64)
        return cls((float(len(rows)), *(float(v) for v in (n.sum(), s.sum(), n @ n, n @ s, s @ s))))

    def __add__(self, other: ClusterSums) -> ClusterSums:
        """Return the sums of both sets of clusters."""
        return ClusterSums(tuple(a + b for a, b in zip(self.values, other.values, strict=True)))

    @property
    def num_clusters(self) -> int:
        """Number of clusters, C."""
        return int(self.values[0])

    @property
    def mean(self) -> float:
        """Mean over all numbers."""
        return self.values[2] / self.values[1]

    @property
    def standard_error(self) -> float:
        """Standard error of the mean, NaN for a single cluster."""
        num, tokens, _, nn, ns, ss = self.values
        if num < 2:
            return math.nan
        squares = max(ss - 2 * self.mean * ns + self.mean**2 * nn, 0.0)
        return math.sqrt(squares * num / (num - 1)) / tokens
