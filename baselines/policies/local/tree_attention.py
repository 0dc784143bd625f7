"""Attention of the nodes of a token tree, each computed once, whatever rows go through it.

Neighbouring nodes begin alike, so a few of them, a tile, read nearly the same keys. Tiles of
similar sizes are computed together.
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
"""Most queries of a tile: enough for large products, and few beside the keys of a long row."""
COST_OF_A_KEY = 32
"""Queries that read a key in the time that it takes to gather it."""
MOST_FILLING = 1.4
"""A block may have this many pairs of query and key for each of its tiles'."""
BLOCK_PAIRS = 1 << 19
"""Most pairs of query and key in a block of more than one tile: they stay in the cache."""
GATHERED_KEYS = 1 << 14
"""Most keys that are gathered at once for more than one block."""


@dataclass(frozen=True, slots=True)
class Block:
    """Tiles that are computed together.

    Shapes: N tiles, Q queries of the largest, K keys of the longest.

    Args:
        queries: Places in the list of queries, (N, Q); a smaller tile repeats its last one.
        keys: Nodes, (N, K); after the end of a tile it is any node.
        bias: 0 where a query reads a key, else -inf, (N, 1, Q, K).
    """

    queries: Tensor
    keys: Tensor
    bias: Tensor


@dataclass(frozen=True, slots=True)
class AttentionPlan:
    """Which queries read which keys.

    Args:
        blocks: They hold every query.
        source: Where each query stands in the flattened blocks, one after the other, (N,).
    """

    blocks: tuple[Block, ...]
    source: Tensor


@dataclass(frozen=True, slots=True)
class _Tile:
    """Queries from first to before stop, and how many keys they read."""

    first: int
    stop: int
    num_keys: int

    @property
    def num_queries(self) -> int:
        return self.stop - self.first


def attention_plan(tree: TokenTree, queries: Tensor) -> AttentionPlan:
    """Plan the attention of some nodes of a tree to all that they begin with.

    Args:
        tree: What is read.
        queries: Nodes, at least one, ascending, none twice, (N,).
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
    """Return what each query takes from the values that it reads, (N, heads * head size).

    Args:
        queries: (N, heads, head size), N as in the plan.
        keys: Of all nodes, (M, key heads, head size).
        values: The same shape.
        plan: For these queries.
        scaling: Factor of the scores.
    """
    mixed: list[Tensor] = []
    for blocks in _chunks(plan.blocks):
        asked = _gathered([block.queries for block in blocks], queries)
        read = _gathered([block.keys for block in blocks], keys, values)
        for (own,), (own_keys, own_values), block in zip(asked, read, blocks, strict=True):
            mixed.append(_attend(own, own_keys, own_values, block, scaling))
    return torch.cat(mixed).index_select(0, plan.source)


def _chunks(blocks: Sequence[Block]) -> Iterator[list[Block]]:
    """Yield blocks that are gathered at once: the gradient of that is one sum over all nodes."""
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
    """Yield, for each table of places (N, K), the numbers (M, heads, head size) that stand there.

    Each as (N, heads, K, head size).
    """
    flat = torch.cat([own.flatten() for own in places])
    sizes = [own.numel() for own in places]
    columns = [torch.split_with_sizes(part.index_select(0, flat), sizes) for part in numbers]
    for own, *parts in zip(places, *columns, strict=True):
        yield [part.view(*own.shape, *part.shape[1:]).transpose(1, 2) for part in parts]


def _attend(queries: Tensor, keys: Tensor, values: Tensor, block: Block, scaling: float) -> Tensor:
    """Return the same for the gathered queries of a block, (N * Q, heads * head size)."""
    num_shared = queries.shape[1] // keys.shape[1]  # query heads per key head
    if num_shared > 1:
        keys, values = (part.repeat_interleave(num_shared, dim=1) for part in (keys, values))
    mixed = functional.scaled_dot_product_attention(
        queries, keys, values, attn_mask=block.bias, scale=scaling
    )
    return mixed.transpose(1, 2).flatten(2).flatten(0, 1)


def _tiles(tree: TokenTree, queries: Indices) -> list[_Tile]:
    """Cut the queries into tiles; one grows while that saves more keys than it adds pairs."""
    rows = tree.rows.numpy()[queries]
    is_start = np.flatnonzero(rows[1:] != rows[:-1]) + 1
    pieces = [
        (start, min(start + TILE_QUERIES, stop))
        for first, stop in pairwise([0, *is_start.tolist(), len(queries)])
        for start in range(first, stop, TILE_QUERIES)
    ]
    last_nodes = queries[[stop - 1 for _, stop in pieces]]
    num_read = (tree.places.numpy()[last_nodes] + 1).tolist()  # keys of each piece alone
    tiles: list[_Tile] = []
    before = 0
    for (first, stop), node, num_alone in zip(pieces, last_nodes.tolist(), num_read, strict=True):
        if tiles:
            tile = tiles[-1]
            # All nodes between begin with what the first query begins with, or follow it.
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
    """Put tiles of similar sizes together."""
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
    """Return the pairs of query and key of a block of these tiles."""
    num_queries = max(tile.num_queries for tile in tiles)
    return len(tiles) * num_queries * max(tile.num_keys for tile in tiles)


def _block(tree: TokenTree, nodes: Indices, tiles: Sequence[_Tile]) -> Block:
    num_queries = max(tile.num_queries for tile in tiles)
    last = np.array([tile.stop - 1 for tile in tiles])
    first = np.array([tile.first for tile in tiles])
    queries = np.minimum(first[:, None] + np.arange(num_queries), last[:, None])
    beginnings, places, ends = (part.numpy() for part in (tree.nodes, tree.places, tree.ends))
    # No node has the number of the filling, so no query reads it.
    keys = np.full((len(tiles), max(tile.num_keys for tile in tiles)), len(places))
    num_common = keys.shape[1]  # all queries read so many first keys of their tile
    for row, tile in zip(keys, tiles, strict=True):
        node, last_node = nodes[tile.first], nodes[tile.stop - 1]
        beginning = beginnings[tree.rows[node], : places[node]]
        row[: len(beginning)] = beginning
        row[len(beginning) : tile.num_keys] = np.arange(node, last_node + 1)
        num_common = min(num_common, int(np.count_nonzero(ends[beginning] >= last_node)))
    is_filling = keys == len(places)
    read = np.where(is_filling, 0, keys)
    asked = nodes[queries][:, :, None]
    is_hidden = keys[:, None, num_common:] > asked
    is_hidden |= ends[read][:, None, num_common:] < asked
    bias = torch.zeros(len(tiles), 1, num_queries, keys.shape[1])
    bias[:, 0, :, num_common:].masked_fill_(torch.from_numpy(is_hidden), -torch.inf)
    return Block(torch.from_numpy(queries), torch.from_numpy(read), bias)
