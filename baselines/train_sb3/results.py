"""Many runs as a table and a picture: what each method reaches, and what is beyond chance."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from scipy import stats

from baselines.common.significance import holm
from baselines.common.stats import MIN_RUNS
from baselines.common.types import FloatArray
from baselines.experiment.aggregate import Interval, interval
from baselines.train_sb3.runs import TUNING_SEEDS, SignalRunResult

Cell = tuple[str, str]
Reference = Callable[[str], str]
"""From a method to the one that it is compared with; a reference to itself."""

Runs = Mapping[int, SignalRunResult]
"""From a seed to its run."""
Difference = tuple[Interval | None, float | None]
"""To the reference, and the p-value of it."""

QUANTITIES = ("share", "mean_share")
LEVEL = 0.05
SHARE_BOUNDS = (-math.inf, 1.0)
"""No thinker adds more than the ceiling; what one may spoil is not bounded by it."""
REFERENCE_COLOUR, BETTER, WORSE, EQUAL = "#444444", "#0072B2", "#D55E00", "#999999"
"""Okabe and Ito's; the shape of the mark says the same."""
NUM_COLUMNS = 2
PANEL_WIDTH, ROW_HEIGHT, HEAD_HEIGHT = 6.4, 0.3, 1.1  # inches


@dataclass(frozen=True, slots=True)
class Row:
    """What the reported seeds of one method came to in one setting.

    Args:
        setting: Its name.
        method: Its name.
        learning_rate: The one that tuning chose.
        num_runs: Seeds.
        share: Mean of the contribution over its ceiling, with its 95 % interval.
        shares: Of each seed.
        contribution: Mean contribution, in units of reward.
        team: Mean expected reward of the team.
        num_answers_drawn: Mean of the answers drawn in training.
        mean_share: Mean over training and seeds of the contribution over its ceiling.
        gain: Mean difference of the share to the reference, seed by seed; None for a reference.
        p_value: That this difference is chance, by Holm's method over all rows.
        mean_gain: The same for mean_share.
        mean_p_value: The same for mean_share.
    """

    setting: str
    method: str
    learning_rate: float
    num_runs: int
    share: Interval
    shares: tuple[float, ...]
    contribution: Interval
    team: Interval
    mean_share: Interval
    num_answers_drawn: float
    gain: Interval | None
    p_value: float | None
    mean_gain: Interval | None
    mean_p_value: float | None

    @property
    def verdict(self) -> str:
        """Whether the final share differs from the reference's: above, below or open."""
        return _verdict(self.gain, self.p_value)

    @property
    def mean_verdict(self) -> str:
        """Whether the mean share over training differs from the reference's."""
        return _verdict(self.mean_gain, self.mean_p_value)

    def to_json(self) -> dict[str, Any]:
        """Return it as JSON values, with its verdicts."""
        return {**asdict(self), "verdict": self.verdict, "mean_verdict": self.mean_verdict}


def table_rows(results: Sequence[SignalRunResult], reference: Reference) -> list[Row]:
    """Return a row per setting and method, in the order in which they first appear.

    Args:
        results: Of all runs; those that chose learning rates are left out.
        reference: Which method each is compared with.
    """
    cells: dict[Cell, dict[int, SignalRunResult]] = {}
    for result in results:
        if result.key.seed not in TUNING_SEEDS:
            cell = (result.key.setting, result.key.method)
            cells.setdefault(cell, {})[result.key.seed] = result
    compared = {name: _compared(cells, reference, name) for name in QUANTITIES}
    return [
        _row(cell, runs, *(compared[q][cell] for q in QUANTITIES)) for cell, runs in cells.items()
    ]


def markdown(rows: Sequence[Row], settings: Mapping[str, str]) -> str:
    """Return the rows as a Markdown table.

    Args:
        rows: The rows.
        settings: Meaning of each setting.
    """
    lines = [
        "| setting | credit | learning rate | seeds | answers drawn | team reward | "
        "contribution / ceiling at the end | difference to shared | mean over training | "
        "difference to shared |",
        "|---|---|---|---|---|---|---|---|---|---|",
    ]
    lines += [
        f"| {settings[row.setting]} | {row.method} | {row.learning_rate:g} | {row.num_runs} | "
        f"{row.num_answers_drawn / 1000:.0f}k | {row.team.estimate:+.3f} | {_text(row.share)} | "
        f"{_difference_text(row.gain, row.p_value)} | {_text(row.mean_share)} | "
        f"{_difference_text(row.mean_gain, row.mean_p_value)} |"
        for row in rows
    ]
    return "\n".join(lines) + "\n"


