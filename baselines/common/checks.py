"""Checks of arrays, made once where an array enters the package."""

from __future__ import annotations

from typing import Protocol

import numpy as np
import numpy.typing as npt


class HasShape(Protocol):
    """An array of numpy or torch."""

    @property
    def shape(self) -> tuple[int, ...]:
        """Size of each dimension."""
        ...


def expect_shape(name: str, array: HasShape, shape: tuple[int | str, ...], *, remedy: str) -> None:
    """Raise unless array has this shape.

    Args:
        name: What the error calls the array.
        array: The array to check.
        shape: A required size, or a letter for any size of at least 1, per dimension.
        remedy: What the caller can do about it; the end of the error's sentence.

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


def _fits(size: int, wanted: int | str) -> bool:
    return size >= 1 if isinstance(wanted, str) else size == wanted


def _text(shape: tuple[int | str, ...]) -> str:
    sizes = ", ".join(map(str, shape))
    return f"({sizes},)" if len(shape) == 1 else f"({sizes})"
