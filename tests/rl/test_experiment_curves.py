"""Learning curves at equal tokens: areas that do not depend on how often a run was evaluated."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from baselines.experiment.curves import curve_at, evaluations_until, mean_until
from baselines.train.schedule import evaluates_before

RECORDED = Path(__file__).parent / "vectors" / "curves.json"
GRID = list(range(0, 1001, 100))


def test_mean_until_is_the_area_of_trapezoids_up_to_the_end():
    values = [0.0, 1.0, *[1.0] * 9]
    # 0.5 on average over the first tenth, and 1 after it
    assert mean_until(GRID, values, 1000) == pytest.approx(0.95)
    assert curve_at(GRID, values, 50) == pytest.approx(0.5)
    tokens = [*range(0, 1000, 100), 1050]
    assert mean_until(tokens, [t / 1050 for t in tokens], 1000) == pytest.approx(500 / 1050)


@pytest.mark.parametrize(
    ("tokens", "until", "expected"),
    [(GRID, 1000, 10), (GRID, 750, 8), (GRID, 700, 7), ([0, 400, 900], 500, 2)],
)
def test_evaluations_count_up_to_the_first_at_or_after_the_end(tokens, until, expected):
    assert evaluations_until(tokens, until) == expected
    assert (mean_until(tokens, [0.5] * len(tokens), until) is None) is (expected < 8)


@pytest.mark.parametrize("until", [1001, 5000])
def test_nothing_is_extrapolated(until):
    with pytest.raises(ValueError, match=f"must have been measured up to {until:,} tokens"):
        mean_until(GRID, GRID, until)
    with pytest.raises(ValueError, match="must have been measured up to 0 tokens, got 5 to 9"):
        mean_until([5, 9], [1.0, 1.0], 7)


@given(
    values=st.lists(st.floats(0.0, 1.0), min_size=11, max_size=11), until=st.floats(901.0, 1000.0)
)
def test_mean_until_lies_within_the_values_and_mirrors(values, until):
    found = mean_until(GRID, values, until)
    assert min(values) - 1e-12 <= found <= max(values) + 1e-12
    mirrored = mean_until(GRID, [1.0 - value for value in values], until)
    assert found == pytest.approx(1.0 - mirrored)


def thinned(tokens, values, every):
    """The evaluations of a run on a grid of tokens, as the trainer chooses them."""
    spent = np.diff(tokens).tolist()
    steps = range(1, len(tokens) + 1)
    kept = [
        evaluates_before(step, spent[: step - 1], every_steps=1, every_tokens=every)
        for step in steps
    ]
    kept[-1] = True  # after training
    pairs = zip(tokens, values, kept, strict=True)
    return zip(*((t, v) for t, v, is_kept in pairs if is_kept), strict=True)


def area(run, budget, num_evaluations):
    end = int(np.argmax(np.array(run["tokens"]) >= budget)) + 1
    tokens, joint = run["tokens"][:end], run["joint"][:end]
    at, values = thinned(tokens, joint, -(-budget // num_evaluations))
    return mean_until(list(at), list(values), budget)


@pytest.mark.parametrize("budget", [20_000, 30_000, 40_000])
@pytest.mark.parametrize("num_evaluations", [8, 10, 12, 16, 20, 30])
def test_areas_of_recorded_runs_do_not_depend_on_the_grid(budget, num_evaluations):
    recorded = json.loads(RECORDED.read_text(encoding="utf-8"))
    areas = {}
    for run in recorded["runs"]:
        found = [area(run, budget, points) for points in (num_evaluations, 10_000)]
        assert None not in found
        assert found[0] == pytest.approx(found[1], abs=0.005)
        areas[run["allocator"], run["seed"]] = found
    seeds = sorted({seed for _, seed in areas})
    assert len(seeds) >= 2
    gains = [np.subtract(areas["branch", seed], areas["shared", seed]) for seed in seeds]
    thin, full = np.mean(gains, axis=0)
    assert thin == pytest.approx(full, abs=0.005)
    assert full < -0.05  # its steps cost twice as many tokens
