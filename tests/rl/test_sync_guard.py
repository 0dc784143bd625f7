"""The guard: false alarms on recorded gaps of a bfloat16 server, and what it catches."""

from __future__ import annotations

import json
import math
from pathlib import Path

import numpy as np
import pytest

from baselines.common.stats.cluster_sums import ClusterSums
from baselines.train.engines.sync_guard import (
    FALSE_ALARM_RATE,
    FLOAT32_LIMIT,
    NUM_REFERENCE_BATCHES,
    START_LIMIT,
    StaleServerError,
    SyncGuard,
)

RECORDED = Path(__file__).parent / "data" / "bfloat16_gaps.json"
ROLES = ("thinker", "solver")
Rows = list[np.ndarray]


@pytest.fixture(scope="module")
def recorded() -> dict[str, dict[str, list[Rows]]]:
    """Batches of gaps in nats by role, of the same ("right") and of moved weights."""
    units = json.loads(RECORDED.read_text(encoding="utf-8"))
    return {
        kind: {
            role: [[np.array(row) * 1e-4 for row in batch] for batch in units[kind][role]]
            for role in ROLES
        }
        for kind in ("right", "moved")
    }


def alarms(guard: SyncGuard, batches: list[Rows]) -> list[bool]:
    """Whether each batch is an alarm."""
    found = []
    for version, rows in enumerate(batches):
        try:
            guard.check(rows, name="thinker", version=version)
        except StaleServerError:
            found.append(True)
        else:
            found.append(False)
    return found


def drawn(rng: np.random.Generator, batches: list[Rows], size: int, number: int) -> list[Rows]:
    """Batches of completions that are drawn from all batches, with replacement."""
    pool = [row for batch in batches for row in batch]
    return [[pool[i] for i in rng.integers(len(pool), size=size)] for _ in range(number)]


@pytest.mark.parametrize("size", [8, 16, 64])
def test_false_alarms_on_recorded_gaps_are_rarer_than_stated(recorded, size):
    rng = np.random.default_rng(0)
    steps, alarmed = 0, 0
    for _ in range(40):
        runs = [
            alarms(SyncGuard(num_guards=2), drawn(rng, recorded["right"][role], size, 25))
            for role in ROLES
        ]
        steps += 25
        alarmed += sum(map(any, zip(*runs, strict=True)))
    assert FALSE_ALARM_RATE <= 1e-3
    assert alarmed <= 1e-3 * steps


def test_no_recorded_batch_is_an_alarm_in_any_order(recorded):
    rng = np.random.default_rng(0)
    for role in ROLES:
        batches = recorded["right"][role]
        for _ in range(20):
            order = rng.permutation(len(batches))
            assert not any(alarms(SyncGuard(num_guards=2), [batches[i] for i in order]))


@pytest.mark.parametrize("num_right", [1, NUM_REFERENCE_BATCHES])
@pytest.mark.parametrize("role", ROLES)
def test_weights_moved_by_a_percent_are_an_alarm_at_once(recorded, role, num_right):
    right, moved = recorded["right"][role][:num_right], recorded["moved"][role]
    for batch in moved:
        assert alarms(SyncGuard(num_guards=2), [*right, batch]) == [False] * num_right + [True]


def test_sums_give_the_mean_and_the_standard_error_of_clusters():
    rows = [np.array([1.0, 2.0]), np.array([4.0]), np.array([0.0, 0.0, 5.0])]
    found = ClusterSums.of(rows[:1]) + ClusterSums.of(rows[1:])
    # Mean 12 / 6; residuals of completions: 3 - 4, 4 - 2, 5 - 6.
    assert found.mean == 2.0
    assert found.standard_error == pytest.approx(math.sqrt((1 + 4 + 1) * 3 / 2) / 6)
    assert found.num_clusters == 3
    assert math.isnan(ClusterSums.of(rows[:1]).standard_error)


def level(value: float, seed: int = 0) -> Rows:
    """A batch of 16 completions of 10 tokens, exponential gaps with a mean."""
    quantiles = -np.log1p(-(np.arange(160) + 0.5) / 160)
    return list(value * np.random.default_rng(seed).permutation(quantiles).reshape(16, 10))


@pytest.mark.parametrize(
    ("is_float32", "batches", "expected"),
    [
        (True, [5e-7, 8e-6], False),  # negligible, though it has grown
        (True, [5e-6, 5e-5], True),
        (True, [1.1 * FLOAT32_LIMIT], True),
        (False, [1.1 * FLOAT32_LIMIT], False),
        (False, [0.9 * START_LIMIT], False),
        (False, [1.1 * START_LIMIT], True),
        (False, [0.04, 0.048], False),
        (False, [0.04, 0.08], True),
        (False, [float("nan")], True),
        (False, [0.04, float("inf")], True),
        (False, [0.0, 0.0], False),
    ],
)
def test_alarms_by_the_level_of_the_gaps(is_float32, batches, expected):
    guard = SyncGuard(is_float32=is_float32)
    assert alarms(guard, [level(value) for value in batches])[-1] is expected
    assert guard.num_batches == len(batches) - expected


def test_a_growing_tail_is_an_alarm_though_the_mean_is_not():
    rng = np.random.default_rng(0)
    first = [rng.exponential(0.03, 20) for _ in range(32)]
    threshold = np.quantile(np.concatenate(first), 0.95)
    # The tokens above the threshold double, at the cost of the others: the mean grows little.
    tail = [np.where(rng.random(20) < 0.1, 1.05 * threshold, 0.8 * row) for row in first]
    assert np.concatenate(tail).mean() < 1.25 * np.concatenate(first).mean()
    assert alarms(SyncGuard(), [first, tail]) == [False, True]


def test_one_completion_is_no_evidence_of_growth():
    assert alarms(SyncGuard(), [level(0.02), [np.full(40, 0.09)]]) == [False, False]


def test_reference_is_that_of_the_first_batches_and_survives_a_restart():
    guard = SyncGuard()
    for number in range(NUM_REFERENCE_BATCHES + 3):
        guard.check(level(0.04 + 0.0005 * number), name="thinker", version=number)
    assert guard.num_batches == NUM_REFERENCE_BATCHES
    assert guard.reference[0].mean == pytest.approx(0.04 + 0.0005 * 3.5, rel=0.01)
    again = SyncGuard()
    again.load_state_dict(json.loads(json.dumps(guard.state_dict())))
    assert again == guard
    empty = SyncGuard()
    empty.load_state_dict(json.loads(json.dumps(SyncGuard().state_dict())))
    assert empty.num_batches == 0
    assert alarms(empty, [level(0.04)]) == [False]


def test_an_alarm_says_what_to_do_in_one_sentence():
    guard = SyncGuard()
    guard.check(level(0.02), name="solver", version=0)
    with pytest.raises(StaleServerError, match=r"gap of 0\.099 nats, 0\.02 at the start") as error:
        guard.check(level(0.099), name="solver", version=1)
    assert "for solver after sync 1; start it from" in str(error.value)
    assert "\n" not in str(error.value)
