"""Where metrics go besides metrics.jsonl."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Protocol

from baselines.metrics import MetricRow


class Tracker(Protocol):
    """Receives every row of metrics."""

    def log(self, row: MetricRow) -> None:
        """Record the metrics of one step."""
        ...

    def close(self) -> None:
        """Write what is still in memory."""
        ...


class NoTracker:
    """Records nothing: metrics.jsonl is written in any case."""

    def __init__(self, run_dir: Path) -> None:
        """Take the folder of the run, like every tracker."""

    def log(self, row: MetricRow) -> None:
        """Do nothing."""

    def close(self) -> None:
        """Do nothing."""


class TensorBoardTracker:
    """Writes the metrics under the same names to run_dir/tensorboard.

    Raises:
        ImportError: If tensorboard is not installed.
    """

    def __init__(self, run_dir: Path) -> None:
        try:
            from torch.utils.tensorboard import SummaryWriter
        except ImportError:
            raise ImportError(
                "tracker 'tensorboard' must find the package tensorboard, got none; "
                "run pip install 'ccpo-env[trackers]'"
            ) from None
        self._writer = SummaryWriter(str(run_dir / "tensorboard"))

    def log(self, row: MetricRow) -> None:
        """Record every metric that was measured."""
        for name, value in row.items():
            if value is not None:
                self._writer.add_scalar(name, value, row["step"])

    def close(self) -> None:
        """Flush and close the event file."""
        self._writer.close()


TRACKERS: Mapping[str, Callable[[Path], Tracker]] = {
    "none": NoTracker,
    "tensorboard": TensorBoardTracker,
}
