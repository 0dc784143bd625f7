"""Several updates per step, other samplers, KL and entropy, memory, and numbers that are none."""

from __future__ import annotations

import copy
import json
import math
from dataclasses import replace
from itertools import chain
from typing import get_args

import numpy as np
import pytest
import torch

from baselines.common.errors import is_out_of_memory
from baselines.common.processes import SingleProcess
from baselines.optimizers import OPTIMIZERS, PolicyOptimizer
from baselines.optimizers.losses import Aggregation
from baselines.train.update.batching import TrainingSample
from baselines.train.update.failures import OutOfMemoryInBatch
from baselines.train.update.options import UpdateOptions
from baselines.train.update.updater import Updater
from tests.rl.toy_policy import ToyPolicy, WithoutEntropy, toy_rows

every_optimizer = pytest.mark.parametrize("name", OPTIMIZERS)


def updater_of(
    policy, optimizer: PolicyOptimizer = OPTIMIZERS["grpo"], options=None, **changes
) -> Updater:
    hyperparameters = {
        "learning_rate": 1e-2,
        "warmup_steps": 0,
        "max_grad_norm": 1e6,
        "micro_batch_tokens": 10**6,
    }
    options = options or UpdateOptions()
    return Updater(policy, optimizer, options=options, **{**hyperparameters, **changes})


def weights(policy) -> torch.Tensor:
    return torch.cat([p.detach().flatten().clone() for p in policy.module.parameters()])


def gradient(policy) -> torch.Tensor:
    return torch.cat([p.grad.flatten().clone() for p in policy.module.parameters()])


def with_logprobs(sample: TrainingSample, value: float) -> TrainingSample:
    """The same sample from a sampler that reports this for every token."""
    logprobs = (value,) * sample.num_completion_tokens
    return replace(sample, completion=replace(sample.completion, logprobs=logprobs))


@every_optimizer
@pytest.mark.parametrize("aggregation", get_args(Aggregation))
@pytest.mark.parametrize("budget", [1, 25])
def test_micro_batches_change_the_gradient_by_less_than_a_millionth(
    name: str, budget: int, aggregation: Aggregation
) -> None:
    method = OPTIMIZERS[name].with_hyperparameters(
        kl_weight=0.1, entropy_weight=0.1, aggregation=aggregation
    )
    whole, split, reference = ToyPolicy(), ToyPolicy(), ToyPolicy(seed=1)
    samples = toy_rows(16, shift=2e-4 if name == "gspo" else 0.3)
    metrics = [
        updater_of(whole, method, reference=reference).update(samples),
        updater_of(split, method, reference=reference, micro_batch_tokens=budget).update(samples),
    ]
    assert split.num_forwards > whole.num_forwards == 1
    assert gradient(whole).norm() > 1e-2
    assert (gradient(split) - gradient(whole)).norm() < 1e-6 * gradient(whole).norm()
    assert metrics[1] == pytest.approx(metrics[0], rel=1e-6, abs=1e-9)


@every_optimizer
def test_update_has_the_gradient_of_the_aggregated_loss(name: str) -> None:
    """Recomputed sample by sample: no padding, no masks, no weights of samples."""
    method = OPTIMIZERS[name]
    policy, samples = ToyPolicy(), toy_rows(6, shift=0.0)
    metrics = updater_of(policy, method).update(samples)
    counts = [len(sample.completion.token_ids) for sample in samples]
    twin = ToyPolicy()
    sums = [sample.advantage * twin.logprobs([sample.completion]).sum() for sample in samples]
    total = {
        "token_mean": sum(sums) / sum(counts),
        "completion_token_mean": sum(s / n for s, n in zip(sums, counts, strict=True)) / 6,
        "completion_token_sum": sum(sums) / 6,
        "constant": sum(sums) / (6 * 8),
    }[method.hyperparameters.aggregation]
    found = torch.autograd.grad(-total, list(twin.module.parameters()))
    expected = torch.cat([part.flatten() for part in found])
    assert (gradient(policy) - expected).norm() < 1e-6 * expected.norm()
    assert metrics["grad_norm"] == pytest.approx(expected.norm().item(), rel=1e-6)


