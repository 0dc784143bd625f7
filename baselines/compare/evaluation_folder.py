"""Read an evaluation of `ccpo evaluate` from the files in its folder."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from baselines.common.evaluation_file import JOINT, TaskKey, TaskValues
from baselines.common.files import read_json
from baselines.compare.methods import HeldOut, Run
from baselines.evaluate.output import EVALUATION_FILE
from baselines.evaluate.transcripts import TRANSCRIPTS_FILE, Transcript, read_transcripts


def is_evaluation(folder: Path) -> bool:
    """Return whether a folder holds a finished evaluation."""
    return (folder / TRANSCRIPTS_FILE).is_file()


def read_evaluation(folder: Path, path: str) -> tuple[Run, dict[str, Any]]:
    """Return an evaluation as a run with one point, and its settings.

    Args:
        folder: Folder of the evaluation.
        path: Path whose accuracy is compared, such as "joint".

    Raises:
        ValueError: If the transcripts are not those of an evaluation, or the path was not played.
    """
    transcripts = read_transcripts(folder)
    known = {episode.path for episode in transcripts}
    if path not in known:
        raise ValueError(
            f"path must be a path of the evaluations, got {path!r} in {folder}; choose from "
            f"{sorted(known)}"
        )
    rates = rates_of(transcripts, path)
    if not rates:
        raise ValueError(
            f"an evaluation must have measured a task, got none on path {path!r} in {folder}; "
            f"choose tasks and a verifier that fit"
        )
    run = Run(
        points=(
            HeldOut(
                accuracy=float(np.mean(list(rates.values()))),
                rates=TaskValues.of(rates),
                num_samples=_num_samples(transcripts, path),
            ),
        ),
        team=rates_of(transcripts, JOINT),
        without={p: rates_of(transcripts, p) for p in sorted(known) if p.startswith("without ")},
        num_samples={p: _num_samples(transcripts, p) for p in sorted(known)},
        questions={episode.key: episode.question for episode in transcripts},
        folder=folder,
    )
    return run, _settings(folder)


def rates_of(transcripts: Sequence[Transcript], path: str) -> Mapping[TaskKey, float]:
    """Return the rate of correct samples of each task on a path, without those not measured."""
    right: dict[TaskKey, list[bool]] = {}
    for episode in transcripts:
        if episode.path == path and episode.reward is not None:
            right.setdefault(episode.key, []).append(episode.reward > 0)
    return {key: float(np.mean(own)) for key, own in right.items()}


def _num_samples(transcripts: Sequence[Transcript], path: str) -> TaskValues:
    counts = Counter(e.key for e in transcripts if e.path == path and e.reward is not None)
    return TaskValues.of({key: number for key, number in counts.items() if number > 1})


def _settings(folder: Path) -> dict[str, Any]:
    file = folder / EVALUATION_FILE
    saved = read_json(file)["config"] if file.is_file() else {}
    settings = {name: value for name, value in saved.items() if name != "out_dir"}
    if len(settings.get("tasks", ())) == 1:
        settings["tasks"] = settings["tasks"][0]  # as in the settings of a training run
    return settings
