"""What every optimizer promises. A new line in OPTIMIZERS is tested here before its own file."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from baselines.optimizers import OPTIMIZERS
from baselines.types import TokenBatch

every_optimizer = pytest.mark.parametrize("name", OPTIMIZERS)
steps = st.lists(
    arrays(
        float,
        st.tuples(st.integers(2, 5), st.just(2)),
        elements=st.sampled_from([-1.2, -1.0, 1.0, 1.2]),
    ),
    min_size=1,
    max_size=3,
)


def token_batch(rows: slice = slice(None), *, advantage: float | None = None) -> TokenBatch:
    """Rows of one update of 6 completions, 5 tokens wide and differently long."""
    generator = torch.Generator().manual_seed(0)
    old = -torch.rand((6, 5), generator=generator, dtype=torch.float64)
    advantages = torch.tensor([1.0, -1.0, 0.5, -0.5, 2.0, -2.0], dtype=torch.float64)
    if advantage is not None:
        advantages = torch.full_like(advantages, advantage)
    mask = torch.arange(5) < torch.tensor([5, 3, 1, 4, 2, 5])[:, None]  # (6, 5)
    return TokenBatch(
        old_logprobs=old[rows],
        advantages=advantages[rows],
        completion_mask=mask[rows],
        normalizer=float(mask.sum()),
    )


def logprobs_near(batch: TokenBatch) -> torch.Tensor:
    generator = torch.Generator().manual_seed(1)
    noise = torch.randn(batch.old_logprobs.shape, generator=generator, dtype=torch.float64)
    return (batch.old_logprobs + 0.3 * noise).requires_grad_()


@every_optimizer
def test_optimizer_is_registered_under_its_name(name: str) -> None:
    assert OPTIMIZERS[name].name == name


@every_optimizer
@given(step=steps)
def test_advantage_keeps_shapes_and_is_finite(name: str, step: list[np.ndarray]) -> None:
    advantages = OPTIMIZERS[name].advantage(step)
    assert [group.shape for group in advantages] == [group.shape for group in step]
    assert all(group.dtype == np.float64 for group in advantages)
    assert all(np.isfinite(group).all() for group in advantages)


@every_optimizer
@given(step=steps)
def test_advantage_prefers_the_rollout_with_more_credit(name: str, step: list[np.ndarray]) -> None:
    for credit, advantage in zip(step, OPTIMIZERS[name].advantage(step), strict=True):
        rises = np.subtract.outer(credit[:, 0], credit[:, 0]) > 0
        assert (np.subtract.outer(advantage[:, 0], advantage[:, 0])[rises] > 0).all()


@every_optimizer
@given(step=steps, data=st.data())
def test_advantage_follows_the_rollouts_and_groups_when_they_are_reordered(
    name: str, step: list[np.ndarray], data: st.DataObject
) -> None:
    rows = [data.draw(st.permutations(range(len(group)))) for group in step]
    reordered = OPTIMIZERS[name].advantage(
        [group[row] for group, row in zip(step, rows, strict=True)][::-1]
    )[::-1]
    for before, after, row in zip(OPTIMIZERS[name].advantage(step), reordered, rows, strict=True):
        np.testing.assert_allclose(after, before[row], rtol=0, atol=1e-12)


@every_optimizer
def test_advantage_refuses_a_group_of_one(name: str) -> None:
    with pytest.raises(ValueError, match="group_size"):
        OPTIMIZERS[name].advantage([np.ones((1, 2))])


@every_optimizer
def test_loss_is_still_when_no_rollout_is_better(name: str) -> None:
    batch = token_batch(advantage=0.0)
    logprobs = logprobs_near(batch)
    loss = OPTIMIZERS[name].loss(logprobs, batch).loss
    loss.backward()
    assert loss.item() == 0.0
    assert not logprobs.grad.any()


@every_optimizer
def test_loss_raises_good_completions_and_lowers_bad_ones(name: str) -> None:
    batch = token_batch()
    logprobs = batch.old_logprobs.clone().requires_grad_()
    OPTIMIZERS[name].loss(logprobs, batch).loss.backward()
    wanted = torch.sign(batch.advantages)[:, None].expand_as(logprobs)
    assert torch.equal((-logprobs.grad).sign(), wanted * batch.completion_mask)


@every_optimizer
@pytest.mark.parametrize("cut", range(1, 6))
def test_loss_and_gradient_do_not_depend_on_the_micro_batches(name: str, cut: int) -> None:
    whole = logprobs_near(token_batch())
    loss = OPTIMIZERS[name].loss(whole, token_batch()).loss
    loss.backward()
    split = whole.detach().clone().requires_grad_()
    losses = []
    for rows in (slice(None, cut), slice(cut, None)):
        losses.append(OPTIMIZERS[name].loss(split[rows], token_batch(rows)).loss)
        losses[-1].backward()
    torch.testing.assert_close(sum(losses), loss, rtol=0, atol=1e-14)
    torch.testing.assert_close(split.grad, whole.grad, rtol=0, atol=1e-14)


@every_optimizer
def test_loss_ignores_nan_in_masked_places(name: str) -> None:
    batch = token_batch()
    clean = logprobs_near(batch)
    junk = torch.tensor(float("nan"), dtype=torch.float64)
    dirty = torch.where(batch.completion_mask, clean.detach(), junk).requires_grad_()
    outputs = [OPTIMIZERS[name].loss(logprobs, batch) for logprobs in (clean, dirty)]
    for output in outputs:
        output.loss.backward()
    assert torch.equal(outputs[0].loss, outputs[1].loss)
    assert outputs[0].metrics == outputs[1].metrics
    assert torch.equal(clean.grad, dirty.grad)


@every_optimizer
def test_loss_refuses_to_return_nan(name: str) -> None:
    batch = token_batch()
    with pytest.raises(FloatingPointError, match="finite"):
        OPTIMIZERS[name].loss(batch.old_logprobs * float("nan"), batch)
