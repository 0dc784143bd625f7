"""Efficiency of credit from the gradients of a pilot: formulas by other routes, and coverage."""

from __future__ import annotations

import warnings
from dataclasses import replace
from itertools import permutations

import numpy as np
import pytest

from baselines.advise.efficiency import Candidate, Efficiency, Information, Pilot
from baselines.advise.intervals import Joint, simultaneous
from baselines.advise.measurable import MIN_SIGNAL_Z, MIN_TASKS
from baselines.advise.resamples import LogStatistic, widening
from baselines.common.stats.scipy_stats import scipy_stats
from baselines.common.types import FloatArray

NUM_TASKS, WIDTH = 24, 5
TRUE = np.array([1.0, -0.5, 0.25, 0.0, 0.0])


def gradients(noise: float, *, seed: int, along: float = 1.0, parts: int = 1) -> FloatArray:
    rng = np.random.default_rng(seed)
    return along * TRUE + noise * rng.normal(size=(parts, NUM_TASKS, WIDTH))


def candidate(
    values: FloatArray, tokens: float = 10.0, expectation: str | None = None
) -> Candidate:
    return Candidate(
        gradients=values, num_tokens=np.full(NUM_TASKS, tokens), expectation=expectation
    )


def efficiency(pilot: Pilot, own: Information, reference: Information) -> Efficiency:
    return pilot.efficiency(own, pilot.compare(own, reference))


def joint(pilot: Pilot, *pairs: tuple[Information, Information]) -> list[Joint | None]:
    return simultaneous([pilot.compare(own, reference) for own, reference in pairs])


def test_signal_noise_and_projection_equal_loops_over_pairs_of_tasks() -> None:
    unbiased, own = gradients(1.0, seed=0)[0], gradients(2.0, seed=1, parts=2)
    found = Pilot(unbiased, num_resamples=3).information(candidate(own))
    mean = own.mean(axis=0)
    pairs = list(permutations(range(NUM_TASKS), 2))
    assert found.signal == pytest.approx(np.mean([mean[i] @ mean[j] for i, j in pairs]))
    assert found.along == pytest.approx(np.mean([mean[i] @ unbiased[j] for i, j in pairs]))
    covariances = [np.trace(np.cov(part.T)) for part in own]
    assert np.exp(found.noise.value[0]) == pytest.approx(np.mean(covariances))
    # The influence of a task is how far the statistic changes without it.
    without = [
        np.mean([mean[i] @ unbiased[j] for i, j in pairs if left_out not in (i, j)])
        for left_out in range(NUM_TASKS)
    ]
    jackknife = np.sqrt((NUM_TASKS - 1) / NUM_TASKS * np.sum((without - np.mean(without)) ** 2))
    assert found.along_error == pytest.approx(jackknife, rel=0.05)


def test_efficiency_of_one_expectation_is_the_ratio_of_noise_times_tokens() -> None:
    reference, own = gradients(1.0, seed=0), gradients(2.0, seed=1)
    pilot = Pilot(reference[0], expectation="true")
    one, two = (
        pilot.information(candidate(values, tokens, "true"))
        for values, tokens in ((own, 30.0), (reference, 10.0))
    )
    found = efficiency(pilot, one, two)
    noise = [np.trace(np.cov(values[0].T)) for values in (own, reference)]
    assert found.value == pytest.approx(noise[1] * 10.0 / (noise[0] * 30.0))
    assert found.value is not None
    assert found.low is not None
    assert found.high is not None
    assert found.low < found.value < found.high
    assert found.cosine == 1.0
    assert found.tasks_needed is None


