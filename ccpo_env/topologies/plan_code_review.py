"""Plan, code, review: a planner, a coder, and a reviewer that hands in the program."""

from __future__ import annotations

from ccpo_env.prompts import GIVE_ANSWER
from ccpo_env.types import PromptTemplate, Topology, Turn

PLAN_CODE_REVIEW = PromptTemplate(
    roles={
        "planner": (
            "You are the planner in a team that writes a program. "
            "Say how it works and which cases it must handle. Do not write the program."
        ),
        "coder": (
            "You are the coder in a team that writes a program. "
            "Follow the plan, if there is one, where it is right."
        ),
        "reviewer": (
            "You are the reviewer in a team that writes a program. Check the program of the coder "
            "and correct it; if there is none, write it yourself."
        ),
    },
    hand_over="The next agent reads your message.",
    give_answer=GIVE_ANSWER,
)


def plan_code_review() -> Topology:
    """Return the team planner_0, coder_0, reviewer_0: each reads all before it.

    The reviewer answers for the team. Without the coder it writes the program from the plan, and
    without the reviewer the program of the coder counts. A program that is handed over is no leak:
    nothing is hidden from the reviewer.

    Source: ours; planners, coders and reviewers are the roles of many systems that write programs.
    """
    turns = (
        Turn("planner_0", "planner", ()),
        Turn("coder_0", "coder", ("planner_0",)),
        Turn("reviewer_0", "reviewer", ("planner_0", "coder_0")),
    )
    return Topology("plan_code_review", turns, PLAN_CODE_REVIEW)
