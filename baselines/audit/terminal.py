"""What ``ccpo audit`` prints: a table and a sentence per agent."""

from __future__ import annotations

import math
from collections.abc import Iterator

from rich.console import RenderableType

from baselines.audit.audit import AgentAudit
from baselines.audit.report import FileAudit
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
        f"{len(rows.reward):,} rows, {rows.num_groups:,} groups ({group}), {rows.num_steps:,} "
        f"steps, {len(found.agents):,} agent{'s' if len(found.agents) > 1 else ''} "
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
        yield f"{len(found.agents) - len(shown)} more agents: see --out."
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
        audit.name or "-",
        "-" if compared is None else "yes" if compared.degenerate else "no",
        *(
            "-" if compared is None or not math.isfinite(value) else f"{value:.3g}"
            for value in (
                (math.nan,) * 3
                if compared is None
                else (compared.slope, compared.correlation, compared.sign_agreement)
            )
        ),
        "-" if signal is None else f"{signal:.0%}",
    )


def _rounding(audits: tuple[AgentAudit, ...]) -> str:
    decimals = {a.found.tolerance.decimals for a in audits if a.found is not None} - {None}
    if not decimals:
        return ""
    numbers = " or ".join(str(number) for number in sorted(filter(None, decimals)))
    return f", and half a unit of the last decimal of advantages rounded to {numbers} decimals"


def _short(name: str) -> str:
    return name if len(name) <= MAX_NAME else f"{name[: MAX_NAME - 1]}…"
