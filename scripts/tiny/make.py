"""Make `tiny` or `tiny_teams`, the models that ship with the baselines: tokenizer and warm start.

`python -m scripts.tiny.make --model tiny --out some/folder` writes a Hugging Face folder. The same
seed gives the same bytes on the same machine and versions. docs/tiny.md describes the results.

The warm start is supervised, on the train split only: it teaches the format, single steps of
arithmetic and the use of a thought, but leaves the thinker mediocre, so that training can improve
the team.
"""

from __future__ import annotations

import argparse
import hashlib
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import torch

from baselines.policies.base import Completion
from baselines.policies.local.hf import HFPolicy
from baselines.policies.registry import POLICIES
from scripts.tiny.demonstrations import Demonstration
from scripts.tiny.recipes import RECIPES, TINY, Recipe, WarmStart
from scripts.tiny.vocabulary import CONTEXT, build_tokenizer, vocabulary_of

if TYPE_CHECKING:
    from transformers import LlamaForCausalLM, PreTrainedTokenizerFast

TINY_FOLDER = POLICIES["tiny"]()
MAX_NEW_TOKENS = 32
WARM_UP_RATE = 0.05
REPORT_EVERY = 100
PART_SIZE = 32
_DEMONSTRATION_STREAM = 1


def build_model(tokenizer: PreTrainedTokenizerFast, settings: WarmStart) -> LlamaForCausalLM:
    """Return the network with random weights; the global random state is unchanged."""
    from transformers import GenerationConfig, LlamaConfig, LlamaForCausalLM

    config = LlamaConfig(
        vocab_size=len(tokenizer),
        hidden_size=settings.hidden_size,
        intermediate_size=3 * settings.hidden_size,
        num_hidden_layers=settings.num_layers,
        num_attention_heads=4,
        max_position_embeddings=CONTEXT,
        initializer_range=0.06,  # the usual 0.02 is for wider networks and learns slowly at first
        tie_word_embeddings=False,
        bos_token_id=None,
        eos_token_id=tokenizer.eos_token_id,
        pad_token_id=tokenizer.pad_token_id,
    )
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(settings.seed)
        model = LlamaForCausalLM(config)
    model.generation_config = GenerationConfig(  # type: ignore[no-untyped-call]
        max_new_tokens=MAX_NEW_TOKENS,
        eos_token_id=tokenizer.eos_token_id,
        pad_token_id=tokenizer.pad_token_id,
    )
    return model


def make_tiny(
    folder: Path,
    settings: WarmStart | None = None,
    *,
    recipe: Recipe = TINY,
    report: Callable[[str], None] = print,
) -> str:
    """Train the model and write its folder.

    Args:
        folder: Output folder; created if missing.
        settings: Settings of the model; None: those of the recipe.
        recipe: What it learns.
        report: Called with lines of progress.

    Returns:
        The SHA-256 of the weights file, in hexadecimal.
    """
    settings = settings or recipe.settings
    tokenizer = build_tokenizer(recipe.fragments)
    model = build_model(tokenizer, settings)
    if recipe.resembles:
        start_from_tiny(model, recipe)
    policy = HFPolicy(model, tokenizer)
    num_threads = torch.get_num_threads()
    torch.set_num_threads(1)  # sums in a different order would give different bytes
    try:
        _train(policy, settings, recipe, report)
    finally:
        torch.set_num_threads(num_threads)
    if recipe.is_half:
        policy.module.half()  # type: ignore[no-untyped-call]  # torch leaves it unannotated
    policy.save(folder)
    return hashlib.sha256((folder / "model.safetensors").read_bytes()).hexdigest()


