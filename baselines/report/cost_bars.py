"""Figures of the cost of a run: tokens by purpose, and the time of a step by part."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.ticker import FuncFormatter

from baselines.common.metrics import MetricRow
from baselines.common.types import FloatArray
from baselines.pages.series import Series, amounts, binned, column, course, duration, table
from baselines.pages.svg import Plot, finished, panels_of, span_steps, stack, tick

MAX_BARS = 40
TIMED = ("generate", "rate", "verify", "credit", "update")


def tokens(rows: Sequence[MetricRow]) -> Plot | None:
    """Draw the sampled tokens per step, by purpose."""
    parts = {
        "with an agent removed": amounts(rows, "cost/tokens_removed"),
        "continuations": amounts(rows, "cost/tokens_branch"),
        "ratings": amounts(rows, "cost/tokens_rating"),
    }
    total = amounts(rows, "cost/tokens_generated")
    parts = {"whole team": np.maximum(total - sum(parts.values()), 0.0), **parts}
    read, for_ratings, passes, answers = (
        amounts(rows, f"cost/{name}").sum()
        for name in ("tokens_read", "tokens_read_rating", "forward_passes", "verifier_calls")
    )
    totals = [f"{total.sum():,.0f} tokens sampled", f"{answers:,.0f} answers verified"]
    totals += [f"{read:,.0f} prompt tokens"] if read else []
    totals += [f"{for_ratings:,.0f} of them for ratings"] if for_ratings else []
    totals += [f"{passes:,.0f} forward passes"] if passes else []
    return _stacked("Tokens", f"Total: {', '.join(totals)}.", "tokens per step", rows, parts)


def times(rows: Sequence[MetricRow]) -> Plot | None:
    """Draw the time per step, by part."""
    seconds = amounts(rows, "time/step_s")
    parts = {part: amounts(rows, f"time/{part}_s") for part in TIMED}
    parts["other"] = np.maximum(seconds - sum(parts.values()), 0.0)
    meaning = f"Total: {duration(float(seconds.sum()))}, without evaluations and checkpoints."
    return _stacked("Time", meaning, "seconds per step", rows, parts)


def _stacked(
    title: str,
    meaning: str,
    ylabel: str,
    rows: Sequence[MetricRow],
    parts: Mapping[str, FloatArray],
) -> Plot | None:
    """Draw the nonzero parts of a total as stacked bars, with their shares in the legend."""
    sums = {name: float(values.sum()) for name, values in parts.items() if values.any()}
    if not sums:
        return None
    steps, width = column(rows, "step"), math.ceil(len(rows) / MAX_BARS)
    shares = {name: f"{name} {_percent(own, sum(sums.values()))}" for name, own in sums.items()}
    heights = {shares[name]: binned(parts[name], MAX_BARS) for name in sums}
    figure, (axes,) = panels_of(1, height=2.4)
    stack(axes, binned(steps, MAX_BARS), heights, width)
    axes.set(xlabel="step", ylabel=ylabel)
    axes.grid(visible=False, axis="x")
    axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: tick(value, axes.get_ylim()[1])))
    span_steps(axes, steps)
    figure.legend(loc="outside upper left", ncols=3 if len(sums) > 4 else 2, handlelength=1.6)
    meaning += f" Each bar: the mean of {width} steps." if width > 1 else ""
    series = [Series(name, parts[name]) for name in sums]
    description = "; ".join(f"{shares[one.label]} of all, {course(one)}" for one in series)
    all_steps = ("all", *(f"{own:,.0f}" if own >= 100 else f"{own:.3g}" for own in sums.values()))
    return finished(
        title, meaning, figure, description, ("step", *sums), [*table(steps, series), all_steps]
    )


def _percent(part: float, total: float) -> str:
    share = 100.0 * part / total
    return "<1 %" if 0.0 < share < 0.5 else f"{share:.0f} %"
