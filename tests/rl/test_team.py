from __future__ import annotations

import shutil

import pytest
import torch

from baselines.policies.checkpoints import CheckpointError, save_checkpoint
from baselines.policies.registry import load_policy
from baselines.policies.team import TEAM, load_samplers, load_team

ROLES = ("thinker", "solver")


def first_weight(policy) -> torch.Tensor:
    return next(policy.module.parameters())


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """The folder of a run with a checkpoint, in which each role can be told apart."""
    run = tmp_path_factory.mktemp("run")
    policies = {role: load_policy("tiny") for role in ROLES}
    with torch.no_grad():
        first_weight(policies["thinker"]).fill_(0.25)
        first_weight(policies["solver"]).fill_(0.75)
    save_checkpoint(
        run / "checkpoints", step=1, config={}, policies=policies, updaters={}, state={}
    )
    (run / "metrics.jsonl").write_text("", encoding="utf-8")
    return run


def test_load_team_gives_every_role_weights_of_its_own():
    team = load_team("tiny", ROLES, own_copies=True)
    assert list(team) == list(ROLES)
    with torch.no_grad():
        first_weight(team["thinker"]).zero_()
    assert first_weight(team["solver"]).abs().max() > 0


def test_load_team_shares_one_model_when_nobody_is_trained():
    team = load_team("tiny", ROLES, own_copies=False)
    assert team["thinker"] is team["solver"]


@pytest.mark.parametrize("folder", [".", "checkpoints/step_000001"])
@pytest.mark.parametrize("own_copies", [True, False])
def test_load_team_takes_the_roles_of_a_run_or_of_a_checkpoint(run, folder, own_copies):
    team = load_team(str(run / folder), ROLES, own_copies=own_copies)
    assert first_weight(team["thinker"]).unique().tolist() == [0.25]
    assert first_weight(team["solver"]).unique().tolist() == [0.75]


def test_load_team_refuses_a_checkpoint_without_a_role(run):
    with pytest.raises(ValueError, match=r"policy must hold a folder for each role.*'judge'"):
        load_team(str(run), (*ROLES, "judge"), own_copies=True)


def test_load_team_refuses_a_damaged_checkpoint(run, tmp_path):
    copy = shutil.copytree(run, tmp_path / "copy")
    (copy / "checkpoints/step_000001/solver/model.safetensors").write_bytes(b"")
    with pytest.raises(CheckpointError, match=r"solver/model\.safetensors"):
        load_team(str(copy), ROLES, own_copies=True)


def test_load_team_refuses_a_run_that_has_no_checkpoint_yet(run, tmp_path):
    copy = shutil.copytree(run, tmp_path / "copy")
    shutil.rmtree(copy / "checkpoints")
    with pytest.raises(ValueError, match="policy must hold a checkpoint if it is a run"):
        load_team(str(copy), ROLES, own_copies=True)


def test_load_team_shares_the_policy_that_spoke_for_all(tmp_path):
    policy = load_policy("tiny")
    folder = save_checkpoint(
        tmp_path, step=1, config={}, policies={TEAM: policy}, updaters={}, state={}
    )
    team = load_team(str(folder), ROLES, own_copies=False)
    assert team["thinker"] is team["solver"]
    apart = load_team(str(folder), ROLES, own_copies=True)
    assert apart["thinker"] is not apart["solver"]


def test_load_team_starts_single_roles_from_something_else(run):
    team = load_team("tiny", ROLES, own_copies=True, instead={"solver": str(run)})
    assert first_weight(team["solver"]).unique().tolist() == [0.75]
    assert len(first_weight(team["thinker"]).unique()) > 100


def test_load_samplers_opens_an_endpoint_once_for_all_roles(monkeypatch, tmp_path):
    opened = []
    monkeypatch.setattr(
        "baselines.policies.team.load_sampler",
        lambda spec, *, journal: opened.append((spec, journal)) or object(),
    )
    spec, journal = "endpoint:http://127.0.0.1:1/v1#model", tmp_path / "answers.jsonl"
    team = load_samplers(spec, ("thinker", "solver"), journal=journal)
    assert team["thinker"] is team["solver"]
    assert opened == [(spec, journal)]
