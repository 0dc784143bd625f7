"""Read folders of training runs and evaluations, and group them into methods."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from baselines.common.files import as_written, expect_folder
from baselines.compare.evaluation_folder import is_evaluation, read_evaluation
from baselines.compare.methods import Method, Run, differing_settings
from baselines.compare.run_folder import is_run, read_run

COMPARE_PAGE = "compare.html"
"""File name of the page of a comparison, also in the folder of an experiment."""
NAMING = ("allocator", "optimizer")
"""Settings whose values name a method where they tell all methods apart."""


@dataclass(frozen=True, slots=True, eq=False)
class _Read:
    run: Run
    settings: dict[str, Any]
    folder: Path


def read_methods(folders: Sequence[Path], path: str) -> list[Method]:
    """Return the methods in some folders, in the order in which they first appear.

    Training runs whose settings differ only in the seed are one method, unless there is no other.

    Args:
        folders: Folders of training runs and evaluations, or folders that hold such folders.
        path: Path whose accuracy is compared, such as "joint".

    Raises:
        FileNotFoundError: If a folder holds neither.
        ValueError: If there are fewer than two, or one cannot be read, or holds only results.
    """
    places = [place for folder in folders for place in _expanded(folder)]
    if len({place.resolve() for place in places}) < len(places):
        raise ValueError(
            f"folders must be different, got {_listed(places)}; pass each of them once"
        )
    if len(places) < 2:
        raise ValueError(
            f"folders must be at least 2, got {_listed(places)}; pass the folder of the reference "
            f"and of one or more other training runs or evaluations"
        )
    read = [_read(place, path) for place in places]
    groups: dict[str, list[_Read]] = {}
    for own in read:
        same = json.dumps(own.settings, sort_keys=True) if own.run.seed is not None else own.folder
        groups.setdefault(str(same), []).append(own)
    grouped = [part for own in groups.values() for part in _separate(own)]
    if len(grouped) == 1:
        grouped = [[own] for own in read]
    return _named(grouped)


def _expanded(folder: Path) -> list[Path]:
    """Return the folder, or the folders in it if those hold runs or evaluations."""
    if is_run(folder) or is_evaluation(folder):
        return [folder]
    expect_folder(folder, "a training run or an evaluation", "ccpo train or ccpo evaluate")
    inside = sorted(folder.iterdir())
    found = [own for own in inside if is_run(own) or is_evaluation(own)]
    if not found and (folder / COMPARE_PAGE).is_file():
        raise ValueError(
            f"a folder must hold training runs or evaluations, got only a comparison in {folder}; "
            f"open {folder / COMPARE_PAGE}, or pass the --out-dir of ccpo train or ccpo evaluate"
        )
    if not found:
        raise FileNotFoundError(
            f"a folder must hold a training run or a finished evaluation, got neither in {folder}; "
            f"pass the --out-dir of ccpo train or ccpo evaluate"
        )
    return found


def _read(folder: Path, path: str) -> _Read:
    reader = read_run if is_run(folder) else read_evaluation
    with as_written(folder):
        return _Read(*reader(folder, path), folder)


def _separate(group: list[_Read]) -> list[list[_Read]]:
    """Return runs of one method, or each alone if two of them have the same seed."""
    seeds = [own.run.seed for own in group]
    return [group] if len(set(seeds)) == len(seeds) else [[own] for own in group]


def _named(groups: Sequence[Sequence[_Read]]) -> list[Method]:
    """Return methods with short names that tell them apart."""
    unnamed = [
        Method(name="", runs=tuple(own.run for own in group), settings=group[0].settings)
        for group in groups
    ]
    folders = _by_folder([group[0] for group in groups])
    names = _by_settings([method for method in unnamed if method.is_trained])
    chosen = iter(names or [])
    found = [
        next(chosen) if names and method.is_trained else folder
        for method, folder in zip(unnamed, folders, strict=True)
    ]
    names = found if len(set(found)) == len(found) else folders
    return [
        Method(name=name, runs=method.runs, settings=method.settings)
        for name, method in zip(names, unnamed, strict=True)
    ]


def _by_settings(methods: Sequence[Method]) -> list[str] | None:
    """Return names such as "branch" or "branch, grpo"; None if they do not tell methods apart."""
    differing = differing_settings(methods)
    used = [name for name in NAMING if name in differing]
    names = [", ".join(str(method.settings.get(name)) for name in used) for method in methods]
    return names if used and len(set(names)) == len(names) else None


def _by_folder(read: Sequence[_Read]) -> list[str]:
    """Return the shortest last parts of the paths that tell all folders apart."""
    parts = [own.folder.resolve().parts for own in read]
    for length in range(1, max(map(len, parts)) + 1):
        names = ["/".join(own[-length:]) for own in parts]
        if len(set(names)) == len(names):
            return names
    return [str(own.folder) for own in read]


def _listed(places: Sequence[Path]) -> str:
    return ", ".join(map(str, places)) or "none"
