"""Pilots of the rollouts that a run has recorded, with what was measured on them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

import numpy as np

from baselines.advise.measurable import MIN_TASKS
from baselines.advise.pilot import (
    Played,
    all_measured,
    make_runner,
    measured,
    wanted_removals,
)
from baselines.advise.settings import AdviseConfig
from baselines.common.files import CONFIG_FILE, as_written, expect_folder, read_object
from baselines.common.rollout_file import ROLLOUTS_FILE, RecordedGroup, read_rollouts
from baselines.common.types import FloatArray
from baselines.policies.base import Completion, Prompt, Sampling
from baselines.rollouts.costs import CostTracker
from baselines.rollouts.groups import Group
from baselines.rollouts.plan import removals_are_recounts, repeated_turn_names, turn_names
from baselines.rollouts.rollout import Replays, Rollout, RolloutRequest
from baselines.rollouts.runner import RolloutRunner
from baselines.rollouts.team_env import order_of_run
from ccpo_env import load_tasks
from ccpo_env.prompts import question_with_options
from ccpo_env.types import Task, Topology
from ccpo_env.voting import Ballot


@runtime_checkable
class Tokenizes(Protocol):
    """A policy that reads recorded texts as its completions."""

    def completions_of(
        self, prompts: Sequence[Prompt], texts: Sequence[str], *, sampling: Sampling
    ) -> list[Completion]:
        """Return given texts as completions of prompts."""
        ...


def settings_of_run(config: AdviseConfig) -> AdviseConfig:
    """Return the config, with the team and tasks of the run that it names, if any.

    Raises:
        FileNotFoundError: If there is no folder --from.
        ValueError: If --from has no recorded rollouts or is given with --policy, or a setting does
            not fit the team.
    """
    if config.from_ is not None:
        if config.policy is not None:
            raise ValueError(
                f"--policy must be left out with --from, whose newest checkpoint is read, got "
                f"{config.policy}; pass one of the two"
            )
        expect_folder(config.from_)
    run = config.from_ or Path(config.policy or "tiny")
    path = run / CONFIG_FILE
    saved: Mapping[str, Any] = read_object(path) if path.is_file() else {}
    if "topology" not in saved:  # the folder of a model has a config.json of its own
        saved = {}
    if config.from_ is not None and not (saved and (run / ROLLOUTS_FILE).is_file()):
        raise ValueError(
            f"--from must be the folder of a run with {ROLLOUTS_FILE}, got {run}; leave it out to "
            f"play new rollouts, or train with --record-every 1"
        )
    known = {name: saved[name] for name in ("weights", "lora_rank", "max_tokens") if name in saved}
    if config.from_ is not None:
        known |= {"temperature": saved["temperature"], "group_size": saved["group_size"]}
    return replace(
        config.of_run(saved),
        **known,
        policy=str(config.from_ or config.policy or "tiny"),
        tasks=config.tasks or saved.get("tasks", "arithmetic"),
        shuffle_choices=order_of_run(config, saved),
    )


def recorded_pilot(config: AdviseConfig, on_progress: Callable[[str], None]) -> Played:
    """Return the pilot of the newest recorded groups; gradients are those of the policy now.

    Raises:
        ValueError: If too few groups can be used, or the policy cannot read texts.
    """
    assert config.from_ is not None
    rows = read_rollouts(config.from_ / ROLLOUTS_FILE)
    loaded = load_tasks(
        config.tasks or "arithmetic", split="train", shuffle_choices=config.shuffle_choices
    )
    tasks = {task.id: task for task in loaded}
    runner = make_runner(config, tasks.values())
    with as_written(config.from_):
        newest = [row for row in reversed(rows) if _is_usable(row, tasks, config.group_size)]
    if len(newest) < MIN_TASKS:
        raise ValueError(
            f"--from must be a run with >= {MIN_TASKS} recorded groups that can be read, got "
            f"{len(newest)} of {len(rows)}; record more with --record-every 1, or leave it out to "
            f"play new rollouts"
        )
    chosen = newest[: config.groups]
    on_progress(f"reading {len(chosen)} recorded groups")
    with as_written(config.from_):
        for row in chosen:
            expect_form(row, runner.topology)
        groups = [_group(row, tasks[row["task_id"]], runner, config) for row in chosen]
    rng, costs = np.random.default_rng(config.seed), CostTracker()
    groups = all_measured(replace(config, ratings=False), groups, runner, rng=rng, costs=costs)
    steps = [row["step"] for row in chosen] or [0]
    return measured(
        config,
        _with_common_measurements(groups),
        runner,
        rating_tokens=np.zeros(len(groups)),
        play_s=0.0,
        tokens=sum(one.num_tokens for group in groups for one in group.rollouts),
        source=f"recorded in steps {min(steps)} to {max(steps)}, texts tokenized anew",
        num_left_out=len(rows) - len(newest),
        num_policies=len(set(steps)),
        on_progress=on_progress,
    )


def expect_form(row: RecordedGroup, topology: Topology) -> None:
    """Check the texts, agents and rewards of a recorded group.

    Raises:
        ValueError: If they are not those of a group of this team; the message names it.
    """
    agents = {turn.speaker for turn in topology.turns}
    num_turns, num_rollouts = len(topology.turns), len(row["rewards"])
    places = (None, *range(num_rollouts))
    is_whole = len(row["messages"]) == num_rollouts and all(
        len(texts) == num_turns and all(isinstance(text, str) for text in texts)
        for texts in row["messages"]
    )
    is_replayed = all(
        {*own["without"], *own["speakers"]} <= agents
        and own["rollout"] in places
        and all(reward in (None, -1, 1) for reward in own["rewards"])
        and all(isinstance(text, str) for texts in own["messages"] for text in texts)
        for own in row["replays"]
    )
    if not (is_whole and is_replayed and isinstance(row["step"], int)):
        raise ValueError(
            f"{ROLLOUTS_FILE} must hold groups of this team as training wrote them, got another "
            f"one, of task {row['task_id']!r} in step {row['step']!r}; restore the file from a "
            f"copy, or leave --from out to play new rollouts"
        )


def _is_usable(row: RecordedGroup, tasks: Mapping[str, Task], group_size: int) -> bool:
    """Return whether a group is complete: its task is known, and no text was shortened."""
    task = tasks.get(row["task_id"])
    is_measured = all(reward is not None for own in row["replays"] for reward in own["rewards"])
    is_whole = task is not None and question_with_options(task) == row["question"]
    return is_whole and is_measured and len(row["rewards"]) == group_size


def _group(row: RecordedGroup, task: Task, runner: RolloutRunner, config: AdviseConfig) -> Group:
    """Return a recorded group as if it had just been played."""
    sampling = Sampling(temperature=config.temperature, max_tokens=config.max_tokens)
    sampled = [
        _completions(runner, role, task, turn, row["messages"], sampling)
        for turn, role in enumerate(runner.role_of.values())
    ]
    rollouts = []
    for place, texts in enumerate(row["messages"]):
        last = runner.conversation(task, texts[:-1]).add_message(texts[-1])
        assert last.verdict is not None
        completions = tuple(own[place] for own in sampled)
        rollouts.append(
            Rollout(RolloutRequest(task), last.messages, completions, last.verdict, last.ballot)
        )
    removed, branches, replays = _replayed(row, runner)
    if removals_are_recounts(runner.topology):
        removed = _recounts([own.ballot for own in rollouts if own.ballot], runner, config)
    return Group(
        task=task,
        rollouts=tuple(rollouts),
        removed=removed,
        branches=branches,
        turns=repeated_turn_names(runner.topology),
        replays=replays,
    )


def _completions(
    runner: RolloutRunner,
    role: str,
    task: Task,
    turn: int,
    messages: Sequence[Sequence[str]],
    sampling: Sampling,
) -> list[Completion]:
    """Return the completions of a turn in all rollouts of a group."""
    policy = runner.policies[role]
    if not isinstance(policy, Tokenizes):
        raise ValueError(
            f"policy must be a model in this process to read recorded rollouts, got "
            f"{type(policy).__name__}; leave --from out"
        )
    prompts = [runner.prompt(task, own[:turn]) for own in messages]
    return policy.completions_of(prompts, [own[turn] for own in messages], sampling=sampling)


def _replayed(
    row: RecordedGroup, runner: RolloutRunner
) -> tuple[dict[frozenset[str], FloatArray], dict[str, FloatArray], tuple[Replays, ...]]:
    """Return the rewards of removals and continuations, and their replays with tokens."""
    names = turn_names(runner.topology)
    once: dict[frozenset[str], FloatArray] = {}
    rows: dict[frozenset[str] | str, list[list[float]]] = {}
    replays = []
    for own in row["replays"]:
        without, rewards = frozenset(own["without"]), [float(r or 0.0) for r in own["rewards"]]
        if own["rollout"] is None:
            once[without] = np.array(rewards)
        else:
            rows.setdefault(without or names[own["kept"][-1]], []).append(rewards)
        counts = tuple(_count(runner, own["speakers"], texts) for texts in own["messages"])
        replays.append(Replays(without, own["rollout"], tuple(own["kept"]), (), (), (), counts))
    removed = once | {key: np.array(v) for key, v in rows.items() if isinstance(key, frozenset)}
    branches = {key: np.array(values) for key, values in rows.items() if isinstance(key, str)}
    return removed, branches, tuple(replays)


def _count(runner: RolloutRunner, speakers: Sequence[str], texts: Sequence[str]) -> int:
    """Return the tokens of the messages of one replay."""
    total = 0
    for speaker, text in zip(speakers, texts, strict=False):
        policy = runner.policy_of(speaker)
        assert isinstance(policy, Tokenizes)
        (own,) = policy.completions_of([Prompt("-")], [text], sampling=Sampling())
        total += len(own.token_ids)
    return total


def _recounts(
    ballots: Sequence[Ballot], runner: RolloutRunner, config: AdviseConfig
) -> dict[frozenset[str], FloatArray]:
    """Return the rewards of each rollout's vote without each set of voters, (G, 1) per set."""
    removals, _ = wanted_removals(config, runner, np.random.default_rng(0))
    speakers = [turn.speaker for turn in runner.topology.turns]
    counted = np.array([[one not in removed for one in speakers] for removed in removals])
    rewards = np.stack([ballot.rewards(counted) for ballot in ballots], axis=-1)  # (S, G)
    return dict(zip(removals, rewards[..., None], strict=True))


def _with_common_measurements(groups: Sequence[Group]) -> list[Group]:
    """Return the groups with only what was measured on all of them."""
    if not groups:
        return []
    removed = set.intersection(*(set(own.removed) for own in groups))
    branches = set.intersection(*(set(own.branches) for own in groups))
    return [
        replace(
            own,
            removed={key: own.removed[key] for key in own.removed if key in removed},
            branches={turn: own.branches[turn] for turn in own.branches if turn in branches},
        )
        for own in groups
    ]
