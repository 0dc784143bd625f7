"""What every optimizer promises. A new line in OPTIMIZERS is tested here before its own file."""

from __future__ import annotations

import inspect
import json
from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from baselines.common.types import TokenBatch
from baselines.optimizers import OPTIMIZERS
from baselines.optimizers.optimizer import INPUTS

every_optimizer = pytest.mark.parametrize("name", OPTIMIZERS)
stateless_optimizer = pytest.mark.parametrize(
    "name", [name for name, method in OPTIMIZERS.items() if method.state is None]
)
"""Those whose advantages do not depend on the order of the rollouts."""
stateful_optimizer = pytest.mark.parametrize(
    "name", [name for name, method in OPTIMIZERS.items() if method.state is not None]
)
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
        advantages=advantages[rows, None].expand(-1, 5),
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


@pytest.mark.no_cover
@every_optimizer
@given(step=steps)
def test_advantage_keeps_shapes_and_is_finite(name: str, step: list[np.ndarray]) -> None:
    advantages = OPTIMIZERS[name].advantage(step)
    assert [group.shape for group in advantages] == [group.shape for group in step]
    assert all(group.dtype == np.float64 for group in advantages)
    assert all(np.isfinite(group).all() for group in advantages)


@pytest.mark.no_cover
@stateless_optimizer
@given(step=steps)
def test_advantage_prefers_the_rollout_with_more_credit(name: str, step: list[np.ndarray]) -> None:
    for credit, advantage in zip(step, OPTIMIZERS[name].advantage(step), strict=True):
        rises = np.subtract.outer(credit[:, 0], credit[:, 0]) > 0
        assert (np.subtract.outer(advantage[:, 0], advantage[:, 0])[rises] > 0).all()


@pytest.mark.no_cover
@stateless_optimizer
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
def test_advantage_takes_groups_from_the_smallest_size_on(name: str) -> None:
    method = OPTIMIZERS[name]
    step = [np.arange(6.0).reshape(3, 2), np.ones((method.min_group_size, 2))]
    assert np.isfinite(np.concatenate(method.advantage(step))).all()
    if method.min_group_size > 1:
        with pytest.raises(ValueError, match="group_size"):
            method.advantage([np.ones((method.min_group_size - 1, 2))])


@every_optimizer
def test_advantage_tells_whether_it_centres_on_the_group(name: str) -> None:
    step = [np.array([[1.0], [-1.0], [1.0]]), np.array([[0.5], [-0.5]])]
    moved = [step[0], step[1] + 10.0]
    before, after = (OPTIMIZERS[name].advantage(groups) for groups in (step, moved))
    same = all(np.allclose(a, b, rtol=0, atol=1e-9) for a, b in zip(before, after, strict=True))
    assert same == OPTIMIZERS[name].centres_on_group


@stateless_optimizer
@given(value=st.floats(-2.0, 2.0), size=st.integers(2, 6))
def test_advantage_of_equal_credit_is_zero(name: str, value: float, size: int) -> None:
    method = OPTIMIZERS[name]
    equal, mixed = np.full((size, 1), value), np.array([[1.0], [-1.0]])
    assert not method.advantage([equal])[0].any()
    if method.centres_on_group:  # whatever the other groups are
        np.testing.assert_allclose(method.advantage([mixed, equal])[1], 0.0, rtol=0, atol=1e-12)


@pytest.mark.no_cover
@every_optimizer
@given(step=steps, seed=st.integers(0, 2**32 - 1))
def test_advantage_has_mean_0_and_variance_1_over_tokens_if_it_whitens(
    name: str, step: list[np.ndarray], seed: int
) -> None:
    rng = np.random.default_rng(seed)
    counts = [rng.integers(1, 5, group.shape) for group in step]
    found = OPTIMIZERS[name].advantage(step, counts)
    tokens = np.repeat(np.concatenate(found)[:, 0], np.concatenate(counts)[:, 0])
    if OPTIMIZERS[name].whitens and np.ptp(tokens) > 0:
        assert tokens.mean() == pytest.approx(0.0, abs=1e-9)
        assert tokens.var(ddof=1) == pytest.approx(1.0, abs=1e-5)
    elif not OPTIMIZERS[name].whitens:  # token counts change nothing
        for weighted, plain in zip(found, OPTIMIZERS[name].advantage(step), strict=True):
            np.testing.assert_array_equal(weighted, plain)


@pytest.mark.no_cover
@every_optimizer
def test_the_reinforce_pp_methods_whiten_and_the_other_published_ones_do_not(name: str) -> None:
    published = {"grpo", "dr_grpo", "dapo", "gspo", "rloo", "magrpo", "dr_mas", "at_grpo", "rae"}
    whitening = {"reinforce_pp", "reinforce_pp_baseline"}
    assert OPTIMIZERS[name].whitens or name not in whitening
    assert not OPTIMIZERS[name].whitens or name not in published


