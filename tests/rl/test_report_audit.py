"""The credit audit of a run: means over its steps, their intervals, and what is said of them."""

from __future__ import annotations

import numpy as np
import pytest

from baselines.report.narrative import credit_sentence, credit_sentences
from baselines.report.run_audit import MIN_STEPS, AgentAudit, RunMean, mean_over_steps, run_audit


def row(*, slope=0.5, correlation=0.5, groups=10, signal_rate=1.0, degenerate=0.0, agent="a_0"):
    return {
        "rollout/groups": groups,
        f"credit/{agent}/slope_vs_shared": slope,
        f"credit/{agent}/correlation_vs_shared": correlation,
        f"credit/{agent}/variance_ratio": 0.25,
        f"credit/{agent}/degenerate": degenerate,
        f"credit/{agent}/signal_rate": signal_rate,
    }


def audited(*rows) -> AgentAudit:
    (audit,) = run_audit(rows, ["a_0"]).values()
    return audit


def test_steps_weigh_as_many_groups_as_have_a_signal():
    # 10 groups of which 8 have a signal, and 40 of which 2 have one: (8 * 1 + 2 * 0.5) / 10 = 0.9.
    found = audited(
        row(slope=1.0, correlation=0.2, groups=10, signal_rate=0.8),
        row(slope=0.5, correlation=0.7, groups=40, signal_rate=0.05),
    )
    assert found.slope.value == pytest.approx(0.9)
    assert found.correlation.value == pytest.approx(0.3)
    assert found.signal_rate.value == pytest.approx(10 / 50)  # of all groups
    assert found.variance_ratio.value == 0.25
    assert (found.slope.low, found.slope.num_steps) == (None, 2)


def test_the_last_step_of_a_converged_run_decides_nothing():
    silent = row(slope=None, correlation=None, signal_rate=0.0, degenerate=1.0)
    found = audited(row(), row(), silent)
    assert (found.slope.value, found.correlation.value) == (0.5, 0.5)
    assert not found.is_degenerate
    assert found.signal_rate.value == pytest.approx(2 / 3)
    assert audited(row(degenerate=1.0), silent).is_degenerate
    assert not audited(row(degenerate=1.0), row(degenerate=0.0)).is_degenerate
    never = audited(silent)
    assert (never.slope, never.is_degenerate, never.is_practically_shared) == (None, False, False)


def test_agents_without_an_audit_are_left_out():
    assert run_audit([row(), {"step": 2}], ["a_0", "b_0"]).keys() == {"a_0"}
    assert run_audit([], ["a_0"]) == {}


def test_means_of_few_steps_have_no_interval():
    x = np.linspace(0.0, 1.0, MIN_STEPS)
    assert mean_over_steps(x[1:], np.ones(MIN_STEPS - 1)).low is None
    found = mean_over_steps(x, np.ones(MIN_STEPS))
    assert found.low < 0.5 < found.high
    assert mean_over_steps(x * np.nan, np.ones(MIN_STEPS)) is None
    assert found.text(".1f").startswith("0.5 [")
    assert RunMean(0.5, None, None, 3).text(".1f") == "0.5"


