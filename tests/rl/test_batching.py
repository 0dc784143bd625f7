from __future__ import annotations

import math
from dataclasses import replace
from itertools import pairwise

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from baselines.policies.base import Completion
from baselines.train.update.batching import (
    TrainingSample,
    distinct_batches,
    distinct_size,
    micro_batches,
    padded_size,
    token_batch,
)

lengths = st.lists(st.tuples(st.integers(0, 30), st.integers(1, 30)), max_size=40)
CPU = torch.device("cpu")


def sample(prompt: int, completion: int, advantage: float = 1.0) -> TrainingSample:
    logprobs = tuple(-0.5 * (place + 1) for place in range(completion))
    return TrainingSample(
        Completion("", tuple(range(prompt)), tuple(range(completion)), logprobs), advantage
    )


def test_a_sample_without_tokens_has_no_advantage():
    assert sample(2, 1, -0.5).has_advantage
    assert not sample(2, 0, -0.5).has_advantage
    assert not sample(2, 1, 0.0).has_advantage
    per_token = [replace(sample(2, 2), advantage=pair) for pair in ((0.0, -1.0), (0.0, 0.0))]
    assert [one.has_advantage for one in per_token] == [True, False]


def padded_tokens(batch: list[TrainingSample]) -> int:
    """What a policy computes: prompts end, and completions begin, in the same column."""
    prompts = torch.nn.utils.rnn.pad_sequence(
        [torch.zeros(len(r.completion.prompt_ids)) for r in batch]
    )
    completions = torch.nn.utils.rnn.pad_sequence(
        [torch.zeros(len(r.completion.token_ids)) for r in batch]
    )
    return prompts.numel() + completions.numel()


@given(sizes=lengths, budget=st.integers(1, 200))
def test_micro_batches_stay_within_the_budget_unless_one_row_is_longer(sizes, budget):
    samples = [sample(*size) for size in sizes]
    for batch in micro_batches(samples, budget):
        assert padded_tokens(batch) <= budget or len(batch) == 1


@given(sizes=lengths, budget=st.integers(1, 200))
def test_micro_batches_hold_every_row_once(sizes, budget):
    samples = [sample(*size) for size in sizes]
    batched = [r for batch in micro_batches(samples, budget) for r in batch]
    assert sorted(map(id, batched)) == sorted(map(id, samples))


@given(sizes=lengths, budget=st.integers(1, 200))
def test_micro_batches_begin_with_the_longest_row(sizes, budget):
    found = [
        r.num_tokens for batch in micro_batches([sample(*s) for s in sizes], budget) for r in batch
    ]
    assert found == sorted(found, reverse=True)


def test_micro_batches_join_rows_as_long_as_they_fit():
    samples = [sample(3, 1), sample(1, 3), sample(2, 2), sample(1, 1)]
    # (3, 1) and (1, 3) would be padded to 3 + 3 columns, 12 tokens; the next two to 2 + 3.
    sizes = [[r.num_tokens for r in batch] for batch in micro_batches(samples, 11)]
    assert sizes == [[4], [4, 4], [2]]
    assert [len(batch) for batch in micro_batches(samples, 24)] == [4]
    assert list(micro_batches([], 24)) == []


texts = st.lists(
    st.tuples(*2 * [st.lists(st.integers(0, 1), min_size=1, max_size=4).map(tuple)]), max_size=12
)


def rows_of(pairs: list[tuple[tuple[int, ...], tuple[int, ...]]]) -> list[TrainingSample]:
    return [
        TrainingSample(Completion("", prompt, said, (0.0,) * len(said)), 1.0)
        for prompt, said in pairs
    ]


def num_beginnings(samples: list[TrainingSample]) -> int:
    found = [(*r.completion.prompt_ids, *r.completion.token_ids) for r in samples]
    return len({text[:length] for text in found for length in range(1, len(text) + 1)})


@given(pairs=texts)
def test_distinct_size_is_the_number_of_distinct_beginnings(pairs):
    assert distinct_size(rows_of(pairs)) == num_beginnings(rows_of(pairs))


