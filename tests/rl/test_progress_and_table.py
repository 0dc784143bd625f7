from __future__ import annotations

from io import StringIO

import pytest
from rich.console import Console

from baselines.evaluate.table import evaluation_table
from baselines.evaluate.team_evaluation import Evaluation
from baselines.train.logging.progress import LiveProgress, describe
from tests.rl.teams import NO_THINKER, rollout

ROW = {
    "step": 1,
    "accuracy/joint": 0.456,
    "accuracy/solo": None,
    "credit/help_rate": 0.25,
    "credit/hurt_rate": 0.0,
    "time/tokens_per_s": 12345.6,
}
NUMBERS = "joint 0.46  solo -  help 0.25  hurt 0.00  12,346 tokens/s"


def shown(steps, *, is_terminal=False, num_steps=25, num_done=0) -> str:
    file = StringIO()
    console = Console(file=file, width=120, force_terminal=is_terminal, color_system=None)
    with LiveProgress(console, num_steps=num_steps, num_done=num_done) as progress:
        for step in steps:
            progress.show({**ROW, "step": step})
    return file.getvalue()


def test_describe_tells_unmeasured_from_zero():
    assert describe(ROW) == NUMBERS
    assert describe({}) == "joint -  solo -  help -  hurt -  0 tokens/s"


def test_progress_prints_the_first_and_every_tenth_step_where_there_is_no_terminal():
    lines = shown(range(1, 26)).splitlines()
    assert lines == [f"step {step}/25  {NUMBERS}" for step in (1, 10, 20)]


def test_progress_of_a_resumed_run_goes_on_counting():
    assert shown([12, 20], num_done=11).splitlines() == [f"step 20/25  {NUMBERS}"]
    assert " 13/25 " in shown([12, 13], is_terminal=True, num_done=11)


def test_progress_draws_one_bar_on_a_terminal():
    text = shown(range(1, 26), is_terminal=True)
    assert " 25/25 " in text
    assert NUMBERS in text
    assert "step 10/25" not in text


def table_text(evaluation: Evaluation, title: str = "a title") -> str:
    console = Console(file=StringIO(), width=120)
    console.print(evaluation_table(evaluation, title=title))
    return console.file.getvalue()


@pytest.fixture
def evaluation() -> Evaluation:
    joint = [rollout(status) for status in ("correct", "correct", "wrong", "timeout")]
    without = [rollout("wrong", removed=NO_THINKER, texts=("", "3"))] * 4
    return Evaluation({frozenset(): joint, NO_THINKER: without})


def test_table_shows_rate_interval_and_count(evaluation):
    rows = [
        [cell.strip() for cell in line.split("│")[1:-1]]
        for line in table_text(evaluation).splitlines()
        if line.startswith("│")
    ]
    # Wilson intervals of 2 of 3, 0 of 4 and 0 of 3, by the formula of baselines.common.stats
    assert rows == [
        ["accuracy, whole team", "0.667", "[0.208, 0.939]", "2 of 3"],
        ["accuracy without thinker_0", "0.000", "[0.000, 0.490]", "0 of 4"],
        ["thinker_0 helped", "0.667", "[0.208, 0.939]", "2 of 3"],
        ["thinker_0 hurt", "0.000", "[0.000, 0.561]", "0 of 3"],
    ]
    assert "1 rollouts not measured" in table_text(evaluation)


def test_table_says_when_a_rate_was_not_measured():
    text = table_text(Evaluation({frozenset(): [rollout("error")]}))
    assert "not measured" in text
    assert "0 of 0" in text


@pytest.mark.parametrize("title", ["runs/[/b] on x", "[red]policy[/red] on x"])
def test_table_title_is_text_and_not_markup(evaluation, title):
    assert title in table_text(evaluation, title)
