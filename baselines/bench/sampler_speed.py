"""Speed of the sampler against ``generate`` of transformers, in tokens per second."""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from rich.table import Table

from baselines.bench.benchmarks_page import Finding
from baselines.bench.measuring import BenchConfig, Case, measure, num_useful
from baselines.common.command_line import parse
from baselines.common.stats import Estimate, bootstrap_statistic
from baselines.common.terminal import Terminal
from baselines.common.types import IntArray
from baselines.policies.base import Prompt, Sampling, TrainablePolicy
from ccpo_env import load_tasks, think_solve_v0

NUM_PROMPTS = 64
"""Number of prompts of the larger batch; the smaller one has an eighth."""
NUM_SAMPLES = 8
"""Completions per prompt, as in a group of rollouts."""
MAX_NEW_TOKENS = 24


BAR = 1.5
"""Least ratio of the sampler's rate to that of ``generate`` for a model that is not embedded."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SamplerConfig(BenchConfig):
    """Flags of the bench of the sampler."""

    policy: str | None = None
    """A model whose completions all have 32 tokens, such as smollm2. None: the embedded model."""


def main(arguments: Sequence[str]) -> int:
    """Run the bench of the sampler."""
    description = "Measure tokens sampled per second."
    config = parse(SamplerConfig, arguments, "ccpo bench sampler", description=description)
    if config.policy is None:
        run(config)
    else:
        rng = np.random.default_rng(config.seed)
        sampler_finding(config.policy, config.repeats, rng).show()
    return 0


def run(config: BenchConfig) -> None:
    """Print the speed of the sampler with few and many prompts."""
    rng = np.random.default_rng(config.seed)
    table = Table(title="Embedded model, tokens per second", title_justify="left")
    for column in ("batch", "transformers generate", "ccpo sampler", "ratio", "95 % interval"):
        table.add_column(column, justify="right")
    for num_prompts in (max(1, NUM_PROMPTS // 8), NUM_PROMPTS):
        rates = measure(sampler_cases(num_prompts), config.repeats, rng)
        reference, ours = rates.values()
        medians = [statistics.median(values) for values in (reference, ours)]
        ratio = median_ratio(ours, reference, rng)
        table.add_row(
            f"{num_prompts} x {NUM_SAMPLES}",
            *(f"{median:,.0f}" for median in medians),
            f"{ratio.value:.2f}",
            f"{ratio.low:.2f} to {ratio.high:.2f}",
        )
    Terminal().print(table)


def sampler_finding(
    policy: str,
    repeats: int,
    rng: np.random.Generator,
    num_prompts: int = 4,
    num_samples: int = 8,
    num_tokens: int = 32,
) -> Finding:
    """Compare the sampler with ``generate`` on completions of one length that share prompts.

    Args:
        policy: Name or folder of the model.
        repeats: Measurements of each.
        rng: Draws their order.
        num_prompts: Number of prompts.
        num_samples: Completions of each prompt.
        num_tokens: Tokens of each completion.
    """
    from baselines.policies.registry import load_policy

    cases = sampler_cases(
        num_prompts,
        policy=load_policy(policy),
        num_samples=num_samples,
        max_tokens=num_tokens,
        is_forced=True,
    )
    reference, ours = measure(cases, repeats, rng).values()
    ratio = median_ratio(ours, reference, rng)
    return Finding(
        title=f"Sampling from {policy}",
        meaning=(
            f"{num_prompts} prompts with {num_samples} completions of {num_tokens} tokens each, "
            f"without an adapter, tokens per second. The ratio is to be at least {BAR:g}."
        ),
        columns=("batch", "transformers generate", "ccpo sampler", "ratio", "95 %"),
        rows=(
            (
                f"{num_prompts} x {num_samples}",
                *(f"{statistics.median(rates):,.0f}" for rates in (reference, ours)),
                *(f"{ratio.value:.2f}", f"{ratio.low:.2f} to {ratio.high:.2f}"),
            ),
        ),
    )


def sampler_cases(
    num_prompts: int | None = None,
    *,
    policy: TrainablePolicy | None = None,
    num_samples: int = NUM_SAMPLES,
    max_tokens: int | None = None,
    is_forced: bool = False,
) -> list[Case]:
    """Return the cases: ``generate`` of transformers, and our sampler, on thinkers' prompts.

    Args:
        num_prompts: Number of prompts; None: NUM_PROMPTS.
        policy: A local policy; None: the embedded model.
        num_samples: Completions of each prompt.
        max_tokens: Length limit of a completion; None: MAX_NEW_TOKENS.
        is_forced: Whether no completion ends before the limit.

    Note: A unit is a token up to the end of its completion; the padding of ``generate`` is not
        counted. Ours includes tokenization and decoding, ``generate`` gets token ids.
    """
    import torch

    from baselines.policies.registry import load_policy

    policy = policy or load_policy("tiny")
    num_tokens = max_tokens or MAX_NEW_TOKENS
    if is_forced:
        policy._end_ids = frozenset()  # type: ignore[attr-defined]  # a model of transformers
    prompts = thinker_prompts(num_prompts or NUM_PROMPTS, num_samples)
    rng = np.random.default_rng(0)
    sampling = Sampling(max_tokens=num_tokens)
    read = [c.prompt_ids for c in policy.sample(prompts, sampling=sampling, rng=rng)]
    longest = max(map(len, read))
    padded = torch.tensor([[0] * (longest - len(ids)) + list(ids) for ids in read])
    mask = torch.tensor([[0] * (longest - len(ids)) + [1] * len(ids) for ids in read])

    def reference() -> int:
        output = policy.module.generate(  # type: ignore[operator]
            padded,
            attention_mask=mask,
            do_sample=True,
            top_k=0,
            max_new_tokens=num_tokens,
            min_new_tokens=num_tokens if is_forced else None,
        )
        ends: Any = policy.module.generation_config.eos_token_id  # type: ignore[union-attr]
        return num_useful(output[:, longest:], ends)

    def ours() -> int:
        completions = policy.sample(prompts, sampling=sampling, rng=rng)
        return sum(len(completion.token_ids) for completion in completions)

    return [Case("transformers generate", reference), Case("ccpo sampler", ours)]


def thinker_prompts(num_prompts: int, num_samples: int = NUM_SAMPLES) -> list[Prompt]:
    """Return the first thinker's prompts of a number of tasks, each num_samples times."""
    env = think_solve_v0.raw_env(tasks=load_tasks("arithmetic", limit=num_prompts))
    prompts: list[Prompt] = []
    for index in range(num_prompts):
        env.reset(options={"task": index})
        text, messages = env.observe("thinker_0")["prompt"], env.infos["thinker_0"]["messages"]
        prompts += [Prompt(text, tuple(messages))] * num_samples
    return prompts


def median_ratio(
    rates: Sequence[float], reference: Sequence[float], rng: np.random.Generator
) -> Estimate:
    """Return the ratio of two medians with its 95 % bootstrap interval.

    Args:
        rates: Rates, one per repeat.
        reference: Rates of the reference in the same repeats; repeats are resampled in pairs,
            because slow moments of the machine affect both.
        rng: Resamples the repeats.
    """
    ours, theirs = np.asarray(rates), np.asarray(reference)

    def ratio(drawn: IntArray) -> float:
        return float(np.median(ours[drawn]) / np.median(theirs[drawn]))

    return bootstrap_statistic(ratio, len(ours), rng=rng)
