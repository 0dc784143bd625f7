"""Lock step, and what one process can show of sharded weights; several: distributed cases."""

from __future__ import annotations

import math
from types import SimpleNamespace

import pytest
import torch
from safetensors.torch import load_file
from torch.distributed.fsdp import FSDPModule

from baselines.common.command import command
from baselines.common.processes import SINGLE_PROCESS, connect, disconnect
from baselines.optimizers import OPTIMIZERS
from baselines.policies.local.hf import HFPolicy
from baselines.policies.local.sharding import is_sharded, shard, unsharded, whole
from baselines.policies.registry import load_policy
from baselines.policies.shard_files import read_shards, write_shards
from baselines.train.config import TrainConfig
from baselines.train.engines.server_weights import save_untied
from baselines.train.team_policies import TeamPolicies
from baselines.train.update.forward import score
from baselines.train.update.lock_step import in_lock_step
from baselines.train.update.updater import Updater
from tests.rl.distributed_cases import CASES, ROLES, Team
from tests.rl.fake_vllm import make_tied
from tests.rl.test_updater_options import out_of_memory_above, toy_rows, with_logprobs
from tests.rl.toy_policy import ToyPolicy


class Sharded:
    """The first of two processes over which weights are sharded; the other has more batches."""

    rank, world_size, mesh = 0, 2, "two processes"

    def __init__(self, more: int) -> None:
        self._more = more

    def all_gather(self, values):
        is_count = len(values) == 1 and isinstance(values[0], int)
        return [*values, *([values[0] + self._more] if is_count else [])]

    def all_reduce_gradients(self, parameters):
        pass

    def broadcast_parameters(self, parameters):
        pass


@pytest.fixture(scope="module")
def one():
    """One process with a mesh of its own."""
    processes = connect(1, shard=True)
    yield processes
    disconnect(processes)


def sharded_updater(policy, more: int, **given) -> Updater:
    return Updater(
        *(policy, OPTIMIZERS["grpo"]),
        learning_rate=0.1,
        warmup_steps=0,
        max_grad_norm=1e9,
        processes=Sharded(more),
        **{"micro_batch_tokens": 10_000, **given},
    )


def test_a_process_with_fewer_batches_computes_as_many_passes_as_the_other() -> None:
    assert in_lock_step([[1], [2]], Sharded(3)) == [[1], [2], None, None, None]
    assert in_lock_step([], Sharded(0)) == []
    assert in_lock_step([[1]], SINGLE_PROCESS) == [[1]]
    policy = ToyPolicy()
    scored = score(
        policy, [row.completion for row in toy_rows(3)], micro_batch_tokens=1, processes=Sharded(2)
    )
    assert (len(scored), policy.num_forwards) == (3, 5)


def test_fillers_change_nothing_in_an_update() -> None:
    policy, expected = ToyPolicy(), ToyPolicy()
    alone, found = (
        sharded_updater(own, more).update(toy_rows(4)) for own, more in ((expected, 0), (policy, 3))
    )
    assert policy.num_forwards == expected.num_forwards + 3
    assert found == alone
    assert torch.equal(policy.module.weight, expected.module.weight)


def test_a_loss_that_is_not_finite_is_raised_after_the_passes_that_others_wait_in() -> None:
    policy, rows = ToyPolicy(), toy_rows(4)
    before = policy.module.weight.clone()
    updater = sharded_updater(policy, more=2, micro_batch_tokens=1)
    with pytest.raises(FloatingPointError, match="finite, got nan"):
        updater.update([with_logprobs(rows[0], math.nan), *rows[1:]])
    assert policy.num_forwards == 4 + 2
    assert torch.equal(policy.module.weight, before)
    assert policy.module.weight.grad is None


def test_memory_that_runs_out_ends_the_update_without_a_retry() -> None:
    policy = out_of_memory_above(0)
    message = "that do not, and --shard allows no retry; lower --micro-batch-tokens"
    with pytest.raises(MemoryError, match=message):
        sharded_updater(policy, more=0).update(toy_rows(4))
    assert policy.num_forwards == 1


