"""Which formula the audit of a file names, and what it says where it names none."""

from __future__ import annotations

import io
import json
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from rich.console import Console

from baselines.audit.audit import audit_rows
from baselines.audit.formats import FORMATS
from baselines.audit.narrative import sentence
from baselines.audit.report import audit_file
from baselines.audit.terminal import printed
from baselines.credit import ALLOCATORS, GroupOutcomes, audit
from baselines.optimizers import OPTIMIZERS
from tests.rl.audit_rows import (
    STEPS,
    TASKS,
    G,
    draw_rewards,
    only,
    registered,
    rows_of,
    two_agents,
    z_scores,
)


@pytest.mark.parametrize("values", [(0.0, 1.0), (-1.0, 1.0), (0.1, 0.25, 0.7, 3.0)])
@pytest.mark.parametrize("name", OPTIMIZERS)
def test_every_optimizer_is_named_itself_or_a_method_with_the_same_advantages(name, values):
    rewards = draw_rewards(values=values)
    advantages = registered(name, rewards)
    found = only(rows_of(rewards, advantages))
    assert name in (found.name, *found.other_names)
    for other in found.other_names:
        np.testing.assert_allclose(registered(other, rewards), advantages, atol=2e-3)
    again = {key: v for key, v in found.match.formula.settings.items() if key == "std"}
    np.testing.assert_allclose(registered(found.name, rewards, **again), advantages, atol=2e-3)
    assert found.comparison.degenerate
    assert found.comparison.slope == pytest.approx(1.0, abs=1e-3)


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_shuffled_advantages_are_named_nothing(name):
    rewards = draw_rewards()
    advantages = registered(name, rewards).ravel()
    for seed in range(5):
        shuffled = np.random.default_rng(seed).permutation(advantages)
        found = only(rows_of(rewards, shuffled))
        assert found.name is None
        assert found.comparison.correlation < 0.5
        assert not found.comparison.degenerate


@settings(max_examples=10, deadline=None)
@given(
    seed=st.integers(0, 10_000),
    scale=st.floats(0.01, 100.0),
    shift=st.floats(-10.0, 10.0),
    ddof=st.sampled_from([0, 1]),
)
def test_a_z_score_is_named_grpo_at_any_scale_of_rewards(seed, scale, shift, ddof):
    rewards = scale * draw_rewards(seed) + shift
    found = only(rows_of(rewards, z_scores(rewards, ddof=ddof, epsilon=1e-8)))
    assert found.name == "grpo"
    assert found.match.formula.settings["std"] is True
    assert found.match.formula.settings.get("ddof", 1) == ddof


@pytest.mark.parametrize(("ddof", "epsilon"), [(1, 1e-4), (0, 1e-8), (1, 1e-3), (0, 1e-4)], ids=str)
def test_divisor_and_epsilon_are_found(ddof, epsilon):
    rewards = draw_rewards()
    settings_ = only(
        rows_of(rewards, z_scores(rewards, ddof=ddof, epsilon=epsilon))
    ).match.formula.settings
    assert settings_ == {"std": True, "ddof": ddof, "epsilon": epsilon}


def test_deviation_of_the_step_is_found():
    rewards = draw_rewards()
    deviation = rewards.std(axis=(1, 2), ddof=1, keepdims=True)
    advantages = (rewards - rewards.mean(axis=2, keepdims=True)) / (deviation + 1e-4)
    found = only(rows_of(rewards, advantages))
    assert found.name == "grpo"
    assert found.match.formula.settings["std"] == "step"


