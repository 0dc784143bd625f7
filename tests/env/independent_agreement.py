"""Compare answers that were read independently, by the rules in docs/verifier.md."""

from __future__ import annotations

import itertools
import re
from collections.abc import Callable
from typing import Any

import sympy

from tests.env.independent_reading import SIGNS, Thing

DIGITS = 50
PLACES = (  # numerators and denominators of the values of symbols: small, large, negative, mixed
    ((37, 23), (41, 29), (59, 31), (67, 43)),
    ((1009, 1), (1013, 1), (1019, 1), (1021, 1)),
    ((100003, 1), (7, 1), (541, 1), (12, 1)),
    ((-37, 23), (-53, 29), (-61, 17), (-5, 7)),
    ((29, 7), (-31, 9), (3, 11), (-2, 13)),
    ((6, 1), (5, 1), (9, 1), (4, 1)),
)


def agree(answer: Thing, gold: Thing) -> bool:
    """Return whether an answer is the gold answer, by the rules in docs/verifier.md."""
    if answer == gold:
        return True
    pair = (answer.kind, gold.kind)
    if "list" in pair:
        return agree_collections(answer, gold)
    for relation, other in ((answer, gold), (gold, answer)):
        if relation.kind == "relation" and other.kind == "bracket" and (ends := interval(relation)):
            return agree_collections(ends, other)
    if "relation" in pair:
        return agree_relations(answer, gold)
    if "\\{\\}" in (answer.mark, gold.mark):
        return agree_collections(answer, gold)
    if "measure" in pair:
        return agree_measures(answer, gold)
    return PAIRS.get(pair, agree_plain)(answer, gold)


def agree_plain(answer: Thing, gold: Thing) -> bool:
    """Compare numbers in a base, texts, and collections."""
    kinds = {answer.kind, gold.kind}
    if "based" in kinds:
        plain = [thing.mark.partition("_")[0] or str(thing.parts[0]) for thing in (answer, gold)]
        return plain[0] == plain[1] and len(kinds) == 2
    if kinds <= {"text", "words", "value"}:
        return words_of(answer) == words_of(gold)
    return agree_collections(answer, gold)


def agree_quotient(answer: Thing, gold: Thing) -> bool:
    """Compare a ratio of two with a number."""
    ratio, value = (answer, gold) if answer.kind == "ratio" else (gold, answer)
    if len(ratio.parts) != 2 or {part.kind for part in ratio.parts} != {"value"}:
        return False
    top, bottom = (part.parts[0] for part in ratio.parts)
    return bottom != 0 and same_number(top / bottom, value.parts[0])


def agree_matrices(answer: Thing, gold: Thing) -> bool:
    shapes = [[len(row) for row in thing.parts] for thing in (answer, gold)]
    cells = [list(itertools.chain(*thing.parts)) for thing in (answer, gold)]
    return shapes[0] == shapes[1] and all(map(agree, *cells))


def words_of(thing: Thing) -> str:
    return re.sub(r"\\text\{(.*)\}!?", r"\1", thing.mark).replace(" ", "").casefold()


def agree_collections(answer: Thing, gold: Thing) -> bool:
    """Compare lists, sets, tuples and intervals."""
    first, second = opened(answer), opened(gold)
    answers, golds = items(answer), items(gold)
    if "matrix" in (answer.kind, gold.kind):
        return {first, second} == {"matrix", "()"} and same_order(column(answer), column(gold))
    if "union" in (answer.kind, gold.kind):
        return answer.kind == gold.kind and same_any_order(answers, golds)
    if first in ("", "\\{\\}") and second in ("", "\\{\\}"):
        return same_any_order(answers, golds, is_set=bool(second))
    if ({first, second} == {"", "()"} or first == second) and same_order(answers, golds):
        return min(len(answers), len(golds)) > 1
    if "\\{\\}" in (first, second) and first != second:
        single = [each.parts[0] if is_single_set(each) else each for each in (answer, gold)]
        return single != [answer, gold] and agree(*single)
    if answer.kind == "list" and gold.kind != "list":
        return same_any_order(answers, (gold,))
    return gold.kind == "list" and answer.kind != "list" and same_any_order((answer,), golds)


