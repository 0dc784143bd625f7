r"""What an agent reads, as chat messages and as plain text; pure functions.

A prompt is an instruction for the role, the problem, and one block per message that the agent
reads. A prompt with an agent removed lacks that agent's block and is otherwise the same text.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from ccpo_env.types import Message, Role

ROLE_INSTRUCTIONS: Mapping[Role, str] = {
    "thinker": "You are a thinker in a team that answers a problem one after the other.",
    "solver": (
        "You are the solver in a team that answers a problem one after the other. "
        "Use the messages of your teammates, if there are any, as guidance."
    ),
}
HAND_OVER = "Write the key ideas and steps that help the next agent. Do not state the final answer."
GIVE_ANSWER = r"You speak last: solve the problem and end with the final answer in \boxed{}."

PROBLEM = "Problem:\n"
MESSAGE_OF = "\n\nMessage of {agent}:\n"
YOUR_MESSAGE = "\n\nYour message:\n"


@dataclass(frozen=True, slots=True)
class PromptTemplate:
    """The instructions of a team, as data.

    Args:
        roles: What each role is told about itself.
        hand_over: What an agent is told when another one speaks after it.
        give_answer: What the last agent left is told, whatever its role.
    """

    roles: Mapping[Role, str] = field(default_factory=lambda: ROLE_INSTRUCTIONS)
    hand_over: str = HAND_OVER
    give_answer: str = GIVE_ANSWER

    def instruction(self, role: Role, *, answers: bool) -> str:
        """Return the instruction of an agent that hands over or answers.

        Raises:
            ValueError: If the template does not know the role.
        """
        if role not in self.roles:
            raise ValueError(
                f"roles must instruct every role of the team, got {sorted(self.roles)}; "
                f"add an entry for {role!r}"
            )
        return f"{self.roles[role]} {self.give_answer if answers else self.hand_over}"


def problem_text(question: str, messages: Iterable[Message]) -> str:
    """Return the problem and one block per message that the agent reads."""
    blocks = [f"{MESSAGE_OF.format(agent=m.agent)}{m.text}" for m in messages]
    return f"{PROBLEM}{question}{''.join(blocks)}"


def chat_messages(instruction: str, problem: str) -> list[dict[str, str]]:
    """Return system and user messages for a chat template."""
    return [
        {"role": "system", "content": instruction},
        {"role": "user", "content": problem},
    ]


def plain_text(instruction: str, problem: str) -> str:
    """Return the same prompt as plain text, for a model without a chat template."""
    return f"{instruction}\n\n{problem}{YOUR_MESSAGE}"
