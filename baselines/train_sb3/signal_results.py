"""Tables and figure of runs over seeds; each method is compared with its reference."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from baselines.common.stats import (
    Difference,
    Estimate,
    differences_to_reference,
    mean_over_seeds,
    p_text,
)
from baselines.train_sb3.signal_runs import TUNING_SEEDS, SignalRunResult

Cell = tuple[str, str]
Reference = Callable[[str], str]
"""Maps a method to its reference; a reference to itself."""

Runs = Mapping[int, SignalRunResult]
"""Runs by seed."""

QUANTITIES = ("share", "mean_share")
SHARE_BOUNDS = (-math.inf, 1.0)
"""A contribution is at most the ceiling, and may be arbitrarily negative."""
REFERENCE_COLOUR, BETTER, WORSE, EQUAL = "#444444", "#0072B2", "#D55E00", "#999999"
"""From Okabe and Ito's palette; marker shapes carry the same information."""
NUM_COLUMNS = 2
PANEL_WIDTH, ROW_HEIGHT, HEAD_HEIGHT = 6.4, 0.3, 1.1  # inches


@dataclass(frozen=True, slots=True)
class Row:
    """The results of one method in one setting over its reported seeds.

    Args:
        setting: Name of the setting.
        method: Name of the method.
        learning_rate: Learning rate selected in tuning.
        num_runs: Number of seeds.
        share: Mean of contribution / ceiling, with its 95 % interval.
        shares: Share of each seed.
        contribution: Mean contribution, in units of reward.
        team: Mean expected reward of the team.
        num_answers_drawn: Mean number of answers sampled in training.
        mean_share: Mean over training and seeds of contribution / ceiling.
        gain: Mean difference of the share to the reference, paired by seed, with its p-value by
            Holm's method over all rows and both quantities; None for a reference.
        mean_gain: The same for mean_share.
    """

    setting: str
    method: str
    learning_rate: float
    num_runs: int
    share: Estimate
    shares: tuple[float, ...]
    contribution: Estimate
    team: Estimate
    mean_share: Estimate
    num_answers_drawn: float
    gain: Difference | None
    mean_gain: Difference | None

    @property
    def verdict(self) -> str:
        """The final share compared with the reference's: above, below or inconclusive."""
        return _verdict(self.gain)

    @property
    def mean_verdict(self) -> str:
        """The same for the mean share over training."""
        return _verdict(self.mean_gain)

    def to_json(self) -> dict[str, Any]:
        """Return the row as JSON values, with the verdicts."""
        return {**asdict(self), "verdict": self.verdict, "mean_verdict": self.mean_verdict}


def table_rows(results: Sequence[SignalRunResult], reference: Reference) -> list[Row]:
    """Return one row per setting and method, in order of first appearance.

    Args:
        results: Results of all runs; tuning runs are ignored.
        reference: Maps a method to its reference.
    """
    cells: dict[Cell, dict[int, SignalRunResult]] = {}
    for result in results:
        if result.key.seed not in TUNING_SEEDS:
            cell = (result.key.setting, result.key.method)
            cells.setdefault(cell, {})[result.key.seed] = result
    gains = _gains(cells, reference)
    return [
        _row(cell, runs, *(gains.get((*cell, quantity)) for quantity in QUANTITIES))
        for cell, runs in cells.items()
    ]


def markdown(rows: Sequence[Row], settings: Mapping[str, str]) -> str:
    """Return the rows as a Markdown table.

    Args:
        rows: The rows.
        settings: Description of each setting.
    """
    lines = [
        "| setting | credit | learning rate | seeds | answers drawn | team reward | "
        "contribution / ceiling at the end | difference to shared | mean over training | "
        "difference to shared |",
        "|---|---|---|---|---|---|---|---|---|---|",
    ]
    lines += [
        f"| {settings[row.setting]} | {row.method} | {row.learning_rate:g} | {row.num_runs} | "
        f"{row.num_answers_drawn / 1000:.0f}k | {row.team.value:+.3f} | {row.share.text('.2f')} | "
        f"{_difference_text(row.gain)} | {row.mean_share.text('.2f')} | "
        f"{_difference_text(row.mean_gain)} |"
        for row in rows
    ]
    return "\n".join(lines) + "\n"


def tuning_markdown(
    shares: Mapping[Cell, Mapping[float, float]], settings: Mapping[str, str]
) -> str:
    """Return the mean shares in tuning as a Markdown table, the selected learning rate in bold."""
    rates = sorted({rate for cell in shares.values() for rate in cell})
    lines = [
        "| setting | credit | " + " | ".join(f"{rate:g}" for rate in rates) + " |",
        "|---|---|" + "---|" * len(rates),
    ]
    for (setting, method), cell in shares.items():
        best = max(cell, key=cell.__getitem__)
        texts = [f"**{cell[r]:.2f}**" if r == best else f"{cell[r]:.2f}" for r in rates]
        lines.append(f"| {settings[setting]} | {method} | {' | '.join(texts)} |")
    return "\n".join(lines) + "\n"