def test_projected_efficiency_counts_the_part_along_the_true_gradient() -> None:
    rng = np.random.default_rng(3)
    sideways = np.array([0.0, 0.0, 0.0, 1.5, 0.0])
    reference = TRUE + 0.1 * rng.normal(size=(1, NUM_TASKS, WIDTH))
    own = 2.0 * TRUE + sideways + 0.1 * rng.normal(size=(1, NUM_TASKS, WIDTH))
    pilot = Pilot(reference[0])
    one, two = (pilot.information(candidate(values)) for values in (own, reference))
    found = efficiency(pilot, one, two)
    noise = [np.trace(np.cov(values[0].T)) for values in (own, reference)]
    assert found.value == pytest.approx(4.0 * noise[1] / noise[0], rel=0.05)
    expected = 2.0 * TRUE + sideways
    cosine = expected @ TRUE / np.linalg.norm(expected) / np.linalg.norm(TRUE)
    assert found.cosine == pytest.approx(cosine, abs=0.02)


def test_multiple_of_the_reference_costs_its_tokens_alone() -> None:
    reference = gradients(0.3, seed=0)
    pilot = Pilot(reference[0])
    one = pilot.information(candidate(3.0 * reference, 20.0))
    found = efficiency(pilot, one, pilot.information(candidate(reference, 10.0)))
    assert found.value == pytest.approx(0.5)
    assert found.low == pytest.approx(0.5)
    assert found.high == pytest.approx(0.5)


def test_gradient_that_points_away_has_efficiency_zero() -> None:
    pilot = Pilot(gradients(0.1, seed=0)[0])
    away = pilot.information(candidate(gradients(0.1, seed=1, along=-1.0)))
    found = efficiency(pilot, away, pilot.information(candidate(gradients(0.1, seed=2))))
    assert (found.value, found.low, found.high) == (0.0, 0.0, 0.0)
    assert found.cosine == pytest.approx(-1.0, abs=0.1)


def test_noise_alone_is_not_measurable_and_says_how_many_tasks_would_do() -> None:
    pilot = Pilot(gradients(20.0, seed=0)[0])
    one, two = (pilot.information(candidate(gradients(20.0, seed=seed))) for seed in (1, 2))
    found = efficiency(pilot, one, two)
    assert min(one.z, two.z) < MIN_SIGNAL_Z
    assert (found.value, found.low, found.high) == (None, None, None)
    assert found.tasks_needed is not None
    assert found.tasks_needed > NUM_TASKS
    nothing = pilot.information(candidate(np.zeros((1, NUM_TASKS, WIDTH)), expectation="same"))
    noisy = pilot.information(candidate(gradients(1.0, seed=4), expectation="same"))
    with np.errstate(all="ignore"):
        assert efficiency(pilot, nothing, noisy).value is None


def test_pilot_of_few_tasks_is_refused() -> None:
    with pytest.raises(ValueError, match=f">= {MIN_TASKS} tasks, got 3; raise --groups"):
        Pilot(np.zeros((3, WIDTH)))


def test_parts_of_a_candidate_are_the_gradients_of_single_weights() -> None:
    values = gradients(1.0, seed=0)
    both = candidate(np.concatenate([values, 2.0 * values], axis=-1))
    np.testing.assert_array_equal(both.part(0, 2).gradients, values)
    np.testing.assert_array_equal(both.part(1, 2).gradients, 2.0 * values)


@pytest.mark.no_cover
def test_intervals_of_heavy_tails_cover_the_truth() -> None:
    # Noise of both is a common factor per task times its own, so that they are dependent.
    rng = np.random.default_rng(0)
    hits = num_measurable = 0
    for number in range(150):
        common = rng.exponential(size=(1, 48, 1)) + 0.25
        one, two = (common * rng.normal(size=(1, 48, WIDTH)) for _ in range(2))
        pilot = Pilot(two[0], num_resamples=300, seed=number)
        tokens = np.full(48, 1.0)
        own, reference = (
            pilot.information(Candidate(gradients=values, num_tokens=tokens, expectation="same"))
            for values in (np.sqrt(2.0) * one, two)
        )
        found = efficiency(pilot, own, reference)
        if found.low is not None and found.high is not None:
            num_measurable += 1
            hits += found.low <= 0.5 <= found.high
    assert num_measurable >= 75  # in the others too few tasks hold the noise
    assert hits >= 0.90 * num_measurable  # 95 % on average; 90 %: a chance of 1 in 100 at 95 %


