"""Any data set of the package reasoning_gym, as ``reasoning_gym/<name>``."""

from __future__ import annotations

from ccpo_env.errors import unknown_name
from ccpo_env.tasks.splits import in_split
from ccpo_env.types import Task

PREFIX = "reasoning_gym/"
DEFAULT_TASKS = 512
_ATTEMPTS = 16
"""Rows examined per requested task: one in ten belongs to the test split."""


def reasoning_gym(name: str, *, split: str | None, limit: int | None, seed: int = 0) -> list[Task]:
    """Generate tasks from a data set of reasoning_gym whose answers are text.

    Args:
        name: Name of the data set, such as "chain_sum".
        split: "train", "test" or None for both; chosen by a hash of the question.
        limit: Number of tasks; None: DEFAULT_TASKS.
        seed: Seed of the generator.

    Raises:
        ImportError: If reasoning_gym is not installed.
        ValueError: If there is no such data set, or it has no text answers or too few questions.
    """
    try:
        import reasoning_gym as gym
        from reasoning_gym.factory import DATASETS
    except ImportError:
        raise ImportError(
            f"tasks {PREFIX + name!r} must find the package reasoning-gym, got none; run pip "
            f"install 'ccpo-env[reasoning_gym]'"
        ) from None
    if name not in DATASETS:
        raise unknown_name("reasoning_gym dataset", name, DATASETS)
    num_tasks = DEFAULT_TASKS if limit is None else limit
    tasks: dict[str, Task] = {}
    for index, row in enumerate(gym.create_dataset(name, size=num_tasks * _ATTEMPTS, seed=seed)):
        question, answer = row["question"], row["answer"]
        if not isinstance(answer, str) or not answer.strip():
            raise ValueError(
                f"a reasoning_gym data set must have text answers, got {answer!r} in row {index} "
                f"of {name!r}; choose another data set"
            )
        if in_split(question, split):
            tasks.setdefault(
                question, Task(f"{PREFIX}{name}/{index}", question, answer, PREFIX + name)
            )
        if len(tasks) == num_tasks:
            return list(tasks.values())
    raise ValueError(
        f"limit must be <= {len(tasks)} for {PREFIX + name}, got {num_tasks}; pass a smaller limit"
    )
