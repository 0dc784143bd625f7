"""Retrospective updates: the judgement by hand, the pass over the last batch, and its state."""

from __future__ import annotations

import io
from dataclasses import replace
from statistics import NormalDist

import numpy as np
import pytest
import torch

from baselines.common.jsonl import read_rows
from baselines.optimizers import OPTIMIZERS
from baselines.policies.base import Completion
from baselines.policies.checkpoints import newest_checkpoint
from baselines.rollouts.costs import CostTracker
from baselines.rollouts.groups import Group
from baselines.rollouts.rollout import Rollout
from baselines.train.config import TrainConfig
from baselines.train.logging.trackers import NoTracker
from baselines.train.retrospect import (
    Retrospect,
    damped,
    improvement,
    scaled_by_group,
    sign_probability,
)
from baselines.train.seeding import Streams
from baselines.train.trainer import Trainer
from baselines.train.update.batching import TrainingSample
from baselines.train.update.options import UpdateOptions
from baselines.train.update.updater import Updater
from ccpo_env.types import Task
from tests.rl.teams import TASK, RecordingPolicy, rollout, runner_of, write_tasks
from tests.rl.toy_policy import ToyPolicy

MEANS = [0.10, 0.14, 0.12, 0.18, 0.20, 0.17, 0.25, 0.24, 0.30, 0.22]
"""Means of ten steps; the values expected below are of the formula of arXiv:2604.00860."""


@pytest.mark.parametrize(
    ("means", "xi", "phi"),
    [
        (MEANS[:9], 2.315495, 2.315495),
        (MEANS[1:], 0.332018, 0.332018),  # .22 is above the mean, though below the last two
        ([*MEANS[1:9], 0.12], -1.328073, -0.132807),
    ],
)
def test_improvement_and_its_damped_value_of_the_paper(means, xi, phi):
    found = improvement(means[-1], means[:-1])
    assert found == pytest.approx(xi, abs=1e-6)
    assert damped(found, 0.1) == pytest.approx(phi, abs=1e-6)
    # Affine in the reward: only the size of the epsilon differs.
    assert improvement(2 * means[-1] - 1, [2 * m - 1 for m in means[:-1]]) == pytest.approx(
        found, abs=1e-6
    )


def test_improvement_has_no_scale_if_nothing_varied():
    assert improvement(0.5, [0.3, 0.3, 0.3]) is None


def test_advantages_are_scaled_to_magnitude_one_in_each_group_and_turn():
    advantages = np.array([[0.75, 0.0], [-0.25, 0.0], [-0.25, 0.0], [-0.25, 0.0]])
    scaled = scaled_by_group(advantages)
    np.testing.assert_allclose(scaled[:, 0], [2, -2 / 3, -2 / 3, -2 / 3], rtol=1e-12)
    np.testing.assert_allclose(2.0 * scaled[:, 0], [4, -4 / 3, -4 / 3, -4 / 3], rtol=1e-12)
    np.testing.assert_array_equal(scaled[:, 1], np.zeros(4))


def test_sign_probability_by_hand():
    # Differences to the means of two steps: 0, 2, 1, 1. Mean 1, deviation sqrt(2 / 3) over 2.
    earlier = np.array([[1.0, -1.0, 1.0, -1.0], [1.0, -1.0, -1.0, 1.0]])
    expected = NormalDist().cdf(1.0 / (np.sqrt(2 / 3) / 2))
    assert sign_probability(np.ones(4), earlier) == pytest.approx(expected)
    assert sign_probability(earlier[0], earlier[[0, 0]]) == 0.5
    assert sign_probability(np.ones(2), -np.ones((3, 2))) == 1.0
    # A task that was not measured once is left out.
    holes = np.array([np.nan, 1.0, 1.0, 1.0])
    assert sign_probability(holes, earlier) == sign_probability(np.ones(3), earlier[:, 1:])
    assert sign_probability(np.array([np.nan, 1.0]), earlier[:, :2]) is None


