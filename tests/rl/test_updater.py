from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from baselines.optimizers import OPTIMIZERS
from baselines.policies.base import Prompt, Sampling
from baselines.policies.local.hf import HFPolicy
from baselines.policies.registry import load_policy
from baselines.train.update.batching import TrainingSample
from baselines.train.update.updater import Updater

TEMPERATURE = 0.7
PROMPTS = ["1+1", "a longer prompt 2*3", "7-5", "9+9*3"] * 3
ADVANTAGES = (1.0, -1.0, 0.5, -0.25, 2.0, -0.75)


@pytest.fixture
def policy() -> HFPolicy:
    return load_policy("tiny")


@pytest.fixture
def samples(policy) -> list[TrainingSample]:
    """Completions of different lengths, from the policy as it is."""
    rng = np.random.default_rng(0)
    sampling = Sampling(temperature=TEMPERATURE, max_tokens=9)
    completions = policy.sample([Prompt(p) for p in PROMPTS], sampling=sampling, rng=rng)
    advantages = np.resize(ADVANTAGES, len(completions)).tolist()
    return [TrainingSample(c, a) for c, a in zip(completions, advantages, strict=True)]


def updater_of(policy: HFPolicy, **changes: float) -> Updater:
    hyperparameters = {
        "learning_rate": 1e-3,
        "warmup_steps": 0,
        "max_grad_norm": 1e6,
        "micro_batch_tokens": 100,
    }
    return Updater(policy, OPTIMIZERS["grpo"], **{**hyperparameters, **changes})


def weights(policy: HFPolicy) -> torch.Tensor:
    return torch.cat([p.detach().flatten().clone() for p in policy.module.parameters()])


def gradient(policy: HFPolicy) -> torch.Tensor:
    return torch.cat([p.grad.flatten().clone() for p in policy.module.parameters()])


def distance(found: torch.Tensor, expected: torch.Tensor) -> float:
    """How far off a gradient is, in units of its norm."""
    assert expected.norm() > 1e-2
    return ((found - expected).norm() / expected.norm()).item()


def policy_gradient(policy: HFPolicy, samples: list[TrainingSample]) -> torch.Tensor:
    """Of the sum of advantage times log-probability, per token; one sample at a time."""
    total = torch.zeros(())
    for sample in samples:
        prompt, said = sample.completion.prompt_ids, sample.completion.token_ids
        logits = policy.module(torch.tensor([[*prompt, *said]])).logits[0] / TEMPERATURE
        chosen = logits.log_softmax(-1)[range(len(prompt) - 1, len(prompt + said) - 1), said]
        total = total + sample.advantage * chosen.sum()
    num_tokens = sum(len(sample.completion.token_ids) for sample in samples)
    found = torch.autograd.grad(total / num_tokens, list(policy.module.parameters()))
    return torch.cat([part.flatten() for part in found])


def test_update_follows_the_policy_gradient_when_the_policy_has_not_moved(policy, samples):
    expected = policy_gradient(policy, samples)
    metrics = updater_of(policy).update(samples)
    assert distance(gradient(policy), -expected) < 1e-4
    assert metrics["grad_norm"] == pytest.approx(expected.norm().item(), rel=1e-3)


def test_update_reports_the_loss_by_hand(policy, samples):
    metrics = updater_of(policy).update(samples)
    tokens = np.array([len(sample.completion.token_ids) for sample in samples])
    advantages = np.array([sample.advantage for sample in samples])
    # every ratio is 1, so the loss is minus the mean advantage of a token
    assert metrics["loss"] == pytest.approx(-(tokens @ advantages) / tokens.sum(), abs=1e-4)
    assert metrics["clip_rate"] == 0.0
    assert metrics["approx_kl"] == pytest.approx(0.0, abs=1e-6)


def test_update_makes_good_completions_more_likely(policy, samples):
    good = [replace(sample, advantage=1.0) for sample in samples[:3]]
    before = policy.logprobs([r.completion for r in good]).sum().item()
    updater_of(policy, learning_rate=1e-4).update(good)
    after = policy.logprobs([r.completion for r in good]).sum().item()
    assert after > before


def moved_on(sample: TrainingSample) -> TrainingSample:
    """The same sample from a policy that found its tokens less likely: ratios of 1.65, clipped."""
    logprobs = tuple(logprob - 0.5 for logprob in sample.completion.logprobs)
    return replace(sample, completion=replace(sample.completion, logprobs=logprobs))


@pytest.mark.parametrize("budget", [1, 60])
def test_update_does_not_depend_on_the_micro_batches(policy, samples, budget):
    samples = [*samples[:4], *map(moved_on, samples[4:])]
    in_one = load_policy("tiny")
    expected = updater_of(in_one, micro_batch_tokens=10**6).update(samples)
    metrics = updater_of(policy, micro_batch_tokens=budget).update(samples)
    assert metrics == pytest.approx(expected, rel=1e-4, abs=1e-6)
    assert 0.0 < metrics["clip_rate"] < 1.0
    assert distance(gradient(policy), gradient(in_one)) < 1e-4


