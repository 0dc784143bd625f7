from __future__ import annotations

import sys
from dataclasses import replace
from itertools import count
from pathlib import Path

import numpy as np
import pytest
import torch
from transformers import PreTrainedModel

from baselines.common.credit_file import CREDIT_FILE, read_credit
from baselines.common.evaluation_file import read_evaluations
from baselines.common.jsonl import read_rows
from baselines.train.config import TrainConfig
from baselines.train.logging.trackers import NoTracker
from baselines.train.trainer import Trainer
from ccpo_env.batch import outcomes
from ccpo_env.types import Verdict
from ccpo_env.verifiers.registry import VERIFIERS
from tests.rl.teams import write_tasks


class CountingTracker:
    """Remembers what it was told."""

    def __init__(self):
        self.steps, self.said = [], []
        self.is_closed = False

    def log(self, row):
        self.steps.append(row["step"])

    def log_completions(self, rows):
        self.said.append(rows)

    def close(self):
        self.is_closed = True


@pytest.fixture(scope="module")
def config(tmp_path_factory) -> TrainConfig:
    tasks = write_tasks(tmp_path_factory.mktemp("tasks") / "tasks.jsonl")
    few = {"steps": 2, "tasks_per_step": 3, "group_size": 4, "num_eval_tasks": 4, "eval_every": 1}
    return TrainConfig(tasks=str(tasks), allocator="counterfactual", optimizer="grpo", **few)


def run(
    trainer: Trainer,
    *,
    should_stop=lambda: False,
    on_step=lambda _row: None,
    on_warning=lambda _warning: None,
    tracker=None,
):
    return trainer.run(
        on_step=on_step,
        on_warning=on_warning,
        should_stop=should_stop,
        tracker=tracker or NoTracker(trainer.run_dir),
    )


def weights(trainer: Trainer) -> torch.Tensor:
    models = [policy.module for policy in trainer.saved_policies().values()]
    return torch.cat([p.detach().flatten().clone() for m in models for p in m.parameters()])


def checkpoints(trainer: Trainer) -> list[str]:
    return sorted(path.name for path in trainer.run_dir.glob("checkpoints/*"))


def test_run_reports_every_step_to_the_tracker_and_closes_it(config, tmp_path):
    tracker, seen = CountingTracker(), []
    final = run(Trainer(config, tmp_path), tracker=tracker, on_step=seen.append)
    assert tracker.steps == [row["step"] for row in seen] == [1, 2]
    assert seen == read_rows(tmp_path / "metrics.jsonl")
    assert tracker.is_closed
    assert final.accuracy().num_units == 4


def test_run_keeps_the_credit_of_its_groups_and_the_first_evaluation(config, tmp_path):
    trainer = Trainer(config, tmp_path)
    assert trainer.initial is None
    run(trainer)
    record = read_credit(tmp_path / CREDIT_FILE)
    rows = read_rows(tmp_path / "metrics.jsonl")
    assert record["agents"] == list(trainer.agents)
    assert [group["step"] for group in record["groups"]] == [1] * 3 + [2] * 3
    for row in rows:
        credit = [g["credit"] for g in record["groups"] if g["step"] == row["step"]]
        mean = sum(own[0] for group in credit for own in group) / 12
        assert row["credit/thinker_0/mean"] == pytest.approx(mean, abs=1e-6)
    assert trainer.initial is not None
    assert Trainer(replace(config, resume="yes", out_dir=tmp_path), tmp_path).initial == (
        trainer.initial
    )


def test_trainer_refuses_a_config_that_does_not_fit(config, tmp_path):
    with pytest.raises(ValueError, match=r"^group_size must be >= 2 because grpo"):
        Trainer(replace(config, group_size=0), tmp_path)


def test_run_keeps_as_many_checkpoints_as_it_is_told(config, tmp_path):
    own = replace(config, steps=4, eval_every=0, checkpoint_every=1, keep_checkpoints=3)
    trainer = Trainer(own, tmp_path)
    run(trainer)
    assert [path.name for path in sorted(tmp_path.glob("checkpoints/step_*"))] == [
        f"step_{step:06d}" for step in (2, 3, 4)
    ]


