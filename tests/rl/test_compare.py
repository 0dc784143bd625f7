"""Methods compared with a reference: differences by hand, tests, and when there is a verdict."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from baselines.common.evaluation_file import TaskValues
from baselines.common.stats import ALPHA, differences_to_reference, holm, mcnemar
from baselines.common.stats.significance import mcnemar_p_values
from baselines.compare.comparison import compare
from baselines.compare.methods import AgentCredit
from baselines.compare.moments import at_tokens, common_tokens
from baselines.compare.narrative import conclusions, limits
from baselines.evaluate.summary import ALL
from tests.rl.compare_cases import curve_method, evaluation, held_out, method, run_of


def pair(won: int, lost: int, both: int = 10) -> tuple[str, str]:
    """Outcomes of a reference and of a method, which alone solves `won` tasks."""
    return "0" * won + "1" * lost + "1" * both, "1" * won + "0" * lost + "1" * both


def test_evaluations_are_compared_by_task_by_hand():
    first, second = pair(9, 2, 14)
    (found,) = compare([evaluation("a", first), evaluation("b", second)])
    tested = found.tested
    assert (found.method, found.reference, found.benchmark, found.when) == (
        *("b", "a", "b"),
        "evaluation",
    )
    assert (tested.unit, tested.test) == ("tasks", "exact McNemar")
    assert (tested.only_reference, tested.only_method) == (2, 9)
    assert (tested.reference.value, tested.method.value) == pytest.approx((16 / 25, 23 / 25))
    assert tested.difference.value == pytest.approx(7 / 25)
    # 2 of 11 coins or fewer, twice: 2 * (1 + 11 + 55) / 2048
    assert tested.p_value == found.adjusted == pytest.approx(134 / 2048)
    assert found.verdict == "inconclusive"


@settings(max_examples=40)
@given(won=st.integers(0, 12), lost=st.integers(0, 12))
def test_verdict_is_that_of_the_exact_test(won, lost):
    """At least what an exact McNemar test finds, and nothing that it does not."""
    first, second = pair(won, lost)
    (found,) = compare([evaluation("a", first), evaluation("b", second)])
    if mcnemar(lost, won) >= ALPHA:
        assert found.verdict == "inconclusive"
        assert found.tested.difference.low <= 0.0 <= found.tested.difference.high
    else:
        assert found.verdict == ("better" if won > lost else "worse")


@pytest.mark.parametrize("num_methods", [2, 4])
def test_verdicts_without_a_difference_are_rarely_wrong(num_methods):
    """2,000 comparisons of methods that solve each task with equal probability."""
    rng = np.random.default_rng(num_methods)
    tasks = rng.beta(2.0, 1.0, size=(2_000, 1, 200))
    right = rng.random((2_000, num_methods, 200)) < tasks
    reference, others = right[:, :1], right[:, 1:]
    lost, won = (reference & ~others).sum(axis=2), (others & ~reference).sum(axis=2)
    adjusted = np.array([holm(row) for row in mcnemar_p_values(lost, won).tolist()])
    assert 0.005 < (adjusted < ALPHA).any(axis=1).mean() <= 0.06
    for place in (*np.flatnonzero((adjusted < ALPHA).any(axis=1))[:5], *range(5)):
        methods = [
            evaluation(str(number), "".join("01"[int(hit)] for hit in own))
            for number, own in enumerate(right[place])
        ]
        found = [own.verdict != "inconclusive" for own in compare(methods)]
        assert found == (adjusted[place] < ALPHA).tolist()


def test_all_tests_of_a_comparison_are_one_family():
    first, second = pair(9, 1)
    other, third = (held_out(own, benchmark="c").rates for own in pair(6, 3, 20))
    ones = [evaluation(name, first if name == "a" else second) for name in "abd"]
    extra = {"a": other, "b": third, "d": other}
    methods = [
        replace(
            own,
            runs=(
                replace(
                    own.runs[0],
                    points=(
                        replace(
                            own.runs[0].last,
                            rates=TaskValues.of({**own.runs[0].last.rates, **extra[own.name]}),
                        ),
                    ),
                ),
            ),
        )
        for own in ones
    ]
    found = compare(methods)
    names = [(own.method, own.benchmark) for own in found]
    assert names == [(name, group) for name in "bd" for group in ("b", "c", ALL)]
    raw = [mcnemar(1, 9), mcnemar(3, 6), mcnemar(4, 15), mcnemar(1, 9), 1.0, mcnemar(1, 9)]
    assert [own.tested.p_value for own in found] == pytest.approx(raw)
    assert [own.adjusted for own in found] == pytest.approx(holm(raw))


def test_only_tasks_that_both_measured_count():
    (found,) = compare([evaluation("a", "-0000011"), evaluation("b", "1111-111")])
    assert found.tested.difference.num_units == 6
    assert (found.tested.only_reference, found.tested.only_method) == (0, 4)


def test_several_samples_are_compared_by_the_sign_flip_test():
    rng = np.random.default_rng(0)
    methods = [
        method(name, replace(run, seed=None))
        for name, rate in (("a", 0.3), ("b", 0.7))
        for run in [run_of({0: "1" * 60})]
        for point in [run.last]
        for rates in [
            {t: float(v) for t, v in zip(point.rates, rng.binomial(4, rate, 60) / 4, strict=True)}
        ]
        for run in [replace(run, points=(replace(point, tokens=None, rates=TaskValues.of(rates)),))]
    ]
    (found,) = compare(methods)
    assert (found.tested.test, found.tested.only_method) == ("sign flip", None)
    assert (found.verdict, found.tested.difference.low > 0.2) == ("better", True)


def test_runs_that_ended_alike_get_one_verdict():
    first, second = pair(8, 1)
    runs = [run_of({0: first, 990: first}), run_of({0: first, 1000: second})]
    (found,) = compare([method("a", runs[0]), method("b", runs[1])])
    assert (found.when, found.verdict, found.tokens) == ("end", "better", (990, 1000))
    assert found.tested.p_value == pytest.approx(mcnemar(1, 8))


def test_runs_without_a_common_task_at_equal_tokens_get_no_verdict_there():
    """The last evaluations share a task, but not those before and after 180 tokens."""
    one, two = run_of({0: "01--", 300: "--11"}), run_of({0: "0111", 180: "0111"})
    (found,) = compare([method("a", one), method("b", two)])
    assert (found.when, found.verdict) == ("end", None)


def test_a_cheaper_run_is_compared_at_equal_tokens_and_not_at_the_end():
    """The longer run is no better at the tokens of the shorter one, only later."""
    worse, better = pair(9, 0)
    short = run_of({0: worse, 500: worse})
    long = run_of({0: worse, 500: worse, 1000: better})
    equal, end = compare([method("a", short), method("b", long)])
    assert (equal.when, equal.tokens, equal.verdict) == ("equal tokens", (500, 500), "inconclusive")
    assert equal.tested.difference.value == 0.0
    assert (end.when, end.tokens, end.verdict, end.adjusted) == ("end", (500, 1000), None, None)
    assert end.tested.difference.value == pytest.approx(9 / 19)
    assert end.reason == "no verdict: after different numbers of tokens"
    equal, end = compare([method("b", long), method("a", short)])
    assert (equal.verdict, end.verdict) == ("inconclusive", None)


def test_between_two_evaluations_both_must_show_the_difference():
    low, high = pair(9, 0)
    middle = "0" * 4 + "1" * 15
    reference = method("a", run_of({0: low, 500: low}))
    growing = method("b", run_of({0: low, 400: low, 600: high}))
    better = method("c", run_of({0: low, 400: high, 600: high}))
    partly = method("d", run_of({0: low, 400: low, 600: middle}))
    found = {
        own.method: own for own in compare([reference, growing, better, partly]) if own.verdict
    }
    assert {name: own.verdict for name, own in found.items()} == {
        **{"b": "inconclusive", "c": "better"},
        "d": "inconclusive",
    }
    assert all(own.between for own in found.values())
    assert any("--eval-every-tokens" in note for note in limits([reference], [*found.values()]))
    assert found["b"].tested.difference.value == pytest.approx(9 / 19 / 2)  # half way between
    assert found["b"].tested.difference.low <= 0.0
    assert found["c"].tested.only_method is None


def test_moments_are_measured_or_linear_in_the_tokens():
    run = run_of({0: "0000", 100: "1000", 200: "1110"})
    assert at_tokens(run, 101).before is run.points[1]  # within two percent
    between = at_tokens(run, 150)
    assert (between.before, between.after) == (run.points[1], run.points[2])
    assert between.accuracy == pytest.approx(0.5)
    assert between.rates(sorted(between.tasks())).tolist() == [1.0, 0.5, 0.5, 0.0]
    assert at_tokens(run, 300) is None
    assert common_tokens([run, run_of({0: "1", 170: "1"})]) == 170


@settings(max_examples=25)
@given(
    first=st.lists(st.floats(0.2, 0.9), min_size=5, max_size=8),
    gap=st.floats(-0.1, 0.1),
    noise=st.integers(0, 1000),
)
def test_methods_with_seeds_are_compared_by_seed(first, gap, noise):
    rng = np.random.default_rng(noise)
    second = np.clip(np.array(first) + gap + rng.normal(0, 0.03, len(first)), 0, 1).tolist()
    (found,) = compare([curve_method("a", first), curve_method("b", second)])
    values = {"a": dict(enumerate(first)), "b": dict(enumerate(second))}
    expected = differences_to_reference(values, lambda _: "a")["b"]
    assert found.tested.unit == "seeds"
    assert (found.tested.difference.low, found.adjusted) == (expected.low, expected.p_value)
    words = {"above": "better", "below": "worse", "inconclusive": "inconclusive"}
    assert found.verdict == words[expected.conclusion]


@pytest.mark.parametrize("num_seeds", [2, 4])
def test_few_seeds_get_an_interval_and_no_verdict(num_seeds):
    finals = [0.8, 0.81, 0.79, 0.8][:num_seeds]
    methods = [curve_method("a", [own - 0.3 for own in finals]), curve_method("b", finals[::-1])]
    (found,) = compare(methods)
    assert (found.verdict, found.adjusted) == (None, None)
    assert found.tested.difference.low < 0.3 < found.tested.difference.high
    (sentence,) = conclusions([found])
    assert f"over {num_seeds} seeds" in sentence
    assert "no verdict: a test over seeds needs at least 5" in sentence
    assert "takes about 5 seeds" in sentence


def test_one_seed_each_is_said_to_compare_two_runs():
    first, second = pair(8, 1)
    methods = [
        method("a", run_of({0: first, 9: first})),
        method("b", run_of({0: first, 9: second})),
    ]
    (note,) = limits(methods, compare(methods))
    assert note.startswith("One seed each: this compares two runs, not two methods")
    five = [curve_method(name, [0.8, 0.7, 0.9, 0.6, 0.5]) for name in "ab"]
    assert limits(five, compare(five)) == []


@pytest.mark.parametrize(
    ("allocator", "correlation", "is_said"),
    [("counterfactual", 0.99, True), ("counterfactual", 0.9, False), ("shared", 1.0, False)],
)
def test_credit_that_is_practically_the_shared_reward_is_named(allocator, correlation, is_said):
    credit = {"thinker_0": AgentCredit(mean=0.0, share=1.0, correlation=correlation)}
    own = method(allocator, run_of({0: "1", 9: "1"}, credit=credit), allocator=allocator)
    other = method("a", run_of({0: "1", 9: "1"}))
    notes = " ".join(limits([other, own], compare([other, own])))
    assert ("is practically the shared reward" in notes) == is_said


def test_conclusions_name_the_moment_the_test_and_the_counts():
    first, second = pair(9, 0, 21)
    runs = [run_of({0: first, 500: first}), run_of({0: first, 500: second, 9000: second})]
    methods = [method("shared", runs[0]), method("branch", runs[1])]
    (sentence,) = conclusions(compare(methods))
    assert sentence.startswith("branch is better than shared: +0.300 [")
    assert "over 30 tasks at an equal number of tokens (500)" in sentence
    assert (
        "(exact McNemar p = 0.004; 9 tasks right only with branch, 0 only with shared)" in sentence
    )


def test_an_unfinished_run_is_compared_on_what_it_has():
    first, second = pair(8, 0)
    going = run_of({0: first, 9: second}, status="unfinished, 3 of 80 steps")
    methods = [method("a", run_of({0: first, 9: first})), method("b", going)]
    assert compare(methods)[0].verdict == "better"
    assert "b is unfinished, 3 of 80 steps; it is compared on what it has." in limits(
        methods, compare(methods)
    )


def test_each_method_may_have_a_reference_of_its_own():
    methods = [curve_method(name, [0.5, 0.6, 0.7, 0.8, 0.9]) for name in "abcd"]
    by_name = {own.name: own for own in methods}
    references = {"a": "a", "b": "a", "c": "c", "d": "c"}
    found = compare(methods, reference_of=lambda own: by_name[references[own.name]])
    assert [(own.method, own.reference) for own in found] == [("b", "a"), ("d", "c")]


def test_compare_refuses_what_has_nothing_in_common():
    with pytest.raises(
        ValueError, match="must share held-out tasks, got 't/0' of b in a and 't/0' of c in b"
    ):
        compare([evaluation("a", "11"), evaluation("b", "11", benchmark="c")])
    one = method("a", replace(run_of({0: "1", 9: "1"}), questions={("b", "t/0"): "1+1"}))
    two = method("b", replace(run_of({0: "1", 9: "1"}), questions={("b", "t/0"): "1+2"}))
    with pytest.raises(ValueError, match="must have one question, got two for 't/0' in a and b"):
        compare([one, two])
    several = [curve_method("a", [0.5, 0.6]), evaluation("b", "1")]
    with pytest.raises(ValueError, match="must have seeds in common, got 0, 1 in a and none in b"):
        compare(several)
    start = method("b", run_of({0: "1"}))
    with pytest.raises(ValueError, match="must have been evaluated since training began"):
        compare([method("a", run_of({0: "1", 9: "1"})), start])


def test_compare_resamples_by_the_seed():
    rates = {("b", str(i)): (i % 5) / 4 for i in range(40)}
    runs = [
        replace(run_of({0: "1"}), seed=None, points=(replace(held_out("1"), rates=own),))
        for own in (rates, {key: 1.0 - rate / 2 for key, rate in rates.items()})
    ]
    methods = [method("a", runs[0]), method("b", runs[1])]
    lows = [compare(methods, seed=seed)[0].tested.difference.low for seed in (0, 0, 1, 2, 3)]
    assert lows[0] == lows[1]
    assert len(set(lows)) > 1
