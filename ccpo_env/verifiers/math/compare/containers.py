"""Compare lists, sets and tuples with each other and with single values."""

from __future__ import annotations

from ccpo_env.verifiers.math.compare.members import Same, all_same, same_in_order, same_members
from ccpo_env.verifiers.math.compare.relations import is_relation, same_relation
from ccpo_env.verifiers.math.forms.reading import Reading

MAX_NAME_CHARS = 3
"""Longest name of a coordinate, in characters: x, x_1."""

MAX_ENDS = 2
"""Largest number of parts in brackets that are an interval: [1, 0, 2] is a list as in Python."""


def is_container(reading: Reading) -> bool:
    """Return whether a reading is a list, a set or a tuple."""
    return len(reading.parts.items) > 1 or reading.parts.opened == "\\{"


def same_container(answer: Reading, gold: Reading, same: Same) -> bool | None:
    """Compare two containers, or a container with a single value.

    Note: Lists and sets are unordered, but a list of words is ordered. A tuple and a bare list
        agree if they have the same parts in the same order; `[1, 2]` and `1, 2` do not. A gold
        answer `[1, 0, 2]` is a tuple.
    """
    first, second = answer.parts, gold.parts
    if "\\emptyset" in (answer.text, gold.text):
        return False  # a set of the empty set is not empty
    if _is_equation(answer) or _is_equation(gold):
        return _same_labelled_container(answer, gold, same)
    if first.is_unordered and second.is_unordered:
        are_words = _are_listed_words(answer) and _are_listed_words(gold)
        if are_words:
            return same_in_order(answer.items, gold.items, same)
        if not first.opened and all(map(_is_letter, (*answer.items, *gold.items))):
            return same_members(_choices(answer), _choices(gold), same)
        is_set = bool(second.opened)
        return same_members(answer.items, gold.items, _same_kind_by(same), is_set=is_set)
    if (equal := _same_labelled_point(answer, gold, same)) is not None:
        return equal
    if not first.is_unordered and not second.is_unordered and min(_sizes(answer, gold)) > 1:
        brackets = [each.opened + each.closed for each in (first, second)]
        is_list = brackets == ["()", "[]"] and len(gold.items) > MAX_ENDS
        if brackets[0] != brackets[1] and not is_list:
            return False
        return same_in_order(answer.items, gold.items, same)
    return _same_kinds(answer, gold, same)


def _is_letter(reading: Reading) -> bool:
    return len(reading.form) == 1 and reading.form.isalpha()


def _choices(reading: Reading) -> list[Reading]:
    """Return the letters of a bare list as choices, which ignore case."""
    return [Reading(item.text) for item in reading.items]


def _same_kind_by(same: Same) -> Same:
    """Return a comparison of members in which a set never equals another kind: `{1}` is not 1."""

    def same_kind(answer: Reading, gold: Reading) -> bool | None:
        are_sets = [reading.parts.opened == "\\{" for reading in (answer, gold)]
        return same(answer, gold) if are_sets[0] == are_sets[1] else False

    return same_kind


def _sizes(*readings: Reading) -> list[int]:
    return [len(reading.parts.items) for reading in readings]


def _is_equation(reading: Reading) -> bool:
    return _sizes(reading) == [1] and not reading.parts.opened and is_relation(reading)


def _are_listed_words(reading: Reading) -> bool:
    return all(item.is_words for item in reading.items)


def _same_labelled_container(answer: Reading, gold: Reading, same: Same) -> bool | None:
    """Compare a container with a labelled one: `S = {1, 2}`; `(x, y) = (1, 2)` and `x=1, y=2`."""
    if values := _values_in_order(answer, gold):
        return same_in_order(values, gold.sides[1].items, same)
    if values := _values_in_order(gold, answer):
        return same_in_order(answer.sides[1].items, values, same)
    for container in (answer, gold):
        if len(container.items) > 1 and all(map(is_relation, container.items)):
            pair = ((answer,), gold.items) if container is gold else (answer.items, (gold,))
            return same_members(pair[0], pair[1], same)
    return same_relation(answer, gold, same)


def _values_in_order(container: Reading, point: Reading) -> list[Reading]:
    """Return the values of `y=2, x=1` in the order of `(x, y) = ...`; empty for anything else."""
    values = labelled_values(container)
    if len(point.sides) != 2 or point.sides[1].parts.opened != "(":
        return []
    names = [name.text for name in point.sides[0].items]
    return [values[name] for name in names] if set(names) == set(values) else []


def _same_labelled_point(answer: Reading, gold: Reading, same: Same) -> bool | None:
    """Compare `x=1, y=2` with `(1, 2)` or with `[x=1, y=2]`; None for any other pair."""
    values, gold_values = labelled_values(answer), labelled_values(gold)
    if values and gold_values:
        names = values if values.keys() == gold_values.keys() else []
        return all_same(same(values[name], gold_values[name]) for name in names) if names else None
    if gold.parts.opened == "(" and values:
        return same_in_order(list(values.values()), gold.items, same)
    if answer.parts.opened == "(" and gold_values:
        return same_in_order(answer.items, list(gold_values.values()), same)
    return None


def labelled_values(reading: Reading) -> dict[str, Reading]:
    """Return the values of equations for different names, in brackets or not, by name.

    Note: Names of one letter are in the order of the alphabet, as the coordinates of a point are;
        others stay in the order in which they are written.
    """
    if len(reading.items) < 2 or "=" not in reading.text:
        return {}
    values = {item.sides[0].text: item.sides[1] for item in reading.items if len(item.sides) == 2}
    is_point = len(values) == len(reading.items) and max(map(len, values)) <= MAX_NAME_CHARS
    if not is_point:
        return {}
    is_alphabetical = all(name.isalpha() and name.islower() for name in values) and (
        "w" not in values  # x, y, z, w
    )
    return dict(sorted(values.items())) if is_alphabetical else values


def _same_kinds(answer: Reading, gold: Reading, same: Same) -> bool | None:
    """Compare a tuple with a list, or a container with a single value."""
    for container, other in ((answer, gold), (gold, answer)):
        if container.parts.is_unordered and len(container.items) > 1:
            if container.items[0].text.startswith(("(", "[")) or is_relation(container.items[0]):
                pair = ((answer,), gold.items) if container is gold else (answer.items, (gold,))
                return same_members(pair[0], pair[1], same)
            if container.parts.opened or other.parts.opened != "(" or len(other.items) < 2:
                return False
            return same_in_order(answer.items, gold.items, same)
    for container, point in ((answer, gold), (gold, answer)):
        is_set_of_one = container.parts.opened == "\\{" and len(container.items) == 1
        if is_set_of_one and point.parts.opened == "(" == container.items[0].parts.opened:
            first, second = (answer, gold.items[0]) if point is answer else (answer.items[0], gold)
            return same(first, second)
    single, container = (answer, gold) if len(answer.items) == 1 else (gold, answer)
    if container.parts.opened in ("(", "[") and _names_a_point(single, container, same):
        return True
    is_other = single.is_value or single.is_words or single.text == "\\emptyset"
    return False if is_other else None


def _names_a_point(single: Reading, container: Reading, same: Same) -> bool:
    """Return whether P(1,2) names the point (1,2)."""
    name, _, rest = single.text.partition("(")
    if len(name.strip()) != 1 or not name.strip().isupper():
        return False
    return same(Reading("(" + rest), container) is True