@pytest.mark.no_cover
def test_simultaneous_intervals_hold_the_truth_together() -> None:
    def is_wrong(found: Joint | None) -> bool:
        return found is not None and not found.low <= 1.0 <= found.high

    rng = np.random.default_rng(1)
    num_wrong = num_wrong_alone = 0
    for number in range(60):
        values = rng.normal(size=(9, 1, NUM_TASKS, WIDTH))
        pilot = Pilot(values[0, 0], num_resamples=300, seed=number)
        known = [pilot.information(candidate(own, 10.0, "same")) for own in values]
        pairs = [(own, known[0]) for own in known[1:]]
        num_wrong += any(is_wrong(found) for found in joint(pilot, *pairs))
        num_wrong_alone += any(is_wrong(*joint(pilot, pair)) for pair in pairs)
    assert num_wrong <= 0.11 * 60  # 5 % on average
    assert num_wrong_alone > 2 * num_wrong  # single tests of 8 rows are not enough


@pytest.mark.no_cover
def test_simultaneous_intervals_hold_for_heavy_tails() -> None:
    num_wrong = num_seen = 0
    for number in range(40):
        rng = np.random.default_rng(number)
        scales = np.exp(0.8 * rng.normal(size=(13, 1, 48, 1)))
        values = scales * rng.normal(size=(13, 1, 48, 4 * WIDTH))
        pilot = Pilot(values[0, 0], num_resamples=200, seed=number)
        known = [
            pilot.information(
                Candidate(gradients=own, num_tokens=np.full(48, 1.0), expectation="same")
            )
            for own in values
        ]
        found = [own for own in joint(pilot, *[(own, known[0]) for own in known[1:]]) if own]
        num_seen += bool(found)
        num_wrong += any(not own.low <= 1.0 <= own.high for own in found)
    assert num_seen >= 20
    assert num_wrong <= 5  # 2 on average at 5 %; 6 have a chance of 1 in 70


@pytest.mark.parametrize("num_seen", [1, 5])
@pytest.mark.parametrize("is_reference", [False, True])
def test_noise_of_few_tasks_is_not_measurable(num_seen: int, *, is_reference: bool) -> None:
    few = np.zeros((1, NUM_TASKS, WIDTH))
    few[:, :num_seen] = [1.0, 0.0, 0.0, 0.0, 0.0]
    whole = gradients(1.0, seed=0)
    pilot = Pilot(whole[0], num_resamples=50)
    own, other = (pilot.information(candidate(each, 10.0, "same")) for each in (few, whole))
    shares = ((few[0] - few[0].mean(axis=0)) ** 2).sum(axis=-1)
    effective = shares.sum() ** 2 / (shares**2).sum()
    assert own.effective_tasks == pytest.approx(effective)
    assert effective < 8.0 <= other.effective_tasks
    one, two = (other, own) if is_reference else (own, other)
    found = efficiency(pilot, one, two)
    assert (found.value, found.low, found.high) == (None, None, None)
    assert found.tasks_needed == int(np.ceil(NUM_TASKS * 8.0 / effective))
    assert joint(pilot, (one, two)) == [None]


@pytest.mark.parametrize(("num_seen", "is_known"), [(2, False), (4, True)])
def test_multiple_of_the_reference_needs_few_effective_tasks(
    num_seen: int, *, is_known: bool
) -> None:
    few = np.zeros((1, NUM_TASKS, WIDTH))
    few[:, :num_seen] = [1.0, 0.0, 0.0, 0.0, 0.0]
    pilot = Pilot(gradients(1.0, seed=0)[0], num_resamples=50)
    own, other = (pilot.information(candidate(few, tokens, "same")) for tokens in (20.0, 10.0))
    assert own.effective_tasks < 8.0
    assert own.is_equal(other)
    found, (together,) = efficiency(pilot, own, other), joint(pilot, (own, other))
    if not is_known:  # by chance, credit of two tasks can be a multiple
        assert found.value is None
        assert together is None
        return
    assert (found.low, found.value, found.high) == pytest.approx((0.5, 0.5, 0.5))
    assert together is not None
    assert (together.low, together.high) == pytest.approx((0.5, 0.5))


