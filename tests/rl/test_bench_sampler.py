from __future__ import annotations

import numpy as np
import pytest

from baselines.bench import sampler
from baselines.bench.sampler import ratio_interval, sampler_cases, thinker_prompts


def test_ratio_interval_of_a_constant_ratio_is_a_point():
    # The machine slows both alike: repeats are drawn in pairs, so the ratio stays 3.
    reference = [10.0, 40.0, 20.0, 80.0, 30.0]
    rates = [3.0 * rate for rate in reference]
    interval = ratio_interval(rates, reference, np.random.default_rng(0))
    assert interval == pytest.approx((3.0, 3.0))


def test_ratio_interval_holds_the_true_ratio_of_noisy_rates():
    rng = np.random.default_rng(0)
    reference = rng.normal(100.0, 5.0, size=200)
    rates = rng.normal(250.0, 10.0, size=200)
    low, high = ratio_interval(rates.tolist(), reference.tolist(), rng)
    assert low < 2.5 < high
    assert high - low < 0.1


def test_thinker_prompts_come_in_groups_of_samples():
    prompts = thinker_prompts(3)
    assert len(prompts) == 3 * sampler.NUM_SAMPLES
    assert len({prompt.text for prompt in prompts}) == 3
    assert prompts[0] == prompts[sampler.NUM_SAMPLES - 1]
    assert "thinker" in prompts[0].text


def test_sampler_cases_count_tokens_up_to_the_end_of_completions(monkeypatch):
    monkeypatch.setattr(sampler, "MAX_NEW_TOKENS", 1)
    assert [case.run() for case in sampler_cases(2)] == [2 * sampler.NUM_SAMPLES] * 2
