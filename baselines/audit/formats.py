"""The dumps that trainers write: how each is recognised, read as rows, and what it lacks.

Versions whose code was read: TRL 1.16.0, verl 0.9.1, verifiers 0.1.9 to 0.4.0.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from baselines.audit.files import Explode, Row, exploded

GROUP_NAMES = (
    *("group_id", "group", "uid", "task_id", "example_id", "problem_id", "question_id"),
    *("prompt_id", "task", "prompt", "question", "problem", "input"),
)
STEP_NAMES = ("step", "global_step", "global_steps", "training_step", "iteration")
AGENT_NAMES = ("agent", "role", "agent_id", "agent_name", "agent_role")
REWARD_NAMES = ("reward", "rewards", "team_reward", "score", "return")
ADVANTAGE_NAMES = ("advantage", "advantages", "adv")
REMOVED_NAMES = ("removed_reward", "removed_rewards", "reward_without", "counterfactual_reward")
TOKEN_NAMES = ("num_tokens", "tokens", "completion_tokens", "completion_length")
"""Names under which a column is searched for, in this order, in a file of no known format."""

_VERL_HAS_NO_ADVANTAGE = (
    "verl's rollout_data_dir has scores and no advantages; log them with "
    "baselines.integrations.advantage_log, or set +ccpo_advantage_log=FILE in the team's plugin"
)
VERL_KEY = re.compile(r"_\d+_\d+$")
"""What verl's trainer appends to the uid of a prompt: the session and the output."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Format:
    """A kind of dump.

    Args:
        name: Short name, as in the JSON.
        title: What it is, in words.
        needs: Columns by which it is recognised.
        group: Columns of which the first that exists names the task or group; a step column is
            always a part of a group as well.
        reward: Columns of which the first that exists is the reward; none: every numeric column
            that has no other meaning, summed, as TRL does with its reward functions.
        lacks: What the dump lacks, in one sentence; empty: nothing that the audit needs.
        no_advantage: Why there are no advantages in it, and what to do.
        explode: Turns an object of the file into rows; None: it is a row.
    """

    name: str
    title: str
    needs: frozenset[str]
    group: tuple[str, ...] = GROUP_NAMES
    reward: tuple[str, ...] = REWARD_NAMES
    lacks: str = ""
    no_advantage: str = ""
    explode: Explode | None = None


def format_of(rows: Sequence[Row]) -> Format:
    """Return the format of a file from its first rows: the first of FORMATS that fits."""
    names = {name for row in rows for name in row}
    return next(each for each in FORMATS if each.needs <= names)


def flat_rows(rows: Sequence[Row], kind: Format, path: Path) -> list[Row]:
    """Return the first objects of a file as rows of the audit."""
    if kind.explode is None:
        return list(rows)
    flat: list[Row] = []
    for number, row in enumerate(rows, start=1):
        try:
            flat += exploded(kind.explode, row, number, path)
        except ValueError:
            if not flat:
                raise
            break  # the line is named when the file is read
    return flat


def explode_rollouts(group: Row) -> Iterator[Row]:
    """Yield the messages of a group in rollouts.jsonl of one of our runs."""
    without = list(_replayed(group))
    for g, reward in enumerate(group["rewards"]):
        removed = {
            agents: rewards if rollout is None else rewards[g]
            for agents, rollout, rewards in without
            if rollout is None or g in rewards
        }
        for t, turn in enumerate(group["turns"]):
            agent, _, number = turn.partition("#")
            yield {
                "step": group["step"],
                "task_id": group["task_id"],
                "rollout": g,
                "agent": agent,
                "turn": int(number or 1),
                "reward": reward,
                "advantage": group["advantage"][g][t],
                "shared_advantage": group["shared_advantage"][g][t],
                "removed_rewards": removed or None,
            }


def _replayed(group: Row) -> Iterator[tuple[str, int | None, Any]]:
    """Yield the removed agents, joined by "+", and the rewards without them.

    Those of the task as they are, with None; those of rollouts by the number of the rollout.
    """
    by_rollout: dict[str, dict[int, list[Any]]] = {}
    for agent, rewards in group.get("recounts", {}).items():
        by_rollout[agent] = {g: [reward] for g, reward in enumerate(rewards)}
    for replay in group.get("replays", []):
        name = "+".join(replay["without"])
        if not name:  # continuations of the whole team
            continue
        if replay["rollout"] is None:
            yield name, None, replay["rewards"]
        else:
            by_rollout.setdefault(name, {})[replay["rollout"]] = replay["rewards"]
    for name, rewards in by_rollout.items():
        yield name, 0, rewards


