"""Results: measured by one command, kept, and written into README and documents."""

from __future__ import annotations

import json
import re
import subprocess
from pathlib import Path

import pytest

from baselines.bench.credit.credit_config import CreditConfig
from baselines.bench.learning import LearningConfig
from baselines.common.command_line import parse
from baselines.experiment import ExperimentConfig
from baselines.train_sb3.command import Sb3Config
from baselines.train_sb3.comparison import DirectCommandConfig
from scripts import measure_results, result_tables, write_docs
from scripts.measure_results import MEASURED

HEADS = (
    "| optimizer | allocator | seeds | steps | tokens | joint | contribution | "
    "mean accuracy over training | its gain over shared | p |"
)
TABLE = f"""{HEADS}
|---|---|---|---|---|---|---|---|---|---|
| grpo | shared | 3 | 9 | 1k | .9 | .1 | 0.500 [0.400, 0.600] |  |  |
| grpo | branch | 3 | 9 | 1k | .9 | .1 | 0.450 [0.400, 0.500] | -0.050 [-0.060, -0.040] | 0.001 |
| grpo | shapley | 3 | 9 | 1k | .9 | .1 | 0.470 [0.400, 0.500] | -0.030 [-0.060, -0.010] | < 0.001 |
| gspo | shared | 3 | 9 | 1k | .9 | .1 | 0.500 [0.400, 0.600] |  |  |
| gspo | branch | 3 | 9 | 1k | .9 | .1 | 0.600 [0.500, 0.700] | 0.100 [-0.010, 0.210] | 0.060 |
"""


def test_results_table_shows_the_best_other_credit_of_each_team(monkeypatch, tmp_path):
    (tmp_path / "mine.txt").write_text(TABLE, encoding="utf-8")
    shown = result_tables.Shown("mine", "team `{}`", result_tables.AREA, gain=8, p_value=9)
    monkeypatch.setattr(result_tables, "RESULTS", tmp_path)
    monkeypatch.setattr(result_tables, "SHOWN", (shown,))
    shared = "0.500 [0.400, 0.600]"
    assert result_tables.results_table().splitlines()[2:] == [
        f"| team `grpo` | 3 | {shared} | shapley: 0.470 [0.400, 0.500] | "
        "-0.030 [-0.060, -0.010], p < 0.001 | worse |",
        f"| team `gspo` | 3 | {shared} | branch: 0.600 [0.500, 0.700] | "
        "0.100 [-0.010, 0.210], p = 0.060 | inconclusive |",
    ]


def test_pages_show_gain_and_p_value_first_and_a_table_per_optimizer(tmp_path):
    (tmp_path / "mine.txt").write_text(TABLE, encoding="utf-8")
    lines = result_tables.shown_tables(tmp_path / "mine.txt").splitlines()
    heads = (
        "| allocator | its gain over shared | p | mean accuracy over training | seeds | steps | "
        "tokens | joint | contribution |"
    )
    assert lines[:5] == [
        "optimizer **grpo**",
        "",
        heads,
        "|" + "---|" * 9,
        "| shared |  |  | 0.500 [0.400, 0.600] | 3 | 9 | 1k | .9 | .1 |",
    ]
    assert lines[8:11] == ["optimizer **gspo**", "", heads]
    assert lines[-1] == (
        "| branch | 0.100 [-0.010, 0.210] | 0.060 | 0.600 [0.500, 0.700] | 3 | 9 | 1k | .9 | .1 |"
    )


def test_a_table_without_repeated_settings_is_shown_whole(tmp_path):
    (tmp_path / "mine.txt").write_text("| mix | gap |\n|---|---|\n| a | 1 |\n| b | 2 |\n")
    assert result_tables.shown_tables(tmp_path / "mine.txt").splitlines() == [
        "| mix | gap |",
        "|---|---|",
        "| a | 1 |",
        "| b | 2 |",
    ]


