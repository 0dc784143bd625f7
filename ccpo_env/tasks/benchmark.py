"""A public benchmark: from a local file, a package, or the hub at a pinned revision."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ccpo_env.tasks.collecting import tasks_from_rows
from ccpo_env.tasks.files import READERS, file_rows
from ccpo_env.tasks.origin import Origin, Row
from ccpo_env.tasks.shuffling import shuffle_choices
from ccpo_env.tasks.values import NotATaskError
from ccpo_env.types import Task

DATA_DIR_VARIABLE = "CCPO_DATA_DIR"
"""Environment variable that names the folder of local files."""
DEFAULT_DATA_DIR = "data"
"""Default of that folder, relative to the working directory."""


@dataclass(frozen=True, slots=True)
class HubSource:
    """One split of a data set on the hub.

    Args:
        dataset: Id of the data set.
        revision: Commit to load.
        config: Configuration of the data set, or None.
        split: Name of the split there.
    """

    dataset: str
    revision: str
    config: str | None
    split: str


@dataclass(frozen=True, slots=True)
class Benchmark:
    """A benchmark: the names of its local files, the package that holds it, its place on the hub.

    Args:
        name: Registered name.
        stems: For each of its splits, how a local file's name (letters and digits only) starts.
        hub: For each of its splits, its place on the hub; empty without a pinned revision.
        columns: Gives a row the columns of docs/tasks.md; None: it has them.
        package: Returns all rows from an installed package; None: there is no such package.
        is_of_split: Whether a row of a file with several splits, whose name is in the stems of
            each, belongs to one of them.
        is_hashed: Whether train and test are split by a hash of the question, as for files.
        is_ordered: Whether the rows have the right option first, so that the order is changed.
    """

    name: str
    stems: Mapping[str, tuple[str, ...]]
    hub: Mapping[str, HubSource] = field(default_factory=dict)
    columns: Callable[[Mapping[str, Any]], Mapping[str, object]] | None = None
    package: Callable[[], Iterable[Mapping[str, object]]] | None = None
    is_of_split: Callable[[Mapping[str, Any], str], bool] | None = None
    is_hashed: bool = False
    is_ordered: bool = False

    def __call__(self, *, split: str | None, limit: int | None) -> list[Task]:
        """Load a split; None: the first one of which there is a local file, else the first one.

        Raises:
            ValueError: If the benchmark has no such split.
            FileNotFoundError: If it is neither in the local folder nor in a package or on the hub.
            ImportError: If the package that holds it is not installed.
            TaskFileError: If a row is not a task.
        """
        if split is not None and split not in self.stems:
            known = ", ".join(self.stems)
            remedy = "train on another source or a file" if split == "train" else "pass one of them"
            raise ValueError(
                f"tasks {self.name!r} must have a {split} split, got only {known}; {remedy}"
            )
        for chosen in self.stems if split is None else (split,):
            local = self._local_file(chosen)
            if local is not None:
                rows = file_rows(local, all_columns=self.columns is not None)
                if len(self._splits_of(local)) > 1 and self.is_of_split is not None:
                    rows = _of_split(rows, self.is_of_split, chosen)
                return self._tasks(rows, Origin.of_file(local), split, limit)
        if self.package is not None:
            rows = enumerate(self.package(), start=1)
            return self._tasks(rows, Origin(self.name, self.name, self.name), split, limit)
        chosen = split or next(iter(self.stems))
        rows = enumerate(self._hub_rows(chosen), start=1)
        return self._tasks(rows, Origin.of_file(Path(f"{self.name}_{chosen}")), split, limit)

    def _tasks(
        self, rows: Iterable[Row], origin: Origin, split: str | None, limit: int | None
    ) -> list[Task]:
        if self.columns is not None:
            rows = _with_columns(rows, self.columns, origin)
        hashed = split if self.is_hashed else None
        tasks = tasks_from_rows(rows, origin, split=hashed, limit=limit)
        return shuffle_choices(tasks, 0) if self.is_ordered else tasks

    def _local_file(self, split: str) -> Path | None:
        folder = Path(os.environ.get(DATA_DIR_VARIABLE, DEFAULT_DATA_DIR))
        if not folder.is_dir():
            return None
        for path in sorted(folder.iterdir()):
            if path.suffix in READERS and split in self._splits_of(path):
                return path
        return None

    def _splits_of(self, path: Path) -> list[str]:
        """Return the splits of a file: those with the longest stem that starts its name."""
        name = re.sub(r"[^a-z0-9]", "", path.stem.lower())
        fits = {
            split: max((len(stem) for stem in stems if name.startswith(stem)), default=0)
            for split, stems in self.stems.items()
        }
        longest = max(fits.values())
        return [split for split, length in fits.items() if longest and length == longest]

    def _hub_rows(self, split: str) -> Iterable[Mapping[str, object]]:
        source = self.hub.get(split)
        stem = self.stems[split][0]
        advice = f"set {DATA_DIR_VARIABLE} to a folder with a file such as {stem}.parquet"
        if source is None:
            other = next((own for own in self.stems if self._local_file(own) is not None), None)
            if other is not None:
                advice += (
                    f", or load the file of split {other!r}: split={other!r}, or ccpo evaluate "
                    f"--split {other}"
                )
            raise FileNotFoundError(
                f"tasks {self.name!r} must be a local file, since no revision on the hub is "
                f"known, got none for split {split!r}; {advice}"
            )
        try:
            import datasets
        except ImportError:
            raise ImportError(
                f"tasks {self.name!r} must be read from the hub with the package datasets, got "
                f"none; run pip install 'ccpo-env[hub]', or {advice}"
            ) from None
        hub: Any = datasets  # which does not say what it exports
        try:
            rows: Iterable[Mapping[str, object]] = hub.load_dataset(
                source.dataset, source.config, split=source.split, revision=source.revision
            )
        except OSError as error:  # datasets and the hub raise its subclasses
            reason = str(error).splitlines()[0]
            raise FileNotFoundError(
                f"tasks {self.name!r} must be on the hub as {source.dataset} at "
                f"{source.revision}, got {reason!r}; check the network, or {advice}"
            ) from None
        return rows


def _of_split(
    rows: Iterable[Row], is_of_split: Callable[[Mapping[str, Any], str], bool], split: str
) -> Iterator[Row]:
    return (
        (number, row)
        for number, row in rows
        if not isinstance(row, Mapping) or is_of_split(row, split)
    )


def _with_columns(
    rows: Iterable[Row],
    columns: Callable[[Mapping[str, Any]], Mapping[str, object]],
    origin: Origin,
) -> Iterator[Row]:
    for number, row in rows:
        try:
            yield number, columns(row) if isinstance(row, Mapping) else row
        except NotATaskError as error:
            raise origin.malformed(number, error.rule, error.value) from None