def explode_traces(episode: Row) -> Iterator[Row]:
    """Yield the traces of an episode in traces.jsonl of verifiers: one for each of its agents."""
    task = episode.get("task") or {}
    data = task.get("data") or {}
    own = next((data[k] for k in ("id", "idx", "name") if data.get(k) is not None), None)
    group = (episode.get("group") or {}).get("id") or task.get("key") or task.get("hash")
    work = (episode.get("run") or {}).get("work") or {}
    for trace in episode.get("traces") or []:
        rewards = [each for each in (trace.get("rewards") or {}).values() if each is not None]
        credit = [
            value
            for node in trace.get("nodes") or []
            for value in (node.get("advantages") or [])  # of each sampled token
        ]
        yield {
            "task": own if group is None else group,
            "step": work.get("step"),
            "agent": (trace.get("agent") or {}).get("name"),
            "reward": sum(each["score"] * each.get("weight", 1.0) for each in rewards)
            if rewards
            else None,
            "advantage": credit or None,
            "rollout": episode.get("id"),
            "num_tokens": len(credit) or None,
        }


def explode_keys(row: Row) -> Iterator[Row]:
    """Yield a row of verl's dump with the uid of its prompt, without session and output."""
    yield {**row, "uid": VERL_KEY.sub("", str(row["uid"]))}


FORMATS = (
    Format(
        name="ccpo rollouts",
        title="rollouts.jsonl of a run of this package",
        needs=frozenset({"step", "task_id", "turns", "rewards", "advantage"}),
        group=("task_id",),
        explode=explode_rollouts,
        lacks="it holds some groups of the steps that were recorded (--record-every), so a formula "
        "that whitens over a step is known by the recorded advantage of the shared reward only",
    ),
    Format(
        name="ccpo completions",
        title="completions.jsonl of a run of this package",
        needs=frozenset({"step", "task_id", "rollout", "agent", "credit", "advantage"}),
        group=("task_id",),
        lacks="it has no rewards of the team without an agent, and it holds the groups that were "
        "sampled (--completions-every); rollouts.jsonl has whole steps",
    ),
    Format(
        name="verifiers traces",
        title="traces.jsonl of verifiers",
        needs=frozenset({"traces", "task"}),
        group=("task",),
        explode=explode_traces,
        lacks="it has no rewards of the team without an agent",
        no_advantage="the traces hold no advantages, as those of an evaluation; verifiers leaves "
        "them to the trainer, which stores them in the nodes of its own traces",
    ),
    Format(
        name="verl log",
        title="log of advantages from verl",
        needs=frozenset({"uid", "role", "reward", "advantage"}),
        group=("uid",),
    ),
    Format(
        name="verl dump",
        title="rollout_data_dir of verl, with keys",
        needs=frozenset({"input", "output", "score", "step", "uid"}),
        group=("uid",),
        explode=explode_keys,
        lacks="it has no advantages, no roles and no numbers of tokens",
        no_advantage=_VERL_HAS_NO_ADVANTAGE,
    ),
    Format(
        name="verl dump",
        title="rollout_data_dir of verl",
        needs=frozenset({"input", "output", "score", "step"}),
        group=("input",),
        lacks="it has no advantages, no roles, no uid (equal prompts of a step are one group) and "
        "no numbers of tokens",
        no_advantage=_VERL_HAS_NO_ADVANTAGE,
    ),
    Format(
        name="verifiers results",
        title="results.jsonl of verifiers",
        needs=frozenset({"example_id", "completion", "reward"}),
        group=("example_id",),
        lacks="it has no advantages, no steps and no agents",
        no_advantage="results.jsonl of verifiers is an evaluation: it has rewards and no "
        "advantages; audit the dump of the trainer",
    ),
    Format(
        name="trl adapter",
        title="completions of TRL with the team of this package",
        needs=frozenset(
            {"step", "prompt", "completion", "agent", "num_tokens", "team_reward", "advantage"}
        ),
        group=("prompt",),
        reward=("team_reward",),
        lacks="it has no rewards without an agent; each file holds the last generation before it "
        "was logged",
    ),
    Format(
        name="trl",
        title="completions of TRL (log_completions=True)",
        needs=frozenset({"step", "prompt", "completion", "advantage"}),
        group=("prompt",),
        reward=(),
        lacks="it has no task ids (equal prompts of a step are one group), no weights of its "
        "reward functions (pass --reward-weights unless all are 1), no numbers of tokens and no "
        "rewards without an agent; each file holds the last generation before it was logged",
    ),
    Format(
        name="table",
        title="rows of rewards and advantages",
        needs=frozenset(),
        no_advantage="no column of advantages holds a value; name one with --advantage-column",
    ),
)
"""All formats; the first one that fits is used, and the last one fits every file."""
