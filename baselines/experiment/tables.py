"""Tables and conclusions of an experiment, for the terminal, for pages and for Markdown files."""

from __future__ import annotations

from collections.abc import Sequence

from baselines.common.stats import MIN_TESTED, Difference, p_number, p_text
from baselines.common.stats.power import MOST_SEEDS
from baselines.evaluate.tables import Grid
from baselines.experiment.aggregate import REFERENCE, Aggregate, Row

DASH = "\N{EN DASH}"
MEANINGS = {
    "joint": "joint accuracy at the end",
    "contribution": "contribution of the removed agents at the end",
    "area": "mean accuracy over training",
}


def markdown(rows: Sequence[Row]) -> str:
    """Return a Markdown table with one row per method."""
    lines = [
        "| optimizer | allocator | seeds | steps | tokens | joint accuracy | contribution | "
        "mean accuracy over training | its gain over shared | p | seeds needed |",
        "|---|---|---|---|---|---|---|---|---|---|---|",
    ]
    for row in rows:
        gain = row.gains.get("area")
        cells = ("", "", "")
        if gain is not None:
            cells = (gain.text("+.3f", ".3f"), _p_cell(gain), _seeds_cell(gain))
        lines.append(
            f"| {row.optimizer} | {row.allocator} | {row.num_runs} | {row.steps:.0f} | "
            f"{row.tokens / 1000:.0f}k | {row.means['joint']} | {row.means['contribution']} | "
            f"{row.means.get('area', 'too few evaluations')} | {' | '.join(cells)} |"
        )
    return "\n".join(lines) + "\n"


def quartile_markdown(rows: Sequence[Row]) -> str:
    """Return a Markdown table of interquartile means, which are robust to outlying seeds."""
    lines = [
        "| optimizer | allocator | seeds | joint accuracy, interquartile mean | contribution | "
        "accuracy over training |",
        "|---|---|---|---|---|---|",
    ]
    lines += [
        f"| {row.optimizer} | {row.allocator} | {row.num_runs} | {row.quartile_means['joint']} | "
        f"{row.quartile_means['contribution']} | "
        f"{row.quartile_means.get('area', 'too few evaluations')} |"
        for row in rows
    ]
    return "\n".join(lines) + "\n"


def gains_grids(found: Aggregate, quantity: str) -> list[Grid]:
    """Return one table per optimizer: a quantity, its difference to shared credit, and the test."""
    optimizers = dict.fromkeys(row.optimizer for row in found.rows)
    title = MEANINGS[quantity]
    tables = []
    for optimizer in optimizers:
        rows = [row for row in found.rows if row.optimizer == optimizer]
        seeds = _range(sorted({row.num_runs for row in rows}))
        name = f"{title[0].upper()}{title[1:]}, {optimizer}"
        tables.append(
            Grid(
                f"{name}, {found.tokens:,} tokens, {seeds} seeds",
                ("method", "mean", f"difference to {REFERENCE}", "p (Holm)", "needed"),
                tuple(_gains_row(row, quantity) for row in rows),
                "difference: paired by seed, with its 95 % interval; needed: seeds with which a "
                "single test finds a difference of this size and spread 4 times of 5",
            )
        )
    return tables


def _gains_row(row: Row, quantity: str) -> tuple[str, ...]:
    mean, gain = row.means.get(quantity), row.gains.get(quantity)
    shown = "too few evaluations" if mean is None else f"{mean.value:.3f}"
    if gain is None:
        return row.allocator, shown, DASH, DASH, DASH
    p_value = _p_cell(gain)
    if gain.conclusion != "inconclusive":
        p_value = f"{p_value}, {gain.conclusion}"
    return row.allocator, shown, gain.text("+.3f"), p_value, _seeds_cell(gain) or DASH


def verdicts(found: Aggregate) -> list[str]:
    """Return one sentence per significant difference to shared credit, and what is left out."""
    sentences = []
    for row in found.rows:
        for quantity, words in MEANINGS.items():
            gain = row.gains.get(quantity)
            if gain is not None and gain.p_value is not None and gain.conclusion != "inconclusive":
                outcome = f"{gain.conclusion} {REFERENCE} by {gain.text('+.3f')}"
                name = f"{row.allocator} with {row.optimizer}"
                sentences.append(f"{name}: {words} {outcome} (Holm {p_text(gain.p_value)})")
    tested = [gain for row in found.rows for gain in row.gains.values() if gain.p_value is not None]
    if tested and not sentences:
        sentences.append("no method differs significantly from shared credit")
    return [*sentences, *found.notes]


def _p_cell(gain: Difference) -> str:
    """Return the p-value, or why there is none."""
    if gain.p_value is not None:
        return p_number(gain.p_value)
    return "all equal" if gain.num_units >= MIN_TESTED else f"needs {MIN_TESTED} seeds"


def _seeds_cell(gain: Difference) -> str:
    """Return the seeds that a gap needs; empty where it is significant."""
    if gain.conclusion != "inconclusive":
        return ""
    return f"> {MOST_SEEDS:,}" if gain.seeds_needed is None else str(gain.seeds_needed)


def _range(numbers: Sequence[int]) -> str:
    if len(numbers) < 2:
        return str(*numbers)
    return f"{numbers[0]} to {numbers[-1]}"
