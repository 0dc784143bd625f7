r"""Make `tiny`, the language model that ships with the baselines: tokenizer and warm start.

`python -m baselines.policies.make_tiny --out some/folder` writes a Hugging Face folder. The same
seed gives the same bytes on the same machine and versions. docs/tiny.md says what came out.

The tokenizer has one token per printable ASCII character and one per fixed piece of a prompt, so
an instruction costs one position. The warm start is supervised, on the train split only: it
teaches the format, single steps of arithmetic and to go on from a thought, but leaves the thinker
mediocre, so that the team has something to learn.
"""

from __future__ import annotations

import argparse
import hashlib
import math
import re
import string
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import torch

from baselines.policies.base import Completion
from baselines.policies.hf import HFPolicy
from ccpo_env import prompts
from ccpo_env.prompts import plain_text, problem_text
from ccpo_env.tasks.arithmetic import MODULUS, QUESTION, draw_chain, intermediate_values
from ccpo_env.tasks.splits import in_split
from ccpo_env.types import Message, Role

if TYPE_CHECKING:
    from transformers import LlamaForCausalLM, PreTrainedTokenizerFast

TINY_FOLDER = Path(__file__).parent / "tiny_weights"
UNKNOWN, PADDING, END = "<unk>", "<pad>", "<end>"
MAX_THINKERS = 4
"""Thinkers whose message heading is one token; later ones are spelled out."""
CONTEXT = 2048
MAX_NEW_TOKENS = 32
FILLER = "go step by step"
OTHER_THINKER_RATE = 0.2
"""Share of the messages in demonstrations that another thinker than the first one said."""
WARM_UP_RATE = 0.05
REPORT_EVERY = 100
PART_SIZE = 32
_DEMONSTRATION_STREAM = 1
_TEMPLATE = prompts.THINK_SOLVE

CHARACTERS = (*string.digits, *string.ascii_letters, *string.punctuation, " ", "\n")
FRAGMENTS = (
    *prompts.ROLE_INSTRUCTIONS.values(),
    prompts.HAND_OVER,
    prompts.GIVE_ANSWER,
    f"\n\n{prompts.PROBLEM}",
    *(prompts.MESSAGE_OF.format(agent=f"thinker_{k}") for k in range(MAX_THINKERS)),
    prompts.YOUR_MESSAGE,
    QUESTION,
    r"\boxed{",
)
"""Fixed pieces of text that are one token each."""


LESSON_RATE = 0.75
"""Share of the steps that are a lesson: all demonstrations are good ones, so that arithmetic and
reading a thought are learned fast. The steps behind it make the thinker mediocre."""
THINKER_ANSWERS_RATE = 0.3
"""Share of those without any message that a thinker answers, its solver removed."""


@dataclass(frozen=True, slots=True)
class Mix:
    """How often demonstrations are of a kind, and their thoughts of a style.

    Args:
        kinds: "think": a thought; "solve": an answer after a thought; "answer_alone": an answer
            without a useful thought; "think_further": a thought after a thought.
        thinker_styles: Styles of the demonstrated thoughts, see `draw_thought`.
        solver_styles: Styles of the thoughts that are read before an answer.
        short_rate: Share of one operation where the answer must do without a useful thought.
    """

    kinds: Mapping[str, float]
    thinker_styles: Mapping[str, float]
    solver_styles: Mapping[str, float]
    short_rate: float


