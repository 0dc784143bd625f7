"""Answers in the fields of an object in JSON."""

from __future__ import annotations

import json
import re
from itertools import islice

from ccpo_env.verifiers.choice.judging import ANSWER_NOUN, NEGATION

MAX_OBJECTS = 16
"""Places at which an object in JSON may begin that are tried, from the first on."""
MAX_DEPTH = 8
"""Deepest object that is read."""
_DECODER = json.JSONDecoder()
_OPENED = re.compile(r"\{\s*+[\"']")
_LOOSE = re.compile(r"\{[^{}]{1,2000}\}")
_GIVEN = re.compile(
    r"question|hint|options|choices|prompt|example|template|format|schema|reason|expla|analysis"
    r"|thought|rationale|student|confiden|probab|other|alternatives|context|background|passage|topic|initial|first|previous|draft"
)
_SAYS = re.compile(r"\b(?:text|content|value|message|description|name)$")
_FLAG = re.compile(r"(?:is_?)?(?:correct|right|true|valid)$")
_WORD_END = re.compile(r"(?<=[a-z])(?=[A-Z])|[_\W]+|(?<=[a-zA-Z])(?=\d)|(?<=\d)(?=[a-zA-Z])")


def fields_as_lines(text: str) -> str:
    """Return a text whose objects in JSON are replaced with lines that state their answers.

    Fields that are given, such as a question or a hint, and what is called wrong are left out.
    """
    if "{" not in text or ":" not in text:
        return text
    pieces: list[str] = []
    end = len(text)
    for place, stop, found in reversed(_objects(text)):
        pieces += [text[stop:end], "\n" + "\n".join(_lines(found)) + "\n"]
        end = place
    return "".join([text[:end], *reversed(pieces)])


def _objects(text: str) -> list[tuple[int, int, dict[str, object]]]:
    """Return the start, the end and the content of the objects in a text, in order."""
    found: list[tuple[int, int, dict[str, object]]] = []
    for opened in islice(_OPENED.finditer(text), MAX_OBJECTS):
        place = opened.start()
        own = _object_at(text, place) if not found or place >= found[-1][1] else None
        if own is not None:
            found.append((place, own[1], own[0]))
    return found


def _object_at(text: str, place: int) -> tuple[dict[str, object], int] | None:
    try:
        content, end = _DECODER.raw_decode(text, place)
    except (ValueError, RecursionError):
        loose = _LOOSE.match(text, place)
        if loose is None or "'" not in loose[0]:
            return None
        try:
            content, end = json.loads(loose[0].replace("'", '"')), loose.end()
        except (ValueError, RecursionError):
            return None
    return (content, end) if isinstance(content, dict) and content else None


def _lines(content: dict[str, object], depth: int = 0) -> list[str]:
    """Return the lines that state the answers in an object."""
    if depth > MAX_DEPTH:
        return []
    answers: list[tuple[str, str]] = []
    said: list[str] = []
    lines: list[str] = []
    flags: list[bool] = []
    for name, value in content.items():
        key = " ".join(_WORD_END.split(name)).strip().lower()
        if isinstance(value, bool) and _FLAG.fullmatch(key.replace(" ", "_")):
            flags.append(value)
        elif NEGATION.search(key) or _GIVEN.search(key):
            continue
        elif inner := _inner(value):
            lines += _lines(inner, depth + 1)
        elif len(name) == 1 and name.isupper():
            lines.append(f"{name}: {_written(value)}")
        elif _SAYS.search(key) and not key.startswith("answer"):
            said.append(_written(value))
        elif ANSWER_NOUN.search(key):
            answers.append((key, _written(value)))
    final = [own for own in answers if "final" in own[0]] or answers
    if not final:
        return said + lines
    stated = ", ".join(own for _, own in final)
    text = f" ({said[0]})" if said and said[0] != stated else ""
    return [f"Answer: {'' if all(flags) else 'not '}{stated}{text}", *lines]


def _inner(value: object) -> dict[str, object] | None:
    """Return an object in a field, or the last one of its list; None for anything else."""
    own = value[-1] if isinstance(value, list) and value else value
    return own if isinstance(own, dict) else None


def _written(value: object) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    return ", ".join(map(str, value)) if isinstance(value, list) else str(value)
