"""Audit the rewards and advantages of a dump, agent by agent."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from baselines.audit.fit import affine_factor, fit
from baselines.audit.formulas import Formula, formulas
from baselines.audit.rivals import other_names, with_rivals
from baselines.audit.rows import Rows, numbered
from baselines.audit.search import SHARED, Found, Match, common_formula, find_formulas
from baselines.common.types import BoolArray, FloatArray, IntArray
from baselines.credit.audit import CreditAudit, compare_advantages

DEFAULT_TOLERANCE = 1e-3
"""Largest deviation from a formula, in units of the spread of the advantages."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AgentAudit:
    """The audit of one agent.

    Args:
        agent: Its name.
        num_rows: Its completions with a reward.
        num_groups: Groups that they are in.
        num_single: Groups in which it has one completion, which have no baseline.
        num_missing: Completions without an advantage.
        num_varying: Completions whose tokens differ in advantage; no formula is compared then, and
            everything else reads the mean over the tokens.
        num_uniform: Groups, among those of several completions, in which all its rewards are equal.
        reward_mean: Mean reward.
        reward_std: Standard deviation of the rewards.
        comparison: Its advantage against that of the reward; None: there are no advantages.
        found: The formulas that were compared; None: there are no advantages.
        reference: The formula under which the reward is compared; None: there are no advantages.
        factor: The number times which its reward, minus a baseline that is the same for all rows of
            the file, of a step or of a group, is its advantage; None: there is none.
        other_names: Registered names of other formulas that give the same advantages.
    """

    agent: str
    num_rows: int
    num_groups: int
    num_single: int
    num_missing: int
    num_varying: int
    num_uniform: int
    reward_mean: float
    reward_std: float
    comparison: CreditAudit | None
    found: Found | None
    reference: Formula | None
    factor: float | None
    other_names: tuple[str, ...]

    @property
    def match(self) -> Match | None:
        """The formula that reproduces the advantages, if it has a name and no other one does."""
        return None if self.found is None else self.found.named

    @property
    def name(self) -> str | None:
        """The registered name of that formula."""
        return None if self.match is None else self.match.formula.names[0]

    @property
    def degenerate(self) -> bool | None:
        """Whether the advantages are those of the reward, group by group, times a factor.

        None: there are no advantages, or both are 0 everywhere, from which nothing follows.
        """
        if self.comparison is None or self.found is None:
            return None
        is_silent = self.found.tolerance.spread == 0.0 and not self.mixed_rate
        return None if is_silent else self.comparison.degenerate

    @property
    def alternatives(self) -> tuple[Match, ...]:
        """Formulas with a name that fit, where too little supports one of them, or several do."""
        return () if self.found is None else tuple(self.found.alternatives)

    @property
    def mixed_rate(self) -> float | None:
        """Share of the groups of several completions in which rewards differ."""
        number = self.num_groups - self.num_single
        return 1.0 - self.num_uniform / number if number else None


def audit_rows(
    rows: Rows, *, tolerance: float = DEFAULT_TOLERANCE, prefer: str | None = None
) -> list[AgentAudit]:
    """Audit every agent of a dump.

    Args:
        rows: The rows of the dump.
        tolerance: Largest deviation from a formula, in units of the root mean square of an agent's
            advantages; half a unit of the last decimal is added if a column was rounded.
        prefer: Which of several names of the same advantages is given, such as that of the
            optimizer of a run; None: the first one of the registry.

    Returns:
        One audit per agent that has a reward, in the order in which they appear.
    """
    agents = np.unique(rows.agent).tolist()
    known = rows.advantage is not None and bool(np.isfinite(rows.advantage).any())
    if rows.advantage is None or not known:
        return [_audit(rows, agent, None, None, prefer) for agent in agents]
    found = find_formulas(rows, rows.advantage, tolerance)
    with_rivals(found, rows)
    common = common_formula(found) or next(iter(formulas(rows)))
    if rows.shared is not None and np.isfinite(rows.shared).all():
        common = _recorded(rows.shared, prefer)
        for each in found:
            _add_recorded(each, rows, common)
    return [_audit(rows, agent, found[agent], common, prefer) for agent in agents]


def _recorded(shared: FloatArray, optimizer: str | None) -> Formula:
    """Return the advantage of the shared reward that a trainer has recorded beside its own."""
    return Formula(
        () if optimizer is None else (optimizer,),
        "the advantage of the shared reward, as recorded",
        {},
        lambda _: shared,
        is_registered=True,
    )


