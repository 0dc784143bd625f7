from __future__ import annotations

import re
import shlex

import matplotlib as mpl
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from baselines.common.metrics import METRICS
from baselines.common.stats import proportion
from baselines.pages.series import Point, binned, smoothed
from baselines.report import write_report
from baselines.report.held_out import HELD_OUT, held_out, measurements, read_summary
from baselines.report.narrative import reading, sentences
from baselines.report.run_page import MAX_MESSAGE_CHARS, command
from tests.rl.report_runs import (
    CONFIG,
    count,
    credit_of,
    evaluation,
    example_of,
    make_run,
    read_page,
    summary_of,
)

pytestmark = pytest.mark.figures
NO_FIGURES = {"rows": [], "credit": None}
"""Of a run that a test reads the words of: drawing takes a second."""
ATTACK = '$1$</pre></text><script>alert("1")</script><img src=x onerror=alert(1)>'


@pytest.fixture(scope="module")
def page(tmp_path_factory):
    return read_page(make_run(tmp_path_factory.mktemp("runs") / "run"))


def test_report_shows_every_part_of_a_run(page):
    assert page.texts["h3"][:13] == [
        "Accuracy",
        "Credit of each agent",
        "Share of credit",
        "Distribution of credit",
        "Help and hurt",
        "Advantage compared with shared credit",
        "Variance compared with shared credit",
        "Ratings",
        "Does the credit differ from the shared reward?",
        "Credit by task",
        "Updates",
        "Completion length",
        "Tokens",
    ]
    assert page.tags.count("svg") == 12
    assert page.texts["h2"] == [
        "Held-out accuracy",
        "Credit",
        "Learning of each role",
        "Cost",
        "Examples",
        "Configuration",
        "Versions",
        "Reproduce this run",
    ]
    assert page.texts["p"][1].startswith("Held-out accuracy rose from 0.400 [0.35, 0.45] to 0.950")
    assert "credit of thinker_0 is degenerate" in page.texts["ul"][0]


def test_report_loads_nothing(page):
    assert not {"script", "link", "img", "iframe", "object", "image", "base"} & set(page.tags)
    loads = [*page.values("src"), *page.values("href"), *page.values("xlink:href")]
    assert all(address.startswith("#") for address in loads)
    styled = " ".join([*page.texts["style"], *page.values("style"), *page.values("clip-path")])
    assert "@import" not in styled
    assert all(address.startswith("#") for address in re.findall(r"url\(([^)]*)", styled))


def test_report_has_each_figure_in_words_and_in_numbers(page):
    labels = [value for tag, name, value in page.attributes if (tag, name) == ("svg", "aria-label")]
    assert len(labels) == page.values("role").count("img") == page.texts["summary"].count("Numbers")
    assert labels[0].startswith("Accuracy. whole team: ")
    assert "0.950 [0.92, 0.97] on held-out tasks after 80 steps" in labels[0]


def test_report_has_references_only_to_what_the_page_defines(page):
    used = {value[1:] for value in page.values("xlink:href")}
    used |= set(re.findall(r"url\(#([^)]*)", " ".join(page.values("clip-path"))))
    assert used <= set(page.values("id"))


@pytest.mark.no_cover
def test_report_gives_the_same_bytes_whatever_the_users_plot_settings(tmp_path):
    first = write_report(make_run(tmp_path / "a", num_steps=12)).read_bytes()
    with mpl.rc_context({"font.size": 20, "axes.titlepad": 30, "svg.fonttype": "path"}):
        assert write_report(make_run(tmp_path / "b", num_steps=12)).read_bytes() == first
        assert mpl.rcParams["font.size"] == 20


def test_report_replaces_the_old_page_at_once(tmp_path):
    path = write_report(make_run(tmp_path, rows=[]))
    assert path == write_report(tmp_path) == tmp_path / "report.html"
    names = {file.name for file in tmp_path.iterdir()}
    assert names == {
        "config.json", "summary.json", "examples.json", "credit.json", "metrics.jsonl",
        "report.html",
    }  # fmt: skip


