from __future__ import annotations

import math
from typing import Any

import pytest
import torch

from baselines.common.types import TokenBatch
from baselines.optimizers.losses import clipped_policy_loss


def tokens(
    ratios: list[list[float]],
    advantages: list[float],
    mask: list[list[bool]] | None = None,
    normalizer: float | None = None,
) -> tuple[torch.Tensor, TokenBatch]:
    """Logprobs with these ratios to a policy that gave every token probability 1/4."""
    old = torch.full((len(ratios), len(ratios[0])), -math.log(4.0), dtype=torch.float64)
    logprobs = (old + torch.tensor(ratios, dtype=torch.float64).log()).requires_grad_()
    completion_mask = torch.ones_like(old, dtype=torch.bool) if mask is None else torch.tensor(mask)
    return logprobs, TokenBatch(
        old_logprobs=old,
        advantages=torch.tensor(advantages, dtype=torch.float64)[:, None].expand_as(old),
        completion_mask=completion_mask,
        normalizer=float(completion_mask.sum()) if normalizer is None else normalizer,
    )


def random_tokens(
    seed: int, num_rows: int = 4, num_tokens: int = 3
) -> tuple[torch.Tensor, TokenBatch]:
    generator = torch.Generator().manual_seed(seed)
    shape = (num_rows, num_tokens)
    old = -torch.rand(shape, generator=generator, dtype=torch.float64) - 0.1
    shift = 0.8 * torch.randn(shape, generator=generator, dtype=torch.float64)
    mask = torch.rand(shape, generator=generator) < 0.7
    mask[0, 0] = True
    batch = TokenBatch(
        old_logprobs=old,
        advantages=torch.randn(shape, generator=generator, dtype=torch.float64),
        completion_mask=mask,
        normalizer=float(mask.sum()),
    )
    return (old + shift).requires_grad_(), batch


@pytest.mark.parametrize(
    ("ratio", "advantage", "objective", "slope"),
    [
        (1.0, 2.0, 2.0, 2.0),  # on the sampling policy: the plain policy gradient
        (1.1, 2.0, 2.2, 2.2),  # inside the clip range
        (1.5, 2.0, 2.4, 0.0),  # above it: held at 1.2
        (0.5, 2.0, 1.0, 1.0),  # a good token that became rarer is never held
        (1.5, -2.0, -3.0, -3.0),  # a bad token that became likelier is not held ...
        (5.0, -2.0, -6.0, 0.0),  # ... up to a ratio of 3
        (0.5, -2.0, -1.6, 0.0),  # below the range: held at 0.8
    ],
)
def test_clipped_loss_by_hand(
    ratio: float, advantage: float, objective: float, slope: float
) -> None:
    logprobs, batch = tokens([[ratio]], [advantage])
    output = clipped_policy_loss(logprobs, batch)
    output.loss.backward()
    assert output.loss.item() == pytest.approx(-objective, rel=1e-12)
    assert logprobs.grad.item() == pytest.approx(-slope, rel=1e-12)  # d ratio / d logprob = ratio
    assert output.metrics["clip_rate"] == (slope == 0.0)
    assert output.metrics["approx_kl"] == pytest.approx(ratio - 1.0 - math.log(ratio), rel=1e-9)


def test_clipped_loss_averages_over_the_completion_tokens_of_the_update() -> None:
    # Objectives 1 * 1 and 1.1 * 1 and 1.2 * 1 (held), then 0.9 * -1; 4 tokens count, 2 do not.
    logprobs, batch = tokens(
        [[1.0, 1.1, 1.9], [0.9, 7.0, 7.0]],
        [1.0, -1.0],
        mask=[[True, True, True], [True, False, False]],
    )
    output = clipped_policy_loss(logprobs, batch)
    assert output.loss.item() == pytest.approx(-(1.0 + 1.1 + 1.2 - 0.9) / 4, rel=1e-12)
    assert output.metrics["clip_rate"] == pytest.approx(0.25)