def tuning_markdown(
    shares: Mapping[Cell, Mapping[float, float]], settings: Mapping[str, str]
) -> str:
    """Return the mean shares of tuning as a Markdown table, the chosen learning rate in bold."""
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
    """Return a panel per setting: each seed, the mean and its interval for each method."""
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
        "Hollow: shared R.  Up: above it beyond chance.  Down: below it.  Grey disc: open.",
        fontsize="medium",
    )
    return figure


def _draw(axis: Axes, rows: Sequence[Row], heading: str, low: float) -> None:
    marks = {
        "reference": ("o", REFERENCE_COLOUR, "white"),
        "above": ("^", BETTER, BETTER),
        "below": ("v", WORSE, WORSE),
        "open": ("o", EQUAL, EQUAL),
    }
    for place, row in enumerate(rows):
        mark, colour, face = marks[row.verdict]
        axis.plot(row.shares, [place] * row.num_runs, "|", color=colour, alpha=0.6, ms=9)
        errors = [[row.share.estimate - row.share.low], [row.share.high - row.share.estimate]]
        axis.errorbar(
            row.share.estimate,
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


def _row(cell: Cell, runs: Runs, final: Difference, mean: Difference) -> Row:
    own = [runs[seed] for seed in sorted(runs)]
    return Row(
        setting=cell[0],
        method=cell[1],
        learning_rate=own[0].key.learning_rate,
        num_runs=len(own),
        share=interval(np.array([run.share for run in own]), bounds=SHARE_BOUNDS),
        shares=tuple(run.share for run in own),
        contribution=interval(np.array([run.contribution for run in own])),
        team=interval(np.array([run.team for run in own])),
        mean_share=interval(np.array([run.mean_share for run in own]), bounds=SHARE_BOUNDS),
        num_answers_drawn=float(np.mean([run.num_answers_drawn for run in own])),
        gain=final[0],
        p_value=final[1],
        mean_gain=mean[0],
        mean_p_value=mean[1],
    )


def _compared(
    cells: Mapping[Cell, Runs], reference: Reference, quantity: str
) -> dict[Cell, Difference]:
    """Return each cell's difference to its reference, and by Holm's method its p-value."""
    gains = {cell: _gains(cell, cells, reference, quantity) for cell in cells}
    tested = {cell: gain for cell, gain in gains.items() if len(gain) > 1 and np.ptp(gain) > 0.0}
    raw = [float(stats.ttest_1samp(gain, 0.0).pvalue) for gain in tested.values()]
    p_values = dict(zip(tested, holm(raw), strict=True))
    return {
        cell: (interval(gain) if len(gain) >= MIN_RUNS else None, p_values.get(cell))
        for cell, gain in gains.items()
    }


def _gains(
    cell: Cell, cells: Mapping[Cell, Runs], reference: Reference, quantity: str
) -> FloatArray:
    """Return the differences to the reference, seed by seed; none for a reference."""
    setting, method = cell
    other = {} if reference(method) == method else cells.get((setting, reference(method)), {})
    seeds = sorted(set(cells[cell]) & set(other))
    pairs = [(cells[cell][seed], other[seed]) for seed in seeds]
    return np.array([getattr(own, quantity) - getattr(ref, quantity) for own, ref in pairs])


def _verdict(gain: Interval | None, p_value: float | None) -> str:
    if gain is None:
        return "reference"
    is_sure = p_value is not None and p_value < LEVEL
    if is_sure and gain.low > 0.0:
        return "above"
    return "below" if is_sure and gain.high < 0.0 else "open"


def _difference_text(gain: Interval | None, p_value: float | None) -> str:
    if gain is None:
        return ""
    return _text(gain, sign="+") + ("" if p_value is None else f", p {_p_text(p_value)}")


def _text(value: Interval, *, sign: str = "") -> str:
    return value.text(f"{sign}.2f")


def _p_text(p_value: float) -> str:
    return "< 0.001" if p_value < 0.001 else f"= {p_value:.3f}"
