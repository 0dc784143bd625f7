"""Leave out a new exercise that a response runs on into behind its answer."""

from __future__ import annotations

import re

from ccpo_env.verifiers.choice.options import Options
from ccpo_env.verifiers.plain import plain

MAX_ANSWER = 200
"""Longest answer before a new exercise, in characters."""
_NEXT = re.compile(
    r"\n[ \t]*(?:#{1,6}[ \t]+|\*\*)?(?:question|exercise|problem)(?:[ \t]+\d{1,3})?[ \t]*"
    r"(?::|\*\*|\n)",
    re.IGNORECASE,
)
_EXPLAINED = re.compile(r"[\s*_#]*(?:explanation|reason|rationale|because)\b", re.IGNORECASE)
_LISTED = re.compile(r"^[ \t]*[(*]*([A-Z])[).:][*]*[ \t]+(\S[^\n]*)", re.MULTILINE)


def without_run_on(text: str, options: Options) -> str:
    """Return a response without a new exercise behind its answer.

    The response up to it must be an answer, alone or with an explanation. Behind an answer alone
    the new exercise must list other options: the question itself, repeated, is none.
    """
    found = _NEXT.search(text, 0, MAX_ANSWER) if options.is_known else None
    if found is None:
        return text
    own = plain(text[: found.start()]).strip()
    first, *others = own.split("\n")
    is_explained = bool(others and _EXPLAINED.match(others[0]))
    if others and not is_explained:
        return text
    statement = options.statement_at(first, 0, is_whole=True)
    if statement is None or len(statement.letters) != 1:
        return text
    listed = {other[1]: other[2] for other in _LISTED.finditer(text, found.end())}
    names = [options.letters_of_text(plain(other)) for other in listed.values()]
    is_other = sum(not own for own in names) * 2 >= len(names) or len(listed) < len(options.letters)
    is_new = len(listed) > 1 and "A" in listed and is_other
    return text[: found.start()] if is_new or is_explained else text
