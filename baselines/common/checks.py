"""Validation of arrays and settings, once, where they enter the package."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Protocol

import numpy as np
import numpy.typing as npt

from ccpo_env.errors import unknown_name
from ccpo_env.types import Role


class HasShape(Protocol):
    """An array of numpy or torch."""

    @property
    def shape(self) -> tuple[int, ...]:
        """Size of each dimension."""
        ...


def expect_shape(name: str, array: HasShape, shape: tuple[int | str, ...], *, remedy: str) -> None:
    """Raise unless array has this shape.

    Args:
        name: Name of the array in the error message.
        array: The array to check.
        shape: Per dimension, a required size, or a letter for any size of at least 1.
        remedy: What the caller can do about it; ends the error message.

    Raises:
        ValueError: If the number of dimensions or a size differs.
    """
    sizes = tuple(array.shape)
    if len(sizes) != len(shape) or not all(map(_fits, sizes, shape)):
        raise ValueError(f"{name} must have shape {_text(shape)}, got {_text(sizes)}; {remedy}")


def expect_between(
    name: str, array: npt.NDArray[np.float64], low: float, high: float, *, remedy: str
) -> None:
    """Raise ValueError unless every number lies in [low, high]; NaN does not."""
    is_inside = (array >= low) & (array <= high)
    if not is_inside.all():
        outside = array[~is_inside][0]
        raise ValueError(f"{name} must lie in [{low:g}, {high:g}], got {outside:g}; {remedy}")


def expect_finite(name: str, array: npt.NDArray[np.float64], *, remedy: str) -> None:
    """Raise ValueError if a number is NaN or infinite."""
    is_finite = np.isfinite(array)
    if not is_finite.all():
        bad = array.size - int(is_finite.sum())
        raise ValueError(
            f"{name} must be finite, got {bad} NaN or infinite of {array.size} numbers; {remedy}"
        )


def require_known(field_name: str, name: str, table: Mapping[str, object]) -> None:
    """Raise ValueError, with the nearest valid name, unless name is in table."""
    if name not in table:
        raise unknown_name(field_name, name, table)


def require_roles(field_name: str, given: Iterable[str], roles: Sequence[Role]) -> None:
    """Raise ValueError, with the nearest valid name, unless all names are roles of the team."""
    for name in given:
        if name not in roles:
            raise unknown_name("role", name, roles, of=field_name)


def flag_of(name: str) -> str:
    """Return the flag of a setting, such as --group-size; `from_` is --from, a Python keyword."""
    return f"--{name.rstrip('_').replace('_', '-')}"


def require_at_least(name: str, value: int, least: int, *, why: str = "") -> None:
    """Raise ValueError unless an integer field is large enough."""
    if value < least:
        reason = f" because {why}" if why else ""
        raise ValueError(
            f"{name} must be >= {least}{reason}, got {value}; pass {flag_of(name)} {least} or more"
        )


def require_positive(name: str, value: float | None, *, such_as: float) -> None:
    """Raise ValueError unless a number is finite and above 0; None passes."""
    if value is not None and not 0.0 < value < float("inf"):
        raise ValueError(
            f"{name} must be a number above 0, got {value}; pass e.g. {flag_of(name)} {such_as}"
        )


def unread(name: str, value: object, needed: str) -> str:
    """Return the error message for a setting that has no effect.

    Args:
        name: Name of the field.
        value: Its value.
        needed: What would give it an effect, such as "--topology vote".
    """
    rule = "must be left out where it has no effect"
    return f"{name} {rule}, got {value}; drop {flag_of(name)}, or pass {needed}"


def _fits(size: int, wanted: int | str) -> bool:
    return size >= 1 if isinstance(wanted, str) else size == wanted


def _text(shape: tuple[int | str, ...]) -> str:
    sizes = ", ".join(map(str, shape))
    return f"({sizes},)" if len(shape) == 1 else f"({sizes})"
