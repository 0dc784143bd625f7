"""Methods compared with a reference: differences by hand, tests, and when there is a verdict."""

from __future__ import annotations

import json
import re
import shlex
import tracemalloc
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from baselines.common.evaluation_file import TaskValues
from baselines.common.stats import ALPHA, differences_to_reference, holm, mcnemar
from baselines.common.stats.significance import mcnemar_p_values
from baselines.common.wording import tie_note
from baselines.compare.comparison import compare
from baselines.compare.figures import differences
from baselines.compare.folders import read_methods
from baselines.compare.methods import AgentCredit, Run
from baselines.compare.moments import at_tokens, common_tokens
from baselines.compare.narrative import conclusions, limits
from baselines.compare.removals import lost_without
from baselines.compare.run_folder import read_run
from baselines.compare.tables import DASH, comparison_grid
from baselines.evaluate.summary import ALL
from baselines.pages.svg import tick
from baselines.train.command import read_config
from baselines.train.config import TrainConfig
from tests.rl.compare_cases import (
    curve_method,
    evaluation,
    held_out,
    method,
    put,
    run_of,
    write_run,
)


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
    assert not any(own.tested.is_measured for own in found.values())
    assert any("--eval-every-tokens" in note for note in limits([growing], [*found.values()]))
    assert found["b"].tested.difference.low <= 0.0
    assert found["b"].tested.difference.high >= 9 / 19
    assert found["c"].tested.only_method is None


def test_what_was_not_measured_has_no_number_and_no_test_anywhere():
    """The method was evaluated after 400 and 600 tokens, the reference after 500."""
    low, high = pair(9, 0)
    methods = [
        method("a", run_of({0: low, 500: low})),
        method("b", run_of({0: low, 400: low, 600: high})),
        method("c", run_of({0: low, 400: high, 600: high})),
    ]
    found = [own for own in compare(methods) if own.when == "equal tokens"]
    grid = comparison_grid(found)
    unsure, better = grid.rows
    assert unsure[1:3] == ("[-0.168, +0.683]", "inconclusive")
    assert unsure[4] == better[4] == f"0.526 → {DASH}"
    assert better[2] == "better, p <= 0.008"
    assert f"{DASH}: not measured at these tokens" in grid.note
    assert "Holm" in grid.note
    assert "Holm" not in comparison_grid(found[:1]).note  # no p-value is shown
    one, two = conclusions(found)
    condition = (
        " after 500 tokens each was not measured, because a run was not evaluated there. If "
        "accuracy does not fall between the evaluations before and after, it lies in ["
    )
    assert one == (
        f"The difference between b and a{condition}-0.168, +0.683] over 19 tasks: inconclusive."
    )
    start, _, end = two.partition(condition)
    assert start == "The difference between c and a"
    assert re.fullmatch(
        r"\+0.\d+, \+0.\d+\] over 19 tasks: c is better than a \(p <= 0.008 in both, Holm over 2 "
        r"tests\)\.",
        end,
    )
    for own in found:
        written = own.to_json()
        assert written["difference"]["value"] is written["method"] is written["test"] is None
        assert written["difference"]["high"] >= 9 / 19
        assert written["reference"]["value"] == pytest.approx(10 / 19)
    drawn = differences(found)
    assert [row[1] for row in drawn.rows] == [own[1] for own in grid.rows]
    assert "Without a mark: not measured" in drawn.caption
    at_ends = conclusions(compare(methods))[0].partition("inconclusive.")[2]
    assert at_ends.startswith(
        " At the ends, at unequal tokens (500 of a, 600 of b), it is +0.474 ["
    )


