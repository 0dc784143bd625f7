"""Normalize answers: remove LaTeX without mathematical meaning."""

from __future__ import annotations

import re
from functools import lru_cache

from ccpo_env.verifiers.math.text.basis_notation import with_hats
from ccpo_env.verifiers.math.text.cleaning import CLEANING
from ccpo_env.verifiers.math.text.lead_ins import without_lead_in
from ccpo_env.verifiers.math.text.notation import to_latex
from ccpo_env.verifiers.math.text.phrases import phrase_as_latex
from ccpo_env.verifiers.math.text.styles import without_styles
from ccpo_env.verifiers.math.text.systems import without_systems
from ccpo_env.verifiers.math.values.rounding import without_rounding

MAX_CHARS = 4096
"""Longest answer that is parsed, in characters; longer ones are compared as text."""
CLEANED_CACHE_SIZE = 16_384
"""Cached normal forms: the answers of a group are often equal, and so are its gold answers."""
MAX_KEPT_CHARS = 256
"""Longest text in the cache, in characters."""

_SPACE = re.compile(r"\s+")
_WORDY = re.compile(
    r"\b(?:no|not|none|all|any|every|each|reals?|empty|null|void|dne|exist|nonexistent|infinite"
    r"|infinitely|inconsistent|positive|negative|undefined|sin|sem|pas|keine|aucune|nessuna)\b|[^\x00-\x7f]|\\mathbb",
    re.IGNORECASE,
)
_HATS = ("\\mathbf", "\\bold", "\\bm", "\\pmb", "\\vec", "hat", "arrow")
_DELIMITER = re.compile(r"(?<!\\)\$")
_OUTER_MACRO = re.compile(
    r"(?:\\(?:text(?:bf|it|rm|sf|tt)?|math(?:rm|bf|it|sf|tt|normal)|[fm]?box|framebox|emph|underline))?\s*\{"
)


def clean(text: str) -> str:
    r"""Return LaTeX without the parts that have no mathematical meaning.

    These are delimiters, `\left` and `\right`, sizes, colours, kinds of space, `\dfrac` for
    `\frac`, words before the answer, and one final full stop. Unicode signs and plain notation
    become macros.
    """
    if _PLAIN_NUMBER.fullmatch(text):
        return text
    text = to_latex(text)
    if any(style in text for style in _HATS):
        text = with_hats(text)
    text = CLEANING.rewrite(text)
    if "\\" in text:
        text = without_systems(without_styles(text))
    if "$" in text:
        text = _without_delimiters(text)
    text = _SPACE.sub(" ", text).strip().rstrip(" .,;")
    while (inner := _inner_group(text)) is not None:
        text = inner.strip().rstrip(" .,;")
    text = without_lead_in(text)
    if "\\approx" in text:
        text = without_rounding(text)
    may_be_phrase = " " in text or "\\text" in text or text.isalpha() or not text.isascii()
    if (
        may_be_phrase
        and _WORDY.search(text)
        and (meaning := phrase_as_latex(unwrapped(text))) is not None
    ):
        return meaning
    return text


def _inner_group(text: str) -> str | None:
    """Return the content of a group that spans the whole text, unless a macro makes it words."""
    opened = _OUTER_MACRO.match(text)
    if opened is None or not text.endswith("}"):
        return None
    inner = text[opened.end() : -1]
    depth = 0
    for brace in _BRACE.finditer(inner):
        depth += {"{": 1, "}": -1}.get(brace[0], 0)
        if depth < 0:
            return None
    is_plain = text.startswith("{") or "\\" in inner
    return inner if depth == 0 and not inner.endswith("\\") and is_plain else None


_BRACE = re.compile(r"\\[{}]|[{}]")


def _without_delimiters(text: str) -> str:
    """Remove dollar signs; a single one before a number is a currency sign."""
    if len(_DELIMITER.findall(text)) == 1:
        text = re.sub(r"^(\s*-?\s*)\$(?=\s*[\d.])", r"\1\\$", text)
    return _DELIMITER.sub("", text)