def share_figure(rows: Sequence[Row], settings: Mapping[str, str]) -> Figure:
    """Return a figure with one panel per setting: seeds, mean and interval of each method."""
    panels: dict[str, list[Row]] = {}
    for row in rows:
        panels.setdefault(row.setting, []).append(row)
    num_lines = -(-len(panels) // NUM_COLUMNS)
    lines = [list(panels)[i * NUM_COLUMNS : (i + 1) * NUM_COLUMNS] for i in range(num_lines)]
    heights = [max(len(panels[s]) for s in line) * ROW_HEIGHT + HEAD_HEIGHT for line in lines]
    columns = min(NUM_COLUMNS, len(panels))
    figure = Figure(figsize=(PANEL_WIDTH * columns, sum(heights) + 0.5), layout="constrained")
    axes = figure.subplots(
        num_lines, columns, squeeze=False, gridspec_kw={"height_ratios": heights}
    )
    low = min(0.0, *(min(row.share.low, *row.shares) for row in rows))
    for line, names in zip(axes, lines, strict=True):
        for axis, name in zip(line, names, strict=False):
            _draw(axis, panels[name], settings[name], low)
        for axis in line[len(names) :]:
            axis.set_axis_off()
    figure.supxlabel(
        "The thinker's contribution over its ceiling: each seed, mean and 95 % interval.\n"
        "Hollow: shared reward.  Up: significantly above it.  Down: below it.  Grey: inconclusive.",
        fontsize="medium",
    )
    return figure


def _draw(axis: Axes, rows: Sequence[Row], heading: str, low: float) -> None:
    marks = {
        "reference": ("o", REFERENCE_COLOUR, "white"),
        "above": ("^", BETTER, BETTER),
        "below": ("v", WORSE, WORSE),
        "inconclusive": ("o", EQUAL, EQUAL),
    }
    for place, row in enumerate(rows):
        mark, colour, face = marks[row.verdict]
        axis.plot(row.shares, [place] * row.num_runs, "|", color=colour, alpha=0.6, ms=9)
        errors = [[row.share.value - row.share.low], [row.share.high - row.share.value]]
        axis.errorbar(
            row.share.value,
            place,
            xerr=errors,
            fmt=mark,
            color=colour,
            mfc=face,
            ms=8,
            capsize=3,
            linewidth=1.8,
        )
    axis.set_yticks(range(len(rows)), [row.method for row in rows])
    axis.set_ylim(len(rows) - 0.4, -0.6)
    axis.set_xlim(low - 0.03, 1.05)
    axis.set_title(heading, loc="left", weight="bold")
    axis.grid(axis="x", linewidth=0.5, color="#CCCCCC")
    axis.set_axisbelow(True)
    axis.spines[["top", "right", "left"]].set_visible(False)


def _row(cell: Cell, runs: Runs, gain: Difference | None, mean_gain: Difference | None) -> Row:
    own = [runs[seed] for seed in sorted(runs)]
    return Row(
        setting=cell[0],
        method=cell[1],
        learning_rate=own[0].key.learning_rate,
        num_runs=len(own),
        share=mean_over_seeds(np.array([run.share for run in own]), bounds=SHARE_BOUNDS),
        shares=tuple(run.share for run in own),
        contribution=mean_over_seeds(np.array([run.contribution for run in own])),
        team=mean_over_seeds(np.array([run.team for run in own])),
        mean_share=mean_over_seeds(np.array([run.mean_share for run in own]), bounds=SHARE_BOUNDS),
        num_answers_drawn=float(np.mean([run.num_answers_drawn for run in own])),
        gain=gain,
        mean_gain=mean_gain,
    )


def _gains(
    cells: Mapping[Cell, Runs], reference: Reference
) -> dict[tuple[str, str, str], Difference]:
    """Return the differences by setting, method and quantity, as one family of tests."""
    values = {
        (*cell, quantity): {seed: getattr(run, quantity) for seed, run in runs.items()}
        for cell, runs in cells.items()
        for quantity in QUANTITIES
    }
    return differences_to_reference(values, lambda key: (key[0], reference(key[1]), key[2]))


def _verdict(gain: Difference | None) -> str:
    return "reference" if gain is None else gain.conclusion


def _difference_text(gain: Difference | None) -> str:
    if gain is None:
        return ""
    return gain.text("+.2f") + ("" if gain.p_value is None else f", {p_text(gain.p_value)}")
