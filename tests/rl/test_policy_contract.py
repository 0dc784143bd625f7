"""What every policy keeps to: those in this process and those behind a server."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest
import torch

from baselines.policies.base import Completion, Policy, Prompt, Sampling
from baselines.policies.local.hf import HFPolicy
from baselines.policies.registry import load_policy, load_sampler
from baselines.policies.scripted import ScriptedPolicy
from tests.rl.fake_server import FakeServer, served

pytestmark = pytest.mark.no_cover  # of policies whose own tests run the same lines
TEXTS = ["1+1", "a longer prompt: ", "1+1", "?"] * 2
PROMPTS = [Prompt(text, ({"role": "user", "content": text},)) for text in TEXTS]
CHAT = (
    "{% for message in messages %}{{ message['content'] }}{% endfor %}"
    "{% if add_generation_prompt %}={% endif %}"
)
ENDPOINTS = ("completions", "chat", "single")
SAMPLERS = ("tiny", *ENDPOINTS)
"""Policies that sample tokens of `tiny`."""
ROUNDING = 5e-5


@pytest.fixture(scope="module")
def tiny() -> HFPolicy:
    policy = load_policy("tiny")
    assert isinstance(policy, HFPolicy)
    return policy


@pytest.fixture(scope="module")
def with_chat() -> HFPolicy:
    policy = load_policy("tiny")
    assert isinstance(policy, HFPolicy)
    policy.tokenizer.chat_template = CHAT
    return policy


@pytest.fixture(scope="module")
def policies(tiny, with_chat) -> Iterator[dict[str, Policy]]:
    with FakeServer(served(tiny)) as plain, FakeServer(served(with_chat)) as chat:
        options = {"read_timeout_s": 60}
        yield {
            "scripted": ScriptedPolicy(lambda text: f"reply to {text}"),
            "tiny": tiny,
            "completions": load_sampler(plain.spec(api="completions", **options)),
            "chat": load_sampler(chat.spec(api="chat", **options)),
            "single": load_sampler(plain.spec(api="completions", max_samples=1, **options)),
        }


@pytest.fixture
def policy(request, policies) -> Policy:
    return policies[request.param]


@pytest.fixture
def scorer(request, tiny, with_chat) -> HFPolicy:
    """The weights that a policy samples from, in this process."""
    return with_chat if request.node.callspec.params["policy"] == "chat" else tiny


def sample(policy: Policy, prompts=PROMPTS, *, seed=0, **settings) -> list[Completion]:
    sampling = Sampling(**{"max_tokens": 12, **settings})
    return policy.sample(prompts, sampling=sampling, rng=np.random.default_rng(seed))


every_policy = pytest.mark.parametrize("policy", ["scripted", *SAMPLERS], indirect=True)
every_sampler = pytest.mark.parametrize("policy", SAMPLERS, indirect=True)


@every_policy
@pytest.mark.parametrize("num_prompts", [0, 1, len(PROMPTS)])
def test_sample_returns_one_completion_per_prompt(policy, num_prompts):
    completions = sample(policy, PROMPTS[:num_prompts])
    assert len(completions) == num_prompts
    assert all(isinstance(c.text, str) and c.failure is None for c in completions)


@every_policy
def test_sample_gives_the_same_for_the_same_rng_state(policy):
    assert sample(policy, seed=1) == sample(policy, seed=1)


@every_policy
def test_sample_moves_no_global_rng(policy):
    of_torch, of_numpy = torch.random.get_rng_state(), np.random.get_state()[1].copy()  # noqa: NPY002
    sample(policy)
    assert torch.equal(torch.random.get_rng_state(), of_torch)
    assert (np.random.get_state()[1] == of_numpy).all()  # noqa: NPY002


@every_policy
def test_sample_keeps_the_order_of_the_prompts(policy):
    by_prompt = {}
    for prompt, completion in zip(PROMPTS, sample(policy, temperature=0.0), strict=True):
        by_prompt.setdefault(prompt.text, completion.text)
    backwards = sample(policy, PROMPTS[::-1], seed=1, temperature=0.0)
    assert [c.text for c in backwards] == [by_prompt[p.text] for p in PROMPTS[::-1]]
    assert len(set(by_prompt.values())) > 1  # else any order would do


@every_sampler
def test_sample_draws_anew_with_another_rng_and_with_the_next_call(policy):
    rng = np.random.default_rng(1)
    first = policy.sample(PROMPTS, sampling=Sampling(), rng=rng)
    second = policy.sample(PROMPTS, sampling=Sampling(), rng=rng)
    assert [c.text for c in first] != [c.text for c in second]
    assert [c.text for c in first] != [c.text for c in sample(policy, seed=2)]


@every_sampler
def test_sample_draws_equal_prompts_independently(policy):
    texts = [c.text for c in sample(policy, PROMPTS[:1] * 20)]
    assert len(set(texts)) > 5


@every_sampler
def test_sample_gives_the_ids_of_the_prompt_as_the_model_read_it(policy, scorer):
    for prompt, completion in zip(PROMPTS, sample(policy), strict=True):
        read = prompt.text + "=" * bool(scorer.tokenizer.chat_template)
        assert scorer.tokenizer.decode(list(completion.prompt_ids)) == read


@every_sampler
@pytest.mark.parametrize("max_tokens", [1, 3])
def test_sample_keeps_to_max_tokens(policy, max_tokens):
    lengths = {len(c.token_ids) for c in sample(policy, max_tokens=max_tokens)}
    assert max(lengths) == max_tokens
    assert min(lengths) >= 1


@every_sampler
def test_sample_logprobs_are_those_of_the_model(policy, scorer):
    completions = sample(policy)
    totals = [sum(c.logprobs) for c in completions]
    assert all(len(c.logprobs) == len(c.token_ids) > 0 for c in completions)
    assert all(logprob <= 0 for c in completions for logprob in c.logprobs)
    scored = scorer.logprobs(completions).sum(dim=1).tolist()
    assert totals == pytest.approx(scored, abs=ROUNDING * 32)
    assert len({round(total, 6) for total in totals}) > 3


@pytest.mark.parametrize("policy", ENDPOINTS, indirect=True)
def test_sample_of_an_endpoint_is_that_of_its_model_when_nothing_is_drawn(policy, scorer):
    there, here = (sample(own, temperature=0.0) for own in (policy, scorer))
    for remote, local in zip(there, here, strict=True):
        assert (remote.text, remote.token_ids) == (local.text, local.token_ids)
        assert remote.logprobs == pytest.approx(local.logprobs, abs=ROUNDING)
