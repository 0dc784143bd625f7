"""Training in the games of the map: its gradient, its tokens and its verdicts."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from baselines.bench.map import training
from baselines.bench.map.checks import (
    POINTS,
    Check,
    CheckKey,
    half_way,
    run_check,
)
from baselines.bench.map.mixture import chain_mixture, vote_mixture
from baselines.bench.map.signal import exact_gradient, expected_reward, gradient_signal
from baselines.bench.map.training import Credit, group_tokens, train

STEPS = {"num_steps": 5, "step_tokens": 64.0, "step_length": 0.2}


@pytest.mark.parametrize(
    ("mixture", "credit"),
    [
        (chain_mixture(2, need=0.5, skill=0.3), Credit(allocator="leave_one_out", samples=2)),
        (chain_mixture(2, need=0.5, skill=0.3), Credit(allocator="branch", group_size=4)),
        (chain_mixture(1, trained="team"), Credit(group_size=2)),
        (vote_mixture(3), Credit(allocator="own_answer", group_size=4)),
    ],
)
def test_sampled_gradients_have_the_exact_moments(mixture, credit):
    num_teams = 3000
    rng = np.random.default_rng(0)
    policy = np.broadcast_to(mixture.policy, (num_teams, *mixture.policy.shape))
    step = training._Step(mixture, policy, 1, credit.group_size, rng)
    gradients = step.gradient(step.advantages(credit, rng))
    found = gradient_signal(
        mixture,
        credit.allocator,
        optimizer=credit.optimizer,
        group_size=credit.group_size,
        samples=credit.samples,
    )
    exact = exact_gradient(mixture)
    along = (gradients * exact).sum(axis=(1, 2)) / np.linalg.norm(exact)
    squares = (gradients**2).sum(axis=(1, 2))
    second = found.noise + found.signal / found.cosine**2
    for samples, expected in ((along, np.sqrt(found.signal)), (squares, second)):
        assert abs(samples.mean() - expected) <= 5.0 * samples.std() / np.sqrt(num_teams)


def test_tokens_of_a_group_count_replays_at_their_cost():
    # Two thinkers and a solver: 8 rollouts of 3. Branch of M = 2: after the first thinker 2
    # messages, after the second 1, so 8 * 2 * 3 replayed.
    mixture = chain_mixture(2)
    credit = Credit(allocator="branch", samples=2)
    assert group_tokens(mixture, credit) == 24 + 48
    assert group_tokens(mixture, replace(credit, replay_cost=0.5)) == 24 + 24
    # Leave-one-out: the first thinker once per task, 2 messages; the second on each rollout, 1.
    assert group_tokens(mixture, Credit(allocator="leave_one_out")) == 24 + 2 + 8


def test_training_raises_the_expected_reward_and_is_reproducible():
    mixture = chain_mixture(1, skill=0.3)
    curves = train(mixture, Credit(), 20, num_steps=40, step_tokens=64.0, step_length=0.2, seed=[3])
    again = train(mixture, Credit(), 20, num_steps=40, step_tokens=64.0, step_length=0.2, seed=[3])
    np.testing.assert_array_equal(curves, again)
    np.testing.assert_allclose(curves[:, 0], expected_reward(mixture))
    assert curves.shape == (20, 41)
    assert curves[:, -1].mean() > curves[:, 0].mean() + 0.2


def test_a_step_without_tokens_for_a_group_waits(monkeypatch):
    mixture = chain_mixture(1)
    calls = []
    original = training._Step.gradient
    monkeypatch.setattr(
        training._Step,
        "gradient",
        lambda step, given: calls.append(step.outcomes.shape[1]) or original(step, given),
    )
    train(mixture, Credit(), 2, num_steps=4, step_tokens=8.0, step_length=0.1, seed=[0])
    assert calls == [1, 1]  # a group costs 16: one in each second step


def test_half_way_reaches_the_reward_along_the_exact_gradient():
    mixture = chain_mixture(1, skill=0.3)
    moved = half_way(mixture, 0.1)
    assert 0.1 <= expected_reward(moved) < 0.15
    assert half_way(mixture, -1.0) is mixture


def check(start, middle, gain):
    areas = tuple(gain + 0.01 * np.arange(5))
    return Check(
        key=CheckKey(point=0, num_seeds=5),
        start=start,
        middle=middle,
        areas=areas,
        reference_areas=(0.02,) * 5,
        seconds=1.0,
    )


@pytest.mark.parametrize(
    ("start", "middle", "gain", "verdict"),
    [
        (2.0, 1.5, 0.5, "agrees"),
        (0.5, 0.9, -0.5, "agrees"),
        (2.0, 1.5, -0.5, "disagrees"),
        (0.5, 0.9, 0.5, "disagrees"),
        (2.0, 1.5, 0.0, "cannot tell"),
        # 0.03 with a standard error of 0.0071 is significant alone, but not as one of 12 points.
        (2.0, 1.5, 0.03, "cannot tell"),
        (0.5, 1.5, 0.5, "cannot tell"),
    ],
)
def test_verdict_of_a_point(start, middle, gain, verdict):
    assert check(start, middle, gain).verdict == verdict


def test_results_of_a_point_survive_json():
    one = check(2.0, 1.5, 0.5)
    assert Check.from_json(one.to_json()) == one


def test_a_point_is_trained_with_both_credits_at_equal_tokens(monkeypatch):
    seen = []

    def recorded(mixture, credit, num_teams, *, step_tokens, **rest):
        seen.append((credit.allocator, step_tokens, num_teams))
        return train(mixture, credit, num_teams, step_tokens=step_tokens, **rest)

    monkeypatch.setattr("baselines.bench.map.checks.train", recorded)
    monkeypatch.setattr("baselines.bench.map.checks.TEAMS_PER_SEED", 2)
    found = run_check(CheckKey(point=0, num_seeds=2))
    assert [name for name, _, _ in seen] == ["leave_one_out", "shared"]
    assert seen[0][1:] == seen[1][1:] == (17.0, 4)
    assert len(found.areas) == len(found.reference_areas) == 2
    assert found.start == pytest.approx(16 / 17)


def test_there_are_twelve_points():
    assert len(POINTS) == 12
