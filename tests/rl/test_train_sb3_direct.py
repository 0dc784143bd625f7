"""Allocators by optimizers on the signal game: learning, counting, comparing."""

from __future__ import annotations

import json

import numpy as np
import pytest
from numpy.testing import assert_allclose

from baselines.optimizers import OPTIMIZERS
from baselines.train_sb3 import comparison, signal_runs, vec_env
from baselines.train_sb3.exact_values import worth
from baselines.train_sb3.game import SignalGame
from baselines.train_sb3.measured_credit import MEANINGFUL, CreditPlan, CreditSource
from baselines.train_sb3.ppo import PpoConfig, train
from baselines.train_sb3.signal_results import markdown, share_figure, table_rows
from baselines.train_sb3.signal_runs import SignalRunKey, SignalRunResult, best_rates, mean_shares
from baselines.train_sb3.tabular import DirectConfig, SymbolTable, learn, run_once
from tests.rl.teams import quietly


class Reversed(CreditSource):
    """Pays for the opposite."""

    def credit(self, rollouts, solver):
        return -super().credit(rollouts, solver)


def learnt_share(source_class, *, optimizer="reinforce_pp", allocator="leave_one_out"):
    game = SignalGame()
    plan = CreditPlan(allocator=allocator, replay="task", num_samples=4)
    thinker = SymbolTable(game, learning_rate=0.1)
    source = source_class(game, plan, np.random.default_rng(1))
    config = DirectConfig(num_answers_drawn=15_000)
    rng = np.random.default_rng(0)
    learn(game, thinker, source, OPTIMIZERS[optimizer], config, rng)
    return worth(game, thinker.table(), game.expert_solver()).share("thinker")


@pytest.mark.parametrize(("optimizer", "allocator"), [("grpo", "shared"), ("grpo", "branch")])
def test_thinker_learns_from_credit_and_not_from_credit_reversed(optimizer, allocator):
    methods = {"optimizer": optimizer, "allocator": allocator}
    assert learnt_share(CreditSource, **methods) > 0.2
    # Worse than silence: it says what is wrong, where the solver alone would have guessed.
    assert learnt_share(Reversed, **methods) < -0.05


def test_ppo_learns_from_credit_and_not_from_credit_reversed(monkeypatch):
    plan = CreditPlan(allocator="leave_one_out")
    config = PpoConfig(plan=plan, steps=10_000, learning_rate=1e-2)
    assert train(config).worth.share("thinker") > 0.5
    monkeypatch.setattr(vec_env, "CreditSource", Reversed)
    assert train(config).worth.share("thinker") < -0.05


@pytest.mark.parametrize("optimizer", ["grpo", "reinforce_pp"])
@pytest.mark.parametrize("allocator", MEANINGFUL)
def test_run_once_spends_the_same_budget_with_every_credit(allocator, optimizer):
    config = DirectConfig(num_answers_drawn=2000, tasks_per_step=4)
    key = SignalRunKey("rare", f"{allocator} x {optimizer}", 0.1, 0)
    result = run_once(key, config=config)
    assert 2000 <= result.num_answers_drawn < 2000 + 4 * (8 + 8 * 4)  # no more than one step over
    assert result.contribution <= result.ceiling == pytest.approx(0.075)
    again = run_once(key, config=config)
    assert again.contribution == result.contribution


def test_table_of_messages_is_the_product_of_its_symbols():
    import torch

    game = SignalGame()
    thinker = SymbolTable(game, 0.1)
    assert_allclose(thinker.table(), 1 / 9)
    with torch.no_grad():
        thinker.logits[3] = torch.tensor([[0.0, 1.0, 2.0], [3.0, 0.0, -1.0]])
    first, second = np.exp([0.0, 1.0, 2.0]), np.exp([3.0, 0.0, -1.0])
    expected = np.outer(first / first.sum(), second / second.sum())
    assert_allclose(thinker.table()[3], expected.ravel())
    assert game.symbols[5].tolist() == [1, 2]  # the order of that ravel


@pytest.mark.parametrize("optimizer", ["grpo", "reinforce_pp"])
def test_update_climbs_the_policy_gradient(optimizer):
    """One step from the start follows sum of advantage x (onehot - pi), sign by sign (Adam)."""
    game = SignalGame()
    thinker = SymbolTable(game, 0.1)
    rng = np.random.default_rng(0)
    rows, messages = rng.integers(0, 16, 300), rng.integers(0, 9, 300)
    advantages = rng.normal(size=300)
    gradient = np.zeros((16, 2, 3))
    for row, message, advantage in zip(rows, messages, advantages, strict=True):
        for place, symbol in enumerate(game.symbols[message]):
            gradient[row, place] += advantage * (np.arange(3) == symbol) - advantage / 3
    thinker.update(rows, messages, advantages, OPTIMIZERS[optimizer])
    assert_allclose(thinker.logits.detach().numpy(), 0.1 * np.sign(gradient), atol=1e-3)


