from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from baselines.policies.local.prompt_cache import PromptCache

NUM_HEADS, NUM_SHARED, HEAD_SIZE, NUM_LAYERS = 2, 3, 4, 2


def numbers(rng: np.random.Generator, *shape: int) -> np.ndarray:
    return rng.normal(size=shape).astype(np.float32)


def attended(
    keys: np.ndarray, values: np.ndarray, queries: np.ndarray, shares: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Scores and mixed values of one row, one head at a time."""
    scores = np.empty((NUM_HEADS, NUM_SHARED, len(keys)))
    mixed = np.empty((NUM_HEADS, NUM_SHARED, HEAD_SIZE))
    for head in range(NUM_HEADS):
        for query in range(NUM_SHARED):
            scores[head, query] = [queries[head, query] @ key[head] for key in keys]
            mixed[head, query] = sum(
                share * value[head]
                for share, value in zip(shares[head, query], values, strict=True)
            )
    return scores, mixed


@given(
    lengths=st.lists(st.integers(1, 4), min_size=1, max_size=3),
    picks=st.lists(st.integers(0, 2), min_size=1, max_size=6),
    seed=st.integers(0, 9),
)
def test_prompt_cache_attends_as_each_row_alone_while_rows_leave(lengths, picks, seed):
    rng = np.random.default_rng(seed)
    prompt_of = np.unique([pick % len(lengths) for pick in picks], return_inverse=True)[1]
    lengths = np.array(lengths[: prompt_of.max() + 1])
    shape = (len(lengths), max(lengths), NUM_HEADS, HEAD_SIZE)
    keys, values = ([numbers(rng, *shape) for _ in range(NUM_LAYERS)] for _ in range(2))
    cache = PromptCache(keys, values, lengths, prompt_of)
    while len(prompt_of):
        queries = numbers(rng, len(prompt_of), NUM_HEADS, NUM_SHARED, HEAD_SIZE)
        shares = rng.random((*queries.shape[:-1], cache.width), dtype=np.float32)
        for row, prompt in enumerate(prompt_of):  # softmax gives nothing to a place without token
            shares[row, ..., lengths[prompt] :] = 0.0
        for layer in range(NUM_LAYERS):
            scores, mixed = cache.scores(layer, queries), cache.mixed(layer, shares)
            for row, prompt in enumerate(prompt_of):
                real = slice(lengths[prompt])
                expected = attended(
                    keys[layer][prompt, real],
                    values[layer][prompt, real],
                    queries[row],
                    shares[row, ..., real],
                )
                assert scores[row, ..., real] == pytest.approx(expected[0], abs=1e-5)
                assert mixed[row] == pytest.approx(expected[1], abs=1e-5)
                assert (scores[row, ..., lengths[prompt] :] == -np.inf).all()
        kept = np.flatnonzero(rng.random(len(prompt_of)) < 0.6)
        prompt_of = prompt_of[kept]
        if len(kept):
            cache.keep(kept)
