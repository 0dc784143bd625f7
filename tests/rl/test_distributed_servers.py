"""Rollouts from a server that follows a policy: weights handed over, and checked."""

from __future__ import annotations

import json
import sys

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from baselines.common.errors import RolloutError
from baselines.policies.base import Completion, Prompt, Sampling
from baselines.policies.local.hf import HFPolicy
from baselines.policies.local.lora import LoraBase, LoraSettings
from baselines.policies.registry import load_policy
from baselines.train.engines import rollout_servers as servers_module
from baselines.train.engines import server_weights
from baselines.train.engines.rollout_servers import RolloutServer, RolloutServers, read_servers
from baselines.train.engines.served_policy import (
    MOST_AT_START,
    ServedPolicy,
    StaleServerError,
    SyncGuard,
)
from baselines.train.engines.server_weights import save_untied
from tests.rl.fake_vllm import FakeVLLM, make_tied

PROMPTS = [Prompt("1+1"), Prompt("1+1"), Prompt("2*3")]


def ask(policy, seed: int = 0) -> list[Completion]:
    sampling = Sampling(max_tokens=6)
    return policy.sample(PROMPTS, sampling=sampling, rng=np.random.default_rng(seed))


def move(policy: HFPolicy) -> None:
    """Change every weight a little, the embedding included."""
    generator = torch.Generator().manual_seed(0)
    with torch.no_grad():
        for parameter in policy.module.parameters():
            parameter += 0.05 * torch.randn(parameter.shape, generator=generator)


def following(server: FakeVLLM, policy: HFPolicy) -> tuple[RolloutServers, ServedPolicy]:
    servers = RolloutServers({"team": RolloutServer(server.spec(), server.folder)})
    speakers = servers.follow({"team": policy}, ("thinker", "solver"))
    assert speakers["thinker"] is speakers["solver"]
    return servers, speakers["solver"]


@pytest.mark.parametrize("is_tied", [False, True])
def test_server_samples_from_the_weights_after_each_sync(tmp_path, is_tied):
    policy = load_policy("tiny")
    if is_tied:
        make_tied(policy)
    save_untied(policy, tmp_path / "served")
    with FakeVLLM(tmp_path / "served") as server:
        servers, speaker = following(server, policy)
        for version in range(3):
            assert speaker.version == version
            completions = ask(speaker, version)
            assert speaker.logprob_gap(completions) < 1e-5
            move(policy)
            assert speaker.logprob_gap(completions) > 1e-2
            servers.sync()
        assert server.num_reloads == 4
        assert server.commands == ["/collective_rpc", "/reset_prefix_cache"] * 4


def test_guard_catches_a_server_that_did_not_reload(tmp_path):
    policy = load_policy("tiny")
    save_untied(policy, tmp_path / "served")
    with FakeVLLM(tmp_path / "served") as server:
        servers, speaker = following(server, policy)
        ask(speaker)
        server.is_stale = True
        move(policy)
        ask(speaker, 1)  # the same version: the weights have moved on, as within a step
        servers.sync()
        with pytest.raises(StaleServerError, match=r"nats apart \(limit 0.001\) after sync 1"):
            ask(speaker, 2)


def test_guard_catches_the_tied_last_layer_that_a_reload_leaves(tmp_path, monkeypatch):
    policy = make_tied(load_policy("tiny"))
    folder = tmp_path / "served"
    policy.save(folder)
    monkeypatch.setattr(server_weights, "save_untied", lambda policy, folder: policy.save(folder))
    with FakeVLLM(folder) as server:
        servers, speaker = following(server, policy)
        ask(speaker)
        move(policy)
        servers.sync()
        with pytest.raises(StaleServerError, match="after sync 1"):
            ask(speaker, 1)


def test_guard_catches_a_server_of_another_model_before_training(tmp_path):
    policy = load_policy("tiny")
    save_untied(policy, tmp_path / "served")
    with FakeVLLM(tmp_path / "served", is_stale=True) as server:
        move(policy)
        _, speaker = following(server, policy)
        with pytest.raises(StaleServerError, match=rf"limit {MOST_AT_START}\) after sync 0"):
            ask(speaker)


def test_guard_compares_a_bfloat16_server_with_its_own_start(tmp_path):
    policy = load_policy("tiny")
    save_untied(policy, tmp_path / "served")
    with FakeVLLM(tmp_path / "served", dtype=torch.bfloat16) as server:
        servers, speaker = following(server, policy)
        ask(speaker)
        assert speaker._guard.at_start > 1e-3
        servers.sync()
        ask(speaker)  # the same weights and seeds: the same log-probabilities
        server.is_stale = True
        move(policy)
        servers.sync()
        with pytest.raises(StaleServerError, match="after sync 2"):
            ask(speaker)


@pytest.mark.parametrize(
    ("at_start", "logprob_gap", "passes"),
    [
        (5e-7, 9e-4, True),
        (5e-7, 2e-3, False),
        (0.12, 0.17, True),
        (0.12, 0.28, False),
        (None, 0.2, True),
        (None, 0.3, False),
        (None, float("nan"), False),
        (0.12, float("nan"), False),
    ],
)
def test_guard_limit(at_start, logprob_gap, passes):
    guard = SyncGuard(at_start)
    if passes:
        guard.check(logprob_gap, version=1)
        assert guard.at_start == (logprob_gap if at_start is None else at_start)
    else:
        with pytest.raises(StaleServerError):
            guard.check(logprob_gap, version=1)


