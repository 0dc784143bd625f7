"""A vote of ten whose voters differ in skill: a role, and so a policy, for each of three levels."""

from __future__ import annotations

from ccpo_env.topologies.vote import VOTE
from ccpo_env.types import PromptTemplate, Topology, Turn

NUM_VOTERS = {"expert": 2, "apprentice": 3, "novice": 5}
"""Voters of each role, ten together."""
MIXED_VOTE = PromptTemplate(
    roles={
        role: f"{who} among several solvers; the answer that most of you give counts."
        for role, who in (
            ("expert", "You are an expert"),
            ("apprentice", "You are an apprentice"),
            ("novice", "You are a novice"),
        )
    },
    hand_over="",
    give_answer=VOTE.give_answer,
)


def mixed_vote() -> Topology:
    """Return the vote of expert_0, expert_1, apprentice_0 … apprentice_2, novice_0 … novice_4.

    No voter reads another, and all votes count the same.

    Source: ours; the vote is that of `ccpo_env.topologies.vote`.
    """
    turns = tuple(
        Turn(f"{role}_{n}", role, ()) for role, number in NUM_VOTERS.items() for n in range(number)
    )
    return Topology("mixed_vote", turns, MIXED_VOTE, decision="majority")