def is_single_set(thing: Thing) -> bool:
    return thing.mark == "\\{\\}" and len(thing.parts) == 1


def opened(thing: Thing) -> str:
    """Return the brackets; those of an infinite end do not count."""
    if thing.kind != "bracket":
        return "matrix" if thing.kind == "matrix" else ""
    ends = [side.parts[0] if side.kind == "value" else None for side in thing.parts]
    mark = thing.mark.replace("\\langle\\rangle", "()")
    if len(mark) == 2 and {sympy.oo, -sympy.oo} & {ends[0], ends[-1]}:
        low, high = ends[0], ends[-1]
        return ("(" if low == -sympy.oo else mark[0]) + (")" if high == sympy.oo else mark[1])
    return mark


def items(thing: Thing) -> tuple[Thing, ...]:
    return thing.parts if thing.kind in ("list", "bracket", "union") else (thing,)


def column(thing: Thing) -> tuple[Thing, ...]:
    if thing.kind != "matrix":
        return thing.parts
    return tuple(row[0] for row in thing.parts) if {len(row) for row in thing.parts} == {1} else ()


def same_order(first: tuple[Thing, ...], second: tuple[Thing, ...]) -> bool:
    return 0 < len(first) == len(second) and all(map(agree, first, second))


def same_any_order(
    first: tuple[Thing, ...], second: tuple[Thing, ...], *, is_set: bool = False
) -> bool:
    """Compare lists; only the answer may repeat an item, or the gold answer if it is a set."""
    rest, repeated = list(second), []
    for item in first:
        match = next((other for other in rest if agree(item, other)), None)
        if match is None:
            repeated.append(item)
        else:
            rest.remove(match)
    if not all(any(agree(item, other) for other in second) for item in repeated):
        return False
    return not rest or (is_set and all(any(agree(a, b) for a in first) for b in rest))


def interval(relation: Thing) -> Thing | None:
    """Return the interval that an inequality in one symbol describes."""
    signs, sides = [SIGNS.get(sign, sign) for sign in relation.mark.split()], relation.parts
    if any(side.kind != "value" for side in sides) or "=" in signs:
        return None
    if signs[0] in (">", ">="):
        signs, sides = [sign.replace(">", "<") for sign in signs[::-1]], sides[::-1]
    low, high = Thing("value", (-sympy.oo,)), Thing("value", (sympy.oo,))
    index = next((k for k, side in enumerate(sides) if side.parts[0].is_Symbol), None)
    if index is None or (len(sides) == 3 and index != 1):
        return None
    left, right = "(", ")"
    if index > 0:
        low, left = sides[index - 1], "[" if signs[index - 1] == "<=" else "("
    if index + 1 < len(sides):
        high, right = sides[index + 1], "]" if signs[index] == "<=" else ")"
    return Thing("bracket", (low, high), left + right)


def agree_measures(answer: Thing, gold: Thing) -> bool:
    """Compare measures: a unit may be left out, and a percentage may be a fraction."""
    values = [thing.parts[0] if thing.kind == "measure" else thing for thing in (answer, gold)]
    units = [thing.mark if thing.kind == "measure" else "" for thing in (answer, gold)]
    percents = [unit.strip("\\") == "%" for unit in units]
    if percents[0] != percents[1]:
        if any(unit and not is_percent for unit, is_percent in zip(units, percents, strict=True)):
            return False
        marked, bare = values if percents[0] else values[::-1]
        if marked.kind != "value" or bare.kind != "value":
            return False
        hundredth = same_number(marked.parts[0] / 100, bare.parts[0])
        return hundredth or same_number(marked.parts[0], bare.parts[0])
    return agree(*values) and (not all(units) or units[0] == units[1])


def agree_ratios(answer: Thing, gold: Thing) -> bool:
    """Compare ratios up to a factor that is not zero."""
    if len(answer.parts) != len(gold.parts):
        return False
    if {part.kind for part in (*answer.parts, *gold.parts)} != {"value"}:
        return False
    first, second = ([part.parts[0] for part in thing.parts] for thing in (answer, gold))
    if all(same_number(a, sympy.Integer(0)) for a in first):
        return all(same_number(b, sympy.Integer(0)) for b in second)
    pairs = itertools.product(range(len(first)), repeat=2)
    return all(same_number(first[i] * second[j], first[j] * second[i]) for i, j in pairs) and any(
        not same_number(b, sympy.Integer(0)) for b in second
    )


