"""Roles that share weights: what belongs to the sample, and settings that are refused."""

from __future__ import annotations

import copy
from pathlib import Path

import numpy as np
import pytest
import torch

from baselines.optimizers import OPTIMIZERS
from baselines.policies.base import Prompt, Sampling
from baselines.train.config import TrainConfig
from baselines.train.logging.trackers import NoTracker
from baselines.train.team_policies import TeamPolicies
from baselines.train.trainer import Trainer
from baselines.train.update.batching import TrainingSample

ROLES = ("thinker", "solver")
TEMPERATURES = {"thinker": 1.3, "solver": 0.3}
LIMITS = {"thinker": 6, "solver": 3}
PROMPTS = [Prompt("47+5="), Prompt("2*3=6;6-9="), Prompt("1+1")]


def crew_of(tmp_path: Path, optimizer: str, arguments: dict, weights: str, **settings):
    config = TrainConfig(
        weights=weights,
        optimizer=optimizer,
        role_temperatures=TEMPERATURES,
        role_max_tokens=LIMITS,
        max_grad_norm=1e6,
        lora_rank=2,
        **settings,
    )
    config.check()
    method = OPTIMIZERS[optimizer].with_hyperparameters(**arguments)
    crew = TeamPolicies(
        config, method, roles=ROLES, trained=ROLES, checkpoint=None, failure_dir=tmp_path
    )
    if weights != "lora":
        for policy in {id(p): p for p in crew.policies.values()}.values():
            for parameter in policy.module.parameters():
                parameter.data *= 0.95  # else the reference is the policy
    return config, crew


def samples_of(config, crew) -> dict[str, list[TrainingSample]]:
    rng = np.random.default_rng(0)
    return {
        role: [
            TrainingSample(completion, float(rng.normal()))
            for completion in crew.policies[role].sample(
                PROMPTS, sampling=config.sampling(role), rng=rng
            )
        ]
        for role in ROLES
    }


def distributions(model, sample: TrainingSample, temperature: float) -> torch.Tensor:
    """Log-probabilities of all tokens at each token of a completion, from one plain forward."""
    prompt, said = sample.completion.prompt_ids, sample.completion.token_ids
    logits = model(torch.tensor([[*prompt, *said]])).logits[0]
    return (logits[len(prompt) - 1 : -1] / temperature).log_softmax(dim=-1)


def by_hand(model, reference, samples, name: str, arguments: dict) -> torch.Tensor:
    """The gradient at the sampling policy, where every ratio is 1, row by row."""
    num_tokens = sum(s.num_completion_tokens for own in samples.values() for s in own)
    num_rows = sum(map(len, samples.values()))
    total = torch.zeros(())
    for role, own in samples.items():
        for sample in own:
            every = distributions(model, sample, TEMPERATURES[role])
            token_ids = torch.tensor(sample.completion.token_ids)[:, None]
            logprobs = every.gather(1, token_ids)
            losses = -sample.advantage * logprobs
            if "kl_weight" in arguments:
                with torch.no_grad():
                    other = distributions(reference, sample, TEMPERATURES[role])
                difference = logprobs - other.gather(1, token_ids)
                losses = losses + arguments["kl_weight"] * 0.5 * difference**2
            if "entropy_weight" in arguments:
                entropy = -(every.exp() * every).sum(dim=1, keepdim=True)
                losses = losses - arguments["entropy_weight"] * entropy
            divisor = num_rows * LIMITS[role] if name == "dr_grpo" else num_tokens
            total = total + losses.sum() / divisor
    model.zero_grad()
    total.backward()
    return torch.cat([parameter.grad.flatten() for parameter in model.parameters()])


@pytest.mark.parametrize("old_logprobs", ["sampler", "recompute"])
@pytest.mark.parametrize(
    ("name", "arguments"),
    [
        ("grpo", {}),
        ("dr_grpo", {}),
        ("grpo", {"kl_weight": 0.5, "kl_estimator": "k2"}),
        ("grpo", {"entropy_weight": 0.5}),
    ],
)
def test_each_role_is_trained_at_its_own_temperature_and_length(
    tmp_path, name, arguments, old_logprobs
) -> None:
    capped = {"tis_cap": 2.0} if old_logprobs == "recompute" else {}
    config, crew = crew_of(tmp_path, name, arguments, "shared", old_logprobs=old_logprobs, **capped)
    samples = samples_of(config, crew)
    policy = crew.policies["thinker"]
    before = copy.deepcopy(policy.module)
    reference = crew.references["solver"].module if "kl_weight" in arguments else None
    metrics = crew.update(ROLES, samples)
    assert metrics["update/team/mismatch_max"] <= 1e-4
    assert metrics["update/team/approx_kl"] <= 1e-8
    found = torch.cat([parameter.grad.flatten() for parameter in policy.module.parameters()])
    expected = by_hand(before, reference, samples, name, arguments)
    assert expected.norm() > 1e-3
    assert (found - expected).norm() <= 1e-4 * expected.norm()