def result(method, seed, share, *, setting="rare", rate=0.1):
    return SignalRunResult(
        SignalRunKey(setting, method, rate, seed),
        contribution=share * 0.5,
        ceiling=0.5,
        team=share,
        mean_share=share / 2,
        num_answers_drawn=1000,
        cpu_s=0.1,
    )


def test_best_rates_are_those_of_the_largest_mean_over_tuning_seeds():
    seeds = signal_runs.TUNING_SEEDS
    found = [
        result("a", seed, share, rate=0.1) for seed, share in zip(seeds, (0.8, 0), strict=True)
    ]
    found += [result("a", seed, 0.5, rate=0.01) for seed in seeds]
    found += [result("a", 0, 9.0, rate=1.0)]  # a reported run chooses nothing
    assert mean_shares(found)["rare", "a"] == pytest.approx({0.01: 0.5, 0.1: 0.4})
    assert best_rates(found) == {("rare", "a"): 0.01}


def test_rows_compare_seed_by_seed_within_a_setting():
    bases = [0.2, 0.9, 0.5, 0.7, 0.3]
    found = [result("shared", seed, base) for seed, base in enumerate(bases)]
    found += [result("better", seed, base + 0.05 + 0.001 * seed) for seed, base in enumerate(bases)]
    found += [result("noise", seed, bases[(seed + 1) % 5]) for seed in range(5)]
    found += [result("worse", seed, base - 0.3 + 0.01 * seed) for seed, base in enumerate(bases)]
    found += [result("shared", seed, 0.0, setting="default") for seed in range(5)]
    found += [result("shared", signal_runs.TUNING_SEEDS[0], 99.0)]
    rows = table_rows(found, lambda _method: "shared")
    verdicts = {(row.setting, row.method): row.verdict for row in rows}
    assert verdicts == {
        ("rare", "shared"): "reference",
        ("rare", "better"): "above",
        ("rare", "noise"): "inconclusive",
        ("rare", "worse"): "below",
        ("default", "shared"): "reference",
    }
    better = rows[1]
    assert better.gain.value == pytest.approx(0.052)
    assert better.mean_gain.value == pytest.approx(0.052 / 2)
    assert rows[0].share.value == pytest.approx(np.mean(bases))
    table = markdown(rows, {"rare": "rare mix", "default": "default mix"})
    assert len({line.count("|") for line in table.splitlines()}) == 1


def test_figure_shows_every_seed_and_every_verdict():
    found = [result("shared", s, 0.1 * s) for s in range(5)]
    found += [result("better", s, 0.1 * s + 0.3 + 0.001 * s) for s in range(5)]
    found += [result("shared", s, 0.5, setting="default") for s in range(5)]
    found += [result("shared", s, 0.5, setting="third") for s in range(5)]
    names = {name: name for name in ("rare", "default", "third")}
    figure = share_figure(table_rows(found, lambda _method: "shared"), names)
    panels = {axis.get_title(loc="left"): axis for axis in figure.axes}
    rare = panels["rare"]
    assert [tick.get_text() for tick in rare.get_yticklabels()] == ["shared", "better"]
    ticks = [line for line in rare.lines if line.get_marker() == "|" and len(line.get_xdata()) == 5]
    assert_allclose(ticks[1].get_xdata(), [0.3, 0.401, 0.502, 0.603, 0.704])
    assert {line.get_marker() for line in rare.lines} >= {"o", "^"}  # told apart without colour
    assert not panels[""].axison


@pytest.mark.usefixtures("warm_pools")
@pytest.mark.parametrize("workers", [1, pytest.param(2, marks=pytest.mark.slow)])
def test_direct_command_writes_and_goes_on_where_it_stopped(tmp_path, workers):
    flags = ("--allocators", "branch", "--optimizers", "grpo", "--mixes", "rare")
    rest = ("--num-seeds", 2, "--num-answers", 400, "--workers", workers, "--out-dir", tmp_path)
    code, printed = quietly(comparison.main, *flags, *rest)
    assert code == 0
    assert "| rare mix | branch x grpo |" in printed
    table = json.loads((tmp_path / "table.json").read_text(encoding="utf-8"))
    assert [row["method"] for row in table] == ["shared x grpo", "branch x grpo"]
    assert (tmp_path / "tuning.md").read_text(encoding="utf-8").count("**") == 4
    whole = (tmp_path / "runs.jsonl").read_bytes()
    assert quietly(comparison.main, *flags, *rest)[0] == 0
    assert (tmp_path / "runs.jsonl").read_bytes() == whole


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        (("--allocators", "self_evaluation"), "cannot rate each other"),
        (("--optimizers", "ppo"), "unknown optimizer 'ppo'; available: "),
        (("--mixes", "rear"), "did you mean 'rare'"),
        (("--num-seeds", 1), "num_seeds must be >= 2, got 1"),
    ],
)
def test_direct_command_refuses_in_one_sentence(tmp_path, capsys, flags, message):
    assert quietly(comparison.main, *flags, "--out-dir", tmp_path)[0] == 2
    assert message in capsys.readouterr().err
