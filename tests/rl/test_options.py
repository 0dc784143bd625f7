from __future__ import annotations

import numpy as np
import pytest
import torch

from baselines.policies.base import Prompt
from baselines.policies.local.option_scores import option_logprobs
from baselines.policies.registry import load_policy

PROMPTS = [Prompt("47+5="), Prompt("the answer is "), Prompt("2*3=6;6-9=")]


@pytest.fixture(scope="module")
def policy():
    return load_policy("tiny")


def by_hand(policy, prompt: str, option: str, temperature: float = 1.0) -> float:
    """Log-probability of an option by the chain rule, one plain forward pass."""
    encode = policy.tokenizer.encode
    before, after = encode(prompt), encode(option)
    with torch.no_grad():
        logits = policy.module(torch.tensor([before + after])).logits[0]
    logprobs = (logits / temperature).log_softmax(-1)
    return sum(logprobs[len(before) - 1 + n, token].item() for n, token in enumerate(after))


@pytest.mark.parametrize(
    "options",
    ["123", ["12", "3", "go step"], [r"\boxed{A", r"\boxed{B"], ["so A", "so B"], ["so A"]],
    ids=["one token", "several", "one after the same", "one after several", "single"],
)
@pytest.mark.parametrize("max_rows", [1, 2, 99])
@pytest.mark.parametrize("temperature", [1.0, 0.5])
def test_option_logprobs_equal_the_chain_rule(policy, options, max_rows, temperature):
    encode = policy.tokenizer.encode
    table = option_logprobs(
        policy.module,
        [encode(prompt.text) for prompt in PROMPTS],
        [encode(option) for option in options],
        max_rows=max_rows,
        temperature=temperature,
    )
    expected = [
        [by_hand(policy, p.text, option, temperature) for option in options] for p in PROMPTS
    ]
    np.testing.assert_allclose(table, expected, rtol=1e-6, atol=1e-5)


def test_options_after_the_same_words_take_one_forward_pass_per_batch(policy, monkeypatch):
    passes = []
    forward = policy.module.forward
    monkeypatch.setattr(
        policy.module, "forward", lambda *own, **named: passes.append(1) or forward(*own, **named)
    )
    policy.option_logprobs(PROMPTS, [rf"\boxed{{{letter}" for letter in "ABCD"])
    assert len(passes) == 1


def test_policy_counts_the_tokens_it_read(policy):
    table, num_read = policy.option_logprobs(PROMPTS, "123456789")
    assert table.shape == (3, 9)
    assert num_read == sum(len(policy.tokenizer.encode(prompt.text)) for prompt in PROMPTS)
