"""The advantages in the loss of TRL's own trainer, in one process and in two."""

from __future__ import annotations

import importlib.util
import pickle
import re
import sys
from contextlib import nullcontext
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
import torch

from baselines.credit import ALLOCATORS
from baselines.optimizers import OPTIMIZERS
from tests.rl.launching import ROOT, TORCHRUN, launch, run_python

pytestmark = [pytest.mark.first, pytest.mark.interpreters]

needs_trl = pytest.mark.skipif(
    importlib.util.find_spec("trl") is None,
    reason="trl is not installed: pip install 'ccpo-env[trl]'",
)
NAMES = ("counterfactual", "branch")


@pytest.fixture(scope="module")
def seen(tmp_path_factory):
    """What each process saw, by number of processes and config."""

    def read(folder, name, num_processes):
        return [
            pickle.loads((folder / f"{name}.{rank}.pickle").read_bytes())
            for rank in range(num_processes)
        ]

    found = {}
    for num_processes in (1, 2):
        folder = tmp_path_factory.mktemp(f"trl{num_processes}")
        if num_processes == 1:
            done = run_python("-m", "tests.rl.trl_worker", folder)
        else:
            done = launch("tests.rl.trl_worker", folder, num_processes=num_processes)
        assert done.returncode == 0, done.stderr
        for name in NAMES:
            found[num_processes, name] = read(folder, name, num_processes)
    found["sharded"] = read(folder, "sharded", 2)
    return found


def expected_rows(processes, name, step):
    """Tokens and advantage of every completion of a step, from the groups of all processes."""
    from tests.rl.trl_worker import CONFIGS

    config, agents = CONFIGS[name], processes[0]["agents"]
    groups = [group for process in processes for group in process["groups"][step]]
    credit = ALLOCATORS[config.allocator].many([group.outcomes(agents) for group in groups])
    counts = [
        np.array([[len(completion.token_ids) for completion in r.sampled] for r in g.rollouts])
        for g in groups
    ]
    advantages = OPTIMIZERS[config.optimizer].advantage(credit, counts)
    return sorted(
        (completion.prompt_ids, completion.token_ids, value)
        for group, own in zip(groups, advantages, strict=True)
        for rollout, values in zip(group.rollouts, own, strict=True)
        for completion, value in zip(rollout.sampled, values, strict=True)
    )


@needs_trl
@pytest.mark.parametrize("num_processes", [1, 2])
@pytest.mark.parametrize("name", NAMES)
def test_advantages_in_the_loss_are_ours(seen, name, num_processes):
    processes = seen[num_processes, name]
    num_steps = len(processes[0]["rows"])
    assert num_steps == 3
    largest = 0.0
    for step in range(num_steps):
        found = sorted(row for process in processes for row in process["rows"][step])
        expected = expected_rows(processes, name, step)
        assert [row[:2] for row in found] == [row[:2] for row in expected]
        advantages = [row[2] for row in expected]
        np.testing.assert_allclose([r[2] for r in found], advantages, rtol=1e-6, atol=1e-6)
        largest = max(largest, np.abs(advantages).max())
    assert largest > 0.5


@needs_trl
@pytest.mark.parametrize("name", NAMES)
def test_groups_are_whole_and_processes_end_with_the_same_weights(seen, name):
    first, second = seen[2, name]
    assert torch.equal(first["weights"], second["weights"])
    assert first["moved"]
    for process in (first, second):
        tasks = [group.task.id for groups in process["groups"] for group in groups]
        assert len(set(tasks)) == len(tasks)
    played = [{g.task.id for groups in p["groups"] for g in groups} for p in (first, second)]
    assert not played[0] & played[1]


