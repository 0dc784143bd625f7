"""The reporting checklist for papers on credit assignment, filled in from the files of a run."""

from __future__ import annotations

import textwrap
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, get_args

from baselines.common.files import expect_run
from baselines.common.metrics import METRICS_FILE, MetricRow
from baselines.common.wording import plural
from baselines.credit import ALLOCATORS
from baselines.optimizers import OPTIMIZERS
from baselines.report.held_out import RunRecord, read_run
from baselines.report.wording import percent_with_interval
from baselines.rollouts.costs import Purpose

SURVEY = "arXiv:2604.09459"
_REMOVAL = ("Monte Carlo, removal of an agent", "causal, of an agent's presence")
_COALITIONS = ("game-theoretic, over coalitions", "causal, of an agent's presence")
_CONTINUATION = ("Monte Carlo, continuations of a message", "causal, of a message")
METHODOLOGY: Mapping[str, tuple[str, str]] = {
    "shared": ("none: the outcome of the whole episode", "correlational: with all messages"),
    "counterfactual": _REMOVAL,
    "history": _REMOVAL,
    "leave_one_out": _REMOVAL,
    "shapley": _COALITIONS,
    "banzhaf": _COALITIONS,
    "branch": _CONTINUATION,
    "c3": _CONTINUATION,
    "hierarchical_grpo": _CONTINUATION,
    "self_evaluation": ("language model as a critic", "an opinion, not tested"),
    "regression": ("model-based, an additive model", "predictive, of a category of message"),
    "critic": ("temporal difference, a learned value", "predictive, of the messages so far"),
    "own_answer": ("none: a local reward", "causal for an own answer, not for the team's"),
    "influence": (
        "information-theoretic, the next speaker's probabilities",
        "causal, not of success",
    ),
}
"""Methodology in the survey's taxonomy, and whether the credit is causal, by allocator."""
UNKNOWN = "not recorded in this run"
WIDTH = 80


def checklist(run: Path) -> str:
    """Return a line per item of the checklist, answered from the files of a run.

    Args:
        run: Folder of a training run.

    Raises:
        FileNotFoundError: If it is not the folder of a run.
        ValueError: If it has no metrics.

    Note: The items are those that the survey's abstract and the selection guide of its companion
        repository name: granularity, methodology and baseline family; feedback, branching and
        extra calls; causality, decision boundary and compute-matched comparison; stability,
        reward hacking and entropy; besides seeds, and a task with known credit.

    Source: Zhang, "From Reasoning to Agentic: Credit Assignment in Reinforcement Learning for
        Large Language Models", arXiv:2604.09459.
    """
    expect_run(run)
    record = read_run(run)
    if not record.rows:
        raise ValueError(
            f"checklist must be the folder of a run with steps, got no {METRICS_FILE} in {run}; "
            f"train it first"
        )
    lines = [f"Reporting checklist after {SURVEY}: {run.name}", ""]
    lines += [_wrapped(f"- {item}: {answer}") for item, answer in _answers(record)]
    return "\n".join(lines)


def _wrapped(line: str) -> str:
    return textwrap.fill(
        line, WIDTH, subsequent_indent="  ", break_long_words=False, break_on_hyphens=False
    )


def _answers(run: RunRecord) -> list[tuple[str, str]]:
    config, rows = run.config, run.rows
    allocator = str(config["allocator"])
    methodology, causality = METHODOLOGY.get(allocator, (UNKNOWN, UNKNOWN))
    return [
        ("granularity", "one credit per message of an agent (multi-agent, turn)"),
        ("methodology", f"{allocator}: {methodology}"),
        ("baseline family", _baseline(config)),
        ("feedback", f"the outcome of an episode, checked by the verifier {config['verifier']}"),
        ("environment snapshots or branches", _needs(allocator)),
        ("extra rollouts or calls", _extra(config, rows)),
        ("causal, predictive or correlational", causality),
        ("granularity and decision boundary", "equal: an agent decides once per message"),
        ("comparison with the outcome reward at equal compute", "not in one run: ccpo experiment"),
        ("task success", _success(run)),
        ("stability", _stability(rows)),
        ("reward hacking", f"rollouts without an answer: {_last(rows, 'rollout/no_answer_rate')}"),
        ("entropy", _entropy(rows)),
        (
            "model, tasks, topology",
            ", ".join(f"{config[n]}" for n in ("policy", "tasks", "topology")),
        ),
        ("seeds", f"1 (seed {config['seed']}); an interval needs several: ccpo experiment"),
        ("controlled bifurcation task", "ccpo bench map: games in which all credit is known"),
    ]


