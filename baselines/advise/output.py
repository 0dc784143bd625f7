"""Tables of advice for the terminal, and the files advice.json and advice.html."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from baselines.advise.advice import Advice, Row
from baselines.advise.candidates import REFERENCE
from baselines.advise.efficiency import STATED_SIGNAL_Z, Efficiency
from baselines.advise.settings import AdviseConfig
from baselines.advise.wording import (
    cosine_text,
    efficiency_text,
    recommendation,
    source_text,
    train_command,
    verdict_text,
    warnings,
)
from baselines.common.files import write_json, write_text
from baselines.evaluate.tables import Grid

if TYPE_CHECKING:
    from baselines.advise.pilot import Played

ADVICE_FILE, PAGE_FILE = "advice.json", "advice.html"


def grids(advice: Advice) -> list[Grid]:
    """Return the two tables of the terminal: credit, and sizes with the shared reward."""
    reference = advice.reference
    credit = [
        row
        for row in advice.rows
        if row.variant.optimizer == reference.optimizer
        and row.variant.group_size == reference.group_size
        and row.variant.num_samples in (0, _most_samples(advice))
    ]
    shared = [row for row in advice.rows if row.variant.allocator == REFERENCE]
    best_of = {
        size: max(
            (row for row in shared if row.variant.group_size == size),
            key=lambda row: row.overall.value or 0.0,
        )
        for size in dict.fromkeys(row.variant.group_size for row in shared)
    }
    title = f"Credit with {reference.optimizer} and groups of {reference.group_size}"
    return [
        Grid(
            title,
            ("credit", "audit", "efficiency", "cosine", "cost share"),
            tuple(
                (
                    row.variant.allocator,
                    verdict_text(row),
                    efficiency_text(row.efficiency),
                    cosine_text(row.efficiency),
                    f"{row.cost_share:.0%}",
                )
                for row in sorted(credit, key=_order)
            ),
            "efficiency 1: the shared reward, same optimizer and group size",
        ),
        Grid(
            "Group size and optimizer with the shared reward",
            ("group size", "best optimizer", "efficiency", "tasks per step"),
            tuple(
                (
                    str(size),
                    row.variant.optimizer,
                    efficiency_text(row.overall),
                    f"x {reference.group_size / size:g}",
                )
                for size, row in best_of.items()
            ),
            f"efficiency 1: {reference.optimizer} with groups of {reference.group_size}; tasks per "
            f"step at equal tokens",
        ),
    ]


def all_rows_grid(advice: Advice) -> Grid:
    """Return the table of all rows."""
    names = list(dict.fromkeys(name for row in advice.rows for name in row.of_weights))
    return Grid(
        "All rows",
        (
            *("credit", "optimizer", "G", "M", "efficiency", "against the reference", "audit"),
            *("cosine", "cost share", "tokens per task", *(f"{name} alone" for name in names)),
        ),
        tuple(
            (
                row.variant.allocator,
                row.variant.optimizer,
                str(row.variant.group_size),
                str(row.variant.num_samples or "-"),
                efficiency_text(row.efficiency),
                efficiency_text(row.overall),
                verdict_text(row),
                cosine_text(row.efficiency),
                f"{row.cost_share:.0%}",
                f"{row.tokens_per_task:,.0f}",
                *(
                    efficiency_text(row.of_weights[name]) if name in row.of_weights else "-"
                    for name in names
                ),
            )
            for row in advice.rows
        ),
    )


def to_json(config: AdviseConfig, advice: Advice, played: Played) -> dict[str, Any]:
    """Return the content of advice.json."""
    settings = {
        name: str(value) if isinstance(value, Path) else value
        for name, value in asdict(config).items()
    }
    return {
        "recommendation": recommendation(advice),
        "command": train_command(config, advice),
        "beats_shared": advice.beats_shared,
        "reference": asdict(advice.reference),
        "best": asdict(advice.best),
        "source": source_text(played),
        "warnings": warnings(advice, played),
        "has_gradients": played.has_gradients,
        "num_tasks": len(played.data.outcomes),
        "tokens": played.tokens,
        "measurable_z": STATED_SIGNAL_Z,
        "play_s": played.play_s,
        "gradient_s": played.gradient_s,
        "rows": [_row_json(row) for row in advice.rows],
        "settings": settings,
    }


def write_outputs(
    out_dir: Path, config: AdviseConfig, advice: Advice, played: Played
) -> list[Path]:
    """Write advice.json and advice.html, and return their paths.

    Raises:
        StorageError: If a file cannot be written.
    """
    from baselines.advise.page import advice_page  # loads matplotlib

    write_json(out_dir / ADVICE_FILE, to_json(config, advice, played))
    write_text(out_dir / PAGE_FILE, advice_page(config, advice, played))
    return [out_dir / ADVICE_FILE, out_dir / PAGE_FILE]


def _row_json(row: Row) -> dict[str, Any]:
    variant, found = row.variant, row.efficiency
    return {
        "allocator": variant.allocator,
        "optimizer": variant.optimizer,
        "group_size": variant.group_size,
        "samples": variant.num_samples,
        **_efficiency_json(found),
        "degenerate": row.degenerate,
        "correlation": row.correlation,
        "against_reference": _efficiency_json(row.overall),
        "weights": {name: _efficiency_json(own) for name, own in row.of_weights.items()},
        "tokens_per_task": row.tokens_per_task,
        "cost_share": row.cost_share,
        "signal": found.signal,
        "signal_error": found.signal_error,
        "noise": found.noise,
    }


def _efficiency_json(found: Efficiency) -> dict[str, Any]:
    return {
        "efficiency": found.value,
        "low": found.low,
        "high": found.high,
        "measurable": found.value is not None,
        "cosine": found.cosine,
        "tasks_needed": found.tasks_needed,
    }


def _most_samples(advice: Advice) -> int:
    return max(row.variant.num_samples for row in advice.rows)


def _order(row: Row) -> tuple[bool, float]:
    """Put the reference first, then the most efficient; unmeasured rows last."""
    return row.variant.allocator != REFERENCE, -(row.efficiency.value or -1.0)


def shown_rows(advice: Advice) -> Sequence[Row]:
    """Return the rows of the first table that were measured, other than the reference."""
    names = {cells[0] for cells in grids(advice)[0].rows}
    return [
        row
        for row in advice.rows
        if row.variant.allocator in names
        and row.variant.allocator != REFERENCE
        and row.variant.optimizer == advice.reference.optimizer
        and row.variant.group_size == advice.reference.group_size
        and row.variant.num_samples in (0, _most_samples(advice))
        and row.efficiency.value is not None
    ]
