"""A vote: voters answer independently, and the majority answer counts."""

from __future__ import annotations

from ccpo_env.prompts import IN_A_BOX
from ccpo_env.types import PromptTemplate, Topology, Turn

VOTE = PromptTemplate(
    roles={"voter": "You are one of several solvers; the answer that most of you give counts."},
    hand_over="",
    give_answer=f"Solve the problem and end with the final answer {IN_A_BOX}.",
)
"""Every voter answers, so the instruction for handing over is empty."""


def vote(num_voters: int = 3, max_cycles: int = 1) -> Topology:
    """Return the vote of voter_0 … voter_{N-1}; no voter reads another.

    Args:
        num_voters: N, at least 1.
        max_cycles: Votes of each voter, at least 1; it reads none of its own either.

    Raises:
        ValueError: If num_voters < 1 or max_cycles < 1.

    Source: the voting figure of arXiv:2603.21563; ties and missing answers as in
        `ccpo_env.voting`, which are ours.
    """
    if num_voters < 1:
        raise ValueError(f"num_voters must be >= 1, got {num_voters}; try num_voters=3")
    if max_cycles < 1:
        raise ValueError(f"max_cycles must be >= 1, got {max_cycles}; try max_cycles=1")
    turns = tuple(Turn(f"voter_{n}", "voter", ()) for n in range(num_voters)) * max_cycles
    return Topology("vote", turns, VOTE, decision="majority")
