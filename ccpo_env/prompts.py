r"""Prompts as chat messages and as plain text; pure functions.

A prompt is an instruction for the role, the problem with its passages and options, and one block
per message that the agent reads. A prompt with an agent removed lacks that agent's block and is
otherwise the same text. A line of a text that reads like the heading of a block is quoted; see
`ccpo_env.content.quoting`.
"""

from __future__ import annotations

import re
import string
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace

from ccpo_env.content.quoting import quoted, quoted_option
from ccpo_env.types import Message, PromptTemplate, Role, Task

ROLE_INSTRUCTIONS: Mapping[Role, str] = {
    "thinker": "You are a thinker in a team that answers a problem one after the other.",
    "solver": (
        "You are the solver in a team that answers a problem one after the other. "
        "Use the messages of your teammates, if there are any, as guidance."
    ),
}
HAND_OVER = "Write the key ideas and steps that help the next agent. Do not state the final answer."
IN_A_BOX = r"in \boxed{}"
AS_A_NUMBER = "as a number"
AS_A_LETTER = r"as the letter of one option in \boxed{}"
AS_A_PHRASE = r"as a short phrase in \boxed{}"
AS_CODE = "as one fenced Python block"
GIVE_ANSWER = f"You speak last: solve the problem and end with the final answer {IN_A_BOX}."

PROBLEM = "Problem:\n"
PASSAGE = "\n\nPassage {number}:\n"
OPTIONS = "\n\nOptions:\n"
LETTERS = string.ascii_uppercase
"""Letters of the options of a multiple-choice question, in order."""
MESSAGE_OF = "\n\nMessage of {agent}:\n"
YOUR_MESSAGE = "\n\nYour message:\n"


THINK_SOLVE = PromptTemplate(ROLE_INSTRUCTIONS, HAND_OVER, GIVE_ANSWER)

_REQUEST = re.compile(
    r"(?:[,;]?\s?\b(?:and|then)\s+)?"
    r"(?:\blet(?:'|\u2019)?s\s+think\s+step\s+by\s+step\s*,?\s*(?:and\s+)?)?"
    r"\b(?:please\s+)?(?:put|output|give|write|enclose|present|provide|place|return|express|report|box)\b"
    r"[^.!?\n]{0,200}(?:\\boxed\b|\bboxed(?=\s?\{))(?:\s*\{[^{}]*\})?[^.!?\n]{0,200}[.!?]?",
    re.IGNORECASE,
)


def with_answer_form(prompts: PromptTemplate, form: str) -> PromptTemplate:
    """Return a template that asks for the answer in the given form instead of a box."""
    return replace(prompts, give_answer=prompts.give_answer.replace(IN_A_BOX, form))


def without_answer_request(question: str) -> str:
    r"""Return a question without a request to put the answer in a box.

    Data sets append such requests, which would contradict the instruction of an agent that must
    not answer. A question that consists of nothing else is returned unchanged.
    """
    if "boxed" not in question:
        return question
    return _REQUEST.sub("", question).strip() or question


def problem_text(
    question: str,
    messages: Iterable[Message],
    *,
    context: Sequence[str] = (),
    choices: Sequence[str] = (),
) -> str:
    """Return the problem and one block per message that the agent reads.

    Args:
        question: The question.
        messages: The messages, in turn order.
        context: Passages, shown below the question.
        choices: Texts of the options, shown as letters below the passages; at most 26.

    Raises:
        ValueError: If there are more options than letters.
    """
    passages = [
        f"{PASSAGE.format(number=number)}{quoted(text)}" for number, text in enumerate(context, 1)
    ]
    blocks = [f"{MESSAGE_OF.format(agent=m.agent)}{quoted(m.text)}" for m in messages]
    above = f"{PROBLEM}{quoted(question)}{''.join(passages)}"
    return f"{above}{options_text(choices)}{''.join(blocks)}"


def options_text(choices: Sequence[str]) -> str:
    """Return the block of the options, one letter each; empty without options.

    Raises:
        ValueError: If there are more options than letters.
    """
    if not choices:
        return ""
    if len(choices) > len(LETTERS):
        raise ValueError(
            f"choices of a Task must be at most {len(LETTERS)}, got {len(choices)}; leave out some"
        )
    lines = [
        f"{letter}. {quoted_option(text)}" for letter, text in zip(LETTERS, choices, strict=False)
    ]
    return OPTIONS + "\n".join(lines)


def question_with_options(task: Task) -> str:
    """Return the question of a task with its options, as people read it in transcripts."""
    return f"{task.question}{options_text(task.choices)}"


def chat_messages(instruction: str, problem: str) -> list[dict[str, str]]:
    """Return system and user messages for a chat template."""
    return [
        {"role": "system", "content": instruction},
        {"role": "user", "content": problem},
    ]


def plain_text(instruction: str, problem: str) -> str:
    """Return the same prompt as plain text, for a model without a chat template."""
    return f"{instruction}\n\n{problem}{YOUR_MESSAGE}"
