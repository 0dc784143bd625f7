"""A chain: thinkers in turn, then one solver; each reads all earlier messages."""

from __future__ import annotations

from ccpo_env.prompts import THINK_SOLVE
from ccpo_env.types import Topology, Turn


def think_solve(num_thinkers: int = 1) -> Topology:
    """Return the chain thinker_0 … thinker_{K-1}, solver_0.

    Args:
        num_thinkers: K, at least 1.

    Raises:
        ValueError: If num_thinkers < 1.

    Source: Think→Solve of arXiv:2603.21563, which has one thinker; any K is ours.
    """
    if num_thinkers < 1:
        raise ValueError(
            f"num_thinkers must be >= 1, got {num_thinkers}; for a solver alone pass "
            f"num_thinkers=1, removed=('thinker_0',)"
        )
    thinkers = tuple(f"thinker_{k}" for k in range(num_thinkers))
    turns = tuple(Turn(name, "thinker", thinkers[:k]) for k, name in enumerate(thinkers))
    turns += (Turn("solver_0", "solver", thinkers),)
    return Topology("think_solve", turns, THINK_SOLVE, has_secret_answer=True)