def test_leave_one_out_whitened_as_trl_does_it_is_named():
    rewards = draw_rewards()
    rloo = registered("rloo", rewards)
    deviation = rloo.std(axis=(1, 2), ddof=1, keepdims=True)
    found = only(rows_of(rewards, rloo / (deviation + 1e-4)))  # the mean of a step is 0
    # With groups of one size it is the group mean, whitened.
    assert (found.name, found.other_names) == ("reinforce_pp_baseline", ())
    rows = rows_of(rewards, np.full(rewards.shape, np.nan)).where(np.arange(rewards.size) % 7 > 0)
    sizes = np.bincount(rows.group)[rows.group]
    means = (np.bincount(rows.group, rows.reward) / np.bincount(rows.group))[rows.group]
    rloo = (rows.reward - means) * sizes / (sizes - 1)
    steps = [rloo[rows.step == step].std(ddof=1) for step in range(STEPS)]
    white = rloo / (np.array(steps)[rows.step] + 1e-4)
    found = only(replace(rows, advantage=white))
    assert (found.name, found.match.formula.settings["whitened"]) == ("rloo", True)


def test_whitening_weighed_by_tokens_is_found():
    rewards = draw_rewards()
    tokens = np.random.default_rng(1).integers(1, 50, rewards.shape)
    advantages = np.array(
        [
            OPTIMIZERS["reinforce_pp"].advantage(
                [g[:, None] for g in step], [n[:, None] for n in counts]
            )
            for step, counts in zip(rewards, tokens, strict=True)
        ]
    )
    found = only(rows_of(rewards, advantages, tokens=tokens.ravel().astype(float)))
    assert (found.name, found.match.formula.settings) == ("reinforce_pp", {"weights": "tokens"})
    assert only(rows_of(rewards, advantages)).name is None


@pytest.mark.parametrize("decimals", [2, 3, 4])
def test_rounded_advantages_are_named(decimals):
    rewards = draw_rewards()
    found = only(rows_of(rewards, z_scores(rewards, ddof=1, epsilon=1e-6).round(decimals)))
    assert found.name == "grpo"
    assert found.found.tolerance.decimals == decimals


@pytest.mark.parametrize("off", [0.9, 1.02, 1.1])
def test_a_multiple_is_not_named_but_said(off):
    rewards = draw_rewards()
    found = only(rows_of(rewards, off * registered("grpo", rewards)))
    assert found.name is None
    assert found.found.nearest.fit.factor == pytest.approx(off)
    assert found.comparison.slope == pytest.approx(off)
    assert found.comparison.degenerate


def test_one_wrong_row_of_all_is_enough_for_no_name():
    rewards = draw_rewards()
    advantages = registered("grpo", rewards)
    advantages[2, 3, 1] += 0.05
    found = only(rows_of(rewards, advantages))
    assert found.name is None
    others = (advantages != 0.0).sum() - 1
    assert found.found.nearest.fit.share == pytest.approx(others / (others + 1))
    assert only(rows_of(rewards, advantages), tolerance=0.15).name == "grpo"


def test_zeroed_and_clipped_advantages_are_named_with_their_exceptions():
    rewards = draw_rewards(values=(0.0, 0.0, 0.0, 1.0))
    advantages = z_scores(rewards, ddof=1, epsilon=1e-6)
    zeroed = advantages.copy()
    zeroed[1, 2] = 0.0
    expected = int((advantages[1, 2] != 0.0).sum())
    found = only(rows_of(rewards, zeroed))
    assert (found.name, found.match.fit.num_zeroed) == ("grpo", expected)
    assert expected > 0
    found = only(rows_of(rewards, np.clip(advantages, -1.5, 1.5)))
    assert (found.name, found.match.fit.clipped_at) == ("grpo", 1.5)


def test_advantages_of_zero_are_named_nothing():
    rewards = draw_rewards()
    found = only(rows_of(rewards, np.zeros_like(rewards)))
    assert found.name is None
    assert found.comparison.degenerate
    assert found.comparison.signal_rate == 0.0


def test_nothing_follows_from_equal_rewards_and_advantages_of_zero(tmp_path):
    path = tmp_path / "dump.jsonl"
    row = {"task": "a", "reward": 1.0, "advantage": 0.0}
    path.write_text(f"{json.dumps(row)}\n" * 4)
    found = audit_file(path).to_json()["agents"]["agent"]
    assert found["degenerate"] is None
    assert (
        found["reason"]
        == "no formula: all advantages are 0, as all rewards of each group are equal"
    )


