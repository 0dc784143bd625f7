"""``python -m baselines.train_sb3``: one run, and the demonstration, which can be interrupted."""

from __future__ import annotations

import json
import sys

import numpy as np
import pytest

from baselines.common.jsonl import read_rows
from baselines.experiment.sweep import RUNS_FILE, read_results
from baselines.train_sb3 import command as train_sb3
from baselines.train_sb3 import comparison, signal_results, signal_runs
from baselines.train_sb3.demonstration import COMMON_RANDOM, METHODS, SETTINGS, SHARED
from baselines.train_sb3.measured_credit import CreditPlan
from baselines.train_sb3.ppo import PpoConfig, train
from baselines.train_sb3.signal_runs import SignalRunResult
from tests.rl.teams import quietly

LOGGED = {
    *("step", "reward/team", "reward/alone", "contribution/sampled", "contribution/exact"),
    *("contribution/share", "credit/mean", "credit/std"),
}


def test_train_sb3_trains_logs_and_keeps_the_policy(tmp_path):
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    flags = ("--credit", "leave_one_out", "--mix", "rare", "--steps", 2000, "--tensorboard")
    code, printed = quietly(train_sb3.main, *flags, "--out-dir", tmp_path)
    assert code == 0
    assert "thinker with leave_one_out credit: team reward" in printed
    rows = read_rows(tmp_path / "metrics.jsonl")
    assert [row["step"] for row in rows] == [1000, 2000]
    for row in rows:
        assert set(row) == LOGGED
        contribution = row["reward/team"] - row["reward/alone"]
        assert row["contribution/sampled"] == pytest.approx(contribution)
        assert row["credit/mean"] == pytest.approx(contribution)  # common random numbers
    events = EventAccumulator(str(tmp_path / "tensorboard" / "ppo_1"))
    events.Reload()
    assert [e.value for e in events.Scalars("credit/std")] == pytest.approx(
        [row["credit/std"] for row in rows]
    )
    policy = json.loads((tmp_path / "policy.json").read_text(encoding="utf-8"))
    assert np.array(policy["table"]).sum(axis=1) == pytest.approx(np.ones(16))
    assert policy["ceiling"] == pytest.approx(0.075)  # 2 x .05 x 3/4: rarely needed, 1/4 guessed
    assert policy["num_answers_drawn"] == 4000  # the rollouts, and each again without the thinker


@pytest.mark.parametrize("role", ["thinker", "solver"])
@pytest.mark.parametrize("credit", ["counterfactual", "shapley", "branch", "history", "regression"])
def test_train_sb3_takes_every_credit_for_both_roles(tmp_path, credit, role):
    plan = CreditPlan(allocator=credit, replay="fresh")
    more = {"replay": ("--replay", "fresh"), "num_samples": ("--num-samples", 2)}
    read = [word for name, words in more.items() if plan.reads(name, role) for word in words]
    flags = ("--credit", credit, "--role", role, *read)
    small = ("--num-envs", 16, "--group-size", 4, "--steps", 1, "--out-dir", tmp_path)
    code, printed = quietly(train_sb3.main, *flags, *small)
    assert code == 0
    assert f"{role} with {credit} credit" in printed
    assert all(np.isfinite(row["credit/std"]) for row in read_rows(tmp_path / "metrics.jsonl"))


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        (("--credit", "self_evaluation"), "cannot rate each other"),
        (("--credit", "shard"), "did you mean 'shared'"),
        (("--credit", "branch"), "pass --group-size 8"),
        (("--mix", "easy"), "unknown mix 'easy'; available: "),
        (("--learning-rate", 0), "learning_rate must be above 0"),
        (("--group-size", 3, "--num-envs", 8), "num_envs must be a multiple of group_size=3"),
        (("--group-baseline",), "group_size must be >= 2 for a group baseline"),
        (("--effort", -0.1), "effort must be >= 0"),
        (("--demonstration", "--settings", "rear"), "did you mean 'rare'"),
        (("--credit", "counterfactual", "--credit-args", "wait", "1"), "did you mean 'weight'"),
    ],
)
def test_train_sb3_refuses_in_one_sentence(tmp_path, capsys, flags, message):
    code, _ = quietly(train_sb3.main, *flags, "--out-dir", tmp_path)
    assert code == 2
    error = capsys.readouterr().err
    assert error.startswith("error: ")
    assert message in error