def test_whole_weights_are_held_only_inside_the_block(one) -> None:
    policy = load_policy("tiny")
    assert isinstance(policy, HFPolicy)
    before = {name: p.detach().clone() for name, p in policy.module.named_parameters()}
    policy.shard(one.mesh)
    layers = [type(m).__name__ for m in policy.module.modules() if isinstance(m, FSDPModule)]
    assert layers == ["FSDPLlamaForCausalLM", *["FSDPLlamaDecoderLayer"] * 2]
    with unsharded([policy.module, policy.module]):
        assert not is_sharded(policy.module)
        inside = {name: p.detach().clone() for name, p in policy.module.named_parameters()}
    assert is_sharded(policy.module)
    assert all(torch.equal(inside[name], own) for name, own in before.items())
    assert all(
        torch.equal(whole(p.detach()), before[name]) for name, p in policy.module.named_parameters()
    )


def test_the_adapter_that_spoke_last_is_trained_with_its_shards(one, tmp_path) -> None:
    crew = TeamPolicies(
        TrainConfig(weights="lora", lora_rank=2),
        OPTIMIZERS["grpo"],
        **dict.fromkeys(("roles", "trained"), ROLES),
        checkpoint=None,
        failure_dir=tmp_path,
        processes=one,
    )
    assert crew.policies["thinker"].module is crew.policies["solver"].module
    for role in ROLES:  # each is active before and after the other has spoken
        other = next(name for name in ROLES if name != role)
        crew.policies[other].module  # noqa: B018  activates its adapter
        with crew.playing():
            crew.policies[role].module  # noqa: B018
        trained = [
            name for name, p in crew.policies[role].module.named_parameters() if p.requires_grad
        ]
        assert trained
        assert all(f".{role}." in name for name in trained)


def test_a_checkpoint_of_whole_weights_is_read_in_shards(one, tmp_path) -> None:
    case = CASES["float32"]
    first = Team.of(case, SINGLE_PROCESS)
    first.take([0])
    first.save(tmp_path, 1)
    second = Team.load(case, one, tmp_path)
    for team in (first, second):
        team.take([1])
    expected, found = first.found(), second.found()
    for role in ROLES:
        torch.testing.assert_close(
            found[f"{role}/weights"], expected[f"{role}/weights"], rtol=1e-6, atol=1e-7
        )


def test_a_tied_layer_is_gathered_and_written_for_servers_and_for_transformers(
    one, tmp_path
) -> None:
    from transformers import AutoModelForCausalLM

    policy = make_tied(load_policy("tiny"))
    assert isinstance(policy, HFPolicy)
    embedding = policy.module.get_input_embeddings().weight.detach().clone()
    policy.shard(one.mesh)
    save_untied(policy, tmp_path / "served")
    policy.save(tmp_path / "plain")
    served = load_file(tmp_path / "served" / "model.safetensors")
    assert torch.equal(served["lm_head.weight"], embedding)
    assert "lm_head.weight" not in load_file(tmp_path / "plain" / "model.safetensors")
    loaded = AutoModelForCausalLM.from_pretrained(tmp_path / "plain")
    assert type(loaded).__name__ == "LlamaForCausalLM"
    assert torch.equal(loaded.get_output_embeddings().weight, embedding)


def test_states_without_shards_are_written_as_they_are(tmp_path) -> None:
    states = {"team": {"num_updates": 3, "state": {0: {"step": torch.tensor(3.0)}}}}
    assert write_shards(tmp_path / "shards", states) == states
    assert not (tmp_path / "shards").exists()
    assert read_shards(tmp_path / "shards", states, lambda *_: torch.zeros(1)) == states


def test_a_quantised_model_is_not_sharded() -> None:
    with pytest.raises(ValueError, match="held whole by each process, got --shard; leave it out"):
        shard(SimpleNamespace(is_quantized=True), None)


def test_connect_says_that_torch_is_too_old(monkeypatch) -> None:
    monkeypatch.delenv("WORLD_SIZE", raising=False)
    monkeypatch.delattr(FSDPModule, "set_force_sum_reduction_for_comms")
    with pytest.raises(ImportError, match=r"torch 2\.9 or newer, got an older one; pip install"):
        connect(1, shard=True)


def test_a_command_says_in_one_line_that_another_process_has_ended(capsys) -> None:
    @command
    def main() -> int:
        raise RuntimeError("[third_party/gloo/pair.cc:553] Connection closed by peer [::1]:85.")

    assert main() == 1
    said = capsys.readouterr().err
    assert said.startswith("error: all processes of a run must go on together, got RuntimeError")
    assert said.count("\n") == 1