@needs_trl
@pytest.mark.parametrize(
    ("changes", "arguments", "message"),
    [
        ({}, {"num_generations": 4}, r"4 x 2, got 4; pass num_generations=8"),
        ({}, {"per_device_train_batch_size": 4}, "whole groups of 8 rows, got .* = 4"),
        ({"weights": "separate"}, {}, "weights must be 'shared'.*got 'separate'"),
        ({"role_temperatures": {"solver": 0.3}}, {}, "role_temperatures .* got {'solver': 0.3}; "),
        ({"train_on": "all"}, {}, "train_on must be 'team' and retrospect 0 .* got 'all' and 0; "),
        ({"retrospect": 8}, {}, "train_on must be 'team' and retrospect 0 .* got 'team' and 8; "),
        (
            {"optimizer": "reinforce_pp", "optimizer_args": {"gamma": "0.9"}},
            {},
            "one advantage here, got gamma",
        ),
    ],
)
@pytest.mark.filterwarnings("ignore")  # those of TRL
def test_trainer_refuses_what_does_not_fit(tmp_path, changes, arguments, message):
    from trl import GRPOConfig

    from baselines.integrations.trl import CreditGRPOTrainer
    from baselines.policies.registry import load_policy
    from ccpo_env.types import Task
    from tests.rl.trl_worker import CONFIGS

    args = GRPOConfig(output_dir=str(tmp_path), use_cpu=True, bf16=False, report_to="none")
    sizes = {"num_generations": 8, "per_device_train_batch_size": 8, "steps_per_generation": 1}
    for key, value in {**sizes, **arguments}.items():
        setattr(args, key, value)
    policy = load_policy("tiny")
    with pytest.raises(ValueError, match=message):
        CreditGRPOTrainer(
            policy.module,
            config=replace(CONFIGS["counterfactual"], **changes),
            tasks=[Task("t/0", "1+1", "2")],
            args=args,
            tokenizer=policy.tokenizer,
        )


@needs_trl
def test_sharded_weights_are_gathered_to_play(seen):
    for whole, shards, state in seen["sharded"]:
        assert [[row.completion.token_ids for row in group.rows] for group in shards] == [
            [row.completion.token_ids for row in group.rows] for group in whole
        ]
        assert any(group.rows for group in whole)
        assert state == (True, True)
    assert [len(whole) for whole, *_ in seen["sharded"]] == [2, 1]


@needs_trl
@pytest.mark.parametrize(
    ("plugin", "is_refused"),
    [(None, False), (SimpleNamespace(fsdp_version=2), False), (SimpleNamespace(fsdp_version=1), 1)],
)
def test_shards_that_cannot_be_gathered_are_refused(plugin, is_refused):
    from baselines.integrations.trl import _check_sharding

    expected = pytest.raises(ValueError, match="got FSDP 1; pass --fsdp_version 2")
    with expected if is_refused else nullcontext():
        _check_sharding(SimpleNamespace(fsdp_plugin=plugin))


@needs_trl
@pytest.mark.parametrize("num_processes", [1, 2])
def test_example_in_the_documentation_trains(tmp_path, num_processes):
    page = (ROOT / "docs" / "integrations.md").read_text(encoding="utf-8")
    code = re.search(r'^```py title="train_trl.py"\n(.*?)^```', page, re.DOTALL | re.MULTILINE)[1]
    assert 'output_dir="runs/trl"' in code
    if num_processes == 2:  # and adapters, as a comment says
        code, count = re.subn(r"# (peft_config=.*),  # .*", r"\1,", code)
        assert count == 1
    script = tmp_path / "train_trl.py"
    script.write_text(code.replace("runs/trl", str(tmp_path / "trl")), encoding="utf-8")
    processes = () if num_processes == 1 else (*TORCHRUN, "--nproc_per_node=2")
    done = run_python(*processes, script, PYTHONPATH=str(ROOT))
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("'train_loss'") == 1
    saved = {path.name for path in (tmp_path / "trl" / "checkpoint-10").iterdir()}
    assert ("adapter_model.safetensors" in saved) == (num_processes == 2)


@pytest.mark.parametrize(
    ("package", "got"), [(None, "none"), (SimpleNamespace(GRPOTrainer=object), "one without _gen")]
)
def test_adapter_says_what_to_install(monkeypatch, package, got):
    if package is not None:
        package.GRPOConfig = object
        models = SimpleNamespace(unwrap_model_for_generation=None)
        monkeypatch.setitem(sys.modules, "trl.models", models)
    monkeypatch.setitem(sys.modules, "trl", package)
    monkeypatch.delitem(sys.modules, "baselines.integrations.trl", raising=False)
    expected = (
        rf"^the TRL adapter must have the package trl 1.16 installed, got {got}.*ccpo-env\[trl\]"
    )
    with pytest.raises(ImportError, match=expected):
        importlib.import_module("baselines.integrations.trl")
