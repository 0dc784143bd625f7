"""Where the policies and references of a team come from, and what updates which of them."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from baselines.optimizers import OPTIMIZERS
from baselines.policies.base import Prompt, Sampling
from baselines.policies.registry import load_policy
from baselines.policies.team import TEAM
from baselines.rollouts.groups import Group
from baselines.rollouts.rollout import RolloutRequest
from baselines.rollouts.runner import RolloutRunner
from baselines.rollouts.team_env import team_env
from baselines.train.config import TrainConfig
from baselines.train.samples import reference_divergence
from baselines.train.team_policies import UPDATE_METRICS, TeamPolicies
from baselines.train.update.batching import TrainingSample
from ccpo_env.types import Task
from tests.rl.policies import hand_made

ROLES = ("thinker", "solver")
KL = OPTIMIZERS["grpo"].with_hyperparameters(kl_weight=0.1)
REWARD_KL = OPTIMIZERS["reinforce_pp"].with_hyperparameters(reward_kl=0.1)
TASK = Task("t/0", "1+1", "2")


@pytest.fixture(scope="module")
def other(tmp_path_factory) -> str:
    """A model of another family, so that its weights cannot be taken for those of "tiny"."""
    folder = tmp_path_factory.mktemp("other")
    hand_made("gpt_neox", seed=1).save(folder)
    return str(folder)


def crew_of(config, tmp_path, optimizer=KL, *, trained=ROLES, checkpoint=None) -> TeamPolicies:
    config.check()
    return TeamPolicies(
        config,
        optimizer,
        roles=ROLES,
        trained=trained,
        checkpoint=checkpoint,
        failure_dir=tmp_path,
    )


def families(policies) -> dict[str, str]:
    return {role: policy.module.config.model_type for role, policy in policies.items()}


def weight(policy) -> torch.Tensor:
    """The last weight of a model, which no adapter changes."""
    return list(policy.module.parameters())[-1].detach()


@pytest.mark.parametrize("weights", ["separate", "lora"])
@pytest.mark.parametrize("optimizer", [KL, REWARD_KL], ids=["loss", "reward"])
def test_policies_and_references_of_single_roles_are_those_of_the_config(
    weights, optimizer, other, tmp_path
):
    config = TrainConfig(role_policies={"solver": other}, weights=weights, lora_rank=2)
    crew = crew_of(config, tmp_path, optimizer)
    expected = {"thinker": "llama", "solver": "gpt_neox"}
    assert families(crew.policies) == families(crew.references) == expected
    starts = {"thinker": load_policy("tiny"), "solver": load_policy(other)}
    for role, start in starts.items():
        assert torch.equal(weight(crew.policies[role]), weight(start))
        assert torch.equal(weight(crew.references[role]), weight(start))
        assert crew.policies[role] is not crew.references[role]


def test_a_checkpoint_replaces_the_policies_and_not_the_references(other, tmp_path):
    config = TrainConfig(role_policies={"solver": other})
    saved = crew_of(config, tmp_path, OPTIMIZERS["grpo"])
    for role, policy in saved.policies.items():
        for parameter in policy.module.parameters():
            parameter.data *= 0.5
        policy.save(tmp_path / "run" / role)
    resumed = crew_of(config, tmp_path, checkpoint=tmp_path / "run")
    assert families(resumed.policies) == families(resumed.references)
    for role, source in (("thinker", "tiny"), ("solver", other)):
        start = weight(load_policy(source))
        assert torch.equal(weight(resumed.policies[role]), 0.5 * start)
        assert torch.equal(weight(resumed.references[role]), start)


def test_references_are_of_the_trained_roles_and_only_where_they_are_needed(tmp_path):
    assert crew_of(TrainConfig(), tmp_path, OPTIMIZERS["grpo"]).references == {}
    frozen = TrainConfig(frozen_roles=("thinker",))
    assert set(crew_of(frozen, tmp_path, trained=("solver",)).references) == {"solver"}
    crew = crew_of(TrainConfig(), tmp_path)
    assert crew.references["thinker"] is crew.references["solver"]  # never trained
    assert crew.policies["thinker"] is not crew.policies["solver"]


def test_shared_weights_refuse_a_team_of_several_policies(tmp_path):
    crew_of(TrainConfig(), tmp_path).policies["solver"].save(tmp_path / "team" / "solver")
    load_policy("tiny").save(tmp_path / "team" / "thinker")
    config = TrainConfig(weights="shared", policy=str(tmp_path / "team"))
    with pytest.raises(ValueError, match=r"policy must be one model for all roles .* separate"):
        crew_of(config, tmp_path)


def test_settings_of_single_roles_reach_their_updaters(tmp_path):
    config = TrainConfig(
        learning_rate=0.5,
        role_learning_rates={"solver": 0.25},
        role_micro_batch_tokens={"solver": 64},
        role_max_tokens={"solver": 5},
        warmup_steps=0,
        on_nonfinite="skip",
    )
    crew = crew_of(config, tmp_path, OPTIMIZERS["grpo"])
    assert crew.max_tokens("solver") == 5
    assert crew.max_tokens("thinker") == crew.policies["thinker"].max_tokens
    states = crew.state_dict()
    assert {role: state["micro_batch_tokens"] for role, state in states.items()} == {
        "thinker": 16384,
        "solver": 64,
    }
    sampling = Sampling(max_tokens=3)
    rng = np.random.default_rng(0)
    samples = {
        role: [
            TrainingSample(completion, 1.0)
            for completion in policy.sample([Prompt("1+1")] * 2, sampling=sampling, rng=rng)
        ]
        for role, policy in crew.policies.items()
    }
    metrics = crew.update(ROLES, samples)
    assert metrics["update/thinker/learning_rate"] == 0.5
    assert metrics["update/solver/learning_rate"] == 0.25
    bad = replace(samples["solver"][0].completion, logprobs=(float("nan"),) * 3)
    bad = replace(bad, token_ids=(1, 2, 3))
    before = {role: weight(policy).clone() for role, policy in crew.policies.items()}
    metrics = crew.update(("solver",), {"solver": [TrainingSample(bad, 1.0)]})
    assert metrics["update/solver/skipped_updates"] == 1
    assert {name for name, value in metrics.items() if value is None} >= {
        f"update/thinker/{name}" for name in UPDATE_METRICS
    }
    assert (tmp_path / "nonfinite_update_2.json").exists()
    for role, policy in crew.policies.items():
        assert torch.equal(weight(policy), before[role])


def test_saved_policies_and_states_are_named_for_their_owners(tmp_path):
    separate = crew_of(TrainConfig(), tmp_path, OPTIMIZERS["grpo"])
    assert separate.saved_policies() == separate.policies
    assert set(separate.state_dict()) == set(ROLES)
    shared = crew_of(TrainConfig(weights="shared"), tmp_path, OPTIMIZERS["grpo"])
    assert shared.saved_policies() == {TEAM: shared.policies["solver"]}
    assert set(shared.state_dict()) == {TEAM}
    states = shared.state_dict()
    states[TEAM]["num_updates"] = 7
    shared.load_state_dict(states, tmp_path)
    assert shared.state_dict()[TEAM]["num_updates"] == 7


def debates(policy) -> tuple[list[Group], int]:
    """Groups of debaters that speak twice, with other lengths in each turn and rollout."""
    config = TrainConfig(topology="debate", num_debaters=2, num_rounds=2)
    env = team_env(config, [TASK])
    sampling = {"debater": Sampling(max_tokens=7, temperature=1.5)}
    runner = RolloutRunner(env, {"debater": policy}, sampling)
    rng = np.random.default_rng(4)
    rollouts = runner.play([RolloutRequest(TASK, num_episodes=6)], rng=rng)
    groups = [Group(TASK, tuple(rollouts[:2]), {}, {}), Group(TASK, tuple(rollouts[2:]), {}, {})]
    return groups, len(runner.role_of)


def disturb(policy) -> None:
    for parameter in policy.module.parameters():
        parameter.data *= 0.9


def test_divergence_of_every_turn_is_that_of_its_completion_alone():
    policy, reference = load_policy("tiny"), load_policy("tiny")
    disturb(reference)
    groups, num_turns = debates(policy)
    rollouts = [rollout for group in groups for rollout in group.rollouts]
    assert num_turns == 4
    assert len({len(c.token_ids) for r in rollouts for c in r.sampled}) > 2
    found = reference_divergence(
        groups, [reference] * num_turns, micro_batch_tokens=[300, 40, 300, 1]
    )
    for group, own in zip(groups, found, strict=True):
        for rollout, values in zip(group.rollouts, own, strict=True):
            for turn, completion in enumerate(rollout.sampled):
                alone = reference.logprobs([completion])[0].tolist()
                expected = np.array(completion.logprobs) - alone
                num_tokens = len(completion.token_ids)
                np.testing.assert_allclose(values[turn, :num_tokens], expected, atol=1e-4)
                assert np.abs(expected).max() > 1e-3
                assert (values[turn, num_tokens:] == 0.0).all()


@pytest.mark.parametrize("weight", [0.0, 0.5])
def test_token_advantages_read_the_divergence_of_every_turn(weight, tmp_path):
    config = TrainConfig(topology="debate", num_debaters=2, num_rounds=2)
    method = OPTIMIZERS["reinforce_pp"].with_hyperparameters(gamma=0.5, reward_kl=weight)
    roles = ("debater",)
    arguments = {"roles": roles, "trained": roles, "checkpoint": None, "failure_dir": tmp_path}
    crew = TeamPolicies(config, method, **arguments)
    for reference in crew.references.values():
        disturb(reference)
    groups, num_turns = debates(crew.policies["debater"])
    rng = np.random.default_rng(0)
    credit = [rng.normal(size=(len(group.rollouts), num_turns)) for group in groups]
    found = crew.token_advantages(groups, credit, roles * num_turns)
    kl = None
    if weight:
        references = [crew.references["debater"]] * num_turns
        kl = reference_divergence(groups, references, micro_batch_tokens=[500] * num_turns)
    num_tokens = [
        np.array([[len(c.token_ids) for c in rollout.sampled] for rollout in group.rollouts])
        for group in groups
    ]
    expected = method.token_advantage(credit, num_tokens, kl)
    for own, other in zip(found, expected, strict=True):
        np.testing.assert_allclose(own, other, atol=1e-4)
    plain = TeamPolicies(config, OPTIMIZERS["reinforce_pp"], **arguments)
    assert plain.token_advantages(groups, credit, roles * num_turns) is None
