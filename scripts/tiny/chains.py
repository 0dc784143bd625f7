r"""Rule-based messages about chains of arithmetic, which the embedded model imitates.

A thought leaves the last step to others; a statement ends with an answer in a box. Both have a
style, so that demonstrations can be good, bad or empty in known shares.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from ccpo_env.tasks.arithmetic import MODULUS, QUESTION, draw_chain, intermediate_values
from ccpo_env.tasks.splits import in_split
from ccpo_env.types import Message

FILLER = "go step by step"


@dataclass(frozen=True, slots=True)
class Chain:
    """A question of the arithmetic family."""

    start: int
    steps: tuple[tuple[str, int], ...]

    @property
    def question(self) -> str:
        """The question text."""
        return f"{QUESTION}{self.start}{''.join(f'{s}{n}' for s, n in self.steps)}"

    @property
    def values(self) -> list[int]:
        """The first number and the value after each step, modulo 10."""
        return intermediate_values(self.start, list(self.steps))

    @property
    def answer(self) -> int:
        """The gold answer."""
        return self.values[-1]

    @property
    def is_short(self) -> bool:
        """Whether it has one operation, which the network can answer in one forward pass."""
        return len(self.steps) == 1


@dataclass(frozen=True, slots=True)
class Thought:
    """A message of a thinker.

    Args:
        text: Its message.
        style: Style of the message, see `draw_thought`.
        answer: The answer that follows from it; None if there is none.
    """

    text: str
    style: str
    answer: int | None


def draw(rates: Mapping[str, float], rng: np.random.Generator) -> str:
    """Draw one of the names with probability equal to its rate."""
    left = rng.random() * sum(rates.values())
    for name, rate in rates.items():  # noqa: B007
        left -= rate
        if left < 0.0:
            break
    return name


def draw_train_chain(rng: np.random.Generator, *, is_short: bool = False) -> Chain:
    """Draw a question of the train split, with one operation if is_short."""
    while True:
        start, steps = draw_chain(rng)
        chain = Chain(start, tuple(steps[:1] if is_short else steps))
        if in_split(chain.question, "train"):
            return chain


def draw_thought(chain: Chain, style: str, rng: np.random.Generator) -> Thought:
    """Draw a thought about a question.

    Args:
        chain: The question.
        style: "full" has all equations but the last one, so it does not state the answer;
            "partial" stops earlier; "wrong" is full but misreads the first number as one
            digit; "filler" has no content.
        rng: Draws where a partial thought stops, and the misread digit.

    Note: Without an equation the message is the last digit of the first number, so a partial
        thought about one operation is a full one and counts as such.
    """
    if style == "filler":
        return Thought(FILLER, style, None)
    num_equations = len(chain.steps) - 1
    if style == "partial" and num_equations > 0:
        start = chain.start
        num_equations = int(rng.integers(num_equations))
        answer = None
    else:
        style = "full" if style == "partial" else style
        start = _misread(chain.start, rng) if style == "wrong" else chain.start
        answer = intermediate_values(start, list(chain.steps))[-1]
    text = ";".join(_equations(chain, start)[:num_equations])
    return Thought(text or f"{start}={start % MODULUS}", style, answer)


def draw_statement(
    chain: Chain, style: str, rng: np.random.Generator, *, latest: int | None = None
) -> tuple[str, int]:
    r"""Draw a statement of a voter or debater, and return it with its answer.

    Args:
        chain: The question.
        style: "full" works through all equations before the box, `47+5=2;2*3=6 \boxed{6}`;
            "wrong" does so but misreads the first number as one digit; "guess" is the box alone,
            right for one operation and any digit for more; "follow" repeats the latest answer.
        rng: Draws guesses, and the misread digit.
        latest: The last stated answer, for "follow".
    """
    if style == "guess":
        answer = chain.answer if chain.is_short else int(rng.integers(MODULUS))
        return boxed(answer), answer
    if style == "follow":
        assert latest is not None, "style 'follow' needs a latest answer"
        return boxed(latest), latest
    start = _misread(chain.start, rng) if style == "wrong" else chain.start
    answer = intermediate_values(start, list(chain.steps))[-1]
    return f"{';'.join(_equations(chain, start))} {boxed(answer)}", answer


def as_messages(role: str, texts: Sequence[str], speakers: Sequence[int]) -> tuple[Message, ...]:
    """Return texts as the messages of agents of one role."""
    return tuple(Message(f"{role}_{n}", text) for n, text in zip(speakers, texts, strict=True))


def boxed(answer: int | str) -> str:
    """Return an answer in a box."""
    return rf"\boxed{{{answer}}}"


def _equations(chain: Chain, start: int) -> list[str]:
    """Return one equation per step, from a first number that may have been misread."""
    values = intermediate_values(start, list(chain.steps))
    starts = [start, *values[1:]]  # the first number is copied with both digits
    return [
        f"{starts[place]}{symbol}{number}={values[place + 1]}"
        for place, (symbol, number) in enumerate(chain.steps)
    ]


def _misread(start: int, rng: np.random.Generator) -> int:
    """Return a digit other than the last digit of a first number."""
    return (start + int(rng.integers(1, MODULUS))) % MODULUS
