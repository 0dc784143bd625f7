"""Adapters of several roles on one server: a name per version, and what a server can get wrong."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from baselines.common.errors import RolloutError, StorageError
from baselines.policies.base import Prompt, Sampling
from baselines.policies.endpoint.address import parse_endpoint
from baselines.policies.endpoint.vllm_control import VLLMControl
from baselines.policies.local.lora import LoraBase, LoraPolicy, LoraSettings
from baselines.policies.registry import load_policy
from baselines.train.engines.rollout_servers import RolloutServer, RolloutServers
from baselines.train.engines.server_weights import save_untied
from baselines.train.engines.sync_guard import StaleServerError
from baselines.train.engines.weight_transfer import transfer_of
from tests.rl.fake_vllm import PATHS, FakeVLLM

ROLES = ("thinker", "solver")
PROMPTS = [Prompt("1+1"), Prompt("1+1"), Prompt("2*3"), Prompt("7-5")]


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    folder = tmp_path_factory.mktemp("models") / "base"
    save_untied(load_policy("tiny"), folder)
    return folder


def team(model, rank: int = 2) -> dict[str, LoraPolicy]:
    base = LoraBase.load(str(model))
    return {role: base.add(role, LoraSettings(rank=rank)) for role in ROLES}


def move(policies: dict[str, LoraPolicy], seed: int = 0) -> None:
    """Draw the second factor of each adapter, differently for each role."""
    generator = torch.Generator().manual_seed(seed)
    for policy in policies.values():
        with torch.no_grad():
            for parameter in policy.module.parameters():
                if parameter.requires_grad:
                    parameter += 0.1 * torch.randn(parameter.shape, generator=generator)


def started(server, policies, folder, spec=None):
    servers = RolloutServers({"team": RolloutServer(spec or server.spec(), folder)})
    return servers, servers.follow(policies, ROLES)


def ask(speakers, seed: int = 0):
    return {
        role: speaker.sample(
            PROMPTS, sampling=Sampling(max_tokens=6), rng=np.random.default_rng(seed)
        )
        for role, speaker in speakers.items()
    }


def test_every_role_samples_from_its_adapter_after_each_sync(model, tmp_path):
    policies = team(model)
    with FakeVLLM(model, held_resets=1) as server:
        server.adapters |= {"thinker-v7": tmp_path, "thinkers-v1": tmp_path}  # of earlier runs
        servers, speakers = started(server, policies, tmp_path)
        for version in range(3):
            said = ask(speakers, version)
            for role in ROLES:
                assert max(row.max() for row in speakers[role].gaps_of(said[role])) < 1e-5
            servers.check()
            own = {f"{role}-v{version}": tmp_path / role / f"{role}-v{version}" for role in ROLES}
            assert server.adapters == {"thinkers-v1": tmp_path, **own}
            for role in ROLES:
                assert [path.name for path in (tmp_path / role).iterdir()] == [f"{role}-v{version}"]
            move(policies, version)
            assert max(row.max() for row in speakers["solver"].gaps_of(said["solver"])) > 1e-3
            servers.sync()
        assert "load_inplace" not in server.commands


def test_check_catches_adapters_that_are_mixed_up(model, tmp_path):
    policies = team(model)
    move(policies)
    with FakeVLLM(model) as server:
        servers, speakers = started(server, policies, tmp_path)
        server.answered_by = {"thinker": "solver", "solver": "thinker"}
        ask(speakers)
        with pytest.raises(StaleServerError, match=r"limit 0.001 in float32\), for thinker"):
            servers.check()


def test_check_catches_a_stale_server_by_the_version_that_it_lists(model, tmp_path):
    policies = team(model)
    with FakeVLLM(model) as server:
        servers, speakers = started(server, policies, tmp_path)
        server.is_stale = True
        servers.sync()
        with pytest.warns(UserWarning, match="left 4 of 4 prompts unanswered"):
            assert all("HTTP 404" in (c.failure or "") for c in ask(speakers)["solver"])
        with pytest.raises(StaleServerError, match=r"must serve thinker-v1 from .*, got no such"):
            servers.check()
        server.adapters = {f"{role}-v1": tmp_path for role in ROLES}  # of another run
        with pytest.raises(StaleServerError, match=f"thinker-v1, got {tmp_path} from http"):
            servers.check()


def test_versions_go_on_after_a_restart(model, tmp_path):
    policies = team(model)
    with FakeVLLM(model) as server:
        servers, speakers = started(server, policies, tmp_path)
        ask(speakers)
        servers.check()
        servers.sync()
        state = servers.state_dict()
        again = RolloutServers({"team": RolloutServer(server.spec(), tmp_path)})
        again.load_state_dict(state)
        again.follow(policies, ROLES)
        assert again.version == 1
        assert again.state_dict() == state
        assert sorted(server.adapters) == ["solver-v1", "thinker-v1"]
        again.load_state_dict(None)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"max_lora_rank": 1}, "--max-lora-rank 2 for adapters of this rank, got 1 at http"),
        ({"max_lora_rank": None}, "started with --enable-lora for adapters, got none at"),
        ({"paths": PATHS[:4]}, "VLLM_ALLOW_RUNTIME_LORA_UPDATING=True to load adapters"),
        ({"paths": PATHS[4:]}, "VLLM_SERVER_DEV_MODE=1"),
        ({"settings": {"device_config": {"device": "cpu"}}}, "at least 32 for a vLLM server"),
    ],
)
def test_a_server_of_other_settings_is_refused_at_the_start(model, tmp_path, settings, message):
    with FakeVLLM(model, **settings) as server, pytest.raises(ValueError, match=message) as error:
        started(server, team(model), tmp_path)
    assert "\n" not in str(error.value)
    assert not list(tmp_path.iterdir())


def test_a_model_named_like_an_adapter_is_refused(model, tmp_path):
    with FakeVLLM(model) as server:
        server.models = ("thinker-v0",)
        with pytest.raises(ValueError, match="--served-model-name other than ROLE-vN, got think"):
            started(server, team(model), tmp_path)


def test_a_journal_whose_answers_are_of_earlier_weights_is_refused(model, tmp_path):
    spec = "endpoint:http://127.0.0.1:1/v1?journal=answers.jsonl"
    with pytest.raises(ValueError, match=r"sampled anew, got journal=answers\.jsonl; leave it out"):
        RolloutServers({"team": RolloutServer(spec, tmp_path)}).follow(team(model), ROLES)


def test_a_server_that_refuses_an_adapter_ends_the_run_in_one_sentence(model, tmp_path):
    with FakeVLLM(model, paths=PATHS[4:], max_lora_rank=1) as server:  # it reports no settings
        server.paths = (*PATHS[4:], "/reset_prefix_cache")
        with pytest.raises(RolloutError, match=r"sync 0, got HTTP 500: .*rank 2 is greater"):
            started(server, team(model), tmp_path, spec=server.spec(retries=0))


@pytest.mark.parametrize("is_adapter", [True, False])
def test_a_folder_that_cannot_be_written_is_named_in_one_sentence(model, tmp_path, is_adapter):
    policy = team(model)["solver"] if is_adapter else load_policy("tiny")
    folder = tmp_path / "a-file" / "solver"
    folder.parent.write_text("")
    control = VLLMControl(parse_endpoint("endpoint:http://127.0.0.1:1/v1#policy"))
    with pytest.raises(StorageError, match=r"weights for a rollout server must be written.*a-file"):
        transfer_of(control, policy, folder, "solver").write(0)


def test_servers_of_roles_may_share_a_url_for_adapters_alone(model, tmp_path):
    policies = {role: load_policy("tiny") for role in ROLES}
    with FakeVLLM(model) as server:
        specs = {role: RolloutServer(server.spec(), tmp_path / role) for role in ROLES}
        with pytest.raises(ValueError, match="must be served by one server each, got http"):
            RolloutServers(specs).follow(policies, ROLES)
        servers = RolloutServers(specs)
        servers.follow(team(model), ROLES)
        assert sorted(server.adapters) == ["solver-v0", "thinker-v0"]


@pytest.mark.parametrize("options", [["3", "7"], ["so 3", "so 7"], ["a", "bcd", "bce"]])
def test_options_are_scored_by_the_adapter_on_the_server(model, tmp_path, options):
    policies = team(model)
    move(policies)
    with FakeVLLM(model) as server:
        _, speakers = started(server, policies, tmp_path)
        for role in ROLES:
            expected, num_tokens = policies[role].option_logprobs(PROMPTS, options)
            found, num_read = speakers[role].option_logprobs(PROMPTS, options)
            np.testing.assert_allclose(found, expected, atol=1e-5)
            assert num_read == num_tokens
            with pytest.raises(RolloutError, match="pass logprobs=processed"):
                speakers[role].option_logprobs(PROMPTS, options, temperature=0.5)


def test_options_are_scored_at_the_temperature_of_processed_logprobs(model, tmp_path):
    policies = team(model)
    with FakeVLLM(model) as server:
        spec = server.spec(logprobs="processed")
        _, speakers = started(server, policies, tmp_path, spec=spec)
        letters = [chr(ord("a") + number) for number in range(26)]  # more than a request lists
        expected, _ = policies["solver"].option_logprobs(PROMPTS, letters, temperature=0.5)
        found, _ = speakers["solver"].option_logprobs(PROMPTS, letters, temperature=0.5)
        np.testing.assert_allclose(found, expected, atol=1e-5)
