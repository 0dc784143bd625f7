"""Figures of a comparison: accuracy over tokens, and the differences with their intervals."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from matplotlib import style
from matplotlib.axes import Axes
from matplotlib.ticker import FuncFormatter, MaxNLocator

from baselines.common.stats import MIN_RUNS, Estimate, mean_over_seeds, mean_rate
from baselines.compare.comparison import Comparison
from baselines.compare.methods import HeldOut, Method
from baselines.compare.tables import amount, verdict_text
from baselines.pages.dots import Dot, dots
from baselines.pages.svg import (
    COLOURS,
    DASHES,
    MARKS,
    MAX_LABEL_CHARS,
    SETTINGS,
    Plot,
    cycled,
    finished,
    panels_of,
    short,
    tick,
)

MAX_THIN_LINES = 30
"""Most runs that are drawn one by one behind the means over seeds."""
SAME_GRID = 0.25
"""Evaluations of the seeds of a method are averaged if their tokens differ by at most this fraction
of the largest, as with an evaluation every so many tokens or steps."""


def figures(methods: Sequence[Method], found: Sequence[Comparison]) -> list[Plot]:
    """Draw accuracy over tokens, or of evaluations alone, and the differences to the reference."""
    with style.context(SETTINGS, after_reset=True):  # independent of the user's matplotlib settings
        drawn = (curves(methods) or accuracies(methods), differences(found))
    return [plot for plot in drawn if plot is not None]


def curves(methods: Sequence[Method]) -> Plot | None:
    """Draw held-out accuracy over sampled tokens, with a mark at every evaluation.

    Evaluations without training are horizontal lines.
    """
    trained = [method for method in methods if method.is_trained]
    if not trained:
        return None
    figure, (axes,) = panels_of(1, height=3.2)
    rows: list[tuple[str, ...]] = []
    many = sum(len(method.runs) for method in trained) > MAX_THIN_LINES
    for index, method in enumerate(methods):
        drawn = _method_curve(axes, method, index, one_by_one=not many)
        rows += [(method.name, *cells) for cells in drawn]
    axes.set(xlabel="tokens sampled in training", ylabel="held-out accuracy")
    axes.xaxis.set_major_locator(MaxNLocator(5))
    most = max(_tokens(run.last) for method in trained for run in method.runs)
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: tick(value, most)))
    known = dict(zip(*reversed(axes.get_legend_handles_labels()), strict=True))
    labels = [label for method in methods if (label := _label(method)) in known]
    handles = [known[label] for label in labels]
    figure.legend(handles, labels, loc="outside upper left", ncols=2, handlelength=2.4)
    seeds = any(len(method.runs) > 1 for method in trained)
    meaning = (
        "Marks: evaluations on held-out tasks, with 95 % intervals; nothing is measured between."
    )
    if seeds:
        meaning += " Thick: means over seeds with Student's interval; thin: single runs."
    if len(trained) < len(methods):
        meaning += " Horizontal: evaluations of their own, without training."
    ends = [f"{name}: {found}" for name, found in _ends(methods)]
    header = ("method", "tokens", "accuracy")
    return finished("Accuracy over tokens", meaning, figure, "; ".join(ends), header, rows)


def _method_curve(
    axes: Axes, method: Method, index: int, *, one_by_one: bool
) -> list[tuple[str, str]]:
    """Draw one method; return tokens and accuracy of each mark."""
    colour, label = cycled(COLOURS, index), _label(method)
    dashes, mark = cycled(DASHES, index), cycled(MARKS, index)
    if not method.is_trained:
        found = estimate_of(method.runs[0].last)
        axes.axhline(found.value, color=colour, linestyle=dashes, linewidth=1.4, label=label)
        axes.axhspan(found.low, found.high, color=colour, alpha=0.12, linewidth=0)
        return [("no training", str(found))]
    points = averaged(method)
    if len(method.runs) > 1 and (one_by_one or not points):
        for run in method.runs:
            x, y = [_tokens(p) for p in run.points], [p.accuracy for p in run.points]
            axes.plot(x, y, mark, color=colour, markersize=2, alpha=0.6)
            axes.plot(x, y, color=colour, linewidth=0.7, alpha=0.4)
    if not points:
        axes.plot([], [], mark, color=colour, linestyle=dashes, label=label)
        return [(f"{_tokens(p):,.0f}", f"{p.accuracy:.3f}") for r in method.runs for p in r.points]
    x = [tokens for tokens, _ in points]
    y = [found.value for _, found in points]
    axes.errorbar(
        x,
        y,
        yerr=[
            [found.value - found.low for _, found in points],
            [found.high - found.value for _, found in points],
        ],
        color=colour,
        fmt=mark,
        markersize=5,
        elinewidth=1.0,
        linestyle=dashes,
        linewidth=1.6,
        label=label,
    )
    return [(f"{tokens:,.0f}", _text(found)) for tokens, found in points]


def averaged(method: Method) -> list[tuple[float, Estimate]]:
    """Return tokens and accuracy of the evaluations of a training method, averaged over its seeds.

    Returns:
        The evaluations that all seeds have at nearly the same tokens: the first of every run, the
        second, and so on; none if their tokens differ too much.
    """
    if len(method.runs) < MIN_RUNS:
        return [(_tokens(point), estimate_of(point)) for point in method.runs[0].points]
    found = []
    for points in zip(*(run.points for run in method.runs), strict=False):
        tokens = np.array([_tokens(point) for point in points])
        if np.ptp(tokens) > SAME_GRID * tokens.max():
            return []
        accuracies = np.array([point.accuracy for point in points])
        found.append((float(tokens.mean()), mean_over_seeds(accuracies, bounds=(0.0, 1.0))))
    return found


def accuracies(methods: Sequence[Method]) -> Plot:
    """Draw the accuracy of each evaluation with its interval, with all agents and without each."""
    shown = []
    for method in methods:
        run = method.runs[0]
        for name, rates in {"whole team": run.team, **run.without}.items():
            if rates:
                estimate = mean_rate(np.array(list(rates.values())))
                shown.append(Dot(_label(method), estimate, name))
    meaning = "Rates of correct samples with 95 % intervals over tasks."
    return dots("Accuracy", meaning, shown, xlabel="accuracy")


def estimate_of(point: HeldOut) -> Estimate:
    """Return the accuracy of an evaluation with its interval over tasks, if they are known."""
    if not point.rates:
        return Estimate(point.accuracy, point.accuracy, point.accuracy, 1)
    return mean_rate(point.rates.array())


def differences(found: Sequence[Comparison]) -> Plot:
    """Draw the difference of each comparison with its interval; hollow without a verdict."""
    references = {own.reference for own in found}
    of_whom = f"{short(found[0].reference, 16)}'s" if len(references) == 1 else "the reference's"
    shown = [
        Dot(
            f"{short(own.method)}\n{_moment(own)}",
            own.tested.difference,
            note=verdict_text(own),
            is_filled=own.verdict is not None,
            has_value=own.tested.is_measured,
        )
        for own in found
    ]
    meaning = "Differences to the reference with 95 % intervals, paired."
    if any(own.verdict is None for own in found):
        meaning += " Hollow: no verdict."
    if not all(own.tested.is_measured for own in found):
        meaning += " Without a mark: not measured at these tokens, the interval alone is known."
    label = f"accuracy minus {of_whom}"
    return dots("Differences", meaning, shown, xlabel=label, spec="+.3f", has_zero=True)


def _moment(own: Comparison) -> str:
    """Return a short label of when, or on what, two methods are compared."""
    match own.when:
        case "equal tokens":
            return f"at {amount(own.tokens[0])} tokens"
        case "end":
            return "at the end"
    return short(own.benchmark)


def _text(found: Estimate) -> str:
    return str(found) if found.low < found.high else f"{found.value:.3f}"


def _label(method: Method) -> str:
    return short(method.name, MAX_LABEL_CHARS)


def _ends(methods: Sequence[Method]) -> list[tuple[str, str]]:
    ends = []
    for method in methods:
        known = averaged(method) if method.is_trained else []
        if known:
            ends.append((method.name, f"{known[0][1]} at first, {known[-1][1]} at last"))
        else:
            ends += [(method.name, f"{run.last.accuracy:.3f} at last") for run in method.runs]
    return ends


def _tokens(point: HeldOut) -> float:
    assert point.tokens is not None  # of a training run
    return point.tokens
