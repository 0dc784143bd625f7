"""The memory that the page of large models promises is that of real networks."""

from __future__ import annotations

import copy
import sys

import pytest
import torch
from torch.distributed.device_mesh import init_device_mesh
from torch.distributed.fsdp import fully_shard
from transformers import LlamaConfig, LlamaForCausalLM

from baselines.policies.local.lora import LoraBase, LoraSettings
from baselines.policies.registry import load_policy
from baselines.train.presets import PRESETS
from scripts import memory_table
from scripts.memory_table import (
    FEW_TOKENS,
    GPU_BYTES,
    activation_bytes,
    fewest_gpus,
    gathered_bytes,
    peak_bytes,
    sampling_bytes,
    state_bytes,
)
from scripts.model_sizes import MODELS, Sizes, counted, sizes_of

CONFIG = LlamaConfig(
    **{"hidden_size": 64, "intermediate_size": 96, "num_hidden_layers": 3, "vocab_size": 128},
    num_attention_heads=2,
)
PUBLISHED = {
    "Qwen/Qwen2.5-0.5B-Instruct": 494_032_768,
    "Qwen/Qwen2.5-1.5B-Instruct": 1_543_714_304,
    "Qwen/Qwen3-4B-Base": 4_022_468_096,
    "Qwen/Qwen2.5-7B-Instruct": 7_615_616_512,
    "allenai/Olmo-3-7B-Instruct": 7_298_011_136,
    "Qwen/Qwen2.5-14B-Instruct": 14_770_033_664,
}


def bytes_of(tensors) -> int:
    """Bytes that this process holds of some tensors, each storage once."""
    own = [getattr(tensor, "_local_tensor", tensor).untyped_storage() for tensor in tensors]
    return sum({storage.data_ptr(): storage.nbytes() for storage in own}.values())


def gradients_and_moments(module: torch.nn.Module) -> int:
    """Bytes of both after a step of AdamW on what is trained, as the updater takes it."""
    trained = [parameter for parameter in module.parameters() if parameter.requires_grad]
    adamw = torch.optim.AdamW(trained)
    module(input_ids=torch.arange(8)[None]).logits.sum().backward()
    adamw.step()
    moments = [
        moment for state in adamw.state.values() for name, moment in state.items() if name != "step"
    ]
    return bytes_of([parameter.grad for parameter in trained]) + bytes_of(moments)


@pytest.mark.parametrize("is_tied", [False, True])
def test_state_of_full_weights_is_that_of_a_real_network(is_tied):
    config = copy.deepcopy(CONFIG)
    config.tie_word_embeddings = is_tied
    size = counted(config)
    model = LlamaForCausalLM(config)
    measured = bytes_of(model.parameters()) + gradients_and_moments(model)
    assert state_bytes([size], "full") == measured
    assert state_bytes([size, size], "full", references=1) == 2.25 * measured


def test_state_of_adapters_is_that_of_a_real_base():
    base = LoraBase(load_policy("tiny"), "tiny")
    roles = [base.add(role, LoraSettings(rank=16)) for role in ("thinker", "solver")]
    trained = sum(gradients_and_moments(role.module) for role in roles)
    size = counted(roles[0].module.config)
    assert state_bytes([size, size], "lora") == bytes_of(roles[0].module.parameters()) + trained


@pytest.fixture
def eight_processes():
    """Rank 0 of eight, whose communication does nothing."""
    from torch.testing._internal.distributed.fake_pg import FakeStore

    torch.distributed.init_process_group("fake", store=FakeStore(), rank=0, world_size=8)
    yield init_device_mesh("cpu", (8,))
    torch.distributed.destroy_process_group()


def test_state_of_shards_is_that_of_a_real_shard(eight_processes):
    model = LlamaForCausalLM(CONFIG)
    for layer in model.model.layers:
        fully_shard(layer, mesh=eight_processes)
    fully_shard(model, mesh=eight_processes)
    measured = bytes_of(model.parameters()) + gradients_and_moments(model)
    assert measured == state_bytes([counted(CONFIG)], "full", shards=8)


@pytest.mark.parametrize("model", MODELS)
def test_models_have_the_published_number_of_parameters(model):
    assert sizes_of(model).parameters == PUBLISHED[model]


def test_an_unknown_model_is_refused():
    with pytest.raises(ValueError, match=r"Qwen2\.5-7B-Instruct"):
        sizes_of("Qwen/Qwen2.5-7B")


SMALL = Sizes(
    parameters=100, adapter=10, layer=20, ends=40, layers=3, width=2, vocabulary=5
)  # fmt: skip


def test_peak_of_a_team_by_hand():
    assert gathered_bytes(SMALL, "lora") == 4 * (40 + 2 * 20)
    assert gathered_bytes(SMALL, "full") == 2 * 4 * (40 + 2 * 20)
    assert activation_bytes(SMALL, 7) == 7 * 4 * (3 * 5 + 3 * 2)
    assert activation_bytes(SMALL, 7, copies=5) == 7 * 4 * (5 * 5 + 3 * 2)
    whole = 2 * 16 * 100 + activation_bytes(SMALL, 7)
    assert peak_bytes([SMALL, SMALL], "full", shards=1, tokens=7) == whole
    half = 16 * 100 + 2 * 4 * 80 + activation_bytes(SMALL, 7)
    assert peak_bytes([SMALL, SMALL], "full", shards=2, tokens=7) == half


def test_fewest_gpus_are_the_fewest_that_fit():
    team = [sizes_of("Qwen/Qwen2.5-7B-Instruct")] * 2
    fewest = fewest_gpus(team, "full", tokens=FEW_TOKENS)
    fits = [
        peak_bytes(team, "full", shards=n, tokens=FEW_TOKENS) <= 0.9 * GPU_BYTES
        for n in (fewest // 2, fewest)
    ]
    assert fits == [False, True]
    assert fewest_gpus(team, "full", tokens=100_000) is None


def test_sampling_gathers_all_weights_unless_they_are_whole():
    cache = 4 * 2**30
    assert sampling_bytes([SMALL, SMALL], "full", shards=1) == 2 * 16 * 100 + cache
    assert sampling_bytes([SMALL, SMALL], "full", shards=2) == 16 * 100 + 2 * 4 * 100 + cache
    of_adapters = (4 * 100 + 2 * 16 * 10) / 2
    assert sampling_bytes([SMALL, SMALL], "lora", shards=2) == of_adapters + 4 * 100 + cache


def test_a_server_saves_the_gathered_weights():
    team = [sizes_of("Qwen/Qwen2.5-7B-Instruct")] * 2
    with_server, without = (
        fewest_gpus(team, "full", tokens=FEW_TOKENS, has_server=has) for has in (True, False)
    )
    assert (with_server, without) == (8, None)


def test_every_preset_of_the_paper_is_in_the_table():
    table = memory_table.presets_table()
    for name in PRESETS:
        assert (f"| `{name}` |" in table) == name.startswith("paper/")


def test_the_command_prints_what_a_team_needs(monkeypatch, capsys):
    given = ["Qwen/Qwen2.5-1.5B-Instruct", "--roles", "1", "--weights", "full", "--gpus", "2"]
    monkeypatch.setattr(sys, "argv", ["memory_table", *given])
    memory_table.main()
    assert "state: 12.3 GB per GPU" in capsys.readouterr().out
