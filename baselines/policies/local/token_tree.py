"""Rows of token ids as a prefix tree: a shared prefix is stored, and computed, once."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import chain

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

Indices = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class TokenTree:
    """Prefix tree of some rows: one node per token and distinct prefix.

    Nodes are numbered in depth-first order, so the descendants of a node follow it without a gap.

    Shapes: B rows, W tokens of the longest, M nodes.

    Args:
        token_ids: Token of each node, (M,).
        places: Position of each node in its rows, counted from 0, (M,).
        nodes: Node of each token of each row, (B, W); arbitrary after the end of a row.
        rows: A row that contains each node, (M,).
        ends: Last descendant of each node, (M,).
    """

    token_ids: Tensor
    places: Tensor
    nodes: Tensor
    rows: Tensor
    ends: Tensor


def token_tree(rows: Sequence[Sequence[int]]) -> TokenTree:
    """Build the prefix tree of at least one row.

    Args:
        rows: Token ids, none negative; each row has at least one.
    """
    lengths = np.array([len(row) for row in rows])
    num_rows, width = len(rows), int(lengths.max())
    table = np.full((num_rows, width), -1)
    table[np.arange(width) < lengths[:, None]] = list(chain.from_iterable(rows))
    # In sorted order, rows with a shared prefix are adjacent.
    order = np.array(sorted(range(num_rows), key=lambda row: tuple(rows[row])))
    table = table[order]
    is_shared = np.zeros((num_rows, width), dtype=bool)  # with the previous row
    is_shared[1:] = np.logical_and.accumulate(table[1:] == table[:-1], axis=1)
    is_new = ~is_shared & (table >= 0)
    number = np.cumsum(is_new).reshape(num_rows, width) - 1
    nodes = np.empty((num_rows, width), dtype=np.int64)
    # The last new node of a column is the one that the following rows share.
    nodes[order] = np.maximum.accumulate(np.where(is_new, number, 0), axis=0)
    new_rows, places = np.nonzero(is_new)
    return TokenTree(
        token_ids=torch.from_numpy(table[is_new]),
        places=torch.from_numpy(places),
        nodes=torch.from_numpy(nodes),
        rows=torch.from_numpy(order[new_rows]),
        ends=torch.from_numpy(_last_below(is_shared, number)[is_new]),
    )


def _last_below(is_shared: npt.NDArray[np.bool_], number: Indices) -> Indices:
    """Return the last node of the following rows that share each position, (B, W)."""
    num_rows = len(is_shared)
    breaks = np.where(is_shared, num_rows, np.arange(num_rows)[:, None])
    next_break = np.full_like(number, num_rows)  # the first following row that does not share
    next_break[:-1] = np.minimum.accumulate(breaks[::-1], axis=0)[::-1][1:]
    last: Indices = number[next_break - 1, -1]
    return last