@pytest.mark.parametrize(("num_groups", "support"), [(1, "2 rows in 1 group"), (3, "6 rows in 3")])
def test_a_formula_that_few_rows_support_is_not_named(tmp_path, num_groups, support):
    path = tmp_path / "dump.jsonl"
    pair = [{"reward": r, "advantage": a} for r, a in ((1.0, 0.5), (0.0, -0.5))]
    rows = [{"task": f"t{n}", **row} for n in range(num_groups) for row in pair]
    path.write_text("".join(f"{json.dumps(row)}\n" for row in rows))
    found = audit_file(path).to_json()["agents"]["agent"]
    assert found["formula"] is None
    assert [each["formula"] for each in found["alternatives"]] == ["grpo"]
    assert f"but only {support}" in found["reason"]
    assert "and it takes 8 in 2" in found["reason"]
    assert found["sentence"].startswith(found["reason"])
    rows = [{"task": f"t{n}", **row} for n in range(4) for row in pair]
    path.write_text("".join(f"{json.dumps(row)}\n" for row in rows))
    found = audit_file(path).to_json()["agents"]["agent"]
    assert (found["formula"], found["reason"], found["alternatives"]) == ("grpo", None, [])
    assert (found["num_support"], found["num_support_groups"]) == (8, 4)


@pytest.mark.parametrize(
    ("std", "word"), [(False, "grpo without the standard deviation ("), (True, "grpo (")]
)
def test_grpo_is_said_to_be_without_its_deviation(tmp_path, std, word):
    rewards = draw_rewards()
    advantages = registered("grpo", rewards, std=std)
    path = tmp_path / "dump.jsonl"
    rows = [
        {"step": s, "task": t, "reward": float(rewards[s, t, g]), "advantage": advantages[s, t, g]}
        for s, t, g in np.ndindex(rewards.shape)
    ]
    path.write_text("".join(f"{json.dumps(row)}\n" for row in rows))
    found = audit_file(path)
    agent = found.to_json()["agents"]["agent"]
    assert agent["formula"] == "grpo"
    assert agent["sentence"].startswith(word)
    console = Console(width=80, file=io.StringIO(), record=True)
    for part in printed(found):
        console.print(part)
    assert ("grpo, no std" in console.export_text()) != std


def test_reward_itself_is_no_registered_formula():
    rewards = draw_rewards()
    found = only(rows_of(rewards, rewards))
    assert found.name is None
    assert found.found.matches[0].formula.text == "the reward itself, without a baseline"


DRAWN = np.random.default_rng(12).choice([0.0, 1.0], (STEPS, TASKS, G))
BASELINES = {
    "none": (1.0, 0.0),
    "a constant": (1.0, 0.5),
    "a constant, scaled": (3.0, 0.4),
    "the mean of the step": (1.0, DRAWN.mean(axis=(1, 2), keepdims=True)),
    "a value of the prompt": (1.0, np.random.default_rng(13).random((STEPS, TASKS, 1))),
}


@pytest.mark.parametrize("name", BASELINES)
def test_reward_with_another_baseline_is_said_to_hold_nothing_else(name):
    factor, baseline = BASELINES[name]
    advantages = factor * (DRAWN - baseline)
    found = only(rows_of(DRAWN, advantages))
    text = sentence(found, is_alone=True, kind=FORMATS[-1])
    assert (found.degenerate, found.factor) == (False, pytest.approx(factor))
    assert f"hold nothing but the reward, {factor:.3g} times it with another baseline" in text
    assert "not degenerate" not in text
    advantages[1, 2, 3] += 0.1  # one row that holds more is enough
    found = only(rows_of(DRAWN, advantages))
    assert found.factor is None
    assert "not degenerate" in sentence(found, is_alone=True, kind=FORMATS[-1])


