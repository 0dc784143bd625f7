from __future__ import annotations

import numpy as np
import pytest

from baselines.optimizers import OPTIMIZERS
from baselines.policies.base import Completion, Prompt, Sampling
from baselines.policies.registry import load_policy
from baselines.rollouts.groups import Group
from baselines.rollouts.runner import Rollout, RolloutRequest
from baselines.train.samples import (
    count_tokens,
    reference_divergence,
    shaped_credit,
    training_samples,
)
from ccpo_env.types import Verdict
from tests.rl.teams import PAIR, TASK, rollout

PAIRS = [("four", "22"), ("eighteen", "2")]
GROUP = Group(TASK, tuple(rollout("correct", texts=texts) for texts in PAIRS), {}, {})


def twice(first: str, second: str) -> Rollout:
    """A rollout in which the solver speaks twice."""
    own = tuple(Completion(text, (), tuple(range(len(text)))) for text in (first, second))
    thought = (Completion("four", (), (0, 1, 2, 3)),)
    completions = {"thinker_0": thought, "solver_0": own}
    return Rollout(RolloutRequest(TASK), (), completions, Verdict("correct"))


def test_count_tokens_adds_the_turns_of_an_agent():
    counts = count_tokens([GROUP, Group(TASK, (twice("a", "bcd"),), {}, {})], PAIR)
    assert [count.tolist() for count in counts] == [[[4, 2], [8, 1]], [[4, 4]]]


def test_training_samples_are_the_completions_of_the_trained_agents_with_their_advantage():
    advantages = [np.array([[0.5, -1.0], [0.25, 2.0]])]
    samples = training_samples([GROUP], advantages, PAIR, {"solver_0"})
    assert [(sample.completion.text, sample.advantage) for sample in samples] == [
        ("22", -1.0),
        ("2", 2.0),
    ]
    assert len(training_samples([GROUP], advantages, PAIR, set(PAIR))) == 4


def test_training_samples_cut_advantages_per_token_to_the_turns():
    group = Group(TASK, (twice("a", "bcd"),), {}, {})
    per_token = np.arange(8.0).reshape(1, 2, 4)
    samples = training_samples([group], [per_token], PAIR, {"solver_0"})
    assert [sample.advantage for sample in samples] == [(4.0,), (5.0, 6.0, 7.0)]


def test_shaped_credit_takes_off_what_an_agent_wrote_too_long():
    dapo = OPTIMIZERS["dapo"].with_hyperparameters(overlong_weight=1.0, overlong_rate=0.5)
    limits = {"thinker_0": 8, "solver_0": 99}
    (shaped,) = shaped_credit(dapo, [np.ones((2, 2))], [GROUP], limits)
    # The thinker may write 8 tokens, of which the last 4 cost: 4 tokens nothing, 8 tokens 1.
    assert shaped.tolist() == [[1.0, 1.0], [0.0, 1.0]]


def test_reference_divergence_is_zero_against_the_sampler_and_positive_on_average_elsewhere():
    policy, other = load_policy("tiny"), load_policy("tiny")
    for parameter in other.module.parameters():
        parameter.data *= 0.9
    prompts = [Prompt("47+5="), Prompt("47+5=2;2*3=")] * 30
    rng = np.random.default_rng(0)
    said = policy.sample(prompts, sampling=Sampling(max_tokens=4), rng=rng)
    rollouts = tuple(
        Rollout(RolloutRequest(TASK), (), {"thinker_0": (c,), "solver_0": (c, c)}, Verdict("wrong"))
        for c in said
    )
    groups = [Group(TASK, rollouts[:20], {}, {}), Group(TASK, rollouts[20:], {}, {})]
    for references, mean in (({"solver_0": policy}, 0.0), ({"solver_0": other}, None)):
        found = reference_divergence(
            groups,
            PAIR,
            references,
            micro_batch_tokens=dict.fromkeys(PAIR, 512),
        )
        pooled = np.concatenate([group[:, 1].ravel() for group in found])
        if mean is None:
            assert pooled.sum() > 0.0  # a KL divergence, from samples of the policy
        else:
            assert np.abs(pooled).max() == pytest.approx(mean, abs=1e-4)
        assert all((group[:, 0] == 0.0).all() for group in found)  # no reference for the thinker
        for group, part in zip(found, (said[:20], said[20:]), strict=True):
            num_tokens = 2 * len(part[0].token_ids)  # two turns stand in a sample
            assert (group[0, 1, num_tokens:] == 0.0).all()
