"""The report of a run: one page that says what was learned, and how sure that is."""

from __future__ import annotations

import json
import re
import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, TypedDict, TypeVar

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from baselines.files import write_text
from baselines.metrics import METRICS_FILE, MetricRow, read_rows
from baselines.report_figures import Point, plots
from baselines.stats import Proportion, proportion

T = TypeVar("T")
Kind = Literal["joint", "without", "help", "hurt"]

MAX_MESSAGE_CHARS = 6000
"""Of a message on the page, so that a few examples stay far below a megabyte."""
MAX_COMPARED = 3
"""Removals that the summary compares one by one; the table has all of them."""
MAX_NAMED = 5
"""Agents that a sentence lists by name."""
HELD_OUT: Mapping[Kind, tuple[str, str]] = {
    "joint": ("whole team", "eval/accuracy/joint"),
    "without": ("without {}", "eval/accuracy/solo"),
    "help": ("right only with {}", "eval/help_rate"),
    "hurt": ("right only without {}", "eval/hurt_rate"),
}
"""What the page calls a rate on held-out tasks, and its metric between the ends of a run."""


class Count(TypedDict):
    """A count of held-out tasks; 0 of 0 was not measured."""

    successes: int
    total: int


class EvaluationJson(TypedDict):
    """An evaluation, as `Evaluation.to_json` writes it; the names are of removed agents."""

    num_tasks: int
    joint: Count
    without: dict[str, Count]
    help: dict[str, Count]
    hurt: dict[str, Count]
    unmeasured: int


class AuditJson(TypedDict):
    """A CreditAudit; None where there was no signal."""

    slope: float | None
    correlation: float | None
    degenerate: bool
    signal_rate: float


class Summary(TypedDict):
    """The contents of summary.json."""

    status: str
    steps_done: int
    initial: EvaluationJson | None
    final: EvaluationJson | None
    audit: dict[str, AuditJson]
    warnings: list[str]
    versions: dict[str, str]


@dataclass(frozen=True, slots=True)
class Measurement:
    """A rate on held-out tasks before and after training; None where it was not measured."""

    label: str
    initial: Proportion | None
    final: Proportion | None

    @property
    def verdict(self) -> str:
        """What the two intervals show."""
        if self.initial is None or self.final is None:
            return "not measured"
        if self.final.is_above(self.initial):
            return "higher"
        return "lower" if self.initial.is_above(self.final) else "not shown"


