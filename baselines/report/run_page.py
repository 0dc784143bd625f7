"""The report of a run: one self-contained HTML file made from the run's files."""

from __future__ import annotations

import re
import shlex
from collections.abc import Mapping, Sequence
from pathlib import Path

from baselines.common.credit_file import CREDIT_FILE, read_credit
from baselines.common.files import CONFIG_FILE, write_text
from baselines.common.jsonl import read_rows
from baselines.common.metrics import METRICS_FILE, MetricRow
from baselines.pages.page import render
from baselines.pages.svg import Plot, short
from baselines.report.credit_map import credit_map
from baselines.report.figures import plots
from baselines.report.held_out import (
    held_out,
    measurements,
    names_of,
    read_json,
    read_summary,
    removals,
)
from baselines.report.narrative import reading, sentences

MAX_MESSAGE_CHARS = 6000
"""Longest message on the page, which keeps a few examples far below a megabyte."""
TEMPLATE = Path(__file__).parent / "report.html.jinja"
SECTIONS: Mapping[str, tuple[str, ...]] = {
    "Held-out accuracy": ("accuracy",),
    "Credit": ("credit", "share", "distribution", "effects", "slope", "variance", "ratings"),
    "Learning of each role": ("roles", "lengths"),
    "Cost": ("tokens", "time"),
}
"""Figures of each section, in order; those that were not drawn are omitted."""


def write_report(run_dir: Path) -> Path:
    """Write the report.html of a run.

    Args:
        run_dir: Holds config.json, and those of metrics.jsonl, summary.json, examples.json and
            credit.json that the run has written.

    Returns:
        Path of the page, which loads no resources. The same files give the same bytes.

    Raises:
        FileNotFoundError: If there is no config.json.
    """
    if not (run_dir / CONFIG_FILE).is_file():
        raise FileNotFoundError(
            f"run_dir must hold config.json, got none in {run_dir}; pass the folder of a run"
        )
    config: dict[str, object] = read_json(run_dir / CONFIG_FILE, {})
    rows = read_rows(run_dir / METRICS_FILE)
    summary = read_summary(run_dir / "summary.json", rows)
    record = read_credit(run_dir / CREDIT_FILE)
    removed = removals(summary)
    without_agent = (
        f"without {names_of(removed[0])}" if len(removed) == 1 else "with an agent removed"
    )
    drawn = plots(
        rows,
        held_out=held_out(rows, summary),
        agents=_named_in(rows, r"credit/(.+)/mean"),
        roles=_named_in(rows, r"update/(.+)/loss"),
        record=record,
        without_agent=without_agent,
    )
    page = render(
        TEMPLATE,
        config=config,
        summary=summary,
        sentences=sentences(config, summary),
        measurements=measurements(summary),
        readings={name: reading(entry) for name, entry in summary["audit"].items()},
        sections=_sections(drawn),
        credit_map=credit_map(record),
        examples=read_json(run_dir / "examples.json", []),
        settings={name: _text(value) for name, value in config.items()},
        command=command(config),
        clip=_clip,
        short=short,
    )
    path = run_dir / "report.html"
    write_text(path, page)
    return path


def command(config: Mapping[str, object]) -> str:
    """Return the command line that reproduces the run."""
    words = ["python", "-m", "baselines.train"]
    for name, value in config.items():
        flag = name.replace("_", "-")
        if isinstance(value, bool):
            words += [f"--{flag}"] if value else []  # flags are off by default
        elif isinstance(value, dict):
            pairs = [str(part) for pair in value.items() for part in pair]
            words += [f"--{flag}", *pairs] if pairs else []
        elif isinstance(value, list):
            words += [f"--{flag}", *map(str, value)] if value else []
        elif value is not None:
            words += [f"--{flag}", str(value)]
    return shlex.join(words)


def _sections(drawn: Mapping[str, Plot]) -> dict[str, list[Plot]]:
    return {
        title: [drawn[name] for name in names if name in drawn] for title, names in SECTIONS.items()
    }


def _named_in(rows: Sequence[MetricRow], pattern: str) -> list[str]:
    """Return the matches of a pattern in the names of the metrics, in order."""
    found = (re.fullmatch(pattern, key) for row in rows for key in row)
    return list(dict.fromkeys(match[1] for match in found if match))


def _text(value: object) -> str:
    if isinstance(value, dict):
        value = ", ".join(f"{name}={part}" for name, part in value.items()) or None
    elif isinstance(value, list):
        value = ", ".join(map(str, value)) or None
    return "default" if value is None else str(value)


def _clip(text: str) -> str:
    left_out = len(text) - MAX_MESSAGE_CHARS
    return text if left_out <= 0 else f"{text[:-left_out]}… ({left_out} characters more)"