def test_run_closes_the_tracker_when_a_step_fails(config, tmp_path):
    tracker = CountingTracker()

    def fail(row):
        if row["step"] == 2:
            raise FloatingPointError

    with pytest.raises(FloatingPointError):
        run(Trainer(config, tmp_path), tracker=tracker, on_step=fail)
    assert tracker.is_closed


def test_run_stops_after_the_step_in_which_it_was_asked_to(config, tmp_path):
    trainer, seen = Trainer(config, tmp_path), []
    assert run(trainer, should_stop=lambda: len(seen) == 1, on_step=seen.append) is None
    assert (trainer.steps_done, checkpoints(trainer)) == (1, ["step_000001"])


def test_run_saves_nothing_when_it_is_stopped_before_a_step(config, tmp_path):
    trainer = Trainer(config, tmp_path)
    assert run(trainer, should_stop=lambda: True) is None
    assert (trainer.steps_done, checkpoints(trainer)) == (0, [])


@pytest.mark.parametrize(
    ("every", "evaluated"), [(0, [1]), (1, [1, 2, 3, 4, 5]), (2, [1, 3, 5]), (4, [1, 5])]
)
def test_run_evaluates_before_the_first_step_and_every_few(config, tmp_path, every, evaluated):
    trainer = Trainer(replace(config, steps=5, eval_every=every, tasks_per_step=1), tmp_path)
    run(trainer)
    rows = read_rows(tmp_path / "metrics.jsonl")
    assert [row["step"] for row in rows if "eval/accuracy/joint" in row] == evaluated
    found = read_evaluations(tmp_path)
    assert [own.step for own in found] == [*(step - 1 for step in evaluated), 5]
    tokens = [row["cost/tokens_generated"] for row in rows]
    assert [own.tokens for own in found] == [sum(tokens[: own.step]) for own in found]
    for own in found[:-1]:
        row = rows[own.step]
        assert own.accuracy() == row["eval/accuracy/joint"]
        assert own.accuracy("without thinker_0") == row["eval/accuracy/solo"]


@pytest.mark.parametrize("interrupted", [False, True])
def test_run_evaluates_on_a_grid_of_tokens_resumed_or_not(config, tmp_path, interrupted):
    settings = {"steps": 5, "eval_every_tokens": 50, "checkpoint_every": 1, "tasks_per_step": 1}
    if interrupted:
        seen = []
        first = Trainer(replace(config, **settings), tmp_path)
        run(first, should_stop=lambda: len(seen) == 3, on_step=seen.append)
        settings |= {"resume": "yes", "out_dir": tmp_path}
    trainer = Trainer(replace(config, **settings), tmp_path)
    run(trainer)
    tokens = [row["cost/tokens_generated"] for row in read_rows(tmp_path / "metrics.jsonl")]
    ends = np.cumsum([0, *tokens])
    reached = [int(np.argmax(ends >= mark)) for mark in range(0, int(ends[-1]) + 1, 50)]
    assert 2 < len(set(reached)) < 6
    found = read_evaluations(tmp_path)
    assert [own.step for own in found] == sorted({*reached, 5})
    assert [own.tokens for own in found] == [ends[own.step] for own in found]


def test_run_counts_and_tells_of_steps_that_train_on_nothing_also_after_a_resume(
    config, tmp_path, monkeypatch
):
    monkeypatch.setitem(VERIFIERS, "math", lambda _response, _gold: Verdict("wrong"))
    own = replace(config, optimizer="dapo", eval_every=0, checkpoint_every=1)
    few, told = replace(own, steps=2), []
    first = Trainer(few, tmp_path)
    run(first, on_warning=told.append)
    warning, total = told
    assert total == "2 of 2 steps trained on nothing"
    assert "step 1 trained on nothing, " in warning
    assert "3 with equal rewards, which dapo drops (1 such step so far)" in warning
    resumed = Trainer(replace(few, steps=10, resume="yes", out_dir=tmp_path), tmp_path)
    run(resumed, on_warning=told.append)
    rows = read_rows(tmp_path / "metrics.jsonl")
    assert [row["rollout/empty_steps"] for row in rows] == list(range(1, 11))
    said = [warning.split(" trained")[0] for warning in told]
    assert said == ["step 1", "2 of 2 steps", "step 10", "10 of 10 steps"]
    assert resumed.warnings == told[::2]