def write_report(run_dir: Path) -> Path:
    """Write report.html from the files of a run.

    Args:
        run_dir: Holds config.json, and metrics.jsonl, summary.json and examples.json as far as
            the run came.

    Returns:
        The page. It loads nothing, and the same files give the same bytes.

    Raises:
        FileNotFoundError: If there is no config.json.
    """
    if not (run_dir / "config.json").is_file():
        raise FileNotFoundError(
            f"run_dir must hold config.json, got none in {run_dir}; pass the folder of a run"
        )
    config: dict[str, object] = _read(run_dir / "config.json", {})
    rows = read_rows(run_dir / METRICS_FILE)
    summary = read_summary(run_dir / "summary.json", rows)
    removed = removals(summary)
    solo = f"without {_names(removed[0])}" if len(removed) == 1 else "with an agent removed"
    environment = Environment(
        loader=FileSystemLoader(Path(__file__).parent),
        autoescape=True,  # what a model wrote is data, never markup
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    page = environment.get_template("report.html.jinja").render(
        config=config,
        summary=summary,
        sentences=sentences(config, summary),
        measurements=measurements(summary),
        readings={name: reading(entry) for name, entry in summary["audit"].items()},
        plots=plots(rows, held_out=held_out(rows, summary), agents=_agents(rows), solo=solo),
        examples=_read(run_dir / "examples.json", []),
        settings={name: _text(value) for name, value in config.items()},
        command=command(config),
        clip=_clip,
    )
    path = run_dir / "report.html"
    write_text(path, page)
    return path


def read_summary(path: Path, rows: Sequence[MetricRow]) -> Summary:
    """Return summary.json; without one, what the metrics say about a run that was cut off."""
    cut_off: Summary = {
        "status": "interrupted",
        "steps_done": int(rows[-1]["step"] or 0) if rows else 0,
        "initial": None,
        "final": None,
        "audit": {},
        "warnings": [],
        "versions": {},
    }
    return {**cut_off, **_read(path, cut_off)}


def measurements(summary: Summary) -> list[Measurement]:
    """Return every rate that was measured before or after training."""
    names = removals(summary)
    rates = [
        _measurement(summary, kind, name)
        for kind in HELD_OUT
        for name in ([""] if kind == "joint" else names)
    ]
    return [rate for rate in rates if rate.initial or rate.final]


def removals(summary: Summary) -> list[str]:
    """Return what was removed in the evaluations: an agent, or several joined by a plus."""
    ends = (summary["initial"], summary["final"])
    return list(dict.fromkeys(name for end in ends if end for name in end["without"]))


def sentences(config: Mapping[str, object], summary: Summary) -> list[str]:
    """Say in plain words what the run shows, and call no difference one that is not shown.

    Two rates differ if their intervals do not touch. That asks for more than a test of the
    difference would, all the more as both rates are of the same tasks.
    """
    steps = _plural(summary["steps_done"], "step")
    team = _measurement(summary, "joint")
    said = [_change(team, steps), *_effects(team, summary)]
    last = summary["final"] or summary["initial"]
    if last and last["unmeasured"]:
        answers = _plural(last["unmeasured"], "held-out answer")
        said.append(f"{answers} could not be verified and count nowhere.")
    same = [name for name, entry in summary["audit"].items() if _teaches_nothing_new(entry)]
    if same and config.get("allocator") != "shared":
        said.append(
            f"Within a task, the credit of {_listed(same)} ranks the rollouts just as the shared "
            f"reward does."
        )
    if summary["status"] != "finished":
        said.append(f"The run was interrupted after {steps}.")
    return said


def reading(entry: AuditJson) -> str:
    """Say in plain words what the audit of an agent's credit means."""
    if not entry["signal_rate"]:
        return "No signal: its advantage was zero in every group."
    if _teaches_nothing_new(entry):
        return "In every group its advantage is the shared one times a factor."
    return "It ranks the rollouts of a task in its own way."


def held_out(rows: Sequence[MetricRow], summary: Summary) -> dict[str, list[Point]]:
    """Return each rate on held-out tasks in the order of the updates made before.

    Args:
        rows: The metrics; a row was measured before the update of its step.
        summary: The evaluations before and after training; they also tell how many tasks the
            rates between them are of.

    Returns:
        Points by kind. Rates that average several removals have no interval.
    """
    ends = ((0, summary["initial"]), (summary["steps_done"], summary["final"]))
    curves: dict[str, list[Point]] = {}
    for kind, (_, metric) in HELD_OUT.items():
        shares = {updates: _shares(end, kind) for updates, end in ends if end}
        rates = {int(row["step"] or 0) - 1: row.get(metric) for row in rows}
        rates |= {
            at: sum(s.rate for s in found) / len(found) for at, found in shares.items() if found
        }
        totals = {at: found[0].total for at, found in shares.items() if len(found) == 1}
        usual = next(iter(totals.values()), None)
        curves[kind] = [
            _point(updates, rate, totals.get(updates, usual))
            for updates, rate in sorted(rates.items())
            if rate is not None
        ]
    return curves


def command(config: Mapping[str, object]) -> str:
    """Return the command line that makes the same run again."""
    words = ["python", "-m", "baselines.train"]
    for name, value in config.items():
        flag = name.replace("_", "-")
        if isinstance(value, bool):
            words.append(f"--{flag}" if value else f"--no-{flag}")
        elif isinstance(value, dict):
            pairs = [str(part) for pair in value.items() for part in pair]
            words += [f"--{flag}", *pairs] if pairs else []
        elif value is not None:
            words += [f"--{flag}", str(value)]
    return shlex.join(words)


def _change(team: Measurement, steps: str) -> str:
    before, after = team.initial, team.final
    if before is None and after is None:
        return "Nothing was measured on held-out tasks."
    if before is None or after is None:
        when = f"after {steps}" if before is None else "before training"
        return f"Held-out accuracy {when} is {after or before}."
    if team.verdict == "not shown":
        return (
            f"Held-out accuracy went from {before} to {after} in {steps}; the intervals overlap, "
            f"so this run does not settle whether it changed."
        )
    verb = "rose" if team.verdict == "higher" else "fell"
    return f"Held-out accuracy {verb} from {before} to {after} in {steps}."


def _effects(team: Measurement, summary: Summary) -> list[str]:
    """Compare the whole team with the team without an agent, in the newest evaluation."""
    said: list[str] = []
    found: dict[str, list[str]] = {"helps": [], "hurts": [], "": []}
    for removed in removals(summary):
        without = _measurement(summary, "without", removed)
        ends = ((team.final, without.final), (team.initial, without.initial))
        both = next(((a, b) for a, b in ends if a is not None and b is not None), None)
        if both is not None:
            name, effect = _names(removed), _effect(*both)
            found[effect].append(name)
            said.append(_effect_sentence(name, effect, both[1], without))
    if len(said) <= MAX_COMPARED:
        return said
    words = {"helps": "lowers it", "hurts": "raises it", "": "shows no effect"}
    return [
        f"Removing {_listed(names, 'or')} {words[effect]}."
        for effect, names in found.items()
        if names
    ]


def _effect(team: Proportion, without: Proportion) -> str:
    if team.is_above(without):
        return "helps"
    return "hurts" if without.is_above(team) else ""


def _effect_sentence(name: str, effect: str, rate: Proportion, without: Measurement) -> str:
    said = f"Without {name} it is {rate}"
    if not effect:
        return f"{said}; the intervals overlap, so this run does not settle its effect."
    said += f": what {name} says {effect}."
    if effect == "helps" and without.verdict == "lower":
        said += (
            f" Without {name} it was {without.initial} before training, so part of this gap is a "
            f"skill that was lost."
        )
    return said


def _teaches_nothing_new(entry: AuditJson) -> bool:
    return entry["degenerate"] and entry["signal_rate"] > 0


def _measurement(summary: Summary, kind: Kind, name: str = "") -> Measurement:
    label = HELD_OUT[kind][0].format(_names(name))
    initial, final = (_share(summary[end], kind, name) for end in ("initial", "final"))
    return Measurement(label, initial, final)


def _shares(evaluation: EvaluationJson, kind: Kind) -> list[Proportion]:
    names = [""] if kind == "joint" else list(evaluation["without"])
    found = (_share(evaluation, kind, name) for name in names)
    return [share for share in found if share is not None]


def _share(evaluation: EvaluationJson | None, kind: Kind, name: str) -> Proportion | None:
    if evaluation is None:
        return None
    count = evaluation["joint"] if kind == "joint" else evaluation[kind].get(name)
    return proportion(count["successes"], count["total"]) if count and count["total"] else None


def _point(updates: int, rate: float, total: int | None) -> Point:
    if total is None:
        return Point(updates, rate)
    share = proportion(round(rate * total), total)
    return Point(updates, rate, share.low, share.high)


def _agents(rows: Sequence[MetricRow]) -> list[str]:
    """Return the agents that got credit, in the order of the metrics."""
    found = (re.fullmatch(r"credit/(.+)/mean", key) for row in rows for key in row)
    return list(dict.fromkeys(match[1] for match in found if match))


def _names(removed: str) -> str:
    return removed.replace("+", " and ")


def _listed(names: Sequence[str], word: str = "and") -> str:
    if len(names) > MAX_NAMED:
        return f"{'any of ' if word == 'or' else ''}{len(names)} agents"
    return f" {word} ".join(filter(None, (", ".join(names[:-1]), names[-1])))


def _plural(number: int, thing: str) -> str:
    return f"{number} {thing}" if number == 1 else f"{number} {thing}s"


def _text(value: object) -> str:
    if isinstance(value, dict):
        value = ", ".join(f"{name}={part}" for name, part in value.items()) or None
    return "default" if value is None else str(value)


def _clip(text: str) -> str:
    left_out = len(text) - MAX_MESSAGE_CHARS
    return text if left_out <= 0 else f"{text[:-left_out]}… ({left_out} characters more)"


def _read(path: Path, default: T) -> T:
    if not path.exists():
        return default
    value: T = json.loads(path.read_text(encoding="utf-8"))
    return value
