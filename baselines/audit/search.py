"""Find the formula that reproduces the advantages of each agent."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from baselines.audit.fit import LEAST_SUPPORT, Fit, Tolerance, fit, tolerance_of
from baselines.audit.formulas import Formula, formulas
from baselines.audit.removed_credit import credits_of
from baselines.audit.rows import Rows
from baselines.common.types import BoolArray, FloatArray, IntArray
from baselines.optimizers import OPTIMIZERS

SHARED = "shared"
SMALLEST_ERROR = 1e-7
"""Deviations below this, the rounding of float32, do not make one variant better than another."""

ENOUGH_ROWS = 20_000
"""Rows, of whole steps, on which all formulas are compared; the others are, on those that fit."""
LEAST_SUPPORT_GROUPS = 2
"""Groups that these must be in."""
NO_FIT = Fit(is_match=False, error=math.inf)


@dataclass(frozen=True, slots=True)
class Match:
    """A formula applied to a credit, and how it fits the advantages of an agent.

    Args:
        formula: The formula.
        credit: Name from ALLOCATORS.
        credit_settings: Hyperparameters of the allocator that are not its default.
        fit: How it fits.
    """

    formula: Formula
    credit: str
    credit_settings: Mapping[str, str]
    fit: Fit

    @property
    def key(self) -> object:
        """What tells it from other formulas and credits."""
        return self.formula.text, self.credit, tuple(self.credit_settings.items())

    @property
    def is_supported(self) -> bool:
        """Whether enough rows, in enough groups, support it."""
        is_enough = self.fit.num_support >= LEAST_SUPPORT
        return is_enough and self.fit.num_support_groups >= LEAST_SUPPORT_GROUPS

    @property
    def name_rank(self) -> tuple[object, ...]:
        """Order of preference of names: the simplest explanation first."""
        names = self.formula.names
        return (
            not names,
            not self.is_supported,
            self.fit.num_zeroed > 0 or self.fit.clipped_at is not None,
            self.credit != SHARED,
            not self.formula.is_own_scope,
            not self.formula.is_registered,
            names and list(OPTIMIZERS).index(names[0]),
        )

    @property
    def settings_rank(self) -> tuple[float, int]:
        """Order of preference of the settings under one name: the closest, then the fewest."""
        error = round(math.log10(max(self.fit.error, SMALLEST_ERROR)))
        return error, len(self.formula.settings) + len(self.credit_settings)


@dataclass(slots=True)
class Found:
    """What was found for an agent.

    Args:
        rows: Its rows that have an advantage, as indices.
        tolerance: Tolerance for its advantages.
        varies: Whether the tokens of a completion differ in advantage: nothing is compared then.
        matches: Formulas that reproduce them, best first.
        nearest: The formula that comes nearest of those that do not.
        rivals: Formulas other than the best that reproduce them, and would differ from it if the
            rewards were others.
    """

    rows: IntArray
    tolerance: Tolerance
    varies: bool
    matches: list[Match] = field(default_factory=list)
    nearest: Match | None = None
    rivals: list[Match] = field(default_factory=list)

    @property
    def is_open(self) -> bool:
        """Whether a formula is looked for, and none was found yet."""
        return self.best is None and self.tolerance.spread > 0.0 and not self.varies

    @property
    def best(self) -> Match | None:
        """The best match that has a registered name."""
        return next((match for match in self.matches if match.formula.names), None)

    @property
    def named(self) -> Match | None:
        """The best match, if enough rows support it and it has no rivals."""
        best = self.best
        return best if best is not None and best.is_supported and not self.rivals else None

    @property
    def alternatives(self) -> list[Match]:
        """The formulas that fit where none of them is named, the best first."""
        return [] if self.best is None or self.named is not None else [self.best, *self.rivals]


def find_formulas(rows: Rows, advantage: FloatArray, relative: float) -> list[Found]:
    """Compare the advantages of each agent with every formula of every credit.

    Args:
        rows: The rows of a dump.
        advantage: Their advantages, (n,), NaN where missing.
        relative: Tolerance in units of the spread of an agent's advantages.

    Returns:
        What was found, by agent. Credit other than the team reward is tried only while there is
        an agent that no formula of the team reward explains.
    """
    found = _tolerances(rows, advantage, relative)
    start = first_steps(rows)
    candidates: set[object] | None = None
    if not start.all():
        first = _tolerances(rows.where(start), advantage[start], relative)
        if all(
            own.tolerance.spread > 0.0 or each.tolerance.spread == 0.0
            for own, each in zip(first, found, strict=True)
        ):
            _compare(first, rows.where(start), advantage[start], None)
            kept = [match for each in first for match in (*each.matches, each.nearest) if match]
            candidates = {match.key for match in kept}
    _compare(found, rows, advantage, candidates)
    return found


def _tolerances(rows: Rows, advantage: FloatArray, relative: float) -> list[Found]:
    has_advantage = np.isfinite(advantage)
    found = []
    for agent in range(len(rows.agents)):
        own = np.flatnonzero((rows.agent == agent) & has_advantage)
        varies = bool(rows.varies[own].any())
        tolerance = tolerance_of(advantage[own], relative)
        found.append(Found(own, tolerance, varies))
    return found


def first_steps(rows: Rows) -> BoolArray:
    """Return which rows are in the first steps, of at least ENOUGH_ROWS rows."""
    last = int(np.searchsorted(np.bincount(rows.step).cumsum(), ENOUGH_ROWS))
    is_first: BoolArray = rows.step <= last
    return is_first


def _compare(
    found: Sequence[Found], rows: Rows, advantage: FloatArray, candidates: set[object] | None
) -> None:
    """Add the matches of all agents, of these candidates, or of all formulas if None."""
    for credit, settings, values in _all_credits(rows):
        unexplained = [each for each in found if each.is_open]
        if not unexplained:
            break
        for formula in formulas(rows):
            match = Match(formula, credit, settings, NO_FIT)
            if candidates is not None and match.key not in candidates:
                continue
            formula_values = formula.values(values)
            for each in unexplained:
                own = fit(
                    advantage[each.rows],
                    formula_values[each.rows],
                    rows.group[each.rows],
                    each.tolerance,
                )
                if own is not None:
                    _keep(each, replace(match, fit=own))
    for each in found:
        each.matches = _sorted(each.matches)


def _sorted(matches: Sequence[Match]) -> list[Match]:
    """Return the matches by the best rank of their names, and under a name by their settings."""
    rank: dict[tuple[object, ...], tuple[object, ...]] = {}
    for match in matches:
        key = _name_of(match)
        rank[key] = min(rank.get(key, match.name_rank), match.name_rank)
    return sorted(matches, key=lambda match: (rank[_name_of(match)], match.settings_rank))


def _name_of(match: Match) -> tuple[object, ...]:
    return match.formula.names[:1], match.credit, match.formula.is_own_scope


def _all_credits(rows: Rows) -> Iterator[tuple[str, Mapping[str, str], FloatArray]]:
    yield SHARED, {}, rows.reward
    yield from credits_of(rows)


def _keep(found: Found, match: Match) -> None:
    if match.fit.is_match:
        found.matches.append(match)
    elif found.nearest is None or _nearness(match) > _nearness(found.nearest):
        found.nearest = match


def _nearness(match: Match) -> tuple[object, ...]:
    """Return the larger the nearer: a multiple, of which the first one counts, then more rows."""
    is_multiple = match.fit.factor is not None
    closeness = () if is_multiple else (match.fit.share, -match.fit.error)
    return (is_multiple and bool(match.formula.names), match.credit == SHARED, *closeness)


def common_formula(found: Sequence[Found]) -> Formula | None:
    """Return the formula of most agents, under which the others are compared as well."""
    named = [each.best.formula for each in found if each.best is not None]
    texts = [formula.text for formula in named]
    return max(named, key=lambda formula: texts.count(formula.text), default=None)
