"""``ccpo bench map``: where credit pays, in exact games, and training checks of it."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console

from baselines.bench.map.checklist import checklist
from baselines.bench.map.checks import POINTS, Check, CheckKey, run_check
from baselines.bench.map.figure import CHECKS_FIGURE, FIGURES, check_figure, save
from baselines.bench.map.page import PAGE, SKELETON, Results, filled
from baselines.bench.map.slices import Cell, Found, cells, measure
from baselines.common.checks import require_at_least
from baselines.common.command_line import parse
from baselines.common.errors import exit_on_bad_input
from baselines.common.files import make_folder, read_json, write_text
from baselines.common.terminal import Terminal
from baselines.common.workers import map_in_order, worker_pool
from baselines.experiment.sweep import read_results, run_sweep

RESULTS_FOLDER, RESULTS_FILE, CHECKS_FILE = "results", "map.json", "map_checks.jsonl"
QUICK_SEEDS, QUICK_POINTS = 2, 2


@dataclass(frozen=True, slots=True, kw_only=True)
class MapConfig:
    """Compute where credit pays in exact games, and check it by training."""

    out_dir: Path = Path("docs")
    """Folder of when_credit_pays.md, which is created if there is none; pictures, map.json and
    map_checks.jsonl are written to its folder results. By default docs, in the current folder."""
    seeds: int = 10
    """Seeds of the training checks."""
    checks: bool = True
    """Train the twelve points; those that were trained in an earlier call are kept."""
    workers: int | None = None
    """Number of processes. None: one per core."""
    quick: bool = False
    """A seventh of the cells, two points and two seeds, as a smoke test."""
    checklist: Path | None = None
    """Folder of a training run: print the reporting checklist of arXiv:2604.09459 for it, as far
    as its files answer it, and compute nothing."""

    def check(self) -> None:
        """Raise ValueError if a number is out of range."""
        require_at_least("seeds", self.seeds, 2, why="an interval needs two")
        if self.workers is not None:
            require_at_least("workers", self.workers, 1)

    @property
    def keys(self) -> list[CheckKey]:
        """Keys of the training checks."""
        if not self.checks:
            return []
        num_points = QUICK_POINTS if self.quick else len(POINTS)
        num_seeds = min(self.seeds, QUICK_SEEDS) if self.quick else self.seeds
        return [CheckKey(point=point, num_seeds=num_seeds) for point in range(num_points)]


def main(arguments: Sequence[str]) -> int:
    """Compute the map and write page and pictures, or print the checklist of a run."""
    config = parse(MapConfig, arguments, "ccpo bench map")
    console = Terminal()
    with exit_on_bad_input():
        if config.checklist is not None:
            console.print(
                checklist(config.checklist), markup=False, highlight=False, soft_wrap=True
            )
            return 0
        folder = config.out_dir / RESULTS_FOLDER
        told = f"Writes {PAGE} and {RESULTS_FOLDER}/ to {config.out_dir.resolve()} (--out-dir)"
        console.print(told, markup=False, highlight=False, soft_wrap=True)
        make_folder(config.out_dir)
        make_folder(folder)
        num_workers = config.workers or os.cpu_count() or 1
        began = time.monotonic()
        found = list(_measured(cells(quick=config.quick), num_workers, console))
        seconds = time.monotonic() - began
        write_text(folder / RESULTS_FILE, _to_json(found, seconds, num_workers))
        _write(config.out_dir, folder)
        for check in run_sweep(
            run_check, config.keys, Check, path=folder / CHECKS_FILE, num_workers=num_workers
        ):
            name = POINTS[check.key.point].name
            console.print(f"{name}: {check.difference.text('+.4f')}, {check.verdict}")
        _write(config.out_dir, folder)
    console.print(f"Page: {config.out_dir / PAGE}", highlight=False)
    return 0


def load(folder: Path) -> Results:
    """Return the results in a folder, which `main` wrote."""
    values = read_json(folder / RESULTS_FILE)
    read = read_results(folder / CHECKS_FILE, Check)
    most = max((check.key.num_seeds for check in read), default=0)
    latest = {check.key.point: check for check in read if check.key.num_seeds == most}
    return Results(
        found=tuple(Found.from_json(one) for one in values["cells"]),
        checks=tuple(latest[point] for point in sorted(latest)),
        seconds=values["seconds"],
        num_workers=values["num_workers"],
    )


def _write(out_dir: Path, folder: Path) -> None:
    """Write page and pictures from the results in a folder."""
    results, page = load(folder), out_dir / PAGE
    text = page.read_text(encoding="utf-8") if page.exists() else SKELETON
    write_text(page, filled(text, results))
    for name, draw in FIGURES.items():
        save(draw, results.found, folder / name)
    if results.checks:
        save(check_figure, results.checks, folder / CHECKS_FIGURE)


def _to_json(found: Iterable[Found], seconds: float, num_workers: int) -> str:
    """Return the cells as JSON, one per line."""
    lines = ",\n".join(json.dumps(one.to_json(), allow_nan=False) for one in found)
    head = f'"seconds": {seconds:.1f}, "num_workers": {num_workers}'
    return f'{{{head}, "cells": [\n{lines}\n]}}\n'


def _measured(wanted: Sequence[Cell], num_workers: int, console: Console) -> Iterator[Found]:
    """Yield the efficiency of each cell, in order."""
    console.print(f"{len(wanted)} cells")
    if num_workers == 1:
        yield from map(measure, wanted)
        return
    with worker_pool(num_workers) as pool:
        yield from map_in_order(pool, measure, wanted, num_workers=num_workers)
