"""The report of a run: one self-contained HTML file made from the run's files."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from functools import partial
from itertools import chain
from pathlib import Path

from baselines.common.credit_file import CREDIT_FILE, read_credit
from baselines.common.files import COMMAND_FILE, write_text
from baselines.common.metrics import MetricRow
from baselines.pages.page import clip, render, setting_text
from baselines.pages.svg import Plot, short
from baselines.report.credit_map import credit_map
from baselines.report.curves import added_points, held_out_points
from baselines.report.figures import plots
from baselines.report.held_out import comparisons, read_if_present, read_run
from baselines.report.narrative import answers, credit_sentence, remarks
from baselines.report.run_audit import PRACTICALLY_SHARED, run_audit
from baselines.report.wording import names_of, p_words, percent_with_interval, points

MAX_MESSAGE_CHARS = 6000
"""Longest message on the page, which keeps a few examples far below a megabyte."""
PAGE = "report.html"
"""File name, in the folder of a run."""
TEMPLATE = Path(__file__).parent / "report.html.jinja"
SECTIONS: Mapping[str, tuple[str, ...]] = {
    "Held-out accuracy": ("accuracy", "adds"),
    "Credit": ("credit", "share", "distribution", "effects", "slope", "variance", "ratings"),
    "Learning of each role": ("roles", "completions"),
    "Cost": ("tokens", "time"),
}
"""Figures of each section, in order; those that were not drawn are omitted."""


def write_report(run_dir: Path) -> Path:
    """Write the report.html of a run.

    Args:
        run_dir: Holds config.json, and those of metrics.jsonl, evaluations.jsonl, summary.json,
            examples.json, credit.json and command.txt that the run has written; it may still be
            going.

    Returns:
        Path of the page, which loads no resources. The same files give the same bytes.

    Raises:
        FileNotFoundError: If there is no config.json.
        ValueError: If a file is damaged.
    """
    run = read_run(run_dir)
    record = read_credit(run_dir / CREDIT_FILE)
    agents = audited_agents(run.rows)
    audits = run_audit(run.rows, agents)
    removed = run.removals
    drawn = plots(
        run.rows,
        held_out=held_out_points(run),
        adds=added_points(run),
        agents=agents,
        roles=_named_in(run.rows, r"update/(.+)/loss"),
        record=record,
        without_agent=(
            f"without {names_of(removed[0])}" if len(removed) == 1 else "with an agent removed"
        ),
    )
    page = render(
        TEMPLATE,
        config=run.config,
        run=run,
        steps_of_after=run.after.step if run.after else run.steps_done,
        answers=answers(run, audits),
        remarks=remarks(run),
        comparisons=comparisons(run),
        audits=audits,
        readings={name: credit_sentence(name, audit) for name, audit in audits.items()},
        practically_shared=PRACTICALLY_SHARED,
        sections=_sections(drawn),
        credit_map=credit_map(record),
        examples=read_if_present(run_dir / "examples.json", []),
        settings={name: setting_text(value) for name, value in run.config.items()},
        command=_command(run_dir / COMMAND_FILE),
        clip=partial(clip, max_chars=MAX_MESSAGE_CHARS),
        short=short,
        percent=percent_with_interval,
        points=points,
        p_words=p_words,
    )
    path = run_dir / PAGE
    write_text(path, page)
    return path


def audited_agents(rows: Sequence[MetricRow]) -> list[str]:
    """Return the agents that got credit, in turn order."""
    return _named_in(rows, r"credit/(.+)/mean")


def _command(path: Path) -> str | None:
    """Return the command line that reproduces the run, as training wrote it."""
    return path.read_text(encoding="utf-8").strip() if path.is_file() else None


def _sections(drawn: Mapping[str, Plot]) -> dict[str, list[Plot]]:
    return {
        title: [drawn[name] for name in names if name in drawn] for title, names in SECTIONS.items()
    }


def _named_in(rows: Sequence[MetricRow], pattern: str) -> list[str]:
    """Return the matches of a pattern in the names of the metrics, in order."""
    names = dict.fromkeys(chain.from_iterable(rows))  # once each, however many the steps
    found = (re.fullmatch(pattern, name) for name in names)
    return list(dict.fromkeys(match[1] for match in found if match))
