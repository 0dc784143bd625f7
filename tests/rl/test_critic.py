"""The critic of a run: features, cross-fitted values, and what they explain."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from baselines.policies.base import Completion
from baselines.policies.local.llama import as_plain_llama
from baselines.policies.scripted import ScriptedPolicy
from baselines.rollouts.costs import CostTracker
from baselines.rollouts.groups import Group
from baselines.rollouts.rollout import Rollout, RolloutRequest
from baselines.train.critic import features, value_model
from baselines.train.critic.critic import FULL_WEIGHT, Critic
from baselines.train.critic.explained_variance import ExplainedVariance
from baselines.train.critic.features import group_features, stacked_states
from baselines.train.critic.value_model import (
    NUM_FOLDS,
    PENALTIES,
    ValueModel,
    fold_of,
    number_of,
)
from ccpo_env.types import Message, Task, Verdict
from tests.rl.policies import hand_made
from tests.rl.teams import PAIR

Step = tuple[list[np.ndarray], list[np.ndarray], list[int]]


def step_of(
    rng: np.random.Generator, *, num_tasks: int = 12, num_turns: int = 2, noise: float = 0.5
) -> Step:
    """Features of groups of four, their rewards, and folds; the first feature tells the reward."""
    x = [rng.normal(size=(4, num_turns, 3)) for _ in range(num_tasks)]
    r = [np.sign(own[:, -1, 0] + noise * rng.normal(size=4)) for own in x]
    return x, r, [task % NUM_FOLDS for task in range(num_tasks)]


def model_of(*steps: Step) -> ValueModel:
    model = ValueModel.new(steps[0][0][0].shape[1], np.ones(3))
    for step in steps:
        model = model.updated(*step)
    return model


def ridge(x: np.ndarray, r: np.ndarray, weights: np.ndarray, penalty: float) -> np.ndarray:
    """Intercept and coefficients by another route: weighted rows and an augmented least squares."""
    total = weights.sum()
    mean = weights @ x / total
    deviation = np.sqrt(weights @ (x - mean) ** 2 / total)
    z = (x - mean) / deviation
    root = np.sqrt(weights)[:, None]
    rows = np.vstack([root * z, np.sqrt(penalty * total) * np.eye(x.shape[1])])
    centred = np.sqrt(weights) * (r - weights @ r / total)
    slopes = np.linalg.lstsq(rows, np.append(centred, np.zeros(x.shape[1])), rcond=None)[0]
    slopes = slopes / deviation
    return np.append(weights @ r / total - slopes @ mean, slopes)


def test_values_are_those_of_ridge_regressions_refitted_without_the_fold() -> None:
    rng = np.random.default_rng(0)
    steps = [step_of(rng), step_of(rng)]
    x, r, weights, folds = [], [], [], []
    for age, step in enumerate(reversed(steps)):
        for own, rewards, fold in zip(*step, strict=True):
            x.append(own[:, 1])
            r.append(rewards)
            weights.append(np.full(4, value_model.DECAY**age))
            folds.append(np.full(4, fold))
    rows = [np.concatenate(part) for part in (x, r, weights, folds)]

    def fitted(left_out: list[int], penalty: float) -> np.ndarray:
        kept = ~np.isin(rows[3], left_out)
        return ridge(rows[0][kept], rows[1][kept], rows[2][kept], penalty)

    found = model_of(*steps).values(steps[1][0], steps[1][2])
    for fold in range(NUM_FOLDS):
        errors = np.zeros(len(PENALTIES))
        for other in set(range(NUM_FOLDS)) - {fold}:
            own = rows[3] == other
            for place, penalty in enumerate(PENALTIES):
                effects = fitted([fold, other], penalty)
                left = rows[1][own] - effects[0] - rows[0][own] @ effects[1:]
                errors[place] += rows[2][own] @ left**2
        effects = fitted([fold], PENALTIES[errors.argmin()])
        for own, values, place in zip(steps[1][0], found, steps[1][2], strict=True):
            if place == fold:
                expected = np.clip(effects[0] + own[:, 1] @ effects[1:], -1, 1)
                np.testing.assert_allclose(values[:, 1], expected, rtol=0, atol=1e-9)


@settings(max_examples=25)
@given(seed=st.integers(0, 2**32 - 1), fold=st.integers(0, NUM_FOLDS - 1))
def test_no_reward_of_a_task_enters_its_values_in_this_step_or_a_later_one(
    seed: int, fold: int
) -> None:
    rng = np.random.default_rng(seed)
    steps = [step_of(rng), step_of(rng)]
    changed = [
        (x, [-own if place == fold else own for own, place in zip(r, folds, strict=True)], folds)
        for x, r, folds in steps
    ]
    before, after = (model_of(*each).values(steps[1][0], steps[1][2]) for each in (steps, changed))
    same = [np.array_equal(one, two) for one, two in zip(before, after, strict=True)]
    assert [same[place] for place, own in enumerate(steps[1][2]) if own == fold].count(False) == 0
    assert not all(same)  # the others have seen the change


def test_the_fold_of_a_task_is_that_of_its_question() -> None:
    folds = [fold_of(f"{n}+{m}") for n in range(40) for m in range(40)]
    assert folds[:4] == [fold_of(text) for text in ("0+0", "0+1", "0+2", "0+3")]
    assert np.bincount(folds).min() > 250  # of 1600 in five folds


def test_a_value_without_data_is_zero_and_without_a_signal_the_mean() -> None:
    x = np.random.default_rng(0).normal(size=(4, 1, 3))
    model = ValueModel.new(1, np.ones(3)).updated([x], [np.ones(4)], [0])
    assert (model.values([x], [0])[0] == 0.0).all()
    np.testing.assert_allclose(model.values([x], [1])[0], 1.0, rtol=0, atol=1e-9)


def test_an_ease_is_a_smaller_penalty() -> None:
    rng = np.random.default_rng(1)
    x, r, folds = step_of(rng, num_tasks=40)
    shrunk, kept = (
        value_model._paths(ValueModel.new(2, e).updated(x, r, folds).moments[1, 0], e)
        for e in (np.ones(3), np.array([10.0, 1.0, 1.0]))
    )
    # 10 times the scale is a hundredth of the penalty: two decades, four steps of the grid.
    alone = value_model._paths(
        ValueModel.new(2, np.full(3, 10.0)).updated(x, r, folds).moments[1, 0], np.full(3, 10.0)
    )
    np.testing.assert_allclose(alone[4:], shrunk[:-4], rtol=0, atol=1e-9)
    assert (np.abs(kept[:, 1]) >= np.abs(shrunk[:, 1])).all()


def explained(*steps: tuple[list[int], list[float], list[float]], decay: float = 0.5):
    found = ExplainedVariance.new(1, decay=decay)
    for tasks, a, b in steps:
        columns = (np.array(each, dtype=float)[:, None] for each in (a, b))
        found = found.updated(np.array(tasks, dtype=float), *columns)
    return found


def test_explained_variance_and_its_standard_error_by_hand() -> None:
    found = explained(([1, 2, 3], [4, 2, 2], [1, 2, 1])).estimate
    assert found.value.tolist() == [0.5]  # 1 - 4 / 8
    # b - a / 2 = -1, 1, 0: the root of the sum of squares is sqrt(2), divided by 8. Effectively
    # there are 64 / 24 tasks.
    number = 64 / 24
    quantile = stats.t.ppf(0.975, number - 1)
    half = quantile * np.sqrt(2.0 * number / (number - 1)) / 8.0
    np.testing.assert_allclose([found.low[0], found.high[0]], [0.5 - half, 0.5 + half])


def test_a_task_that_comes_again_is_one_cluster_in_a_step_and_over_steps() -> None:
    alone = explained(([1, 2, 3], [4, 2, 2], [1, 2, 1])).estimate
    halves = ([1, 1, 2, 2, 3, 3], [2, 2, 1, 1, 1, 1], [0.5, 0.5, 1, 1, 0, 1])
    np.testing.assert_array_equal(explained(halves).estimate, alone)
    # The same rewards twice are no more evidence, while those of other tasks would be.
    step = ([1, 2, 3], [4, 2, 2], [1, 2, 1])
    np.testing.assert_allclose(explained(step, step, decay=1.0).estimate, alone, rtol=1e-12)
    others = ([4, 5, 6], *step[1:])
    assert explained(step, others, decay=1.0).estimate.low[0] > alone.low[0]
    # One task alone says nothing of others.
    lonely = explained(([1, 1, 1], [4, 2, 2], [1, 2, 1])).estimate
    assert (lonely.value[0], lonely.low[0], lonely.high[0]) == (0.5, -np.inf, np.inf)


def test_intervals_of_recurring_tasks_cover_the_explained_variance() -> None:
    """20 tasks, each met in several steps, with values that explain half of their variance."""
    rng = np.random.default_rng(0)
    num_covered = 0
    for _ in range(400):
        a = rng.gamma(2.0, size=20)
        share = rng.uniform(0.0, 1.0, size=20)  # of each task, the same whenever it comes
        statistics = ExplainedVariance.new(1, decay=0.9)
        for _ in range(10):
            met = rng.choice(20, size=10, replace=False)
            noise = rng.uniform(0.9, 1.1, size=10)
            columns = ((own * noise)[:, None] for own in (a[met], (a * share)[met]))
            statistics = statistics.updated(met.astype(float), *columns)
        found = statistics.estimate
        num_covered += bool(found.low[0] <= 0.5 <= found.high[0])
    assert num_covered >= 0.92 * 400


def test_explained_variance_forgets() -> None:
    found = explained(([1, 2], [2, 2], [2, 2]), ([3, 4], [2, 2], [0, 0]))
    np.testing.assert_allclose(found.estimate.value, [1 - 1 / 3])  # weights 1/2 and 1
    assert np.isnan(ExplainedVariance.new(1, decay=0.5).estimate.value).all()
    for _ in range(12):
        found = found.updated(np.array([9.0]), np.ones((1, 1)), np.ones((1, 1)))
    assert found.rows[:, 0].tolist() == [9.0]


def test_the_number_of_a_task_is_whole_and_exact_as_float64() -> None:
    numbers = [number_of(f"{n}+1") for n in range(1000)]
    assert len(set(numbers)) == 1000
    assert all(own == int(own) < 2**52 for own in numbers)
    assert max(numbers) > 2**51


def rollout(texts: tuple[str, str], answer: str | None, *, logprob: float = -0.5) -> Rollout:
    said = tuple(Message(agent, text) for agent, text in zip(PAIR, texts, strict=True))
    completions = tuple(
        Completion(text, (n, 7), tuple(range(len(text))), (logprob,) * len(text))
        for n, text in enumerate(texts)
    )
    status = "correct" if answer == "2" else "wrong"
    request = RolloutRequest(Task("t/0", "1+1", "2"))
    return Rollout(request, said, completions, Verdict(status, answer))


def test_features_of_messages_by_hand() -> None:
    rollouts = [
        rollout(("ab", "2"), "2", logprob=-0.5),
        rollout(("ab", "3"), "3"),
        rollout(("c", "2"), "2"),
    ]
    found = group_features(rollouts, np.full((3, 2, 1), 9.0))
    assert found.shape == (3, 2, 1 + 2 + 7)
    assert (found[..., 0] == 9.0).all()
    # Before the first turn all others are alike; one of the two others has the answer of the third.
    assert found[:, 0, 1].tolist() == [1.0, 1.0, 1.0]
    assert found[:, 0, 2].tolist() == [0.0, 1.0, 0.0]
    # After "ab", the first is like the second, whose answer no third rollout has, and vice versa.
    assert found[:, 1, 1].tolist() == [0.5, 0.5, 0.0]
    assert found[:, 1, 2].tolist() == [0.0, 1.0, 0.0]
    assert (found[:, 0, 3:] == 0.0).all()
    mean, least, p_least, p_mean, whole, length, same = found[0, 1, 3:]
    assert (mean, least, same) == (-0.5, -0.5, 0.5)
    np.testing.assert_allclose([p_least, p_mean, whole], np.exp([-0.5, -0.5, -1.0]))
    assert length == np.log1p(2)


def test_features_read_neither_rewards_nor_what_the_rollout_says_later() -> None:
    rollouts = [rollout(("ab", "2"), "2"), rollout(("ab", "3"), "3"), rollout(("c", "2"), "2")]
    states = np.zeros((3, 2, 1))
    before = group_features(rollouts, states)
    wrong = [replace_verdict(own, Verdict("wrong", own.verdict.answer)) for own in rollouts]
    np.testing.assert_array_equal(group_features(wrong, states), before)
    later = [
        rollout(
            (
                "ab",
                "99",
            ),
            "99",
            logprob=-0.5,
        ),
        *rollouts[1:],
    ]
    np.testing.assert_array_equal(group_features(later, states)[0], before[0])


def replace_verdict(own: Rollout, verdict: Verdict) -> Rollout:
    return Rollout(own.request, own.messages, own.completions, verdict)


def test_hidden_states_of_several_widths_are_brought_to_one() -> None:
    rng = np.random.default_rng(0)
    narrow, wide = rng.normal(size=(3, 4)), rng.normal(size=(3, 500))
    found = stacked_states([narrow, wide])
    assert found.shape == (3, 2, features.MAX_WIDTH)
    np.testing.assert_array_equal(found[:, 0, :4], narrow)
    assert (found[:, 0, 4:] == 0.0).all()
    # Random projections keep angles, and forget lengths.
    np.testing.assert_array_equal(found, stacked_states([narrow, wide]))
    scaled = stacked_states([narrow, 5.0 * wide])
    np.testing.assert_allclose(scaled[:, 1], found[:, 1], rtol=0, atol=1e-12)
    np.testing.assert_allclose(np.linalg.norm(found[:, 1], axis=1), 1.0, atol=0.3)


@pytest.mark.parametrize("family", ["llama", "gpt_neox"])
def test_hidden_states_are_those_of_the_prompt_alone(family: str) -> None:
    import torch

    policy = hand_made(family)
    prompts = [(5, 6, 7), (8,), (5, 6, 7), (9, 9, 9, 9, 9)]
    found = policy.hidden_states(prompts)
    assert found.shape == (4, 32)
    assert found.dtype == np.float64
    for prompt, own in zip(prompts, found, strict=True):
        with torch.no_grad():
            output = policy.module(torch.tensor([prompt]), output_hidden_states=True)
        np.testing.assert_allclose(own, output.hidden_states[-1][0, -1], rtol=0, atol=1e-5)


def test_reading_hidden_states_leaves_the_model_as_it_was() -> None:
    policy = hand_made("llama")
    policy.hidden_states([(5, 6, 7)])
    # With hooks left on its layers, sampling would take another way, with other rounding.
    assert as_plain_llama(policy.module) is policy.module


class Reader(ScriptedPolicy):
    """Shows a hidden state that tells the first message, as the first prompt id does."""

    def __init__(self) -> None:
        super().__init__(["-"])

    def hidden_states(self, prompts):
        return np.array([[float(prompt[0])] for prompt in prompts])


def played(rng: np.random.Generator, *, num_tasks: int = 24, luck: float = 0.1) -> list[Group]:
    """Groups of four in which the message "good" is nearly always followed by a right answer."""
    groups = []
    for number in range(num_tasks):
        task = Task(f"t/{number}", f"{number}+{rng.integers(10**6)}", "2")
        rollouts = []
        for _ in range(4):
            is_good, is_lucky = rng.random() < 0.5, rng.random() < luck
            texts = ("good" if is_good else "bad", "2")
            own = rollout(texts, "2" if is_good != is_lucky else "3")
            prompts = ((0, 1), (1 if is_good else 2, 1))
            completions = tuple(
                replace(c, prompt_ids=ids) for c, ids in zip(own.sampled, prompts, strict=True)
            )
            rollouts.append(Rollout(RolloutRequest(task), own.messages, completions, own.verdict))
        groups.append(Group(task=task, rollouts=tuple(rollouts), removed={}, branches={}))
    return groups


def test_a_critic_takes_over_as_far_as_its_values_explain_rewards() -> None:
    rng, critic = np.random.default_rng(0), Critic([Reader(), Reader()], PAIR)
    weights = []
    for _ in range(4):
        groups = critic.read(played(rng), CostTracker())
        values = critic.values(groups)
        weights.append(critic.weights)
    assert weights[0].tolist() == [0.0, 0.0]  # nothing is known before the first step
    assert weights[-1].tolist() == [1.0, 1.0]
    assert critic.by_messages.low.min() > FULL_WEIGHT
    assert critic.total.low[1] > 0.4
    assert critic.total.value[0] < 0.2  # the question tells nothing
    good = np.array([[own.messages[0].text == "good" for own in g.rollouts] for g in groups])
    after = np.array([own[:, 1] for own in values])
    assert after[good].mean() > 0.5 > -0.5 > after[~good].mean()


def test_a_critic_of_rewards_that_are_luck_has_hardly_any_weight() -> None:
    rng, critic = np.random.default_rng(0), Critic([Reader(), Reader()], PAIR)
    for _ in range(4):
        critic.values(critic.read(played(rng, luck=0.5), CostTracker()))
    assert critic.weights.max() < 0.1
    assert abs(critic.total.value[1]) < 0.1


def test_a_critic_restored_from_its_arrays_goes_on_to_the_bit() -> None:
    rng, critic = np.random.default_rng(0), Critic([Reader(), Reader()], PAIR)
    steps = [critic.read(played(rng), CostTracker()) for _ in range(3)]
    other = Critic([Reader(), Reader()], PAIR)
    other.load_arrays(critic.to_arrays())  # before the first step, there are no values yet
    for step in steps[:2]:
        critic.values(step)
    other.load_arrays(critic.to_arrays())
    for one, two in zip(critic.values(steps[2]), other.values(steps[2]), strict=True):
        np.testing.assert_array_equal(one, two)
    np.testing.assert_array_equal(critic.weights, other.weights)
    for name, array in critic.to_arrays().items():
        np.testing.assert_array_equal(array, other.to_arrays()[name])


def test_a_critic_of_several_processes_is_that_of_one() -> None:
    rng = np.random.default_rng(0)
    alone, first, second = (Critic([Reader(), Reader()], PAIR) for _ in range(3))
    for _ in range(3):
        groups = played(rng)
        groups[3] = replace(groups[3], task=groups[20].task)  # a task that both play
        halves = groups[:13], groups[13:]
        read = [
            group
            for own, critic in zip(halves, (first, second), strict=True)
            for group in critic.read(own, CostTracker())
        ]
        expected = alone.values(alone.read(groups, CostTracker()))
        for critic in (first, second):
            for one, two in zip(critic.values(read), expected, strict=True):
                np.testing.assert_array_equal(one, two)
            np.testing.assert_array_equal(critic.weights, alone.weights)
    for name, array in alone.to_arrays().items():
        np.testing.assert_array_equal(array, first.to_arrays()[name])
        np.testing.assert_array_equal(array, second.to_arrays()[name])


def test_reading_counts_its_cost_and_keeps_empty_groups() -> None:
    costs, critic = CostTracker(), Critic([Reader(), Reader()], PAIR)
    groups = played(np.random.default_rng(0), num_tasks=2)
    empty = Group(task=groups[0].task, rollouts=(), removed={}, branches={})
    read = critic.read([groups[0], empty, groups[1]], costs)
    assert [own.states is None for own in read] == [False, True, False]
    assert critic.read([empty], CostTracker()) == [empty]
    assert critic.values([]) == []
    assert costs.generated["critic"] == 0
    assert costs.read["critic"] == 2 + 2 * 2  # one first prompt, and two that hold a message
    assert costs.critic_s > 0.0


def test_a_policy_without_hidden_states_is_refused() -> None:
    with pytest.raises(ValueError, match=r"hidden states of every policy, got a ScriptedPolicy .*"):
        Critic([Reader(), ScriptedPolicy(["-"])], PAIR)
