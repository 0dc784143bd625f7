"""The conclusions of a run in sentences, as far as the confidence intervals support them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from baselines.common.stats import Proportion
from baselines.report.held_out import (
    AuditJson,
    Measurement,
    RunSummary,
    measurement,
    names_of,
    removals,
)

MAX_COMPARED = 3
"""Maximum number of removals with one sentence each; the table lists all of them."""
MAX_NAMED = 5
"""Maximum number of agents that a sentence lists by name."""
NEARLY_SHARED = 0.999
"""Correlation with the shared advantage above which less than 0.2 % of the variance differs."""


def sentences(config: Mapping[str, object], summary: RunSummary) -> list[str]:
    """Return the conclusions of a run; overlapping intervals are inconclusive.

    Two rates differ if their intervals are disjoint. This is more conservative than a test of the
    difference, and more so as both rates are measured on the same tasks.
    """
    steps = _plural(summary["steps_done"], "step")
    team = measurement(summary, "joint")
    conclusions = [_change(team, steps), *_effects(team, summary)]
    last = summary["final"] or summary["initial"]
    if last and last["unmeasured"]:
        answers = _plural(last["unmeasured"], "held-out answer")
        conclusions.append(f"{answers} could not be verified and are excluded.")
    same = [name for name, entry in summary["audit"].items() if _is_degenerate(entry)]
    if same and config.get("allocator") != "shared":
        conclusions.append(
            f"Degenerate credit: within a task, the advantage of {_listed(same)} is a multiple of "
            f"the shared one."
        )
    if summary["status"] != "finished":
        conclusions.append(f"The run was interrupted after {steps}.")
    return conclusions


def reading(entry: AuditJson) -> str:
    """Return the interpretation of an agent's credit audit, in one sentence."""
    if not entry["signal_rate"]:
        return "No signal: its advantage was zero in every group."
    if _is_degenerate(entry):
        return "Degenerate: in every group its advantage is a multiple of the shared one."
    if entry["correlation"] is None:
        return "Not degenerate: it does not always rank rollouts as the team reward does."
    if entry["correlation"] > NEARLY_SHARED:
        return (
            f"Nearly degenerate: correlation {entry['correlation']:.5f} with the shared advantage."
        )
    return f"Not degenerate: correlation {entry['correlation']:.2f} with the shared advantage."


def _change(team: Measurement, steps: str) -> str:
    before, after = team.initial, team.final
    if before is None and after is None:
        return "There was no evaluation on held-out tasks."
    if before is None or after is None:
        when = f"after {steps}" if before is None else "before training"
        return f"Held-out accuracy {when} is {after or before}."
    if team.verdict == "inconclusive":
        return (
            f"Held-out accuracy went from {before} to {after} in {steps}; the intervals overlap, "
            f"so the change is inconclusive."
        )
    verb = "rose" if team.verdict == "higher" else "fell"
    return f"Held-out accuracy {verb} from {before} to {after} in {steps}."


def _effects(team: Measurement, summary: RunSummary) -> list[str]:
    """Compare the whole team with the team without an agent, in the latest evaluation."""
    texts: list[str] = []
    found: dict[str, list[str]] = {"help": [], "hurt": [], "": []}
    for removed in removals(summary):
        without = measurement(summary, "without", removed)
        ends = ((team.final, without.final), (team.initial, without.initial))
        both = next(((a, b) for a, b in ends if a is not None and b is not None), None)
        if both is not None:
            name, effect = names_of(removed), _effect(*both)
            found[effect].append(name)
            texts.append(_effect_sentence(name, effect, both[1], without))
    if len(texts) <= MAX_COMPARED:
        return texts
    words = {"help": "lowers it", "hurt": "raises it", "": "has an inconclusive effect"}
    return [
        f"Removing {_listed(names, 'or')} {words[effect]}."
        for effect, names in found.items()
        if names
    ]


def _effect(team: Proportion, without: Proportion) -> str:
    if team.is_above(without):
        return "help"
    return "hurt" if team.is_below(without) else ""


def _effect_sentence(name: str, effect: str, rate: Proportion, without: Measurement) -> str:
    sentence = f"Without {name} it is {rate}"
    if not effect:
        return f"{sentence}; the intervals overlap, so its effect is inconclusive."
    sentence += f": the messages of {name} {effect}."
    if effect == "help" and without.verdict == "lower":
        sentence += (
            f" Without {name} it was {without.initial} before training, so part of this gap "
            f"is a loss of accuracy without {name}."
        )
    return sentence


def _is_degenerate(entry: AuditJson) -> bool:
    return entry["degenerate"] and entry["signal_rate"] > 0


def _listed(names: Sequence[str], word: str = "and") -> str:
    if len(names) > MAX_NAMED:
        return f"{'any of ' if word == 'or' else ''}{len(names)} agents"
    return f" {word} ".join(filter(None, (", ".join(names[:-1]), names[-1])))


def _plural(number: int, thing: str) -> str:
    return f"{number} {thing}" if number == 1 else f"{number} {thing}s"