def start_from_tiny(model: LlamaForCausalLM, recipe: Recipe) -> None:
    """Set the weights of a model to those of `tiny`, with the tokens of its own vocabulary."""
    start = HFPolicy.load(TINY_FOLDER)
    state = {name: weights.clone() for name, weights in start.module.state_dict().items()}
    known = {token: place for place, token in enumerate(vocabulary_of(TINY.fragments))}
    rows = [known[recipe.resembles.get(token, token)] for token in vocabulary_of(recipe.fragments)]
    for name in ("model.embed_tokens.weight", "lm_head.weight"):
        state[name] = state[name][rows]
    model.load_state_dict(state)


def _train(
    policy: HFPolicy, settings: WarmStart, recipe: Recipe, report: Callable[[str], None]
) -> None:
    rng = np.random.default_rng([settings.seed, _DEMONSTRATION_STREAM])
    torch_optimizer = torch.optim.AdamW(
        policy.module.parameters(), lr=settings.learning_rate, betas=(0.9, 0.98), weight_decay=0.0
    )
    for step in range(settings.num_steps):
        for group in torch_optimizer.param_groups:
            group["lr"] = settings.learning_rate * _schedule(step, settings.num_steps)
        draw = recipe.lesson if step < settings.lesson_rate * settings.num_steps else recipe.habits
        batch = [_encode(draw(rng), policy) for _ in range(settings.batch_size)]
        total = sum(row.weight * len(row.completion.token_ids) for row in batch)
        torch_optimizer.zero_grad()
        loss = 0.0
        for part in _parts(batch):
            weights = torch.tensor([row.weight for row in part])[:, None]
            logprobs = policy.logprobs([row.completion for row in part])
            part_loss = -(weights * logprobs).sum() / total
            part_loss.backward()  # type: ignore[no-untyped-call]  # torch leaves it unannotated
            loss += part_loss.item()
        torch.nn.utils.clip_grad_norm_(policy.module.parameters(), 1.0)
        torch_optimizer.step()
        if (step + 1) % REPORT_EVERY == 0 or step + 1 == settings.num_steps:
            report(f"step {step + 1} of {settings.num_steps}: {loss:.3f} nats per token")


@dataclass(frozen=True, slots=True)
class _Encoded:
    """A demonstration in tokens."""

    completion: Completion
    weight: float


def _encode(demonstration: Demonstration, policy: HFPolicy) -> _Encoded:
    tokenizer = policy.tokenizer
    prompt_ids = tuple(tokenizer.encode(demonstration.prompt))
    token_ids = (*tokenizer.encode(demonstration.completion), tokenizer.eos_token_id)
    completion = Completion(demonstration.completion, prompt_ids, token_ids)
    return _Encoded(completion, demonstration.weight)


def _parts(batch: Sequence[_Encoded]) -> list[list[_Encoded]]:
    """Split the batch into parts of similar length, which need little padding."""

    def num_tokens(encoded: _Encoded) -> int:
        return len(encoded.completion.prompt_ids) + len(encoded.completion.token_ids)

    ordered = sorted(batch, key=num_tokens)
    return [ordered[start : start + PART_SIZE] for start in range(0, len(ordered), PART_SIZE)]


def _schedule(step: int, num_steps: int) -> float:
    """Return the learning rate as a share of its peak: linear warm-up, then cosine decay."""
    progress = step / num_steps
    return min(progress / WARM_UP_RATE, 0.5 + 0.5 * math.cos(math.pi * progress))


def main() -> None:
    """Create a model from the command line."""
    parser = argparse.ArgumentParser(description="Make one of the tiny language models.")
    parser.add_argument("--model", choices=RECIPES, default="tiny", help="which one")
    parser.add_argument("--out", type=Path, help="folder to write; default: that of the model")
    parser.add_argument("--num-steps", type=int, help="default: those of the model")
    arguments = parser.parse_args()
    folder = arguments.out or POLICIES[arguments.model]()
    recipe = RECIPES[arguments.model]
    settings = replace(recipe.settings, num_steps=arguments.num_steps or recipe.settings.num_steps)
    digest = make_tiny(folder, settings, recipe=recipe)
    print(f"{digest}  {folder / 'model.safetensors'}")


if __name__ == "__main__":
    main()
