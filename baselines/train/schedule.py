"""Schedules: the roles that each step trains, and the steps before which a run evaluates."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Literal, TypeAlias

import numpy as np

from ccpo_env.errors import unknown_name
from ccpo_env.types import Role

Order: TypeAlias = Literal["turns", "random"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Schedule:
    """Selects the roles that are trained in each step.

    block = (step - 1) // period; with order "turns", the role at index block modulo the number of
    roles is trained; with "random", a role drawn once per block

    Args:
        roles: The trained roles, in order of their turns.
        period: Number of consecutive steps that train one role; 0: all roles in every step. A
            policy shared by all roles is trained on the completions of that role.
        order: "turns" or "random".
        seed: Seed of the random order.

    Source: arXiv:2603.21563, whose reference code alternates every 10 steps and starts with the
        thinker. Other orders are ours.
    """

    roles: tuple[Role, ...]
    period: int = 0
    order: Order = "turns"
    seed: int = 0

    def active(self, step: int) -> tuple[Role, ...]:
        """Return the roles whose policies are updated in a step, numbered from 1."""
        if self.period == 0:
            return self.roles
        block = (step - 1) // self.period
        if self.order == "random":
            rng = np.random.default_rng([self.seed, _SCHEDULE_STREAM, block])
            return (self.roles[int(rng.integers(len(self.roles)))],)
        return (self.roles[block % len(self.roles)],)


def evaluates_before(
    step: int, tokens: Sequence[int], *, every_steps: int, every_tokens: int
) -> bool:
    """Return whether the policies are evaluated on held-out tasks before a step.

    Args:
        step: The step, numbered from 1; before the first one they always are.
        tokens: Tokens that each earlier step has sampled.
        every_steps: Steps between evaluations; 0: none during training.
        every_tokens: Tokens between evaluations, in place of steps; 0: count steps. A step that
            passes several multiples is followed by one evaluation.
    """
    if step == 1:
        return True
    if every_tokens:
        done = sum(tokens)
        return done // every_tokens > (done - tokens[-1]) // every_tokens
    return every_steps > 0 and (step - 1) % every_steps == 0


_SCHEDULE_STREAM = 1_000_003
"""Distinct from the streams of the trainer, which are numbered from 0."""


def trained_roles(
    roles: Sequence[Role], *, start: Role | None, frozen: Collection[Role]
) -> tuple[Role, ...]:
    """Return the roles that are trained, in the order of their turns.

    Args:
        roles: All roles, in speaking order.
        start: The role with the first turn; None: the first speaker.
        frozen: Roles that are never trained.

    Raises:
        ValueError: If a role is unknown, all roles are frozen, or start is frozen.
    """
    for name in (*frozen, *([start] if start is not None else [])):
        if name not in roles:
            raise unknown_name("role", name, roles)
    trained = tuple(role for role in roles if role not in frozen)
    if not trained:
        raise ValueError(
            f"frozen_roles must leave a role to train, got all of {list(roles)}; name fewer roles"
        )
    if start is None:
        return trained
    if start in frozen:
        raise ValueError(
            f"start_role must be trained, got {start!r}, which is frozen; take it out of "
            f"--frozen-roles"
        )
    first = trained.index(start)
    return trained[first:] + trained[:first]
