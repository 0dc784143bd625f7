"""GSPO's loss, the plain policy gradient, KL and entropy terms, and how tokens are summed."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import get_args

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from baselines.common.types import TokenBatch
from baselines.optimizers.losses import (
    Aggregation,
    clipped_policy_loss,
    entropy_loss,
    kl_estimates,
    kl_loss,
    normalizer,
    policy_gradient_loss,
    row_weight,
    sequence_clipped_loss,
)

POLICY_LOSSES = [clipped_policy_loss, sequence_clipped_loss, policy_gradient_loss]
KL = ["k1", "k2", "k3"]


def random_batch(seed: int, *, scale: float = 0.4) -> tuple[torch.Tensor, TokenBatch]:
    """Four completions of 1 to 5 tokens, everything set that a batch can hold."""
    generator = torch.Generator().manual_seed(seed)

    def normal() -> torch.Tensor:
        return torch.randn((4, 5), generator=generator, dtype=torch.float64)

    old = -normal().abs() - 0.1
    mask = torch.arange(5) < torch.tensor([5, 1, 3, 4])[:, None]
    batch = TokenBatch(
        old_logprobs=old,
        advantages=normal(),
        completion_mask=mask,
        normalizer=13.0,
        row_weights=torch.tensor([0.2, 1.0, 0.5, 0.25], dtype=torch.float64),
        importance_weights=normal().abs(),
        reference_logprobs=old + 0.3 * normal(),
    )
    return (old + scale * normal()).requires_grad_(), batch


def one_row(logprobs: list[float], advantage: float) -> tuple[torch.Tensor, TokenBatch]:
    """A completion whose old log-probabilities are all -1, and which counts as one."""
    width = len(logprobs)
    return torch.tensor([logprobs], dtype=torch.float64, requires_grad=True), TokenBatch(
        old_logprobs=torch.full((1, width), -1.0, dtype=torch.float64),
        advantages=torch.full((1, width), advantage, dtype=torch.float64),
        completion_mask=torch.ones(1, width, dtype=torch.bool),
        normalizer=float(width),
    )


@pytest.mark.parametrize(
    ("shift", "advantage", "objective", "slope"),
    [
        (0.0, 2.0, 2.0, 2.0),
        (2e-4, 2.0, 2.0 * math.exp(2e-4), 2.0 * math.exp(2e-4)),  # inside the clip range
        (1e-3, 2.0, 2.0 * 1.0004, 0.0),  # above it
        (-1e-3, 2.0, 2.0 * math.exp(-1e-3), 2.0 * math.exp(-1e-3)),  # a good one is never held
        (-1e-3, -2.0, -2.0 * 0.9997, 0.0),  # below it
        (1e-3, -2.0, -2.0 * math.exp(1e-3), -2.0 * math.exp(1e-3)),  # nor is a bad one
    ],
)
def test_sequence_loss_by_hand(
    shift: float, advantage: float, objective: float, slope: float
) -> None:
    # The mean of the two log-ratios is the shift, though each of them is far from it.
    logprobs, batch = one_row([-1.0 + shift + 0.5, -1.0 + shift - 0.5], advantage)
    output = sequence_clipped_loss(logprobs, batch)
    output.loss.backward()
    assert output.loss.item() == pytest.approx(-objective, rel=1e-9)
    # d ratio / d logprob = ratio / 2: the slope is shared by two tokens
    assert logprobs.grad[0].tolist() == pytest.approx([-slope / 2, -slope / 2], rel=1e-9)
    assert output.metrics["clip_rate"] == (slope == 0.0)


@pytest.mark.parametrize("seed", range(5))
def test_sequence_loss_has_the_gradient_of_gspos_own_form(seed: int) -> None:
    logprobs, batch = random_batch(seed, scale=3e-4)
    advantages = batch.advantages[:, :1]
    lengths = batch.completion_mask.sum(dim=1)
    batch = replace(
        batch,
        advantages=advantages.expand(4, 5),
        importance_weights=None,
        row_weights=1.0 / lengths.double(),
        normalizer=4.0,
    )
    found = torch.autograd.grad(sequence_clipped_loss(logprobs, batch).loss, logprobs)[0]
    # eq. (5): one ratio per completion, differentiated through its mean
    ratios = torch.stack(
        [
            (logprobs[b, :n] - batch.old_logprobs[b, :n]).mean().exp()
            for b, n in enumerate(lengths.tolist())
        ]
    )
    held = ratios.clamp(1 - 3e-4, 1 + 4e-4)
    loss = -torch.minimum(ratios * advantages[:, 0], held * advantages[:, 0]).mean()
    expected = torch.autograd.grad(loss, logprobs)[0]
    assert expected.abs().max() > 1e-3
    torch.testing.assert_close(found, expected, rtol=1e-9, atol=1e-12)


def test_sequence_loss_bounds_the_ratio() -> None:
    logprobs, batch = one_row([99.0], -1.0)
    assert sequence_clipped_loss(logprobs, batch).loss.item() == pytest.approx(math.exp(10.0))


def test_policy_gradient_loss_by_hand() -> None:
    logprobs, batch = one_row([-0.5, -2.0], 3.0)
    output = policy_gradient_loss(logprobs, batch)
    output.loss.backward()
    assert output.loss.item() == pytest.approx(3.0 * 2.5 / 2)
    assert logprobs.grad[0].tolist() == [-1.5, -1.5]
    assert output.metrics["clip_rate"] == 0.0
    # KL of exp(d) - 1 - d at log-ratios 0.5 and -1
    expected = (math.exp(0.5) - 1.5 + math.exp(-1.0)) / 2
    assert output.metrics["approx_kl"] == pytest.approx(expected)


@pytest.mark.parametrize("loss", [clipped_policy_loss, policy_gradient_loss])
@pytest.mark.parametrize("seed", range(3))
def test_policy_loss_gradient_passes_gradcheck(loss, seed: int) -> None:
    logprobs, batch = random_batch(seed)
    assert torch.autograd.gradcheck(lambda x: loss(x, batch).loss, (logprobs,))


@pytest.mark.parametrize("estimator", KL)
def test_kl_and_entropy_gradients_pass_gradcheck(estimator) -> None:
    logprobs, batch = random_batch(0)
    assert torch.autograd.gradcheck(
        lambda x: kl_loss(x, batch, estimator=estimator).loss, (logprobs,)
    )
    assert torch.autograd.gradcheck(lambda x: entropy_loss(x, batch).loss, (logprobs,))


@pytest.mark.parametrize("loss", POLICY_LOSSES)
def test_policy_losses_use_row_and_importance_weights(loss) -> None:
    logprobs, batch = random_batch(1, scale=2e-4)
    found = loss(logprobs, batch).loss
    plain = replace(batch, row_weights=None, importance_weights=None)
    total = 0.0
    for b, t in torch.nonzero(batch.completion_mask).tolist():
        only = torch.zeros_like(batch.completion_mask)
        only[b, t] = True
        # the loss is linear in the advantages, so each token can be weighed on its own
        alone = replace(plain, advantages=batch.advantages.masked_fill(~only, 0.0))
        weight = batch.row_weights[b] * batch.importance_weights[b, t]
        total += (weight * loss(logprobs, alone).loss).item()
    assert abs(total) > 1e-3
    assert found.item() == pytest.approx(total, rel=1e-9)


@pytest.mark.parametrize("estimator", KL)
@given(d=st.floats(-3.0, 3.0))
def test_kl_estimates_by_hand(estimator, d: float) -> None:
    logprobs = torch.tensor([d - 1.0], dtype=torch.float64)
    found = kl_estimates(logprobs, torch.tensor([-1.0], dtype=torch.float64), estimator=estimator)
    ratio = math.exp(-d)  # reference over policy
    expected = {"k1": -math.log(ratio), "k2": math.log(ratio) ** 2 / 2, "k3": ratio - 1 + d}
    assert found.item() == pytest.approx(expected[estimator], abs=1e-12)


@pytest.mark.parametrize("estimator", ["k1", "k3"])
def test_kl_estimates_are_unbiased(estimator) -> None:
    policy = torch.tensor([0.5, 0.3, 0.2], dtype=torch.float64)
    reference = torch.tensor([0.2, 0.3, 0.5], dtype=torch.float64)
    estimates = kl_estimates(policy.log(), reference.log(), estimator=estimator)
    exact = torch.nn.functional.kl_div(reference.log(), policy, reduction="sum")
    assert (policy * estimates).sum().item() == pytest.approx(exact.item())


def test_k2_loss_has_the_expected_gradient_of_the_kl() -> None:
    logits = torch.tensor([0.3, -0.2, 0.1], dtype=torch.float64, requires_grad=True)
    reference = torch.tensor([0.2, 0.3, 0.5], dtype=torch.float64).log()
    logprobs = logits.log_softmax(0)
    exact = torch.autograd.grad(
        (logprobs.exp() * (logprobs - reference)).sum(), logits, retain_graph=True
    )[0]
    weights = logprobs.exp().detach()
    estimates = kl_estimates(logprobs, reference, estimator="k2")
    found = torch.autograd.grad((weights * estimates).sum(), logits)[0]
    torch.testing.assert_close(found, exact, rtol=1e-9, atol=1e-12)


def test_kl_and_entropy_report_their_mean_per_token() -> None:
    logprobs, batch = one_row([-1.0, -2.0], 1.0)
    reference = torch.tensor([[-1.5, -1.5]], dtype=torch.float64)
    batch = replace(batch, reference_logprobs=reference, normalizer=4.0)
    output = kl_loss(logprobs, batch, estimator="k2")
    assert output.loss.item() == pytest.approx((0.125 + 0.125) / 4)
    assert output.metrics == {"reference_kl": pytest.approx(0.125)}
    output = entropy_loss(torch.tensor([[0.5, 1.5]]), batch)
    assert output.loss.item() == pytest.approx(-0.5)
    assert output.metrics == {"entropy": pytest.approx(1.0)}


def test_kl_and_entropy_terms_refuse_to_go_without_their_numbers() -> None:
    logprobs, batch = one_row([-1.0], 1.0)
    with pytest.raises(ValueError, match=r"reference_logprobs must be given for a KL term, got N"):
        kl_loss(logprobs, batch)
    with pytest.raises(ValueError, match=r"entropy must be given for an entropy term, got None"):
        entropy_loss(None, batch)


@pytest.mark.parametrize("estimator", KL)
def test_kl_ignores_nan_in_masked_places(estimator) -> None:
    logprobs, batch = random_batch(2)
    nan = torch.tensor(float("nan"), dtype=torch.float64)
    mask = batch.completion_mask
    dirty = torch.where(mask, logprobs.detach(), nan).requires_grad_()
    dirty_batch = replace(
        batch, reference_logprobs=torch.where(mask, batch.reference_logprobs, nan)
    )
    outputs = [
        kl_loss(logprobs, batch, estimator=estimator),
        kl_loss(dirty, dirty_batch, estimator=estimator),
    ]
    assert outputs[0].loss.item() == outputs[1].loss.item()
    outputs[1].loss.backward()
    assert dirty.grad.isfinite().all()


@pytest.mark.parametrize(
    ("aggregation", "weights", "divisor"),
    [
        ("token_mean", [1.0, 1.0], 6.0),
        ("completion_token_mean", [0.5, 0.25], 2.0),
        ("completion_token_sum", [1.0, 1.0], 2.0),
        ("constant", [0.1, 0.1], 2.0),
    ],
)
def test_aggregation_by_hand(aggregation, weights: list[float], divisor: float) -> None:
    # two completions of 2 and 4 tokens, one without any
    assert [row_weight(aggregation, n, 10) for n in (2, 4)] == weights
    assert normalizer(aggregation, [2, 0, 4]) == divisor
    assert normalizer(aggregation, []) == 1.0


@pytest.mark.parametrize("aggregation", get_args(Aggregation))
def test_a_weight_counts_a_completion_with_its_tokens_that_often(aggregation) -> None:
    # A group of 8: a thinker of 100 tokens and a solver of 10, with 4 continuations of each
    # rollout. The 40 answers count as the 8 of the rollouts do.
    num_tokens, weights = [100] * 8 + [10] * 40, [1.0] * 8 + [8 / 40] * 40
    rollouts = [100] * 8 + [10] * 8
    expected = 880.0 if aggregation == "token_mean" else 16.0
    assert normalizer(aggregation, num_tokens, weights) == pytest.approx(expected, rel=1e-12)
    assert normalizer(aggregation, rollouts) == expected
    assert normalizer(aggregation, rollouts, [1.0] * 16) == expected
    # An empty completion does not count, whatever its weight; a small total is not rounded up.
    assert normalizer(aggregation, [1, 0], [0.25, 3.0]) == 0.25


def test_aggregation_constant_needs_the_greatest_length() -> None:
    with pytest.raises(ValueError, match=r"max_tokens of a completion must be a number for "):
        row_weight("constant", 2, None)
