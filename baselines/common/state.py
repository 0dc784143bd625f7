"""State that a method carries from step to step of a run, and that checkpoints keep."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol, Self


class SavedState(Protocol):
    """Immutable state of an allocator or of an optimizer; an update returns another one."""

    def to_json(self) -> dict[str, object]:
        """Return the state as JSON values."""
        ...

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> Self:
        """Return the state from the values of `to_json`."""
        ...
