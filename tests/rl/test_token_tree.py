from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from baselines.policies.local.token_tree import token_tree

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


@given(rows=ROWS)
def test_token_tree_tells_a_row_and_all_that_begins_with_each_node(rows):
    tree = token_tree(rows)
    places, nodes = tree.places.tolist(), tree.nodes.tolist()
    beginnings = [
        tuple(rows[row][: place + 1]) for row, place in zip(tree.rows.tolist(), places, strict=True)
    ]
    for node, (beginning, end) in enumerate(zip(beginnings, tree.ends.tolist(), strict=True)):
        assert nodes[tree.rows[node]][places[node]] == node
        below = [i for i, text in enumerate(beginnings) if text[: len(beginning)] == beginning]
        assert below == list(range(node, end + 1))


def test_token_tree_of_a_hand_made_example():
    tree = token_tree([[5, 6, 7], [5, 6], [5, 8, 7]])
    # Sorted: 56, 567, 587: nodes 5, 6, then 7 after 56, then 8 and 7 after 5.
    assert tree.token_ids.tolist() == [5, 6, 7, 8, 7]
    assert tree.places.tolist() == [0, 1, 2, 1, 2]
    assert tree.nodes[0].tolist() == [0, 1, 2]
    assert tree.nodes[1, :2].tolist() == [0, 1]
    assert tree.nodes[2].tolist() == [0, 3, 4]
    assert tree.ends.tolist() == [4, 2, 2, 4, 4]
