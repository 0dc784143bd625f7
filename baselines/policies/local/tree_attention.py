"""Attention over the nodes of a token tree, computed once per node.

Adjacent nodes share most of their prefix, so a few of them, a tile, attend to nearly the same keys.
Tiles of similar sizes are computed together.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from baselines.policies.local.token_tree import Indices, TokenTree

TILE_QUERIES = 128
"""Largest number of queries of a tile: enough for large products, few next to a long row."""
COST_OF_A_KEY = 32
"""Cost of gathering a key, in query-key products."""
MOST_FILLING = 1.4
"""Largest number of query-key pairs of a block, as a multiple of those of its tiles."""
BLOCK_PAIRS = 1 << 19
"""Largest number of query-key pairs in a block of several tiles, which fit the CPU cache."""
GATHERED_KEYS = 1 << 14
"""Largest number of keys gathered at once for several blocks."""


@dataclass(frozen=True, slots=True)
class Block:
    """Tiles that are computed together.

    Shapes: N tiles, Q queries of the largest, K keys of the longest.

    Args:
        queries: Indices of queries, (N, Q); a smaller tile repeats its last one.
        keys: Nodes, (N, K); arbitrary after the end of a tile.
        bias: 0 where a query attends to a key, else -inf, (N, 1, Q, K).
    """

    queries: Tensor
    keys: Tensor
    bias: Tensor


@dataclass(frozen=True, slots=True)
class AttentionPlan:
    """Assignment of queries and keys to blocks.

    Args:
        blocks: Blocks that together hold every query.
        source: Index of each query in the concatenated, flattened blocks, (N,).
    """

    blocks: tuple[Block, ...]
    source: Tensor


@dataclass(frozen=True, slots=True)
class _Tile:
    """Queries from first to before stop, and the number of their keys."""

    first: int
    stop: int
    num_keys: int

    @property
    def num_queries(self) -> int:
        return self.stop - self.first


def attention_plan(tree: TokenTree, queries: Tensor) -> AttentionPlan:
    """Plan the attention of some nodes of a tree to their ancestors.

    Args:
        tree: Tree of token ids.
        queries: Nodes, at least one, strictly ascending, (N,).
    """
    nodes = queries.numpy()
    tiles = _tiles(tree, nodes)
    blocks, source, num_before = [], np.empty_like(nodes), 0
    for part in _alike(tiles):
        block = _block(tree, nodes, part)
        blocks.append(block)
        num_slots = block.queries.shape[1]
        for tile in part:
            source[tile.first : tile.stop] = num_before + np.arange(tile.num_queries)
            num_before += num_slots
    return AttentionPlan(tuple(blocks), torch.from_numpy(source))


def attend(
    queries: Tensor, keys: Tensor, values: Tensor, plan: AttentionPlan, *, scaling: float
) -> Tensor:
    """Return the attention output of each query, (N, heads * head size).

    Args:
        queries: (N, heads, head size), N as in the plan.
        keys: Keys of all nodes, (M, key heads, head size).
        values: Values of all nodes, of the same shape.
        plan: Plan for these queries.
        scaling: Factor of the attention scores.
    """
    mixed: list[Tensor] = []
    for blocks in _chunks(plan.blocks):
        queried = _gathered([block.queries for block in blocks], queries)
        read = _gathered([block.keys for block in blocks], keys, values)
        for (own,), (own_keys, own_values), block in zip(queried, read, blocks, strict=True):
            mixed.append(_attend(own, own_keys, own_values, block, scaling))
    return torch.cat(mixed).index_select(0, plan.source)


def _chunks(blocks: Sequence[Block]) -> Iterator[list[Block]]:
    """Yield blocks to gather at once, whose gradient is then a single scatter-add."""
    chunk: list[Block] = []
    num_keys = 0
    for block in blocks:
        if chunk and num_keys + block.keys.numel() > GATHERED_KEYS:
            yield chunk
            chunk, num_keys = [], 0
        chunk.append(block)
        num_keys += block.keys.numel()
    yield chunk


def _gathered(places: Sequence[Tensor], *numbers: Tensor) -> Iterator[list[Tensor]]:
    """Yield, for each index table (N, K), the gathered keys or values (M, heads, head size).

    Each of shape (N, heads, K, head size).
    """
    flat = torch.cat([own.flatten() for own in places])
    sizes = [own.numel() for own in places]
    columns = [torch.split_with_sizes(part.index_select(0, flat), sizes) for part in numbers]
    for own, *parts in zip(places, *columns, strict=True):
        yield [part.view(*own.shape, *part.shape[1:]).transpose(1, 2) for part in parts]


def _attend(queries: Tensor, keys: Tensor, values: Tensor, block: Block, scaling: float) -> Tensor:
    """Return the attention output of a block's queries, (N * Q, heads * head size)."""
    num_shared = queries.shape[1] // keys.shape[1]  # query heads per key head
    if num_shared > 1:
        keys, values = (part.repeat_interleave(num_shared, dim=1) for part in (keys, values))
    mixed = functional.scaled_dot_product_attention(
        queries, keys, values, attn_mask=block.bias, scale=scaling
    )
    return mixed.transpose(1, 2).flatten(2).flatten(0, 1)


