"""A space of Unicode text; ``gymnasium.spaces.Text`` requires a fixed alphabet."""

from __future__ import annotations

import multiprocessing
import string
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from copy import deepcopy
from typing import Any, overload

import numpy as np
import numpy.typing as npt
from gymnasium import Space, spaces
from gymnasium.spaces.utils import (
    flatdim,
    flatten,
    flatten_space,
    is_space_dtype_shape_equiv,
    unflatten,
)
from gymnasium.vector.utils import (
    batch_differing_spaces,
    batch_space,
    create_empty_array,
    create_shared_memory,
    iterate,
    read_from_shared_memory,
    write_to_shared_memory,
)
from gymnasium.wrappers.utils import create_zero_array

MAX_SAMPLE_CHARS = 64
"""Longest text that `TextSpace.sample` returns; random text is for tests only."""
MAX_SEED = 2**31
"""Bound of the seeds of the spaces of a batch."""

_SAMPLE_ALPHABET = np.array(list(string.digits + string.ascii_letters + string.punctuation + " "))


class TextSpace(Space[str]):
    """Unicode text of at most ``max_chars`` characters that can be encoded as UTF-8.

    As an array: int32, shape (max_chars,), code point plus one of each character, then zeros.

    Args:
        max_chars: Longest text, in characters (code points), at least 1.
        seed: Seeds `sample`.

    Raises:
        ValueError: If max_chars < 1.
    """

    def __init__(self, max_chars: int, seed: int | np.random.Generator | None = None) -> None:
        if max_chars < 1:
            raise ValueError(f"max_chars must be >= 1, got {max_chars}; try max_chars=65536")
        self.max_chars = max_chars
        super().__init__(shape=None, dtype=str, seed=seed)

    @property
    def is_np_flattenable(self) -> bool:
        """Text has an array form, with a number for each character."""
        return True

    def sample(self, mask: Any | None = None, probability: Any | None = None) -> str:
        """Return random printable ASCII text; masks do not apply to text."""
        if mask is not None or probability is not None:
            raise ValueError("TextSpace.sample must be called without a mask; leave it out")
        length = int(self.np_random.integers(min(self.max_chars, MAX_SAMPLE_CHARS) + 1))
        letters = self.np_random.integers(len(_SAMPLE_ALPHABET), size=length)
        return "".join(_SAMPLE_ALPHABET[letters])

    def contains(self, x: Any) -> bool:
        """Return whether x is text of legal length without lone surrogates."""
        if not isinstance(x, str) or len(x) > self.max_chars:
            return False
        try:
            x.encode()
        except UnicodeEncodeError:
            return False
        return True

    def __repr__(self) -> str:
        return f"TextSpace({self.max_chars})"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, TextSpace) and self.max_chars == other.max_chars

    def __hash__(self) -> int:
        return hash((TextSpace, self.max_chars))


class SharedTexts(Sequence[str]):
    """Texts in memory that several processes share: reads what they last wrote.

    A deepcopy, which Gymnasium's ``AsyncVectorEnv`` returns, is a tuple of the present texts.

    Args:
        space: The space of each text.
        memory: Shared int32 numbers, as many as num_texts arrays of the space hold.
        num_texts: Number of texts.
    """

    def __init__(self, space: TextSpace, memory: Any, num_texts: int) -> None:
        self._space = space
        self._arrays = _numbers_in(memory).reshape(num_texts, space.max_chars)

    def __len__(self) -> int:
        return len(self._arrays)

    @overload
    def __getitem__(self, index: int) -> str: ...
    @overload
    def __getitem__(self, index: slice) -> tuple[str, ...]: ...
    def __getitem__(self, index: int | slice) -> str | tuple[str, ...]:
        """Return a text, or a tuple of those of a slice."""
        if isinstance(index, slice):
            return tuple(self)[index]
        return unflatten(self._space, self._arrays[index])

    def __iter__(self) -> Iterator[str]:
        return (unflatten(self._space, array) for array in self._arrays)

    def __deepcopy__(self, memo: dict[int, Any]) -> tuple[str, ...]:
        return tuple(self)


