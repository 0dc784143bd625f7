"""Results of the credit bench: terminal table, JSON, Markdown and figure."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from rich.box import SIMPLE_HEAD
from rich.table import Table

from baselines.bench.credit.credit_config import CreditConfig
from baselines.bench.credit.game_result import GameResult
from baselines.bench.credit.scores import QUANTITIES
from baselines.common.files import write_json, write_text
from baselines.common.stats import Estimate

MISSING = "\N{EN DASH}"
COLUMNS: Mapping[str, str] = {
    "skill": "skill",
    "bias2": "bias²",
    "variance": "variance",
    "slope": "slope",
    "spearman": "rank corr.",
    "sign": "sign",
    "cosine": "cosine",
    "gain": "gain",
    "cosine_at_budget": "at budget",
}
"""Columns of a table: means over seeds with 95 % intervals."""
COSTS: Mapping[str, str] = {"tokens": "tokens", "verifier_calls": "calls"}
"""Cost columns: means per group."""
AGENT_TABLES: Mapping[str, str] = {
    "skill": "Skill for each agent",
    "gain": "Gain for each agent, if only it is trained",
}
"""Quantities listed per agent, with the headings of their tables."""


def credit_table(result: GameResult) -> Table:
    """Return the table of a game: means over seeds, ± half the width of the 95 % intervals."""
    table = Table(
        title=f"{result.game}: {result.meaning}", title_justify="left", box=SIMPLE_HEAD, padding=0
    )
    table.caption, table.caption_justify = result.note, "left"
    table.add_column("allocator", no_wrap=True)
    for heading in _headings():
        table.add_column(heading, justify="right", no_wrap=True)
    for allocator in result.allocators:
        table.add_row(allocator, *_cells(result, allocator))
    return table


def write_results(results: Sequence[GameResult], config: CreditConfig, folder: Path) -> None:
    """Write credit.json, credit.md and credit.png."""
    from baselines.bench.credit.figure import credit_figure

    write_json(folder / "credit.json", as_json(results, config))
    write_text(folder / "credit.md", as_markdown(results))
    credit_figure(results).savefig(folder / "credit.png", dpi=150)


def as_json(results: Sequence[GameResult], config: CreditConfig) -> dict[str, Any]:
    """Return all measurements; None where not measured."""
    return {
        "config": {**asdict(config), "out_dir": None},
        "quantities": dict(QUANTITIES),
        "games": {
            result.game: {
                "reliability": list(result.reliability),
                "allocators": {
                    name: {quantity: _summary(result, name, quantity) for quantity in quantities}
                    for name, quantities in result.scores[0].items()
                },
            }
            for result in results
        },
    }


def as_markdown(results: Sequence[GameResult]) -> str:
    """Return the tables of all games, and the skill for each agent."""
    lines = ["# Credit compared with the true advantages", "", *_legend()]
    for result in results:
        lines += ["", f"## {result.game}", "", f"{result.meaning}; {result.note}.", ""]
        lines += _rows(["allocator", *_headings()], _body(result))
        for quantity, heading in AGENT_TABLES.items():
            if f"{quantity}/{result.agents[0]}" in result.scores[0][result.allocators[0]]:
                lines += ["", f"{heading}:", ""]
                lines += _rows(["allocator", *result.agents], _agent_body(result, quantity))
    return "\n".join([*lines, ""])


def _body(result: GameResult) -> list[list[str]]:
    return [[name, *_cells(result, name)] for name in result.allocators]


def _agent_body(result: GameResult, quantity: str) -> list[list[str]]:
    return [
        [name, *(_cell(result.estimate(name, f"{quantity}/{agent}")) for agent in result.agents)]
        for name in result.allocators
    ]


def _legend() -> list[str]:
    return [
        "Advantages (credit minus its group mean) are compared with true advantages centred in the",
        "same way, because credit is only defined up to a constant per task. Means over seeds,",
        "± half the width of the 95 % interval.",
        "",
        *(f"- **{heading}**: {QUANTITIES[name]}" for name, heading in COLUMNS.items()),
        "- **tokens**, **calls**: tokens sampled and answers verified per group",
    ]


def _headings() -> list[str]:
    return [*COLUMNS.values(), *COSTS.values()]


def _cells(result: GameResult, allocator: str) -> list[str]:
    scores = [_cell(result.estimate(allocator, quantity)) for quantity in COLUMNS]
    costs = [f"{result.mean(allocator, cost):,.0f}" for cost in COSTS]
    return [*scores, *costs]


def _cell(found: Estimate | None) -> str:
    if found is None:
        return MISSING
    return f"{found.value:.2f} ±{(found.high - found.low) / 2.0:.2f}"


def _rows(headings: Sequence[str], body: Sequence[Sequence[str]]) -> list[str]:
    rule = ["---", *["---:"] * (len(headings) - 1)]
    return [f"| {' | '.join(row)} |" for row in (headings, rule, *body)]


def _summary(result: GameResult, allocator: str, quantity: str) -> dict[str, Any]:
    found = result.estimate(allocator, quantity)
    summary = dict.fromkeys(("value", "low", "high")) if found is None else found.to_json()
    if "/" not in quantity:  # the mean includes those of single agents
        summary["per_seed"] = [_known(seed[allocator][quantity]) for seed in result.scores]
    return summary


def _known(value: float) -> float | None:
    return value if math.isfinite(value) else None
