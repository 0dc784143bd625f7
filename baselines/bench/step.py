"""A training step compared with those of TRL and CoMLRL, and the cost of credit."""

from __future__ import annotations

import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from baselines.bench import sampler_speed
from baselines.bench.benchmarks_page import Finding, report
from baselines.bench.environment_speed import environment_cases
from baselines.bench.measuring import Case, PageConfig, measure, seconds_of
from baselines.bench.other_trainers import (
    GROUP_SIZE,
    MAX_NEW_TOKENS,
    NUM_TASKS,
    OTHER_TRAINERS,
    OtherTrainer,
)
from baselines.bench.real_step import real_findings
from baselines.bench.real_work import RealStep, RealWeights
from baselines.bench.sampler_speed import median_ratio
from baselines.bench.stepwise import TINY_STEP, OurLoop, closed_at_the_end
from baselines.bench.trl_step import TokenCount
from baselines.bench.verifier_speed import verifier_cases
from baselines.common.checks import require_at_least
from baselines.common.command_line import parse
from baselines.common.metrics import MetricRow
from baselines.train.config import TrainConfig

WITHOUT_CREDIT = replace(TINY_STEP, allocator="shared", tasks_per_step=32, group_size=8)
WITH_CREDIT = replace(WITHOUT_CREDIT, allocator="counterfactual")
"""The defaults of training."""
MANY_EPISODES = replace(TINY_STEP, tasks_per_step=64, group_size=8)
"""512 episodes of the whole team a step."""

PARTS: Mapping[str, str] = {
    "generation": "time/generate_s",
    "forward, backward and update": "time/update_s",
    "verification": "time/verify_s",
    "environment": "time/environment_s",
    "credit and advantages": "time/credit_s",
}
"""Parts of a step, with the names of their metrics."""
UNAVOIDABLE = ("generation", "forward, backward and update", "verification")


@dataclass(frozen=True, kw_only=True)
class StepConfig(PageConfig):
    """Compare a training step with those of other trainers, and measure the cost of credit."""

    credit_repeats: int = 40
    """Steps with and without credit, which are short, and steps whose parts are timed."""
    policy: str | None = None
    """A model to train beside TRL, such as smollm2, with a sampler beside ``generate``. None: the
    embedded model, beside all trainers, with the cost of credit."""
    weights: RealWeights = "lora"
    """With --policy: what is trained, an adapter (lora) or all weights (separate)."""

    def check(self) -> None:
        """Raise ValueError if a value is out of range."""
        super().check()
        require_at_least("credit_repeats", self.credit_repeats, 1)
        if self.policy is None and self.weights != "lora":
            raise ValueError(
                f"weights must be given with a policy, got {self.weights!r} without; pass "
                f"--policy smollm2, or leave it out"
            )


def main(arguments: Sequence[str]) -> int:
    """Run the bench of a training step."""
    run(parse(StepConfig, arguments, "ccpo bench step"))
    return 0


def run(config: StepConfig) -> None:
    """Print the cost of a step, and write it to the page if there is one."""
    rng = np.random.default_rng(config.seed)
    if config.policy is not None:
        work = RealStep(policy=config.policy, weights=config.weights)
        flags = f"--policy {config.policy} --weights {config.weights} --repeats {config.repeats}"
        report("step", real_findings(work, config.repeats, rng), config.page, flags=flags)
        return
    findings = [
        trainers_finding(config.repeats, rng),
        credit_finding(config.credit_repeats, rng),
        parts_finding(config.credit_repeats),
        rates_finding(config.repeats, rng),
    ]
    report("step", findings, config.page)


def trainers_finding(repeats: int, rng: np.random.Generator) -> Finding:
    """Compare each installed trainer with ours."""
    rows = [
        _compared(trainer, repeats, rng)
        if trainer.is_installed
        else (trainer.name, f"pip install {trainer.install}", *["-"] * 6)
        for trainer in OTHER_TRAINERS.values()
    ]
    return Finding(
        title="A step compared with other trainers",
        meaning=(
            f"The embedded model, {NUM_TASKS} arithmetic tasks per step, {GROUP_SIZE} completions "
            f"of each agent for each task, at most {MAX_NEW_TOKENS} new tokens, one update of "
            f"every policy, learning rates so small that completions do not change. GRPOTrainer is "
            f"compared with a team of one on the same prompts, MAGRPOTrainer with a thinker and a "
            f"solver with separate policies; its agents speak simultaneously, so its solver reads "
            f"only the question, while ours also reads the thought. Rewards are those of our "
            f"verifier. Tokens are those sampled up to the end of each completion."
        ),
        columns=("trainer", "its s", "its tokens", "our s", "our tokens", "ratio", "95 %", "bar"),
        rows=tuple(rows),
    )


def _compared(trainer: OtherTrainer, repeats: int, rng: np.random.Generator) -> tuple[str, ...]:
    count, num_tokens = TokenCount(), list[int]()
    theirs, ours = trainer.stepwise(count), OurLoop(trainer.ours)

    def their_step() -> int:
        theirs.step()
        num_tokens.append(count.take())
        return 1

    with closed_at_the_end(theirs, ours):
        cases = [Case("theirs", their_step), Case("ours", lambda: _step(ours))]
        their_s, our_s = seconds_of(cases, repeats, rng)
    ratio = median_ratio(our_s, their_s, rng)
    return (
        trainer.name,
        f"{statistics.median(their_s):.2f}",
        f"{statistics.mean(num_tokens[1:]):,.0f}",
        f"{statistics.median(our_s):.2f}",
        f"{_mean(ours.rows[1:], 'cost/tokens_generated'):,.0f}",
        f"{ratio.value:.2f}",
        f"{ratio.low:.2f} to {ratio.high:.2f}",
        f"{trainer.bar:.2f}",
    )


