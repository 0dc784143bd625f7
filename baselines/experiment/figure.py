"""The learning curves of an experiment as a picture."""

from __future__ import annotations

import io
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from baselines.common.stats import MIN_RUNS, Estimate, mean_over_seeds
from baselines.experiment.aggregate import BOUNDS
from baselines.experiment.runs import RunResult

if TYPE_CHECKING:
    from matplotlib.axes import Axes

STYLES = ("-", "--", "-.", ":")
MARKERS = "osD^vPX*"
SIZE = 6.4, 4.4  # inches, of a panel


def learning_curves(results: Sequence[RunResult]) -> bytes:
    """Return a PNG of accuracy over sampled tokens: means over seeds with 95 % intervals.

    A mark is drawn where the seeds were evaluated; lines between marks are those of the areas.
    """
    import matplotlib as mpl

    mpl.use("Agg")
    import matplotlib.pyplot as plt

    optimizers = list(dict.fromkeys(result.key.optimizer for result in results))
    allocators = list(dict.fromkeys(result.key.allocator for result in results))
    figure, axes = plt.subplots(
        1, len(optimizers), figsize=(SIZE[0] * len(optimizers), SIZE[1]), sharey=True, squeeze=False
    )
    for axis, optimizer in zip(axes[0], optimizers, strict=True):
        for number, allocator in enumerate(allocators):
            cell = (optimizer, allocator)
            runs = [run for run in results if (run.key.optimizer, run.key.allocator) == cell]
            if len(runs) >= MIN_RUNS:
                _draw(axis, runs, allocator, number)
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


def measured_means(runs: Sequence[RunResult]) -> list[tuple[float, Estimate]]:
    """Return tokens and accuracy of the evaluations of the seeds of a method.

    Returns:
        The mean over the seeds of their first evaluation, of their second, and so on, as many as
        all of them have.
    """
    found = []
    for points in zip(*(run.curve for run in runs), strict=False):
        accuracies = np.array([joint for _, joint, _ in points])
        tokens = float(np.mean([tokens for tokens, _, _ in points]))
        found.append((tokens, mean_over_seeds(accuracies, bounds=BOUNDS["joint"])))
    return found


def _draw(axis: Axes, runs: Sequence[RunResult], allocator: str, number: int) -> None:
    import matplotlib.pyplot as plt

    points = measured_means(runs)
    at = [tokens / 1000 for tokens, _ in points]
    means = [own.value for _, own in points]
    color = plt.get_cmap("tab10")(number % 10)
    mark, style = MARKERS[number % len(MARKERS)], STYLES[number % len(STYLES)]
    look: dict[str, Any] = {"color": color, "markersize": 4, "linewidth": 1.3}
    axis.plot(at, means, f"{mark}{style}", label=allocator, **look)
    low, high = ([getattr(own, end) for _, own in points] for end in ("low", "high"))
    axis.fill_between(at, low, high, color=color, alpha=0.15)
