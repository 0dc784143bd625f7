"""Every allocator with every schedule, topology and kind of weights trains, or is refused."""

from __future__ import annotations

import math
import os
from itertools import product
from pathlib import Path
from typing import Any

import pytest
from allpairspy import AllPairs

from baselines.common.jsonl import read_rows
from baselines.credit import ALLOCATORS
from baselines.rollouts.team_env import TEAMS, MakeTeam
from baselines.train.config import TrainConfig
from baselines.train.run_files import RunFiles
from baselines.train.trainer import Trainer
from ccpo_env.env import TeamAnswerEnv
from ccpo_env.prompts import GIVE_ANSWER
from ccpo_env.topologies.vote import VOTE
from ccpo_env.types import PromptTemplate, Topology, Turn
from ccpo_env.wrapper import SnapshotWrapper
from tests.rl.teams import write_tasks
from tests.rl.test_trainer import run

pytestmark = pytest.mark.no_cover  # hundreds of steps, through what other files test

PROMPTS = PromptTemplate(
    roles={"planner": "Plan.", "worker": "Follow the plan.", "judge": "Judge the work."},
    hand_over="Write what helps.",
    give_answer=GIVE_ANSWER,
)
PLAN_WORK_JUDGE = Topology(
    "plan_work_judge",
    (
        Turn("planner_0", "planner", ()),
        Turn("worker_0", "worker", ("planner_0",)),
        Turn("planner_0", "judge", ("planner_0", "worker_0")),
    ),
    PROMPTS,
)
"""An agent speaks twice, in two roles."""

JURY = Topology(
    "jury",
    (
        Turn("voter_0", "voter", ()),
        Turn("voter_1", "voter", ("voter_0",)),
        Turn("voter_2", "voter", ()),
    ),
    VOTE,
    decision="majority",
)
"""A vote in which somebody reads another, so that removals are no recounts."""


def making(topology: Topology) -> MakeTeam:
    return lambda team, tasks: SnapshotWrapper(
        TeamAnswerEnv(topology, tasks=tasks, verifier=team.verifier)
    )


@pytest.fixture(autouse=True)
def more_topologies(monkeypatch: pytest.MonkeyPatch) -> None:
    for write in ("save", "keep_if_best"):  # see test_resume and test_checkpoint
        monkeypatch.setattr(RunFiles, write, lambda *_args, **_kwargs: None)
    for topology in (PLAN_WORK_JUDGE, JURY):
        monkeypatch.setitem(TEAMS, topology.name, making(topology))


TOPOLOGIES: dict[str, dict[str, Any]] = {
    "think_solve": {"topology": "think_solve"},
    "think_think_solve": {"topology": "think_solve", "num_thinkers": 2},
    "vote": {"topology": "vote"},
    "debate": {"topology": "debate"},
    "plan_work_judge": {"topology": "plan_work_judge"},
    "jury": {"topology": "jury"},
}
ROLES = {
    "think_solve": ("thinker", "solver"),
    "think_think_solve": ("thinker", "solver"),
    "vote": ("voter",),
    "debate": ("debater",),
    "plan_work_judge": ("planner", "worker", "judge"),
    "jury": ("voter",),
}
SCHEDULES = ("together", "turns", "random", "first_frozen", "last_frozen")
WEIGHTS = ("separate", "shared", "lora")
FACTORS = (list(ALLOCATORS), list(SCHEDULES), list(TOPOLOGIES), list(WEIGHTS))


