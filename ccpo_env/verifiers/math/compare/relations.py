"""Compare equations, inequalities and labelled values."""

from __future__ import annotations

import itertools
import re
from fractions import Fraction

from ccpo_env.verifiers.math.compare.equations import same_equation, same_inequality
from ccpo_env.verifiers.math.compare.labels import is_denied, is_label, is_named_value
from ccpo_env.verifiers.math.compare.members import Same, all_same
from ccpo_env.verifiers.math.compare.names import are_other_figures, are_other_names, same_name
from ccpo_env.verifiers.math.forms.reading import Reading
from ccpo_env.verifiers.math.forms.structure import MAX_PARTS
from ccpo_env.verifiers.math.syntax.tree import Node, Unreadable, free_symbols
from ccpo_env.verifiers.math.values.numeric import exact_value

_UNFINISHED = re.compile(r"\\(?:i{0,3}nt|oint|sum|prod|lim)(?![A-Za-z])")
_CONGRUENCE = re.compile(
    r"(?P<name>[^=]+?)\s*\\equiv\s*(?P<residue>.+?)\s*\(?\s*"
    r"(?:\\[pb]?mod|mod|\\text\s*\{\s*\(?mod\s*\})\s*\{?\s*(?P<modulus>\d{1,40})\s*\}?\s*\)?",
    re.ASCII,
)
_NUMERAL = re.compile(r"\d+(?:\.\d+)?", re.ASCII)
_MAX_CHAIN = 3
_TURNS = {">": "<", "\\geq": "\\leq"}
_TURNED = frozenset(_TURNS)


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
        return _same_inequalities(answer, gold, same)
    relation, value = (answer, gold) if signs else (gold, answer)
    if set(relation.relation[1]) != {"="}:
        # an inequality that is not solved is no set of solutions, and none of words
        return False if relation is answer or value.is_value or value.is_words else None
    return _same_labelled(relation, value, same, is_gold=relation is gold)


def same_congruence(answer: Reading, gold: Reading) -> bool | None:
    """Compare congruences: `n ≡ 13 (mod 9)` and `n ≡ 4 (mod 9)`."""
    if "\\equiv" not in gold.text:
        return None
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


def _same_labelled(relation: Reading, value: Reading, same: Same, *, is_gold: bool) -> bool | None:
    """Compare a value with an equation that names it, or with a chain of equal values."""

    def agrees(side: Reading) -> bool | None:
        return same(value, side) if is_gold else same(side, value)

    sides = relation.sides
    if not is_gold and is_denied(sides[0]):
        return False
    if all(map(_is_constant, sides)):
        return all_same(map(agrees, sides))
    if any(_is_constant(side) and agrees(side) is False for side in sides):
        return False  # 0 = x
    is_named = not is_gold and (is_unfinished(sides[0].text) or is_named_value(sides[0]))
    if is_named or is_label(sides[0]):
        formulas = [] if is_gold else [side for side in sides[1:-1] if _is_formula(side, value)]
        return all_same(agrees(side) for side in sides[1:] if side not in formulas)
    if len(sides) == 2 and is_label(sides[1]):
        return agrees(sides[0])
    if all(side.is_value for side in sides):
        return False  # the bare right side of an equation, or an equation that is not solved
    return None if agrees(sides[-1]) else False


def _is_formula(side: Reading, value: Reading) -> bool:
    r"""Return whether a side has symbols that a value lacks: `A = \pi r^2 = 9\pi`."""
    if side.tree is None or value.tree is None:
        return False
    return not free_symbols(side.tree) <= free_symbols(value.tree)


def _is_constant(reading: Reading) -> bool:
    tree = reading.tree
    return bool(reading.measure[1]) or (tree is not None and not free_symbols(tree))


def _same_equations(
    first: tuple[Reading, ...], second: tuple[Reading, ...], same: Same
) -> bool | None:
    if len(first) != 2 or len(second) != 2:
        values = [side for side in first if _is_constant(side)]
        if any(same(one, other) is False for one, other in itertools.pairwise(values)):
            return False
        # a = b = c is independent of the order; other chains are left to math-verify
        is_short = len(first) == len(second) <= _MAX_CHAIN
        return _same_chains(first, second, same) if is_short else None
    if all(map(_is_constant, (*first, *second))):
        return _same_claims(first, second, same)
    if are_other_figures(first[0], second[0]):
        return False
    if first[0].form != second[0].form and same_name(first[0], second[0]):
        return same(first[1], second[1])
    are_named = all(map(is_label, (first[0], second[0])))
    if are_named and (equal := _same_named(first, second, same)) is not None:
        return equal
    equal = _same_other_side(first, second, same)
    if equal is not None:
        return equal
    trees = _trees(first, second)
    if trees is not None:
        return same_equation(*trees)
    is_turned = same(first[1], second[0]) is True or same(first[0], second[1]) is True
    is_other = same(first[1], second[1]) is False or not _has_same_numbers(first[0], second[0])
    return False if is_other and not is_turned else None


