"""What answering without reading the question would score on multiple-choice tasks."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

from ccpo_env.types import Task

GuessName = Literal["random_guess", "majority_letter"]


@dataclass(frozen=True, slots=True)
class Guess:
    """The accuracy of a rule that needs no question, exact for the tasks at hand.

    Args:
        name: "random_guess": each option with equal probability, the expected accuracy;
            "majority_letter": always the most frequent gold letter of these tasks.
        value: Its accuracy on them.
        num_tasks: Number of tasks.
        num_right: For "majority_letter", on how many it is right; None for an expectation.
        letter: The letter; None for a random guess.
    """

    name: GuessName
    value: float
    num_tasks: int
    num_right: int | None = None
    letter: str | None = None

    @property
    def text(self) -> str:
        """Label in tables."""
        if self.letter is None:
            return "random guess, expected"
        return f"always {self.letter}, the most frequent letter"

    @property
    def count(self) -> str:
        """On how many tasks it is right; empty for an expectation, which is no count."""
        if self.num_right is None:
            return ""
        return f"{self.num_right} of {self.num_tasks}"

    def to_json(self) -> dict[str, Any]:
        """Return JSON values."""
        return {
            "name": self.name,
            "value": self.value,
            "num_tasks": self.num_tasks,
            "letter": self.letter,
        }


def guesses_of(tasks: Sequence[Task]) -> tuple[Guess, ...]:
    """Return the guesses that accuracy on these tasks is compared with.

    random guess    = mean over tasks of 1 / (number of options)
    majority letter = share of tasks whose gold answer is the most frequent one; the first letter of
                      the alphabet if several are

    Args:
        tasks: Tasks of one group.

    Returns:
        Both guesses, or none unless every task has options: a share of the tasks could not be
        compared with the accuracy on all of them.
    """
    if not tasks or not all(task.choices for task in tasks):
        return ()
    letters = Counter(task.answer for task in tasks)
    letter = min(letters, key=lambda gold: (-letters[gold], gold))
    expected = sum(1.0 / len(task.choices) for task in tasks) / len(tasks)
    return (
        Guess("random_guess", expected, len(tasks)),
        Guess("majority_letter", letters[letter] / len(tasks), len(tasks), letters[letter], letter),
    )