@pytest.fixture(scope="module")
def tasks(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_tasks(tmp_path_factory.mktemp("tasks") / "tasks.jsonl")


def scheduled(schedule: str, topology: str) -> dict[str, Any]:
    roles = ROLES[topology]
    return {
        "together": {},
        "turns": {"alternate_period": 1},
        "random": {"alternate_period": 1, "role_order": "random"},
        "first_frozen": {"frozen_roles": roles[:1]},
        "last_frozen": {"frozen_roles": roles[-1:]},
    }[schedule]


def refusal(allocator: str, schedule: str, topology: str, weights: str) -> str | None:
    """What the error says of a combination that cannot be trained; None if it can."""
    is_frozen = schedule.endswith("frozen")
    if is_frozen and weights == "shared":
        return "frozen_roles must be empty with weights shared"
    if is_frozen and len(ROLES[topology]) == 1:
        return "frozen_roles must leave a role to train"
    needs_tree = allocator in {"branch", "c3", "hierarchical_grpo", "influence"}
    if needs_tree and topology == "vote":
        return "allocator must fit the topology.*no agent speaks after reading another"
    if allocator == "own_answer" and topology.endswith("think_solve"):
        return "allocator must fit the topology.*only the last speaker states an answer"
    return None


def expect_two_steps(combination: tuple[str, str, str, str], tasks: Path, folder: Path) -> None:
    allocator, schedule, topology, weights = combination
    config = TrainConfig(
        tasks=str(tasks),
        allocator=allocator,
        weights=weights,
        **TOPOLOGIES[topology],
        **scheduled(schedule, topology),
        steps=2,
        tasks_per_step=3,
        group_size=3,
        removed_samples=1,
        branch_samples=1,
        num_eval_tasks=1,
        eval_every=0,  # the team is evaluated before and after
        checkpoint_every=9,
        lora_rank=2,
        max_tokens=12,
    )
    expected = refusal(*combination)
    if expected is not None:
        with pytest.raises(ValueError, match=expected):
            Trainer(config, folder)
        return
    rows: list[dict[str, Any]] = []
    run(Trainer(config, folder), on_step=rows.append)
    assert [row["step"] for row in rows] == [1, 2]
    for row in rows:
        assert row["rollout/groups"] >= 0
        losses = [row[name] for name in row if name.endswith("/loss") and row[name] is not None]
        assert losses
        assert all(map(math.isfinite, losses))


@pytest.mark.parametrize("combination", [tuple(pair) for pair in AllPairs(FACTORS)], ids="-".join)
def test_every_pair_of_choices_trains(combination, tasks, tmp_path) -> None:
    expect_two_steps(combination, tasks, tmp_path)


@pytest.mark.parametrize(
    ("allocator", "topology", "optimizer"),
    [
        ("own_answer", "vote", "reinforce_pp"),
        ("own_answer", "debate", "rae"),
        ("influence", "think_think_solve", "reinforce_pp"),
        ("influence", "debate", "rae"),
    ],
)
def test_credit_of_single_rollouts_trains_groups_of_one(
    allocator, topology, optimizer, tasks, tmp_path
) -> None:
    config = TrainConfig(
        tasks=str(tasks),
        allocator=allocator,
        optimizer=optimizer,
        **TOPOLOGIES[topology],
        group_size=1,
        tasks_per_step=6,
        num_eval_tasks=1,
        eval_every=0,
        steps=2,
    )
    rows: list[dict[str, Any]] = []
    run(Trainer(config, tmp_path), on_step=rows.append)
    groups = read_rows(tmp_path / "rollouts.jsonl")
    credit = [group["credit"][0] for group in groups]
    assert {len(group["rewards"]) for group in groups} == {1}
    # Not the team reward: some agent has another credit than another one.
    assert any(len(set(own)) > 1 for own in credit)
    assert len(rows) == 2
    for row in rows:
        for role in ROLES[topology]:
            assert math.isfinite(row[f"update/{role}/loss"])
    norms = [row[f"update/{role}/grad_norm"] for row in rows for role in ROLES[topology]]
    assert any(norm is not None and norm > 0.0 for norm in norms)


@pytest.mark.slow
@pytest.mark.skipif("CCPO_MATRIX" not in os.environ, reason="minutes: run it with 'make matrix'")
@pytest.mark.timeout(3600)
def test_every_combination_trains(tasks, tmp_path) -> None:
    trained = refused = 0
    for number, combination in enumerate(product(*FACTORS)):
        folder = tmp_path / str(number)
        folder.mkdir()
        expect_two_steps(combination, tasks, folder)
        if refusal(*combination) is None:
            trained += 1
        else:
            refused += 1
    print(f"\n{trained} combinations trained two steps, {refused} were refused in one sentence")