def _tiles(tree: TokenTree, queries: Indices) -> list[_Tile]:
    """Split the queries into tiles; a tile grows while that saves more than it costs."""
    rows = tree.rows.numpy()[queries]
    is_start = np.flatnonzero(rows[1:] != rows[:-1]) + 1
    pieces = [
        (start, min(start + TILE_QUERIES, stop))
        for first, stop in pairwise([0, *is_start.tolist(), len(queries)])
        for start in range(first, stop, TILE_QUERIES)
    ]
    last_nodes = queries[[stop - 1 for _, stop in pieces]]
    num_read = (tree.places.numpy()[last_nodes] + 1).tolist()  # keys of each tile alone
    tiles: list[_Tile] = []
    before = 0
    for (first, stop), node, num_alone in zip(pieces, last_nodes.tolist(), num_read, strict=True):
        if tiles:
            tile = tiles[-1]
            # All nodes in between are descendants of the first query's prefix, or follow it.
            joined = _Tile(tile.first, stop, tile.num_keys + node - before)
            num_saved = tile.num_keys + num_alone - joined.num_keys
            apart = tile.num_queries * tile.num_keys + (stop - first) * num_alone
            is_cheaper = _num_pairs([joined]) <= apart + COST_OF_A_KEY * num_saved
            if joined.num_queries <= TILE_QUERIES and is_cheaper:
                tiles[-1] = joined
                before = node
                continue
        tiles.append(_Tile(first, stop, num_alone))
        before = node
    return tiles


def _alike(tiles: Sequence[_Tile]) -> list[list[_Tile]]:
    """Group tiles of similar sizes."""
    parts: list[list[_Tile]] = []
    num_real = 0
    for tile in sorted(tiles, key=lambda tile: (tile.num_keys, tile.num_queries)):
        num_real += _num_pairs([tile])
        padded = _num_pairs([*parts[-1], tile]) if parts else 0
        if parts and padded <= min(MOST_FILLING * num_real, BLOCK_PAIRS):
            parts[-1].append(tile)
        else:
            parts.append([tile])
            num_real = _num_pairs([tile])
    return parts


def _num_pairs(tiles: Sequence[_Tile]) -> int:
    """Return the number of query-key pairs of a block of these tiles."""
    num_queries = max(tile.num_queries for tile in tiles)
    return len(tiles) * num_queries * max(tile.num_keys for tile in tiles)


def _block(tree: TokenTree, nodes: Indices, tiles: Sequence[_Tile]) -> Block:
    num_queries = max(tile.num_queries for tile in tiles)
    last = np.array([tile.stop - 1 for tile in tiles])
    first = np.array([tile.first for tile in tiles])
    queries = np.minimum(first[:, None] + np.arange(num_queries), last[:, None])
    beginnings, places, ends = (part.numpy() for part in (tree.nodes, tree.places, tree.ends))
    # The fill value is no node, so no query attends to it.
    keys = np.full((len(tiles), max(tile.num_keys for tile in tiles)), len(places))
    num_common = keys.shape[1]  # number of first keys of a tile that all its queries attend to
    for row, tile in zip(keys, tiles, strict=True):
        node, last_node = nodes[tile.first], nodes[tile.stop - 1]
        beginning = beginnings[tree.rows[node], : places[node]]
        row[: len(beginning)] = beginning
        row[len(beginning) : tile.num_keys] = np.arange(node, last_node + 1)
        num_common = min(num_common, int(np.count_nonzero(ends[beginning] >= last_node)))
    is_filling = keys == len(places)
    read = np.where(is_filling, 0, keys)
    queried = nodes[queries][:, :, None]
    is_hidden = keys[:, None, num_common:] > queried
    is_hidden |= ends[read][:, None, num_common:] < queried
    bias = torch.zeros(len(tiles), 1, num_queries, keys.shape[1])
    bias[:, 0, :, num_common:].masked_fill_(torch.from_numpy(is_hidden), -torch.inf)
    return Block(torch.from_numpy(queries), torch.from_numpy(read), bias)
