r"""Make `tiny`, the language model that ships with the baselines: tokenizer and warm start.

`python -m scripts.tiny.make --out some/folder` writes a Hugging Face folder. The same
seed gives the same bytes on the same machine and versions. docs/tiny.md describes the result.

The tokenizer has one token per printable ASCII character and one per fixed piece of a prompt, so
an instruction costs one position. The warm start is supervised, on the train split only: it
teaches the format, single steps of arithmetic and the use of a thought, but leaves the thinker
mediocre, so that training can improve the team.
"""

from __future__ import annotations

import argparse
import hashlib
import math
import re
import string
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import torch

from baselines.policies.base import Completion
from baselines.policies.local.hf import HFPolicy
from baselines.policies.registry import POLICIES
from baselines.rollouts import ratings
from ccpo_env import prompts
from ccpo_env.tasks.arithmetic import QUESTION
from scripts.tiny.chains import FILLER
from scripts.tiny.demonstrations import (
    HABITS,
    LESSON,
    TEMPLATES,
    Demonstration,
    draw_demonstration,
)

if TYPE_CHECKING:
    from transformers import LlamaForCausalLM, PreTrainedTokenizerFast

TINY_FOLDER = POLICIES["tiny"]()
UNKNOWN, PADDING, END = "<unk>", "<pad>", "<end>"
NAMED = 4
"""Number of agents per role whose message heading is one token."""
CONTEXT = 2048
MAX_NEW_TOKENS = 32
WARM_UP_RATE = 0.05
REPORT_EVERY = 100
PART_SIZE = 32
_DEMONSTRATION_STREAM = 1

CHAIN_AGENTS = (*(f"thinker_{k}" for k in range(NAMED)), "solver_0")
VOTERS_AND_DEBATERS = tuple(f"{role}_{n}" for role in ("voter", "debater") for n in range(NAMED))
CHARACTERS = (*string.digits, *string.ascii_letters, *string.punctuation, " ", "\n")
FRAGMENTS = tuple(
    dict.fromkeys(
        (
            *(text for template in TEMPLATES.values() for text in template.roles.values()),
            *(template.hand_over for template in TEMPLATES.values() if template.hand_over),
            *(template.give_answer for template in TEMPLATES.values()),
            f"\n\n{prompts.PROBLEM}",
            *(
                prompts.MESSAGE_OF.format(agent=agent)
                for agent in (*CHAIN_AGENTS, *VOTERS_AND_DEBATERS)
            ),
            prompts.YOUR_MESSAGE,
            QUESTION,
            FILLER,
            r"\boxed{",
            ratings.JUDGE,
            *(ratings.RATER.format(rater=agent) for agent in CHAIN_AGENTS),
            *(ratings.OUTCOME.format(outcome=outcome) for outcome in ("correct", "wrong")),
            *(ratings.CREDIT.format(agent=agent) for agent in CHAIN_AGENTS),
            *(ratings.BLAME.format(agent=agent) for agent in CHAIN_AGENTS),
            ratings.ONE_DIGIT,
        )
    )
)
"""Fixed texts with one token each."""

LESSON_RATE = 0.75
"""Share of steps with good demonstrations only, so that arithmetic and the use of a thought are
learned fast. The remaining steps make the thinker mediocre."""


@dataclass(frozen=True, slots=True, kw_only=True)
class WarmStart:
    """Settings of the model and of its warm start."""

    seed: int = 0
    """Seed of the weights and the demonstrations."""
    num_steps: int = 2500
    """Torch optimizer steps."""
    batch_size: int = 64
    """Demonstrations a step."""
    learning_rate: float = 4e-3
    """Peak learning rate of a schedule with warm-up and cosine decay to zero."""
    hidden_size: int = 64
    """Width of the network."""
    num_layers: int = 2
    """Depth: two layers cannot do two steps of arithmetic in one forward pass."""


def build_tokenizer() -> PreTrainedTokenizerFast:
    """Return the tokenizer: one token per fragment or character, and three special ones."""
    from tokenizers import Regex, Tokenizer, decoders, models, pre_tokenizers
    from transformers import PreTrainedTokenizerFast

    vocabulary = [UNKNOWN, PADDING, END, *CHARACTERS, *FRAGMENTS]
    model = models.WordLevel({token: i for i, token in enumerate(vocabulary)}, unk_token=UNKNOWN)
    tokenizer = Tokenizer(model)
    longest_first = sorted(FRAGMENTS, key=len, reverse=True)
    pattern = "|".join([*(re.escape(fragment) for fragment in longest_first), r"[\s\S]"])
    tokenizer.pre_tokenizer = pre_tokenizers.Split(Regex(pattern), behavior="isolated")
    tokenizer.decoder = decoders.Fuse()
    return PreTrainedTokenizerFast(  # type: ignore[no-untyped-call]
        tokenizer_object=tokenizer,
        unk_token=UNKNOWN,
        pad_token=PADDING,
        eos_token=END,
        model_max_length=CONTEXT,
        clean_up_tokenization_spaces=False,
    )


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
    folder: Path, settings: WarmStart | None = None, *, report: Callable[[str], None] = print
) -> str:
    """Train the model and write its folder.

    Args:
        folder: Output folder; created if missing.
        settings: Settings of the model; None: those of the shipped model.
        report: Called with lines of progress.

    Returns:
        The SHA-256 of the weights file, in hexadecimal.
    """
    settings = settings or WarmStart()
    tokenizer = build_tokenizer()
    model = build_model(tokenizer, settings)
    policy = HFPolicy(model, tokenizer)
    num_threads = torch.get_num_threads()
    torch.set_num_threads(1)  # sums in a different order would give different bytes
    try:
        _train(policy, settings, report)
    finally:
        torch.set_num_threads(num_threads)
    policy.save(folder)
    return hashlib.sha256((folder / "model.safetensors").read_bytes()).hexdigest()


def _train(policy: HFPolicy, settings: WarmStart, report: Callable[[str], None]) -> None:
    rng = np.random.default_rng([settings.seed, _DEMONSTRATION_STREAM])
    torch_optimizer = torch.optim.AdamW(
        policy.module.parameters(), lr=settings.learning_rate, betas=(0.9, 0.98), weight_decay=0.0
    )
    for step in range(settings.num_steps):
        for group in torch_optimizer.param_groups:
            group["lr"] = settings.learning_rate * _schedule(step, settings.num_steps)
        mix = LESSON if step < LESSON_RATE * settings.num_steps else HABITS
        batch = [_encode(draw_demonstration(mix, rng), policy) for _ in range(settings.batch_size)]
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
    """Create the model from the command line."""
    parser = argparse.ArgumentParser(description="Make the tiny language model.")
    parser.add_argument("--out", type=Path, default=TINY_FOLDER, help="folder to write")
    parser.add_argument("--num-steps", type=int, default=WarmStart().num_steps)
    arguments = parser.parse_args()
    digest = make_tiny(arguments.out, WarmStart(num_steps=arguments.num_steps))
    print(f"{digest}  {arguments.out / 'model.safetensors'}")


if __name__ == "__main__":
    main()