def test_report_shows_markup_in_texts_as_text(tmp_path):
    agents = (ATTACK, "solver_0")
    example = {**example_of(agents, ATTACK), **dict.fromkeys(("title", "question", "gold"), ATTACK)}
    example["episodes"][0]["answer"] = ATTACK
    example["episodes"][1]["status"] = ATTACK
    record = credit_of(agents, num_tasks=1)
    record["groups"][0]["question"] = ATTACK
    page = read_page(
        make_run(
            tmp_path,
            agents=agents,
            num_steps=3,
            config={**CONFIG, "policy": ATTACK, ATTACK: ATTACK},
            summary=summary_of(agents=agents, warnings=[ATTACK], versions={ATTACK: ATTACK}),
            examples=[example],
            credit=record,
        )
    )
    assert not {"script", "img"} & set(page.tags)
    assert not any(name.startswith("on") for _, name, _ in page.attributes)
    assert page.texts["pre"][0] == ATTACK
    # A panel each of credit, distribution, slope and variance; the legends of ratings and lengths.
    assert page.texts["text"].count(ATTACK[:23] + "…") == 6


def test_report_shows_half_a_character_as_a_replacement(tmp_path):
    example = example_of(text="half: \ud83d, whole: \U0001f600")
    page = read_page(make_run(tmp_path, **NO_FIGURES, examples=[example]))
    assert page.texts["pre"][0] == "half: \N{REPLACEMENT CHARACTER}, whole: \U0001f600"


def test_report_cuts_a_long_message_and_says_so(tmp_path):
    example = example_of(text="a" * MAX_MESSAGE_CHARS + "bbb")
    page = read_page(make_run(tmp_path, **NO_FIGURES, examples=[example]))
    assert page.texts["pre"][0] == "a" * MAX_MESSAGE_CHARS + "… (3 characters more)"


NOT_MEASURED = evaluation(0.0, {"thinker_0": 0.0}, total=0)
PARTIAL = {
    "only a config": {"rows": [], "summary": None, "examples": None},
    "no steps": {"rows": [], "summary": summary_of(steps_done=0, final=None, audit={})},
    "one step": {"num_steps": 1},
    "interrupted": {"summary": summary_of(status="interrupted", steps_done=37, final=None)},
    "no evaluation": {"summary": summary_of(initial=None, final=None)},
    "nothing measured": {"summary": summary_of(initial=None) | {"final": NOT_MEASURED}},
    "no removals": {"agents": ("solver_0",)},
    "many agents": {"agents": (*(f"thinker_{k}" for k in range(13)), "solver_0")},
    "only null": {"rows": [dict.fromkeys(METRICS) | {"step": step} for step in (1, 2, 3)]},
    "no settings": {"config": {}},
}


@pytest.mark.parametrize("case", PARTIAL)
def test_report_takes_a_run_as_far_as_it_came(tmp_path, case):
    files = {"num_steps": 5, **PARTIAL[case]}
    page = read_page(make_run(tmp_path, **files))
    assert page.tags.count("h1") == 1
    drawn = [value for name in ("aria-label", "d", "x", "y") for value in page.values(name)]
    shown = " ".join([*page.texts["body"], *drawn])
    assert not re.search(r"\b(nan|inf|none|null|undefined)\b", shown, re.IGNORECASE)


@pytest.mark.no_cover
def test_report_of_a_thousand_steps_weighs_less_than_a_megabyte(tmp_path):
    example = example_of(text="\u2713" * 2 * MAX_MESSAGE_CHARS)
    run_dir = make_run(tmp_path, num_steps=1000, examples=[example] * 3)
    assert write_report(run_dir).stat().st_size < 1_000_000


def test_report_needs_a_config(tmp_path):
    with pytest.raises(
        FileNotFoundError, match=r"must hold config\.json.*pass the folder of a run"
    ):
        write_report(tmp_path)