_WRAPPER = re.compile(
    r"(?<!\\)\\(?:text(?:bf|it|rm|sl)?|math(?:rm|bf|it|sf|tt|normal)|[fmh]?box|framebox|emph"
    r"|underline|operatorname)"
    r"\s*\{([^{}]*)\}"
)
_LONE_TOKEN = re.compile(r"\{([A-Za-z0-9])\}")
_IDLE_SPACE = re.compile(r"(?<![A-Za-z0-9])\s+|\s+(?![A-Za-z0-9])")
_SPACE_AFTER_MACRO = re.compile(r"(\\[A-Za-z]+)\s+(?=\d)")
_PLAIN_NUMBER = re.compile(r"-?\d+(?:\.\d+)?", re.ASCII)
_BRACKETED_LETTER = re.compile(r"[(\[]([A-Za-z])[)\]]|([A-Za-z])[)\]:,]")
# "(A) 42" and "B. Paris", not "(A) or (B)" and not the product "(A) + B"
_LETTERED = re.compile(
    r"(?:(?:the )?(?:correct )?(?:option|choice|answer)(?: is)?:?)?\s*"
    r"(?:\(([A-J])\)|([A-J])[).:]|(?<=[\w:] )([A-J])$)"
    r"(?:\s*(?!(?:or|and|not)\b)[\w\\-](?:(?!\([A-J]\)|\s(?:or|and)\s).)*)?",
    re.IGNORECASE | re.DOTALL,
)
_QUOTED = re.compile(r"[\"'`]+(.*?)[\"'`]*", re.DOTALL)
_WORDS = re.compile(r"(?:[^\W\d_]| ){2,}")
_CHOICE = re.compile(r"[A-Ja-j]")


def unwrapped(text: str) -> str:
    r"""Return a cleaned text without `\text{...}` and similar macros around words."""
    while "\\" in text and _WRAPPER.search(text):
        text = _WRAPPER.sub(r"\1", text)
    return text


def written_form(cleaned: str, *, is_part: bool = False) -> str:
    """Return the normal form of a cleaned answer: equal for answers written the same way.

    Args:
        cleaned: A cleaned text.
        is_part: Whether it is a part of an answer, where one letter is a symbol, not a choice.
    """
    if _PLAIN_NUMBER.fullmatch(cleaned):
        return cleaned
    text = _SPACE.sub(" ", unwrapped(cleaned)).replace("\\%", "%")
    if quoted := _QUOTED.fullmatch(text):
        text = quoted[1]  # only a final apostrophe is a prime
    text = text.rstrip('"`').removesuffix(".")
    text = _IDLE_SPACE.sub("", _LONE_TOKEN.sub(r"\1", text))
    if "\\" in text:
        text = _SPACE_AFTER_MACRO.sub(r"\1", text)
    bracketed = _BRACKETED_LETTER.fullmatch(text)
    text = (bracketed[1] or bracketed[2]) if bracketed else text
    is_folded = _WORDS.fullmatch(text) or (not is_part and _CHOICE.fullmatch(text))
    return text.casefold() if is_folded else text


def letter_of(cleaned: str) -> str | None:
    """Return the letter of a choice that is given with its content, in lower case."""
    choice = _LETTERED.fullmatch(unwrapped(cleaned).strip())
    return next(filter(None, choice.groups())).casefold() if choice else None


def same_text(first: str, second: str) -> bool:
    """Return whether two answers are written the same way, up to style and spacing.

    Note: Upper and lower case differ, except in answers that are words or a single letter.
        Texts longer than MAX_CHARS must be equal character by character.
    """
    if first.strip() == second.strip():
        return True
    if max(len(first), len(second)) > MAX_CHARS:
        return False
    is_kept = max(len(first), len(second)) <= MAX_KEPT_CHARS
    cleaned, form = (_kept_cleaned if is_kept else _cleaned)(first)
    other, other_form = (_kept_cleaned if is_kept else _cleaned)(second)
    return same_form(cleaned, other, form, other_form)


def _cleaned(text: str) -> tuple[str, str]:
    """Return a cleaned text and its normal form."""
    cleaned = clean(text)
    return cleaned, written_form(cleaned)


_kept_cleaned = lru_cache(maxsize=CLEANED_CACHE_SIZE)(_cleaned)


def same_form(first: str, second: str, form: str, other: str) -> bool:
    """Return whether two cleaned answers have one form, or one is the letter of the other."""
    if form == other:
        return True
    return (_is_letter(form) and letter_of(second) == form.casefold()) or (
        _is_letter(other) and letter_of(first) == other.casefold()
    )


def _is_letter(form: str) -> bool:
    return len(form) == 1 and form.isalpha()
