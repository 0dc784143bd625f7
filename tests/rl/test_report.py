from __future__ import annotations

import re

import matplotlib as mpl
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from baselines.common.metrics import METRICS
from baselines.pages.series import binned, smoothed
from baselines.report import credit_figures
from baselines.report.figures import plots
from baselines.report.held_out import read_run
from baselines.report.run_page import MAX_MESSAGE_CHARS, write_report
from tests.rl.report_runs import (
    CONFIG,
    FIGURES,
    credit_of,
    draw_only,
    evaluation,
    example_of,
    make_run,
    read_page,
    summary_of,
)

pytestmark = pytest.mark.figures
NO_FIGURES = {"rows": [], "credit": None, "evaluations": []}
"""Of a run that a test reads the words of: drawing takes a second."""
ATTACK = '$1$</pre></text><script>alert("1")</script><img src=x onerror=alert(1)>'


@pytest.fixture(scope="module")
def page(tmp_path_factory):
    return read_page(make_run(tmp_path_factory.mktemp("runs") / "run"))


def test_report_shows_every_part_of_a_run(page):
    assert page.texts["h3"][:15] == [
        "Before and after training",
        "Accuracy",
        "What each agent adds",
        "Does the credit differ from the shared reward?",
        "Credit of each agent",
        "Share of the centred advantage",
        "Distribution of credit",
        "Help and hurt",
        "Advantage compared with shared credit",
        "Variance compared with shared credit",
        "Ratings",
        "Credit by task",
        "Updates",
        "Completions",
        "Tokens",
    ]
    assert page.tags.count("svg") == 13
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
    assert page.texts["dt"][:3] == [
        "Did the team learn?",
        "Does each agent help?",
        "Was the credit informative?",
    ]
    assert page.texts["dd"][0] == (
        "Held-out accuracy rose from 40.0 % to 95.0 % in 80 steps: +55.0 points [+50.1, +59.8], "
        "exact p < 0.001."
    )
    assert "credit of thinker_0 is degenerate" in page.texts["ul"][0]
    tested = [text for text in page.texts["td"] if re.search(r"\bp [<=]", text)]
    assert [re.findall(r"[a-z]+, exact p < 0.001", text) for text in tested] == [
        ["rose, exact p < 0.001"],
        ["helps, exact p < 0.001"],
    ]


def test_report_marks_the_settings_that_the_run_did_not_use(page):
    shown = dict(zip(page.texts["dt"], page.texts["dd"], strict=True))
    assert shown["max_tokens"].endswith("(not used here)")
    assert sum("not used" in text for text in page.texts["dd"]) == 1


def test_curves_of_training_begin_at_its_first_step():
    rows = [{"step": step, "accuracy/joint": 0.5} for step in (1, 2, 3)]
    drawn = plots(
        rows, held_out={}, adds={}, agents=(), roles=(), record=None, without_agent="without a_0"
    )
    assert [row[0] for row in drawn["accuracy"].rows] == ["1", "2", "3"]


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
    assert "0.950 [0.924, 0.967] on held-out tasks after 80 steps" in labels[0]


def test_report_has_references_only_to_what_the_page_defines(page):
    used = {value[1:] for value in page.values("xlink:href")}
    used |= set(re.findall(r"url\(#([^)]*)", " ".join(page.values("clip-path"))))
    assert used <= set(page.values("id"))


@pytest.mark.no_cover
def test_report_gives_the_same_bytes_whatever_the_users_plot_settings(tmp_path, monkeypatch):
    draw_only(monkeypatch, "_rates", "shares", "distribution", "tokens")  # one of each kind
    first = write_report(make_run(tmp_path / "a", num_steps=12)).read_bytes()
    with mpl.rc_context({"font.size": 20, "axes.titlepad": 30, "svg.fonttype": "path"}):
        assert write_report(make_run(tmp_path / "b", num_steps=12)).read_bytes() == first
        assert mpl.rcParams["font.size"] == 20


def test_report_replaces_the_old_page_at_once(tmp_path):
    path = write_report(make_run(tmp_path, rows=[]))
    assert path == write_report(tmp_path) == tmp_path / "report.html"
    names = {file.name for file in tmp_path.iterdir()}
    assert names == {
        "command.txt", "config.json", "summary.json", "examples.json", "credit.json",
        "metrics.jsonl", "evaluations.jsonl", "report.html",
    }  # fmt: skip


def test_report_shows_markup_in_texts_as_text(tmp_path, monkeypatch):
    named = ("added", "credit", "distribution", "slopes", "variances", "ratings", "completions")
    draw_only(monkeypatch, *named)  # those with names of agents
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
            config={**CONFIG, "policy": ATTACK, "allocator_args": {ATTACK: ATTACK}},
            summary=summary_of(agents=agents, warnings=[ATTACK], versions={ATTACK: ATTACK}),
            examples=[example],
            credit=record,
        )
    )
    assert not {"script", "img"} & set(page.tags)
    assert not any(name.startswith("on") for _, name, _ in page.attributes)
    assert page.texts["pre"][0] == ATTACK
    # A panel each of what it adds, credit, distribution, slope and variance; the legends of ratings
    # and completions.
    assert page.texts["text"].count(ATTACK[:23] + "…") == 7