@pytest.mark.parametrize(
    ("initial", "final", "expected"),
    [
        ((0.40, 0.35), (0.95, 0.32), ["rose from 0.400", "0.320 [0.28, 0.37]: the messages of th"]),
        (
            (0.80, 0.35),
            (0.40, 0.35),
            ["fell from 0.800", "the intervals overlap, so its effect is inconclusive"],
        ),
        (
            (0.40, 0.35),
            (0.45, 0.60),
            ["so the change is inconclusive", "the messages of thinker_0 hurt."],
        ),
        (
            (0.40, 0.35),
            None,
            ["before training is 0.400", "so its effect is inconclusive"],
        ),
        (None, (0.95, 0.32), ["after 80 steps is 0.950", "the messages of thinker_0 help."]),
        (
            (0.70, 0.60),
            (0.90, 0.40),
            ["rose", "help. Without thinker_0 it was 0.600 [0.55, 0.65]"],
        ),
        (None, None, ["There was no evaluation on held-out tasks."]),
    ],
)
def test_sentences_claim_only_what_the_intervals_show(initial, final, expected):
    said = sentences(CONFIG, summary_of(initial=initial, final=final, audit={}))
    assert len(said) == len(expected)
    assert all(part in sentence for part, sentence in zip(expected, said, strict=True))


@given(st.integers(0, 50), st.integers(0, 50))
def test_sentences_call_no_change_a_change_when_intervals_overlap(before, after):
    ends = {"initial": (before / 50, 0.0), "final": (after / 50, 0.0)}
    summary = summary_of(agents=("solver_0",))
    for name, (joint, _) in ends.items():
        summary[name] = evaluation(joint, {}, total=50)
    first, last = proportion(before, 50), proportion(after, 50)
    claims = ("rose" in sentences(CONFIG, summary)[0], "fell" in sentences(CONFIG, summary)[0])
    assert claims == (last.low > first.high, last.high < first.low)


def test_sentences_group_the_agents_of_a_large_team():
    team = tuple(f"thinker_{k}" for k in range(9))
    found = sentences(CONFIG, summary_of(agents=(*team, "solver_0"), audit={}))
    assert found[1:] == ["Removing any of 9 agents lowers it."]
    large = summary_of(agents=(*team[:4], "solver_0"), final=(0.4, 0.4), audit={})
    found = sentences(CONFIG, large)
    names = "thinker_0, thinker_1, thinker_2 or thinker_3"
    assert found[1:] == [f"Removing {names} has an inconclusive effect."]


def test_sentences_tell_who_helps_from_who_hurts_in_a_large_team():
    summary = summary_of(agents=(*(f"thinker_{k}" for k in range(5)), "solver_0"), audit={})
    for name, rate in (("thinker_1", 0.99), ("thinker_3", 0.99), ("thinker_4", 0.95)):
        summary["final"]["without"][name] = count(rate)
    assert sentences(CONFIG, summary)[1:] == [
        "Removing thinker_0 or thinker_2 lowers it.",
        "Removing thinker_1 or thinker_3 raises it.",
        "Removing thinker_4 has an inconclusive effect.",
    ]


def test_sentences_report_degenerate_credit_unless_it_is_meant():
    found = "within a task, the advantage of thinker_0 and solver_0 is a multiple of the shared one"
    assert found in sentences(CONFIG, summary_of())[-1]
    assert found not in sentences({**CONFIG, "allocator": "shared"}, summary_of())[-1]


def test_sentences_report_what_is_missing():
    summary = summary_of(status="interrupted", steps_done=1, audit={})
    summary["final"]["unmeasured"] = 2
    assert sentences(CONFIG, summary)[-2:] == [
        "2 held-out answers could not be verified and are excluded.",
        "The run was interrupted after 1 step.",
    ]


