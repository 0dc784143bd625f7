"""Compare equations, inequalities and labelled values."""

from __future__ import annotations

import re
from fractions import Fraction

from ccpo_env.verifiers.math.members import Same, all_same
from ccpo_env.verifiers.math.numeric import exact_value
from ccpo_env.verifiers.math.reading import Reading
from ccpo_env.verifiers.math.structure import MAX_PARTS
from ccpo_env.verifiers.math.tree import Node, Unreadable, free_symbols
from ccpo_env.verifiers.math.values import same_equation, same_inequality

_NAME = r"(?:[A-Za-z]|\\[a-zA-Z]+)(?:_\s*(?:\w|\{[^{}]*\}))?'*"
_ACCENT = (
    r"\\(?:overline|vec|hat|bar|mathbf|mathcal|overrightarrow|operatorname|mathrm)\s*\{[^{}]*\}"
)
_FUNCTION = r"\\(?:sin|cos|tan|cot|sec|csc|det|arg|min|max|gcd)(?![a-z])"
_SEGMENT = r"\|?[A-Z]{1,4}\|?"
_LABEL = re.compile(
    rf"(?:\\text\s*\{{[^{{}}=]*\}}\s*:?|[A-Z]+|[A-Za-z]{{3,}}(?: [A-Za-z]+)*"
    rf"|m?\s*\\(?:angle|triangle)\s*[A-Z]+|[\[|]+[A-Z]+[\]|]+|\|(?:{_ACCENT}|{_NAME})\|"
    rf"|\\frac\s*\{{{_SEGMENT}\}}\s*\{{{_SEGMENT}\}}|[A-Z]{{2,4}}\s*\+\s*[A-Z]{{2,4}}"
    rf"|{_SEGMENT}\s*:\s*{_SEGMENT}|[a-z]:[a-z]"
    rf"|{_FUNCTION}\s*\(?\s*(?:\\angle\s*)?(?:{_NAME}|[A-Z]{{1,3}})\s*\)?"
    rf"|\\Delta\s*{_NAME}|(?:{_NAME}|{_ACCENT})(?:\^\s*\{{?\s*(?:-1|T|\\prime|\\circ)\s*\}}?)?"
    rf"(?:\s*\([^()]*\))?|[A-Z]?\s*\((?:\s*{_NAME}\s*[,)])+)"
)
_PRODUCT = re.compile(rf"(?:{_NAME}\s*)+")
_UNFINISHED = re.compile(r"\\(?:i{0,3}nt|oint|sum|prod|lim)(?![A-Za-z])")
_CONGRUENCE = re.compile(
    r"(?P<name>[^=]+?)\s*\\equiv\s*(?P<residue>.+?)\s*\(?\s*"
    r"(?:\\[pb]?mod|mod|\\text\s*\{\s*\(?mod\s*\})\s*\{?\s*(?P<modulus>\d{1,40})\s*\}?\s*\)?",
    re.ASCII,
)
_DERIVED = re.compile(r"'|\^\s*\{?\s*(?:-1|\\prime)\s*\}?")  # f' and f^{-1} differ from f
_MAX_CHAIN = 3
_STRICT = {"<": True, "\\leq": False, ">": True, "\\geq": False}
_TURNED = frozenset({">", "\\geq"})


def is_unfinished(text: str) -> bool:
    """Return whether a text holds an unevaluated integral, sum, product or limit."""
    return "\\" in text and _UNFINISHED.search(text) is not None


def is_relation(reading: Reading) -> bool:
    """Return whether a reading is an equation or an inequality."""
    return bool(reading.relation[1])


def same_relation(answer: Reading, gold: Reading, same: Same) -> bool | None:
    """Compare two relations, or one with a value.

    Args:
        answer: The answer.
        gold: The gold answer.
        same: Compares two values.
    """
    signs, gold_signs = answer.relation[1], gold.relation[1]
    if len(signs) > MAX_PARTS:
        return False if len(gold_signs) <= MAX_PARTS else None
    if set(signs) == set(gold_signs) == {"="}:
        return _same_equations(answer.sides, gold.sides, same)
    if signs and gold_signs:
        return _same_inequalities(answer, gold)
    relation, value = (answer, gold) if signs else (gold, answer)
    if set(relation.relation[1]) != {"="}:
        return False if value.is_value or value.is_words else None
    return _same_labelled(relation, value, same, is_gold=relation is gold)


def same_congruence(answer: Reading, gold: Reading) -> bool | None:
    """Compare congruences: `n ≡ 13 (mod 9)` and `n ≡ 4 (mod 9)`."""
    first, second = (_CONGRUENCE.fullmatch(reading.text) for reading in (answer, gold))
    if second is None or (first is None and "\\equiv" in answer.text):
        return None
    if first is None or any(first[key] != second[key] for key in ("name", "modulus")):
        return False
    residue, gold_residue = (_residue(match["residue"]) for match in (first, second))
    if residue is None or gold_residue is None:
        return None
    return (residue - gold_residue) % int(first["modulus"]) == 0