@pytest.mark.parametrize(
    ("gain", "expected"),
    [
        ("+0.04 [+0.03, +0.05], p < 0.001", "better"),
        ("-0.33 [-0.51, -0.14], p = 0.016", "worse"),
        ("+0.04 [-0.01, +0.09], p = 0.016", "inconclusive"),  # the interval holds 0
        ("+0.04 [+0.01, +0.09], p = 0.050", "inconclusive"),
    ],
)
def test_verdict_asks_for_interval_and_p_value(gain, expected):
    assert result_tables.verdict(gain) == expected


@pytest.mark.parametrize("gain", ["", "+0.04", "+0.04 [+0.03, +0.05]", "p = 0.010"])
def test_verdict_refuses_a_difference_without_uncertainty(gain):
    with pytest.raises(ValueError, match="a difference must read"):
        result_tables.verdict(gain)


@pytest.fixture
def calls(monkeypatch, tmp_path):
    """Run nothing, write what a run writes, and return the commands."""
    found = []

    def run(command, **_arguments):
        found.append(command)
        if "--out-dir" in command:
            folder = Path(command[-1])
            folder.mkdir(parents=True, exist_ok=True)
            (folder / "table.md").write_text(TABLE, encoding="utf-8")
            (folder / "curves.png").write_bytes(b"picture")

    monkeypatch.setattr(subprocess, "run", run)
    monkeypatch.setattr(measure_results, "RUNS", tmp_path / "runs")
    monkeypatch.setattr(measure_results, "code_version", lambda: "code")
    monkeypatch.setattr(
        measure_results, "_git", lambda *words: {"rev-parse": "abc1234"}.get(words[0], "")
    )
    monkeypatch.setattr(measure_results, "RESULTS", tmp_path)
    return found


def test_measure_results_runs_keeps_and_writes(calls, tmp_path):
    assert measure_results.main(["vote"]) == 0
    (*parts, measured, written) = calls
    assert [command[-4:-2] for command in parts] == [
        ["--optimizers", "grpo"],
        ["--optimizers", "reinforce_pp"],
    ]
    assert measured[1:3] == ["-m", "baselines.experiment"]
    assert {command[-1] for command in (*parts, measured)} == {str(tmp_path / "runs/code/vote")}
    assert written[-1].endswith("write_docs.py")
    recorded = json.loads((tmp_path / "measured.json").read_text(encoding="utf-8"))["vote"]
    assert recorded["commit"] == "abc1234"
    assert recorded["minutes"] >= 0.0
    assert (tmp_path / "vote.txt").read_text(encoding="utf-8") == TABLE
    assert (tmp_path / "vote.png").read_bytes() == b"picture"
    calls.clear()
    assert measure_results.main(["--keep", "vote"]) == 0
    assert [command[-1].rpartition("/")[2] for command in calls] == ["write_docs.py"]


def test_measure_results_refuses_an_unknown_name(calls, capsys):
    assert measure_results.main(["votes"]) == 2
    assert "did you mean 'vote'?" in capsys.readouterr().err
    assert calls == []


@pytest.mark.parametrize("name", MEASURED)
def test_documents_show_the_command_of_every_result(name):
    text = " ".join(page.read_text(encoding="utf-8") for page in write_docs.PAGES)
    assert MEASURED[name].command in re.sub(r"\s+", " ", text)


def test_every_kept_result_is_measured_by_a_command():
    kept = {path.stem for path in result_tables.RESULTS.iterdir()}
    kept = {name for name in kept if name.partition("_")[0] != "map"}  # of ccpo bench map
    assert {name.removesuffix("_spread") for name in kept} == {*MEASURED, "measured"}


def test_measure_results_of_a_part_writes_no_table(calls, tmp_path):
    assert measure_results.main(["learning/topologies"]) == 0
    (measured,) = calls
    assert measured[-4:-2] == ["--parts", "topologies"]
    assert not (tmp_path / "measured.json").exists()


def test_measure_results_goes_on_with_the_games_that_are_missing(calls, tmp_path):
    assert measure_results.main(["credit/vote_5"]) == 0
    assert calls[0][-1] == str(tmp_path / "runs/code/credit/vote_5")
    (tmp_path / "runs/code/credit/vote_5/credit.json").write_text("{}", encoding="utf-8")
    calls.clear()
    assert measure_results.main(["credit/vote_5", "credit/bandit_4"]) == 0
    assert [command[-1].rpartition("/")[2] for command in calls] == ["bandit_4"]