def test_report_shows_half_a_character_as_a_replacement(tmp_path):
    example = example_of(text="half: \ud83d, whole: \U0001f600")
    page = read_page(make_run(tmp_path, **NO_FIGURES, examples=[example]))
    assert page.texts["pre"][0] == "half: \N{REPLACEMENT CHARACTER}, whole: \U0001f600"


def test_report_cuts_a_long_message_and_says_so(tmp_path):
    example = example_of(text="a" * MAX_MESSAGE_CHARS + "bbb")
    page = read_page(make_run(tmp_path, **NO_FIGURES, examples=[example]))
    assert page.texts["pre"][0] == "a" * MAX_MESSAGE_CHARS + "… (3 characters more)"


NOT_MEASURED = evaluation(0.0, {"thinker_0": 0.0}, total=0)
HELD_OUT = ("_rates", "added")
"""Figures of held-out tasks, the only ones that a summary or evaluations change."""
PARTIAL = {
    "only a config": ({"rows": [], "summary": None, "examples": None, "evaluations": []}, FIGURES),
    "no steps": (
        {"rows": [], "summary": summary_of(steps_done=0, final=None), "evaluations": []},
        FIGURES,
    ),
    "one step": ({"num_steps": 1}, FIGURES),
    "interrupted": (
        {"summary": summary_of(status="interrupted", steps_done=37, final=None)},
        HELD_OUT,
    ),
    "still going": ({"summary": None, "examples": None}, HELD_OUT),
    "no evaluation": (
        {"summary": summary_of(initial=None, final=None), "evaluations": []},
        HELD_OUT,
    ),
    "nothing measured": (
        {"summary": summary_of(initial=None) | {"final": NOT_MEASURED}, "evaluations": []},
        HELD_OUT,
    ),
    "only counts": ({"evaluations": []}, HELD_OUT),
    "no removals": ({"agents": ("solver_0",)}, FIGURES),
    "many agents": ({"agents": (*(f"thinker_{k}" for k in range(5)), "solver_0")}, FIGURES),
    "only null": (
        {"rows": [dict.fromkeys(METRICS) | {"step": step} for step in (1, 2, 3)]},
        FIGURES,
    ),
    "no settings": ({"config": {}}, ()),
}
"""Files of incomplete runs, and the figures that differ from those of a complete one."""


@pytest.mark.parametrize("case", PARTIAL)
def test_report_takes_a_run_as_far_as_it_came(tmp_path, monkeypatch, case):
    files, drawn = PARTIAL[case]
    draw_only(monkeypatch, *drawn)
    monkeypatch.setattr(credit_figures, "MAX_PANELS", 4)  # less than many
    page = read_page(make_run(tmp_path, **{"num_steps": 5, **files}))
    assert page.tags.count("h1") == 1
    values = [value for name in ("aria-label", "d", "x", "y") for value in page.values(name)]
    shown = " ".join([*page.texts["body"], *values])
    assert not re.search(r"\b(nan|inf|none|null|undefined)\b", shown, re.IGNORECASE)


@pytest.mark.no_cover
def test_report_of_a_thousand_steps_weighs_less_than_a_megabyte(tmp_path):
    example = example_of(text="\u2713" * 2 * MAX_MESSAGE_CHARS)
    run_dir = make_run(tmp_path, num_steps=1000, examples=[example] * 3)
    assert write_report(run_dir).stat().st_size < 1_000_000


def test_report_needs_a_config(tmp_path):
    with pytest.raises(
        FileNotFoundError, match=r"RUN must be the folder of.* without config\.json; pass the"
    ):
        write_report(tmp_path)


def test_the_command_of_a_run_scrolls_and_is_left_out_if_unknown(tmp_path, monkeypatch):
    draw_only(monkeypatch)
    run_dir = make_run(tmp_path)
    (run_dir / "command.txt").unlink()
    assert "Reproduce this run" not in write_report(run_dir).read_text(encoding="utf-8")
    (run_dir / "command.txt").write_text("ccpo train --steps 2 --tasks 'a <b>'\n")
    page = write_report(run_dir).read_text(encoding="utf-8")
    assert re.search(r'<pre class="command"[^>]*>ccpo train --steps 2 --tasks &#39;a &lt;b', page)
    assert "pre.command { white-space: pre;" in page


def test_a_run_without_a_summary_counts_its_rows_and_has_not_finished(tmp_path):
    run = read_run(make_run(tmp_path, rows=[{"step": 1}, {"step": 2}], summary=None))
    assert (run.status, run.steps_done) == ("unfinished", 2)


def test_a_summary_of_an_earlier_part_of_a_run_does_not_tell_how_it_ended(tmp_path):
    rows = [{"step": step} for step in range(1, 6)]
    for status in ("finished", "interrupted"):
        for done, expected in ((5, status), (4, "unfinished")):
            summary = summary_of(status=status, steps_done=done)
            run = read_run(make_run(tmp_path, rows=rows, summary=summary))
            assert run.status == expected


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
