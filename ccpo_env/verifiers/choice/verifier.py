"""The verifier "choice": which option of a multiple-choice question a response states."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace

from ccpo_env.types import Task, Verdict
from ccpo_env.verifiers.choice.boxes import boxed_answer
from ccpo_env.verifiers.choice.framing import own_statements
from ccpo_env.verifiers.choice.judging import Found
from ccpo_env.verifiers.choice.listing import without_listing
from ccpo_env.verifiers.choice.markup import without_markup
from ccpo_env.verifiers.choice.options import letters_up_to, options_of
from ccpo_env.verifiers.choice.run_on import without_run_on
from ccpo_env.verifiers.choice.statements import closing_statement
from ccpo_env.verifiers.choice.taken_back import is_taken_back
from ccpo_env.verifiers.extract import unboxed, without_thinking
from ccpo_env.verifiers.plain import plain

MAX_READ_CHARS = 4_096
"""Characters at the beginning and at the end of a response in which statements are searched."""
MAX_BOX_CHARS = 65_536
"""Characters at the beginning and at the end of a response in which boxes are searched."""
_GOLD_LETTER = re.compile(r"[(\[]?\s*([A-Za-z])\s*[)\].:]?")


@dataclass(frozen=True, slots=True)
class ChoiceVerifier:
    r"""The verifier "choice": compares the option that a response states with the gold one.

    The last box with an option counts, else the closing statement. The letter of an option stands
    for it, and so does its text if no other option has the same. Several options, a letter
    that is none of them and what is negated are wrong. Only what follows the last `</think>` is
    read. Time is linear in the length of the response.

    Args:
        choices: Texts of the options in order; none: they are letters from A on.
    """

    choices: tuple[str, ...] = ()

    def for_task(self, task: Task) -> ChoiceVerifier:
        """Return the verifier of the answers to one task, which knows its options."""
        return ChoiceVerifier(task.choices)

    def __call__(self, response: str, gold: str) -> Verdict:
        """Return whether a response states the gold option.

        Args:
            response: Full response of a model.
            gold: Letter of the right option, or its text.

        Returns:
            "correct", "wrong", or "no_answer"; "error" if the gold answer is no option.
        """
        wanted = self._gold(gold)
        if wanted is None:
            return Verdict(
                "error",
                detail=f"gold must be the letter or the text of one option, got {gold!r} for "
                f"{len(self.choices)} options; check the task's answer and choices",
            )
        answer = self.answer_of(response, wanted)
        if answer is None:
            return Verdict("no_answer")
        return Verdict("correct" if answer == wanted else "wrong", answer)

    def category(self, answer: str) -> str:
        """Return the category of an answer, as its verdict reports it: its letter."""
        return answer

    def answer_of(self, response: object, gold: str = "A") -> str | None:
        """Return the answer of a response by which it is compared: the letter of its option.

        Args:
            response: Full response of a model; anything but text has no answer.
            gold: A letter that is an option where the options are unknown.

        Returns:
            A letter; several joined by commas, "not C", or "other" for what is no option; None
            without an answer. Two responses answer alike exactly if theirs are equal.
        """
        if not isinstance(response, str):
            return None
        visible = without_thinking(response)
        if visible is None or not visible.strip():
            return None
        visible = without_markup(_ends_of(visible, MAX_BOX_CHARS))
        options = options_of(self.choices) if self.choices else letters_up_to(gold)
        visible = without_run_on(visible, options)
        boxed = boxed_answer(visible, options)
        behind = visible[boxed.end :] if boxed else visible
        text = plain(_ends_of(behind, MAX_READ_CHARS))
        text = own_statements(_ends_of(text, MAX_READ_CHARS), options).strip()
        stated = closing_statement(without_listing(text, options), options)
        if boxed and boxed.letters and not (stated and stated.is_correction):
            return _name(replace(boxed, is_negated=boxed.is_negated or is_taken_back(text, 0)))
        found = stated or boxed
        return _name(found) if found else None

    def _gold(self, gold: object) -> str | None:
        if not isinstance(gold, str) or not gold.strip():
            return None
        options = options_of(self.choices) if self.choices else letters_up_to("Z")
        text = plain(unboxed(gold)).strip()
        letter = _GOLD_LETTER.fullmatch(text)
        if letter and letter[1].upper() in options.letters:
            return letter[1].upper()
        statement = options.statement_at(text, 0, is_whole=True)
        if statement is None or len(statement.letters) != 1:
            return None
        return statement.letters[0] if statement.letters[0] in options.letters else None


def _name(found: Found) -> str:
    letters = ", ".join(sorted(found.letters)) or "other"
    return f"not {letters}" if found.is_negated else letters


def _ends_of(text: str, size: int) -> str:
    """Return a text without what lies more than some characters from its beginning and its end."""
    return text if len(text) <= 2 * size else f"{text[:size]}\n\n{text[-size:]}"
