from __future__ import annotations

import numpy as np
import pytest

from baselines.bench import sampler_speed
from baselines.bench.sampler_speed import median_ratio, sampler_cases, thinker_prompts


def test_median_ratio_of_a_constant_ratio_is_a_point():
    # The machine slows both alike: repeats are drawn in pairs, so the ratio stays 3.
    reference = [10.0, 40.0, 20.0, 80.0, 30.0]
    rates = [3.0 * rate for rate in reference]
    found = median_ratio(rates, reference, np.random.default_rng(0))
    assert (found.value, found.low, found.high) == pytest.approx((3.0, 3.0, 3.0))


def test_median_ratio_holds_the_true_ratio_of_noisy_rates():
    rng = np.random.default_rng(0)
    reference = rng.normal(100.0, 5.0, size=200)
    rates = rng.normal(250.0, 10.0, size=200)
    found = median_ratio(rates.tolist(), reference.tolist(), rng)
    assert found.value == np.median(rates) / np.median(reference)
    assert found.low < 2.5 < found.high
    assert found.high - found.low < 0.1


def test_thinker_prompts_come_in_groups_of_samples():
    prompts = thinker_prompts(3)
    assert len(prompts) == 3 * sampler_speed.NUM_SAMPLES
    assert len({prompt.text for prompt in prompts}) == 3
    assert prompts[0] == prompts[sampler_speed.NUM_SAMPLES - 1]
    assert "thinker" in prompts[0].text


def test_sampler_cases_count_tokens_up_to_the_end_of_completions(monkeypatch):
    monkeypatch.setattr(sampler_speed, "MAX_NEW_TOKENS", 1)
    assert [case.run() for case in sampler_cases(2)] == [2 * sampler_speed.NUM_SAMPLES] * 2
