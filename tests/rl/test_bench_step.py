from __future__ import annotations

import sys
import time
from dataclasses import replace

import numpy as np
import pytest
import torch

from baselines.bench import environment_speed, other_trainers, sampler_speed, step
from baselines.bench.benchmarks_page import HEAD, Finding, cpu_model, write_section
from baselines.bench.other_trainers import OTHER_TRAINERS, OtherTrainer
from baselines.bench.stepwise import TINY_STEP, OurLoop, StepwiseLoop, closed_at_the_end
from baselines.bench.trl_step import TokenCount
from tests.rl.teams import quietly

LITTLE = replace(TINY_STEP, tasks_per_step=2, group_size=2, max_tokens=4)


def test_stepwise_loop_makes_one_step_per_call():
    made = []

    def train(pause):
        for number in range(5):
            made.append(number)
            pause()

    loop = StepwiseLoop(train)
    assert made == []
    for number in range(3):
        loop.step()
        assert made == list(range(number + 1))
    loop.close()
    assert made == [0, 1, 2]


def test_stepwise_loop_ends_a_loop_that_catches_exceptions():
    left = []

    def train(pause):
        try:
            while True:
                try:
                    pause()
                except Exception:
                    raise AssertionError("closing must not look like a failure") from None
        finally:
            left.append(True)

    loop = StepwiseLoop(train)
    loop.step()
    loop.close()
    assert left == [True]


@pytest.mark.parametrize("train", [lambda _pause: None, lambda _pause: 1 / 0])
def test_stepwise_loop_raises_when_its_loop_is_over(train):
    loop = StepwiseLoop(train)
    with pytest.raises(RuntimeError, match=r"must run until it is closed, got .*Error"):
        loop.step()
    loop.close()


def test_our_loop_trains_and_takes_its_files_away():
    loop = OurLoop(LITTLE)
    with closed_at_the_end(loop):
        loop.step()
        time.sleep(1.0)  # between the steps
        started = time.perf_counter()
        loop.step()
        whole = time.perf_counter() - started
    assert [row["step"] for row in loop.rows] == [1, 2]
    assert 0.0 < loop.seconds[1] <= whole
    assert loop.rows[1]["cost/tokens_generated"] > 0


class _Generating:
    """A model whose ``generate`` returns what it was made with."""

    class generation_config:
        eos_token_id = 9

    def __init__(self, sequences):
        self.generate = lambda **_prompts: sequences


def test_token_count_counts_completions_up_to_their_first_end():
    # Prompts of two tokens, the first with an end token of its own, which is not counted.
    sequences = torch.tensor([[9, 1, 5, 9, 9, 9], [2, 3, 5, 5, 5, 5], [2, 3, 9, 4, 9, 0]])
    model, count = _Generating(sequences), TokenCount()
    count.watch(model)
    assert model.generate(input_ids=sequences[:, :2]) is sequences
    assert count.take() == 2 + 4 + 1
    assert count.take() == 0


def test_teams_ask_for_the_same_work_as_other_trainers():
    assert [trainer.ours.allocator for trainer in OTHER_TRAINERS.values()] == ["shared"] * 2
    for trainer in OTHER_TRAINERS.values():
        work = (trainer.ours.tasks_per_step, trainer.ours.group_size, trainer.ours.max_tokens)
        assert work == (
            other_trainers.NUM_TASKS,
            other_trainers.GROUP_SIZE,
            other_trainers.MAX_NEW_TOKENS,
        )


def _other_trainer(train, package="json") -> OtherTrainer:
    return OtherTrainer("Another trainer", package, "another-trainer==1", LITTLE, train, bar=0.5)


def test_trainers_finding_compares_tokens_and_times(monkeypatch):
    model = _Generating(torch.full((3, 7), 1))

    def train(count, pause):
        count.watch(model)
        while True:
            model.generate(input_ids=torch.ones(3, 2))
            pause()

    monkeypatch.setattr(step, "OTHER_TRAINERS", {"a": _other_trainer(train)})
    finding = step.trainers_finding(3, np.random.default_rng(0))
    row = dict(zip(finding.columns, finding.rows[0], strict=True))
    assert (row["trainer"], row["its tokens"], row["bar"]) == ("Another trainer", "15", "0.50")
    assert 4 * 2 <= float(row["our tokens"]) <= 50  # two agents, four rollouts, four tokens at most
    low, high = map(float, row["95 %"].split(" to "))
    assert low <= float(row["ratio"]) <= high


