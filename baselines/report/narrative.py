"""What a run shows, in plain words that claim no more than its intervals do."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from baselines.common.stats import Proportion
from baselines.report.held_out import (
    AuditJson,
    Measurement,
    Summary,
    measurement,
    names_of,
    removals,
)

MAX_COMPARED = 3
"""Removals that the summary compares one by one; the table has all of them."""
MAX_NAMED = 5
"""Agents that a sentence lists by name."""
NEARLY_SHARED = 0.999
"""Correlation with the shared advantage from which 0.2 % of the variance is an agent's own."""


def sentences(config: Mapping[str, object], summary: Summary) -> list[str]:
    """Say in plain words what the run shows, and call no difference one that is not shown.

    Two rates differ if their intervals do not touch. That asks for more than a test of the
    difference would, all the more as both rates are of the same tasks.
    """
    steps = _plural(summary["steps_done"], "step")
    team = measurement(summary, "joint")
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
    if entry["correlation"] is not None and entry["correlation"] > NEARLY_SHARED:
        return "It ranks the rollouts of a task nearly as the shared reward does."
    return "It ranks the rollouts of a task in its own way."


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
        without = measurement(summary, "without", removed)
        ends = ((team.final, without.final), (team.initial, without.initial))
        both = next(((a, b) for a, b in ends if a is not None and b is not None), None)
        if both is not None:
            name, effect = names_of(removed), _effect(*both)
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


def _listed(names: Sequence[str], word: str = "and") -> str:
    if len(names) > MAX_NAMED:
        return f"{'any of ' if word == 'or' else ''}{len(names)} agents"
    return f" {word} ".join(filter(None, (", ".join(names[:-1]), names[-1])))


def _plural(number: int, thing: str) -> str:
    return f"{number} {thing}" if number == 1 else f"{number} {thing}s"