def test_the_interval_is_that_of_a_moving_block_bootstrap():
    rng = np.random.default_rng(4)
    num_steps, size = 64, 4
    weights = rng.integers(1, 20, num_steps).astype(float)
    values = np.convolve(rng.normal(size=num_steps + 2), [1, 0.6, 0.3], mode="valid")
    found = mean_over_steps(values, weights)
    starts = rng.integers(num_steps - size + 1, size=(20_000, num_steps // size))
    drawn = (starts[..., None] + np.arange(size)).reshape(20_000, -1)
    means = (weights * values)[drawn].sum(axis=1) / weights[drawn].sum(axis=1)
    # Student's quantile with 64 / 4 - 1 degrees of freedom is 2.131.
    half = 2.131 * means.std()
    assert (found.high - found.low) / 2 == pytest.approx(half, rel=0.12)


def test_the_interval_contains_the_truth_in_about_95_percent_of_dependent_series():
    rng = np.random.default_rng(5)
    num_steps, num_runs, num_hits = 60, 1_000, 0
    weights = np.ones(num_steps)
    for noise in rng.normal(size=(num_runs, num_steps + 1)):
        found = mean_over_steps(noise[1:] + 0.4 * noise[:-1], weights)
        num_hits += found.low <= 0.0 <= found.high
    assert 0.92 <= num_hits / num_runs <= 0.98


def test_intervals_stay_within_the_range_of_the_quantity():
    rows = [row(correlation=1.0 - 1e-3 * (k % 2)) for k in range(20)]
    found = audited(*rows).correlation
    assert found.high <= 1.0
    flat = audited(*[row(correlation=1.0)] * 20).correlation
    assert (flat.low, flat.value, flat.high) == (1.0, 1.0, 1.0)


@pytest.mark.parametrize(
    ("correlation", "degenerate", "expected"),
    [
        (0.5, 0.0, "The credit of a_0 differs from the shared reward."),
        (0.98, 0.0, "The credit of a_0 differs from the shared reward."),
        (0.981, 0.0, "The credit of a_0 is practically the shared reward."),
        (-0.99, 0.0, "The credit of a_0 differs from the shared reward."),
        (
            0.5,
            1.0,
            "The credit of a_0 is the shared reward, rescaled: in every group its",
        ),
    ],
)
def test_credit_close_to_the_shared_reward_is_called_so(correlation, degenerate, expected):
    audit = audited(*[row(correlation=correlation, degenerate=degenerate)] * 12)
    assert credit_sentence("a_0", audit).startswith(expected)
    is_shared = correlation > 0.98 or degenerate == 1.0
    said = credit_sentences({"a_0": audit})
    assert said[0] == (
        f"The credit of a_0 {'is practically' if is_shared else 'differs from'} the shared reward."
    )
    assert said[1].startswith("Correlation with the shared advantage: a_0 ")


def test_credit_sentences_tell_agents_apart_and_give_the_range_of_many():
    silent = audited(row(correlation=None, slope=None, signal_rate=0.0))
    own, shared = audited(row(correlation=0.25)), audited(row(correlation=0.9951))
    assert credit_sentences({"x_0": shared, "x_1": own, "x_2": silent}) == [
        "The credit of x_1 differs from the shared reward.",
        "The credit of x_0 is practically the shared reward.",
        "The advantage of x_2 was zero in every group.",
        "Correlation with the shared advantage: x_0 0.995, x_1 0.250.",
    ]
    many = {f"x_{k}": audited(row(correlation=0.1 * k)) for k in range(7)}
    assert credit_sentences(many) == [
        "The credit of 7 agents differs from the shared reward.",
        "Correlation with the shared advantage: 0.000 to 0.600.",
    ]


def test_credit_of_a_critic_without_its_full_weight_is_not_blamed_for_being_shared():
    def with_weight(*weights):
        rows = [row(correlation=1.0, degenerate=1.0) | {"critic/a_0/weight": w} for w in weights]
        return audited(*rows)

    early, later, full = with_weight(0.0, 0.0), with_weight(0.0, 0.25, None), with_weight(0.5, 1.0)
    told = "so far, and the rest of the credit is the shared reward; see docs/howto/critic.md."
    assert credit_sentence("a_0", early) == f"The critic has weight 0.00 for a_0 {told}"
    assert credit_sentences({"a_0": later, "a_1": early})[0] == (
        f"The critic has weight 0.25 for a_0, 0.00 for a_1 {told}"
    )
    assert credit_sentences({"a_0": full})[0] == (
        "The credit of a_0 is practically the shared reward."
    )
    own = audited(row(correlation=0.4) | {"critic/a_0/weight": 0.5})
    assert credit_sentence("a_0", own) == "The credit of a_0 differs from the shared reward."