def test_noise_is_not_called_the_reward():
    noise = np.random.default_rng(14)
    for rewards in (DRAWN, DRAWN[:, :, :1], DRAWN[:, :, :2]):  # one row has any baseline
        assert only(rows_of(rewards, noise.normal(size=rewards.shape))).factor is None
    assert only(rows_of(DRAWN, noise.random((STEPS, TASKS, 1)) + 0.0 * DRAWN)).factor is None


def test_missing_rows_and_groups_of_any_size():
    rewards = draw_rewards(values=(0.0, 0.3, 1.0))
    advantages = np.full(rewards.shape, np.nan)
    keep = np.ones(rewards.shape, dtype=bool)
    keep[0, 1, 3:] = keep[1, 2, 1:] = False  # groups of three and of one
    for step in range(STEPS):
        for task in range(TASKS):
            own = rewards[step, task][keep[step, task]]
            advantages[step, task][keep[step, task]] = own - own.mean()
    advantages[2, 0, 1] = advantages[0, 3] = np.nan  # not logged
    rows = rows_of(rewards, advantages).where(keep.ravel())
    found = only(rows)
    assert (found.name, found.num_single, found.num_missing) == ("grpo", 1, G + 1)
    assert found.num_groups == STEPS * TASKS


def test_rows_of_all_agents_may_be_normalised_together():
    rewards = draw_rewards()
    apart = z_scores(rewards, ddof=1, epsilon=1e-6)
    together = z_scores(np.concatenate([rewards, rewards], axis=2), ddof=1, epsilon=1e-6)[..., :G]
    for advantages, scope in ((apart, None), (together, "all agents of a group")):
        for found in audit_rows(two_agents(rewards, advantages, advantages)):
            assert found.name == "grpo"
            assert found.match.formula.settings.get("normalised_over") == scope


def test_agents_are_judged_apart():
    rewards = draw_rewards()
    noise = np.random.default_rng(2).normal(size=rewards.shape)
    thinker, solver = audit_rows(two_agents(rewards, noise, registered("rloo", rewards)))
    assert (thinker.name, solver.name) == (None, "rloo")
    assert not thinker.comparison.degenerate
    assert solver.comparison.degenerate
    # The first is compared under the formula of the second.
    x = registered("rloo", rewards).ravel()
    slope = x @ noise.ravel() / (x @ x)
    assert thinker.comparison.slope == pytest.approx(slope)
    assert thinker.comparison.correlation == pytest.approx(np.corrcoef(x, noise.ravel())[0, 1])


@pytest.mark.parametrize(
    ("name", "hyperparameters"),
    [
        ("leave_one_out", {}),
        ("counterfactual", {"baseline": "rollout"}),
        ("counterfactual", {"mode": "margin", "baseline": "rollout"}),
    ],
)
@pytest.mark.parametrize("scale", ["signs", "rates"])
def test_credit_from_removed_rewards_is_named(name, hyperparameters, scale):
    rng = np.random.default_rng(3)
    signs = rng.choice([-1.0, 1.0], (STEPS, TASKS, G))
    removed = rng.choice([-1.0, 0.0, 1.0], (STEPS, TASKS, G))  # means of two replays
    groups = [
        GroupOutcomes(
            ("thinker_0", "solver_0"), r, {"thinker_0": s[:, None], "solver_0": s[:, None]}
        )
        for r, s in zip(signs.reshape(-1, G), removed.reshape(-1, G), strict=True)
    ]
    credit = ALLOCATORS[name].many(groups, **hyperparameters)
    advantages = np.array(OPTIMIZERS["grpo"].advantage(credit))[..., 0]
    if scale == "rates":
        signs, removed, advantages = signs / 2 + 0.5, removed / 2 + 0.5, advantages / 2
    rows = rows_of(signs, advantages, removed={frozenset({"solver_0"}): removed.ravel()})
    found = only(rows)
    assert (found.name, found.match.credit) == ("grpo", name)
    assert found.match.credit_settings == hyperparameters
    assert not found.comparison.degenerate
    assert only(rows_of(signs, advantages)).name is None


