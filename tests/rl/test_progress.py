from __future__ import annotations

from io import StringIO

from rich.console import Console

from baselines.train.logging.progress import LiveProgress, describe

ROW = {
    "step": 1,
    "accuracy/joint": 0.456,
    "accuracy/solo": None,
    "credit/help_rate": 0.25,
    "credit/hurt_rate": 0.0,
    "time/tokens_per_s": 12345.6,
}
NUMBERS = "joint 0.46  solo -  help 0.25  hurt 0.00  12,346 tokens/s"


def shown(steps, *, is_terminal=False, num_steps=25, num_done=0, agents=(), **row) -> str:
    file = StringIO()
    console = Console(file=file, width=120, force_terminal=is_terminal, color_system=None)
    settings = {"num_steps": num_steps, "num_done": num_done, "agents": agents}
    with LiveProgress(console, **settings) as progress:
        for step in steps:
            progress.show({**ROW, **row, "step": step})
    return file.getvalue()


def test_describe_tells_unmeasured_from_zero():
    assert describe(ROW) == NUMBERS
    assert describe({}) == "joint -  solo -  help -  hurt -  0 tokens/s"


def test_progress_prints_the_first_the_last_and_every_tenth_step_where_there_is_no_terminal():
    lines = shown(range(1, 26)).splitlines()
    assert lines == [f"step {step}/25  {NUMBERS}" for step in (1, 10, 20, 25)]


def test_progress_of_a_resumed_run_goes_on_counting():
    assert shown([12, 20], num_done=11).splitlines() == [f"step 20/25  {NUMBERS}"]
    assert " 13/25 " in shown([12, 13], is_terminal=True, num_done=11)


def test_progress_draws_one_bar_on_a_terminal():
    text = shown(range(1, 26), is_terminal=True)
    assert " 25/25 " in text
    assert NUMBERS in text
    assert "step 10/25" not in text


CREDIT = {
    "rollout/groups": 8,
    "credit/a_0/signal_rate": 0.5,
    "credit/a_0/degenerate": 0.0,
    "credit/a_0/slope_vs_shared": 1.0,
    "credit/a_0/variance_ratio": 1.0,
    "credit/a_0/correlation_vs_shared": 0.9925,
}


def test_progress_says_once_how_credit_relates_to_the_shared_reward():
    for is_terminal in (False, True):
        text = shown(range(1, 26), agents=["a_0"], is_terminal=is_terminal, **CREDIT)
        assert text.count("Credit so far.") == 1
        assert (
            "Credit so far. The credit of a_0 is practically the shared reward. Correlation with "
            "the shared advantage: a_0 0.993 [0.993, 0.993]."
        ) in " ".join(text.split())
    lines = shown(range(1, 26), agents=["a_0"], **CREDIT).splitlines()
    assert [line.startswith("Credit") for line in lines[:4]] == [False, False, True, False]
    few = shown(range(1, 4), agents=["a_0"], num_steps=3, **CREDIT).splitlines()
    assert few[2].startswith("Credit so far.")
    silent = shown(range(1, 26), agents=["a_0"])
    assert "Credit so far. No group had a signal." in silent
