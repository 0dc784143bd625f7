"""Figure of the credit bench: one row per game, a panel per quantity, a marker per allocator."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from baselines.bench.credit.game_result import GameResult
from baselines.bench.credit.games.cosac import EXACT, SAMPLED
from baselines.bench.credit.seed_scores import ZERO

PANELS: Mapping[str, tuple[str, float, float]] = {
    "skill": ("skill (0: predicting nothing, 1: perfect)", -1.5, 1.0),
    "spearman": ("rank correlation with the truth", -0.1, 1.0),
    "cosine": ("cosine to the exact gradient, per row at equal tokens", -0.1, 1.0),
}
"""Heading and axis limits of each quantity."""
REFERENCES = (ZERO, "shared", EXACT, SAMPLED)
ALLOCATOR_COLOUR, REFERENCE_COLOUR = "#0072B2", "#444444"  # Okabe and Ito's blue; shapes differ too
WIDTH, ROW_HEIGHT, MARGIN_HEIGHT = 12.5, 0.235, 0.9  # inches; height per allocator, and per game


def credit_figure(results: Sequence[GameResult]) -> Figure:
    """Return the figure: means with 95 % intervals, references hollow.

    Note: A mean below the axis limit is drawn as an arrow at the edge, with its value.
    """
    heights = [len(result.allocators) * ROW_HEIGHT + MARGIN_HEIGHT for result in results]
    figure = Figure(figsize=(WIDTH, sum(heights) + 0.6), layout="constrained")
    panels = figure.subplots(
        len(results), len(PANELS), squeeze=False, gridspec_kw={"height_ratios": heights}
    )
    for row, result in zip(panels, results, strict=True):
        for axes, quantity in zip(row, PANELS, strict=True):
            _draw(axes, result, quantity)
        row[0].set_yticks(range(len(result.allocators)), result.allocators)
        row[0].set_title(f"{result.game}: {result.meaning}", loc="left", weight="bold")
    figure.supxlabel(
        "Mean over seeds with 95 % interval. Filled: allocators. Hollow: references. "
        "Arrow: outside of the panel.\n"
        "Diamond: shared credit with as many groups as the same tokens allow.",
        fontsize="medium",
    )
    return figure


def _draw(axes: Axes, result: GameResult, quantity: str) -> None:
    heading, low, high = PANELS[quantity]
    axes.set_xlim(low, high)
    axes.set_ylim(len(result.allocators) - 0.5, -0.5)
    axes.set_xlabel(heading)
    axes.set_yticks([])
    axes.grid(axis="x", linewidth=0.5, color="#CCCCCC")
    axes.axvline(0.0, color="#000000", linewidth=0.9)
    axes.set_axisbelow(True)
    axes.spines[["top", "right", "left"]].set_visible(False)
    for place, allocator in enumerate(result.allocators):
        _mark(axes, place, result, allocator, quantity)


def _mark(axes: Axes, place: int, result: GameResult, allocator: str, quantity: str) -> None:
    found = result.estimate(allocator, quantity)
    _, low, high = PANELS[quantity]
    is_reference = allocator in REFERENCES
    colour = REFERENCE_COLOUR if is_reference else ALLOCATOR_COLOUR
    if found is None:
        why = "constant: no ranks" if quantity == "spearman" else "no exact gradient"
        _write(axes, why, max(low, 0.0), place, REFERENCE_COLOUR)
        return
    if quantity == "cosine":
        _mark_shared(axes, place, found.value, result.mean(allocator, "cosine_shared"))
    if found.value < low:
        edge = low + 0.02 * (high - low)
        axes.plot(edge, place, marker="<", color=colour)
        _write(axes, f"{found.value:.1f}", edge, place, colour)
        return
    error = found.value - found.low
    face = "white" if is_reference else colour
    axes.errorbar(
        found.value, place, xerr=error, fmt="o", color=colour, mfc=face, ms=5.5, capsize=2.5
    )


def _mark_shared(axes: Axes, place: int, value: float, shared: float) -> None:
    axes.plot([value, shared], [place, place], color="#999999", linewidth=0.8, zorder=1)
    axes.plot(shared, place, "D", color=REFERENCE_COLOUR, mfc="white", ms=4.5)


def _write(axes: Axes, text: str, x: float, place: int, colour: str) -> None:
    axes.annotate(
        text, (x, place), (7, 0), textcoords="offset points", va="center", color=colour, fontsize=8
    )