def test_clipped_loss_clips_each_side_on_its_own() -> None:
    logprobs, batch = tokens([[1.25, 0.6]], [1.0])
    output = clipped_policy_loss(logprobs, batch, clip_low=0.5, clip_high=0.28)
    assert output.loss.item() == pytest.approx(-(1.25 + 0.6) / 2, rel=1e-12)
    logprobs, batch = tokens([[1.5], [0.4]], [3.0, -1.0])
    output = clipped_policy_loss(logprobs, batch, clip_low=0.5, clip_high=0.28)
    assert output.loss.item() == pytest.approx(-(3.0 * 1.28 - 0.5) / 2, rel=1e-12)


def test_clipped_loss_without_dual_clip_lets_a_bad_token_pull_without_bound() -> None:
    logprobs, batch = tokens([[50.0]], [-1.0])
    assert clipped_policy_loss(logprobs, batch, dual_clip=None).loss.item() == pytest.approx(50.0)
    assert clipped_policy_loss(logprobs, batch).loss.item() == pytest.approx(3.0)


@pytest.mark.parametrize("dual_clip", [3.0, 1.5, None])
@pytest.mark.parametrize("seed", range(5))
def test_clipped_loss_equals_a_loop_in_the_form_of_a_maximum(
    seed: int, dual_clip: float | None
) -> None:
    logprobs, batch = random_tokens(seed, num_rows=20, num_tokens=6)
    total = 0.0
    for b, row in enumerate(batch.advantages.tolist()):
        for t, (chosen, advantage) in enumerate(zip(batch.completion_mask[b], row, strict=True)):
            ratio = math.exp(logprobs[b, t].item() - batch.old_logprobs[b, t].item())
            held = min(max(ratio, 0.8), 1.2)
            term = max(-advantage * ratio, -advantage * held)
            if advantage < 0 and dual_clip is not None:
                term = min(term, -advantage * dual_clip)
            total += term if chosen else 0.0
    loss = clipped_policy_loss(logprobs, batch, dual_clip=dual_clip).loss.item()
    assert loss == pytest.approx(total / batch.normalizer, rel=1e-12)


@pytest.mark.parametrize("seed", range(5))
def test_clipped_loss_gradient_is_the_slope_of_the_loss(seed: int) -> None:
    logprobs, batch = random_tokens(seed)
    assert torch.autograd.gradcheck(lambda x: clipped_policy_loss(x, batch).loss, (logprobs,))


def test_clipped_loss_gradient_agrees_with_central_differences() -> None:
    logprobs, batch = random_tokens(7)
    clipped_policy_loss(logprobs, batch).loss.backward()
    step = 1e-6
    for index in range(logprobs.numel()):
        shift = torch.zeros_like(logprobs).flatten()
        shift[index] = step
        shift = shift.reshape(logprobs.shape)
        above, below = (
            clipped_policy_loss((logprobs + sign * shift).detach(), batch).loss.item()
            for sign in (1.0, -1.0)
        )
        slope = (above - below) / (2.0 * step)
        assert logprobs.grad.flatten()[index].item() == pytest.approx(slope, abs=1e-8)


def test_clipped_loss_ignores_whatever_stands_in_masked_places() -> None:
    logprobs, batch = random_tokens(3)
    clean = clipped_policy_loss(logprobs, batch)
    clean.loss.backward()
    junk = torch.tensor(float("nan"), dtype=torch.float64)
    mask = batch.completion_mask
    assert not mask.all()
    dirty_logprobs = torch.where(mask, logprobs.detach(), junk).requires_grad_()
    dirty = clipped_policy_loss(
        dirty_logprobs,
        TokenBatch(
            old_logprobs=torch.where(mask, batch.old_logprobs, -junk),
            advantages=batch.advantages,
            completion_mask=mask,
            normalizer=batch.normalizer,
        ),
    )
    dirty.loss.backward()
    assert torch.equal(dirty.loss, clean.loss)
    assert dirty.metrics == clean.metrics
    assert torch.equal(dirty_logprobs.grad, logprobs.grad)
    assert not logprobs.grad[~mask].any()