def agree_relations(answer: Thing, gold: Thing) -> bool:
    """Compare equations and inequalities, or one with the value that it names."""
    if answer.kind == gold.kind:
        flipped = {"<": ">", ">": "<", "<=": ">=", ">=": "<=", "=": "="}
        signs = [[SIGNS.get(s, s) for s in thing.mark.split()] for thing in (answer, gold)]
        same_sides = len(answer.parts) == len(gold.parts)
        if signs[0] == signs[1] and same_sides and all(map(agree, answer.parts, gold.parts)):
            return True
        turned = [flipped[sign] for sign in signs[0][::-1]]
        if turned == signs[1] and same_sides and all(map(agree, answer.parts[::-1], gold.parts)):
            return True
        if any(part.kind != "value" for part in (*answer.parts, *gold.parts)):
            return False
        return len(signs[0]) == len(signs[1]) == 1 and are_multiples(answer, gold, signs, flipped)
    relation, value = (answer, gold) if answer.kind == "relation" else (gold, answer)
    if set(relation.mark.split()) != {"="}:
        return False
    sides = relation.parts
    named = sides[0].kind in ("words", "text") or (
        sides[0].kind == "value" and bool(sides[0].parts[0].free_symbols or is_call(sides[0]))
    )
    pairs = [(side, value) if relation is answer else (value, side) for side in sides]
    return all(agree(*pair) for pair in (pairs[1:] if named else pairs))


def is_call(thing: Thing) -> bool:
    return bool(thing.parts[0].atoms(sympy.core.function.AppliedUndef))


def are_multiples(answer: Thing, gold: Thing, signs: Any, flipped: dict[str, str]) -> bool:
    """Return whether the differences of the sides have one ratio, of the sign that is asked."""
    a, b = (thing.parts[0].parts[0] - thing.parts[1].parts[0] for thing in (answer, gold))
    if a.free_symbols != b.free_symbols or not a.free_symbols:
        return False
    ratio = sympy.simplify(a / b)
    numerator, denominator = (x.together().as_numer_denom()[0] for x in (a, b))
    if not ratio.is_number:
        ratio = sympy.simplify(numerator / denominator)
        return bool(ratio.is_number and ratio != 0 and signs[0] == signs[1] == ["="])
    if signs[0] == signs[1] == ["="]:
        return bool(ratio != 0 and ratio.is_finite)
    return bool(
        ratio > 0 if signs[0] == signs[1] else ratio < 0 and flipped[signs[0][0]] == signs[1][0]
    )


def same_number(first: Any, second: Any) -> bool:
    """Return whether two expressions agree to 50 digits, at several points if they have symbols."""
    if first == second:
        return True
    names = sorted(first.free_symbols | second.free_symbols, key=str)
    difference = first - second
    num_compared = 0
    for place in PLACES[: len(PLACES) if names else 1]:
        if place[0][0] < 0 and difference.has(sympy.factorial):
            continue
        point = {n: sympy.Rational(*place[k % 4]) + k // 4 for k, n in enumerate(names)}
        try:
            values = [x.subs(point).evalf(DIGITS) for x in (first, second, difference)]
        except (TypeError, ValueError, OverflowError):
            continue
        if not all(v.is_number and v.is_finite for v in values):
            continue
        if any(abs(sympy.im(v)) > 0 for v in values[:2]) and names:
            continue
        size = 1 + abs(values[0]) + abs(values[1])
        if abs(values[2]) > size * sympy.Rational(10) ** (5 - DIGITS):
            return False
        num_compared += 1
    return num_compared > 0


PAIRS: dict[tuple[str, str], Callable[[Thing, Thing], bool]] = {
    ("value", "value"): lambda answer, gold: same_number(answer.parts[0], gold.parts[0]),
    ("ratio", "ratio"): agree_ratios,
    ("ratio", "value"): agree_quotient,
    ("value", "ratio"): agree_quotient,
    ("matrix", "matrix"): agree_matrices,
}
