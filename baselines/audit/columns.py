"""Which columns of a dump mean what."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from baselines.audit.files import Row
from baselines.audit.formats import (
    ADVANTAGE_NAMES,
    AGENT_NAMES,
    REMOVED_NAMES,
    STEP_NAMES,
    TOKEN_NAMES,
    Format,
)
from baselines.common.checks import flag_of
from ccpo_env.text import printable


@dataclass(frozen=True, slots=True, kw_only=True)
class NamedColumns:
    """The columns that were named on the command line; None: not named.

    Args:
        group_column: Columns whose values, together with the step, name a group.
        reward_column: Columns whose sum is the reward.
        advantage_column: The advantage.
        agent_column: The agent.
        step_column: The training step.
        removed_column: Rewards of the team without an agent.
        tokens_column: Number of completion tokens.
    """

    group_column: tuple[str, ...] = ()
    reward_column: tuple[str, ...] = ()
    advantage_column: str | None = None
    agent_column: str | None = None
    step_column: str | None = None
    removed_column: str | None = None
    tokens_column: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Columns:
    """The columns that are used, by meaning; None: there is none.

    Args:
        group: Columns whose values, together with the step, name a group.
        reward: Columns whose weighted sum is the reward.
        advantage: The advantage.
        agent: The agent; None: all rows are of one.
        step: The training step; None: the file is one step.
        removed: Rewards of the team without an agent.
        tokens: Number of completion tokens.
        rollout: The rollout within its group.
        turn: The turn of the agent in its rollout.
        shared: What the trainer itself says the advantage of the shared reward is.
    """

    group: tuple[str, ...]
    reward: tuple[str, ...]
    advantage: str | None
    agent: str | None
    step: str | None
    removed: str | None
    tokens: str | None
    rollout: str | None
    turn: str | None
    shared: str | None

    @property
    def read(self) -> tuple[str, ...]:
        """Return all columns that must be read."""
        single = (self.advantage, self.agent, self.step, self.removed, self.tokens)
        names = (*self.group, *self.reward, *single, self.rollout, self.turn, self.shared)
        return tuple(dict.fromkeys(name for name in names if name is not None))


def choose_columns(rows: Sequence[Row], kind: Format, named: NamedColumns, source: str) -> Columns:
    """Return the columns of a dump by meaning.

    Args:
        rows: The first rows, with everything that they hold.
        kind: Their format.
        named: Columns that the user has named; they override the usual names.
        source: The file, for messages.

    Raises:
        ValueError: If a column that was named does not exist, or none is the group or the reward.
    """
    names = list(dict.fromkeys(name for row in rows for name in row))
    known = {name for name in names if any(row.get(name) is not None for row in rows)}

    def single(flag: str, given: str | None, usual: Iterable[str]) -> str | None:
        if given is not None and given not in names:
            raise _missing(flag, given, names, source)
        return given or next((name for name in usual if name in known), None)

    def several(flag: str, given: tuple[str, ...], usual: Iterable[str]) -> tuple[str, ...]:
        for name in given:
            if name not in names:
                raise _missing(flag, name, names, source)
        return given or tuple(name for name in usual if name in known)[:1]

    advantage = single("advantage_column", named.advantage_column, ADVANTAGE_NAMES)
    agent = single("agent_column", named.agent_column, AGENT_NAMES)
    step = single("step_column", named.step_column, STEP_NAMES)
    group = several("group_column", named.group_column, kind.group)
    tokens = single("tokens_column", named.tokens_column, TOKEN_NAMES)
    removed = single("removed_column", named.removed_column, REMOVED_NAMES)
    used = {advantage, agent, step, tokens, removed, "rollout", "turn", "shared_advantage", *group}
    usual = kind.reward or tuple(n for n in names if n not in used and _is_numeric(rows, n))
    reward = several("reward_column", named.reward_column, usual)
    if not kind.reward and not named.reward_column:
        reward = usual
    for flag, what, found in (
        ("group_column", "the task or group", group),
        ("reward_column", "rewards", reward),
    ):
        if not found:
            raise ValueError(
                f"{source} must have a column of {what}, got the columns {_listed(names)}; name it "
                f"with {flag_of(flag)}"
            )
    return Columns(
        group=group,
        reward=reward,
        advantage=advantage,
        agent=agent,
        step=step,
        removed=removed,
        tokens=tokens,
        rollout="rollout" if "rollout" in known else None,
        turn="turn" if "turn" in known else None,
        shared="shared_advantage" if "shared_advantage" in known else None,
    )


def _missing(flag: str, name: str, names: Sequence[str], source: str) -> ValueError:
    return ValueError(
        f"{flag_of(flag)} must name a column of {source}, got {name!r}; its columns are "
        f"{_listed(names)}"
    )


def _listed(names: Sequence[str]) -> str:
    shown = ", ".join(printable(name[:40]) for name in names[:20])
    return f"{shown} and {len(names) - 20} more" if len(names) > 20 else shown or "(none)"


def _is_numeric(rows: Sequence[Row], name: str) -> bool:
    values: list[Any] = [row[name] for row in rows if row.get(name) is not None]
    return bool(values) and all(
        isinstance(value, int | float) and not (isinstance(value, float) and math.isinf(value))
        for value in values
    )