@every_optimizer
@given(step=steps, seed=st.integers(0, 2**32 - 1))
def test_token_advantage_spreads_the_advantage_of_the_completion(
    name: str, step: list[np.ndarray], seed: int
) -> None:
    rng = np.random.default_rng(seed)
    counts = [rng.integers(1, 5, group.shape) for group in step]
    method = OPTIMIZERS[name]
    assert not method.is_per_token
    whole = method.advantage(step, counts)
    for found, expected, count in zip(
        method.token_advantage(step, counts), whole, counts, strict=True
    ):
        for index in np.ndindex(expected.shape):
            n = count[index]
            assert found[index].tolist()[:n] == [expected[index]] * n
            assert not found[index][n:].any()


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
    wanted = torch.sign(batch.advantages)
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
def test_loss_with_kl_and_entropy_is_the_sum_of_its_terms(name: str) -> None:
    batch = token_batch()
    logprobs, reference = logprobs_near(batch), batch.old_logprobs - 0.25
    batch = replace(batch, reference_logprobs=reference)
    entropy = torch.rand(logprobs.shape, dtype=torch.float64, requires_grad=True)
    plain = OPTIMIZERS[name]
    method = plain.with_hyperparameters(kl_weight=0.5, kl_estimator="k1", entropy_weight=0.25)
    output = method.loss(logprobs, batch, entropy=entropy)
    tokens = batch.completion_mask
    kl = (logprobs - reference)[tokens].sum() / batch.normalizer
    bonus = entropy[tokens].sum() / batch.normalizer
    expected = plain.loss(logprobs, batch).loss + 0.5 * kl - 0.25 * bonus
    torch.testing.assert_close(output.loss, expected, rtol=1e-12, atol=0)
    assert set(output.metrics) == {"clip_rate", "approx_kl", "reference_kl", "entropy"}
    assert (method.needs_reference, method.needs_entropy) == (True, True)
    assert plain.skips_zero_advantage
    assert not method.skips_zero_advantage


@every_optimizer
def test_loss_gradient_passes_gradcheck(name: str) -> None:
    """Completions of different lengths; the weights of rows matter for gspo: see below."""
    hyperparameters = {"clip_low": 0.2, "clip_high": 0.2, "kl_weight": 0.1}
    method = OPTIMIZERS[name].with_hyperparameters(
        **{
            hyperparameter: value
            for hyperparameter, value in hyperparameters.items()
            if hyperparameter in OPTIMIZERS[name].tunable
        }
    )
    batch = token_batch()
    lengths = batch.completion_mask.sum(dim=1).tolist()
    batch = replace(
        batch,
        reference_logprobs=batch.old_logprobs - 0.1,
        # With the mean over each completion the stop-gradient form of gspo is the slope of its
        # value; with another it is on purpose not.
        row_weights=torch.tensor([method.row_weight(n, 8) for n in lengths], dtype=torch.float64),
        normalizer=method.normalizer(lengths),
    )
    logprobs = logprobs_near(batch)
    assert torch.autograd.gradcheck(lambda x: method.loss(x, batch).loss, (logprobs,))


@every_optimizer
def test_loss_refuses_to_return_nan(name: str) -> None:
    batch = token_batch()
    with pytest.raises(FloatingPointError, match="finite"):
        OPTIMIZERS[name].loss(batch.old_logprobs * float("nan"), batch)


@every_optimizer
def test_hyperparameters_have_a_meaning_a_valid_default_and_a_check(name: str) -> None:
    for one in OPTIMIZERS[name].tunable.values():
        assert one.meaning, f"{one.name} needs an entry under Args of the docstring"
        assert one.read(one.default_text) == one.default
        assert one.default == getattr(OPTIMIZERS[name].hyperparameters, one.name)
        with pytest.raises(ValueError, match=f"{one.name} "):
            OPTIMIZERS[name].with_hyperparameters(**{one.name: object()})


@every_optimizer
def test_parameters_of_advantage_and_loss_are_hyperparameters_of_the_method(name: str) -> None:
    method = OPTIMIZERS[name]
    for function in (method.baseline, method.policy_loss):
        parameters = inspect.signature(function).parameters.values()
        keywords = {p.name for p in parameters if p.kind is p.KEYWORD_ONLY}
        assert keywords <= {*method.tunable, *INPUTS}


@stateful_optimizer
@given(step=steps, later=steps)
def test_state_is_that_of_all_steps_so_far_and_survives_a_checkpoint(
    name: str, step: list[np.ndarray], later: list[np.ndarray]
) -> None:
    method = OPTIMIZERS[name].for_team(("a_0", "a_1"), ("a", "a"))
    in_one = method.advantage([*step, *later])
    after = method.after(step)
    assert method.state == OPTIMIZERS[name].state  # updating made another one
    saved = json.loads(json.dumps(after.state_to_json()))
    resumed = method.with_state(saved)
    assert resumed == after
    np.testing.assert_array_equal(
        np.concatenate([*method.advantage(step), *resumed.advantage(later)]), np.concatenate(in_one)
    )


@stateless_optimizer
def test_method_without_a_state_stays_as_it_is(name: str) -> None:
    method = OPTIMIZERS[name]
    assert method.after([np.ones((2, 1))]) is method
    assert method.with_state(None) is method
    assert method.state_to_json() is None


@every_optimizer
def test_method_of_a_team_names_the_columns_of_its_credit(name: str) -> None:
    method = OPTIMIZERS[name].for_team(("a_0", "a_1"), ("a", "a"))
    assert np.isfinite(method.advantage([np.arange(4.0).reshape(2, 2)])[0]).all()
    reads_columns = {"agents", "roles"} & set(inspect.signature(method.baseline).parameters)
    if reads_columns:
        with pytest.raises(ValueError, match="must name each of 3 columns of credit, got 2"):
            method.advantage([np.ones((2, 3))])
