"""A space of Unicode text; ``gymnasium.spaces.Text`` requires a fixed alphabet."""

from __future__ import annotations

import string
from typing import Any

import numpy as np
from gymnasium import Space

MAX_SAMPLE_CHARS = 64
"""Longest text that `TextSpace.sample` returns; random text is for tests only."""

_SAMPLE_ALPHABET = np.array(list(string.digits + string.ascii_letters + string.punctuation + " "))


class TextSpace(Space[str]):
    """Unicode text of at most ``max_chars`` characters that can be encoded as UTF-8.

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
        """Text has no fixed-size array form."""
        return False

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
