"""Train and test splits by a hash of the question text, so that they never overlap."""

from __future__ import annotations

import zlib

TEST_SHARE = 10
"""One question in this many belongs to the test split."""


def check_split(split: str | None) -> None:
    """Raise ValueError unless split is "train", "test" or None."""
    if split not in ("train", "test", None):
        raise ValueError(f"split must be 'train', 'test' or None, got {split!r}; pass one of them")


def in_split(question: str, split: str | None) -> bool:
    """Return whether a question belongs to a split; split None holds every question."""
    if split is None:
        return True
    return (zlib.crc32(question.encode(errors="replace")) % TEST_SHARE == 0) == (split == "test")