def test_clipped_loss_ignores_the_advantage_of_a_row_without_completion() -> None:
    logprobs, batch = tokens(
        [[1.1], [1.1]], [1.0, float("nan")], mask=[[True], [False]], normalizer=1.0
    )
    output = clipped_policy_loss(logprobs, batch)
    output.loss.backward()
    assert output.loss.item() == pytest.approx(-1.1)
    assert logprobs.grad.isfinite().all()


def test_clipped_loss_is_zero_when_nothing_was_chosen() -> None:
    logprobs, batch = tokens([[1.5, 1.5]], [1.0], mask=[[False, False]], normalizer=10.0)
    output = clipped_policy_loss(logprobs, batch)
    assert output.loss.item() == 0.0
    assert output.metrics == {"clip_rate": 0.0, "approx_kl": 0.0}


def test_clipped_loss_stays_finite_when_the_policies_are_far_apart() -> None:
    logprobs = torch.tensor([[0.0, -200.0]], requires_grad=True)
    batch = TokenBatch(
        old_logprobs=torch.tensor([[-200.0, 0.0]]),
        advantages=torch.tensor([[-1.0, -1.0]]),
        completion_mask=torch.ones(1, 2, dtype=torch.bool),
        normalizer=2.0,
    )
    output = clipped_policy_loss(logprobs, batch, dual_clip=None)
    assert output.loss.item() == pytest.approx((math.exp(20.0) + 0.8) / 2, rel=1e-6)
    assert math.isfinite(output.metrics["approx_kl"])


@pytest.mark.parametrize("bad", [float("nan"), float("inf")])
def test_clipped_loss_stops_at_a_number_that_is_none(bad: float) -> None:
    logprobs, batch = tokens([[1.0]], [bad])
    with pytest.raises(FloatingPointError, match=r"policy loss must be finite, got -?(nan|inf); "):
        clipped_policy_loss(logprobs, batch)


def test_clipped_loss_refuses_logprobs_of_other_tokens() -> None:
    logprobs, batch = tokens([[1.0, 1.0]], [1.0])
    with pytest.raises(ValueError, match=r"logprobs must have shape \(1, 2\), got \(1, 1\); "):
        clipped_policy_loss(logprobs[:, :1], batch)


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"old_logprobs": torch.zeros(2, 4)}, r"old_logprobs must have shape \(2, 3\), got"),
        ({"advantages": torch.zeros(2)}, r"advantages must have shape \(2, 3\), got \(2,\)"),
        ({"row_weights": torch.zeros(3)}, r"row_weights must have shape \(2,\), got \(3,\)"),
        ({"importance_weights": torch.zeros(2)}, r"importance_weights must have shape \(2, 3\)"),
        ({"reference_logprobs": torch.zeros(2)}, r"reference_logprobs must have shape \(2, 3\)"),
        ({"completion_mask": torch.ones(2)}, r"completion_mask must have shape \(B, T\), got \(2,"),
        ({"normalizer": 0.0}, r"normalizer must be a positive number, got 0.0; pass a count"),
        ({"normalizer": float("nan")}, r"normalizer must be a positive number, got nan"),
    ],
)
def test_token_batch_refuses_what_does_not_fit(fields: dict[str, Any], message: str) -> None:
    good = {
        "old_logprobs": torch.zeros(2, 3),
        "advantages": torch.zeros(2, 3),
        "completion_mask": torch.ones(2, 3, dtype=torch.bool),
        "normalizer": 6.0,
    }
    with pytest.raises(ValueError, match=message):
        TokenBatch(**{**good, **fields})
