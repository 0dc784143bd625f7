r"""Compare two answers by type: a set, a matrix, a list, an equation, one value.

Every comparison returns True, False, or None if it is undecided; None leaves the answers to
math-verify. The answer comes first, the gold answer second: the comparison is not symmetric, since
only the answer may have a label, for example.
"""

from __future__ import annotations

from ccpo_env.verifiers.math.compare.basis import same_basis_sum
from ccpo_env.verifiers.math.compare.containers import is_container, same_container
from ccpo_env.verifiers.math.compare.families import read_family, same_family
from ccpo_env.verifiers.math.compare.inequalities import (
    is_all,
    is_inequality,
    known_set,
    solution_set,
)
from ccpo_env.verifiers.math.compare.labels import is_label
from ccpo_env.verifiers.math.compare.matrices import same_matrix
from ccpo_env.verifiers.math.compare.members import all_same
from ccpo_env.verifiers.math.compare.options import same_option
from ccpo_env.verifiers.math.compare.piecewise import read_piecewise, same_piecewise
from ccpo_env.verifiers.math.compare.relations import (
    is_congruence,
    is_relation,
    same_congruence,
    same_relation,
)
from ccpo_env.verifiers.math.compare.series import same_series
from ccpo_env.verifiers.math.compare.single import same_single
from ccpo_env.verifiers.math.compare.vectors import is_sum_of_vectors, same_vectors
from ccpo_env.verifiers.math.forms.normalize import same_form
from ccpo_env.verifiers.math.forms.reading import Reading
from ccpo_env.verifiers.math.text.phrases import EMPTY
from ccpo_env.verifiers.math.values.intervals import Region, same_region


def same_typed(answer: Reading, gold: Reading) -> bool | None:
    """Return whether two answers are the same mathematics, or None if undecided."""
    if same_form(answer.text, gold.text, answer.form, gold.form):
        return True
    if not answer.text or not gold.text:
        return False
    if (equal := _same_form_of_its_own(answer, gold)) is not None:
        return equal
    if answer.matrix or gold.matrix:
        return same_matrix(answer, gold, same_typed)
    if (equal := _same_region(answer, gold)) is not None:
        return equal
    if is_container(answer) or is_container(gold):
        return same_container(answer, gold, same_typed)
    if is_relation(answer) or is_relation(gold):
        return same_relation(answer, gold, same_typed)
    return same_single(answer, gold)


def _same_form_of_its_own(answer: Reading, gold: Reading) -> bool | None:
    """Compare options, congruences, functions in pieces, sets with a parameter, and vectors.

    None for a pair of which neither is one of these.
    """
    if (equal := same_option(answer, gold, same_typed)) is not None:
        return equal
    if (equal := same_piecewise(answer, gold, same_typed)) is not None:
        return equal
    for compare in (same_congruence, same_family, same_basis_sum, same_series, same_vectors):
        if (equal := compare(answer, gold)) is not None:
            return equal
    return None


def is_understood(gold: Reading) -> bool:
    """Return whether a gold answer is words, or the grammar reads all of it.

    All other answers are wrong then, also where math-verify cannot parse the gold answer.
    """
    if gold.is_value or gold.is_words or gold.text in (EMPTY, "\\infty", "-\\infty"):
        return True
    if gold.region or gold.matrix or is_congruence(gold) or is_sum_of_vectors(gold):
        return True
    if read_family(gold.text) or read_piecewise(gold):
        return True
    if is_container(gold):
        parts = gold.items
    else:
        parts = gold.relation[0]
        if len(parts) > 1 and is_label(parts[0]):
            parts = parts[1:]
        elif len(parts) == 1:
            return False
    return all(part.text == "\\ldots" or is_understood(part) for part in parts)


def _same_region(answer: Reading, gold: Reading) -> bool | None:
    """Compare two sets of numbers, or a set with another kind; possible pairs are undecided."""
    first, second = answer.region, gold.region
    if (equal := _same_solved(answer, gold)) is not None:
        return equal
    if first and second:
        if is_inequality(answer) and is_inequality(gold) and (is_all(first) or is_all(second)):
            return None  # |x|>-1 is not |x|>-2: two questions, whose answers are not shown
        if not first.intervals and not second.intervals:
            return None
        return same_region(first, second) if first.is_definite or second.is_definite else None
    region, other = (first, gold) if first else (second, answer)
    if region is None or not region.is_definite or is_relation(other):
        return None
    if other.parts.opened == "\\{" and len(other.items) == 1 and region.is_point:
        point = (answer if first else gold).items[0]
        return same_typed(point, other.items[0]) if first else same_typed(other.items[0], point)
    if len(region.intervals) == len(other.items) > 1 and not other.parts.opened:
        parts = [item.region for item in other.items if item.region and item.region.is_definite]
        if len(parts) == len(other.items):  # (1,2],[3,4] is a union
            return all_same(
                any(same_region(part, Region((each,), "", is_definite=True)) for part in parts)
                for each in region.intervals
            )
    return False if other.is_value or other.is_words or is_container(other) else None


def _same_solved(answer: Reading, gold: Reading) -> bool | None:
    """Compare an inequality that is not solved, on either side, with a set; None for others."""
    for question, other in ((answer, gold), (gold, answer)):
        if not is_inequality(question) or (question.region and other.region):
            continue
        if (known := known_set(other)) is not None:
            found = solution_set(question)
            if found is not None:
                return same_region(found, known)
    return None
