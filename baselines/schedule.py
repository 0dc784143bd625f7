"""Which roles are trained in a step."""

from __future__ import annotations

from collections.abc import Sequence

from ccpo_env.types import Role


def active_roles(step: int, roles: Sequence[Role], alternate_period: int) -> tuple[Role, ...]:
    """Return the roles whose policies are updated in a step.

    block = (step - 1) // alternate_period, and role number block modulo len(roles) is trained

    Args:
        step: Number of the step, from 1.
        roles: All roles, the one that is trained first in front.
        alternate_period: Steps that one role is trained before the next one's turn; 0: all
            roles in every step.

    Source: arXiv:2603.21563, whose reference code uses 10 and starts with the thinker.
    """
    if alternate_period == 0:
        return tuple(roles)
    return (roles[(step - 1) // alternate_period % len(roles)],)
