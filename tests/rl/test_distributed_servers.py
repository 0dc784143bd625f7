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
from baselines.train.engines import server_weights
from baselines.train.engines.rollout_servers import RolloutServer, RolloutServers, read_servers
from baselines.train.engines.served_policy import ServedPolicy
from baselines.train.engines.server_weights import save_untied
from baselines.train.engines.sync_guard import FLOAT32_LIMIT, StaleServerError
from tests.rl.fake_vllm import PATHS, FakeVLLM, make_tied
from tests.rl.models import servable

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


def largest(speaker: ServedPolicy, completions: list[Completion]) -> float:
    return max(row.max() for row in speaker.gaps_of(completions))


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
            assert servers.version == version
            completions = ask(speaker, version)
            assert largest(speaker, completions) < 1e-5
            servers.check()
            move(policy)
            assert largest(speaker, completions) > 1e-2
            servers.sync()
        assert server.num_reloads == 4
        sync = ["/collective_rpc", "/reset_prefix_cache"]
        assert server.commands == [*sync, "/weight_checker"] * 3 + sync


@pytest.mark.parametrize("paths", [PATHS, PATHS[:2]])
def test_check_catches_a_server_that_did_not_reload(tmp_path, paths):
    policy = load_policy("tiny")
    save_untied(policy, tmp_path / "served")
    with FakeVLLM(tmp_path / "served", paths=paths) as server:
        servers, speaker = following(server, policy)
        ask(speaker)
        servers.check()
        server.is_stale = True
        move(policy)
        servers.sync()
        ask(speaker, 2)
        # By the digests that it reports, or else by its log-probabilities.
        message = r"others in \d+ of \d+ tensors|a mean gap of \S+ nats, \S+ at the start, for team"
        with pytest.raises(StaleServerError, match=message.split("|")[len(paths) == 2]):
            servers.check()


def test_check_catches_the_tied_last_layer_that_a_reload_leaves(tmp_path, monkeypatch):
    policy = make_tied(load_policy("tiny"))
    folder = tmp_path / "served"
    policy.save(folder)
    monkeypatch.setattr(server_weights, "save_untied", lambda policy, folder: policy.save(folder))
    with FakeVLLM(folder) as server:
        servers, speaker = following(server, policy)
        ask(speaker)
        servers.check()
        move(policy)
        servers.sync()
        ask(speaker, 1)
        with pytest.raises(StaleServerError, match="after sync 1"):
            servers.check()


@pytest.mark.parametrize(
    ("paths", "limit"), [(PATHS, "0.001 in float32"), ((), "0.1 at the start")]
)
def test_check_catches_a_server_of_another_model_before_training(tmp_path, paths, limit):
    policy = load_policy("tiny")
    save_untied(policy, tmp_path / "served")
    with FakeVLLM(tmp_path / "served", is_stale=True, paths=PATHS[:2] + paths) as server:
        move(policy)
        servers, speaker = following(server, policy)
        ask(speaker)
        with pytest.raises(StaleServerError, match=rf"limit {limit}\), for team after sync 0"):
            servers.check()


def test_check_compares_a_bfloat16_server_with_its_own_start(tmp_path):
    policy = load_policy("tiny")
    save_untied(policy, tmp_path / "served")
    with FakeVLLM(tmp_path / "served", dtype=torch.bfloat16) as server:
        servers, speaker = following(server, policy)
        for seed in range(2):
            assert largest(speaker, ask(speaker, seed)) > FLOAT32_LIMIT
            servers.check()
            servers.sync()
        server.is_stale = True
        move(policy)
        servers.sync()
        ask(speaker)
        with pytest.raises(StaleServerError, match="weights of sync 3, got others"):
            servers.check()


def test_served_policy_keeps_one_batch_per_sync_for_the_check(tmp_path):
    policy = load_policy("tiny")
    save_untied(policy, tmp_path / "served")
    with FakeVLLM(tmp_path / "served") as server:
        servers, speaker = following(server, policy)
        first = ask(speaker)
        ask(speaker, 1)
        assert [len(row) for row in speaker.gaps()] == [len(c.token_ids) for c in first]
        assert speaker.gaps() == []
        ask(speaker)
        assert speaker.gaps() == []
        servers.sync()
        ask(speaker)
        assert len(speaker.gaps()) == len(first)


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
    with pytest.raises(
        ValueError, match="its own weights to be written as a model, got LoraPolicy"
    ):
        save_untied(adapter, tmp_path / "served")


def test_servable_policy_is_the_embedded_one():
    tokens = torch.randint(3, 140, (2, 30), generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        found, expected = (
            policy.module(tokens).logits for policy in (servable(), load_policy("tiny"))
        )
    torch.testing.assert_close(found, expected)


def test_weights_command_writes_a_folder_to_serve(tmp_path, capsys):
    servable().save(tmp_path / "model")
    given = ["--policy", str(tmp_path / "model"), "--out", str(tmp_path / "served")]
    assert server_weights.main(given) == 0
    assert capsys.readouterr().out == f"{tmp_path / 'served'}\n"
    path = tmp_path / "served" / "model.safetensors"
    assert "lm_head.weight" in load_file(path)
    assert path.stat().st_mode & 0o777 == (tmp_path / "served").stat().st_mode & 0o666


@pytest.mark.parametrize(
    ("policy", "message"),
    [
        ("tinyy", "did you mean 'tiny'?"),
        ("tiny", "a size of at least 32 for a vLLM server, got 16; pass another policy"),
    ],
)
def test_weights_command_says_what_is_wrong(policy, message, tmp_path, capsys):
    with pytest.raises(SystemExit) as error:
        server_weights.main(["--policy", policy, "--out", str(tmp_path / "served")])
    assert error.value.code == 2
    assert message in capsys.readouterr().err
    assert not (tmp_path / "served").exists()


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
    with pytest.raises(ValueError, match="must be endpoint:URL, got judge=endpoint:URL; pass a"):
        servers.follow({"team": policy}, ("thinker",))


def test_follow_says_what_to_install(tmp_path, monkeypatch):
    for name in ("policy", "client"):
        monkeypatch.delitem(sys.modules, f"baselines.policies.endpoint.{name}", raising=False)
    monkeypatch.setitem(sys.modules, "httpx2", None)
    servers = RolloutServers({"team": RolloutServer("endpoint:http://127.0.0.1:1", tmp_path)})
    with pytest.raises(ImportError, match=r"pip install 'ccpo-env\[endpoint\]'"):
        servers.follow({"team": load_policy("tiny")}, ("thinker",))