def test_update_weighs_each_token_by_its_own_advantage() -> None:
    policy, twin = ToyPolicy(), ToyPolicy()
    sample = toy_rows(1, seed=3, shift=0.0)[0]
    count = len(sample.completion.token_ids)
    advantages = tuple(float(t) - 1.5 for t in range(count))
    updater_of(policy).update([replace(sample, advantage=advantages)])
    logprobs = twin.logprobs([sample.completion])[0]
    (-(torch.tensor(advantages) * logprobs).mean()).backward()
    torch.testing.assert_close(gradient(policy), gradient(twin), rtol=1e-9, atol=1e-12)


def test_update_goes_through_the_rows_in_epochs_and_minibatches() -> None:
    policy, samples = ToyPolicy(), toy_rows(10)
    options = UpdateOptions(num_epochs=2, num_minibatches=3)
    updater = updater_of(policy, options=options, warmup_steps=5, learning_rate=6e-3)
    metrics = updater.update(samples)
    assert policy.num_forwards == options.updates_per_step == 6
    assert updater.state_dict()["num_updates"] == 6
    assert metrics["learning_rate"] == pytest.approx(6e-3)  # the sixth and last of the warm-up


def test_minibatches_hold_every_row_once_per_epoch_and_are_dealt_anew() -> None:
    sizes: list[int] = []
    seen: list[list[float]] = []
    policy, samples = ToyPolicy(on_forward=sizes.append), toy_rows(10)
    logprobs = policy.logprobs

    def record(completions):
        seen.append([completion.logprobs[0] for completion in completions])
        return logprobs(completions)

    policy.logprobs = record
    updater_of(policy, options=UpdateOptions(num_epochs=2, num_minibatches=3)).update(samples)
    assert sizes == [4, 3, 3, 4, 3, 3]
    everything = sorted(sample.completion.logprobs[0] for sample in samples)
    first, second = [*chain(*seen[:3])], [*chain(*seen[3:])]
    assert sorted(first) == sorted(second) == everything
    assert [set(part) for part in seen[:3]] != [set(part) for part in seen[3:]]


def test_a_second_epoch_takes_the_ratio_to_the_policy_before_the_step() -> None:
    samples = toy_rows(8, shift=0.0)
    once = updater_of(ToyPolicy(), learning_rate=0.3).update(samples)
    options = UpdateOptions(num_epochs=2)
    twice = updater_of(ToyPolicy(), learning_rate=0.3, options=options).update(samples)
    assert once["approx_kl"] == pytest.approx(0.0, abs=1e-12)
    assert twice["approx_kl"] > 1e-3
    assert twice["mismatch"] == pytest.approx(0.0, abs=1e-9)  # measured before the policy moved


def test_state_resumes_minibatches_to_the_bit() -> None:
    options = UpdateOptions(num_epochs=2, num_minibatches=3)
    policy = ToyPolicy()
    updater = updater_of(policy, options=options)
    updater.update(toy_rows(9, seed=1))
    twin = ToyPolicy()
    twin.module.load_state_dict(policy.module.state_dict())
    twin_updater = updater_of(twin, options=options)
    twin_updater.load_state_dict(copy.deepcopy(updater.state_dict()))
    samples = toy_rows(9, seed=2)
    assert twin_updater.update(samples) == updater.update(samples)
    assert torch.equal(weights(twin), weights(policy))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"extra": 1}, r"an updater's state must hold .*, got extra, "),
        ({"shapes": [[7, 7]]}, r"state must fit the 2 trained parameters of the policy, got one o"),
        (
            {"num_updates": None},
            r"an updater's state must hold last_gradient, micro_batch_tokens, ",
        ),
    ],
)
def test_state_of_another_form_is_refused(change, message: str) -> None:
    state = {**updater_of(ToyPolicy()).state_dict(), **change}
    state = {name: value for name, value in state.items() if change.get(name, ...) is not None}
    with pytest.raises(ValueError, match=message):
        updater_of(ToyPolicy()).load_state_dict(state)


