"""A step of training beside TRL's and CoMLRL's, and what credit adds to it."""

from __future__ import annotations

import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from baselines.bench import sampler
from baselines.bench.benchmarks_page import Finding, write_section
from baselines.bench.environment import environment_cases
from baselines.bench.measuring import Case, PageConfig, measure, parse_config
from baselines.bench.other_trainers import (
    GROUP_SIZE,
    MAX_NEW_TOKENS,
    NUM_TASKS,
    PEERS,
    Peer,
    TokenCount,
)
from baselines.bench.sampler import median_ratio
from baselines.bench.stepwise import TINY_STEP, OurLoop, closed_at_the_end
from baselines.bench.verifier import verifier_cases
from baselines.common.checks import require_at_least
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
"""Where the time of a step goes, as the metrics name it."""
UNAVOIDABLE = ("generation", "forward, backward and update", "verification")


@dataclass(frozen=True, slots=True, kw_only=True)
class StepConfig(PageConfig):
    """Measure a step of training beside those of other trainers, and what credit adds to it."""

    credit_repeats: int = 40
    """Steps with and without credit, which are short, and steps whose parts are timed."""

    def check(self) -> None:
        """Raise ValueError if a number is out of range."""
        # Not super(): slots=True makes another class than the one that it would look for.
        PageConfig.check(self)
        require_at_least("credit_repeats", self.credit_repeats, 1)


def main(arguments: Sequence[str]) -> int:
    """Run the bench of a step."""
    run(parse_config(StepConfig, "step", arguments))
    return 0


def run(config: StepConfig) -> None:
    """Print what a step costs, and write it down if there is a page."""
    import torch

    rng = np.random.default_rng(config.seed)
    findings = [
        peers_finding(config.repeats, rng),
        credit_finding(config.credit_repeats, rng),
        parts_finding(config.credit_repeats),
        rates_finding(config.repeats, rng),
    ]
    for finding in findings:
        finding.show()
    if config.page is not None:
        write_section(config.page, "step", findings, threads=torch.get_num_threads())


def peers_finding(repeats: int, rng: np.random.Generator) -> Finding:
    """Measure each peer that is installed beside ours."""
    rows = [
        _beside(peer, repeats, rng)
        if peer.is_installed
        else (peer.name, f"pip install {peer.install}", *["-"] * 6)
        for peer in PEERS.values()
    ]
    return Finding(
        title="A step beside other trainers",
        meaning=(
            f"The embedded model, {NUM_TASKS} arithmetic tasks a step, {GROUP_SIZE} completions of "
            f"each agent for each task, at most {MAX_NEW_TOKENS} new tokens, one update of every "
            f"policy, learning rates so small that nobody's completions change. GRPOTrainer is "
            f"compared with a team of one on the same prompts, MAGRPOTrainer with a thinker and a "
            f"solver that have a policy each; its agents speak at once, so that its solver reads "
            f"the question alone, and ours reads the thought as well. Rewards are those of our "
            f"verifier. Tokens are those sampled up to the end of each completion."
        ),
        columns=("trainer", "its s", "its tokens", "our s", "our tokens", "ratio", "95 %", "bar"),
        rows=tuple(rows),
    )


def _beside(peer: Peer, repeats: int, rng: np.random.Generator) -> tuple[str, ...]:
    count, num_tokens = TokenCount(), list[int]()
    theirs, ours = peer.paced(count), OurLoop(peer.ours)

    def their_step() -> int:
        theirs.step()
        num_tokens.append(count.take())
        return 1

    with closed_at_the_end(theirs, ours):
        cases = [Case("theirs", their_step), Case("ours", lambda: _step(ours))]
        their_s, our_s = seconds_of(cases, repeats, rng)
    ratio = median_ratio(our_s, their_s, rng)
    return (
        peer.name,
        f"{statistics.median(their_s):.2f}",
        f"{statistics.mean(num_tokens[1:]):,.0f}",
        f"{statistics.median(our_s):.2f}",
        f"{_mean(ours.rows[1:], 'cost/tokens_generated'):,.0f}",
        f"{ratio.value:.2f}",
        f"{ratio.low:.2f} to {ratio.high:.2f}",
        f"{peer.bar:.2f}",
    )


def credit_finding(repeats: int, rng: np.random.Generator) -> Finding:
    """Measure steps with counterfactual credit beside steps with the shared reward."""
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
        title="A step with counterfactual credit beside one with the shared reward",
        meaning=(
            "The defaults of training in both: 32 tasks, groups of 8, and with credit 4 rollouts "
            "without the thinker for each task on which they can change the update. The last ratio "
            "is that of the times over that of the tokens: 1 is credit at the price of its tokens."
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
    """Measure where the time of a step goes."""
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
            f"{config.tasks_per_step} tasks with groups of {config.group_size}, the defaults else. "
            f"Parts of the time of {repeats} steps, measured from one to the next, so that metrics "
            f"and files count as well. The last row is all but the first three."
        ),
        columns=("part", "share"),
        rows=(*cells, ("not generation, update or verification", f"{overhead:.1%}")),
    )


def rates_finding(repeats: int, rng: np.random.Generator) -> Finding:
    """Measure what a step is made of, each beside its reference."""
    few, many = max(1, sampler.NUM_PROMPTS // 8), sampler.NUM_PROMPTS
    benches = {
        "episodes": environment_cases(),
        "answers": verifier_cases(),
        f"tokens, {few} x {sampler.NUM_SAMPLES} rows": sampler.sampler_cases(few),
        f"tokens, {many} x {sampler.NUM_SAMPLES} rows": sampler.sampler_cases(many),
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
            "beside the least that PettingZoo asks of one; the verifier beside math-verify, on "
            "the same ten answers again and again, which ours remembers; the sampler beside "
            "`generate` of transformers. Per second; more is better."
        ),
        columns=("unit", "reference", "its rate", "ours", "our rate", "ratio", "95 %"),
        rows=tuple(rows),
    )


def step_shares(rows: Sequence[MetricRow], seconds: Sequence[float]) -> dict[str, float]:
    """Return the share of each part in the time of steps, and of what is in none of them.

    Args:
        rows: The metrics of each step.
        seconds: How long each took, with all that is done between two steps.
    """
    whole = statistics.mean(seconds)
    shares = {part: _mean(rows, name) / whole for part, name in PARTS.items()}
    return {**shares, "rest": 1.0 - sum(shares.values())}


def seconds_of(cases: Sequence[Case], repeats: int, rng: np.random.Generator) -> list[list[float]]:
    """Return the seconds of each repeat of cases that count one unit each."""
    rates = measure(cases, repeats, rng)
    return [[1.0 / rate for rate in own] for own in rates.values()]


def _step(loop: OurLoop) -> int:
    loop.step()
    return 1


def _mean(rows: Sequence[MetricRow], name: str) -> float:
    return statistics.mean(float(row[name] or 0.0) for row in rows)
