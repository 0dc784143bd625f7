"""The audit in sentences: one per agent, the reason where no formula is named, and notes."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

from baselines.audit.audit import AgentAudit
from baselines.audit.columns import Columns
from baselines.audit.fit import LEAST_SUPPORT
from baselines.audit.formats import Format
from baselines.audit.rows import Rows
from baselines.audit.search import LEAST_SUPPORT_GROUPS, SHARED, Match
from baselines.common.wording import plural
from baselines.optimizers import OPTIMIZERS

ENOUGH_GROUPS = 20
"""Number of groups, none of equal rewards, from which a note says they may have been filtered."""


def sentence(audit: AgentAudit, *, is_alone: bool, kind: Format) -> str:
    """Return one sentence on an agent.

    Args:
        audit: Its audit.
        is_alone: Whether the dump has no other agent.
        kind: The format of the dump.
    """
    finding = _named(audit.match, audit) if audit.match else reason(audit, kind)
    return "; ".join([finding, *_against_reward(audit, is_alone=is_alone), _signal(audit)])


def reason(audit: AgentAudit, kind: Format) -> str:
    """Return why no formula is named.

    Args:
        audit: The audit of an agent.
        kind: The format of the dump.
    """
    found = audit.found
    if found is None and audit.num_missing:
        return "no formula: the column of advantages holds no finite number"
    if found is None:
        return f"no formula: {kind.no_advantage or 'there are no advantages'}"
    if not len(found.rows):
        return "no formula: no row has an advantage"
    if found.varies:
        return (
            f"no formula: the tokens of {plural(audit.num_varying, 'completion')} differ in "
            f"advantage, as "
            f"with a discount, a KL penalty or a critic"
        )
    if found.tolerance.spread == 0.0:
        groups = audit.num_groups - audit.num_single
        if audit.num_uniform == groups:
            return "no formula: all advantages are 0, as all rewards of each group are equal"
        return (
            f"no formula: all advantages are 0, although rewards differ in "
            f"{groups - audit.num_uniform} of {plural(groups, 'group')}"
        )
    if audit.alternatives:
        return _undecided(audit.alternatives)
    if found.matches:
        return f"no registered formula: the advantage is {found.matches[0].formula.text}"
    if audit.num_groups == audit.num_single:
        return (
            "no formula: each group has one row, and one row has no baseline; name the column of "
            "the task with --group-column"
        )
    return f"no formula reproduces the advantages: {_nearest(found.nearest)}"


def _undecided(alternatives: Sequence[Match]) -> str:
    """Return why none of the formulas that fit is named."""
    texts = [_formula_text(match) for match in alternatives]
    listed = texts[0] if len(texts) == 1 else f"{', '.join(texts[:-1])} and {texts[-1]}"
    fit = alternatives[0].fit
    if not alternatives[0].is_supported:
        support = plural(fit.num_support, "row") + " in " + plural(fit.num_support_groups, "group")
        return (
            f"no formula is named: {listed} reproduce{'s' if len(texts) == 1 else ''} the "
            f"advantages, but only {support} with an advantage that is not 0 support it, and it "
            f"takes {LEAST_SUPPORT} in {LEAST_SUPPORT_GROUPS}"
        )
    return f"no single formula: {listed} all give these advantages for these rewards"


def _nearest(nearest: Match | None) -> str:
    if nearest is None:
        return "all formulas give 0"
    text = _formula_text(nearest)
    if nearest.fit.factor is not None:
        return f"they are {nearest.fit.factor:.4g} times {text}"
    if nearest.fit.share < 0.5:
        return "none is within the tolerance on half of the rows that are not 0"
    share = share_text(nearest.fit.share, 1)
    return f"{text} is within the tolerance on {share} of the rows that are not 0"


def share_text(share: float, digits: int = 0) -> str:
    """Return a share in percent, as in "67 %"."""
    return f"{100.0 * share:.{digits}f} %"


def name_of(match: Match, *, short: bool = False) -> str:
    """Return a registered name in words: grpo, as other trainers default to it, has a deviation."""
    name = match.formula.names[0]
    settings = match.formula.settings
    has_std = settings.get("std", OPTIMIZERS["grpo"].hyperparameters.std)
    if name != "grpo" or has_std:
        return name
    return f"{name}, no std" if short else f"{name} without the standard deviation"


def _formula_text(match: Match) -> str:
    name = name_of(match) if match.formula.names else ""
    credit = "" if match.credit == SHARED else f" of {match.credit} credit"
    return f"{name}{credit} ({match.formula.text})" if name else match.formula.text


def _named(match: Match, audit: AgentAudit) -> str:
    parts = [f"{_formula_text(match)} reproduces the advantages"]
    if match.fit.num_zeroed:
        parts.append(f"except {match.fit.num_zeroed:,} in groups of zeros")
    if match.fit.clipped_at is not None:
        parts.append(f"clipped at {match.fit.clipped_at:.4g}")
    if audit.other_names:
        parts.append(f"which are also those of {', '.join(audit.other_names)}")
    return ", ".join(parts)


def _against_reward(audit: AgentAudit, *, is_alone: bool) -> Iterator[str]:
    compared = audit.comparison
    if compared is None or audit.found is None or audit.found.tolerance.spread == 0.0:
        return
    if compared.degenerate:
        if audit.match is None or audit.match.credit != SHARED:
            yield (
                f"degenerate: in every group it is the advantage of the reward times a factor, "
                f"{compared.slope:.3g} over all"
            )
        elif not is_alone:
            yield "degenerate: it holds nothing but the reward"
    elif audit.factor is not None:
        yield (
            f"no credit: the advantages hold nothing but the reward, {audit.factor:.3g} times it "
            f"with another baseline"
        )
    elif np.isfinite(compared.correlation):
        yield (
            f"not degenerate: correlation {compared.correlation:.2f} with the advantage of the "
            f"reward"
        )


def _signal(audit: AgentAudit) -> str:
    if audit.comparison is not None:
        verb = "has" if audit.num_groups == 1 else "have"
        groups = plural(audit.num_groups, "group")
        return f"{share_text(audit.comparison.signal_rate)} of {groups} {verb} a signal"
    if audit.mixed_rate is None:
        return f"mean reward {audit.reward_mean:.3g}"
    return (
        f"rewards (mean {audit.reward_mean:.3g}) differ in {share_text(audit.mixed_rate)} of "
        f"{plural(audit.num_groups - audit.num_single, 'group')}"
    )


def notes(
    rows: Rows, audits: Sequence[AgentAudit], columns: Columns, kind: Format
) -> Iterator[str]:
    """Yield what limits the audit of a dump, in sentences."""
    if kind.lacks:
        yield f"Of {kind.title}: {kind.lacks}."
    if rows.num_unmeasured:
        verb = "is" if rows.num_unmeasured == 1 else "are"
        yield f"{plural(rows.num_unmeasured, 'row')} without a reward {verb} left out."
    missing = sum(audit.num_missing for audit in audits)
    if rows.advantage is not None and missing:
        verb = "has" if missing == 1 else "have"
        yield f"{plural(missing, 'row')} {verb} no advantage; rewards count in their groups."
    single = sum(audit.num_single for audit in audits)
    if single:
        verb = "has" if single == 1 else "have"
        yield f"{plural(single, 'group')} {verb} one row of an agent, which has no baseline."
    if columns.step is None and rows.advantage is not None:
        yield (
            "There is no column of steps: the file counts as one step, and equal ids are one "
            "group; name one with --step-column."
        )
    groups = sum(audit.num_groups - audit.num_single for audit in audits)
    if groups >= ENOUGH_GROUPS and not any(audit.num_uniform for audit in audits):
        yield (
            "No group has equal rewards: a trainer that drops such groups, as DAPO does, leaves "
            "none, and the share with a signal then says nothing about its tasks."
        )
    if len(rows.agents) > 1 and _have_own_rewards(rows):
        yield (
            "Agents have rewards of their own: each is compared with its own reward, not with one "
            "that the team shares."
        )


def _have_own_rewards(rows: Rows) -> bool:
    """Return whether the mean rewards of the agents of some group differ."""
    num_agents, num_groups = len(rows.agents), int(rows.group.max()) + 1
    cell = rows.group * num_agents + rows.agent
    counts = np.bincount(cell, minlength=num_groups * num_agents)
    sums = np.bincount(cell, rows.reward, num_groups * num_agents)
    means = np.where(counts > 0, sums / np.maximum(counts, 1), np.nan).reshape(-1, num_agents)
    low, high = np.nanmin(means, axis=1), np.nanmax(means, axis=1)
    return bool((high - low > 1e-6 * max(1.0, np.abs(rows.reward).max())).any())