def test_mismatch_is_the_distance_to_the_sampler() -> None:
    policy, samples = ToyPolicy(), toy_rows(5, shift=0.4)
    gaps = np.concatenate(
        [
            policy.logprobs([r.completion])[0].detach().numpy() - r.completion.logprobs
            for r in samples
        ]
    )
    for mode in ("sampler", "recompute"):
        metrics = updater_of(ToyPolicy(), options=UpdateOptions(old_logprobs=mode)).update(samples)
        assert metrics["mismatch"] == pytest.approx(np.abs(gaps).mean(), rel=1e-9)
        assert metrics["mismatch_max"] == pytest.approx(np.abs(gaps).max(), rel=1e-9)


def test_recompute_takes_the_ratio_to_the_policy_itself() -> None:
    samples, options = toy_rows(8, shift=0.5), UpdateOptions(old_logprobs="recompute")
    assert updater_of(ToyPolicy()).update(samples)["clip_rate"] > 0.0
    metrics = updater_of(ToyPolicy(), options=options).update(samples)
    assert metrics["clip_rate"] == 0.0
    assert metrics["approx_kl"] == pytest.approx(0.0, abs=1e-12)
    on_policy = ToyPolicy()
    updater_of(on_policy).update(toy_rows(8, shift=0.0))
    recomputed = ToyPolicy()
    updater_of(recomputed, options=options).update(
        [with_logprobs(sample, 0.0) for sample in toy_rows(8, shift=0.0)]
    )
    torch.testing.assert_close(gradient(recomputed), gradient(on_policy), rtol=1e-9, atol=1e-12)


def test_truncated_importance_weights_correct_the_gradient() -> None:
    sample = toy_rows(1, seed=3, shift=0.6)[0]
    policy, twin = ToyPolicy(), ToyPolicy()
    options = UpdateOptions(old_logprobs="recompute", tis_cap=1.2)
    updater_of(policy, options=options).update([sample])
    logprobs = twin.logprobs([sample.completion])[0]
    ratios = (
        logprobs.detach() - torch.tensor(sample.completion.logprobs, dtype=torch.float64)
    ).exp()
    assert (ratios > 1.2).any()
    assert (ratios < 1.2).any()
    (-sample.advantage * (ratios.clamp(max=1.2) * logprobs).mean()).backward()
    torch.testing.assert_close(gradient(policy), gradient(twin), rtol=1e-7, atol=1e-9)


def test_kl_and_entropy_terms_train_rows_without_advantage() -> None:
    samples = [replace(sample, advantage=0.0) for sample in toy_rows(6)]
    policy, reference = ToyPolicy(), ToyPolicy(seed=1)
    before, frozen = weights(policy), weights(reference)
    method = OPTIMIZERS["grpo"].with_hyperparameters(kl_weight=1.0)
    metrics = updater_of(policy, method, reference=reference).update(samples)
    assert not torch.equal(weights(policy), before)
    assert torch.equal(weights(reference), frozen)
    moved = updater_of(policy, method, reference=reference).update(samples)
    assert 0.0 < moved["reference_kl"] < metrics["reference_kl"]
    policy = ToyPolicy()
    updater = updater_of(policy, OPTIMIZERS["grpo"].with_hyperparameters(entropy_weight=1.0))
    first, second = updater.update(samples), updater.update(samples)
    assert 0.0 < first["entropy"] < second["entropy"] < math.log(7)


