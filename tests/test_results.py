"""Results: measured by one command, kept, and written into README and documents."""

from __future__ import annotations

import re
import subprocess

import pytest

from scripts import measure_results, write_docs
from scripts.measure_results import MEASURED

HEADS = (
    "| optimizer | allocator | seeds | steps | tokens | joint | contribution | "
    "mean accuracy over training | its gain over shared | p |"
)
TABLE = f"""{HEADS}
|---|---|---|---|---|---|---|---|---|---|
| grpo | shared | 3 | 9 | 1k | .9 | .1 | 0.500 [0.400, 0.600] |  |  |
| grpo | branch | 3 | 9 | 1k | .9 | .1 | 0.450 [0.400, 0.500] | -0.050 [-0.060, -0.040] | 0.001 |
| grpo | shapley | 3 | 9 | 1k | .9 | .1 | 0.470 [0.400, 0.500] | -0.030 [-0.060, -0.010] | 0.000 |
| gspo | shared | 3 | 9 | 1k | .9 | .1 | 0.500 [0.400, 0.600] |  |  |
| gspo | branch | 3 | 9 | 1k | .9 | .1 | 0.600 [0.500, 0.700] | 0.100 [-0.010, 0.210] | 0.060 |
"""


def test_results_table_shows_the_best_other_credit_of_each_team(monkeypatch, tmp_path):
    (tmp_path / "mine.txt").write_text(TABLE, encoding="utf-8")
    shown = write_docs.Shown("mine", "team `{}`", write_docs.AREA, gain=8, p_value=9)
    monkeypatch.setattr(write_docs, "RESULTS", tmp_path)
    monkeypatch.setattr(write_docs, "SHOWN", (shown,))
    shared = "0.500 [0.400, 0.600]"
    assert write_docs.results_table().splitlines()[2:] == [
        f"| team `grpo` | 3 | {shared} | shapley: 0.470 [0.400, 0.500] | "
        "-0.030 [-0.060, -0.010], p < 0.001 | worse |",
        f"| team `gspo` | 3 | {shared} | branch: 0.600 [0.500, 0.700] | "
        "0.100 [-0.010, 0.210], p = 0.060 | inconclusive |",
    ]


def test_pages_show_gain_and_p_value_first_and_a_table_per_optimizer(tmp_path):
    (tmp_path / "mine.txt").write_text(TABLE, encoding="utf-8")
    lines = write_docs.shown_tables(tmp_path / "mine.txt").splitlines()
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
    assert write_docs.shown_tables(tmp_path / "mine.txt").splitlines() == [
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
    assert write_docs.verdict(gain) == expected


@pytest.mark.parametrize("gain", ["", "+0.04", "+0.04 [+0.03, +0.05]", "p = 0.010"])
def test_verdict_refuses_a_difference_without_uncertainty(gain):
    with pytest.raises(ValueError, match="a difference must read"):
        write_docs.verdict(gain)


@pytest.fixture
def calls(monkeypatch, tmp_path):
    """Run nothing, write what a run writes, and return the commands."""
    found = []

    def run(command, **_arguments):
        found.append(command)
        if "--out-dir" in command:
            folder = tmp_path / "runs" / "vote"
            folder.mkdir(parents=True)
            (folder / "table.md").write_text(TABLE, encoding="utf-8")
            (folder / "curves.png").write_bytes(b"picture")

    monkeypatch.setattr(subprocess, "run", run)
    monkeypatch.setattr(measure_results, "RUNS", tmp_path / "runs")
    monkeypatch.setattr(measure_results, "RESULTS", tmp_path)
    return found


def test_measure_results_runs_keeps_and_writes(calls, tmp_path):
    assert measure_results.main(["vote"]) == 0
    (measured, written) = calls
    assert measured[1:3] == ["-m", "baselines.experiment"]
    assert measured[-2:] == ["--out-dir", str(tmp_path / "runs" / "vote")]
    assert written[-1].endswith("write_docs.py")
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
    kept = {path.stem for path in write_docs.RESULTS.iterdir()}
    assert {name.removesuffix("_spread") for name in kept} == set(MEASURED)