def test_measure_results_on_a_trial_changes_no_document(calls, tmp_path):
    assert measure_results.main(["--tiny", "vote"]) == 0
    assert all(str(tmp_path / "runs/tiny/vote") == command[-1] for command in calls)
    assert not (tmp_path / "measured.json").exists()


def test_measure_results_lists_its_parts(capsys):
    assert measure_results.main(["--list", "vote", "signal"]) == 0
    listed = [line.split()[0] for line in capsys.readouterr().out.splitlines()]
    assert listed == ["vote/grpo", "vote/reinforce_pp", "signal"]


@pytest.mark.parametrize(
    ("flags", "more", "expected"),
    [
        ("learning --steps 40", "--parts grid", "learning --steps 40 --parts grid"),
        ("--num-seeds 10 --a 1 2", "--num-seeds 2", "--num-seeds 2 --a 1 2"),
        ("--demonstration", "--settings x y", "--demonstration --settings x y"),
    ],
)
def test_further_flags_replace_those_of_the_same_name(flags, more, expected):
    assert measure_results.with_flags(flags.split(), more.split()) == expected.split()


@pytest.mark.parametrize("name", MEASURED)
def test_parts_and_trials_are_commands_that_parse(name):
    measured = MEASURED[name]
    parsers = {
        "baselines.experiment": (ExperimentConfig, "ccpo experiment"),
        "baselines.train_sb3": (Sb3Config, "ccpo train_sb3"),
        "baselines.train_sb3.comparison": (DirectCommandConfig, "comparison"),
        "baselines.bench": (CreditConfig if name == "credit" else LearningConfig, "ccpo bench"),
    }
    kind, program = parsers[measured.module]
    skipped = 1 if measured.module == "baselines.bench" else 0
    for more in ("", *measured.parts.values(), measured.tiny):
        flags = measure_results.with_flags(measured.flags, more.split())
        parse(kind, flags[skipped:], program)


def test_code_version_changes_with_the_code_and_with_nothing_else(tmp_path, monkeypatch):
    monkeypatch.setattr(measure_results, "ROOT", tmp_path)

    def git(*words):
        subprocess.run(["git", *words], cwd=tmp_path, check=True, capture_output=True)

    def commit():
        git("add", "-A")
        git("-c", "user.name=a", "-c", "user.email=a@b", "commit", "-m", "x")

    git("init")
    for folder in ("baselines", "ccpo_env", "docs"):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "a.py").write_text("1", encoding="utf-8")
    commit()
    first = measure_results.code_version()
    (tmp_path / "docs" / "a.py").write_text("2", encoding="utf-8")
    commit()
    assert measure_results.code_version() == first
    (tmp_path / "baselines" / "a.py").write_text("2", encoding="utf-8")
    changed = measure_results.code_version()
    commit()
    assert len({first, changed, measure_results.code_version()}) == 3


def test_tables_name_the_commit_that_they_measured(monkeypatch, tmp_path):
    (tmp_path / "mine.txt").write_text("| a |\n", encoding="utf-8")
    recorded = {"mine": {"commit": "abc1234", "date": "2026-01-02", "minutes": 9.5, "cores": 2}}
    (tmp_path / "measured.json").write_text(json.dumps(recorded), encoding="utf-8")
    monkeypatch.setattr(result_tables, "RESULTS", tmp_path)
    page = write_docs.results_page("<!-- result mine: x -->\n<!-- end of result -->")
    assert "Measured at commit `abc1234` on 2026-01-02, in 9.5 minutes on 2 cores." in page
    assert write_docs.results_page(page) == page


def test_every_table_was_measured_at_a_recorded_commit():
    recorded = json.loads((result_tables.RESULTS / "measured.json").read_text(encoding="utf-8"))
    assert set(recorded) == set(MEASURED)