@pytest.mark.parametrize("flags", [(), ("--demonstration",)])
def test_train_sb3_says_what_to_install(tmp_path, capsys, monkeypatch, flags):
    monkeypatch.setitem(sys.modules, "stable_baselines3", None)
    assert quietly(train_sb3.main, *flags, "--out-dir", tmp_path)[0] == 2
    assert "pip install 'ccpo-env[sb3]'" in capsys.readouterr().err


def test_train_sb3_refuses_a_folder_with_a_run(tmp_path, capsys):
    flags = ("--steps", 1000, "--out-dir", tmp_path)
    assert quietly(train_sb3.main, *flags)[0] == 0
    assert quietly(train_sb3.main, *flags)[0] == 2
    assert "must not hold a run already" in capsys.readouterr().err


def test_train_sb3_is_the_same_twice():
    config = PpoConfig(steps=2000, seed=3, plan=CreditPlan(allocator="leave_one_out"))
    assert np.array_equal(train(config).table, train(config).table)


@pytest.mark.usefixtures("warm_pools")
def test_demonstration_runs_writes_and_goes_on_where_it_stopped(tmp_path, monkeypatch):
    monkeypatch.setattr(train_sb3, "LEARNING_RATES", (3e-3, 1e-2))
    for module in (comparison, signal_results, signal_runs):
        monkeypatch.setattr(module, "TUNING_SEEDS", (100,))
    flags = ("--demonstration", "--num-seeds", 2, "--settings", "group", "--steps", 1000)
    rest = ("--workers", 1, "--out-dir", tmp_path)
    code, printed = quietly(train_sb3.main, *flags, *rest)
    assert code == 0
    assert "| default mix, group baseline | shared reward |" in printed
    runs = tmp_path / RUNS_FILE
    results = read_results(runs, SignalRunResult)
    reported = [run.key for run in results if run.key.seed != 100]
    assert {key.method for key in reported} == {SHARED, COMMON_RANDOM}
    assert len(reported) == 4
    assert len({(key.method, key.learning_rate) for key in reported}) == 2  # one rate for each
    assert (tmp_path / "shares.png").read_bytes().startswith(b"\x89PNG")
    assert (tmp_path / "spread.md").read_text(encoding="utf-8").count("\n") == 2 + 2 * 2 * 5
    table, whole = (tmp_path / "table.md").read_bytes(), runs.read_bytes()
    lines = whole.splitlines(keepends=True)
    runs.write_bytes(b"".join(lines[:-1]) + lines[-1][:30])  # the last line was being written
    quietly(train_sb3.main, *flags, *rest)
    again = read_results(runs, SignalRunResult)
    assert runs.read_bytes().splitlines(keepends=True)[:-1] == lines[:-1]  # none was made twice
    assert [run.contribution for run in again] == [run.contribution for run in results]
    assert (tmp_path / "table.md").read_bytes() == table


def test_demonstration_refuses_a_folder_with_other_settings(tmp_path, capsys):
    (tmp_path / RUNS_FILE).write_text("", encoding="utf-8")
    (tmp_path / "config.json").write_text('{"steps": 5}', encoding="utf-8")
    assert quietly(train_sb3.main, "--demonstration", "--out-dir", tmp_path)[0] == 2
    assert "must hold runs with these settings" in capsys.readouterr().err


def test_settings_name_methods_that_exist_and_compare_with_shared_credit():
    for setting in SETTINGS.values():
        assert setting.methods[0] == SHARED
        assert set(setting.methods) <= set(METHODS)
