"""Facts about some people and a question about one: reading comprehension for small models.

No computation is needed, so a model that cannot add two numbers is right some of the time,
depending on how directly it answers and on whether an earlier agent names the relevant fact.
"""

from __future__ import annotations

import numpy as np

from ccpo_env.tasks.procedural import distinct_tasks
from ccpo_env.types import Task

MAX_FACTS = 2
NUMBERS = (2, 20)
"""Range of a number, from two because the nouns are plural."""
NAMES = (
    *("Ann", "Ben", "Eva", "Max", "Mia", "Tom", "Sam", "Amy", "Dan", "Joe"),
    *("Kim", "Leo", "Lucy", "Mary", "Nina", "Paul", "Rosa", "Sara", "Tim", "Zoe"),
)
THINGS = (
    *("apples", "balls", "books", "cards", "coins", "cups", "dogs", "eggs", "flowers", "hats"),
    *("keys", "lemons", "pens", "plates", "rings", "shells", "shirts", "stamps", "toys", "trees"),
)


def lookup(*, split: str | None = None, limit: int | None = None, seed: int = 0) -> list[Task]:
    """Generate distinct tasks of one or two facts; the same arguments give the same tasks.

    Args:
        split: "train" (also for None) or "test"; no question is in both, for any seed.
        limit: Number of tasks; None: the default of the split.
        seed: Determines the selection of questions.

    Returns:
        Tasks whose gold answer is one of the numbers in the question, all of which differ.

    Raises:
        ValueError: If the limit is too large.
    """
    return distinct_tasks(_draw, source="lookup", split=split, limit=limit, seed=seed)


def _draw(rng: np.random.Generator) -> tuple[str, str, str]:
    num_facts = int(rng.integers(1, MAX_FACTS + 1))
    names = rng.choice(NAMES, size=num_facts, replace=False).tolist()
    things = rng.choice(THINGS, size=num_facts, replace=False).tolist()
    numbers = rng.choice(np.arange(*NUMBERS), size=num_facts, replace=False).tolist()
    chosen = int(rng.integers(num_facts))
    facts = [f"{n} has {k} {t}." for n, k, t in zip(names, numbers, things, strict=True)]
    question = f"How many {things[chosen]} does {names[chosen]} have?"
    pairs = zip(names, things, numbers, strict=True)
    name = ",".join(f"{n}-{k}-{t}" for n, t, k in pairs)
    return f"{name}?{names[chosen]}", " ".join([*facts, question]), str(numbers[chosen])
