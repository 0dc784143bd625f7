"""The files of advice: advice.json and advice.html."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from baselines.advise.advice import Advice
from baselines.advise.commands import repeat_command, train_command
from baselines.advise.efficiency import Efficiency
from baselines.advise.measurable import STATED_SIGNAL_Z
from baselines.advise.missing import missing_rows
from baselines.advise.page import advice_page
from baselines.advise.rows import Row
from baselines.advise.settings import AdviseConfig
from baselines.advise.wording import (
    recommendation,
    source_text,
    warnings,
)
from baselines.common.files import write_json, write_text

if TYPE_CHECKING:
    from baselines.advise.pilot import Played

ADVICE_FILE, PAGE_FILE = "advice.json", "advice.html"


def to_json(config: AdviseConfig, advice: Advice, played: Played) -> dict[str, Any]:
    """Return the content of advice.json."""
    settings = {
        name: str(value) if isinstance(value, Path) else value
        for name, value in asdict(config).items()
    }
    return {
        "recommendation": recommendation(advice),
        "command": train_command(config, advice),
        "repeat": repeat_command(config, advice),
        "num_compared": advice.num_compared,
        "tested": {
            name: None if own is None else asdict(own)
            for name, own in (
                ("against_reference", advice.than_reference),
                ("against_best_shared", advice.than_shared),
            )
        },
        "missing": missing_rows(config, advice, played),
        "beats_shared": advice.beats_shared,
        "reference": asdict(advice.reference),
        "best": asdict(advice.best),
        "source": source_text(played),
        "warnings": warnings(advice, played),
        "has_gradients": played.has_gradients,
        "num_tasks": len(played.data.outcomes),
        "tokens": played.tokens,
        "measurable_z": STATED_SIGNAL_Z,
        "play_s": played.play_s,
        "gradient_s": played.gradient_s,
        "rows": [_row_json(row) for row in advice.rows],
        "settings": settings,
    }


def write_outputs(
    out_dir: Path, config: AdviseConfig, advice: Advice, played: Played
) -> list[Path]:
    """Write advice.json and advice.html, and return their paths.

    Raises:
        StorageError: If a file cannot be written.
    """
    write_json(out_dir / ADVICE_FILE, to_json(config, advice, played))
    write_text(out_dir / PAGE_FILE, advice_page(config, advice, played))
    return [out_dir / ADVICE_FILE, out_dir / PAGE_FILE]


def _row_json(row: Row) -> dict[str, Any]:
    variant, found = row.variant, row.efficiency
    return {
        "allocator": variant.allocator,
        "allocator_args": dict(variant.arguments),
        "optimizer": variant.optimizer,
        "group_size": variant.group_size,
        "samples": variant.num_samples,
        **_efficiency_json(found),
        "degenerate": row.degenerate,
        "correlation": row.correlation,
        "against_reference": _efficiency_json(row.overall),
        "weights": {name: _efficiency_json(own) for name, own in row.of_weights.items()},
        "tokens_per_task": row.tokens_per_task,
        "cost_share": row.cost_share,
        "signal": found.signal,
        "signal_error": found.signal_error,
        "noise": found.noise,
    }


def _efficiency_json(found: Efficiency) -> dict[str, Any]:
    return {
        "efficiency": found.value,
        "low": found.low,
        "high": found.high,
        "measurable": found.value is not None,
        "cosine": found.cosine,
        "tasks_needed": found.tasks_needed,
    }