def one_step(run_dir: Path, **settings) -> tuple[Trainer, dict]:
    config = TrainConfig(
        steps=1, tasks_per_step=2, group_size=2, num_eval_tasks=2, out_dir=run_dir, **settings
    )
    trainer, rows = Trainer(config, run_dir), list[dict]()
    trainer.run(
        on_step=rows.append, on_warning=print, should_stop=lambda: False, tracker=NoTracker(run_dir)
    )
    return trainer, rows[0]


@pytest.mark.parametrize("weights", ["separate", "shared", "lora"])
def test_logprobs_of_a_step_agree_with_the_sampler_for_every_kind_of_weights(
    tmp_path, weights
) -> None:
    _, row = one_step(
        tmp_path,
        weights=weights,
        lora_rank=2,
        role_temperatures={"solver": 0.3},
        optimizer="reinforce_pp",
        optimizer_args={"reward_kl": "0.1", "kl_weight": "0.1", "entropy_weight": "0.1"},
    )
    gaps = [value for key, value in row.items() if key.endswith("/mismatch_max")]
    kl = [value for key, value in row.items() if key.endswith("/reference_kl")]
    assert len(gaps) == len(kl) == (1 if weights == "shared" else 2)
    assert max(gaps) <= 1e-4
    # The reference is the policy itself before the first update.
    assert max(map(abs, kl)) <= 1e-6


def test_a_policy_scores_each_completion_at_the_temperature_of_its_sampling(tmp_path) -> None:
    config, crew = crew_of(tmp_path, "grpo", {}, "shared")
    samples = samples_of(config, crew)
    mixed = [s.completion for pair in zip(*samples.values(), strict=True) for s in pair]
    assert [c.temperature for c in mixed] == [1.3, 0.3] * 3
    assert [c.max_tokens for c in mixed] == [6, 3] * 3
    policy = crew.policies["thinker"]
    greedy = policy.sample(
        PROMPTS[:1], sampling=Sampling(temperature=0, max_tokens=4), rng=np.random.default_rng(0)
    )
    for values, completion in zip(
        policy.logprobs([*mixed, *greedy]), [*mixed, *greedy], strict=True
    ):
        found = values[: len(completion.token_ids)].tolist()
        assert found == pytest.approx(completion.logprobs, abs=1e-4)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        (
            {"role_policies": {"solver": "x"}},
            r"role_policies must be empty .* got {'solver': 'x'}; ",
        ),
        ({"role_learning_rates": {"solver": 1e-5}}, r"role_learning_rates must .* --learning-rate"),
        ({"role_micro_batch_tokens": {"solver": 9}}, r"role_micro_batch_tokens .* --micro-batch-t"),
        (
            {"frozen_roles": ("solver",)},
            r"frozen_roles must be empty .* got \['solver'\]; .*period",
        ),
    ],
)
def test_settings_of_a_role_that_needs_its_own_weights_are_refused(settings, message) -> None:
    for weights in ("separate", "lora"):
        TrainConfig(weights=weights, **settings).check()
    with pytest.raises(ValueError, match=message) as refused:
        TrainConfig(weights="shared", **settings).check()
    assert "\n" not in str(refused.value)
    assert "--weights separate" in str(refused.value)


def test_an_update_of_one_role_changes_the_policy_of_all_that_share_it(tmp_path) -> None:
    for weights, changed in (("shared", ROLES), ("separate", ("solver",)), ("lora", ("solver",))):
        _, crew = crew_of(tmp_path, "grpo", {}, weights)
        assert crew.updated_roles(["solver"]) == changed


@pytest.mark.parametrize(("weights", "aged"), [("separate", {"thinker"}), ("shared", set(ROLES))])
def test_cached_rollouts_age_with_every_update_of_their_policy(tmp_path, weights, aged) -> None:
    trainer, _ = one_step(tmp_path, weights=weights, alternate_period=1, removed_cache_decay=0.9)
    assert trainer._credit.to_json()["cache"]["versions"] == dict.fromkeys(aged, 1)
