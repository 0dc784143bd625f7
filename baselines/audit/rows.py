"""The rows of a dump as arrays: agents, groups, steps, rewards, advantages."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from baselines.audit.columns import Columns
from baselines.audit.files import Table
from baselines.common.checks import flag_of
from baselines.common.types import BoolArray, FloatArray, IntArray

ONE_AGENT = "agent"
"""Name of the agent of a dump without a column of agents."""
MAX_AGENTS = 200
"""Number of agents above which a column is not one of agents."""

LARGEST_NUMBER = 1e60
"""Largest size of a number whose variance, and products of two variances, stay finite."""


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class Rows:
    """The n measured completions of a dump, in the order of the file.

    Args:
        agents: Names of the agents, in the order in which they appear.
        agent: Agent of each row, its index, (n,).
        group: Group of each row, (n,), numbered from 0.
        step: Step of each row, (n,), numbered from 0.
        turn: Turn of the agent in its rollout, (n,), numbered from 0; 0 where unknown.
        reward: Finite rewards, (n,).
        advantage: Advantages, (n,), NaN where missing; None: the dump has none.
        shared: What the trainer says its advantage of the shared reward is, (n,); None: unknown.
        varies: Where the tokens of a completion differ in advantage, which then is their mean.
        tokens: Numbers of completion tokens, (n,); None: unknown.
        removed: Mean reward of the team without a set of agents, (n,), NaN where not measured.
        num_unmeasured: Rows without a reward, which are left out.
    """

    agents: tuple[str, ...]
    agent: IntArray
    group: IntArray
    step: IntArray
    turn: IntArray
    reward: FloatArray
    advantage: FloatArray | None
    shared: FloatArray | None
    varies: BoolArray
    tokens: FloatArray | None
    removed: Mapping[frozenset[str], FloatArray]
    num_unmeasured: int

    @property
    def num_groups(self) -> int:
        """Number of groups."""
        return len(np.unique(self.group))

    @property
    def num_steps(self) -> int:
        """Number of steps."""
        return len(np.unique(self.step))

    def where(self, keep: BoolArray) -> Rows:
        """Return the rows where a mask, (n,), is True; groups and steps are numbered anew."""
        return replace(
            self,
            agent=self.agent[keep],
            group=numbered(self.group[keep]),
            step=numbered(self.step[keep]),
            turn=self.turn[keep],
            reward=self.reward[keep],
            advantage=None if self.advantage is None else self.advantage[keep],
            shared=None if self.shared is None else self.shared[keep],
            varies=self.varies[keep],
            tokens=None if self.tokens is None else self.tokens[keep],
            removed={team: values[keep] for team, values in self.removed.items()},
        )


def rows_of(table: Table, columns: Columns, weights: Sequence[float] = ()) -> Rows:
    """Return the rows of a table; those without a reward are left out and counted.

    Args:
        table: The columns of the dump.
        columns: Which column means what.
        weights: Weights of the columns of rewards; none: all are 1.

    Raises:
        ValueError: If a row has no group or agent, or holds no number where there must be one; or
            no row has a reward.
    """
    agent, names = _agents(table, columns.agent)
    step = _codes(table, columns.step)
    own = [_codes(table, name, what="group_column") for name in columns.group]
    group = numbered(step, *own)
    reward = _reward(table, columns.reward, weights)
    advantage, varies = _advantage(table, columns.advantage)
    tokens = None if columns.tokens is None else _numbers(table, columns.tokens)
    if tokens is not None and not (np.isfinite(tokens) & (tokens >= 0.0)).all():
        tokens = None
    turn = _turns(table, columns, group, agent)
    keep = np.isfinite(reward)
    if not keep.any():
        raise ValueError(
            f"column {columns.reward[0]!r} must hold rewards, got none in {len(reward)} rows; name "
            f"another one with {flag_of('reward_column')}"
        )
    found = Rows(
        agents=names,
        agent=agent,
        group=_in_order(step, group),
        step=step,
        turn=turn,
        reward=reward,
        advantage=advantage,
        shared=None if columns.shared is None else _numbers(table, columns.shared),
        varies=varies,
        tokens=tokens,
        removed=_removed(table, columns, agent, names),
        num_unmeasured=int((~keep).sum()),
    )
    return found if keep.all() else found.where(keep)


def _agents(table: Table, name: str | None) -> tuple[IntArray, tuple[str, ...]]:
    if name is None:
        return np.zeros(table.num_rows, dtype=np.int64), (ONE_AGENT,)
    codes, known = _numbers_of(_all_given(table, name, "agent_column"))
    if len(known) > MAX_AGENTS:
        raise ValueError(
            f"column {name!r} must name at most {MAX_AGENTS} agents, got {len(known)}; name "
            f"another one with {flag_of('agent_column')}"
        )
    return codes, tuple(value if isinstance(value, str) else _key(value) for value in known)


def _codes(table: Table, name: str | None, what: str = "") -> IntArray:
    """Return a number for each value; all values must be given if the flag of the column is."""
    if name is None:
        return np.zeros(table.num_rows, dtype=np.int64)
    values = _all_given(table, name, what) if what else table.columns[name]
    return _numbers_of(values)[0]


def _numbers_of(values: Sequence[Any]) -> tuple[IntArray, list[Any]]:
    """Return a number, from 0, for each value, and the different values in order."""
    known: dict[Any, int] = {}
    try:
        codes = [known.setdefault(value, len(known)) for value in values]
    except TypeError:  # chats, which are lists
        known = {}
        codes = [known.setdefault(_key(value), len(known)) for value in values]
    return np.array(codes, dtype=np.int64), list(known)


def _all_given(table: Table, name: str, flag: str) -> list[Any]:
    values = table.columns[name]
    if None in values:
        raise ValueError(
            f"each row must have a value in column {name!r}, got none in "
            f"{table.where(values.index(None))}; correct the file, or name another column with "
            f"{flag_of(flag)}"
        )
    return values


def _key(value: Any) -> str:
    """Return a text that is equal for equal values."""
    return json.dumps(value, sort_keys=True, default=str)


def numbered(*codes: IntArray) -> IntArray:
    """Return one number, from 0, for each combination of codes, sorted by the first ones."""
    joined = codes[0]
    for more in codes[1:]:
        joined = joined * (int(more.max(initial=0)) + 1) + more
        joined = np.unique(joined, return_inverse=True)[1]
    return np.unique(joined, return_inverse=True)[1].astype(np.int64)


def _in_order(step: IntArray, group: IntArray) -> IntArray:
    """Return the groups numbered by their steps, and in a step by their first rows."""
    _, first, codes = np.unique(group, return_index=True, return_inverse=True)
    order = np.lexsort((first, step[first]))
    return np.argsort(order)[codes].astype(np.int64)


def _turns(table: Table, columns: Columns, group: IntArray, agent: IntArray) -> IntArray:
    """Return the turn of each row among those of its agent in its rollout, from 0."""
    if columns.turn is not None:
        return _codes(table, columns.turn)
    if columns.rollout is None:
        return np.zeros(table.num_rows, dtype=np.int64)
    speaker = numbered(group, _codes(table, columns.rollout), agent)
    order = np.argsort(speaker, kind="stable")
    sizes = np.bincount(speaker)
    turn = np.empty(len(speaker), dtype=np.int64)
    turn[order] = np.arange(len(speaker)) - (sizes.cumsum() - sizes).repeat(sizes)
    return turn


def _reward(table: Table, names: Sequence[str], weights: Sequence[float]) -> FloatArray:
    """Return the weighted sum; a column without a value is left out, as TRL does."""
    if weights and len(weights) != len(names):
        raise ValueError(
            f"reward_weights must have a weight for each of {', '.join(names)}, got "
            f"{len(weights)}; pass {len(names)} numbers, or name the columns with --reward-column"
        )
    columns = np.stack([_numbers(table, name) for name in names])  # (columns, n)
    columns *= np.array(weights or [1.0] * len(names))[:, None]
    for name, values in zip(names, columns, strict=True):
        _expect_small(table, name, values)
    total: FloatArray = np.nansum(columns, axis=0)
    total[np.isnan(columns).all(axis=0)] = np.nan
    return total


def _advantage(table: Table, name: str | None) -> tuple[FloatArray | None, BoolArray]:
    varies = np.zeros(table.num_rows, dtype=bool)
    if name is None:
        return None, varies
    values = table.columns[name]
    if any(isinstance(value, list) for value in values):  # an advantage of each token
        values = list(values)
        for row, value in enumerate(values):
            if isinstance(value, list):
                tokens = _of_tokens(_as_floats(table, name, row, value))
                _expect_small(table, name, tokens, row)
                values[row] = float(tokens.mean()) if len(tokens) else None
                spread = float(np.ptp(tokens)) if len(tokens) else 0.0
                varies[row] = spread > 1e-4 * float(np.abs(tokens).max(initial=0.0))
    return _numbers(table, name, values), varies


def _of_tokens(advantages: FloatArray) -> FloatArray:
    """Return the advantages of the tokens that count: a 0 among others is one that was masked."""
    finite = advantages[np.isfinite(advantages)]
    return finite[finite != 0.0] if finite.any() else finite


def _removed(
    table: Table, columns: Columns, agent: IntArray, names: Sequence[str]
) -> dict[frozenset[str], FloatArray]:
    """Return the mean reward without each set of agents, of each row.

    A value is a number, or several, of the team without the agent of the row; or maps an agent,
    or several joined by "+", to such values.
    """
    if columns.removed is None:
        return {}
    values = table.columns[columns.removed]
    found: dict[frozenset[str], FloatArray] = {}
    for row, value in enumerate(values):
        if value is None:
            continue
        given = value if isinstance(value, dict) else {names[agent[row]]: value}
        for name, rewards in given.items():
            if rewards is None:
                continue
            team = frozenset(name.split("+")) if name not in names else frozenset({name})
            if not team <= set(names):
                raise ValueError(
                    f"column {columns.removed!r} must name agents, got {name[:40]!r} in "
                    f"{table.where(row)}; the agents are {', '.join(names[:10])}"
                )
            entry = found.setdefault(team, np.full(len(values), np.nan))
            listed = rewards if isinstance(rewards, list) else [rewards]
            measured = _as_floats(table, columns.removed, row, listed)
            measured = measured[np.isfinite(measured)]
            _expect_small(table, columns.removed, measured, row)
            if len(measured):
                entry[row] = measured.mean()
    return found


def _numbers(table: Table, name: str, values: Sequence[Any] | None = None) -> FloatArray:
    """Return a column as numbers, NaN where there is none, or one that is not finite."""
    given = table.columns[name] if values is None else values
    try:
        numbers = np.array(given, dtype=np.float64)
    except (ValueError, TypeError, OverflowError):
        numbers = np.empty(0)
    if numbers.shape != (len(given),):
        numbers = np.array(
            [_as_floats(table, name, row, [value])[0] for row, value in enumerate(given)]
        )
    numbers[~np.isfinite(numbers)] = np.nan
    _expect_small(table, name, numbers)
    return numbers


def _expect_small(table: Table, name: str, values: FloatArray, row: int | None = None) -> None:
    """Raise ValueError if a number is too large to average; of the given row, or of all rows."""
    is_large = np.abs(values) > LARGEST_NUMBER  # False for NaN
    if is_large.any():
        first = int(is_large.argmax())
        raise ValueError(
            f"column {name!r} must hold numbers of at most {LARGEST_NUMBER:g}, got "
            f"{values[first]:g} in {table.where(first if row is None else row)}; scale the column, "
            f"or correct that row"
        )


def _as_floats(table: Table, name: str, row: int, values: Iterable[Any]) -> FloatArray:
    numbers = []
    for value in values:
        try:
            numbers.append(np.nan if value is None else float(value))
        except (ValueError, TypeError, OverflowError):
            raise ValueError(
                f"column {name!r} must hold numbers, got {str(value)[:40]!r} in "
                f"{table.where(row)}; name another column with --reward-column, "
                f"--advantage-column, --tokens-column or --removed-column"
            ) from None
    return np.array(numbers, dtype=np.float64)
