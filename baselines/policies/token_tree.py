"""Rows of token ids as a tree: a beginning that rows share is stored, and computed, once."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import chain

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

Indices = npt.NDArray[np.int64]

BLOCK_ROWS = 64
"""Rows of a block: enough for large products, and so few that a block stays in the cache."""


@dataclass(frozen=True, slots=True)
class TokenTree:
    """Each token of some rows once per distinct text before it.

    Shapes: B rows, W places of the longest, M nodes.

    Args:
        token_ids: Token of each node, (M,).
        places: Its place in its rows, counted from 0, (M,).
        nodes: Node of each place of each row, (B, W); past the end of a row it is any node.
        blocks: The same once more, but rows of similar lengths together, each block only as wide
            as its longest row.
        first_seen: An index into the flattened blocks, one after the other, that holds each
            node, (M,).
    """

    token_ids: Tensor
    places: Tensor
    nodes: Tensor
    blocks: tuple[Tensor, ...]
    first_seen: Tensor


def token_tree(rows: Sequence[Sequence[int]]) -> TokenTree:
    """Build the tree of at least one row.

    Args:
        rows: Token ids, none negative; each row has at least one.
    """
    lengths = np.array([len(row) for row in rows])
    num_rows, width = len(rows), int(lengths.max())
    table = np.full((num_rows, width), -1)
    table[np.arange(width) < lengths[:, None]] = list(chain.from_iterable(rows))
    # In sorted order, rows that share a beginning stand together.
    order = np.array(sorted(range(num_rows), key=lambda row: tuple(rows[row])))
    table = table[order]
    is_shared = np.zeros((num_rows, width), dtype=bool)  # with the row before
    is_shared[1:] = np.logical_and.accumulate(table[1:] == table[:-1], axis=1)
    is_new = ~is_shared & (table >= 0)
    number = np.cumsum(is_new).reshape(num_rows, width) - 1
    nodes = np.empty((num_rows, width), dtype=np.int64)
    # The latest new node of a column is the one that the rows below share.
    nodes[order] = np.maximum.accumulate(np.where(is_new, number, 0), axis=0)
    new_rows, places = np.nonzero(is_new)
    blocks, index = _blocks(nodes, lengths)
    return TokenTree(
        token_ids=torch.from_numpy(table[is_new]),
        places=torch.from_numpy(places),
        nodes=torch.from_numpy(nodes),
        blocks=blocks,
        first_seen=torch.from_numpy(index[order[new_rows], places]),
    )


def _blocks(nodes: Indices, lengths: Indices) -> tuple[tuple[Tensor, ...], Indices]:
    """Return the blocks, and where each place (B, W) stands in them."""
    by_length = np.argsort(lengths, kind="stable")
    blocks, index, num_before = [], np.zeros_like(nodes), 0
    for start in range(0, len(nodes), BLOCK_ROWS):
        rows = by_length[start : start + BLOCK_ROWS]
        block = nodes[rows, : lengths[rows].max()]
        index[rows, : block.shape[1]] = num_before + np.arange(block.size).reshape(block.shape)
        num_before += block.size
        blocks.append(torch.from_numpy(block))
    return tuple(blocks), index
