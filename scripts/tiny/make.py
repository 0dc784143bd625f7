r"""Make `tiny` or `tiny_teams`, the models that ship with the baselines: tokenizer and warm start.

`python -m scripts.tiny.make --model tiny --out some/folder` writes a Hugging Face folder. The same
seed gives the same bytes on the same machine and versions. docs/tiny.md describes the results.

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
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
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
from ccpo_env.types import PromptTemplate
from scripts.tiny import teams
from scripts.tiny.chains import FILLER
from scripts.tiny.demonstrations import (
    HABITS,
    LESSON,
    TEMPLATES,
    Demonstration,
    draw_demonstration,
)
from scripts.tiny.teams import SPECIALIST_OF, draw_team_demonstration

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


def fragments_of(
    templates: Iterable[PromptTemplate], agents: Iterable[str], *, others: Iterable[str] = ()
) -> tuple[str, ...]:
    """Return the fixed texts that get one token each.

    Args:
        templates: The instructions that the model reads.
        agents: Agents whose messages it reads.
        others: Further fixed texts.
    """
    templates = tuple(templates)
    texts = (
        *(text for template in templates for text in template.roles.values()),
        *(template.hand_over for template in templates if template.hand_over),
        *(template.give_answer for template in templates),
        f"\n\n{prompts.PROBLEM}",
        *(prompts.MESSAGE_OF.format(agent=agent) for agent in agents),
        prompts.YOUR_MESSAGE,
        QUESTION,
        FILLER,
        r"\boxed{",
        *others,
    )
    return tuple(dict.fromkeys(texts))


@dataclass(frozen=True, slots=True, kw_only=True)
class WarmStart:
    """Settings of a model and of its warm start."""

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
    lesson_rate: float = 0.75
    """Share of steps with good demonstrations only, so that arithmetic and the use of a thought are
    learned fast. The remaining steps make the agents mediocre."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Recipe:
    """What makes one of the shipped models different from the other.

    Args:
        fragments: Fixed texts with one token each.
        lesson: Draws a good demonstration.
        habits: Draws a demonstration of the remaining steps.
        settings: Settings of the warm start.
        resembles: For a model that starts from the weights of `tiny`, the fragment of `tiny` that
            each of its new fragments resembles; its tokens are copied. Empty: random weights.
        is_half: Whether the weights are stored in half precision. They are trained, and loaded, in
            single precision.
    """

    fragments: tuple[str, ...]
    lesson: Callable[[np.random.Generator], Demonstration]
    habits: Callable[[np.random.Generator], Demonstration]
    settings: WarmStart
    resembles: Mapping[str, str] = field(default_factory=dict)
    is_half: bool = False


TINY = Recipe(
    fragments=fragments_of(
        TEMPLATES.values(),
        (*CHAIN_AGENTS, *VOTERS_AND_DEBATERS),
        others=(
            ratings.JUDGE,
            *(ratings.RATER.format(rater=agent) for agent in CHAIN_AGENTS),
            *(ratings.OUTCOME.format(outcome=outcome) for outcome in ("correct", "wrong")),
            *(ratings.CREDIT.format(agent=agent) for agent in CHAIN_AGENTS),
            *(ratings.BLAME.format(agent=agent) for agent in CHAIN_AGENTS),
            ratings.ONE_DIGIT,
        ),
    ),
    lesson=partial(draw_demonstration, LESSON),
    habits=partial(draw_demonstration, HABITS),
    settings=WarmStart(),
)
TINY_TEAMS = Recipe(
    fragments=fragments_of(teams.TEMPLATES, [f"{role}_0" for role in SPECIALIST_OF.values()]),
    lesson=partial(draw_team_demonstration, teams.LESSON),
    habits=partial(draw_team_demonstration, teams.HABITS),
    settings=WarmStart(num_steps=600, learning_rate=2e-3, lesson_rate=0.4),
    resembles=teams.resembles(),
    is_half=True,
)
RECIPES: Mapping[str, Recipe] = {"tiny": TINY, "tiny_teams": TINY_TEAMS}
"""Recipes by the name of the policy."""


def vocabulary_of(fragments: Sequence[str]) -> list[str]:
    """Return the tokens in the order of their ids: special ones, characters and fragments."""
    return [UNKNOWN, PADDING, END, *CHARACTERS, *fragments]


def build_tokenizer(fragments: Sequence[str] = TINY.fragments) -> PreTrainedTokenizerFast:
    """Return the tokenizer: one token per fragment or character, and three special ones."""
    from tokenizers import Regex, Tokenizer, decoders, models, pre_tokenizers
    from transformers import PreTrainedTokenizerFast

    vocabulary = vocabulary_of(fragments)
    model = models.WordLevel({token: i for i, token in enumerate(vocabulary)}, unk_token=UNKNOWN)
    tokenizer = Tokenizer(model)
    longest_first = sorted(fragments, key=len, reverse=True)
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