def test_degenerate_credit_agrees_with_the_audit_of_an_allocator():
    rng = np.random.default_rng(4)
    rewards = rng.choice([-1.0, 1.0], (STEPS * TASKS, G))
    groups = [
        GroupOutcomes(("thinker_0", "solver_0"), r, {"thinker_0": rng.choice([-1.0, 1.0], 3)})
        for r in rewards
    ]
    expected = audit("counterfactual", optimizer="grpo", batches=groups)["thinker_0"]
    credit = ALLOCATORS["counterfactual"].many(groups)
    advantages = np.array(OPTIMIZERS["grpo"].advantage(credit))[..., 0].reshape(STEPS, TASKS, G)
    found = only(rows_of(rewards.reshape(STEPS, TASKS, G), advantages))
    assert expected.degenerate
    for name in ("degenerate", "slope", "correlation", "signal_rate", "sign_agreement"):
        assert getattr(found.comparison, name) == pytest.approx(getattr(expected, name))


def test_long_dumps_are_named_by_their_first_steps_and_checked_on_all(monkeypatch):
    monkeypatch.setattr("baselines.audit.search.ENOUGH_ROWS", TASKS * G)
    rewards = draw_rewards(values=(0.0, 0.2, 1.0))
    advantages = registered("reinforce_pp_baseline", rewards)
    assert only(rows_of(rewards, advantages)).name == "reinforce_pp_baseline"
    advantages[-1] = registered("grpo", rewards)[-1]
    found = only(rows_of(rewards, advantages))
    assert found.name is None
    assert found.found.nearest.fit.share == pytest.approx(2 / 3, abs=0.1)


def test_json_has_every_figure_by_agent(tmp_path):
    rewards = draw_rewards()
    rows = two_agents(rewards, registered("grpo", rewards), 1.1 * registered("grpo", rewards))
    path = tmp_path / "rows.jsonl"
    path.write_text(
        "".join(
            json.dumps(
                {
                    "step": int(rows.step[n]),
                    "task": f"t{rows.group[n]}",
                    "agent": rows.agents[rows.agent[n]],
                    "reward": rows.reward[n],
                    "advantage": rows.advantage[n],
                }
            )
            + "\n"
            for n in range(len(rows.reward))
        )
    )
    found = audit_file(path).to_json()
    assert set(found["agents"]) == {"thinker_0", "solver_0"}
    thinker, solver = (found["agents"][name] for name in ("thinker_0", "solver_0"))
    assert (thinker["formula"], thinker["slope"], thinker["reason"]) == ("grpo", 1.0, None)
    assert solver["formula"] is None
    assert "1.1 times grpo" in solver["reason"]
    assert (solver["degenerate"], solver["slope"]) == (True, pytest.approx(1.1))
    assert (found["num_rows"], found["num_groups"], found["num_steps"]) == (216, 18, 3)
    json.dumps(found, allow_nan=False)


def test_turns_of_an_agent_are_normalised_apart_or_as_dr_mas_does_it():
    rewards = np.random.default_rng(6).choice([0.0, 0.4, 1.0], (STEPS, TASKS, 2 * G))
    turn = np.tile(np.arange(2), rewards.size // 2)
    pooled = z_scores(rewards, ddof=1, epsilon=1e-6)
    apart = np.empty_like(rewards)
    for number in range(2):
        apart[..., number::2] = z_scores(rewards[..., number::2], ddof=1, epsilon=1e-6)
    found = only(rows_of(rewards, pooled, turn=turn))
    assert (found.name, found.match.formula.settings) == ("dr_mas", {})
    found = only(rows_of(rewards, apart, turn=turn))
    assert found.name == "grpo"
    assert "at_grpo" in found.other_names
    assert "dr_mas" not in found.other_names
