"""Key-value cache of prompts, shared by all rows with the same prompt."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float32]
Indices = npt.NDArray[np.int64]


class PromptCache:
    """Attention of many rows to few prompts, as one matrix product per prompt.

    Shapes: B rows, N distinct prompts, P tokens of the longest, H key heads, S query heads per
    key head, D head size.

    Args:
        keys: Keys of each layer, (N, P, H, D); positions after a prompt are ignored.
        values: Values of each layer, of the same shape.
        lengths: Number of tokens of each prompt, (N,).
        prompt_of: Index of each row's prompt, (B,).
    """

    def __init__(
        self,
        keys: Sequence[Floats],
        values: Sequence[Floats],
        lengths: Indices,
        prompt_of: Indices,
    ) -> None:
        self._keys = [np.ascontiguousarray(part.transpose(0, 2, 3, 1)) for part in keys]
        self._values = [np.ascontiguousarray(part.swapaxes(1, 2)) for part in values]
        self._width: int = keys[0].shape[1]
        self._shortest = int(lengths.min())
        after_end = np.arange(self._shortest, self._width) >= lengths[:, None]
        self._filling = np.where(after_end, np.float32(-np.inf), np.float32(0))[:, None, None]
        self._prompt_of = prompt_of
        self._arrange()

    @property
    def width(self) -> int:
        """Number of tokens of the longest prompt."""
        return self._width

    def keep(self, rows: Indices) -> None:
        """Keep only these rows, and the prompts that they use."""
        self._prompt_of = self._prompt_of[rows]
        self._arrange()

    def scores(self, layer: int, queries: Floats) -> Floats:
        """Return queries (B, H, S, D) times keys, (B, H, S, P); -inf after the end of a prompt."""
        scores = self._by_prompt(queries) @ self._keys[layer]
        scores[..., self._shortest :] += self._filling
        return self._by_row(scores, queries.shape[2])

    def mixed(self, layer: int, shares: Floats) -> Floats:
        """Return values (B, H, S, D) weighted by attention weights (B, H, S, P)."""
        return self._by_row(self._by_prompt(shares) @ self._values[layer], shares.shape[2])

    def _arrange(self) -> None:
        """Assign each row a slot; every prompt has as many slots as the one with the most rows."""
        used, prompt_of, num_rows = np.unique(
            self._prompt_of, return_inverse=True, return_counts=True
        )
        if len(used) < len(self._filling):
            self._keys = [part[used] for part in self._keys]
            self._values = [part[used] for part in self._values]
            self._filling = self._filling[used]
        self._prompt_of = prompt_of
        self._num_slots = int(num_rows.max())
        by_prompt = np.argsort(prompt_of, kind="stable")
        rank = np.arange(len(prompt_of)) - np.repeat(np.cumsum(num_rows) - num_rows, num_rows)
        self._slot_of = np.empty_like(prompt_of)
        self._slot_of[by_prompt] = prompt_of[by_prompt] * self._num_slots + rank
        # An empty slot repeats the first row; its result is not used.
        self._row_of = np.zeros(len(used) * self._num_slots, dtype=np.int64)
        self._row_of[self._slot_of] = np.arange(len(prompt_of))
        self._is_in_order = np.array_equal(self._row_of, np.arange(len(prompt_of)))

    def _by_prompt(self, rows: Floats) -> Floats:
        """Return (B, H, S, X) as (N, H, slots * S, X)."""
        _, num_heads, num_shared, size = rows.shape
        slots = rows if self._is_in_order else rows[self._row_of]
        slots = slots.reshape(-1, self._num_slots, num_heads, num_shared, size)
        return slots.swapaxes(1, 2).reshape(len(slots), num_heads, -1, size)

    def _by_row(self, slots: Floats, num_shared: int) -> Floats:
        """Return (N, H, slots * S, X) as (B, H, S, X)."""
        num_prompts, num_heads, _, size = slots.shape
        rows = slots.reshape(num_prompts, num_heads, -1, num_shared, size).swapaxes(1, 2)
        rows = rows.reshape(-1, num_heads, num_shared, size)
        return rows if self._is_in_order else rows[self._slot_of]
