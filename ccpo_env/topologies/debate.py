"""A debate: debaters speak in rounds, each reads all earlier messages, the last one answers."""

from __future__ import annotations

from ccpo_env.prompts import GIVE_ANSWER
from ccpo_env.types import PromptTemplate, Topology, Turn

DEBATE = PromptTemplate(
    roles={"debater": "You are a debater in a team that discusses a problem in rounds."},
    hand_over="Say what the answer is and why, and where you disagree with what was said.",
    give_answer=GIVE_ANSWER,
)


def debate(num_debaters: int = 2, num_rounds: int = 2) -> Topology:
    """Return a debate in which debater_0 … debater_{N-1} speak once per round.

    Args:
        num_debaters: N, at least 1.
        num_rounds: R, at least 1.

    Raises:
        ValueError: If a number is below 1.
    """
    for name, number in (("num_debaters", num_debaters), ("num_rounds", num_rounds)):
        if number < 1:
            raise ValueError(f"{name} must be >= 1, got {number}; try {name}=2")
    debaters = tuple(f"debater_{n}" for n in range(num_debaters))
    turns = tuple(Turn(name, "debater", debaters) for _ in range(num_rounds) for name in debaters)
    return Topology("debate", turns, DEBATE)