def test_the_command_that_measures_a_difference_evaluates_at_those_tokens(tmp_path):
    """The method is evaluated after 400 and 600 tokens, the reference last after 500."""
    short = write_run(tmp_path / "a", {0: "01", 500: "01"})
    folder = write_run(tmp_path / "b c", {0: "01", 400: "01", 600: "11"}, allocator="branch")
    start = TrainConfig(allocator="branch", eval_every=3, seed=4)
    put(folder / "config.json", json.dumps(start.to_json()))
    methods = read_methods([short, folder], "joint")
    (note,) = [own for own in limits(methods, compare(methods)) if "--eval-every-tokens" in own]
    assert note.count("ccpo train") == 1  # the reference was evaluated there
    words = shlex.split(note[note.index("ccpo train") : note.index("-measured'") + 10])
    config = read_config(words[2:])
    assert (config.out_dir, config.eval_every_tokens) == (tmp_path / "b c-measured", 500)
    assert replace(config, out_dir=None, config=None).to_json() == {
        **start.to_json(),
        **{"eval_every": TrainConfig().eval_every, "eval_every_tokens": 500},
    }
    assert "A step samples up to 300 tokens" in note


def test_notes_are_told_once_and_name_other_teams():
    one, two = run_of({0: "0" * 8, 500: "01" * 4}), run_of({0: "0" * 8, 500: "01--", 900: "11--"})
    methods = [
        method("a", one, topology="chain", num_thinkers=1),
        method("b", two, topology="vote", num_thinkers=1, num_voters=3),
    ]
    found = compare(methods)
    assert len(found) == 2
    notes = limits(methods, found)
    assert len([note for note in notes if "are paired" in note]) == 1
    assert "The teams differ as well: topology is chain in a, vote in b." in notes


def test_moments_are_those_before_and_after_a_number_of_tokens():
    run = run_of({0: "0000", 100: "1000", 200: "1110"})
    assert at_tokens(run, 101).before is run.points[1]  # within two percent
    between = at_tokens(run, 150)
    assert (between.before, between.after) == (run.points[1], run.points[2])
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


def test_a_critic_without_its_full_weight_is_named():
    credit = {"x_0": AgentCredit(mean=0.0, share=1.0, correlation=1.0, critic_weight=0.25)}
    own = method("critic", run_of({0: "1", 9: "1"}, credit=credit), allocator="critic")
    notes = " ".join(limits([method("a", run_of({0: "1", 9: "1"})), own], []))
    assert "critic: The critic has weight 0.25 for x_0 so far" in notes
    assert "is practically the shared reward" not in notes


def test_conclusions_name_the_moment_the_test_and_the_counts():
    first, second = pair(9, 0, 21)
    runs = [run_of({0: first, 500: first}), run_of({0: first, 500: second, 9000: second})]
    methods = [method("shared", runs[0]), method("branch", runs[1])]
    (sentence,) = conclusions(compare(methods))
    assert sentence.startswith("branch is better than shared: +0.300 [")
    assert "over 30 tasks after 500 tokens each (exact McNemar" in sentence
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


def test_tasks_that_only_one_side_measured_are_told():
    found = compare([evaluation("a", "1" * 60), evaluation("b", "-" * 59 + "0" + "1" * 40)])
    methods = [evaluation("a", "1"), evaluation("b", "1")]
    assert limits(methods, found) == [
        "b and a on b: 1 task is paired, of 41 that b and 60 that a measured; the others do not "
        "count."
    ]
    (sentence,) = conclusions(found)
    assert "over 1 task (" in sentence
    same = compare([evaluation("a", "1100"), evaluation("b", "0101")])
    assert limits(methods, same) == []


def test_rows_whose_seeds_do_not_vary_count_as_tests_but_have_none():
    """Five seeds that all differ by 0.1: no p-value, but the other row is one of two tests."""
    base = [0.5, 0.6, 0.4, 0.5, 0.7]
    noisy = [own + gap for own, gap in zip(base, (0.1, 0.11, 0.09, 0.12, 0.08), strict=True)]
    steady = [own + 0.1 for own in base]
    methods = [curve_method(*own) for own in (("a", base), ("b", noisy), ("c", steady))]
    one, two = compare(methods)
    assert (two.verdict, two.reason) == (None, "no verdict: all seeds differ by the same amount")
    assert one.num_tests == 2
    assert one.adjusted == pytest.approx(2 * one.tested.p_value)
    assert "[all 5 equal]" in conclusions([two])[0]
    few = [curve_method(name, finals[:4]) for name, finals in (("a", base), ("c", noisy))]
    assert compare([methods[0], methods[1]])[0].num_tests == 1
    assert compare(few)[0].num_tests == 1