def test_sign_probability_is_uniform_from_one_half_to_one_if_nothing_changes():
    rng = np.random.default_rng(1)
    said = np.array(
        [sign_probability(rng.normal(size=40), rng.normal(size=(4, 40))) for _ in range(2000)]
    )
    assert abs(said.mean() - 0.75) < 4 * 0.5 / np.sqrt(12 * len(said))
    assert np.quantile(said, [0.25, 0.5, 0.75]) == pytest.approx([0.625, 0.75, 0.875], abs=0.03)


def test_sign_probability_is_right_as_often_as_it_says():
    rng = np.random.default_rng(0)
    shifts = rng.normal(0.0, 0.5, 1500)  # changes are as probable in both directions
    said, right = [], []
    for shift in shifts:
        earlier = rng.normal(0.0, 1.0, (4, 40))
        now = shift + rng.normal(0.0, 1.0, 40)
        said.append(sign_probability(now, earlier))
        right.append(np.sign((now - earlier.mean(axis=0)).mean()) == np.sign(shift))
    said, right = np.array(said), np.array(right)
    unsure = said < 0.95
    assert unsure.sum() > 300
    error = np.sqrt(0.25 / unsure.sum())
    assert abs(said[unsure].mean() - right[unsure].mean()) < 4 * error


class Updates:
    """Records the samples of the passes over earlier batches."""

    def __init__(self):
        self.passes = []

    def update_again(self, samples_of):
        self.passes.append(samples_of)
        return {f"{role}/grad_norm": 1.0 for role in samples_of}


PROBE = [Task(f"p/{n}", f"{n}+1", "2") for n in range(4)]


def retrospect_with(answers, window=2):
    """Probe of four tasks whose gold answers are all 2; one list of answers a step."""
    said = [answer for step in answers for answer in step]
    runner = runner_of(RecordingPolicy(["a thought"] * 99), RecordingPolicy(said), tasks=PROBE)
    return Retrospect(window, damping=0.1, tasks=PROBE, runner=runner, streams=Streams(0))


def known(played: Rollout) -> Rollout:
    """A handmade rollout with log-probabilities."""
    said = [replace(c, logprobs=(-0.5,) * len(c.token_ids)) for c in played.sampled]
    return Rollout(played.request, played.messages, tuple(said), played.verdict)


ROLLOUTS = (known(rollout("correct")), known(rollout("wrong", texts=("no", "9"))))
BATCH = [Group(TASK, ROLLOUTS, {}, {})]
ADVANTAGES = [np.array([[0.5, 1.0], [-0.5, -3.0]])]
ROLES = ("thinker", "solver")


def test_the_last_batch_is_repeated_after_a_gain_and_damped_after_a_loss():
    right, half, none = ["2"] * 4, ["2", "2", "9", "9"], ["9"] * 4
    retrospect = retrospect_with([none, half, right, none])
    updates, costs = Updates(), CostTracker()
    rows = []
    for _ in range(4):
        rows.append(retrospect.step(updates, costs))
        retrospect.remember(BATCH, ADVANTAGES, ("solver",), ROLES)
    assert [row["retrospect/reward"] for row in rows] == [-1.0, 0.0, 1.0, -1.0]
    # Means -1, 0: mean -1/2, deviation 1/sqrt(2); then 0, 1.
    gain, loss = 1.5 * np.sqrt(2), -1.5 * np.sqrt(2)
    assert [row["retrospect/xi"] for row in rows] == [
        None,
        None,
        pytest.approx(gain, abs=1e-6),
        pytest.approx(loss, abs=1e-6),
    ]
    first, second = updates.passes
    assert list(first) == ["solver"]
    assert [(s.completion.text, s.advantage) for s in first["solver"]] == [
        ("2", pytest.approx(gain * 0.5, abs=1e-6)),  # 1 and -3 are scaled to 1/2 and -3/2
        ("9", pytest.approx(-gain * 1.5, abs=1e-6)),
    ]
    assert second["solver"][1].advantage == pytest.approx(-0.1 * loss * 1.5, abs=1e-6)
    assert rows[2]["retrospect/solver/grad_norm"] == 1.0
    # Four episodes of a thought of nine and an answer of one token in each step.
    assert [row["cost/tokens_probe"] for row in rows] == [40] * 4
    assert costs.generated == {"probe": 160}
    assert costs.verified == {"probe": 16}