def test_update_moves_weights_alike_when_micro_batches_differ(policy, samples):
    in_one = load_policy("tiny")
    updater_of(in_one, learning_rate=1e-5, micro_batch_tokens=10**6).update(samples)
    updater_of(policy, learning_rate=1e-5, micro_batch_tokens=1).update(samples)
    # Adam divides a gradient by its size, so where it is almost 0 its rounding moves the weight.
    is_clear = gradient(in_one).abs() > 1e-5
    assert is_clear.float().mean() > 0.1
    assert (weights(policy) - weights(in_one))[is_clear].abs().max() < 1e-7


def test_update_counts_tokens_without_advantage_in_the_mean(policy, samples):
    half = samples[:6]
    idle = [replace(sample, advantage=0.0) for sample in samples[6:]]
    updater_of(policy).update(half)
    alone = gradient(policy)
    other = load_policy("tiny")
    updater_of(other).update([*half, *idle])
    num_tokens = [sum(len(r.completion.token_ids) for r in part) for part in (half, idle)]
    share = num_tokens[0] / sum(num_tokens)
    assert distance(gradient(other), alone * share) < 1e-4


@pytest.mark.parametrize("count", [0, 3])
def test_update_takes_no_step_without_any_advantage(policy, samples, count):
    before = weights(policy)
    updater = updater_of(policy)
    updater.update(samples)  # from now on the torch optimizer has momentum
    before = weights(policy)
    metrics = updater.update([replace(sample, advantage=0.0) for sample in samples[:count]])
    assert torch.equal(weights(policy), before)
    assert (metrics["loss"], metrics["grad_norm"]) == (0.0, 0.0)


def test_update_warms_up_linearly(policy, samples):
    updater = updater_of(policy, learning_rate=4e-4, warmup_steps=3)
    before = weights(policy)
    rates = [updater.update(samples)["learning_rate"]]
    # the first step of Adam moves every weight with a gradient by the learning rate
    assert (weights(policy) - before).abs().max().item() == pytest.approx(1e-4, rel=1e-2)
    rates += [updater.update(samples)["learning_rate"] for _ in range(4)]
    assert rates == pytest.approx([1e-4, 2e-4, 3e-4, 4e-4, 4e-4])


def test_update_scales_a_large_gradient_down_and_reports_it_as_it_was(policy, samples):
    unclipped = updater_of(load_policy("tiny")).update(samples)["grad_norm"]
    metrics = updater_of(policy, max_grad_norm=1e-3).update(samples)
    assert metrics["grad_norm"] == pytest.approx(unclipped, rel=1e-4)
    assert gradient(policy).norm().item() == pytest.approx(1e-3, rel=1e-2)


def test_update_refuses_a_gradient_that_is_not_finite_and_goes_on(policy, samples):
    twin = load_policy("tiny")
    updater, twin_updater = updater_of(policy), updater_of(twin)
    before = weights(policy)
    parameter = next(policy.module.parameters())
    hook = parameter.register_hook(lambda grad: torch.full_like(grad, torch.inf))
    with pytest.raises(FloatingPointError, match=r"gradient must be finite.*--learning-rate"):
        updater.update(samples)
    assert torch.equal(weights(policy), before)
    hook.remove()
    updater.update(samples)
    twin_updater.update(samples)
    assert torch.equal(weights(policy), weights(twin))


def test_update_refuses_log_probabilities_that_are_not_finite(policy, samples):
    before = weights(policy)
    bad = replace(samples[0].completion, logprobs=(np.nan,) * len(samples[0].completion.token_ids))
    with pytest.raises(FloatingPointError, match="policy loss must be finite"):
        updater_of(policy).update([TrainingSample(bad, 1.0)])
    assert torch.equal(weights(policy), before)


def test_updater_goes_on_from_its_state(policy, samples, tmp_path):
    updater = updater_of(policy, warmup_steps=4)
    for _ in range(2):
        updater.update(samples)
    torch.save(updater.state_dict(), tmp_path / "state.pt")
    policy.save(tmp_path / "policy")
    twin = load_policy(tmp_path / "policy")
    twin_updater = updater_of(twin, warmup_steps=4)
    twin_updater.load_state_dict(torch.load(tmp_path / "state.pt", weights_only=True))
    found = twin_updater.update(samples)
    assert found == updater.update(samples)
    assert "grad_snr" in found  # compared with the gradient before the checkpoint
    assert torch.equal(weights(twin), weights(policy))


def test_update_compares_its_gradient_before_clipping_with_the_one_of_the_step_before(
    policy, samples
):
    updater = updater_of(policy, learning_rate=0.0, max_grad_norm=1e-3)
    gradients, measure = [], updater._noise.measure

    def watched():
        parameters = [p for p in policy.module.parameters() if p.requires_grad]
        gradients.append(torch.cat([p.grad.flatten().double() for p in parameters]))
        return measure()

    updater._noise.measure = watched
    assert "grad_snr" not in updater.update(samples[:2])
    found = updater.update(samples[1:])["grad_snr"]
    now, before = gradients[1], gradients[0]
    assert now.norm() > 1e-3
    expected = (now @ before) / ((now - before) @ (now - before) / 2.0)
    assert found == pytest.approx(float(expected), rel=1e-4)
    silent = updater.update([replace(sample, advantage=0.0) for sample in samples])
    assert "grad_snr" not in silent
    assert len(gradients) == 2  # a step without a gradient is not compared
