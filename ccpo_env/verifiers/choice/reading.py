"""What a response states among the options of its question, and which option a gold answer is."""

from __future__ import annotations

import re
from dataclasses import replace

from ccpo_env.verifiers.choice.boxes import boxed_answer
from ccpo_env.verifiers.choice.excepted import excepted
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


def stated_answer(
    response: str, choices: tuple[str, ...], gold: str, *, is_exception: bool
) -> str | None:
    """Return the option that a response states, as ChoiceVerifier.answer_of reports it.

    Args:
        response: Full response of a model.
        choices: Texts of the options in order; none: they are letters from A on.
        gold: A letter that is an option where the options are unknown.
        is_exception: Whether the question asks for what does not fit.
    """
    visible = without_thinking(response)
    if visible is None or not visible.strip():
        return None
    visible = without_markup(_ends_of(visible, MAX_BOX_CHARS))
    options = options_of(choices) if choices else letters_up_to(gold)
    visible = without_run_on(visible, options)
    boxed = boxed_answer(visible, options)
    behind = visible[boxed.end :] if boxed else visible
    text = plain(_ends_of(behind, MAX_READ_CHARS))
    text = own_statements(_ends_of(text, MAX_READ_CHARS), options).strip()
    is_other = bool(boxed and boxed.end == 0)  # a value that is no option
    stated = closing_statement(without_listing(text, options), options, announced=is_other)
    if boxed and boxed.letters and not (stated and stated.is_correction):
        return _name(replace(boxed, is_negated=boxed.is_negated or is_taken_back(text, 0)))
    found = stated or boxed
    if is_exception and options.is_known and (found is None or found.is_negated):
        found = excepted(text, options) or found
    return _name(found) if found else None


def gold_letter(gold: str, choices: tuple[str, ...]) -> str | None:
    """Return the letter of a gold answer: a letter or the text of one option; None for others."""
    if not gold.strip():
        return None
    options = options_of(choices) if choices else letters_up_to("Z")
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