def test_nothing_is_repeated_without_a_last_batch_or_a_judgement():
    retrospect = retrospect_with([["2", "9", "9", "9"]] * 3)
    updates = Updates()
    for _ in range(3):
        row = retrospect.step(updates, CostTracker())
    assert row["retrospect/xi"] is None
    assert updates.passes == []


def test_state_survives_a_checkpoint_to_the_bit():
    answers = [["2", "9", "9", "9"], ["2", "2", "?", "9"], ["2"] * 4]
    whole, cut = retrospect_with(answers), retrospect_with(answers[:2])
    found = []
    for retrospect in (whole, cut):
        for _ in range(2):
            retrospect.step(Updates(), CostTracker())
            retrospect.remember(BATCH, ADVANTAGES, ROLES, ROLES)
    file = io.BytesIO()
    torch.save(cut.state_dict(), file)
    file.seek(0)
    resumed = retrospect_with(answers[2:])
    resumed.load_state_dict(torch.load(file, weights_only=True))
    for retrospect in (whole, resumed):
        updates = Updates()
        found.append((retrospect.step(updates, CostTracker()), updates.passes))
    assert found[0] == found[1]
    assert found[0][1]


def test_a_repeated_update_keeps_the_ratio_to_the_sampler_and_is_one():
    said = [Completion("", (1,), (first, 3), (-1.0, -1.5)) for first in (2, 4)]
    samples = [
        TrainingSample(c, a, old_logprobs=c.logprobs)
        for c, a in zip(said, (1.0, -0.5), strict=True)
    ]
    found = []
    for options in (
        UpdateOptions(),
        UpdateOptions(old_logprobs="recompute", num_epochs=3, num_minibatches=2),
    ):
        policy = ToyPolicy()
        updater = Updater(
            policy,
            OPTIMIZERS["grpo"],
            learning_rate=1e-3,
            warmup_steps=0,
            max_grad_norm=1e9,
            micro_batch_tokens=100,
            options=options,
        )
        metrics = updater.update(samples, is_repeated=True)
        assert updater.state_dict()["num_updates"] == 1
        assert updater.state_dict()["last_gradient"] is None
        found.append([p.grad.clone() for p in policy.module.parameters()] + [metrics["loss"]])
    for one, other in zip(*found, strict=True):
        np.testing.assert_array_equal(one, other)


def trained(config: TrainConfig, folder, *, stop_after: int | None = None):
    folder.mkdir(exist_ok=True)
    trainer = Trainer(config, folder)
    trainer.run(
        on_step=[].append,
        on_warning=[].append,
        should_stop=lambda: trainer.steps_done == stop_after,
        tracker=NoTracker(folder),
    )
    return newest_checkpoint(folder / "checkpoints")


def test_a_resumed_run_repeats_the_same_batch(tmp_path):
    tasks = write_tasks(tmp_path / "tasks.jsonl", num_train=12, num_test=2)
    config = TrainConfig(
        tasks=str(tasks),
        allocator="shared",
        group_size=4,
        tasks_per_step=6,
        num_eval_tasks=2,
        eval_every=0,
        steps=5,
        retrospect=2,
        probe_tasks=12,
        learning_rate=5e-3,
        warmup_steps=0,
        seed=1,
    )
    whole = trained(config, tmp_path / "whole")
    trained(config, tmp_path / "cut", stop_after=4)
    resumed = trained(replace(config, resume="yes", out_dir=tmp_path / "cut"), tmp_path / "cut")
    rows = read_rows(tmp_path / "whole" / "metrics.jsonl")
    again = read_rows(tmp_path / "cut" / "metrics.jsonl")
    assert [
        {name: value for name, value in row.items() if not name.startswith("time/")} for row in rows
    ] == [
        {name: value for name, value in row.items() if not name.startswith("time/")}
        for row in again
    ]
    for role in ("thinker", "solver"):
        weights = [
            (folder / role / "model.safetensors").read_bytes() for folder in (whole, resumed)
        ]
        assert weights[0] == weights[1]
    assert any(row.get("retrospect/solver/grad_norm") for row in rows[2:])
    assert all(0 < row["cost/tokens_probe"] < row["cost/tokens_generated"] for row in rows)
