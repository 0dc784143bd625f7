"""Specialists: each can do one operation and reads only the problem, then a solver reads them."""

from __future__ import annotations

from ccpo_env.prompts import GIVE_ANSWER, HAND_OVER
from ccpo_env.types import PromptTemplate, Topology, Turn

SPECIALTIES = {"adder": "add", "subtracter": "subtract", "multiplier": "multiply"}
"""Roles before the solver, and what each can do."""
SPECIALISTS = PromptTemplate(
    roles={
        **{
            role: f"You are one of several specialists in a team: you can only {verb}."
            for role, verb in SPECIALTIES.items()
        },
        "solver": (
            "You are the solver in a team of specialists. "
            "Use the message of the one who can do the problem; the others cannot help."
        ),
    },
    hand_over=HAND_OVER,
    give_answer=GIVE_ANSWER,
)


def specialists() -> Topology:
    """Return the team adder_0, subtracter_0, multiplier_0, solver_0.

    No specialist reads another; the solver reads all of them and answers.
    """
    names = tuple(f"{role}_0" for role in SPECIALTIES)
    turns = tuple(Turn(f"{role}_0", role, ()) for role in SPECIALTIES)
    turns += (Turn("solver_0", "solver", names),)
    return Topology("specialists", turns, SPECIALISTS, has_secret_answer=True)
