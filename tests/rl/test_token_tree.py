from __future__ import annotations

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from baselines.policies import token_tree as module
from baselines.policies.token_tree import token_tree

ROWS = st.lists(st.lists(st.integers(0, 2), min_size=1, max_size=5), min_size=1, max_size=8)


@given(rows=ROWS)
def test_token_tree_has_one_node_for_each_distinct_beginning(rows):
    tree = token_tree(rows)
    beginning_of = {}
    for row, nodes in zip(rows, tree.nodes.tolist(), strict=True):
        for place, node in zip(range(len(row)), nodes, strict=False):
            beginning = tuple(row[: place + 1])
            assert beginning_of.setdefault(node, beginning) == beginning
            assert tree.token_ids[node] == row[place]
            assert tree.places[node] == place
    assert len(set(beginning_of.values())) == len(beginning_of) == len(tree.token_ids)
    assert set(beginning_of) == set(range(len(beginning_of)))


@given(rows=ROWS, block_rows=st.integers(1, 4))
def test_token_tree_blocks_hold_each_row_once_and_every_node(rows, block_rows):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, "BLOCK_ROWS", block_rows)
        tree = token_tree(rows)
    in_blocks = [nodes for block in tree.blocks for nodes in block.tolist()]
    by_length = sorted(range(len(rows)), key=lambda row: len(rows[row]))  # stable
    for row, nodes in zip(by_length, in_blocks, strict=True):
        assert nodes[: len(rows[row])] == tree.nodes[row, : len(rows[row])].tolist()
    assert all(len(block) <= block_rows for block in tree.blocks)
    flat = torch.cat([block.flatten() for block in tree.blocks])
    assert flat[tree.first_seen].tolist() == list(range(len(tree.token_ids)))


def test_token_tree_of_a_hand_made_example():
    tree = token_tree([[5, 6, 7], [5, 6], [5, 8, 7]])
    # Sorted: 56, 567, 587: nodes 5, 6, then 7 after 56, then 8 and 7 after 5.
    assert tree.token_ids.tolist() == [5, 6, 7, 8, 7]
    assert tree.places.tolist() == [0, 1, 2, 1, 2]
    assert tree.nodes[0].tolist() == [0, 1, 2]
    assert tree.nodes[1, :2].tolist() == [0, 1]
    assert tree.nodes[2].tolist() == [0, 3, 4]
