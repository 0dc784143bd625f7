"""The texts of the options of a task, as one pattern."""
# ruff: noqa: RUF001 - letters and signs of other scripts

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import lru_cache

from ccpo_env.verifiers.choice.words import ALPHABETIC
from ccpo_env.verifiers.plain import plain

_TOKEN = re.compile(r"\w+|[^\w\s]")
_WITHOUT_SPACES = re.compile("[\u0e00-\u0eff\u1000-\u11ff\u1780-\u17ff\u3040-\u9fff\uac00-\ud7ff]")
"""Characters of scripts that set no spaces between words, or add endings to them."""
_ZEROS = re.compile(r"(?<=(?<![\d.,])\d)\.0+(?!\d)|(?<=\d\d)\.0+(?!\d)")
_BEFORE_AND = re.compile(r"(\w+)\s+(?:and|or|and/or)\s+(?:the\s+)?$")
_ARTICLE = re.compile(r"^(?:the|an?)\s+")
_OPTIONAL = frozenset("\"'`*_,.;:()[]!?")
_REPLY = re.compile(r"(?:yes|no|maybe)", re.IGNORECASE)
_REPLIED = re.compile(
    r"[*_`\"')\]}]*(?:\s*(?:$|[\n.;:!?)\]–—/&|(<}✅✓]|-\s|-$)"
    r"|\s*,(?!\s*(?:I\s+(?:can|will|could|would|am happy)|I'd|I'll|I'm happy|let\s+me|let's"
    r"|of course|sure|certainly|happy|glad|wait|how|please|hold on)\b)"
    r"|\s+(?:and|or|but|because|since|as|for sure|is|was|would be|given|it|they|these|this|the"
    r"|there|he|she|to|yes|no|maybe|definitely|I\s+(?:think|believe|would say|guess))\b)",
    re.IGNORECASE,
)


def is_in_passing(text: str, start: int, end: int) -> bool:
    """Return whether "no", "yes" or "maybe" is a word of a sentence: "no idea"."""
    return bool(_REPLY.fullmatch(text, start, end)) and not _REPLIED.match(text, end)


def option_text(choice: str) -> str:
    """Return the text of an option as it is compared: plain, lower case, without end marks."""
    return " ".join(plain(choice).lower().split()).strip(" .;,*_`\"'")


@lru_cache(maxsize=2048)
def texts_pattern(letters: str, texts: tuple[str, ...]) -> re.Pattern[str] | None:
    """Return a pattern for the texts, the longest first; the group's name is their letters."""
    letters_of: dict[str, str] = {}
    shorter = tuple(map(without_zeros, texts))
    own_texts = shorter if len(set(shorter)) == len(set(texts)) else texts
    for letter, text in zip(letters, own_texts, strict=False):
        if source := _source(text, has_zeros=own_texts is shorter):
            letters_of[source] = letters_of.get(source, "") + letter
    if not letters_of:
        return None
    ordered = sorted(letters_of, key=len, reverse=True)
    return re.compile(
        "|".join(f"(?P<_{letters_of[source]}>{source})" for source in ordered), re.IGNORECASE
    )


def elided(text: str, start: int, own: str, texts: tuple[str, ...]) -> list[int]:
    """Return the places of the options that share the end of a text: "the first and second law".

    Args:
        text: Plain text.
        start: Where the text of an option begins.
        own: That text.
        texts: The texts of all options.
    """
    before = _BEFORE_AND.search(text, max(start - 40, 0), start)
    if before is None:
        return []
    first, last = before[1].lower(), own.rsplit(" ", 1)[-1]
    return [
        place
        for place, other in enumerate(texts)
        if other != own
        and last != own
        and _ARTICLE.sub("", other).startswith(f"{first} ")
        and other.endswith(f" {last}")
    ]


def letters_named(found: re.Match[str]) -> str:
    """Return the letters of the options whose text `texts_pattern` has found."""
    return (found.lastgroup or "").lstrip("_")


def texts_in(text: str, letters: str, texts: tuple[str, ...]) -> Iterator[tuple[str, int, int]]:
    """Yield where the texts of options stand in a text: their letters, the start and the end."""
    pattern = texts_pattern(letters, texts)
    for found in pattern.finditer(text) if pattern else ():
        yield letters_named(found), found.start(), found.end()


def _source(text: str, *, has_zeros: bool) -> str:
    """Return an expression for the text of an option, with flexible spaces and punctuation."""
    tokens = _TOKEN.findall(text)
    has_article = tokens[:1] != [] and tokens[0] in {"the", "a", "an"}
    while len(tokens) > 1 and tokens[0] in {"the", "a", "an"} and len(tokens[1]) > 1:
        tokens = tokens[1:]
    end = len(tokens)
    while end and tokens[end - 1] in _OPTIONAL:
        end -= 1
    is_question = "?" in tokens[end:]
    tokens = tokens[:end]
    if not tokens:
        return ""
    article = rf"(?:(?<![{ALPHABETIC}])(?:the|an?)\s+)?"
    parts = [article if has_article or tokens[0][0].isalpha() else "", _border(tokens[0][0], "<!")]
    if len(tokens[0]) == 1 and tokens[0].isalpha():
        parts.append("(?<!')")  # "I'm"
    for before, token, after in zip(["", *tokens], tokens, [*tokens[1:], ""], strict=False):
        is_integer = token.isdigit() and before != "." and after != "."
        zeros = r"(?:\.0+(?!\d))?" if is_integer and has_zeros else ""
        parts += [_space(before, token), _token_source(before, token), zeros]
    if tokens[-1][-1].isdigit():
        parts.append(r"(?![.,/^:]?\d|\s*[%^/+=×·÷]|\s*[*x]\s*\w|\s*[-–]\s*\d)")
    if len(tokens[-1]) > 2 and tokens[-1].isascii() and tokens[-1].isalpha():
        parts.append("s?")
    parts.append(_border(tokens[-1][-1], "!"))
    return "".join(parts) + (r"(?:[*_\"']*\?)?" if is_question else "")


def without_zeros(text: str) -> str:
    """Return a text whose numbers do not end in zeros behind the point: "6.0 N" is "6 N"."""
    return _ZEROS.sub("", text)


def _space(before: str, token: str) -> str:
    if before and before[-1].isalnum() and token[0].isalnum():
        return r"[\s\-]+(?-i:(?:the|an?)\s+)?"
    return r"\s*" if before else ""


def _token_source(before: str, token: str) -> str:
    if token == "-":
        return r"[\s\-–]*" if before.isalpha() else r"[\-–]"
    is_optional = token in _OPTIONAL and not (before[-1:].isdigit() and token in ".,:")
    return f"{re.escape(token)}{'?' if is_optional else ''}"


def _border(character: str, look: str) -> str:
    """Return the expression that no word may continue at the end of a text with a character."""
    if character.isdigit() and look == "<!":
        return rf"(?<![{ALPHABETIC}.^/+\-])"
    if re.match(f"[{ALPHABETIC}]", character):
        return rf"(?{look}[{ALPHABETIC}])" + (r"(?<![A-Za-z]-)" if look == "<!" else r"(?!-\w)")
    is_spaced = character.isalnum() and not _WITHOUT_SPACES.match(character)
    return rf"(?{look}\w)" if is_spaced else ""
