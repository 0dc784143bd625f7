r"""Compare sets with an integer parameter: `x = \frac{\pi}{4} + k\pi, k \in \mathbb{Z}`."""

from __future__ import annotations

import re
from dataclasses import dataclass

from ccpo_env.verifiers.math.members import all_same
from ccpo_env.verifiers.math.reading import Reading
from ccpo_env.verifiers.math.structure import split_parts
from ccpo_env.verifiers.math.tree import Node, Unreadable, free_symbols, number, replaced
from ccpo_env.verifiers.math.values import real_value, same_value

MAX_FAMILIES = 8
"""Largest number of families in one answer."""

_DOMAIN = re.compile(
    r"[\s,;(]*(?:\\text\s*\{\s*,?\s*(?:for|where|with)?(?:\s*(?:any|some|all|every))?(?:\s*integers?)?\s*\}"
    r"|\\quad|\bwhere\b|\bfor\b|\\mid|\||:)*[\s,(]*"
    r"(?P<name>[a-zA-Z])\s*(?:\\in\s*\\mathbb\s*\{?(?P<set>[ZN])\}?(?P<sign>\s*[_^]\s*\{?[+*]\}?)?"
    r"|\\in\s*(?P<plain>[ZN])|(?:\\text\s*\{\s*)?\s*(?:is\s+)?(?:an?\s+|any\s+)?integers?\s*\}?)\s*\)?\s*$"
    r"|[\s,(]*\\text\s*\{\s*,?\s*(?:for|where|with)?\s*(?:any|some|all|every|an)?\s*integers?\s*\}"
    r"\s*(?P<last>[a-zA-Z])\s*\)?\s*$"
)
_BUILDER = re.compile(r"\\\{(?P<rule>.*)\\\}", re.DOTALL)
_HEAD = re.compile(r"\s*(?P<name>[A-Za-z])\s*(?:\\in\s*\\mathbb\{[RZ]\})?\s*(?:\||\\mid(?![a-z])|:)")
_JOINT = re.compile(r"\\text\s*\{\s*,?\s*(?:or|and)\s*\}|\bor\b|,|;")
_LABEL = re.compile(r"\s*(?:[A-Za-z]|\\[a-z]+)(?:_\w)?\s*=")


@dataclass(frozen=True, slots=True)
class _Families:
    """Expressions in an integer parameter, which is the symbol "index".

    Args:
        trees: The expressions.
        domain: "Z", or the positive or natural numbers.
    """

    trees: tuple[Node, ...]
    domain: str


def same_families(answer: Reading, gold: Reading) -> bool | None:
    """Compare two sets of numbers with an integer parameter; None if one is no such set."""
    second = _read(gold.text)
    first = _read(answer.text) if second else None
    if first is None or second is None:
        return None
    if first.domain != second.domain or len(first.trees) != len(second.trees):
        return None
    table = [[_same(a, b, first.domain) for b in second.trees] for a in first.trees]
    lines = [*table, *map(list, zip(*table, strict=True))]
    return all_same(True if True in line else None if None in line else False for line in lines)


def _read(text: str) -> _Families | None:
    if "in" not in text:
        return None
    if builder := _BUILDER.fullmatch(text):
        text = builder["rule"].strip()
        head = _HEAD.match(text)
        text = text[head.end() :] if head else text
    domain = _DOMAIN.search(text)
    if domain is None:
        return None
    texts = [part.strip() for part in _JOINT.split(text[: domain.start()]) if part.strip()]
    items = [item for part in texts for item in split_parts(_LABEL.sub("", part)).items]
    trees = [Reading(item).tree for item in items]
    index = {domain["name"] or domain["last"]: Node("symbol", symbol="index")}
    known = tuple(replaced(tree, index) for tree in trees if tree is not None)
    is_complete = 0 < len(known) == len(items) <= MAX_FAMILIES
    if not is_complete or any("index" not in tree.symbols() for tree in known):
        return None
    return _Families(known, f"{domain['set'] or domain['plain'] or 'Z'}{bool(domain['sign'])}")


def _same(first: Node, second: Node, domain: str) -> bool | None:
    """Compare two families: those that are linear may count from another start, or backwards."""
    if same_value(first, second):
        return True
    lines = [_line(tree) for tree in (first, second)]
    if lines[0] is None or lines[1] is None:
        return None
    (start, step), (other_start, other_step) = lines
    if not domain.startswith("Z") or domain.endswith("True"):
        return False
    ratios = [
        Node("/", (step, other_step)),
        Node("/", (Node("+", (start, Node("neg", (other_start,)))), step)),
    ]
    try:
        ratio, shift = map(real_value, ratios)
    except Unreadable:
        return None
    is_same_step = abs(abs(ratio) - 1) < 1e-30
    return bool(is_same_step and abs(shift - round(shift)) < 1e-30)


def _line(tree: Node) -> tuple[Node, Node] | None:
    """Return the value at 0 and the step of a linear expression without other symbols."""
    if free_symbols(tree) != {"index"}:
        return None
    values = [replaced(tree, {"index": number(place)}) for place in range(3)]
    steps = [Node("+", (b, Node("neg", (a,)))) for a, b in zip(values, values[1:], strict=False)]
    return (values[0], steps[0]) if same_value(*steps) else None