def credit_finding(repeats: int, rng: np.random.Generator) -> Finding:
    """Compare steps with counterfactual credit to steps with the shared reward."""
    without, having = OurLoop(WITHOUT_CREDIT), OurLoop(WITH_CREDIT)
    with closed_at_the_end(without, having):
        cases = [Case("without", lambda: _step(without)), Case("with", lambda: _step(having))]
        shared_s, credit_s = seconds_of(cases, repeats, rng)
    tokens = _mean(having.rows[1:], "cost/tokens_generated") / _mean(
        without.rows[1:], "cost/tokens_generated"
    )
    ratio = median_ratio(credit_s, shared_s, rng)
    per_token = [end / tokens for end in (ratio.value, ratio.low, ratio.high)]
    return Finding(
        title="A step with counterfactual credit compared with one with the shared reward",
        meaning=(
            "Both with the defaults of training: 32 tasks, groups of 8, and with credit 4 rollouts "
            "without the thinker for each task on which they can change the update. The last "
            "column is the time ratio over the token ratio: 1 means that credit costs only its "
            "tokens."
        ),
        columns=("step", "median s", "time ratio", "95 %", "token ratio", "time over tokens"),
        rows=(
            ("shared reward", f"{statistics.median(shared_s):.3f}", "1.00", "", "1.00", "1.00"),
            (
                "counterfactual credit",
                f"{statistics.median(credit_s):.3f}",
                f"{ratio.value:.2f}",
                f"{ratio.low:.2f} to {ratio.high:.2f}",
                f"{tokens:.2f}",
                "{:.2f} ({:.2f} to {:.2f})".format(*per_token),
            ),
        ),
    )


def parts_finding(repeats: int, config: TrainConfig = MANY_EPISODES) -> Finding:
    """Measure the parts of the time of a step."""
    loop = OurLoop(config)
    with closed_at_the_end(loop):
        for _ in range(repeats + 1):
            loop.step()
    shares = step_shares(loop.rows[1:], loop.seconds[1:])
    overhead = 1.0 - sum(shares[part] for part in UNAVOIDABLE)
    cells = [(part, f"{share:.1%}") for part, share in shares.items()]
    return Finding(
        title="Where the time of a step goes",
        meaning=(
            f"{config.tasks_per_step} tasks with groups of {config.group_size}, otherwise "
            f"defaults. Shares of the time of {repeats} steps, measured from step to step, so that "
            f"metrics and files are included. The last row is everything but the first three."
        ),
        columns=("part", "share"),
        rows=(*cells, ("not generation, update or verification", f"{overhead:.1%}")),
    )


def rates_finding(repeats: int, rng: np.random.Generator) -> Finding:
    """Measure environment, verifier and sampler, each against its reference."""
    few, many = max(1, sampler_speed.NUM_PROMPTS // 8), sampler_speed.NUM_PROMPTS
    benches = {
        "episodes": environment_cases(),
        "answers": verifier_cases(),
        f"tokens, {few} x {sampler_speed.NUM_SAMPLES} rows": sampler_speed.sampler_cases(few),
        f"tokens, {many} x {sampler_speed.NUM_SAMPLES} rows": sampler_speed.sampler_cases(many),
    }
    rows = []
    for unit, cases in benches.items():
        (name, reference), *others = measure(cases, repeats, rng).items()
        for other, rates in others:
            medians = statistics.median(reference), statistics.median(rates)
            ratio = median_ratio(rates, reference, rng)
            rows.append(
                (
                    *(unit, name, f"{medians[0]:,.0f}", other, f"{medians[1]:,.0f}"),
                    *(f"{ratio.value:.2f}", f"{ratio.low:.2f} to {ratio.high:.2f}"),
                )
            )
    return Finding(
        title="Environment, verifier and sampler",
        meaning=(
            "What `ccpo bench environment`, `verifier` and `sampler` measure: the environment "
            "against a minimal PettingZoo environment; the verifier against math-verify, on the "
            "same ten answers repeatedly, which ours caches; the sampler against `generate` of "
            "transformers. Per second; higher is better."
        ),
        columns=("unit", "reference", "its rate", "ours", "our rate", "ratio", "95 %"),
        rows=tuple(rows),
    )


def step_shares(rows: Sequence[MetricRow], seconds: Sequence[float]) -> dict[str, float]:
    """Return the share of each part in the time of steps, and of the rest.

    Args:
        rows: The metrics of each step.
        seconds: Duration of each step, from the end of the one before.
    """
    whole = statistics.mean(seconds)
    shares = {part: _mean(rows, name) / whole for part, name in PARTS.items()}
    return {**shares, "rest": 1.0 - sum(shares.values())}


def _step(loop: OurLoop) -> int:
    loop.step()
    return 1


def _mean(rows: Sequence[MetricRow], name: str) -> float:
    return statistics.mean(float(row[name] or 0.0) for row in rows)
