from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest

from baselines.bench import scaling
from baselines.bench.scaling import AXES, BASE, Scaling, measured, peak_bytes
from baselines.bench.stepwise import OurLoop, closed_at_the_end
from ccpo_env import verify
from tests.rl.teams import quietly

LITTLE = replace(BASE, tasks_per_step=1, group_size=2, max_tokens=4)


@pytest.mark.parametrize("exponent", [0.5, 1.0, 2.0])
def test_exponent_is_that_of_a_power_law(exponent):
    tokens = np.array([100.0, 200.0, 400.0, 1600.0])
    seconds = np.repeat(3.0 * tokens[:, None] ** exponent, 5, axis=1)
    found = Scaling(tokens, seconds).exponent(np.random.default_rng(0))
    assert (found.value, found.low, found.high) == pytest.approx((exponent,) * 3)


def test_interval_holds_the_exponent_of_noisy_times_and_ignores_slow_moments():
    rng = np.random.default_rng(0)
    tokens = np.array([100.0, 200.0, 400.0, 800.0, 1600.0])
    seconds = tokens[:, None] ** 0.9 * rng.lognormal(0.0, 0.05, size=(5, 40))
    seconds *= rng.lognormal(0.0, 1.0, size=40)  # of the machine: all sizes of a repeat alike
    found = Scaling(tokens, seconds).exponent(rng)
    assert found.low < 0.9 < found.high
    assert found.high - found.low < 0.2


def test_measured_counts_all_tokens_of_a_step():
    configs = [LITTLE, replace(LITTLE, group_size=4)]
    result = measured(configs, 2, np.random.default_rng(0))
    assert result.seconds.shape == (2, 2)
    assert (result.seconds > 0.0).all()
    # Two agents, at least one token each, after prompts of at least two tokens.
    assert (result.tokens > np.array([2, 4]) * 2 * 3).all()


@pytest.mark.parametrize("name", AXES)
def test_axis_grows_one_thing(name):
    with AXES[name]() as sizes:
        configs = list(sizes.values())
        changed = {
            field
            for config in configs
            for field, value in vars(config).items()
            if value != getattr(configs[0], field)
        }
        for config in configs:
            config.check()
    assert len(changed) == 1
    assert len(sizes) >= 4


def test_long_sums_are_tasks_with_right_answers():
    tasks = [json.loads(line) for line in scaling._long_sums(7)]
    assert len({task["question"] for task in tasks}) == len(tasks) == 64
    total = eval(tasks[0]["question"].split(": ")[1])  # ours, from the line above
    assert verify(rf"\boxed{{{total % 10}}}", tasks[0]["answer"]).reward == 1.0


def test_completions_axis_says_as_much_as_it_may():
    with AXES["length of completions"]() as sizes:
        loop = OurLoop(replace(sizes["32 tokens"], tasks_per_step=2, group_size=8))
        with closed_at_the_end(loop):
            loop.step()
    assert loop.rows[0]["cost/tokens_generated"] == 2 * 2 * 8 * 32  # of both agents


def test_peak_never_falls():
    before = peak_bytes()
    size = before + 2**26
    block = np.ones(size // 8)
    with_block = peak_bytes()
    assert with_block >= before + 0.9 * 2**26
    del block
    assert peak_bytes() >= with_block


def test_scaling_bench_runs_and_writes_its_page(tmp_path, monkeypatch):
    monkeypatch.setattr(scaling, "WARM_UP_STEPS", 1)
    monkeypatch.setattr(scaling, "BASE", LITTLE)
    monkeypatch.setattr(scaling, "AXES", {"rollouts of a group": scaling._groups})
    page = tmp_path / "benchmarks.md"
    code, printed = quietly(
        scaling.main, "--repeats", "1", "--memory-steps", "3", "--page", str(page)
    )
    assert code == 0
    assert "rollouts of a group" in printed
    assert "| 3 steps |" in page.read_text()


def test_scaling_bench_refuses_too_few_steps(capsys):
    code, _ = quietly(scaling.main, "--memory-steps", "50")
    assert code == 2
    assert "memory_steps must be >= 51, got 50" in capsys.readouterr().err
