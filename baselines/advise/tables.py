"""Tables of advice, for the terminal and the page."""

from __future__ import annotations

from collections.abc import Sequence

from baselines.advise.advice import Advice
from baselines.advise.candidates import REFERENCE
from baselines.advise.rows import Row
from baselines.advise.wording import cosine_text, efficiency_text, joint_text, verdict_text
from baselines.evaluate.tables import Grid


def grids(advice: Advice) -> list[Grid]:
    """Return the two tables of the terminal: credit, and sizes with the shared reward."""
    reference = advice.reference
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
                    row.variant.credit,
                    verdict_text(row),
                    efficiency_text(row.efficiency),
                    cosine_text(row.efficiency),
                    f"{row.cost_share:.0%}",
                )
                for row in sorted(advice.credit_rows, key=_order)
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
                    joint_text(advice.shared[row.variant])
                    if row.variant in advice.shared
                    else efficiency_text(row.overall),
                    f"x {reference.group_size / size:g}",
                )
                for size, row in best_of.items()
            ),
            f"efficiency 1: {reference.optimizer} with groups of {reference.group_size}; tasks per "
            f"step at equal tokens; intervals of all comparisons together",
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
                row.variant.credit,
                row.variant.optimizer,
                str(row.variant.group_size),
                str(row.variant.num_samples or "-") if row.cost_share else "-",
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


def _order(row: Row) -> tuple[bool, float]:
    """Put the reference first, then the most efficient; unmeasured rows last."""
    return row.variant.allocator != REFERENCE, -(row.efficiency.value or -1.0)


def shown_rows(advice: Advice) -> Sequence[Row]:
    """Return the rows of the first table that were measured, other than the reference."""
    return [
        row
        for row in advice.credit_rows
        if row.variant.allocator != REFERENCE and row.efficiency.value is not None
    ]