class TextBatch(spaces.Tuple):  # type: ignore[type-arg]  # of texts; Gymnasium 1.2 takes none
    """A batch of texts: a tuple, of which Gymnasium's `iterate` yields the texts."""

    def contains(self, x: Any) -> bool:
        """Return whether x is a tuple of texts of the spaces, or such texts in shared memory."""
        return super().contains(tuple(x) if isinstance(x, SharedTexts) else x)


def _numbers_in(memory: Any) -> npt.NDArray[np.int32]:
    return np.frombuffer(memory.get_obj(), np.int32)


# What Gymnasium's vector environments and wrappers call for each space. Its functions take a
# Space[T], of which mypy does not see that a Space[str] is one: hence the ignored types.


@flatdim.register(TextSpace)
def _flatdim(space: TextSpace) -> int:
    return space.max_chars


@flatten_space.register(TextSpace)
def _flatten_space(space: TextSpace) -> spaces.Box:
    return spaces.Box(0, sys.maxunicode + 1, (space.max_chars,), np.int32)


@flatten.register(TextSpace)
def _flatten(space: TextSpace, x: str) -> npt.NDArray[np.int32]:  # type: ignore[misc]
    if len(x) > space.max_chars:
        raise ValueError(
            f"a text must have at most {space.max_chars} characters, got {len(x)}; shorten it"
        )
    numbers = np.zeros(space.max_chars, np.int32)
    numbers[: len(x)] = np.frombuffer(x.encode("utf-32-le"), "<u4") + 1
    return numbers


@unflatten.register(TextSpace)
def _unflatten(_space: TextSpace, x: npt.NDArray[Any]) -> str:  # type: ignore[misc]
    codes = x[x > 0] - 1
    return codes.astype("<u4").tobytes().decode("utf-32-le", errors="replace")


@is_space_dtype_shape_equiv.register(TextSpace)
def _is_equivalent(space_1: TextSpace, space_2: Any) -> bool:
    return bool(space_1 == space_2)


@create_empty_array.register(TextSpace)
def _empty_texts(
    _space: TextSpace,
    n: int = 1,
    fn: Callable[..., Any] = np.zeros,  # noqa: ARG001  Gymnasium names it
) -> Any:
    return ("",) * n


@create_zero_array.register(TextSpace)
def _empty_text(_space: TextSpace) -> Any:  # type: ignore[misc]
    return ""


@batch_space.register(TextSpace)
def _batch(space: TextSpace, n: int = 1) -> TextBatch:
    batch = TextBatch([TextSpace(space.max_chars) for _ in range(n)])
    batch.seed(deepcopy(space.np_random).integers(MAX_SEED, size=n).tolist())
    return batch


@batch_differing_spaces.register(TextSpace)
def _differing(text_spaces: Sequence[TextSpace]) -> TextBatch:  # type: ignore[misc]
    return TextBatch([deepcopy(space) for space in text_spaces])


@iterate.register(TextSpace)
@iterate.register(TextBatch)
def _iterate(_space: TextSpace | TextBatch, items: Iterable[str]) -> Iterator[str]:  # type: ignore[misc]
    return iter(items)


@create_shared_memory.register(TextSpace)
def _create_memory(space: TextSpace, n: int = 1, ctx: Any = multiprocessing) -> Any:
    return ctx.Array(np.dtype(np.int32).char, n * space.max_chars)


@read_from_shared_memory.register(TextSpace)
def _read_memory(space: TextSpace, shared_memory: Any, n: int = 1) -> SharedTexts:
    return SharedTexts(space, shared_memory, n)


@write_to_shared_memory.register(TextSpace)
def _write_memory(space: TextSpace, index: int, value: str, shared_memory: Any) -> None:
    place = slice(index * space.max_chars, (index + 1) * space.max_chars)
    _numbers_in(shared_memory)[place] = _flatten(space, value)