def test_interval_is_widened_for_tasks_that_few_are_of() -> None:
    equal, one = np.ones(NUM_TASKS), np.zeros(NUM_TASKS)
    one[0] = 1.0
    assert widening(equal) == pytest.approx(np.sqrt(1.0 + 4.0 / NUM_TASKS))
    assert widening(one) == pytest.approx(np.sqrt(5.0))
    assert widening(np.zeros(NUM_TASKS)) == 1.0
    pilot = Pilot(gradients(1.0, seed=0)[0], num_resamples=200)
    own, other = (
        pilot.information(candidate(gradients(1.0, seed=seed), 10.0, "same")) for seed in (1, 2)
    )
    compared = pilot.compare(own, other)
    student = scipy_stats().t.ppf(0.975, NUM_TASKS - 1) * compared.log_error * compared.widening
    found = pilot.efficiency(own, compared)
    assert found.value is not None
    assert found.low is not None
    assert found.high is not None
    assert np.log(found.value / found.low) >= student - 1e-12
    assert np.log(found.high / found.value) >= student - 1e-12


def test_interval_without_an_end_is_not_measurable() -> None:
    # They differ in two opposite tasks, and so not in the resamples without them, nor their errors.
    reference = np.repeat(np.eye(WIDTH)[:1], NUM_TASKS, axis=0)[None]
    reference[:, ::2] *= -1.0
    values = reference.copy()
    values[0, :2] *= 1.5
    pilot = Pilot(reference[0], num_resamples=100)
    own, other = (pilot.information(candidate(each, 10.0, "same")) for each in (values, reference))
    assert min(own.effective_tasks, other.effective_tasks) >= 8.0
    found = efficiency(pilot, own, other)
    assert (found.value, found.low, found.high) == (None, None, None)
    assert found.tasks_needed is not None
    assert found.tasks_needed > NUM_TASKS
    assert joint(pilot, (own, other)) == [None]


def test_simultaneous_intervals_leave_out_what_cannot_be_measured() -> None:
    pilot = Pilot(gradients(20.0, seed=0)[0])
    known = [pilot.information(candidate(gradients(20.0, seed=seed))) for seed in (1, 2)]
    assert joint(pilot, (known[1], known[0])) == [None]


def test_simultaneous_interval_is_wider_in_a_larger_family() -> None:
    rng = np.random.default_rng(2)
    pilot = Pilot(gradients(1.0, seed=0)[0])
    known = [
        pilot.information(candidate(rng.normal(size=(1, NUM_TASKS, WIDTH)), 10.0, "same"))
        for _ in range(12)
    ]
    pairs = [(own, known[0]) for own in known[1:]]
    (alone,), (first, *_) = joint(pilot, *pairs[:1]), joint(pilot, *pairs)
    assert alone is not None
    assert first is not None
    assert first.value == alone.value
    assert first.low < alone.low < alone.value < alone.high < first.high
    single = efficiency(pilot, *pairs[0])
    assert single.value == pytest.approx(alone.value)


def test_influences_that_are_not_finite_make_a_row_unmeasurable_without_a_warning() -> None:
    pilot = Pilot(gradients(0.1, seed=0)[0])
    reference = pilot.information(candidate(gradients(0.1, seed=1)))
    huge = np.full_like(reference.projection.influence, 1e200)
    own = replace(
        reference, expectation="own", projection=LogStatistic(reference.projection.value, huge)
    )
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        found = efficiency(pilot, own, reference)
        assert joint(pilot, (own, reference)) == [None]
    assert found.value is None
    assert found.tasks_needed is not None
    few = reference.projection.influence.copy()
    few[1:4] = 1e200  # three resamples of many are left out
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        most = replace(own, projection=LogStatistic(reference.projection.value, few))
        assert efficiency(pilot, most, reference).value is not None
