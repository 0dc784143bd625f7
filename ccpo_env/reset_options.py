"""Checks of the options of ``reset``: the task, the removed agents and the prefix."""

from __future__ import annotations

import difflib
import operator
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from ccpo_env.types import Task

OPTION_NAMES = ("task", "removed", "prefix")

_NEAR_MISS = 0.6
"""Similarity above which an unknown option counts as a misspelling."""


def check_option_names(options: Mapping[str, Any]) -> None:
    """Raise ValueError for a misspelt option; options of other environments are ignored."""
    for name in options:
        if name in OPTION_NAMES:
            continue
        lowered = str(name).lower()
        close = [known for known in OPTION_NAMES if known in lowered]
        close += difflib.get_close_matches(lowered, OPTION_NAMES, n=1, cutoff=_NEAR_MISS)
        if close:
            raise ValueError(
                f"options must use the names {', '.join(OPTION_NAMES)}, got {name!r}; "
                f"did you mean {close[0]!r}?"
            )


def check_removed(removed: Iterable[str], agents: Sequence[str]) -> frozenset[str]:
    """Return the removed agents as a set, a proper subset of all agents.

    Raises:
        TypeError: If removed is not a collection of names, such as one text.
        ValueError: If an agent is unknown, or none would be left.
    """
    if removed == frozenset():  # nearly always
        return frozenset()
    if isinstance(removed, str):
        raise TypeError(
            f"removed must be a list of agents, got the text {removed!r}; pass [{removed!r}]"
        )
    if isinstance(removed, Mapping) or not isinstance(removed, Iterable):
        raise TypeError(
            f"removed must be a list of agents, got {removed!r}; pass e.g. [{agents[0]!r}]"
        )
    names = frozenset(removed)
    for name in sorted(map(str, names - set(agents))):
        close = difflib.get_close_matches(name, agents, n=1)
        remedy = f"did you mean {close[0]!r}?" if close else "remove one of these"
        raise ValueError(f"removed must name agents of {list(agents)}, got {name!r}; {remedy}")
    if len(names) == len(agents):
        raise ValueError(
            f"removed must leave at least one agent to answer, got all of {list(agents)}; "
            f"keep one of them"
        )
    return names


def find_task(task: object, tasks: Sequence[Task], index_of: Mapping[str, int]) -> Task:
    """Return the task given by the option: a Task itself, an id, or an index.

    Raises:
        ValueError: If there is no task of that id or index.
        TypeError: If it is none of the three.
    """
    if isinstance(task, Task):
        return task
    if isinstance(task, str):
        if task not in index_of:
            close = difflib.get_close_matches(task, index_of, n=1)
            remedy = f"did you mean {close[0]!r}?" if close else f"such as {tasks[0].id!r}"
            raise ValueError(f"task must be the id of a loaded task, got {task!r}; {remedy}")
        return tasks[index_of[task]]
    try:
        if isinstance(task, bool):
            raise TypeError
        index = operator.index(task)  # type: ignore[arg-type]
    except TypeError:
        raise TypeError(
            f"task must be an index, an id or a Task, got {task!r}; pass e.g. options={{'task': 0}}"
        ) from None
    if not 0 <= index < len(tasks):
        raise ValueError(
            f"task must be in 0..{len(tasks) - 1}, got {index}; load more tasks or pass an id"
        )
    return tasks[index]


def check_seed(seed: object) -> int:
    """Return the seed as an int.

    Raises:
        TypeError: If it is not a whole number.
        ValueError: If it is negative.
    """
    try:
        number = operator.index(seed)  # type: ignore[arg-type]
    except TypeError:
        raise TypeError(f"seed must be an int >= 0, got {seed!r}; pass e.g. seed=0") from None
    if number < 0:
        raise ValueError(f"seed must be >= 0, got {number}; pass e.g. seed=0")
    return number


def check_prefix(prefix: Sequence[str], num_turns: int) -> None:
    """Raise unless prefix is a list of texts that leaves at least one turn to play."""
    is_list = isinstance(prefix, list | tuple)
    if not is_list or not all(isinstance(text, str) for text in prefix):
        raise TypeError(
            f"prefix must be a list of texts, one per turn, got {prefix!r}; pass ['a thought']"
        )
    if len(prefix) >= num_turns:
        raise ValueError(
            f"prefix must leave at least one of the {num_turns} turns to play, got "
            f"{len(prefix)} messages; drop the last ones"
        )


def each_options(
    options: Mapping[str, Any] | Sequence[Mapping[str, Any] | None] | None, episodes: Sequence[int]
) -> Sequence[Mapping[str, Any] | None]:
    """Return the options of each episode of a batch: one mapping is for all of them.

    Raises:
        TypeError: If options is neither a mapping nor a list of them.
        ValueError: If there are not as many as episodes.
    """
    if options is None or isinstance(options, Mapping):
        return [options] * len(episodes)
    is_list = isinstance(options, list | tuple)
    if not is_list or not all(own is None or isinstance(own, Mapping) for own in options):
        raise TypeError(
            f"options must be a dict, or a list with one for each episode, got {options!r}; pass "
            f"e.g. [{{'task': 0}}, {{'task': 1}}]"
        )
    if len(options) != len(episodes):
        raise ValueError(
            f"options must be as many as episodes, got {len(options)} for {len(episodes)}; pass "
            f"one dict for each, or one for all"
        )
    return options


def each_seed(
    seed: int | Sequence[int | None] | None, episodes: Sequence[int]
) -> Sequence[int | None]:
    """Return the seed of each episode of a batch: an int s is s + k for episode k.

    Raises:
        TypeError: If seed is none of these.
        ValueError: If it is negative, or there are not as many seeds as episodes.
    """
    if seed is None:
        return [None] * len(episodes)
    if not isinstance(seed, Sequence):
        first = check_seed(seed)
        return [first + episode for episode in episodes]
    if len(seed) != len(episodes):
        raise ValueError(
            f"seed must hold as many seeds as episodes, got {len(seed)} for {len(episodes)}; pass "
            f"one for each, or an int"
        )
    return seed
