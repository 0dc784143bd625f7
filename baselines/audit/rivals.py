"""Formulas that reproduce the same advantages: one method under two names, or a coincidence?"""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence

import numpy as np

from baselines.audit.formulas import Formula, formulas
from baselines.audit.rows import Rows
from baselines.audit.search import Found, Match, first_steps
from baselines.common.types import FloatArray
from baselines.optimizers import OPTIMIZERS

ALIKE = 0.02
"""Root mean square of the difference of two formulas, relative to one, below which they are alike:
what is added to a deviation may differ, and nothing else."""
GROUP_SPREAD = 3.0
"""Deviation of the means of groups relative to that within groups, in rewards that are made up."""


def with_rivals(found: Sequence[Found], rows: Rows) -> None:
    """Add to what was found the rivals of the best formula of each agent.

    Two formulas that reproduce the same advantages are tried on made-up rewards of the same groups.
    If they agree there as well, they are one method for this dump, whatever it is called: dr_mas is
    grpo where agents speak once. If they do not, they agree by the rewards of the dump alone, which
    do not tell them apart: for rewards 0 and 1 in groups of 2, rloo is the score of GRPO with a
    variance divided by G. They are rivals then, one for each method.

    Args:
        found: What was found, by agent; its rivals are set.
        rows: The rows of the dump, of which the first steps are read.
    """
    rows = rows.where(first_steps(rows))
    rng = np.random.default_rng(0)
    made_up = rng.normal(size=len(rows.reward))
    made_up += GROUP_SPREAD * rng.normal(size=rows.num_groups)[rows.group]
    known: Mapping[Hashable, Formula] | None = None
    for agent, each in enumerate(found):
        others = _others(each)
        if each.best is None or not others:
            continue
        known = known or {_key(formula): formula for formula in formulas(rows)}
        if not {_key(match.formula) for match in (each.best, *others)} <= set(known):
            continue  # turns that later steps alone have
        own = rows.agent == agent
        best, *values = (
            known[_key(match.formula)].values(made_up)[own] for match in (each.best, *others)
        )
        each.rivals += [
            match for match, x in zip(others, values, strict=True) if not _are_alike(best, x)
        ]


def other_names(found: Found) -> list[str]:
    """Return the registered names of the other formulas that fit, on the same credit."""
    best = found.named
    if best is None or not best.formula.is_own_scope:
        return []  # no registered method normalises all agents together
    names = {
        name
        for match in found.matches
        if match.credit == best.credit and match.credit_settings == best.credit_settings
        if "whitened" not in match.formula.settings  # a variant of no method but its own
        for name in match.formula.names
    }
    return [name for name in OPTIMIZERS if name in names and name != best.formula.names[0]]


def _others(found: Found) -> list[Match]:
    """Return the best match of each other method that explains the advantages as simply."""
    best = found.best
    if best is None:
        return []
    kinds = {_kind(best)}
    others = []
    for match in found.matches:
        kind = _kind(match)
        if match.formula.names and kind not in kinds and _level(match) == _level(best):
            kinds.add(kind)
            others.append(match)
    return others


def _kind(match: Match) -> Hashable:
    """Return what tells a method from others: not its divisor, nor what is added to it."""
    name, settings = match.formula.names[:1], match.formula.settings
    own_whitening = "whitened" in settings and not OPTIMIZERS[name[0]].whitens
    return name, settings.get("std"), own_whitening


def _level(match: Match) -> Hashable:
    """Return what a simple explanation has less of, or what it is about."""
    has_exceptions = match.fit.num_zeroed > 0 or match.fit.clipped_at is not None
    credit = match.credit, tuple(match.credit_settings.items())
    return credit, match.formula.is_own_scope, has_exceptions, match.is_supported


def _key(formula: Formula) -> Hashable:
    return formula.names, formula.text


def _are_alike(one: FloatArray, two: FloatArray) -> bool:
    both = np.isfinite(one) & np.isfinite(two)
    difference = one[both] - two[both]
    limit = ALIKE**2 * float(one[both] @ one[both])
    return bool(difference @ difference <= limit)
