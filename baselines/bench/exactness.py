"""Accuracy of the sampler's log-probabilities against single and double precision."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from baselines.bench.benchmarks_page import Finding, report
from baselines.bench.measuring import PageConfig
from baselines.bench.sampler_speed import MAX_NEW_TOKENS, NUM_PROMPTS, NUM_SAMPLES, thinker_prompts
from baselines.common.checks import require_at_least
from baselines.common.command_line import parse
from baselines.common.types import FloatArray
from baselines.policies.base import Completion, Sampling

if TYPE_CHECKING:
    from transformers import PreTrainedModel

    from baselines.policies.local.hf import HFPolicy

BOUND = 1e-5
"""Bound in nats; larger differences are counted."""
ROWS_AT_ONCE = 256


@dataclass(frozen=True, kw_only=True)
class ExactnessConfig(PageConfig):
    """Measure how exact the log-probabilities of sampled tokens are."""

    num_tokens: int = 100_000
    """Minimum number of tokens to sample and compare."""

    def check(self) -> None:
        """Raise ValueError if a value is out of range."""
        super().check()
        require_at_least("num_tokens", self.num_tokens, 1)


def main(arguments: Sequence[str]) -> int:
    """Run the exactness bench."""
    run(parse(ExactnessConfig, arguments, "ccpo bench exactness"))
    return 0


def run(config: ExactnessConfig) -> None:
    """Print the accuracy of the sampler, and write it to the page if there is one."""
    finding = exactness_finding(config.num_tokens, np.random.default_rng(config.seed))
    report("exactness", [finding], config.page)


def exactness_finding(num_tokens: int, rng: np.random.Generator) -> Finding:
    """Sample at least num_tokens tokens and compare their log-probabilities."""
    from baselines.policies.local.hf import HFPolicy
    from baselines.policies.registry import POLICIES

    policy = HFPolicy.load(POLICIES["tiny"]())
    completions = _sampled(policy, num_tokens, rng)
    exact = plain_logprobs(in_double_precision(policy.module), completions)
    plain = plain_logprobs(policy.module, completions)
    ours = np.concatenate([completion.logprobs for completion in completions])
    pairs = {
        "sampler against double": ours - exact,
        "plain forward pass in single against double": plain - exact,
        "sampler against plain forward pass in single": ours - plain,
    }
    return Finding(
        title="Log-probabilities of sampled tokens",
        meaning=(
            f"{len(ours):,} tokens of the embedded model after the prompts of {NUM_PROMPTS} "
            f"thinkers, {NUM_SAMPLES} completions of at most {MAX_NEW_TOKENS} tokens each, "
            f"repeated. The plain forward pass is that of transformers, without cache or sharing; "
            f"in double precision only the table of the rotations is computed in single. "
            f"Differences in nats."
        ),
        columns=("compared", "largest", "root mean square", f"tokens above {BOUND:.0e}"),
        rows=tuple(
            (
                name,
                f"{np.abs(gap).max():.1e}",
                f"{np.sqrt(np.square(gap).mean()):.1e}",
                f"{np.count_nonzero(np.abs(gap) > BOUND)} ({np.mean(np.abs(gap) > BOUND):.3%})",
            )
            for name, gap in pairs.items()
        ),
    )


def in_double_precision(model: PreTrainedModel) -> PreTrainedModel:
    """Return a copy that computes in float64, including the norms, unlike Llama's own."""
    from torch import nn
    from transformers.models.llama.modeling_llama import LlamaRMSNorm

    double = copy.deepcopy(model).double()
    for parent in list(double.modules()):
        for name, norm in list(parent.named_children()):
            if isinstance(norm, LlamaRMSNorm):
                exact = nn.RMSNorm(len(norm.weight), eps=norm.variance_epsilon)
                exact.weight = norm.weight
                setattr(parent, name, exact)
    return double


def plain_logprobs(model: PreTrainedModel, completions: Sequence[Completion]) -> FloatArray:
    """Return the log-probability of every token, flattened, from plain forward passes.

    Args:
        model: The model, in single or double precision.
        completions: Completions with token ids, sampled at temperature 1.
    """
    import torch

    found = []
    for start in range(0, len(completions), ROWS_AT_ONCE):
        part = completions[start : start + ROWS_AT_ONCE]
        rows = [[*completion.prompt_ids, *completion.token_ids] for completion in part]
        width = max(map(len, rows))
        # Padded on the right, which a causal model ignores.
        token_ids = torch.tensor([[*row, *[0] * (width - len(row))] for row in rows])
        with torch.inference_mode():
            logprobs = model(token_ids, use_cache=False).logits.log_softmax(dim=-1)
        for row, completion in zip(logprobs, completions[start:], strict=False):
            places = len(completion.prompt_ids) - 1 + torch.arange(len(completion.token_ids))
            found.append(row[places, torch.tensor(completion.token_ids)])
    return torch.cat(found).double().numpy()


def _sampled(policy: HFPolicy, num_tokens: int, rng: np.random.Generator) -> list[Completion]:
    prompts = thinker_prompts(NUM_PROMPTS)
    sampling = Sampling(max_tokens=MAX_NEW_TOKENS)
    completions: list[Completion] = []
    while sum(len(completion.token_ids) for completion in completions) < num_tokens:
        completions += policy.sample(prompts, sampling=sampling, rng=rng)
    return completions