def test_trainers_finding_says_what_to_install(monkeypatch):
    monkeypatch.setattr(
        step, "OTHER_TRAINERS", {"a": _other_trainer(None, package="no_such_package")}
    )
    finding = step.trainers_finding(3, np.random.default_rng(0))
    assert finding.rows[0][:2] == ("Another trainer", "pip install another-trainer==1")
    assert len(finding.rows[0]) == len(finding.columns)


def test_step_shares_add_up_to_the_whole_step():
    rows = [
        {"time/step_s": 0.9, "time/generate_s": 0.5, "time/update_s": 0.25, "time/verify_s": 0.0}
        | {"time/environment_s": 0.125, "time/credit_s": 0.0},
        {"time/step_s": 2.9, "time/generate_s": 1.5, "time/update_s": 0.75, "time/verify_s": 0.5}
        | {"time/environment_s": 0.125, "time/credit_s": 0.0},
    ]
    # 4 seconds: 2 + 1 + 0.5 + 0.25, and a quarter of a second that no metric names.
    assert step.step_shares(rows, [1.0, 3.0]) == {
        "generation": 0.5,
        "forward, backward and update": 0.25,
        "verification": 0.125,
        "environment": 0.0625,
        "credit and advantages": 0.0,
        "rest": 0.0625,
    }


def test_credit_finding_has_the_price_of_tokens():
    finding = step.credit_finding(2, np.random.default_rng(0))
    shared, credit = (dict(zip(finding.columns, row, strict=True)) for row in finding.rows)
    assert (shared["time ratio"], shared["token ratio"]) == ("1.00", "1.00")
    # Removed rollouts are 4 to 8 of the whole team, at one completion in place of two, at most.
    assert 1.0 < float(credit["token ratio"]) < 1.5
    price = float(credit["time ratio"]) / float(credit["token ratio"])
    assert float(credit["time over tokens"].split()[0]) == pytest.approx(price, abs=0.02)


def test_write_section_replaces_its_own_section_only(tmp_path):
    page = tmp_path / "page.md"
    first, second, third = (
        Finding(title, "Why.", ("what", "how much"), (("a", "1"),))
        for title in ("One", "Two", "Six")
    )
    write_section(page, "step", [first], threads=1)
    write_section(page, "scaling", [second], threads=1)
    before = page.read_text()
    assert before.startswith(HEAD)
    assert f"on: {cpu_model()}, " in before
    write_section(page, "step", [third], threads=1)
    after = page.read_text()
    assert after == before.replace("### One", "### Six")
    assert after.count("### Two\n\nWhy.\n\n| what | how much |\n| --- | ---: |\n| a | 1 |\n") == 1


def test_step_bench_runs_and_writes_its_page(tmp_path, monkeypatch):
    monkeypatch.setattr(step, "OTHER_TRAINERS", {})
    for name in ("WITHOUT_CREDIT", "WITH_CREDIT"):
        config = getattr(step, name)
        monkeypatch.setattr(step, name, replace(config, tasks_per_step=2, group_size=2))
    monkeypatch.setattr(step.parts_finding, "__defaults__", (LITTLE,))
    monkeypatch.setattr(environment_speed, "NUM_EPISODES", 3)
    monkeypatch.setattr(sampler_speed, "NUM_PROMPTS", 8)
    page = tmp_path / "benchmarks.md"
    flags = ("--repeats", "1", "--credit-repeats", "1", "--page", str(page))
    code, printed = quietly(step.main, *flags)
    assert code == 0
    assert "Where the time of a step goes" in printed
    assert page.read_text().count("### ") == 4
    for name in ("think_solve_v0.raw_env", "math-verify", "ccpo sampler"):
        assert name in page.read_text()  # a narrow terminal cuts names


def test_step_bench_refuses_no_repeats(capsys):
    code, _ = quietly(step.main, "--credit-repeats", "0")
    assert code == 2
    assert "credit_repeats must be >= 1, got 0" in capsys.readouterr().err


@pytest.mark.filterwarnings("ignore")  # their own, about transformers
@pytest.mark.parametrize("name", OTHER_TRAINERS)
def test_other_trainer_trains_on_the_same_work_as_ours(name, monkeypatch):
    pytest.importorskip(OTHER_TRAINERS[name].package)
    monkeypatch.setattr(other_trainers, "NUM_TASKS", 2)
    monkeypatch.setattr(other_trainers, "GROUP_SIZE", 2)
    monkeypatch.setattr(other_trainers, "MAX_NEW_TOKENS", 4)
    count = TokenCount()
    loop = OTHER_TRAINERS[name].stepwise(count)
    num_agents = 2 if name == "comlrl" else 1
    with closed_at_the_end(loop):
        for _ in range(2):
            loop.step()
            assert 4 * num_agents <= count.take() <= 16 * num_agents
    assert OTHER_TRAINERS[name].package in sys.modules
