from __future__ import annotations

import numpy as np
import pytest

from baselines.policies.base import Prompt, Sampling
from baselines.policies.scripted import ScriptedPolicy


def replies(policy: ScriptedPolicy, *texts: str) -> list[str]:
    prompts = [Prompt(text) for text in texts]
    rng = np.random.default_rng(0)
    return [c.text for c in policy.sample(prompts, sampling=Sampling(), rng=rng)]


def test_sample_calls_a_function_with_the_text_of_each_prompt():
    assert replies(ScriptedPolicy(str.upper), "a", "b") == ["A", "B"]


def test_sample_gives_texts_in_turn_over_all_calls():
    policy = ScriptedPolicy(["x", "y", "z"])
    assert replies(policy, "1", "2") == ["x", "y"]
    assert replies(policy, "3", "4") == ["z", "x"]


def test_sample_has_no_tokens():
    (completion,) = ScriptedPolicy(["x"]).sample(
        [Prompt("p")], sampling=Sampling(), rng=np.random.default_rng(0)
    )
    assert (completion.prompt_ids, completion.token_ids, completion.logprobs) == ((), (), ())


def test_sample_of_no_prompts_is_empty():
    assert replies(ScriptedPolicy(["x"])) == []


def test_replies_may_not_be_empty():
    with pytest.raises(ValueError, match="replies must hold at least one text, got none"):
        ScriptedPolicy([])


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"temperature": -0.5}, "temperature must be a number >= 0, got -0.5"),
        ({"max_tokens": 0}, "max_tokens must be >= 1, got 0"),
    ],
)
def test_sampling_names_what_is_out_of_range(settings, message):
    with pytest.raises(ValueError, match=message):
        Sampling(**settings)
