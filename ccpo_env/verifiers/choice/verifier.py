"""The verifier "choice": which option of a multiple-choice question a response states."""

from __future__ import annotations

import re
from dataclasses import dataclass

from ccpo_env.types import Task, Verdict
from ccpo_env.verifiers.choice.options import (
    Options,
    Statement,
    letters_up_to,
    options_of,
)
from ccpo_env.verifiers.plain import plain
from ccpo_env.verifiers.choice.statements import Found, closing_statement, judged, negated_at
from ccpo_env.verifiers.extract import closed_boxes, unboxed, without_thinking

MAX_READ_CHARS = 4_096
"""Characters at the beginning and at the end of a response in which statements are searched."""
MAX_BOXES = 64
"""Boxes that are read, from the last one on."""
AROUND = 160
"""Characters before and after a box that may negate it or join another answer to it."""


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

    def answer_of(self, response: str, gold: str = "A") -> str | None:
        """Return the answer of a response by which it is compared: the letter of its option.

        Args:
            response: Full response of a model.
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
        options = options_of(self.choices) if self.choices else letters_up_to(gold)
        found = _boxed(visible, options)
        if found is None or not found.is_correction:
            text = plain(_ends_of(visible)).strip()
            stated = closing_statement(text, options) if found is None else None
            found = found or stated
        return None if found is None else _name(found)

    def _gold(self, gold: object) -> str | None:
        if not isinstance(gold, str) or not gold.strip():
            return None
        options = options_of(self.choices) if self.choices else letters_up_to("Z")
        text = plain(unboxed(gold)).strip()
        letter = re.fullmatch(r"[(\[]?\s*([A-Za-z])\s*[)\].:]?", text)
        if letter and letter[1].upper() in options.letters:
            return letter[1].upper()
        statement = options.statement_at(text, 0, is_whole=True)
        if statement is None or len(statement.letters) != 1:
            return None
        return statement.letters[0] if statement.letters[0] in options.letters else None


def _name(found: Found) -> str:
    letters = ", ".join(sorted(found.letters)) or "other"
    return f"not {letters}" if found.is_negated else letters


def _ends_of(text: str) -> str:
    """Return a text without its middle if it is long."""
    if len(text) <= 2 * MAX_READ_CHARS:
        return text
    return f"{text[:MAX_READ_CHARS]}\n\n{text[-MAX_READ_CHARS:]}"


def _boxed(visible: str, options: Options) -> Found | None:
    """Return the answer in the last box that holds one; "other" if none does."""
    boxes = closed_boxes(visible, MAX_BOXES)
    filled = [(start, own_end, content) for start, own_end, content in boxes if content.strip()]
    is_other = False
    for place in range(len(filled) - 1, -1, -1):
        start, end, content = filled[place]
        found = _read_box(visible, start, end, content, options)
        if found is None:
            is_other = True
            continue
        letters = list(found.letters)
        next_start = start
        for other_start, other_end, other in reversed(filled[:place]):
            if not re.fullmatch(
                r"(?:[\s$,;&/+|.]|\\[()\[\]]|and|or|\\text\{\s*(?:and|or)\s*\}){0,40}",
                visible[other_end:next_start],
            ):
                break
            beside = _read_box(visible, other_start, other_end, other, options)
            letters += beside.letters if beside else ("?",)
            next_start = other_start
        return Found(tuple(dict.fromkeys(letters)), start, end, found.is_negated)
    return (
        Found((), 0, 0)
        if is_other and not closing_statement(plain(_ends_of(visible)).strip(), options)
        else None
    )


def _read_box(visible: str, start: int, end: int, content: str, options: Options) -> Found | None:
    inside = plain(content).strip()
    if (
        inside[:1] in "-~!¬"
        and len(inside) < 4
        and not options.statement_at(inside, 0, opening=False)
    ):
        inside = f"not {inside[1:]}"
    line = visible.rfind("\n", 0, start) + 1
    before = plain(visible[max(line, start - AROUND) : start]).lstrip()
    after = plain(visible[end : end + AROUND])
    if not options.letters_of_text(inside) and (negated := negated_at(inside, 0, options)):
        return negated
    if letters := options.letters_of_text(inside):
        statement: Statement | None = Statement(letters, 0, len(inside))
    else:
        statement = options.statement_at(inside, 0)
    if statement is None:
        return None
    text = f"{before}{inside}{after}"
    place = len(before)
    placed = options.statement_at(text, place) or statement
    own = judged(inside, 0, statement)
    around = judged(text, place, placed)
    joined = re.search(
        r"(?<![A-Za-z])([A-Z])[)\]*_\"'$]*\s*(?:,|/|&|\band\b|\bor\b|和|或|与)\s*(?:\b(?:maybe|possibly|perhaps|option)\b\s*)?[(\[*_$\"']*$",
        before,
    )
    letters = (*placed.letters, *around.letters, *((joined[1],) if joined else ()))
    announced = [f for f in _negations(text, place, placed)]
    return Found(
        tuple(dict.fromkeys(letters)),
        start,
        end,
        own.is_negated or around.is_negated or bool(announced),
    )


def _negations(text: str, place: int, statement: Statement) -> list[str]:
    from ccpo_env.verifiers.choice.statements import _NO_DOUBT, _NOT, _clause_start

    clause = _NO_DOUBT.sub(" ", text[_clause_start(text, place) : place].lower())
    return _NOT.findall(clause)