LESSON = Mix(
    kinds={"think": 0.5, "solve": 0.35, "answer_alone": 0.15},
    thinker_styles={"full": 1.0},
    solver_styles={"full": 1.0},
    short_rate=1.0,  # a longer question cannot be answered alone: guessing teaches nothing
)
HABITS = Mix(
    kinds={"think": 0.45, "solve": 0.3, "answer_alone": 0.2, "think_further": 0.05},
    # Filler is the most probable, so that a greedy thinker has as much to learn as a sampled one.
    thinker_styles={"full": 0.17, "partial": 0.13, "filler": 0.55, "wrong": 0.15},
    solver_styles={"full": 0.65, "partial": 0.15, "wrong": 0.2},
    short_rate=0.7,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class WarmStart:
    """How the model is made."""

    seed: int = 0
    """Seeds the weights and the demonstrations."""
    num_steps: int = 2500
    """Torch optimizer steps."""
    batch_size: int = 64
    """Demonstrations a step."""
    learning_rate: float = 4e-3
    """Peak of a schedule that warms up, then falls to zero as a cosine."""
    hidden_size: int = 64
    """Width of the network."""
    num_layers: int = 2
    """Depth: two layers cannot do two steps of arithmetic in one pass."""


@dataclass(frozen=True, slots=True)
class Chain:
    """A question of the arithmetic family."""

    start: int
    steps: tuple[tuple[str, int], ...]

    @property
    def question(self) -> str:
        """What the team reads."""
        return f"{QUESTION}{self.start}{''.join(f'{s}{n}' for s, n in self.steps)}"

    @property
    def values(self) -> list[int]:
        """The first number and the value after each step, modulo 10."""
        return intermediate_values(self.start, list(self.steps))


def draw_train_chain(rng: np.random.Generator, *, is_short: bool = False) -> Chain:
    """Return a question of the train split, of one operation if it is to be short."""
    while True:
        start, steps = draw_chain(rng)
        chain = Chain(start, tuple(steps[:1] if is_short else steps))
        if in_split(chain.question, "train"):
            return chain


def draw_thought(chain: Chain, style: str, rng: np.random.Generator) -> tuple[str, int]:
    """Return a thought about a question, and the answer of someone who believes it.

    Args:
        chain: The question.
        style: "full" has all equations but the last one, so it does not state the answer;
            "partial" stops earlier; "wrong" is full but misreads the first number; "filler" says
            nothing; "none" is no thought at all.
        rng: Draws where a partial thought stops, and what is misread.
    """
    if style in ("filler", "none"):
        return FILLER if style == "filler" else "", chain.values[-1]
    start = chain.start
    if style == "wrong":
        tens, ones = divmod(start, MODULUS)
        start = tens * MODULUS + (ones + int(rng.integers(1, MODULUS))) % MODULUS
    num_equations = len(chain.steps) - 1
    if style == "partial":
        num_equations = int(rng.integers(max(num_equations, 1)))
    values = intermediate_values(start, list(chain.steps))
    # The first number is copied as it stands; without an equation its last digit is said.
    said = [start, *values[1:]]
    equations = [
        f"{said[place]}{symbol}{number}={values[place + 1]}"
        for place, (symbol, number) in enumerate(chain.steps[:num_equations])
    ]
    return ";".join(equations) or f"{start}={values[0]}", values[-1]


def prompt_text(role: Role, chain: Chain, messages: Sequence[Message], *, answers: bool) -> str:
    """Return the prompt of an agent, as the environment builds it."""
    problem = problem_text(chain.question, messages)
    return plain_text(_TEMPLATE.instruction(role, answers=answers), problem)


def draw_demonstration(mix: Mix, rng: np.random.Generator) -> tuple[str, str]:
    """Return a prompt and the completion to imitate."""
    kind = _draw(mix.kinds, rng)
    if kind == "answer_alone":
        chain = draw_train_chain(rng, is_short=rng.random() < mix.short_rate)
        style = str(rng.choice(["none", "filler"]))
        role: Role = (
            "thinker" if style == "none" and rng.random() < THINKER_ANSWERS_RATE else "solver"
        )
        thought, answer = draw_thought(chain, style, rng)
        return prompt_text(role, chain, _messages(thought, rng), answers=True), _boxed(answer)
    chain = draw_train_chain(rng)
    if kind == "think":
        thought, _ = draw_thought(chain, _draw(mix.thinker_styles, rng), rng)
        return prompt_text("thinker", chain, (), answers=False), thought
    thought, answer = draw_thought(chain, _draw(mix.solver_styles, rng), rng)
    messages = _messages(thought, rng)
    if kind == "solve":
        return prompt_text("solver", chain, messages, answers=True), _boxed(answer)
    further, _ = draw_thought(chain, _draw(mix.thinker_styles, rng), rng)
    return prompt_text("thinker", chain, messages, answers=False), further


def _messages(thought: str, rng: np.random.Generator) -> tuple[Message, ...]:
    """Return the thought as the last of the messages of a chain of thinkers."""
    if not thought:
        return ()
    # Mostly one thinker: the default team.
    speaker = int(rng.integers(1, MAX_THINKERS)) if rng.random() < OTHER_THINKER_RATE else 0
    return (Message(f"thinker_{speaker}", thought),)


def _boxed(answer: int) -> str:
    return rf"\boxed{{{answer}}}"


def _draw(rates: Mapping[str, float], rng: np.random.Generator) -> str:
    return str(rng.choice(list(rates), p=list(rates.values())))


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
    """Return the network with random weights; the global random state stays as it was."""
    from transformers import GenerationConfig, LlamaConfig, LlamaForCausalLM

    config = LlamaConfig(
        vocab_size=len(tokenizer),
        hidden_size=settings.hidden_size,
        intermediate_size=3 * settings.hidden_size,
        num_hidden_layers=settings.num_layers,
        num_attention_heads=4,
        max_position_embeddings=CONTEXT,
        initializer_range=0.06,  # the usual 0.02 is for wider networks and starts slowly
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
        folder: Where to write; made if missing.
        settings: How the model is made; None: as it ships.
        report: Takes lines of progress.

    Returns:
        The SHA-256 of the weights file, in hexadecimal.
    """
    settings = settings or WarmStart()
    tokenizer = build_tokenizer()
    model = build_model(tokenizer, settings)
    policy = HFPolicy(model, tokenizer)
    num_threads = torch.get_num_threads()
    torch.set_num_threads(1)  # sums in another order would give other bytes
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
        demonstrations = [draw_demonstration(mix, rng) for _ in range(settings.batch_size)]
        batch = [_as_completion(demonstration, policy) for demonstration in demonstrations]
        num_tokens = sum(len(completion.token_ids) for completion in batch)
        torch_optimizer.zero_grad()
        loss = 0.0
        for part in _parts(batch):
            part_loss = -policy.logprobs(part, temperature=1.0).sum() / num_tokens
            part_loss.backward()  # type: ignore[no-untyped-call]  # torch leaves it unannotated
            loss += part_loss.item()
        torch.nn.utils.clip_grad_norm_(policy.module.parameters(), 1.0)
        torch_optimizer.step()
        if (step + 1) % REPORT_EVERY == 0 or step + 1 == settings.num_steps:
            report(f"step {step + 1} of {settings.num_steps}: {loss:.3f} nats per token")


def _as_completion(demonstration: tuple[str, str], policy: HFPolicy) -> Completion:
    prompt, completion = demonstration
    tokenizer = policy.tokenizer
    token_ids = (*tokenizer.encode(completion), tokenizer.eos_token_id)
    return Completion(completion, tuple(tokenizer.encode(prompt)), token_ids)


def _parts(batch: Sequence[Completion]) -> list[list[Completion]]:
    """Return the batch in parts of similar length, which need little padding."""
    ordered = sorted(batch, key=lambda c: len(c.prompt_ids) + len(c.token_ids))
    return [ordered[start : start + PART_SIZE] for start in range(0, len(ordered), PART_SIZE)]


def _schedule(step: int, num_steps: int) -> float:
    """Return the share of the peak learning rate: a short rise, then a cosine to zero."""
    progress = step / num_steps
    return min(progress / WARM_UP_RATE, 0.5 + 0.5 * math.cos(math.pi * progress))


def main() -> None:
    """Make the model from the command line."""
    parser = argparse.ArgumentParser(description="Make the tiny language model.")
    parser.add_argument("--out", type=Path, default=TINY_FOLDER, help="folder to write")
    parser.add_argument("--num-steps", type=int, default=WarmStart().num_steps)
    arguments = parser.parse_args()
    digest = make_tiny(arguments.out, WarmStart(num_steps=arguments.num_steps))
    print(f"{digest}  {arguments.out / 'model.safetensors'}")


if __name__ == "__main__":
    main()
