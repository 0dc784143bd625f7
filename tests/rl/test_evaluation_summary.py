"""From episodes to quantities with intervals, by hand, and as tables."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace
from io import StringIO

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console

from baselines.common.stats import holm, mcnemar, pass_at_k, proportion
from baselines.evaluate.correctness import Correctness, correctness_of, majority_is_right
from baselines.evaluate.episodes import Episode
from baselines.evaluate.guesses import guesses_of
from baselines.evaluate.paths import JOINT, TeamPath
from baselines.evaluate.rows import Row
from baselines.evaluate.summary import (
    ALL,
    MAX_TAG_VALUES,
    pass_sizes,
    summarize,
    summary_of,
    tags_of,
)
from baselines.evaluate.tables import RATE_COLUMNS, TERMINAL_WIDTH, Grid, grids, markdown_page
from ccpo_env.types import Message, Task, Verdict
from ccpo_env.verifiers import verify

ALONE = TeamPath("without", ("thinker_0",))
EMPTY = TeamPath("empty", ("thinker_0",))
SIGNS = {"+": 1.0, "-": -1.0, "?": np.nan}


def tasks_of(number: int, **tags: list[str]) -> tuple[Task, ...]:
    return tuple(
        Task(f"t/{i}", f"question {i}", "1", tags=tuple((k, v[i]) for k, v in tags.items()))
        for i in range(number)
    )


def correctness(tasks=None, majority=None, **paths: str) -> Correctness:
    """Results from words: joint="+- ??" are two tasks with two samples each."""
    by_path = {"joint": JOINT, "alone": ALONE, "empty": EMPTY}
    rewards = {
        by_path[name]: np.array([[SIGNS[sign] for sign in word] for word in words.split()])
        for name, words in paths.items()
    }
    return Correctness(tasks or tasks_of(len(rewards[JOINT])), rewards, majority or {})


def found(own: Correctness, quantity: str, path: TeamPath = JOINT, k: int | None = None):
    row = summary_of(own, benchmark="b").find(quantity, path, k)
    assert row is not None
    return row


def test_summary_with_one_sample_by_hand():
    # both right, helped, helped, hurt, both wrong, not measured twice
    own = correctness(joint="+ + + - - ? +", alone="+ - - + - + ?")
    joint = found(own, "accuracy")
    assert (joint.successes, joint.total, joint.estimate.num_units) == (4, 6, 6)
    assert joint.estimate.low == pytest.approx(proportion(4, 6).low)
    for quantity, successes in (("help", 2), ("hurt", 1)):
        row = found(own, quantity, ALONE)
        assert (row.successes, row.total) == (successes, 5)
        assert row.estimate.high == pytest.approx(proportion(successes, 5).high)
    gain = found(own, "net_gain", ALONE)
    assert gain.estimate.value == pytest.approx(1 / 5)
    assert gain.estimate.low < 0 < gain.estimate.high
    assert summary_of(own, benchmark="b").num_unmeasured == 2


def test_summary_with_several_samples_by_hand():
    own = correctness(joint="++-- ++++ ---?", alone="+--- ---- ----")
    joint = found(own, "accuracy")
    assert joint.estimate.value == pytest.approx((2 / 4 + 4 / 4 + 0) / 3)
    assert (joint.successes, joint.total) == (6, 11)
    # task by task: share right together times share wrong alone
    helped = found(own, "help", ALONE)
    assert helped.estimate.value == pytest.approx((1 / 2 * 3 / 4 + 1 + 0) / 3)
    assert (helped.successes, helped.total) == (2 * 3 + 4 * 4, 4 * 4 + 4 * 4 + 3 * 4)
    hurt = found(own, "hurt", ALONE)
    assert hurt.estimate.value == pytest.approx((1 / 2 * 1 / 4) / 3)
    gain = found(own, "net_gain", ALONE)
    assert gain.estimate.value == pytest.approx(helped.estimate.value - hurt.estimate.value)


def test_summary_of_several_samples_leaves_short_tasks_out_of_pass_at_k():
    own = correctness(joint="+--- --?? +++?", majority={JOINT: np.array([0.0, np.nan, 1.0])})
    both = found(own, "pass", k=2)
    expected = pass_at_k(np.array([4, 2, 3]), np.array([1, 0, 3]), 2)
    assert both.estimate.value == pytest.approx(expected.mean())
    assert (both.successes, both.total) == (2, 3)  # tasks with a right sample
    four = found(own, "pass", k=4)
    assert (four.successes, four.total) == (1, 1)
    assert (four.estimate.value, four.estimate.num_units) == (1.0, 1)
    votes = found(own, "majority")
    assert (votes.estimate.value, votes.successes, votes.total) == (0.5, 1, 2)


def test_summary_says_nothing_about_what_was_not_measured():
    own = correctness(joint="? ?", alone="+ -")
    assert found(own, "accuracy").estimate is None
    assert found(own, "help", ALONE).estimate is None
    assert found(own, "net_gain", ALONE).estimate is None
    (grid,) = grids([summary_of(own, benchmark="b")])
    assert grid.rows[0] == ("accuracy, whole team", "not measured", "", "0 of 0")


def test_summary_compares_controls_by_their_gain_alone():
    own = correctness(joint="+ +", empty="- +")
    rows = [r.quantity for r in summary_of(own, benchmark="b").rows if r.path == EMPTY]
    assert rows == ["accuracy", "net_gain"]


def test_summarize_reports_levels_subjects_and_all_benchmarks():
    tasks = tasks_of(4, level=["10", "2", "2", "x"], subject=["a", "b", "a", "a"])
    first = correctness(tasks, joint="+ - + -", alone="- - - -")
    second = correctness(joint="+ +", alone="+ -")
    summaries = summarize({"one": first, "two": second})
    assert [(s.benchmark, s.tag, s.num_tasks) for s in summaries] == [
        ("one", None, 4),
        ("one", ("level", "2"), 2),
        ("one", ("level", "10"), 1),
        ("one", ("level", "x"), 1),
        ("one", ("subject", "a"), 3),
        ("one", ("subject", "b"), 1),
        ("two", None, 2),
        (ALL, None, 6),
    ]
    counts = {(s.benchmark, s.tag): s.find("accuracy", JOINT).successes for s in summaries}
    assert counts["one", ("level", "2")] == 1
    assert counts["one", ("subject", "a")] == 2
    assert counts[ALL, None] == 4


def test_tags_with_one_value_or_too_many_tell_nothing():
    number = MAX_TAG_VALUES + 1
    names = [str(i) for i in range(number)]
    own = correctness(
        tasks_of(number, level=["1"] * number, subject=names), joint=" ".join("+" * number)
    )
    assert tags_of(own) == []


@pytest.mark.parametrize(
    ("number", "num_tasks", "is_told"),
    [
        (1, 42, False),
        (2, 42, True),
        (20, 42, True),
        (21, 42, False),
        (21, 105, True),
        (57, 285, True),
        (57, 284, False),
        (61, 900, False),
    ],
)
def test_tags_are_reported_with_2_to_20_values_or_60_with_enough_tasks(number, num_tasks, is_told):
    values = [str(i % number) for i in range(num_tasks)]
    own = correctness(tasks_of(num_tasks, level=values), joint=" ".join("+" * num_tasks))
    assert len(tags_of(own)) == (number if is_told else 0)


def choice_tasks(golds: str, num_options: Sequence[int], **tags: Sequence[str]) -> tuple[Task, ...]:
    return tuple(
        replace(task, answer=gold, choices=tuple(map(str, range(number))))
        for task, gold, number in zip(tasks_of(len(golds), **tags), golds, num_options, strict=True)
    )


def test_guesses_stand_beside_the_accuracy_by_hand():
    # 1/2, 1/4, 1/4, 1/5: mean .3; C is the gold answer of two, as is A, which comes first.
    own = correctness(choice_tasks("CACA", [2, 4, 4, 5]), joint="+ - - -", alone="- - - -")
    (summary,) = summarize({"b": own})
    random, majority = summary.guesses
    assert (random.value, random.letter) == (pytest.approx(0.3, abs=1e-12), None)
    assert (majority.value, majority.letter, majority.num_right) == (0.5, "A", 2)
    (grid,) = grids([summary])
    assert [row[:4:3] for row in grid.rows[:3]] == [
        ("accuracy, whole team", "1 of 4"),
        ("random guess, expected", ""),
        ("always A, the most frequent letter", "2 of 4"),
    ]
    assert [row[2] for row in grid.rows[1:3]] == ["exact", "exact"]
    assert summary.to_json()["guesses"][1]["letter"] == "A"


def test_guesses_of_a_level_are_those_of_its_tasks():
    tasks = choice_tasks("ABBB", [2, 2, 4, 4], level=["1", "1", "2", "2"])
    own = correctness(tasks, joint="+ - + -", alone="- - - -")
    table = grids(summarize({"b": own}))[1]
    assert table.columns[3:5] == ("random guess", "most frequent letter")
    assert [row[3:5] for row in table.rows] == [("0.500", "0.500 (A)"), ("0.250", "1.000 (B)")]
    assert "not adjusted" in table.note


def test_tasks_without_options_are_compared_with_no_guess():
    (other,) = tasks_of(1)
    mixed = correctness((*choice_tasks("AB", [2, 2]), other), joint="+ - +", alone="- - -")
    assert summarize({"b": mixed})[-1].guesses == ()


@given(st.lists(st.tuples(st.integers(1, 6), st.integers(0, 5)), min_size=1, max_size=20))
def test_guesses_are_what_playing_them_gives(drawn):
    golds = "".join("ABCDEF"[place % number] for number, place in drawn)
    tasks = choice_tasks(golds, [number for number, _ in drawn])
    random, majority = guesses_of(tasks)
    letters = {letter: sum(task.answer == letter for task in tasks) for letter in "ABCDEF"}
    assert majority.num_right == max(letters.values()) == letters[majority.letter]
    played = [
        np.mean([task.answer == "ABCDEF"[place] for place in range(len(task.choices))])
        for task in tasks
    ]
    assert random.value == pytest.approx(np.mean(played))


@pytest.mark.parametrize(("k", "sizes"), [(2, [2]), (3, [2, 3]), (4, [2, 4]), (10, [2, 4, 8, 10])])
def test_pass_sizes_end_with_all_samples(k, sizes):
    assert pass_sizes(k) == sizes


def episode(answer: str | None, status: str, *, task=0, sample=0, path=JOINT) -> Episode:
    own = tasks_of(3)[task]
    return Episode("b", own, sample, path, (Message("solver_0", "said"),), Verdict(status, answer))


@pytest.mark.parametrize(
    ("answers", "right"),
    [
        # the gold answer is 1; equal answers count together however they are written
        ([("1", "correct"), ("2", "wrong"), ("1.0", "correct")], 1.0),
        ([("1", "correct"), ("1/2", "wrong"), ("0.5", "wrong")], 0.0),
        ([("1", "correct"), ("2", "wrong"), ("3", "wrong")], 1.0),  # the first of equals
        ([("2", "wrong"), ("1", "correct")], 0.0),
        ([(None, "no_answer"), (None, "no_answer"), ("1", "correct")], 1.0),
        ([(None, "no_answer")], 0.0),
        ([("1", "correct"), ("1", "correct"), (None, "timeout")], np.nan),
        # a verifier that reports no answers; the message of all is the same
        ([(None, "correct"), (None, "wrong"), (None, "wrong")], 0.0),
        ([(None, "wrong"), (None, "correct"), (None, "correct")], 1.0),
    ],
)
def test_majority_counts_equal_answers_together(answers, right):
    samples = [episode(*answer, sample=i) for i, answer in enumerate(answers)]
    np.testing.assert_equal(majority_is_right(samples, verify), right)


def test_correctness_of_keeps_the_order_of_tasks_and_samples():
    statuses = {JOINT: ["correct", "wrong", "timeout", "no_answer"], ALONE: ["wrong"] * 4}
    episodes = [
        episode("1" if status == "correct" else "2", status, task=i // 2, sample=i % 2, path=path)
        for path, own in statuses.items()
        for i, status in enumerate(own)
    ]
    own = correctness_of(episodes, verify=verify)
    np.testing.assert_equal(own.rewards[JOINT], [[1, -1], [np.nan, -1]])
    np.testing.assert_equal(own.rates(JOINT), [0.5, 0.0])
    np.testing.assert_equal(own.majority[ALONE], [0.0, 0.0])
    assert own.paths == (JOINT, ALONE)
    assert [task.id for task in own.tasks] == ["t/0", "t/1"]


def test_majority_of_a_single_sample_is_not_reported():
    single = [episode("1", "correct", task=i) for i in range(2)]
    own = correctness_of(single, verify=verify)
    assert own.majority == {}
    assert [row.quantity for row in summary_of(own, benchmark="b").rows] == ["accuracy"]
    double = [episode("1", "correct", task=i // 2, sample=i % 2) for i in range(4)]
    own = correctness_of(double, verify=verify)
    np.testing.assert_equal(own.majority, {JOINT: [1.0, 1.0]})
    rows = [(row.quantity, row.k) for row in summary_of(own, benchmark="b").rows]
    assert rows == [("accuracy", 2), ("pass", 2), ("majority", 2)]


def test_majority_of_a_control_is_not_reported():
    episodes = [episode("1", "correct", sample=i, path=p) for p in (JOINT, EMPTY) for i in (0, 1)]
    assert list(correctness_of(episodes, verify=verify).majority) == [JOINT]


BOTH = TeamPath("without", ("thinker_0", "thinker_1"))
SHUFFLED = TeamPath("shuffled", ("thinker_0",))


@pytest.mark.parametrize(
    ("quantity", "path", "k", "text"),
    [
        ("accuracy", JOINT, 1, "accuracy, whole team"),
        ("accuracy", JOINT, 4, "accuracy, whole team (avg@4)"),
        ("accuracy", BOTH, 1, "accuracy without thinker_0+thinker_1"),
        ("accuracy", EMPTY, 1, "accuracy, empty message of thinker_0"),
        ("accuracy", SHUFFLED, 1, "accuracy, message of thinker_0 from another task"),
        ("pass", JOINT, 4, "pass@4, whole team"),
        ("majority", ALONE, 8, "maj@8 without thinker_0"),
        ("help", ALONE, 1, "right only with thinker_0"),
        ("hurt", ALONE, 1, "right only without thinker_0"),
        ("help", BOTH, 4, "right only with thinker_0+thinker_1"),
        ("hurt", BOTH, 4, "right only without thinker_0+thinker_1"),
        ("net_gain", ALONE, 1, "net gain of thinker_0"),
        ("net_gain", EMPTY, 1, "net gain of thinker_0 over an empty message"),
        ("net_gain", SHUFFLED, 1, "net gain of thinker_0 over a message from another task"),
    ],
)
def test_row_is_labelled_by_its_quantity_and_path(quantity, path, k, text):
    assert Row(quantity=quantity, path=path, k=k, estimate=None).text == text


def test_row_as_json_is_null_where_nothing_was_measured():
    unmeasured = Row(quantity="hurt", path=ALONE, k=2, estimate=None).to_json()
    assert unmeasured == {
        **{"quantity": "hurt", "path": "without thinker_0", "k": 2},
        **{"value": None, "low": None, "high": None, "num_tasks": 0},
        **{"successes": 0, "total": 0},
    }
    row = found(correctness(joint="+ + - ?"), "accuracy")
    assert row.to_json() == {
        **{"quantity": "accuracy", "path": "joint", "k": 1},
        **{"value": 2 / 3, "low": row.estimate.low, "high": row.estimate.high, "num_tasks": 3},
        **{"successes": 2, "total": 3},
    }


def printed(grid: Grid) -> str:
    file = StringIO()
    Console(file=file, width=TERMINAL_WIDTH).print(grid.for_terminal())
    return file.getvalue()


def test_table_on_the_terminal_has_names_left_and_numbers_right():
    (grid,) = grids([summary_of(correctness(joint="+ -"), benchmark="b")])
    lines = [line.rstrip() for line in printed(grid).splitlines()]
    assert any(re.match(r"accuracy, whole team +0\.500 ", line) for line in lines)
    assert any(line.endswith(" 1 of 2") for line in lines)
    text = printed(Grid("t", ("name", "n", "word"), (("a", "5", "b"), ("bb", "-10.5", "cc"))))
    assert [line.rstrip() for line in text.splitlines()][-2:] == [
        "a         5  b",
        "bb    -10.5  cc",
    ]


def test_table_of_an_evaluation_keeps_its_labels_on_one_line():
    rows = [
        ("accuracy, whole team", "0.975", "[0.871, 0.996]", "390 of 400", ""),
        ("right only without thinker_0", "0.100", "[0.101, 0.225]", "40 of 400", ""),
        ("net gain of thinker_0", "+0.225", "[+0.093, +0.371]", "+90 of 400", "helps, p = 0.004"),
        ("net gain of x", "+0.025", "[-0.093, +0.171]", "+1 of 400", "inconclusive, p = 0.625"),
    ]
    text = printed(Grid("b: 400 tasks", RATE_COLUMNS, tuple(rows)))
    lines = [line.rstrip() for line in text.splitlines()]
    assert max(map(len, lines)) <= TERMINAL_WIDTH
    for label, mean, *_ in rows:
        assert any(line.startswith(label) and mean in line for line in lines)


def test_table_that_is_too_wide_breaks_at_intervals_and_then_into_several():
    interval = "+0.123 [-0.456, +0.789]"
    grid = Grid("t", ("agent", *"abcdef"), tuple((f"a_{i}", *[interval] * 6) for i in range(2)))
    text = printed(grid)
    assert max(map(len, text.splitlines())) <= TERMINAL_WIDTH
    assert text.count("[-0.456, +0.789]") == text.count("+0.123") == 12
    starts = [line.split(" ")[0] for line in text.splitlines()]
    assert starts.count("agent") == starts.count("a_0") == 2  # the first column in both tables
    assert not set("│╭╰") & set(text)


@given(
    cells=st.lists(
        st.lists(
            st.sampled_from(["", "1", "a word", "w" * 30, "0.5 [0.1, 0.9]", "no, p = 0.050"]),
            min_size=4,
            max_size=4,
        ),
        min_size=1,
        max_size=3,
    )
)
def test_table_fits_the_terminal(cells):
    grid = Grid("title", ("name", "a long header", "b", "c"), tuple(map(tuple, cells)), "note")
    assert max(map(len, printed(grid).splitlines())) <= TERMINAL_WIDTH


def test_table_prints_who_is_right_alone_under_its_own_name():
    own = correctness(joint="+ + + - - +", alone="- - - + - +")  # helped thrice, hurt once
    (grid,) = grids([summary_of(own, benchmark="b")])
    counts = {name: count for name, _, _, count in grid.rows}
    assert counts["right only with thinker_0"] == "3 of 6"
    assert counts["right only without thinker_0"] == "1 of 6"
    assert counts["net gain of thinker_0"] == ""


def test_net_gain_is_tested_by_mcnemar_and_adjusted_over_all_of_an_evaluation():
    # 9 won, 1 lost; 6 won, 3 lost; together 15 and 4
    first = correctness(joint="+ + + + + + + + + -", alone="- - - - - - - - - +")
    second = correctness(joint="+ + + + + + - - -", alone="- - - - - - + + +")
    rows = [s.find("net_gain", ALONE) for s in summarize({"one": first, "two": second})]
    raw = [mcnemar(1, 9), mcnemar(3, 6), mcnemar(4, 15)]
    assert [row.estimate.p_value for row in rows] == pytest.approx(raw)
    assert [row.adjusted for row in rows] == pytest.approx(holm(raw))
    # raw: 22 / 1024, 260 / 512 and about .019, the smallest of three: three times that is .057
    assert [row.verdict for row in rows] == ["inconclusive"] * 3
    assert rows[0].to_json()["p_value_holm"] == pytest.approx(holm(raw)[0])


@pytest.mark.parametrize(
    ("won", "lost", "verdict"),
    [(6, 0, "helps"), (5, 0, "inconclusive"), (0, 6, "hurts"), (9, 2, "inconclusive")],
)
def test_verdict_on_an_agent_is_that_of_the_exact_test(won, lost, verdict):
    own = correctness(joint="+ " * won + "- " * lost + "+", alone="- " * won + "+ " * lost + "+")
    (summary,) = summarize({"b": own})
    row = summary.find("net_gain", ALONE)
    assert row.verdict == verdict
    assert (mcnemar(lost, won) < 0.05) == (verdict != "inconclusive")
    assert (row.estimate.low <= 0.0 <= row.estimate.high) == (verdict == "inconclusive")


def test_tasks_of_a_tag_are_shown_and_not_tested():
    tasks = tasks_of(12, level=["1", "2"] * 6)
    own = correctness(tasks, joint="+ " * 12, alone="- " * 12)
    whole, *by_level = summarize({"b": own})
    assert whole.find("net_gain", ALONE).verdict == "helps"
    assert [s.find("net_gain", ALONE).verdict for s in by_level] == [None, None]


def test_every_printed_number_stands_beside_its_interval():
    tasks = tasks_of(4, level=["1", "1", "2", "2"])
    majority = {JOINT: np.array([1.0, 0.0, 1.0, 1.0])}
    own = correctness(
        tasks, majority, joint="++ -- +- ++", alone="-- -- +- --", empty="-- ++ -- --"
    )
    whole, by_level = grids(summarize({"b": own}))
    assert whole.columns == ("quantity", "mean", "95 % interval", "count", "verdict")
    assert "p adjusted by Holm's method; intervals are not adjusted" in whole.note
    assert "Holm" not in by_level.note
    for name, mean, interval, count, _ in whole.rows:
        low, high = map(float, interval.strip("[]").split(","))
        assert low <= float(mean) <= high
        assert low < high
        assert (" of " in count) != name.startswith("net gain")
    assert by_level.columns[:2] == ("level", "tasks")
    for _, _, *cells in by_level.rows:
        for cell in cells:
            mean, low, high = (float(part.strip("[],")) for part in cell.split())
            assert low <= mean <= high
            assert low < high


def test_tables_show_text_and_not_markup():
    grid = Grid("a [red]title[/red] | <b>", ("name", "n"), (("x|y [/b] *z*\n", "1"),), "a [note]")
    file = StringIO()
    Console(file=file, width=100).print(grid.for_terminal())
    assert "a [red]title[/red] | <b>" in file.getvalue()
    assert "x|y [/b] *z*" in file.getvalue()
    page = markdown_page("t", [grid], [])
    assert r"| x\|y \[/b\] \*z\* | 1 |" in page
    assert r"## a \[red\]title\[/red\] \| \<b\>" in page


def test_unmeasured_samples_of_one_side_do_not_make_a_verdict():
    """Right about 7 times of 8 in both; the one measured sample of a task is right or wrong."""
    own = correctness(
        joint=" ".join(["+++++++-", "++++++--"] * 5), alone=" ".join(["+???????"] * 10)
    )
    (summary,) = summarize({"b": own})
    row = summary.find("net_gain", ALONE)
    assert (row.estimate.value, row.verdict) == (-0.1875, "inconclusive")
