r"""Compare sums and products over an index, which may have any name and start anywhere."""

from __future__ import annotations

import re
from dataclasses import dataclass

from ccpo_env.verifiers.math.forms.reading import Reading
from ccpo_env.verifiers.math.syntax.expression import parse_expression
from ccpo_env.verifiers.math.syntax.tree import Node, number, replaced
from ccpo_env.verifiers.math.values.equality import same_value


def _low(side: str) -> str:
    return rf"_\s*\{{\s*(?P<{side}name>[A-Za-z])\s*(?:=|\\geq)\s*(?P<{side}low>-?\d{{1,9}})\s*\}}"


def _high(side: str) -> str:
    return rf"\^\s*(?:\{{\s*(?P<{side}group>[^{{}}]*)\s*\}}|(?P<{side}sign>\\infty|[A-Za-z0-9]))"


_SERIES = re.compile(
    r"(?P<front>(?:(?!\\sum|\\prod).)*)\\(?P<kind>sum|prod)\s*"
    rf"(?:{_low('a')}(?:\s*{_high('a')})?|{_high('b')}\s*{_low('b')})"
    r"(?P<body>(?:(?!\\sum|\\prod).)+)",
    re.DOTALL,
)
_INFINITY = re.compile(r"\+?\s*\\infty")


@dataclass(frozen=True, slots=True)
class _Series:
    """A sum or product: front + factor * Σ body, from low to high.

    Args:
        kind: "sum" or "prod".
        front: What is added to it.
        factor: What it is multiplied by.
        name: The index.
        low: The first value of the index.
        high: The last value; None for infinity.
        body: The terms.
    """

    kind: str
    front: Node
    factor: Node
    name: str
    low: int
    high: Node | None
    body: Node


def same_series(answer: Reading, gold: Reading) -> bool | None:
    """Return True if two series have the same terms; None if they may still be equal."""
    if not all("\\sum" in r.text or "\\prod" in r.text for r in (answer, gold)):
        return None
    first, second = _read(answer.text), _read(gold.text)
    if first is None or second is None or first.kind != second.kind:
        return None
    index = Node("symbol", symbol="index")
    shift = number(second.low - first.low)
    terms = replaced(first.body, {first.name: index})
    others = replaced(second.body, {second.name: Node("+", (index, shift))})
    if (first.high is None) != (second.high is None):
        return None
    pairs = [(first.front, second.front)]
    if first.high and second.high:
        pairs.append((Node("+", (first.high, shift)), second.high))
    if first.kind == "prod":
        pairs += [(first.factor, second.factor), (terms, others)]
    else:
        pairs.append((Node("*", (first.factor, terms)), Node("*", (second.factor, others))))
    return True if all(same_value(a, b) for a, b in pairs) else None


def _read(text: str) -> _Series | None:
    match = _SERIES.fullmatch(text)
    if match is None:
        return None
    high = match["agroup"] or match["asign"] or match["bgroup"] or match["bsign"] or "\\infty"
    limit = None if _INFINITY.fullmatch(high.strip()) else parse_expression(high)
    parts = _split_front(match["front"].strip())
    body = parse_expression(match["body"].strip())
    if parts is None or body is None or (limit is None and "\\infty" not in high):
        return None
    name = match["aname"] or match["bname"]
    low = int(match["alow"] or match["blow"])
    return _Series(match["kind"], *parts, name, low, limit, body)


def _split_front(front: str) -> tuple[Node, Node] | None:
    """Return what is added to a series and what it is multiplied by."""
    front = re.sub(r"\\(?:cdot|times)\s*$", "", front).strip()
    depth, at = 0, 0
    for index, sign in enumerate(front):
        depth += (sign in "({[") - (sign in ")}]")
        if depth == 0 and sign in "+-":
            at = index
    is_signed = front[at : at + 1] in ("+", "-")
    added = front[:at].strip() if is_signed else ""
    factor = front[at + is_signed :].strip()
    trees = [parse_expression(added or "0"), parse_expression(factor or "1")]
    if trees[0] is None or trees[1] is None:
        return None
    is_negative = front[at : at + 1] == "-"
    return trees[0], Node("neg", (trees[1],)) if is_negative else trees[1]