def test_reading_tells_signal_from_none():
    entry = {"slope": None, "correlation": None, "degenerate": True, "signal_rate": 0.0}
    said = [
        reading(entry),
        reading({**entry, "signal_rate": 0.5}),
        reading({**entry, "signal_rate": 0.5, "degenerate": False}),
    ]
    assert [text.split()[0] for text in said] == ["No", "Degenerate:", "Not"]


def test_reading_tells_a_small_difference_from_none():
    entry = {"slope": 1.0, "correlation": 0.99999, "degenerate": False, "signal_rate": 1.0}
    assert "Nearly degenerate: correlation 0.99999 with" in reading(entry)
    assert "Not degenerate: correlation 0.90 with" in reading({**entry, "correlation": 0.9})
    assert "Not degenerate: correlation -1.00" in reading({**entry, "correlation": -0.99999})


def test_measurements_compare_both_ends_of_the_run():
    found = {one.label: one for one in measurements(summary_of())}
    assert [one.verdict for one in found.values()] == ["higher", "inconclusive"] * 2
    assert found["without thinker_0"].final == proportion(128, 400)
    assert list(found) == [
        "whole team",
        "without thinker_0",
        "right only with thinker_0",
        "right only without thinker_0",
    ]


def test_held_out_points_stand_after_the_steps_made_before_them():
    rows = [{"step": 1, "eval/accuracy/joint": 0.9}, {"step": 2}, {"step": 3}]
    rows[2]["eval/accuracy/joint"] = 0.5
    middle, end = proportion(200, 400), proportion(380, 400)
    curve = held_out(rows, summary_of(steps_done=3))["joint"]
    assert [(point.steps, point.rate) for point in curve] == [(0, 0.4), (2, 0.5), (3, 0.95)]
    assert curve[1:] == [Point(2, 0.5, middle), Point(3, 0.95, end)]


def test_held_out_points_of_several_removals_have_no_interval():
    summary = summary_of(agents=("thinker_0", "thinker_1", "solver_0"))
    summary["final"]["without"]["thinker_1"] = count(0.52)
    assert held_out([], summary)["without"] == [Point(0, 0.35), Point(80, pytest.approx(0.42))]


def test_held_out_rates_are_logged_metrics():
    assert {metric for _, metric in HELD_OUT.values()} <= set(METRICS)


def test_command_is_read_back_as_the_same_config():
    from baselines.train.command import read_config
    from baselines.train.config import TrainConfig

    config = TrainConfig(
        tasks="my tasks; rm.jsonl",
        allocator_args={"weight": "0.5", "mode": "margin"},
        bf16=True,
        frozen_roles=("thinker",),
        seed=3,
    ).to_json()
    words = shlex.split(command(config))
    assert words[:3] == ["python", "-m", "baselines.train"]
    assert read_config(words[3:]).to_json() == config


def test_summary_of_a_run_that_was_cut_off_counts_its_rows(tmp_path):
    summary = read_summary(tmp_path / "summary.json", [{"step": 1}, {"step": 2}])
    assert (summary["status"], summary["steps_done"]) == ("interrupted", 2)


@given(st.lists(st.floats(-1, 1), min_size=1, max_size=60), st.integers(1, 20))
def test_binned_values_are_means_of_neighbours(values, max_bins):
    found = binned(np.array(values), max_bins)
    size = -(-len(values) // max_bins)
    runs = [values[i : i + size] for i in range(0, len(values), size)]
    assert len(found) <= max_bins
    np.testing.assert_allclose(found, [sum(run) / len(run) for run in runs], atol=1e-12)


@given(st.lists(st.floats(-1, 1) | st.just(np.nan), max_size=40), st.sampled_from([1, 3, 7]))
def test_smoothed_values_are_means_of_the_measured_ones_around(values, window):
    found = smoothed(np.array(values), window)
    reach = window // 2 if window < len(values) else 0
    for i, value in enumerate(found):
        around = [v for v in values[max(i - reach, 0) : i + reach + 1] if not np.isnan(v)]
        expected = sum(around) / len(around) if around else np.nan
        np.testing.assert_allclose(value, expected, atol=1e-12)
