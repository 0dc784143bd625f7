"""The endpoint policy against a real server, which a person starts: see docs/endpoint.md."""

from __future__ import annotations

import os

import numpy as np
import pytest

from baselines.policies.base import Completion, Policy, Prompt, Sampling
from baselines.policies.local.hf import HFPolicy
from baselines.policies.registry import load_sampler

SPEC = os.environ.get("CCPO_TEST_ENDPOINT")
"""An endpoint that serves a causal language model in float32."""
WEIGHTS = os.environ.get("CCPO_TEST_ENDPOINT_WEIGHTS")
"""Folder of the same model."""
ROUNDING = 1e-3
"""Largest difference of a log-probability that float32 on both sides explains, in nats."""
QUESTIONS = ["What is 2 + 2?", "Name a colour.", "What is 2 + 2?", "Say hello."] * 2
PROMPTS = [Prompt(text, ({"role": "user", "content": text},)) for text in QUESTIONS]

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(SPEC is None, reason="no server: set CCPO_TEST_ENDPOINT"),
]
needs_weights = pytest.mark.skipif(
    WEIGHTS is None, reason="nothing to compare with: set CCPO_TEST_ENDPOINT_WEIGHTS"
)


@pytest.fixture(scope="module")
def policy() -> Policy:
    return load_sampler(str(SPEC))


def sample(policy: Policy, prompts=PROMPTS, *, seed=0, **settings) -> list[Completion]:
    sampling = Sampling(**{"max_tokens": 16, **settings})
    return policy.sample(prompts, sampling=sampling, rng=np.random.default_rng(seed))


def test_real_server_completes_every_prompt_within_its_limit(policy):
    completions = sample(policy)
    assert all(c.failure is None for c in completions)
    assert all(len(c.token_ids) <= 16 for c in completions)


def test_real_server_draws_equal_prompts_and_other_seeds_anew(policy):
    texts = [c.text for c in sample(policy, PROMPTS[1:2] * 8)]
    assert len(set(texts)) > 1
    assert texts != [c.text for c in sample(policy, PROMPTS[1:2] * 8, seed=1)]


def test_real_server_gives_the_same_for_the_same_seed(policy):
    assert [c.text for c in sample(policy)] == [c.text for c in sample(policy)]


@needs_weights
@pytest.mark.parametrize("temperature", [0.0, 1.0])
def test_real_server_logprobs_are_those_of_the_weights(policy, temperature):
    completions = sample(policy, temperature=temperature)
    scored = HFPolicy.load(str(WEIGHTS)).logprobs(completions)
    for row, completion in zip(scored, completions, strict=True):
        assert len(completion.logprobs) == len(completion.token_ids) > 0
        own = row[: len(completion.token_ids)].tolist()
        assert own == pytest.approx(completion.logprobs, abs=ROUNDING)