def test_run_learns_from_what_was_measured_when_some_was_not(config, tmp_path, monkeypatch):
    calls = count()

    def moody(_response, _gold):
        return Verdict(("correct", "wrong", "error")[next(calls) % 3])

    monkeypatch.setitem(VERIFIERS, "math", moody)
    trainer = Trainer(config, tmp_path)
    before = weights(trainer)
    run(trainer)
    assert not torch.equal(weights(trainer), before)
    for row in read_rows(tmp_path / "metrics.jsonl"):
        assert row["rollout/empty_steps"] == 0
        assert row["rollout/unmeasured_rate"] == pytest.approx(1 / 3, abs=0.05)
        assert row["rollout/groups"] == 3


@pytest.mark.parametrize(
    ("size", "rounds", "is_mixed", "num_groups", "num_plays"),
    [
        (4, 0, lambda group: group % 4 == 0, 1, 1),
        (4, 2, lambda group: group % 4 == 0, 3, 3),
        (4, 9, lambda group: group % 4 == 0, 4, 4),
        (3, 5, lambda group: group % 3 > 0, 3, 2),  # four are left, of which the first three count
        (4, 5, lambda group: group >= 0, 4, 1),
    ],
    ids=["none", "not enough", "enough", "too many", "at once"],
)
def test_step_plays_further_tasks_in_place_of_groups_that_dapo_drops(
    config, tmp_path, monkeypatch, size, rounds, is_mixed, num_groups, num_plays
):
    calls = count()

    def pay(_response, _gold):
        """Both signs to the two rollouts of a mixed group, else -1 to both."""
        group, member = divmod(next(calls), 2)
        return Verdict("correct" if is_mixed(group) and member else "wrong")

    monkeypatch.setitem(VERIFIERS, "math", pay)
    monkeypatch.setattr(outcomes, "is_built_in", lambda _verifier: False)  # `pay` counts its calls
    own = replace(config, steps=1, optimizer="dapo", allocator="shared", num_eval_tasks=6)
    trainer = Trainer(
        replace(own, tasks_per_step=size, group_size=2, resample_rounds=rounds), tmp_path
    )
    run(trainer)
    (row,) = read_rows(tmp_path / "metrics.jsonl")
    assert row["rollout/groups"] == num_groups
    assert row["cost/verifier_calls"] == num_plays * size * 2


def test_seed_decides_the_run(config, tmp_path):
    rows = []
    for name, seed in (("some", 3), ("same", 3), ("other", 4)):
        (tmp_path / name).mkdir()
        trainer = Trainer(replace(config, seed=seed), tmp_path / name)
        run(trainer)
        found = read_rows(tmp_path / name / "metrics.jsonl")
        rows.append([{k: v for k, v in r.items() if not k.startswith("time/")} for r in found])
    assert rows[0] == rows[1] != rows[2]


def test_trainer_starts_every_role_from_the_run_it_is_given(config, tmp_path):
    first = Trainer(config, tmp_path / "first")
    first.run_dir.mkdir()
    run(first)
    assert torch.equal(
        weights(Trainer(replace(config, policy=str(first.run_dir)), tmp_path)), weights(first)
    )


def test_trainer_refuses_settings_of_a_role_that_is_not_in_the_team(config, tmp_path):
    with pytest.raises(
        ValueError, match=r"unknown role '.*' of role_max_tokens; .*did you mean 'solver'"
    ):
        Trainer(replace(config, role_max_tokens={"slover": 5}), tmp_path)


def test_roles_may_share_one_policy_be_frozen_or_take_turns(config, tmp_path):
    shared = Trainer(replace(config, weights="shared"), tmp_path / "shared")
    shared.run_dir.mkdir()
    run(shared)
    (row, _) = read_rows(shared.run_dir / "metrics.jsonl")
    assert row["update/team/grad_norm"] > 0.0
    assert list(shared.saved_policies()) == ["team"]

    frozen = Trainer(replace(config, frozen_roles=("solver",)), tmp_path / "frozen")
    frozen.run_dir.mkdir()
    before = [p.detach().clone() for p in frozen.saved_policies()["solver"].module.parameters()]
    run(frozen)
    after = frozen.saved_policies()["solver"].module.parameters()
    assert all(torch.equal(a, b) for a, b in zip(before, after, strict=True))

    turns = Trainer(replace(config, alternate_period=1, start_role="solver"), tmp_path / "turns")
    turns.run_dir.mkdir()
    run(turns)
    first, second = read_rows(turns.run_dir / "metrics.jsonl")
    assert first["update/thinker/loss"] is None
    assert first["update/solver/loss"] is not None
    assert second["update/solver/loss"] is None


