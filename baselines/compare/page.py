"""Write the page of a comparison, compare.html, and its numbers, compare.json."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import Any

from baselines.common.evaluation_file import JOINT
from baselines.common.files import write_json, write_text
from baselines.common.wording import named
from baselines.compare.comparison import Comparison
from baselines.compare.examples import examples_of
from baselines.compare.figures import averaged, figures
from baselines.compare.folders import COMPARE_PAGE
from baselines.compare.methods import Method, Run, differing_settings
from baselines.compare.narrative import conclusions, limits
from baselines.compare.removals import lost_without
from baselines.compare.tables import (
    comparison_grid,
    cost_grid,
    credit_grid,
    inputs_grid,
    settings_grid,
)
from baselines.evaluate.tables import Grid
from baselines.pages.page import PARTS, clip, render

COMPARE_FILE = "compare.json"
TEMPLATE = Path(__file__).parent / "compare.html.jinja"
MAX_NAMED = 4
"""Most methods that the title names."""
MAX_MESSAGE_CHARS = 4000
"""Longest message on the page."""
NO_EXAMPLES = (
    "No transcripts of both: a training run writes those of its last evaluation at its end."
)


def write_comparison(
    out_dir: Path,
    methods: Sequence[Method],
    found: Sequence[Comparison],
    *,
    path: str = JOINT,
    tables: Sequence[Grid] = (),
    seed: int = 0,
) -> Path:
    """Write compare.html, which loads no resources, and compare.json.

    Args:
        out_dir: Folder of both files; it must exist.
        methods: At least two; the first is the reference.
        found: From `baselines.compare.comparison.compare`.
        path: Path whose accuracy is compared.
        tables: More tables to show below the one of the comparisons.
        seed: Seed of the bootstrap.

    Returns:
        Path of the page.

    Raises:
        StorageError: If a file cannot be written.
    """
    examples = examples_of(methods, path)
    page = render(
        TEMPLATE,
        scripts=[PARTS / "sort.js"],
        names=named([method.name for method in methods], MAX_NAMED),
        conclusions=conclusions(found),
        limits=limits(methods, found),
        figures=figures(methods, found),
        accuracy=[comparison_grid(found, path=path), *tables],
        credit=credit_grid(methods, seed=seed),
        cost=cost_grid(methods),
        inputs=inputs_grid(methods),
        settings=settings_grid(methods),
        examples=examples,
        has_folders=any(run.folder is not None for method in methods for run in method.runs),
        no_examples=NO_EXAMPLES,
        clip=partial(clip, max_chars=MAX_MESSAGE_CHARS),
    )
    target = out_dir / COMPARE_PAGE
    write_text(target, page)
    write_json(out_dir / COMPARE_FILE, to_json(methods, found, path=path, seed=seed))
    return target


def to_json(
    methods: Sequence[Method], found: Sequence[Comparison], *, path: str = JOINT, seed: int = 0
) -> dict[str, Any]:
    """Return the contents of compare.json."""
    return {
        "reference": methods[0].name,
        "path": path,
        "sentences": [*conclusions(found), *limits(methods, found)],
        "comparisons": [own.to_json() for own in found],
        "methods": [_method_json(method, seed) for method in methods],
        "settings_that_differ": {
            name: dict(zip((m.name for m in methods), values, strict=True))
            for name, values in differing_settings(methods).items()
        },
    }


def _method_json(method: Method, seed: int) -> dict[str, Any]:
    means = averaged(method) if method.is_trained else []
    lost = lost_without(method, seed=seed)
    return {
        "name": method.name,
        "runs": [_run_json(run) for run in method.runs],
        "curve": [{"tokens": tokens, **found.to_json()} for tokens, found in means],
        "accuracy_added": {agent: found.to_json() for agent, found in lost.items()},
    }


def _run_json(run: Run) -> dict[str, Any]:
    return {
        "folder": None if run.folder is None else str(run.folder),
        "seed": run.seed,
        "status": run.status,
        "points": [
            {"step": p.step, "tokens": p.tokens, "accuracy": p.accuracy} for p in run.points
        ],
        "credit": {agent: asdict(own) for agent, own in run.credit.items()},
        "cost": None if run.cost is None else asdict(run.cost),
    }
