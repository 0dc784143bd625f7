"""``ccpo bench decoder``: training steps with and without the NumPy decoder of small models."""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from dataclasses import dataclass
from unittest import mock

import numpy as np

from baselines.bench.benchmarks_page import Finding, report
from baselines.bench.measuring import Case, PageConfig, seconds_of
from baselines.bench.sampler_speed import median_ratio
from baselines.bench.stepwise import TINY_STEP, OurLoop, closed_at_the_end
from baselines.common.command_line import parse
from baselines.train.config import TrainConfig

NEEDED_RATIO = 1.25
"""The decoder is kept for as long as steps without it take at least so many times as long."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DecoderConfig(PageConfig):
    """Measure how much faster the NumPy decoder makes a training step of the embedded model."""

    repeats: int = 40
    """Steps of each kind."""


def main(arguments: Sequence[str]) -> int:
    """Run the decoder bench."""
    run(parse(DecoderConfig, arguments, "ccpo bench decoder"))
    return 0


def run(config: DecoderConfig) -> None:
    """Print the ratio of step times, and write it to the page if there is one."""
    finding = decoder_finding(config.repeats, np.random.default_rng(config.seed))
    report("decoder", [finding], config.page)


def decoder_finding(
    repeats: int, rng: np.random.Generator, config: TrainConfig = TINY_STEP
) -> Finding:
    """Compare steps that sample with the NumPy decoder to steps with the cache of transformers."""
    from baselines.policies.local import sampler

    with_decoder, without = OurLoop(config), OurLoop(config)

    def step_with() -> int:
        with_decoder.step()
        return 1

    def step_without() -> int:
        with mock.patch.multiple(sampler, MAX_PARAMETERS=0, as_llama=lambda _: None):
            without.step()
        return 1

    with closed_at_the_end(with_decoder, without):
        cases = [Case("with", step_with), Case("without", step_without)]
        with_s, without_s = seconds_of(cases, repeats, rng)
    ratio = median_ratio(without_s, with_s, rng)
    return Finding(
        title="A training step with and without the NumPy decoder",
        meaning=(
            f"The default training run: the embedded model, 32 tasks, groups of 8, counterfactual "
            f"credit. Without the decoder, completions are sampled with the key-value cache of "
            f"transformers. The decoder is kept while the ratio is at least {NEEDED_RATIO:g}."
        ),
        columns=("sampling", "median s", "ratio", "95 %"),
        rows=(
            ("NumPy decoder", f"{statistics.median(with_s):.3f}", "1.00", ""),
            (
                "cache of transformers",
                f"{statistics.median(without_s):.3f}",
                f"{ratio.value:.2f}",
                f"{ratio.low:.2f} to {ratio.high:.2f}",
            ),
        ),
    )
