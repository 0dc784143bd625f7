"""Public benchmarks by name: from a local file, else from the hub at a pinned revision."""

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
        package: Returns the rows of the first split from an installed package; None: there is no
            such package.
    """

    name: str
    stems: Mapping[str, tuple[str, ...]]
    hub: Mapping[str, HubSource] = field(default_factory=dict)
    columns: Callable[[Mapping[str, Any]], Mapping[str, object]] | None = None
    package: Callable[[], Iterable[Mapping[str, object]]] | None = None

    def __call__(self, *, split: str | None, limit: int | None) -> list[Task]:
        """Load a split; None: the first one of which there is a local file, else the first one.

        Raises:
            ValueError: If the benchmark has no such split.
            FileNotFoundError: If it is neither in the local folder nor in a package or on the hub.
            ImportError: If the package that holds it is not installed.
            TaskFileError: If a row is not a task.
        """
        if split is not None and split not in self.stems:
            raise ValueError(
                f"split of {self.name!r} must be one of {list(self.stems)}, got {split!r}; "
                f"pass split={next(iter(self.stems))!r}"
            )
        for chosen in self.stems if split is None else (split,):
            local = self._local_file(chosen)
            if local is not None:
                rows = file_rows(local, all_columns=self.columns is not None)
                return self._tasks(rows, Origin.of_file(local), limit)
        chosen = split or next(iter(self.stems))
        if self.package is not None:
            numbered: Iterable[Row] = enumerate(self.package(), start=1)
            return tasks_from_rows(
                numbered, Origin(self.name, self.name, self.name), split=None, limit=limit
            )
        rows = enumerate(self._hub_rows(chosen), start=1)
        return self._tasks(rows, Origin.of_file(Path(f"{self.name}_{chosen}")), limit)

    def _tasks(self, rows: Iterable[Row], origin: Origin, limit: int | None) -> list[Task]:
        if self.columns is not None:
            rows = self._with_columns(rows, self.columns, origin)
        return tasks_from_rows(rows, origin, split=None, limit=limit)

    def _with_columns(
        self,
        rows: Iterable[Row],
        columns: Callable[[Mapping[str, Any]], Mapping[str, object]],
        origin: Origin,
    ) -> Iterator[Row]:
        for number, row in rows:
            try:
                yield number, columns(row) if isinstance(row, Mapping) else row
            except NotATaskError as error:
                raise origin.malformed(number, error.rule, error.value) from None

    def _local_file(self, split: str) -> Path | None:
        folder = Path(os.environ.get(DATA_DIR_VARIABLE, DEFAULT_DATA_DIR))
        if not folder.is_dir():
            return None
        for path in sorted(folder.iterdir()):
            stem = re.sub(r"[^a-z0-9]", "", path.stem.lower())
            if path.suffix in READERS and self._split_of(stem) == split:
                return path
        return None

    def _split_of(self, stem: str) -> str | None:
        """Return the split of a file: the one with the longest stem that starts its name."""
        fits = [
            (len(beginning), split)
            for split, beginnings in self.stems.items()
            for beginning in beginnings
            if stem.startswith(beginning)
        ]
        return max(fits)[1] if fits else None

    def _hub_rows(self, split: str) -> Iterable[Mapping[str, object]]:
        source = self.hub.get(split)
        stem = self.stems[split][0]
        advice = f"set {DATA_DIR_VARIABLE} to a folder with a file such as {stem}.parquet"
        if source is None:
            others = [other for other in self.stems if self._local_file(other) is not None]
            has_others = f" (there is one for {', '.join(map(repr, others))})" if others else ""
            raise FileNotFoundError(
                f"tasks {self.name!r} must be a local file, got none for split {split!r}"
                f"{has_others} and know no revision on the hub; {advice}"
            )
        try:
            import datasets
        except ImportError:
            raise ImportError(
                f"tasks {self.name!r} must be read from the hub with the package datasets, got "
                f"none; run pip install 'ccpo-env[hub]', or {advice}"
            ) from None
        try:
            rows: Iterable[Mapping[str, object]] = datasets.load_dataset(
                source.dataset, source.config, split=source.split, revision=source.revision
            )
        except OSError as error:  # datasets and the hub raise its subclasses
            reason = str(error).splitlines()[0]
            raise FileNotFoundError(
                f"tasks {self.name!r} must be on the hub as {source.dataset} at "
                f"{source.revision}, got {reason!r}; check the network, or {advice}"
            ) from None
        return rows


MATH_500 = HubSource(
    "HuggingFaceH4/MATH-500", "6e4ed1a2a79af7d8630a6b768ec859cb5af4d3be", None, "test"
)
MATH_TRAIN = HubSource(
    "DigitalLearningGmbH/MATH-lighteval",
    "0530c78699ea5e8eb5530600900e1f328b48acad",
    None,
    "train",
)
_GSM8K = "740312add88f781978c0658806c59bc2815b9866"

BENCHMARKS: Mapping[str, Benchmark] = {
    benchmark.name: benchmark
    for benchmark in (
        Benchmark(
            "math",
            {"train": ("mathtrain",), "test": ("math500", "test500")},
            {"train": MATH_TRAIN, "test": MATH_500},
        ),
        Benchmark("math500", {"test": ("math500", "test500")}, {"test": MATH_500}),
        Benchmark(
            "gsm8k",
            {"train": ("gsm8ktrain",), "test": ("gsm8ktest", "gsm8k")},
            {
                split: HubSource("openai/gsm8k", _GSM8K, "main", split)
                for split in ("train", "test")
            },
        ),
        Benchmark(
            "aime24",
            {"test": ("aime24", "aime2024")},
            {
                "test": HubSource(
                    "HuggingFaceH4/aime_2024",
                    "2fe88a2f1091d5048c0f36abc874fb997b3dd99a",
                    None,
                    "train",
                )
            },
        ),
        Benchmark(
            "aime25",
            {"test": ("aime25", "aime2025")},
            {
                "test": HubSource(
                    "math-ai/aime25", "563bb8404243c5f09de6ec262f2db674fe5bce9b", None, "test"
                )
            },
        ),
        Benchmark("amc23", {"test": ("amc23", "amc2023")}),
        Benchmark("gaokao2023en", {"test": ("gaokao2023",)}),
        Benchmark("minerva", {"test": ("minerva",)}),
    )
}
"""Public benchmarks: one line each."""