@pytest.mark.parametrize(
    ("policy", "hyperparameters", "message"),
    [
        (ToyPolicy, {"kl_weight": 0.1}, r"a reference policy must be given if kl_weight is above"),
        (WithoutEntropy, {"entropy_weight": 0.1}, r"entropy_weight must be 0 for .* WithoutEntr"),
    ],
)
def test_updater_refuses_terms_it_cannot_compute(policy, hyperparameters, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        updater_of(
            policy(), OPTIMIZERS["grpo"].with_hyperparameters(**hyperparameters), UpdateOptions()
        )


def test_updater_refuses_autocast_of_weights_that_are_not_float32() -> None:
    with pytest.raises(ValueError, match=r"weights must be float32 for autocast, got \['torch.f"):
        updater_of(ToyPolicy(), options=UpdateOptions(autocast=True))


def test_updater_trains_only_the_parameters_that_require_a_gradient() -> None:
    policy = ToyPolicy()
    policy.module.bias.requires_grad_(False)
    before = policy.module.bias.clone(), policy.module.weight.clone()
    updater_of(policy).update(toy_rows(4))
    assert torch.equal(policy.module.bias, before[0])
    assert not torch.equal(policy.module.weight, before[1])


def out_of_memory_above(limit: int, message: str = "CUDA out of memory. Tried to") -> ToyPolicy:
    def fail(count: int) -> None:
        if count > limit:
            raise torch.cuda.OutOfMemoryError(message)

    return ToyPolicy(on_forward=fail)


def test_a_batch_that_is_too_large_is_halved_and_the_update_is_the_same() -> None:
    samples = [sample for sample in toy_rows(40) if sample.num_tokens == 6][:4]
    assert len(samples) == 4
    expected = ToyPolicy()
    metrics = updater_of(expected).update(samples)
    policy = out_of_memory_above(2)
    updater = updater_of(policy)
    found = updater.update(samples)
    assert found == pytest.approx(metrics, rel=1e-6)
    torch.testing.assert_close(gradient(policy), gradient(expected), rtol=1e-9, atol=1e-12)
    assert policy.num_forwards == 3  # all four, in vain, then two and two
    updater.update(samples)
    assert policy.num_forwards == 5  # it has learned


@pytest.mark.parametrize("limit", [0, 1])
def test_a_batch_whose_halves_are_too_large_changes_nothing_and_says_so(limit: int) -> None:
    policy = out_of_memory_above(limit)
    before = weights(policy)
    updater = updater_of(policy)
    with pytest.raises(MemoryError, match=r"must fit into memory, got \d+ completions.*--micro"):
        updater.update(toy_rows(30))
    assert torch.equal(weights(policy), before)
    assert all(parameter.grad is None for parameter in policy.module.parameters())
    assert updater.state_dict()["num_updates"] == 0


def test_no_gradient_is_left_when_memory_runs_out_after_a_batch_that_fitted() -> None:
    forwards: list[int] = []

    def fail_later(count: int) -> None:
        forwards.append(count)
        if len(forwards) > 1:
            raise torch.cuda.OutOfMemoryError("CUDA out of memory")

    policy = ToyPolicy(on_forward=fail_later)
    with pytest.raises(MemoryError):
        updater_of(policy, micro_batch_tokens=1).update(toy_rows(3))
    assert forwards == [1, 1]  # the first was computed and left a gradient
    assert all(parameter.grad is None for parameter in policy.module.parameters())


def test_one_row_that_is_too_large_is_not_tried_twice() -> None:
    policy = out_of_memory_above(0)
    with pytest.raises(OutOfMemoryInBatch) as caught:
        updater_of(policy).update(toy_rows(1))
    assert (caught.value.num_samples, policy.num_forwards) == (1, 1)


def test_other_errors_of_a_forward_pass_are_not_taken_for_memory() -> None:
    def fail(_: int) -> None:
        raise RuntimeError("shapes differ")

    with pytest.raises(RuntimeError, match="shapes differ"):
        updater_of(ToyPolicy(on_forward=fail)).update(toy_rows(4))


def test_is_out_of_memory_knows_what_torch_says_without_memory() -> None:
    with pytest.raises(RuntimeError) as caught:
        torch.empty(2**55)
    assert is_out_of_memory(caught.value)
    assert is_out_of_memory(MemoryError())
    assert not is_out_of_memory(RuntimeError("shapes differ"))


def test_a_batch_without_a_finite_loss_is_saved(tmp_path) -> None:
    policy, samples = ToyPolicy(), toy_rows(3)
    before = weights(policy)
    updater = updater_of(policy, failure_dir=tmp_path / "failures")
    with pytest.raises(FloatingPointError, match=r"finite, got nan.*the batch is in .*_update_1"):
        updater.update([*samples, with_logprobs(samples[0], math.nan)])
    assert torch.equal(weights(policy), before)
    saved = json.loads((tmp_path / "failures" / "nonfinite_update_1.json").read_text())
    assert len(saved) == 4
    bad = [entry for entry in saved if math.isnan(entry["sampled_logprobs"][0])]
    assert [entry["token_ids"] for entry in bad] == [list(samples[0].completion.token_ids)]
    expected = policy.logprobs([samples[0].completion])[0].tolist()
    assert bad[0]["logprobs"] == pytest.approx(expected)
    assert bad[0]["temperature"] == 1.0
    assert bad[0]["advantages"] == [samples[0].advantage] * len(expected)


def test_a_batch_without_a_finite_gradient_is_saved(tmp_path) -> None:
    policy = ToyPolicy()
    policy.module.bias.register_hook(lambda grad: grad * torch.inf)
    with pytest.raises(FloatingPointError, match=r"gradient must be finite.*the batch is in "):
        updater_of(policy, failure_dir=tmp_path).update(toy_rows(3))
    assert len(json.loads((tmp_path / "nonfinite_update_1.json").read_text())) == 3


def test_each_process_saves_its_batch_under_a_name_of_its_own(tmp_path) -> None:
    class Second(SingleProcess):
        rank = 1
        world_size = 2

    updater = updater_of(ToyPolicy(), failure_dir=tmp_path, processes=Second())
    with pytest.raises(FloatingPointError, match="loss must be finite"):
        updater.update([with_logprobs(sample, math.nan) for sample in toy_rows(2)])
    assert [file.name for file in tmp_path.iterdir()] == ["nonfinite_update_1_process_1.json"]


def test_a_batch_that_cannot_be_saved_is_still_the_error(tmp_path) -> None:
    (tmp_path / "file").write_text("")
    updater = updater_of(ToyPolicy(), failure_dir=tmp_path / "file" / "folder")
    with pytest.raises(FloatingPointError, match=r"loss must be finite.*could not be saved: "):
        updater.update([with_logprobs(sample, math.nan) for sample in toy_rows(2)])


def test_skip_leaves_the_policy_alone_counts_and_goes_on(tmp_path) -> None:
    policy, twin, samples = ToyPolicy(), ToyPolicy(), toy_rows(4)
    options = UpdateOptions(on_nonfinite="skip")
    updater = updater_of(policy, options=options, failure_dir=tmp_path, warmup_steps=3)
    before = weights(policy)
    metrics = updater.update([*samples, with_logprobs(samples[0], math.nan)])
    assert metrics["skipped_updates"] == 1.0
    assert torch.equal(weights(policy), before)
    assert (tmp_path / "nonfinite_update_1.json").exists()
    metrics = updater.update(samples)
    assert metrics["skipped_updates"] == 0.0
    updater_of(twin, warmup_steps=3).update(samples)
    assert torch.equal(weights(policy), weights(twin))


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"num_epochs": 0}, r"num_epochs must be >= 1, got 0; pass --num-epochs 1"),
        ({"num_minibatches": 0}, r"num_minibatches must be >= 1, got 0"),
        ({"old_logprobs": "old"}, r"unknown old_logprobs 'old'; available: recompute, sampler$"),
        ({"on_nonfinite": "stop"}, r"unknown on_nonfinite 'stop'; available: raise, skip$"),
        ({"tis_cap": 0.0, "old_logprobs": "recompute"}, r"tis_cap must be above 0, got 0.0"),
        ({"tis_cap": 2.0}, r"old_logprobs must be 'recompute' with tis_cap 2.0, got 'sampler'"),
    ],
)
def test_options_refuse_what_makes_no_sense(fields, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        UpdateOptions(**fields)
