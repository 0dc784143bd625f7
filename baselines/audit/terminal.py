"""What ``ccpo audit`` prints: a table and a sentence per agent."""

from __future__ import annotations

import math
from collections.abc import Iterator

from rich.console import RenderableType

from baselines.audit.audit import AgentAudit
from baselines.audit.narrative import name_of, share_text
from baselines.audit.report import FileAudit
from baselines.common.wording import plural
from baselines.evaluate.tables import Grid
from ccpo_env.text import printable

MAX_AGENTS = 20
"""Agents that are printed; the JSON has all."""
MAX_NAME = 24


def printed(found: FileAudit) -> Iterator[RenderableType]:
    """Yield the lines and the table of an audit, which fit 80 columns; text is made printable."""
    columns, rows = found.columns, found.rows
    group = " + ".join(n for n in (columns.step, *columns.group) if n is not None)
    yield printable(f"{found.path}: {found.kind.title}")
    yield printable(
        f"{plural(len(rows.reward), 'row')}, {plural(rows.num_groups, 'group')} ({group}), "
        f"{plural(rows.num_steps, 'step')}, {plural(len(found.agents), 'agent')} "
        f"({columns.agent or 'no column of agents'}); reward: {' + '.join(columns.reward)}; "
        f"advantage: {columns.advantage or 'none'}"
    )
    yield ""
    shown = found.agents[:MAX_AGENTS]
    yield Grid(
        "Advantages against those of the reward",
        ("agent", "formula", "degenerate", "slope", "corr.", "sign", "signal"),
        tuple(_row(audit) for audit in shown),
    ).for_terminal()
    yield ""
    for audit in shown:
        yield printable(f"{_short(audit.agent)}: {found.sentence(audit)}.")
    if len(shown) < len(found.agents):
        yield f"{plural(len(found.agents) - len(shown), 'more agent')}: see --out."
    yield (
        f"Tolerance {found.tolerance:g} of the root mean square of an agent's advantages"
        f"{_rounding(shown)}."
    )
    yield from map(printable, found.notes)


def _row(audit: AgentAudit) -> tuple[str, ...]:
    compared = audit.comparison
    signal = audit.mixed_rate if compared is None else compared.signal_rate
    return (
        printable(_short(audit.agent)),
        _formula(audit),
        "-" if audit.degenerate is None else "yes" if audit.degenerate else "no",
        *(
            "-" if compared is None or not math.isfinite(value) else f"{value:.3g}"
            for value in (
                (math.nan,) * 3
                if compared is None
                else (compared.slope, compared.correlation, compared.sign_agreement)
            )
        ),
        "-" if signal is None else share_text(signal),
    )


def _formula(audit: AgentAudit) -> str:
    """Return the name of the formula, or those between which these rewards do not decide."""
    named = (audit.match,) if audit.match else audit.alternatives
    if not named or not named[0].is_supported:
        return "-"
    return " or ".join(dict.fromkeys(name_of(match, short=True) for match in named))


def _rounding(audits: tuple[AgentAudit, ...]) -> str:
    tolerances = [audit.found.tolerance for audit in audits if audit.found is not None]
    decimals = {str(own.decimals) for own in tolerances if own.decimals}
    precisions = {own.precision for own in tolerances if own.precision}
    text = ""
    if decimals:
        numbers = " or ".join(sorted(decimals))
        text += f", and half a unit of the last decimal of advantages rounded to {numbers} decimals"
    if precisions:
        types = " or ".join(sorted(precisions))
        text += f", and half a unit of the last bit of the largest advantage in {types}"
    return text


def _short(name: str) -> str:
    return name if len(name) <= MAX_NAME else f"{name[: MAX_NAME - 1]}…"
