from __future__ import annotations

from baselines.common.metrics import METRICS


def test_metrics_have_a_meaning_that_is_a_sentence():
    assert all(meaning.endswith(".") and len(meaning) > 20 for meaning in METRICS.values())
