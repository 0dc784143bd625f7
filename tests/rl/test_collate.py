from __future__ import annotations

import torch
from hypothesis import given
from hypothesis import strategies as st

from baselines.collate import TrainingRow, micro_batches, token_batch
from baselines.policies.base import Completion

lengths = st.lists(st.tuples(st.integers(0, 30), st.integers(1, 30)), max_size=40)
CPU = torch.device("cpu")


def row(prompt: int, completion: int, advantage: float = 1.0) -> TrainingRow:
    logprobs = tuple(-0.5 * (place + 1) for place in range(completion))
    return TrainingRow(
        Completion("", tuple(range(prompt)), tuple(range(completion)), logprobs), advantage
    )


def padded_tokens(batch: list[TrainingRow]) -> int:
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
    rows = [row(*size) for size in sizes]
    for batch in micro_batches(rows, budget):
        assert padded_tokens(batch) <= budget or len(batch) == 1


@given(sizes=lengths, budget=st.integers(1, 200))
def test_micro_batches_hold_every_row_once(sizes, budget):
    rows = [row(*size) for size in sizes]
    batched = [r for batch in micro_batches(rows, budget) for r in batch]
    assert sorted(map(id, batched)) == sorted(map(id, rows))


@given(sizes=lengths, budget=st.integers(1, 200))
def test_micro_batches_begin_with_the_longest_row(sizes, budget):
    found = [
        r.num_tokens for batch in micro_batches([row(*s) for s in sizes], budget) for r in batch
    ]
    assert found == sorted(found, reverse=True)


def test_micro_batches_join_rows_as_long_as_they_fit():
    rows = [row(3, 1), row(1, 3), row(2, 2), row(1, 1)]
    # (3, 1) and (1, 3) would be padded to 3 + 3 columns, 12 tokens; the next two to 2 + 3.
    sizes = [[r.num_tokens for r in batch] for batch in micro_batches(rows, 11)]
    assert sizes == [[4], [4, 4], [2]]
    assert [len(batch) for batch in micro_batches(rows, 24)] == [4]
    assert list(micro_batches([], 24)) == []


def test_token_batch_pads_with_what_the_mask_hides():
    batch = token_batch([row(5, 3, -0.25), row(2, 1, 2.0)], normalizer=7, device=CPU)
    assert batch.completion_mask.tolist() == [[True, True, True], [True, False, False]]
    assert batch.old_logprobs[0].tolist() == [-0.5, -1.0, -1.5]
    assert batch.old_logprobs[1, 0].item() == -0.5
    assert batch.advantages.tolist() == [-0.25, 2.0]
    assert batch.normalizer == 7