@given(pairs=texts, budget=st.integers(1, 40))
def test_distinct_batches_hold_every_row_once_within_the_budget(pairs, budget):
    samples = rows_of(pairs)
    batches = list(distinct_batches(samples, budget))
    assert sorted(id(r) for batch in batches for r in batch) == sorted(map(id, samples))
    for batch in batches:
        assert num_beginnings(batch) <= budget or len(batch) == 1
    for batch, following in pairwise(batches):
        assert num_beginnings([*batch, following[0]]) > budget


def test_distinct_batches_keep_a_group_together():
    prompts = [(task,) * 10 for task in range(3)]
    samples = rows_of([(prompt, (7 + said,)) for said in range(4) for prompt in prompts])
    batches = list(distinct_batches(samples, 14))
    assert [{r.completion.prompt_ids for r in batch} for batch in batches] == [
        {prompt} for prompt in prompts
    ]
    assert [len(batch) for batch in batches] == [4, 4, 4]


def test_token_batch_pads_with_what_the_mask_hides():
    batch = token_batch([sample(5, 3, -0.25), sample(2, 1, 2.0)], normalizer=7, device=CPU)
    assert batch.completion_mask.tolist() == [[True, True, True], [True, False, False]]
    assert batch.old_logprobs[0].tolist() == [-0.5, -1.0, -1.5]
    assert batch.old_logprobs[1, 0].item() == -0.5
    assert batch.advantages.tolist() == [[-0.25, -0.25, -0.25], [2.0, 0.0, 0.0]]
    assert batch.normalizer == 7
    assert batch.row_weights is None
    assert batch.importance_weights is None
    assert batch.reference_logprobs is None


def test_token_batch_takes_an_advantage_per_token_and_weights_of_rows():
    long, short = replace(sample(5, 3), advantage=(1.0, 0.0, -1.0)), sample(2, 1, 2.0)
    limited = replace(short, completion=replace(short.completion, max_tokens=5))
    samples = [replace(long, completion=replace(long.completion, max_tokens=4)), limited]
    batch = token_batch(
        samples,
        normalizer=2,
        device=CPU,
        dtype=torch.float64,
        row_weight=lambda count, limit: limit / count,
    )
    assert batch.advantages.tolist() == [[1.0, 0.0, -1.0], [2.0, 0.0, 0.0]]
    assert batch.row_weights.tolist() == [4 / 3, 5.0]
    assert batch.advantages.dtype == batch.old_logprobs.dtype == torch.float64


def test_token_batch_takes_the_ratio_to_what_was_scored_and_weighs_by_it():
    scored = replace(sample(1, 2), old_logprobs=(-0.25, -3.0), reference_logprobs=(-1.5, -2.5))
    batch = token_batch([scored], normalizer=2, device=CPU, tis_cap=1.25)
    assert batch.old_logprobs.tolist() == [[-0.25, -3.0]]
    assert batch.reference_logprobs.tolist() == [[-1.5, -2.5]]
    # sampled at -0.5 and -1: ratios exp(0.25) = 1.28, above the cap, and exp(-2)
    assert batch.importance_weights[0].tolist() == pytest.approx([1.25, math.exp(-2)])


@pytest.mark.parametrize("field", ["advantage", "old_logprobs", "reference_logprobs"])
def test_training_row_refuses_another_number_of_numbers_than_tokens(field):
    with pytest.raises(ValueError, match=rf"{field} must hold one number per token, got 2 for 3 "):
        replace(sample(1, 3), **{field: (0.0, 0.0)})


@pytest.mark.parametrize(
    ("advantage", "expected"),
    [(0.0, False), ((0.0, 0.0), False), (-0.5, True), ((0.0, 0.5), True), (math.nan, True)],
)
def test_training_sample_knows_whether_it_has_an_advantage(advantage, expected):
    assert replace(sample(1, 2), advantage=advantage).has_advantage is expected


@given(sizes=lengths.filter(len))
def test_padded_size_counts_what_a_policy_computes(sizes):
    samples = [sample(*size) for size in sizes]
    assert padded_size(samples) == padded_tokens(samples)