def _same_named(first: tuple[Reading, ...], second: tuple[Reading, ...], same: Same) -> bool | None:
    """Compare two labelled values; undecided if the labels are expressions or words that agree."""
    label, gold_label = first[0], second[0]
    if are_other_names(label, gold_label):
        return same(first[1], second[1])
    names, gold_names = label.text.split(":"), gold_label.text.split(":")
    if len(names) > 1 and names != gold_names and sorted(names) == sorted(gold_names):
        values = first[1].text.split(":")  # AB:BC = 2:3 is BC:AB = 3:2
        turned = [values[names.index(name)] for name in gold_names if len(values) == len(names)]
        return same(Reading(":".join(turned)), second[1]) if turned else False
    is_readable = label.tree is not None and gold_label.tree is not None
    return None if is_readable or same_name(label, gold_label) else False


def _same_claims(
    first: tuple[Reading, ...], second: tuple[Reading, ...], same: Same
) -> bool | None:
    """Compare two equations of numbers: `2^5=32` and `32=2^5`, but not `2^5=33`."""

    def same_side(answer: Reading, gold: Reading) -> bool | None:
        # log_2 8 = 3 is not log_3 27 = 3, although the sides agree
        are_numbers = answer.number is not None and gold.number is not None
        return same(answer, gold) if are_numbers or _has_same_numbers(answer, gold) else False

    verdicts = [
        all_same(same_side(a, b) for a, b in zip(first, sides, strict=True))
        for sides in (second, second[::-1])
    ]
    return True if True in verdicts else None if None in verdicts else False


def _has_same_numbers(first: Reading, second: Reading) -> bool:
    return sorted(_NUMERAL.findall(first.form)) == sorted(_NUMERAL.findall(second.form))


def _same_other_side(
    first: tuple[Reading, ...], second: tuple[Reading, ...], same: Same
) -> bool | None:
    """Compare two equations that share a side: the other side decides.

    Undecided if the equations share no side, or if the symbols of the shared side are in a
    different side as well: `y=x` and `y=2x-y`.
    """
    for index, other in ((0, 0), (0, 1), (1, 0), (1, 1)):
        if first[index].form != second[other].form:
            continue
        sides = first[1 - index], second[1 - other]
        equal = same(*sides)
        if equal or (equal is False and _decides(first[index], *sides)):
            return equal
    return None


def _decides(side: Reading, *others: Reading) -> bool:
    """Return whether equations that share a side differ where the others do: not `2x-6=0`."""
    is_number = side.tree is not None and not free_symbols(side.tree)
    if is_number and all(other.tree is not None for other in others):
        return False
    return not _shares_symbols(side, *others)


def _shares_symbols(side: Reading, *others: Reading) -> bool:
    """Return whether a side has a symbol that one of two others has."""
    trees = [reading.tree for reading in (side, *others)]
    if any(tree is None for tree in trees):
        return False
    names = [frozenset() if tree is None else free_symbols(tree) for tree in trees]
    return not names[0].isdisjoint(names[1] | names[2])


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


def _same_inequalities(answer: Reading, gold: Reading, same: Same) -> bool | None:
    """Compare two relations of which at least one is an inequality."""
    first, second = _oriented(answer), _oriented(gold)
    if first is None or second is None:
        return None
    (sides, signs), (gold_sides, gold_signs) = first, second
    if signs != gold_signs:
        is_readable = all(side.tree is not None for side in (*sides, *gold_sides))
        return False if len(signs) == len(gold_signs) or is_readable else None
    if len(signs) > 1:
        return all_same(same(a, b) for a, b in zip(sides, gold_sides, strict=True))
    if "\\neq" in signs:
        return _same_equations(sides, gold_sides, same)
    for index in (0, 1):
        if sides[index].form == gold_sides[index].form:
            rest = sides[1 - index], gold_sides[1 - index]
            equal = same(*rest)
            if equal or (equal is False and not _shares_symbols(sides[index], *rest)):
                return equal
    trees = _trees(sides, gold_sides)
    return None if trees is None else same_inequality(*trees)


def _oriented(reading: Reading) -> tuple[tuple[Reading, ...], tuple[str, ...]] | None:
    """Return the sides from the smallest to the largest, and the signs; None if they turn."""
    sides, signs = reading.relation
    if _TURNED.issuperset(signs):
        return sides[::-1], tuple(_TURNS[sign] for sign in signs[::-1])
    return None if _TURNED.intersection(signs) else (sides, signs)