def _baseline(config: Mapping[str, Any]) -> str:
    name = str(config["optimizer"])
    method = OPTIMIZERS.get(name)
    if method is None:
        return name
    parts = ["mean of the group" if method.centres_on_group else "no group baseline"]
    parts += ["whitened over the step"] if method.whitens else []
    return f"{name}: {', '.join(parts)}; groups of {config['group_size']}"


def _needs(allocator: str) -> str:
    needs = ALLOCATORS[allocator].needs if allocator in ALLOCATORS else frozenset()
    words = {
        "removed_rewards": "replays without an agent, from a prefix of messages",
        "branch_rewards": "continuations of a prefix of messages",
        "ratings": "one rating of each rollout by each agent",
    }
    return ", ".join(words[need] for need in sorted(needs) if need in words) or "none"


def _extra(config: Mapping[str, Any], rows: Sequence[MetricRow]) -> str:
    total = _sum(rows, "cost/tokens_generated")
    extra = sum(_sum(rows, f"cost/tokens_{kind}") for kind in get_args(Purpose) if kind != "joint")
    calls = _sum(rows, "cost/verifier_calls")
    share = f"{extra / total:.1%}".replace("%", " %") if total else UNKNOWN
    parts = [f"{share} of {total:,.0f} sampled tokens", f"{calls:,.0f} verified answers"]
    if read := _sum(rows, "cost/tokens_read_influence"):
        parts.append(f"{read:,.0f} tokens read again for influence")
    if config.get("train_on", "team") != "team":
        parts.append("messages of replays are training samples (--train-on all)")
    if number := config.get("retrospect", 0):
        parts.append(f"one more pass over the last batch, by a probe set (--retrospect {number})")
    return "; ".join(parts)


def _success(run: RunRecord) -> str:
    last = run.latest
    rate = None if last is None else last.estimate("joint")
    if last is None or rate is None:
        return f"rollouts of training answered correctly: {_last(run.rows, 'accuracy/joint')}"
    when = f"after {plural(last.step, 'step')}" if last.step else "before training only"
    tasks = plural(rate.num_units, "task")
    return f"held-out accuracy {when} {percent_with_interval(rate)}, {tasks}"


def _stability(rows: Sequence[MetricRow]) -> str:
    skipped = sum(
        value
        for row in rows
        for name, value in row.items()
        if name.endswith("/skipped_updates") and value is not None
    )
    steps, updates = plural(len(rows), "step"), plural(int(skipped), "update")
    rate = _last(rows, "rollout/unmeasured_rate")
    return f"{steps}, {updates} skipped; episodes that could not be verified: {rate}"


def _entropy(rows: Sequence[MetricRow]) -> str:
    names = [name for name in rows[0] if name.endswith("/neg_logprob")]
    parts = []
    for name in names:
        first, last = rows[0].get(name), rows[-1].get(name)
        if first is not None and last is not None:
            parts.append(f"{name.split('/')[1]} {first:.3f} to {last:.3f}")
    return "nats per token, " + ", ".join(parts) if parts else UNKNOWN


def _last(rows: Sequence[MetricRow], name: str) -> str:
    for row in reversed(rows):
        if (value := row.get(name)) is not None:
            return f"{100 * value:.1f} % in step {row.get('step') or 0:.0f}"
    return UNKNOWN


def _sum(rows: Sequence[MetricRow], name: str) -> float:
    return float(sum(value for row in rows if (value := row.get(name)) is not None))
