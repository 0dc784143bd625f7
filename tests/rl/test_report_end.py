"""The last screen of a run, and the command that writes its page again."""

from __future__ import annotations

import re
from io import StringIO

import numpy as np
import pytest
from rich.console import Console

from baselines.__main__ import COMMANDS
from baselines.common.evaluation_file import EVALUATIONS_FILE
from baselines.common.rollout_file import ROLLOUTS_FILE
from baselines.compare.command import main as compare
from baselines.explore.command import main as explore
from baselines.report.command import main
from baselines.report.end_of_run import MAX_ROWS, end_of_run
from tests.rl.report_runs import evaluations_of, make_run, outcomes_of, summary_of

TEAM = ("thinker_0", "solver_0")
WORDS = {"rows": [], "credit": None, "examples": None}
"""Of a run without figures, which take a second to draw."""


def screen(run_dir, *, width=80) -> str:
    file = StringIO()
    end_of_run(run_dir).show(Console(file=file, width=width), report=run_dir / "report.html")
    return file.getvalue()


def test_end_of_a_run_shows_before_after_and_difference(tmp_path):
    text = screen(make_run(tmp_path, **WORDS))
    rows = {re.split(r" {2,}", line.strip())[0]: line.split() for line in text.splitlines()}
    # 160 and 380 of 400: 220 points of 400, Tango's interval.
    assert rows["whole team"][2:] == ["40.0", "95.0", "+55.0", "[+50.1,", "+59.8]", "<", "0.001"]
    assert rows["without thinker_0"][2:5] == ["35.0", "32.0", "-3.0"]
    assert rows["thinker_0 adds"][2:4] == ["+5.0", "+63.0"]
    told = " ".join(text.split())
    assert "Held-out accuracy rose from 40.0 % to 95.0 % in 80 steps: +55.0 points" in told
    assert "thinker_0 helps: it adds +63.0 points" in told
    assert f"report {tmp_path / 'report.html'}" in text


@pytest.mark.parametrize("agents", [TEAM, tuple(f"voter_{k}" for k in range(9))])
def test_the_table_and_the_verdict_fit_80_columns(tmp_path, agents):
    text = screen(make_run(tmp_path, agents=agents, **WORDS))
    for line in text.splitlines():
        if not line.startswith(("report ", "next ")):  # paths are not broken
            assert len(line) <= 80
    num_rows = 1 + 2 * (len(agents) - 1)
    shown = sum(bool(re.match(r" (whole team|without|\w+_\d adds)", x)) for x in text.splitlines())
    assert shown == min(num_rows, MAX_ROWS)
    assert ("2 more rows are on the page" in text) == (num_rows > MAX_ROWS)
    is_labelled = "Intervals are not adjusted for the number of agents" in " ".join(text.split())
    assert is_labelled == (len(agents) > 2)


def test_every_command_of_the_last_screen_exists(tmp_path):
    run = make_run(tmp_path, summary=summary_of(status="interrupted"), **WORDS)
    (run / ROLLOUTS_FILE).write_text("{}\n")
    found = end_of_run(run).commands
    assert len(found) == 3
    assert f"ccpo train --resume --out-dir {run}" in found
    assert {command.split()[1] for command in found} <= set(COMMANDS)


def test_the_last_screen_names_no_command_that_would_fail(tmp_path):
    run = make_run(tmp_path, evaluations=[], **WORDS)  # nor are there rollouts
    assert end_of_run(run).commands == {}
    assert "next" not in screen(run)


def test_end_of_an_interrupted_run_compares_with_the_latest_evaluation(tmp_path):
    summary = summary_of(status="interrupted", steps_done=37, final=None)
    evaluations = evaluations_of(80, TEAM)[:2]
    text = screen(make_run(tmp_path, summary=summary, evaluations=evaluations, **WORDS))
    told = " ".join(text.split())
    assert "rose from 40.0 % to 67.5 % in 40 steps" in told
    assert told.count("The run was interrupted after 37 steps.") == 1
    empty = screen(make_run(tmp_path / "b", summary=None, evaluations=[], **WORDS))
    assert empty.startswith("There was no evaluation on held-out tasks.")
    assert "The run has not finished: step 0 of 80 is its latest." in " ".join(empty.split())


def test_a_vote_that_is_recounted_is_compared_on_the_same_ballots(tmp_path):
    rates = {"voter_0": 0.6, "voter_1": 0.5}
    ends = [outcomes_of(step, joint=0.6, without=rates, num_tasks=50) for step in (0, 10)]
    for own in ends:  # without voter_0 nothing changes
        outcomes = own.benchmarks["arithmetic"].outcomes
        outcomes["without voter_0"] = np.array(outcomes["joint"])
    text = screen(make_run(tmp_path, evaluations=ends, **WORDS))
    told = " ".join(text.split())
    assert "Inconclusive: voter_0 adds +0.0 points" in told
    assert "exact p = 1.000" in told


def test_command_writes_the_pages_of_several_runs_again(tmp_path, capsys):
    runs = [make_run(tmp_path / name, **WORDS) for name in "ab"]
    assert main(list(map(str, runs))) == 0
    printed = capsys.readouterr().out
    for run in runs:
        assert (run / "report.html").exists()
        assert f"report {run / 'report.html'}" in printed
    before = (runs[0] / "report.html").read_text()
    with (runs[0] / EVALUATIONS_FILE).open("a") as file:
        file.write('{"step": 90, "tok')  # a line that is being written
    assert main([str(runs[0])]) == 0
    note = "The last line of evaluations.jsonl is incomplete and left out, although the run has "
    after = (runs[0] / "report.html").read_text()
    assert (note in before, note in after) == (False, True)
    assert before.partition("<main>")[2] == after.partition("<main>")[2] != ""


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ([], "run_dirs must be given, got nothing"),
        (
            ["nowhere"],
            "RUN must be the folder of a training run, got nowhere, which does not exist",
        ),
    ],
)
def test_command_tells_what_is_wrong_in_one_sentence(given, message, capsys):
    with pytest.raises(SystemExit) as stopped:
        main(given)
    error = capsys.readouterr().err
    assert stopped.value.code == 2
    assert message in error
    assert error.count("\n") == 1


@pytest.mark.parametrize(
    ("start", "what", "by"),
    [
        (main, "a training run", "ccpo train"),
        (explore, "a training run", "ccpo train"),
        (compare, "a training run or an evaluation", "ccpo train or ccpo evaluate"),
    ],
)
def test_every_command_refuses_a_missing_folder_in_the_same_sentence(start, what, by, capsys):
    with pytest.raises(SystemExit):
        start(["runs/nope", "runs/no"] if start is compare else ["runs/nope"])
    assert capsys.readouterr().err.endswith(
        f"RUN must be the folder of {what}, got runs/nope, which does not exist; pass the "
        f"--out-dir of {by}\n"
    )


def test_command_names_a_damaged_file(tmp_path, capsys):
    run = make_run(tmp_path, **WORDS)
    (run / EVALUATIONS_FILE).write_text('{"step": 1}\n')
    with pytest.raises(SystemExit):
        main([str(run)])
    assert "line 1 of" in capsys.readouterr().err


@pytest.mark.parametrize("name", ["config.json", "summary.json", "examples.json"])
def test_command_names_half_a_file(name, tmp_path, capsys):
    run = make_run(tmp_path, **WORDS)
    (run / name).write_text('{"steps": [1, ')
    with pytest.raises(SystemExit):
        main([str(run)])
    error = capsys.readouterr().err
    assert f"{name} must be a JSON file, got a damaged one in {run}" in error
    assert error.count("\n") == 1
