"""Checks of the knobs that allocators have in common."""

from __future__ import annotations

import math
from typing import get_args

from ccpo_env.errors import unknown_name


def expect_weight(name: str, value: float, *, remedy: str = "use 0 for shared credit") -> None:
    """Raise ValueError unless a weight is finite and not negative."""
    if not 0.0 <= value < math.inf:
        raise ValueError(f"{name} must be >= 0, got {value}; {remedy}")


def expect_share(name: str, value: float, *, such_as: float) -> None:
    """Raise ValueError unless a share lies in [0, 1]."""
    if not 0.0 <= value <= 1.0:
        raise ValueError(f"{name} must lie in [0, 1], got {value}; pass e.g. {such_as}")


def expect_choice(name: str, value: str, choices: object) -> None:
    """Raise ValueError unless a text is one of those of a Literal."""
    if value not in get_args(choices):
        raise unknown_name(name, value, get_args(choices))
