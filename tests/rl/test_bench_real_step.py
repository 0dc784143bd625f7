"""The bench of a step of a real model, on the embedded one."""

from __future__ import annotations

from dataclasses import asdict, replace

import numpy as np
import pytest
import torch
from torch import nn

from baselines.bench import real_step, sampler_speed, step
from baselines.bench.arithmetic import LinearSizes, peak_rate
from baselines.bench.benchmarks_page import Finding, write_section
from baselines.bench.phases import GRADIENT, OPTIMIZER, OTHER, SAMPLING, SCORING, PhaseTimes
from baselines.bench.real_work import Alternating, RealStep
from baselines.bench.sampler_speed import sampler_cases
from baselines.policies.registry import load_policy
from baselines.train.update.gradient import GradientPass
from tests.rl.teams import quietly

WORK = RealStep(policy="tiny", num_tasks=2, group_size=2, num_tokens=4)


class Clock:
    """Seconds that pass only when told to."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


class Trainer:
    """A step of known phases: 1 s of scoring and 2 s of gradient in 4 s of sampling."""

    def __init__(self, clock: Clock) -> None:
        self.clock = clock
        self.weight = nn.Parameter(torch.ones(1))
        self.optimizer = torch.optim.SGD([self.weight], lr=0.1)

    def sample(self) -> None:
        self.clock.now += 1.5
        self.compute(1.0)
        with torch.no_grad():
            self.compute(2.0)
        self.clock.now += 2.5
        self.optimizer.step(lambda: self.compute(8.0))

    def compute(self, seconds: float) -> None:
        self.clock.now += seconds


def test_an_inner_phase_interrupts_the_outer_one():
    clock = Clock()
    trainer, times = Trainer(clock), PhaseTimes(clock)
    plain = Trainer.sample
    with times.watching(
        (SAMPLING, Trainer, "sample"),
        (lambda: GRADIENT if torch.is_grad_enabled() else SCORING, Trainer, "compute"),
    ):
        trainer.sample()
    assert Trainer.sample is plain
    trainer.sample()  # not watched
    expected = {SAMPLING: 4.0, SCORING: 2.0, GRADIENT: 9.0, OPTIMIZER: 0.0, OTHER: 5.0}
    assert times.take(20.0) == expected
    assert sum(times.take(1.0).values()) == 1.0


def test_a_phase_ends_with_an_error():
    clock, times = Clock(), PhaseTimes()

    def fail() -> None:
        raise KeyError("no")

    with pytest.raises(KeyError):
        times.timed(SAMPLING, fail)()
    assert times._running == []
    assert clock() == 0.0


@pytest.mark.parametrize("weights", ["lora", "separate"])
def test_linear_sizes_are_those_that_torch_counts(weights):
    from torch.utils.flop_counter import FlopCounterMode

    model = RealStep(policy="tiny", weights=weights).load().module
    sizes = LinearSizes.of(model)
    is_lora = weights == "lora"
    assert (sizes.frozen > 0, sizes.is_head_trained) == (is_lora, not is_lora)
    model.model.embed_tokens.weight.requires_grad_(True)  # the first layer's inputs have gradients
    with FlopCounterMode(display=False) as counter:
        # Of one token, the attention has no other to attend to.
        loss = model(input_ids=torch.tensor([[5]]), use_cache=False).logits.sum()
    counted = sum(n for op, n in counter.get_flop_counts()["Global"].items() if "mm" in str(op))
    assert counted == sizes.forward(1, 1)
    with FlopCounterMode(display=False) as counter:
        loss.backward()
    counted = sum(n for op, n in counter.get_flop_counts()["Global"].items() if "mm" in str(op))
    assert counted == sizes.backward(1, 1)


def test_peak_rate_is_a_rate():
    assert peak_rate() > 1e8


def test_every_completion_of_a_real_step_has_an_advantage(monkeypatch):
    found = []
    plain = GradientPass.run

    def run(self, samples):
        found.append([(s.has_advantage, s.num_completion_tokens) for s in samples])
        return plain(self, samples)

    monkeypatch.setattr(GradientPass, "run", run)
    monkeypatch.setattr(real_step, "TRL", _absent())
    measured = real_step.measured_steps(WORK, 1, _rng())
    assert found == [[(True, 4)] * 4] * 2
    own = measured[real_step.OURS]
    assert (own.num_sampled, list(measured)) == (16, [real_step.OURS])
    prompts = WORK.load().encode(WORK.prompts(), 4)
    assert own.num_read == 2 * sum(map(len, prompts))
    for name in (SAMPLING, GRADIENT, OPTIMIZER):
        assert own.median(name) > 0.0
    assert own.median(SCORING) == 0.0


def test_half_of_a_group_is_accepted_whatever_it_says():
    verify = Alternating()
    statuses = [verify("same", gold).status for gold in "ababab"]
    assert statuses == ["wrong", "wrong", "correct", "correct", "wrong", "wrong"]


def _absent():
    return replace(real_step.TRL, package="no_such_package")


def _rng():
    return np.random.default_rng(0)


def test_forced_completions_have_all_their_tokens():
    cases = sampler_cases(
        2, policy=load_policy("tiny"), num_samples=3, max_tokens=30, is_forced=True
    )
    assert [case.run() for case in cases] == [2 * 3 * 30] * 2


def test_the_bench_of_a_policy_has_a_section_of_its_own(tmp_path, monkeypatch):
    monkeypatch.setattr(real_step, "TRL", _absent())
    monkeypatch.setattr(step, "RealStep", lambda **of: RealStep(**{**asdict(WORK), **of}))
    page = tmp_path / "benchmarks.md"
    write_section(page, "step", [Finding("One", "Why.", ("a", "b"), (("c", "1"),))], threads=1)
    before = page.read_text()
    flags = ("--policy", "tiny", "--repeats", "1", "--page", str(page))
    code, printed = quietly(step.main, *flags)
    assert code == 0
    assert "Sampling from tiny" in printed
    after = page.read_text()
    assert "| TRL GRPOTrainer | pip install trl" in after
    assert after.startswith(before.rstrip())
    assert "## Step tiny lora" in after
    assert "`python -m baselines.bench step --policy tiny --weights lora --repeats 1` on" in after
    assert after.count("### ") == 5


def test_the_bench_refuses_weights_without_a_policy(capsys):
    code, _ = quietly(step.main, "--weights", "separate")
    assert code == 2
    assert "weights must be given with a policy" in capsys.readouterr().err


def test_the_bench_of_the_sampler_takes_a_policy(monkeypatch):
    monkeypatch.setattr(sampler_speed.sampler_finding, "__defaults__", (1, 2, 3))
    code, printed = quietly(sampler_speed.main, "--policy", "tiny", "--repeats", "1")
    assert code == 0
    assert "Sampling from tiny" in printed
    assert "1 x 2" in printed


@pytest.mark.filterwarnings("ignore")  # its own, about transformers
def test_trl_does_the_same_work():
    pytest.importorskip("trl")
    measured = real_step.measured_steps(WORK, 1, _rng())
    ours, theirs = measured.values()
    assert (theirs.num_sampled, theirs.num_read) == (ours.num_sampled, ours.num_read)
    assert theirs.median(SAMPLING) > 0.0
    assert theirs.median(GRADIENT) > 0.0
