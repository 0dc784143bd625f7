from __future__ import annotations

import json
import re
import shlex
from html.parser import HTMLParser

import matplotlib as mpl
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from baselines.metrics import METRICS
from baselines.report import (
    HELD_OUT,
    MAX_MESSAGE_CHARS,
    command,
    held_out,
    measurements,
    read_summary,
    reading,
    sentences,
    write_report,
)
from baselines.report_figures import Point, binned, smoothed
from baselines.stats import proportion

VOID = {"br", "hr", "img", "input", "link", "meta"}
TEAM = ("thinker_0", "solver_0")
ATTACK = '$1$</pre></text><script>alert("1")</script><img src=x onerror=alert(1)>'


class Page(HTMLParser):
    """What a page is made of; fails on tags that do not nest."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.tags: list[str] = []
        self.attributes: list[tuple[str, str, str]] = []
        self.texts: dict[str, list[str]] = {}
        self.feed(text)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        self.attributes += [(tag, name, value or "") for name, value in attrs]
        self.texts.setdefault(tag, []).append("")
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attrs):
        self.handle_starttag(tag, attrs)
        if tag not in VOID:
            self.open.pop()

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        for tag in set(self.open):
            self.texts[tag][-1] += data

    def values(self, name):
        return [value for _, attribute, value in self.attributes if attribute == name]


def count(rate, total=400):
    return {"successes": round(rate * total), "total": total}


def evaluation(joint, without, total=400):
    return {
        "num_tasks": total,
        "joint": count(joint, total),
        "without": {agent: count(rate, total) for agent, rate in without.items()},
        "help": {agent: count(max(joint - rate, 0.02), total) for agent, rate in without.items()},
        "hurt": {agent: count(0.02, total) for agent in without},
        "unmeasured": 0,
    }


def metric_rows(num_steps, agents, *, eval_every=10):
    rng = np.random.default_rng([7, num_steps])
    for step in range(1, num_steps + 1):
        skill = 1.0 / (1.0 + np.exp(-(step - 0.35 * num_steps) / (0.08 * num_steps + 1)))
        joint = float(np.clip(0.4 + 0.55 * skill + rng.normal(0, 0.04), 0, 1))
        solo = float(np.clip(0.31 + rng.normal(0, 0.04), 0, 1)) if agents else None
        generate, verify, update = rng.uniform([1.9, 0.2, 0.8], [2.4, 0.3, 1.1])
        row = {"step": step, "accuracy/joint": joint, "accuracy/solo": solo}
        for agent in agents:
            row[f"credit/{agent}/mean"] = 2 * joint - 1 + 0.1 * float(rng.normal())
            row[f"credit/{agent}/std"] = 2 * float(np.sqrt(joint * (1 - joint)))
            slope = 1.0 if agent.startswith("solver") else 1.07 + 0.02 * float(rng.normal())
            row[f"credit/{agent}/slope_vs_shared"] = None if step % 9 == 0 else slope
        row |= {
            "credit/help_rate": joint * 0.6 if agents else None,
            "credit/hurt_rate": (1 - joint) * 0.2 if agents else None,
            "cost/tokens_generated": int(21000 - 5000 * skill + rng.normal(0, 400)),
            "cost/tokens_removed": int(5200 + rng.normal(0, 100)),
            "cost/verifier_calls": 384,
            "time/step_s": float(generate + verify + update + 0.05),
            "time/generate_s": float(generate),
            "time/verify_s": float(verify),
            "time/update_s": float(update),
        }
        if eval_every and (step - 1) % eval_every == 0:
            row |= {
                "eval/accuracy/joint": round(400 * (0.4 + 0.55 * skill)) / 400,
                "eval/accuracy/solo": 0.32,
                "eval/help_rate": round(400 * (0.12 + 0.5 * skill)) / 400,
                "eval/hurt_rate": 0.02,
            }
        yield row


CONFIG = {
    "policy": "tiny",
    "tasks": "arithmetic",
    "allocator": "counterfactual",
    "allocator_knobs": {"weight": "0.2", "mode": "event"},
    "optimizer": "grpo",
    "group_size": 8,
    "tasks_per_step": 32,
    "steps": 80,
    "learning_rate": 5e-4,
    "max_tokens": None,
    "seed": 0,
}


def summary_of(*, agents=TEAM, initial=(0.40, 0.35), final=(0.95, 0.32), **changes):
    """Return a summary whose evaluations have a rate of the team and one without any thinker."""
    ends = {"initial": initial, "final": final}
    entry = {"slope": 1.07, "correlation": 0.99, "degenerate": True, "signal_rate": 0.6}
    return {
        "status": "finished",
        "steps_done": 80,
        **{
            name: end and evaluation(end[0], dict.fromkeys(agents[:-1], end[1]))
            for name, end in ends.items()
        },
        "audit": dict.fromkeys(agents, entry),
        "warnings": ["credit of thinker_0 is degenerate; try --allocator branch"],
        "versions": {"python": "3.11.2", "numpy": "2.4.6", "torch": "2.13.0"},
        **changes,
    }


def example_of(agents=TEAM, text="84*9=756, so 6. 6-1=5. 5*9=45, so 5. 5-2=3."):
    spoken = [{"agent": agent, "text": text} for agent in agents]
    whole = {
        "removed": [],
        "messages": spoken,
        "status": "correct",
        "answer": "3",
        "reward": 1.0,
        "credit": {agents[0]: 1.2},
    }
    alone = {
        "removed": list(agents[:-1]),
        "messages": spoken[-1:],
        "status": "timeout",
        "answer": None,
        "reward": None,
        "credit": None,
    }
    return {
        "title": "Right together, wrong alone",
        "task_id": "arithmetic/84*9-1*9-2",
        "question": "Compute from left to right modulo 10: 84*9-1*9-2",
        "gold": "3",
        "episodes": [whole, alone],
    }


def make_run(folder, *, num_steps=80, agents=TEAM, rows=None, **files):
    """Write the files of a run that looks like one; a file given as None is left out."""
    contents = {
        "config": {**CONFIG, "steps": num_steps},
        "summary": summary_of(agents=agents, steps_done=num_steps),
        "examples": [example_of(agents)] * 3,
        **files,
    }
    folder.mkdir(parents=True, exist_ok=True)
    for name, content in contents.items():
        if content is not None:
            (folder / f"{name}.json").write_text(json.dumps(content), encoding="utf-8")
    lines = metric_rows(num_steps, agents) if rows is None else rows
    text = "".join(json.dumps(row, allow_nan=False) + "\n" for row in lines)
    (folder / "metrics.jsonl").write_text(text, encoding="utf-8")
    return folder


def read_page(run_dir):
    return Page(write_report(run_dir).read_text(encoding="utf-8"))


@pytest.fixture(scope="module")
def page(tmp_path_factory):
    return read_page(make_run(tmp_path_factory.mktemp("runs") / "run"))


def test_report_shows_every_part_of_a_run(page):
    assert page.tags.count("svg") == 6
    assert page.texts["h2"] == [
        "Held-out accuracy",
        "Credit",
        "Cost",
        "Examples",
        "Configuration",
        "Versions",
        "The same run again",
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
    assert "0.950 [0.92, 0.97] on held-out tasks after 80 updates" in labels[0]


def test_report_has_references_only_to_what_the_page_defines(page):
    used = {value[1:] for value in page.values("xlink:href")}
    used |= set(re.findall(r"url\(#([^)]*)", " ".join(page.values("clip-path"))))
    assert used <= set(page.values("id"))


def test_report_gives_the_same_bytes_whatever_the_users_plot_settings(tmp_path):
    first = write_report(make_run(tmp_path / "a", num_steps=12)).read_bytes()
    with mpl.rc_context({"font.size": 20, "axes.titlepad": 30, "svg.fonttype": "path"}):
        assert write_report(make_run(tmp_path / "b", num_steps=12)).read_bytes() == first
        assert mpl.rcParams["font.size"] == 20


def test_report_replaces_the_old_page_at_once(tmp_path):
    path = write_report(make_run(tmp_path, num_steps=2))
    assert path == write_report(tmp_path) == tmp_path / "report.html"
    names = {file.name for file in tmp_path.iterdir()}
    assert names == {
        "config.json", "summary.json", "examples.json", "metrics.jsonl", "report.html",
    }  # fmt: skip


def test_report_shows_markup_in_texts_as_text(tmp_path):
    agents = (ATTACK, "solver_0")
    example = {**example_of(agents, ATTACK), **dict.fromkeys(("title", "question", "gold"), ATTACK)}
    example["episodes"][0]["answer"] = ATTACK
    example["episodes"][1]["status"] = ATTACK
    page = read_page(
        make_run(
            tmp_path,
            agents=agents,
            num_steps=3,
            config={**CONFIG, "policy": ATTACK, ATTACK: ATTACK},
            summary=summary_of(agents=agents, warnings=[ATTACK], versions={ATTACK: ATTACK}),
            examples=[example],
        )
    )
    assert not {"script", "img"} & set(page.tags)
    assert not any(name.startswith("on") for _, name, _ in page.attributes)
    assert page.texts["pre"][0] == ATTACK
    assert page.texts["text"].count(ATTACK[:23] + "…") == 2  # a panel each of credit and slope


def test_report_shows_half_a_character_as_a_replacement(tmp_path):
    example = example_of(text="half: \ud83d, whole: \U0001f600")
    page = read_page(make_run(tmp_path, num_steps=1, examples=[example]))
    assert page.texts["pre"][0] == "half: \N{REPLACEMENT CHARACTER}, whole: \U0001f600"


def test_report_cuts_a_long_message_and_says_so(tmp_path):
    example = example_of(text="a" * MAX_MESSAGE_CHARS + "bbb")
    page = read_page(make_run(tmp_path, num_steps=1, examples=[example]))
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
    "no knobs": {"config": {}},
}


@pytest.mark.parametrize("case", PARTIAL)
def test_report_takes_a_run_as_far_as_it_came(tmp_path, case):
    files = {"num_steps": 5, **PARTIAL[case]}
    page = read_page(make_run(tmp_path, **files))
    assert page.tags.count("h1") == 1
    drawn = [value for name in ("aria-label", "d", "x", "y") for value in page.values(name)]
    shown = " ".join([*page.texts["body"], *drawn])
    assert not re.search(r"\b(nan|inf|none|null|undefined)\b", shown, re.IGNORECASE)


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
        ((0.40, 0.35), (0.95, 0.32), ["rose from 0.400", "0.320 [0.28, 0.37]: what thinker_0 say"]),
        ((0.80, 0.35), (0.40, 0.35), ["fell from 0.800", "the intervals overlap, so this run"]),
        (
            (0.40, 0.35),
            (0.45, 0.60),
            ["does not settle whether it changed", "what thinker_0 says hurts."],
        ),
        (
            (0.40, 0.35),
            None,
            ["before training is 0.400", "does not settle its effect"],
        ),
        (None, (0.95, 0.32), ["after 80 steps is 0.950", "what thinker_0 says helps."]),
        (
            (0.70, 0.60),
            (0.90, 0.40),
            ["rose", "helps. Without thinker_0 it was 0.600 [0.55, 0.65]"],
        ),
        (None, None, ["Nothing was measured on held-out tasks."]),
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
    said = sentences(CONFIG, summary_of(agents=(*team, "solver_0"), audit={}))
    assert said[1:] == ["Removing any of 9 agents lowers it."]
    said = sentences(CONFIG, summary_of(agents=(*team[:4], "solver_0"), final=(0.4, 0.4), audit={}))
    names = "thinker_0, thinker_1, thinker_2 or thinker_3"
    assert said[1:] == [f"Removing {names} shows no effect."]


def test_sentences_report_degenerate_credit_unless_it_is_meant():
    said = "Within a task, the credit of thinker_0 and solver_0 ranks the rollouts just as"
    assert said in sentences(CONFIG, summary_of())[-1]
    assert said not in sentences({**CONFIG, "allocator": "shared"}, summary_of())[-1]


def test_sentences_report_what_is_missing():
    summary = summary_of(status="interrupted", steps_done=1, audit={})
    summary["final"]["unmeasured"] = 2
    assert sentences(CONFIG, summary)[-2:] == [
        "2 held-out answers could not be verified and count nowhere.",
        "The run was interrupted after 1 step.",
    ]


def test_reading_tells_signal_from_none():
    entry = {"slope": None, "correlation": None, "degenerate": True, "signal_rate": 0.0}
    said = [
        reading(entry),
        reading({**entry, "signal_rate": 0.5}),
        reading({**entry, "signal_rate": 0.5, "degenerate": False}),
    ]
    assert [text.split()[0] for text in said] == ["No", "In", "It"]


def test_measurements_compare_both_ends_of_the_run():
    found = {one.label: one for one in measurements(summary_of())}
    assert [one.verdict for one in found.values()] == ["higher", "not shown", "higher", "not shown"]
    assert found["without thinker_0"].final == proportion(128, 400)
    assert list(found) == [
        "whole team",
        "without thinker_0",
        "right only with thinker_0",
        "right only without thinker_0",
    ]


def test_held_out_points_stand_after_the_updates_made_before_them():
    rows = [{"step": 1, "eval/accuracy/joint": 0.9}, {"step": 2}, {"step": 3}]
    rows[2]["eval/accuracy/joint"] = 0.5
    middle, end = proportion(200, 400), proportion(380, 400)
    curve = held_out(rows, summary_of(steps_done=3))["joint"]
    assert [(point.updates, point.rate) for point in curve] == [(0, 0.4), (2, 0.5), (3, 0.95)]
    assert curve[1:] == [Point(2, 0.5, middle.low, middle.high), Point(3, 0.95, end.low, end.high)]


def test_held_out_points_of_several_removals_have_no_interval():
    summary = summary_of(agents=("thinker_0", "thinker_1", "solver_0"))
    summary["final"]["without"]["thinker_1"] = count(0.52)
    assert held_out([], summary)["without"] == [Point(0, 0.35), Point(80, pytest.approx(0.42))]


def test_held_out_rates_are_logged_metrics():
    assert {metric for _, metric in HELD_OUT.values()} <= set(METRICS)


def test_command_is_read_back_as_the_same_config():
    tyro = pytest.importorskip("tyro")
    from baselines.config import TrainConfig

    config = TrainConfig(
        tasks="my tasks; rm.jsonl", allocator_knobs={"weight": "0.5", "mode": "margin"}, seed=3
    ).to_json()
    words = shlex.split(command(config))
    assert words[:3] == ["python", "-m", "baselines.train"]
    assert tyro.cli(TrainConfig, args=words[3:]).to_json() == config


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
