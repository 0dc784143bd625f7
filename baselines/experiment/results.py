"""Tables, conclusions and learning curves of an experiment."""

from __future__ import annotations

import io
from collections.abc import Sequence

import numpy as np

from baselines.common.stats import mean_over_seeds
from baselines.experiment.aggregate import BOUNDS, REFERENCE, Row
from baselines.experiment.runs import RunResult

STYLES = ("-", "--", "-.", ":")
MARKERS = "osD^vPX*"
NUM_POINTS = 50


def markdown(rows: Sequence[Row]) -> str:
    """Return a Markdown table with one row per method."""
    lines = [
        "| optimizer | allocator | seeds | steps | tokens | joint accuracy | contribution | "
        "mean accuracy over training | its gain over shared | p |",
        "|---|---|---|---|---|---|---|---|---|---|",
    ]
    for row in rows:
        gain, p_value = "", ""
        if "area" in row.gains:
            gain, found = str(row.gains["area"]), row.gains["area"].p_value
            p_value = "" if found is None else f"{found:.3f}"
        lines.append(
            f"| {row.optimizer} | {row.allocator} | {row.num_runs} | {row.steps:.0f} | "
            f"{row.tokens / 1000:.0f}k | {row.means['joint']} | {row.means['contribution']} | "
            f"{row.means['area']} | {gain} | {p_value} |"
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
        f"{row.quartile_means['contribution']} | {row.quartile_means['area']} |"
        for row in rows
    ]
    return "\n".join(lines) + "\n"


def verdicts(rows: Sequence[Row]) -> list[str]:
    """Return one sentence per significant difference to shared credit."""
    found = []
    for row in rows:
        for name, words in (
            ("joint", "joint accuracy at the end"),
            ("contribution", "contribution of the removed agents at the end"),
            ("area", "mean accuracy over training"),
        ):
            gain = row.gains.get(name)
            if gain is not None and gain.conclusion != "inconclusive":
                found.append(
                    f"{row.allocator} with {row.optimizer}: {words} {gain.conclusion} {REFERENCE} "
                    f"by {gain} (Holm p = {gain.p_value:.3f})"
                )
    return found or ["no method differs significantly from shared credit"]


def learning_curves(results: Sequence[RunResult]) -> bytes:
    """Return a PNG of accuracy over tokens sampled: means over seeds with 95 % intervals."""
    import matplotlib as mpl

    mpl.use("Agg")
    import matplotlib.pyplot as plt

    optimizers = list(dict.fromkeys(result.key.optimizer for result in results))
    allocators = list(dict.fromkeys(result.key.allocator for result in results))
    colors = plt.get_cmap("tab10").colors  # type: ignore[attr-defined]  # ListedColormap has them
    figure, axes = plt.subplots(
        1, len(optimizers), figsize=(6.4 * len(optimizers), 4.4), sharey=True, squeeze=False
    )
    for axis, optimizer in zip(axes[0], optimizers, strict=True):
        for number, allocator in enumerate(allocators):
            runs = [
                r for r in results if (r.key.optimizer, r.key.allocator) == (optimizer, allocator)
            ]
            if not runs:
                continue
            tokens = np.linspace(0.0, min(run.curve[-1][0] for run in runs), NUM_POINTS)
            curves = np.stack(
                [np.interp(tokens, [p[0] for p in r.curve], [p[1] for p in r.curve]) for r in runs]
            )
            band = [mean_over_seeds(values, bounds=BOUNDS["joint"]) for values in curves.T]
            axis.plot(
                tokens / 1000,
                curves.mean(axis=0),
                STYLES[number % len(STYLES)],
                color=colors[number],
                marker=MARKERS[number % len(MARKERS)],
                markevery=(number, 10),
                markersize=5,
                label=allocator,
            )
            axis.fill_between(
                tokens / 1000,
                [point.low for point in band],
                [point.high for point in band],
                color=colors[number],
                alpha=0.15,
            )
        axis.set_title(optimizer)
        axis.set_xlabel("tokens sampled, thousands")
        axis.grid(alpha=0.3)
    axes[0][0].set_ylabel("held-out accuracy of the whole team")
    axes[0][-1].legend(loc="lower right", fontsize=8)
    figure.tight_layout()
    picture = io.BytesIO()
    figure.savefig(picture, format="png", dpi=120)
    plt.close(figure)
    return picture.getvalue()