def is_congruence(reading: Reading) -> bool:
    """Return whether a reading is a congruence of a name and a number."""
    match = _CONGRUENCE.fullmatch(reading.text)
    return match is not None and _residue(match["residue"]) is not None


def _residue(text: str) -> Fraction | None:
    """Return the value of a residue, which may be written as an expression; None if it has none."""
    reading = Reading(text)
    if reading.number is not None:
        return reading.number.value
    try:
        return None if reading.tree is None else exact_value(reading.tree)
    except Unreadable:
        return None


def _is_label(reading: Reading) -> bool:
    if _LABEL.fullmatch(reading.text):
        return True
    return reading.tree is not None and reading.tree.name in ("symbol", "call")  # dy/dx, f(2x)


def _same_labelled(relation: Reading, value: Reading, same: Same, *, is_gold: bool) -> bool | None:
    """Compare a value with an equation that names it, or with a chain of equal values."""

    def agrees(side: Reading) -> bool | None:
        return same(value, side) if is_gold else same(side, value)

    sides = relation.sides
    if all(map(_is_constant, sides)):
        return all_same(map(agrees, sides))
    is_named = not is_gold and (
        is_unfinished(sides[0].text) or _PRODUCT.fullmatch(sides[0].text) is not None
    )
    if is_named or _is_label(sides[0]):
        return all_same(map(agrees, sides[1:]))
    if len(sides) == 2 and _is_label(sides[1]):
        return agrees(sides[0])
    if value.is_value and all(side.is_value for side in sides):
        return False  # the bare right side of an equation
    return None if agrees(sides[-1]) else False


def _is_constant(reading: Reading) -> bool:
    tree = reading.tree
    return bool(reading.measure[1]) or (tree is not None and not free_symbols(tree))


def _same_equations(
    first: tuple[Reading, ...], second: tuple[Reading, ...], same: Same
) -> bool | None:
    if len(first) != 2 or len(second) != 2:
        # a = b = c is independent of the order; other chains are left to math-verify
        is_short = len(first) == len(second) <= _MAX_CHAIN
        return _same_chains(first, second, same) if is_short else None
    if first[0].form == second[0].form:
        equal = same(first[1], second[1])
        if equal or (equal is False and _is_solved(first) and _is_solved(second)):
            return equal
    trees = _trees(first, second)
    equal = None if trees is None else same_equation(*trees)
    if not equal and _are_other_names(first, second):
        return same(first[1], second[1])
    return equal


def _same_chains(
    first: tuple[Reading, ...], second: tuple[Reading, ...], same: Same
) -> bool | None:
    """Compare two chains of equal sides: if all but one side agree, that side decides."""
    rest, others = list(second), []
    for side in first:
        match = next((index for index, other in enumerate(rest) if same(side, other)), None)
        if match is None:
            others.append(side)
        else:
            del rest[match]
    if not others:
        return True
    return False if len(others) == 1 and same(others[0], rest[0]) is False else None


def _trees(
    first: tuple[Reading, ...], second: tuple[Reading, ...]
) -> tuple[tuple[Node, Node], tuple[Node, Node]] | None:
    """Return the trees of the sides of two equations, or None if one cannot be parsed."""
    a, b, c, d = (side.tree for side in (*first, *second))
    if a is None or b is None or c is None or d is None:
        return None
    return (a, b), (c, d)


def _is_solved(sides: tuple[Reading, ...]) -> bool:
    """Return whether an equation is solved for one symbol."""
    name, value = sides[0].tree, sides[1].tree
    if name is None or value is None or name.name != "symbol":
        return False
    return name.symbol not in value.symbols()


def _are_other_names(first: tuple[Reading, ...], second: tuple[Reading, ...]) -> bool:
    """Return whether two equations name a value differently: f(x) and y, Area and A."""
    names = [sides[0].form for sides in (first, second)]
    plain = [_DERIVED.sub("", name) for name in names]
    if names[0] != names[1] and plain[0] == plain[1]:
        return False
    trees = [sides[0].tree for sides in (first, second)]
    is_worded = any(tree is None or tree.name == "call" for tree in trees)
    return is_worded and _is_label(first[0]) and _is_label(second[0])


def _same_inequalities(answer: Reading, gold: Reading) -> bool | None:
    """Compare two relations of which at least one is an inequality."""
    (first, signs), (second, gold_signs) = answer.relation, gold.relation
    if len(signs) != 1 or len(gold_signs) != 1:
        return None
    if _STRICT.get(signs[0], signs[0]) != _STRICT.get(gold_signs[0], gold_signs[0]):
        return False
    trees = _trees(first, second)
    if trees is None:
        return None
    if signs[0] == "\\neq":
        return same_equation(*trees)
    less, gold_less = (
        pair[::-1] if sign in _TURNED else pair
        for pair, sign in zip(trees, (signs[0], gold_signs[0]), strict=True)
    )
    return same_inequality(less, gold_less)