TEAMS = {
    "think_solve": {"num_thinkers": 2},
    "vote": {"num_voters": 3},
    "debate": {"num_debaters": 2, "num_rounds": 2},
}
ROLES = {"think_solve": ["thinker", "solver"], "vote": ["voter"], "debate": ["debater"]}


@pytest.mark.parametrize("weights_of", ["separate", "shared", "lora"])
@pytest.mark.parametrize("topology", TEAMS)
def test_every_topology_trains_every_role_whatever_the_weights(
    config, tmp_path, topology, weights_of
):
    own = replace(config, topology=topology, weights=weights_of, steps=1, **TEAMS[topology])
    trainer = Trainer(own, tmp_path)
    before = weights(trainer)
    run(trainer)
    assert not torch.equal(weights(trainer), before)
    (row,) = read_rows(tmp_path / "metrics.jsonl")
    updated = {name.split("/")[1] for name in row if name.startswith("update/")}
    assert updated == ({"team"} if weights_of == "shared" else set(ROLES[topology]))
    assert all(row[f"update/{owner}/grad_norm"] > 0.0 for owner in updated)


WATCHED = {"open", "os.mkdir", "os.rename", "os.remove", "shutil.copyfile", "tempfile.mkstemp"}
watchers: list[list[str]] = []
"""Who wants to know of files; Python has no way to take its hook out again."""


def tell_watchers(event, arguments):
    if watchers and event in WATCHED:
        for seen in watchers:
            seen.append(str(arguments[0]))


@pytest.mark.parametrize("weights_of", ["separate", "lora"])
def test_roles_take_turns_without_moving_anything_through_the_disk(
    config, tmp_path, monkeypatch, weights_of
):
    sys.addaudithook(tell_watchers)
    own = replace(
        config, weights=weights_of, alternate_period=1, steps=4, eval_every=0, completions_every=0
    )
    trainer, seen = Trainer(own, tmp_path), []
    policies = list(trainer.saved_policies().values())

    def refuse(*_, **__):
        raise AssertionError("weights must stay in memory")

    for name in ("save_pretrained", "from_pretrained"):
        monkeypatch.setattr(PreTrainedModel, name, refuse)
    monkeypatch.setattr(type(policies[0]), "save", refuse)

    def watch(row):
        watchers.append(seen) if row["step"] == 1 else None
        if row["step"] == 4:  # three switches later, before the last checkpoint
            watchers.clear()

    with pytest.raises(AssertionError, match="weights must stay in memory"):
        run(trainer, on_step=watch)  # the checkpoint at the end, which is no switch
    rows = read_rows(tmp_path / "metrics.jsonl")
    turns = [row["update/solver/loss"] is not None for row in rows]
    assert turns == [False, True, False, True]
    written = {Path(name).name for name in seen if name.startswith(str(tmp_path))}
    assert "metrics.jsonl" in written
    assert {name.removesuffix(".part") for name in written} <= {
        *("metrics.jsonl", "rollouts.jsonl", "credit.json")
    }
    assert not [name for name in seen if name.endswith((".safetensors", ".pt", ".bin", ".gguf"))]


@pytest.mark.parametrize(
    "hyperparameters",
    [{"kl_weight": "0.05"}, {"gamma": "0.9"}, {"reward_kl": "0.05"}, {"entropy_weight": "0.01"}],
    ids=lambda hyperparameters: next(iter(hyperparameters)),
)
def test_terms_of_the_loss_and_the_reward_reach_the_update(hyperparameters, config, tmp_path):
    own = replace(
        config, optimizer="reinforce_pp", optimizer_args=hyperparameters, learning_rate=1e-3
    )
    trainers = [
        Trainer(c, tmp_path / str(n)) for n, c in enumerate((own, replace(own, optimizer_args={})))
    ]
    for trainer in trainers:
        trainer.run_dir.mkdir()
        run(trainer)
    assert not torch.equal(weights(trainers[0]), weights(trainers[1]))
