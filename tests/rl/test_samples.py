from __future__ import annotations

import numpy as np
import pytest

from baselines.optimizers import OPTIMIZERS
from baselines.policies.base import Completion, Prompt, Sampling
from baselines.policies.registry import load_policy
from baselines.rollouts.groups import Group
from baselines.rollouts.rollout import Rollout, RolloutRequest
from baselines.train.samples import (
    count_tokens,
    reference_divergence,
    shaped_credit,
    training_samples,
)
from baselines.train.update.forward import score
from ccpo_env.types import Verdict
from tests.rl.teams import TASK, rollout

PAIRS = [("four", "22"), ("eighteen", "2")]
GROUP = Group(TASK, tuple(rollout("correct", texts=texts) for texts in PAIRS), {}, {})


def said(*completions: Completion) -> Rollout:
    return Rollout(RolloutRequest(TASK), (), completions, Verdict("correct"))


def written(text: str) -> Completion:
    return Completion(text, (), tuple(range(len(text))))


THREE_TURNS = Group(TASK, (said(written("four"), written("a"), written("bcd")),), {}, {})


def test_count_tokens_of_each_turn():
    assert [count.tolist() for count in count_tokens([GROUP, GROUP], 2)] == [[[4, 2], [8, 1]]] * 2
    assert [count.tolist() for count in count_tokens([THREE_TURNS], 3)] == [[[4, 1, 3]]]


def test_training_samples_are_the_completions_of_the_trained_agents_with_their_advantage():
    advantages = [np.array([[0.5, -1.0], [0.25, 2.0]])]
    samples = training_samples([GROUP], advantages, {1})
    assert [(sample.completion.text, sample.advantage) for sample in samples] == [
        ("22", -1.0),
        ("2", 2.0),
    ]
    assert len(training_samples([GROUP], advantages, {0, 1})) == 4


def test_training_samples_cut_advantages_per_token_to_the_turns():
    per_token = np.arange(12.0).reshape(1, 3, 4)
    samples = training_samples([THREE_TURNS], [per_token], {1, 2})
    assert [sample.advantage for sample in samples] == [(4.0,), (8.0, 9.0, 10.0)]


def test_shaped_credit_takes_off_what_an_agent_wrote_too_long():
    dapo = OPTIMIZERS["dapo"].with_hyperparameters(overlong_weight=1.0, overlong_rate=0.5)
    (shaped,) = shaped_credit(dapo, [np.ones((2, 2))], [GROUP], [8, 99])
    # The thinker may write 8 tokens, of which the last 4 cost: 4 tokens nothing, 8 tokens 1.
    assert shaped.tolist() == [[1.0, 1.0], [0.0, 1.0]]


def test_reference_divergence_is_zero_against_the_sampler_and_positive_on_average_elsewhere():
    policy, other = load_policy("tiny"), load_policy("tiny")
    for parameter in other.module.parameters():
        parameter.data *= 0.9
    prompts = [Prompt("47+5="), Prompt("47+5=2;2*3=")] * 30
    rng = np.random.default_rng(0)
    said_first = policy.sample(prompts, sampling=Sampling(max_tokens=4), rng=rng)
    thoughts, answers = said_first[:30], said_first[30:]
    rollouts = tuple(said(*turns) for turns in zip(thoughts, answers, answers[::-1], strict=True))
    groups = [Group(TASK, rollouts[:20], {}, {}), Group(TASK, rollouts[20:], {}, {})]
    for reference, mean in ((policy, 0.0), (other, None)):
        found = reference_divergence(
            groups, [None, reference, reference], micro_batch_tokens=[512] * 3
        )
        pooled = np.concatenate([group[:, 1].ravel() for group in found])
        if mean is None:
            assert pooled.sum() > 0.0  # a KL divergence, from samples of the policy
        else:
            assert np.abs(pooled).max() == pytest.approx(mean, abs=1e-4)
        assert all((group[:, 0] == 0.0).all() for group in found)  # no reference for the thinker
        # Each token of each turn is compared with the reference on its own.
        for group, divergence in zip(groups, found, strict=True):
            for played, own in zip(group.rollouts, divergence, strict=True):
                for turn in (1, 2):
                    completion = played.sampled[turn]
                    (expected,) = score(reference, [completion], micro_batch_tokens=512)
                    num_tokens = len(completion.token_ids)
                    difference = np.array(completion.logprobs) - expected
                    np.testing.assert_allclose(own[turn, :num_tokens], difference, atol=1e-4)
                    assert (own[turn, num_tokens:] == 0.0).all()
