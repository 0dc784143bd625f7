"""Experiment trackers, in addition to metrics.jsonl and completions.jsonl."""

from __future__ import annotations

import json
import secrets
from collections.abc import Callable, Mapping, Sequence
from html import escape
from importlib import import_module
from pathlib import Path
from typing import Any, Protocol

from baselines.common.files import CONFIG_FILE, write_text
from baselines.common.metrics import MetricRow
from baselines.train.logging.completions import COLUMNS, CompletionRow

PROJECT = "ccpo"
"""Project name, for trackers with projects."""
COMPLETIONS = "completions"
"""Name of the table of completions."""
ID_FILE = "tracker_id.txt"
"""File in a run's folder with an id that distinguishes runs of one name, also when resumed."""


class Tracker(Protocol):
    """Receives every row of metrics, and tables of completions."""

    def log(self, row: MetricRow) -> None:
        """Record the metrics of one step."""
        ...

    def log_completions(self, rows: Sequence[CompletionRow]) -> None:
        """Record completions of the step that was logged last."""
        ...

    def close(self) -> None:
        """Flush and close."""
        ...


class NoTracker:
    """Records nothing: metrics.jsonl is written in any case."""

    def __init__(self, run_dir: Path) -> None:
        """Accept the folder of the run, like every tracker."""

    def log(self, row: MetricRow) -> None:
        """Do nothing."""

    def log_completions(self, rows: Sequence[CompletionRow]) -> None:
        """Do nothing."""

    def close(self) -> None:
        """Do nothing."""


class TensorBoardTracker:
    """Writes to run_dir/tensorboard.

    Raises:
        ImportError: If tensorboard is not installed.
    """

    def __init__(self, run_dir: Path) -> None:
        package = _package("torch.utils.tensorboard", "tensorboard", extra="trackers")
        self._writer = package.SummaryWriter(str(run_dir / "tensorboard"))

    def log(self, row: MetricRow) -> None:
        """Record all measured metrics."""
        for name, value in _measured(row).items():
            self._writer.add_scalar(name, value, row["step"])

    def log_completions(self, rows: Sequence[CompletionRow]) -> None:
        """Record a table in Markdown."""
        self._writer.add_text(COMPLETIONS, markdown_table(rows), rows[0]["step"])

    def close(self) -> None:
        """Flush and close the event file."""
        self._writer.close()


class WandbTracker:
    """Sends to Weights & Biases, project ccpo; a resumed run continues the same run there.

    Raises:
        ImportError: If wandb is not installed.

    Note: Steps that a resumed run repeats are not sent again: wandb ignores earlier steps.
    """

    def __init__(self, run_dir: Path) -> None:
        self._wandb = _package("wandb", "wandb")
        self._run = self._wandb.init(
            project=PROJECT,
            name=run_dir.name,
            id=_run_id(run_dir),
            resume="allow",
            dir=str(run_dir),
            config=_config_of(run_dir),
        )

    def log(self, row: MetricRow) -> None:
        """Record all measured metrics."""
        self._run.log(_measured(row), step=row["step"])

    def log_completions(self, rows: Sequence[CompletionRow]) -> None:
        """Record a table."""
        table = self._wandb.Table(columns=list(COLUMNS), data=_cells(rows))
        self._run.log({COMPLETIONS: table}, step=rows[0]["step"])

    def close(self) -> None:
        """Send remaining data and end the run."""
        self._run.finish()


class TrackioTracker:
    """Writes to the local database of trackio, project ccpo; a resumed run is appended to.

    Raises:
        ImportError: If trackio is not installed.

    Note: Steps that a resumed run repeats are stored twice, with the same values.
    """

    def __init__(self, run_dir: Path) -> None:
        self._trackio = _package("trackio", "trackio")
        self._run = self._trackio.init(
            project=PROJECT,
            name=f"{run_dir.name}-{_run_id(run_dir)}",
            resume="allow",
            config=_config_of(run_dir),
        )

    def log(self, row: MetricRow) -> None:
        """Record all measured metrics."""
        values = _measured(row)
        step = values.pop("step")  # trackio reserves this name
        self._run.log(values, step=step)

    def log_completions(self, rows: Sequence[CompletionRow]) -> None:
        """Record a table."""
        table = self._trackio.Table(columns=list(COLUMNS), data=_cells(rows))
        self._run.log({COMPLETIONS: table}, step=rows[0]["step"])

    def close(self) -> None:
        """Write remaining data and end the run."""
        self._run.finish()


TRACKERS: Mapping[str, Callable[[Path], Tracker]] = {
    "none": NoTracker,
    "tensorboard": TensorBoardTracker,
    "wandb": WandbTracker,
    "trackio": TrackioTracker,
}


def open_tracker(name: str, run_dir: Path) -> Tracker:
    """Open the tracker of a run.

    Raises:
        ImportError: If its package is missing; the message names it.
        ValueError: If it cannot start, such as without a login. Any exception of the tracker's
            package counts.
    """
    try:
        return TRACKERS[name](run_dir)
    except ImportError:
        raise
    except Exception as error:
        reason = " ".join(f"{type(error).__name__}: {error}".split())
        raise ValueError(
            f"tracker {name!r} must start, got {reason}; set it up as documented by it, or "
            f"pass another --tracker"
        ) from error


def markdown_table(rows: Sequence[CompletionRow]) -> str:
    """Return a Markdown table whose cells show their text literally, on one line each."""
    lines = ["| " + " | ".join(COLUMNS) + " |", "|" + "---|" * len(COLUMNS)]
    for cells in _cells(rows):
        texts = (escape(str(cell)).replace("|", "&#124;") for cell in cells)
        lines.append("| " + " | ".join(" ".join(text.split()) for text in texts) + " |")
    return "\n".join(lines)


def _cells(rows: Sequence[CompletionRow]) -> list[list[object]]:
    return [list(row.values()) for row in rows]


def _measured(row: MetricRow) -> dict[str, float | int]:
    return {name: value for name, value in row.items() if value is not None}


def _package(module: str, name: str, *, extra: str | None = None) -> Any:
    try:
        return import_module(module)
    except ImportError:
        raise ImportError(
            f"tracker {name!r} must find the package {name}, got none; "
            f"run pip install 'ccpo-env[{extra or name}]'"
        ) from None


def _config_of(run_dir: Path) -> dict[str, Any]:
    config: dict[str, Any] = json.loads((run_dir / CONFIG_FILE).read_text(encoding="utf-8"))
    return config


def _run_id(run_dir: Path) -> str:
    """Return the id of a run, created once, because folders of one name are different runs."""
    path = run_dir / ID_FILE
    if not path.exists():
        write_text(path, secrets.token_hex(4))
    return path.read_text(encoding="utf-8").strip()