def test_an_agent_with_other_numbers_of_samples_is_tested_by_exchanging_them():
    """Right in 1 of 1 samples with it, in 6 or 7 of 8 without it: the rates of all tasks differ."""
    tasks = [("b", str(number)) for number in range(8)]
    run = Run(
        points=(held_out("1"),),
        team=dict.fromkeys(tasks, 1.0),
        without={"without x_0": dict(zip(tasks, [7 / 8, 6 / 8] * 4, strict=True))},
    )
    counts = {"without x_0": dict.fromkeys(tasks, 8)}
    alike = lost_without(method("a", run))["x_0"]
    found = lost_without(method("a", replace(run, num_samples=counts)))["x_0"]
    assert alike.is_above(0.0)
    assert (found.value, found.low <= 0.0) == (alike.value, True)


def test_the_evaluations_of_a_long_run_are_small(tmp_path):
    """200 evaluations of 500 tasks: 8 bytes per task and number, not a table of hashes."""
    outcomes = {step: "01" * 250 for step in range(200)}
    folder = write_run(tmp_path / "a", outcomes, transcripts=False)
    read_run(folder, "joint")  # what is imported and cached once
    tracemalloc.start()
    run, _ = read_run(folder, "joint")
    size, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert [len(point.rates) for point in run.points] == [500] * 200
    assert size < 200 * 500 * 12
    assert peak < 200 * 500 * 40  # two paths and their rates; the lines are read one by one


def test_votes_of_three_say_why_two_rows_are_equal():
    paths = {f"without voter_{k}": {} for k in range(3)}
    own = method("a", run_of({0: "1", 9: "1"}, without=paths), topology="vote")
    notes = limits([own, method("b", run_of({0: "1", 9: "1"}))], [])
    assert notes[-1] == (
        "a: With two votes left, a tie goes to the first: without voter_1, as without voter_2, the "
        "answer is the vote of voter_0 wherever it has one, so their rows are the same."
    )
    assert tie_note(["voter_0", "voter_1"]) is tie_note(["a", "b", "c+d"]) is None


def test_a_torn_evaluation_of_a_finished_run_is_told(tmp_path):
    for is_finished in (True, False):
        folder = write_run(tmp_path / f"{is_finished}", {0: "1", 9: "1"}, is_finished=is_finished)
        with (folder / "evaluations.jsonl").open("a") as file:
            file.write('{"step": 30, "tok')
        run, _ = read_run(folder, "joint")
        notes = " ".join(limits([method("x", run)], []))
        assert ("x: the last line of evaluations.jsonl is incomplete" in notes) == is_finished


@pytest.mark.parametrize(
    ("most", "numbers", "texts"),
    [
        (9_999, (0, 2_000, 8_000), ("0", "2,000", "8,000")),
        (16_000, (0, 8_000, 16_000), ("0", "8k", "16k")),
        (35_000, (2_500, 35_000), ("2.5k", "35k")),
        (2_000_000, (500_000, 2_000_000), ("0.5M", "2M")),
    ],
)
def test_an_axis_has_one_unit(most, numbers, texts):
    assert tuple(tick(number, most) for number in numbers) == texts


def test_compare_resamples_by_the_seed():
    rates = {("b", str(i)): (i % 5) / 4 for i in range(40)}
    runs = [
        replace(
            run_of({0: "1"}), seed=None, points=(replace(held_out("1"), rates=TaskValues.of(own)),)
        )
        for own in (rates, {key: 1.0 - rate / 2 for key, rate in rates.items()})
    ]
    methods = [method("a", runs[0]), method("b", runs[1])]
    lows = [compare(methods, seed=seed)[0].tested.difference.low for seed in (0, 0, 1, 2, 3)]
    assert lows[0] == lows[1]
    assert len(set(lows)) > 1