def _add_recorded(found: Found, rows: Rows, recorded: Formula) -> None:
    """Add the recorded advantage to the formulas of an agent that no other one explains."""
    if not found.is_open or rows.advantage is None:
        return
    advantage, group = rows.advantage[found.rows], rows.group[found.rows]
    own = fit(advantage, recorded.values(rows.reward)[found.rows], group, found.tolerance)
    if own is not None and own.is_match:
        found.matches.append(Match(recorded, SHARED, {}, own))


def _audit(
    rows: Rows, agent: int, found: Found | None, common: Formula | None, prefer: str | None
) -> AgentAudit:
    own = np.flatnonzero(rows.agent == agent)
    sizes, is_uniform = _groups(rows.reward[own], rows.group[own])
    reference = comparison = factor = None
    if found is not None and common is not None and rows.advantage is not None:
        reference = common if found.best is None else found.best.formula
        comparison = _compared(rows, rows.advantage, found, reference)
        found = _preferring(found, prefer)
        factor = _factor(rows, rows.advantage, found)
    is_missing = np.zeros(0) if rows.advantage is None else ~np.isfinite(rows.advantage[own])
    return AgentAudit(
        agent=rows.agents[agent],
        num_rows=len(own),
        num_groups=len(sizes),
        num_single=int((sizes == 1).sum()),
        num_missing=int(is_missing.sum()),
        num_varying=int(rows.varies[own].sum()),
        num_uniform=int((is_uniform & (sizes > 1)).sum()),
        reward_mean=float(rows.reward[own].mean()) if len(own) else math.nan,
        reward_std=float(rows.reward[own].std()) if len(own) else math.nan,
        comparison=comparison,
        found=found,
        reference=reference,
        factor=factor,
        other_names=() if found is None else tuple(other_names(found)),
    )


def _groups(reward: FloatArray, group: IntArray) -> tuple[IntArray, BoolArray]:
    """Return the size of each group, and whether its rewards are equal."""
    if not len(group):
        return np.zeros(0, dtype=np.int64), np.zeros(0, dtype=bool)
    order = np.argsort(group, kind="stable")
    starts = np.flatnonzero(np.diff(group[order], prepend=-1))
    low = np.minimum.reduceat(reward[order], starts)
    high = np.maximum.reduceat(reward[order], starts)
    return np.diff(starts, append=len(order)), high - low <= 1e-9 * max(1.0, np.abs(reward).max())


def _compared(
    rows: Rows, advantage: FloatArray, found: Found, reference: Formula
) -> CreditAudit | None:
    """Compare an agent's advantage with that of the reward; None if there is nothing to compare."""
    shared = reference.values(rows.reward)
    own = found.rows[np.isfinite(shared[found.rows])]
    if not len(own):
        return None
    turn = numbered(rows.group[own], rows.turn[own])
    order = np.argsort(turn, kind="stable")  # sorted by group, then by turn
    x, y = shared[own][order], advantage[own][order]
    # A factor common to all rows changes only the slope, and brings both to one tolerance.
    scale = _size(y) / _size(x) if _size(x) > 0.0 and _size(y) > 0.0 else 1.0
    compared = compare_advantages(
        x * scale,
        y,
        group_sizes=np.unique(rows.group[own], return_counts=True)[1],
        turn_sizes=np.bincount(turn),
        tolerance=max(found.tolerance.allowed, 1e-12),
    )
    return replace(
        compared,
        slope=compared.slope * scale,
        variance_ratio=compared.variance_ratio * scale * scale,
    )


def _factor(rows: Rows, advantage: FloatArray, found: Found) -> float | None:
    """Return the number times which the reward, minus any baseline, is an agent's advantage."""
    if found.tolerance.spread == 0.0 or found.varies:
        return None
    x, y = rows.reward[found.rows], advantage[found.rows]
    for cell in (np.zeros_like(found.rows), rows.step[found.rows], rows.group[found.rows]):
        own = affine_factor(y, x, cell, found.tolerance)
        if own is not None:
            return own
    return None


def _size(values: FloatArray) -> float:
    return float(np.sqrt(np.mean(values * values)))


def _preferring(found: Found, prefer: str | None) -> Found:
    """Return what was found, with the preferred name first, and alone, where it fits as well."""
    best = found.best
    for match in found.matches:
        if best is None or prefer not in match.formula.names:
            continue
        if match.credit == best.credit and match.fit.is_match:
            names: Sequence[str] = match.formula.names
            first = replace(match.formula, names=(prefer, *(n for n in names if n != prefer)))
            others = [each for each in found.matches if each is not match]
            return replace(found, matches=[replace(match, formula=first), *others], rivals=[])
    return found
