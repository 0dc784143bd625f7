r"""Chained arithmetic modulo 10: questions whose intermediate values help the answering agent.

A question is a chain of one to four operations, worked from left to right. A small model cannot
carry out two steps within one forward pass, so an earlier agent's message decides whether the
answer is right. Factors are units modulo 10, so no step loses information about earlier steps.
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Mapping

import numpy as np

from ccpo_env.tasks.procedural import distinct_tasks
from ccpo_env.types import Task

MODULUS = 10
MAX_OPERATIONS = 4
QUESTION = "Compute from left to right modulo 10: "
FIRST_NUMBERS = (10, 100)
"""Range of the first number: two digits give enough distinct short chains."""

OPERATIONS: Mapping[str, Callable[[int, int], int]] = {
    "+": operator.add,
    "-": operator.sub,
    "*": operator.mul,
}
_SYMBOLS = tuple(OPERATIONS)
_UNITS = (3, 7, 9)
_DIGITS = tuple(range(1, MODULUS))


def arithmetic(*, split: str | None = None, limit: int | None = None, seed: int = 0) -> list[Task]:
    """Generate distinct tasks; the same arguments give the same tasks.

    Args:
        split: "train" (also for None) or "test"; no question is in both, for any seed.
        limit: Number of tasks; None: the default of the split.
        seed: Determines the selection of questions.

    Returns:
        Tasks whose gold answer is one digit.

    Raises:
        ValueError: If the limit is too large.
    """
    return distinct_tasks(_draw, source="arithmetic", split=split, limit=limit, seed=seed)


def _draw(rng: np.random.Generator) -> tuple[str, str, str]:
    return named_question(*draw_chain(rng))


def named_question(start: int, steps: list[tuple[str, int]]) -> tuple[str, str, str]:
    """Return a chain's short name, its question and its gold answer."""
    expression = f"{start}" + "".join(f"{symbol}{number}" for symbol, number in steps)
    return expression, f"{QUESTION}{expression}", str(intermediate_values(start, steps)[-1])


def draw_chain(rng: np.random.Generator) -> tuple[int, list[tuple[str, int]]]:
    """Return a first number and one to four steps, each a symbol and a digit."""
    start = int(rng.integers(*FIRST_NUMBERS))
    steps = []
    for _ in range(int(rng.integers(1, MAX_OPERATIONS + 1))):
        symbol = _SYMBOLS[int(rng.integers(len(_SYMBOLS)))]
        steps.append((symbol, draw_number(symbol, rng)))
    return start, steps


def draw_number(symbol: str, rng: np.random.Generator) -> int:
    """Return the second number of an operation: a digit, a unit modulo 10 for a product."""
    numbers = _UNITS if symbol == "*" else _DIGITS
    return numbers[int(rng.integers(len(numbers)))]


def intermediate_values(start: int, steps: list[tuple[str, int]]) -> list[int]:
    """Return the first number and the value after each step, all modulo 10."""
    values = [start % MODULUS]
    for symbol, number in steps:
        values.append(OPERATIONS[symbol](values[-1], number) % MODULUS)
    return values
