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
    fits = len(sizes) == len(shape) and all(
        size >= 1 if isinstance(wanted, str) else size == wanted
        for size, wanted in zip(sizes, shape, strict=True)
    )
    if not fits:
        raise ValueError(f"{name} must have shape {_text(shape)}, got {_text(sizes)}; {remedy}")


def expect_between(
    name: str, array: npt.NDArray[np.float64], low: float, high: float, *, remedy: str
) -> None:
    """Raise ValueError unless every number lies in [low, high]; NaN does not."""
    outside = array[~((array >= low) & (array <= high))]
    if outside.size:
        raise ValueError(f"{name} must lie in [{low:g}, {high:g}], got {outside[0]:g}; {remedy}")


def expect_finite(name: str, array: npt.NDArray[np.float64], *, remedy: str) -> None:
    """Raise ValueError if a number is NaN or infinite."""
    bad = int((~np.isfinite(array)).sum())
    if bad:
        raise ValueError(
            f"{name} must be finite, got {bad} NaN or infinite of {array.size} numbers; {remedy}"
        )


def _text(shape: tuple[int | str, ...]) -> str:
    sizes = ", ".join(map(str, shape))
    return f"({sizes},)" if len(shape) == 1 else f"({sizes})"
