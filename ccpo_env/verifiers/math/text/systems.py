r"""Write systems of equations as lists: `\begin{cases}x=2\\y=3\end{cases}` is `x=2, y=3`."""

from __future__ import annotations

import re

_KINDS = (
    r"(?:[dr]?cases|(?:align|gather|alignat|split|equation|flalign|eqnarray)(?:ed|at)?\*?"
    r"|array|matrix)"
)
ENVIRONMENT = re.compile(
    rf"(?P<opened>\\\{{|\[|\{{(?=\s*\\begin))?\s*\\begin\s*\{{(?P<kind>{_KINDS})\}}"
    r"(?:\s*\{[lcr|@ {}\d.]*\})?(?P<rows>(?:(?!\\begin).)*?)\\end\s*\{(?P=kind)\}"
    r"\s*(?P<closed>\\\}|\]|\}(?!.))?",
    re.DOTALL,
)
ROW_BREAK = re.compile(r"\\\\")
_RELATION = re.compile(r"=|<|>|\\(?:leq?|geq?|neq?|in|equiv|approx)(?![A-Za-z])")
_IS_CONTINUED = re.compile(r"\s*(?:=|<|>|\\(?:leq?|geq?|equiv|approx)(?![A-Za-z]))")
_CONDITION = re.compile(
    r"(?:\\text\s*\{\s*,?\s*)?\b(?:if|for|when|where|otherwise|else|elsewhere)\b"
)
_AROUND = " ,;."


def without_systems(text: str) -> str:
    r"""Return a text with its systems of relations written as lists.

    Rows without relations, as in a matrix, and pieces with conditions, as in a function, are kept.
    A system beside others is a tuple: `(x=1, y=2)`.
    """
    if "\\begin" in text:
        return ENVIRONMENT.sub(_listed, text)
    return _joined(ROW_BREAK.split(text)) or text if "\\\\" in text else text


def _listed(environment: re.Match[str]) -> str:
    rows = [row.replace("&", " ") for row in ROW_BREAK.split(environment["rows"])]
    joined = "" if is_piecewise(environment) else _joined(rows)
    if not joined:
        return environment[0]
    text = environment.string
    around = text[: environment.start()] + text[environment.end() :]
    return f"({joined})" if around.strip(_AROUND) else joined


def is_piecewise(environment: re.Match[str]) -> bool:
    """Return whether the rows of an environment are values and conditions."""
    if "cases" not in environment["kind"] and environment["opened"] not in ("\\{", "{"):
        return False
    rows = [row for row in ROW_BREAK.split(environment["rows"]) if row.strip()]
    return any(_CONDITION.search(row) or _is_piece(row) for row in rows)


def _is_piece(row: str) -> bool:
    value, sign, condition = row.partition("&" if "&" in row else ",")
    is_value = value.strip() and _RELATION.search(value) is None
    return bool(sign and is_value and not _IS_CONTINUED.match(condition))


def _joined(rows: list[str]) -> str:
    """Return rows as one list; empty if no row is a relation. A row may go on with the last one."""
    parts: list[str] = []
    for row in rows:
        part = row.strip(_AROUND)
        if not part:
            continue
        if parts and _IS_CONTINUED.match(part):
            parts[-1] = f"{parts[-1]} {part}"
        else:
            parts.append(part)
    return ", ".join(parts) if any(map(_RELATION.search, parts)) else ""
