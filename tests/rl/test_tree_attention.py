from __future__ import annotations

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from baselines.policies.local import tree_attention as module
from baselines.policies.local.token_tree import TokenTree, token_tree
from baselines.policies.local.tree_attention import attend, attention_plan

ROWS = st.lists(st.lists(st.integers(0, 2), min_size=1, max_size=7), min_size=1, max_size=8)
HEAD_SIZE, SCALING = 4, 0.5


def beginning_of(tree: TokenTree, node: int) -> list[int]:
    """The nodes up to one, itself included."""
    return tree.nodes[tree.rows[node], : tree.places[node] + 1].tolist()


def by_hand(
    query: torch.Tensor, keys: torch.Tensor, values: torch.Tensor, beginning: list[int]
) -> list[float]:
    """One query, one head and one key at a time, in Python's own numbers."""
    mixed: list[float] = []
    num_shared = len(query) // keys.shape[1]
    for head, numbers in enumerate(query.tolist()):
        read = [
            (keys[node, head // num_shared].tolist(), values[node, head // num_shared].tolist())
            for node in beginning
        ]
        weights = [
            math.exp(SCALING * sum(a * b for a, b in zip(numbers, key, strict=True)))
            for key, _ in read
        ]
        mixed += [
            sum(w * value[i] for w, (_, value) in zip(weights, read, strict=True)) / sum(weights)
            for i in range(HEAD_SIZE)
        ]
    return mixed


@given(
    rows=ROWS,
    tile_queries=st.integers(1, 6),
    cost=st.integers(0, 9),
    filling=st.floats(1.0, 4.0),
    block_pairs=st.integers(1, 200),
    num_shared=st.integers(1, 2),
    data=st.data(),
)
def test_attend_is_attention_of_each_node_alone(
    rows, tile_queries, cost, filling, block_pairs, num_shared, data
):
    tree = token_tree(rows)
    num_nodes = len(tree.token_ids)
    picked = data.draw(st.sets(st.integers(0, num_nodes - 1), min_size=1))
    nodes = torch.tensor(sorted(picked))
    generator = torch.Generator().manual_seed(len(picked))
    keys, values = torch.randn(2, num_nodes, 2, HEAD_SIZE, generator=generator)
    queries = torch.randn(len(nodes), 2 * num_shared, HEAD_SIZE, generator=generator)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, "TILE_QUERIES", tile_queries)
        patch.setattr(module, "COST_OF_A_KEY", cost)
        patch.setattr(module, "MOST_FILLING", filling)
        patch.setattr(module, "BLOCK_PAIRS", block_pairs)
        plan = attention_plan(tree, nodes)
    mixed = attend(queries, keys, values, plan, scaling=SCALING)
    for row, query, node in zip(mixed, queries, nodes.tolist(), strict=True):
        expected = by_hand(query, keys, values, beginning_of(tree, node))
        assert row.tolist() == pytest.approx(expected, abs=1e-5)


@given(rows=ROWS, tile_queries=st.integers(1, 6))
def test_attention_plan_asks_each_query_once_and_shows_it_its_beginning(rows, tile_queries):
    tree = token_tree(rows)
    nodes = torch.arange(len(tree.token_ids))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, "TILE_QUERIES", tile_queries)
        plan = attention_plan(tree, nodes)
    asked = torch.cat([block.queries.flatten() for block in plan.blocks])
    assert asked[plan.source].tolist() == nodes.tolist()
    shown = [
        keys[bias == 0.0].tolist()
        for block in plan.blocks
        for keys, tile in zip(block.keys, block.bias[:, 0], strict=True)
        for bias in tile
    ]
    for node, place in enumerate(plan.source.tolist()):
        assert shown[place] == beginning_of(tree, node)


@pytest.mark.parametrize("num_rows", [1, 8, 32])
def test_attention_to_a_shared_beginning_is_computed_once(num_rows):
    beginning = list(range(1000))
    tree = token_tree([[*beginning, 2000 + row] for row in range(num_rows)])
    plan = attention_plan(tree, torch.arange(len(tree.token_ids)))
    num_pairs = sum(block.bias.numel() for block in plan.blocks)
    # Each node reads 500 keys in the mean; apart, the rows would make num_rows times 1000 * 500.
    assert num_pairs < 1.5 * 1000 * 500 + num_rows * 2 * 1000
    assert all(block.bias.numel() <= module.BLOCK_PAIRS for block in plan.blocks)


def test_attention_plan_of_few_queries_leaves_out_the_rest():
    rows = [[task] * 300 + [task, row] for task in range(4) for row in range(8)]
    tree = token_tree(rows)
    last = torch.unique(tree.nodes[:, -1])
    plan = attention_plan(tree, last)
    assert len(last) == 32
    assert sum(block.bias.numel() for block in plan.blocks) < 1.1 * 32 * 310