class Answering:
    """A server that returns what it is told to."""

    def __init__(self, *completions: Completion) -> None:
        self.completions = list(completions)
        self.requests: list[Sampling] = []

    def sample(self, prompts, *, sampling, rng):
        self.requests.append(sampling)
        return self.completions


@pytest.mark.parametrize(
    "completion",
    [
        Completion("a text"),
        Completion("a text", (1,), (2,)),
        Completion("a text", (), (2,), (-1.0,)),
    ],
)
def test_served_policy_refuses_completions_that_cannot_be_trained_on(completion):
    speaker = ServedPolicy(Answering(completion), load_policy("tiny"))
    with pytest.raises(RolloutError, match="return token ids and log-probabilities, got none"):
        ask(speaker)


def test_served_policy_passes_failures_on_and_asks_for_the_length_of_the_policy():
    failed = Completion("", failure="no answer")
    server, policy = Answering(failed), load_policy("tiny")
    speaker = ServedPolicy(server, policy)
    found = speaker.sample(PROMPTS[:1], sampling=Sampling(), rng=np.random.default_rng(0))
    assert found == [failed]
    assert server.requests[0].max_tokens == policy.max_tokens


def test_save_untied_writes_the_last_layer_and_leaves_the_policy_as_it_was(tmp_path):
    policy = make_tied(load_policy("tiny"))
    embedding = policy.module.get_input_embeddings().weight
    expected = [p.detach().clone() for p in policy.module.parameters()]
    folder = tmp_path / "served"
    folder.mkdir()
    (folder / "notes.txt").write_text("mine", encoding="utf-8")
    save_untied(policy, folder)
    stored = load_file(folder / "model.safetensors")
    assert torch.equal(stored["lm_head.weight"], stored["model.embed_tokens.weight"])
    assert not json.loads((folder / "config.json").read_text())["tie_word_embeddings"]
    assert policy.module.get_output_embeddings().weight is embedding
    assert policy.module.config.tie_word_embeddings
    found = list(policy.module.parameters())
    assert all(torch.equal(a, b) for a, b in zip(found, expected, strict=True))
    # A plain save still knows that it is tied.
    policy.save(tmp_path / "plain")
    assert "lm_head.weight" not in load_file(tmp_path / "plain" / "model.safetensors")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["plain", "served"]
    assert (folder / "notes.txt").read_text(encoding="utf-8") == "mine"
    served = load_policy(folder)
    torch.testing.assert_close(
        served.module(torch.tensor([[5, 6]])).logits,
        policy.module(torch.tensor([[5, 6]])).logits,
        rtol=0,
        atol=0,
    )


def test_save_untied_refuses_an_adapter(tmp_path):
    adapter = LoraBase.load("tiny").add("thinker", LoraSettings(rank=2))
    with pytest.raises(ValueError, match="its own weights to be served, got LoraPolicy"):
        save_untied(adapter, tmp_path / "served")


def test_weights_command_writes_a_folder_to_serve(tmp_path, capsys):
    assert server_weights.main(["--policy", "tiny", "--out", str(tmp_path / "served")]) == 0
    assert capsys.readouterr().out == f"{tmp_path / 'served'}\n"
    assert "lm_head.weight" in load_file(tmp_path / "served" / "model.safetensors")


def test_weights_command_says_what_is_wrong(tmp_path, capsys):
    with pytest.raises(SystemExit) as error:
        server_weights.main(["--policy", "tinyy", "--out", str(tmp_path / "served")])
    assert error.value.code == 2
    assert "did you mean 'tiny'?" in capsys.readouterr().err


def test_read_servers_by_role_and_for_all(tmp_path):
    url = "endpoint:http://127.0.0.1:1/v1?key_env=A=B#m"
    assert read_servers([url], tmp_path, "team") == {"team": RolloutServer(url, tmp_path)}
    named = read_servers([f"thinker={url}", f"solver={url}"], tmp_path, "team")
    assert named == {name: RolloutServer(url, tmp_path / name) for name in ("thinker", "solver")}


@pytest.mark.parametrize("texts", [["http://a/v1"], ["thinker=http://a/v1"], ["endpoint:a"] * 2])
def test_read_servers_refuses(texts, tmp_path):
    with pytest.raises(ValueError, match=r"rollouts must be \[ROLE=\]endpoint:URL"):
        read_servers(texts, tmp_path, "team")


def test_follow_refuses_servers_of_other_roles(tmp_path):
    policy = load_policy("tiny")
    servers = RolloutServers({"judge": RolloutServer("endpoint:http://127.0.0.1:1", tmp_path)})
    with pytest.raises(ValueError, match="must be those of team, got judge; pass one for each"):
        servers.follow({"team": policy}, ("thinker",))


def test_follow_says_what_to_install(tmp_path, monkeypatch):
    for name in ("policy", "client"):
        monkeypatch.delitem(sys.modules, f"baselines.policies.endpoint.{name}", raising=False)
    monkeypatch.setitem(sys.modules, "httpx2", None)
    servers = RolloutServers({"team": RolloutServer("endpoint:http://127.0.0.1:1", tmp_path)})
    with pytest.raises(ImportError, match=r"pip install 'ccpo-env\[endpoint\]'"):
        servers.follow({"team": load_policy("tiny")}, ("thinker",))


def test_reload_goes_to_the_root_of_the_server():
    config = servers_module._control(
        servers_module.parse_endpoint("endpoint:http://127.0.0.1:8130/v1#policy")
    )
    assert config.url == "http://127.0.0.1:8130"
