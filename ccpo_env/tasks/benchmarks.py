"""Public benchmarks by name: from a local file, else from the hub at a pinned revision."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from ccpo_env.tasks.task_files import READERS, Row, read_tasks, tasks_from_rows
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
    """A benchmark: the names of its local files and its place on the hub.

    Args:
        name: Registered name.
        stems: For each of our splits, how a local file's name (letters and digits only) starts.
        hub: For each of our splits, its place on the hub; empty without a pinned revision.
    """

    name: str
    stems: Mapping[str, tuple[str, ...]]
    hub: Mapping[str, HubSource] = field(default_factory=dict)

    def __call__(self, *, split: str | None, limit: int | None) -> list[Task]:
        """Load a split; None: the only one, or "train" if there are two.

        Raises:
            ValueError: If the benchmark has no such split.
            FileNotFoundError: If it is neither in the local folder nor available on the hub.
            TaskFileError: If a row is not a task.
        """
        chosen = split or next(iter(self.stems))
        if chosen not in self.stems:
            raise ValueError(
                f"split of {self.name!r} must be one of {list(self.stems)}, got {split!r}; "
                f"pass split={next(iter(self.stems))!r}"
            )
        local = self._local_file(chosen)
        if local is not None:
            return read_tasks(local, split=None, limit=limit)
        return self._from_hub(chosen, limit)

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

    def _from_hub(self, split: str, limit: int | None) -> list[Task]:
        source = self.hub.get(split)
        stem = self.stems[split][0]
        advice = f"set {DATA_DIR_VARIABLE} to a folder with a file such as {stem}.parquet"
        if source is None:
            raise FileNotFoundError(
                f"tasks {self.name!r} must be a local file, got none for split {split!r}; {advice}"
            )
        try:
            import datasets
        except ImportError:
            raise ImportError(
                f"tasks {self.name!r} must be read from the hub with the package datasets, got "
                f"none; run pip install 'ccpo-env[hub]', or {advice}"
            ) from None
        try:
            rows = datasets.load_dataset(
                source.dataset, source.config, split=source.split, revision=source.revision
            )
        except OSError as error:  # datasets and the hub raise its subclasses
            reason = str(error).splitlines()[0]
            raise FileNotFoundError(
                f"tasks {self.name!r} must be on the hub as {source.dataset} at "
                f"{source.revision}, got {reason!r}; check the network, or {advice}"
            ) from None
        numbered: list[Row] = list(enumerate(rows, start=1))
        return tasks_from_rows(numbered, Path(f"{self.name}_{split}"), split=None, limit=limit)


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
