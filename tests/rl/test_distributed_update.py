"""Two processes that share the samples of an update take the step of one that has them all."""

from __future__ import annotations

import os
import sys
from functools import cache

import pytest
import torch

from baselines.common import processes as processes_module
from baselines.common.processes import SINGLE_PROCESS, connect
from baselines.optimizers import OPTIMIZERS
from baselines.policies.registry import load_policy
from baselines.policies.shard_files import SHARDS
from baselines.train.update.updater import Updater
from tests.rl.distributed_cases import CASES, NUM_STEPS, RESUMED, ROLES, Team, rows_of, run
from tests.rl.launching import run_python
from tests.rl.warm import launch_warm

pytestmark = pytest.mark.first
RUNS = [(name, shard) for name, case in CASES.items() for shard in case.shards]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """What two processes have written."""
    folder = tmp_path_factory.mktemp("two")
    for done in launch_warm("tests.rl.distributed_cases", 2, folder, num_processes=2):
        assert done.returncode == 0, done.stderr
    return folder


@pytest.fixture(scope="module")
def in_two(folder):
    """What two processes made of every case, by case, whether it was sharded, and rank."""
    return {
        (name, shard): [torch.load(folder / f"{name}.{shard}.{rank}.pt") for rank in range(2)]
        for name, shard in RUNS
    }


@pytest.fixture(scope="module")
def alone():
    """What one process makes of a case, computed once."""
    return cache(run)


@pytest.fixture(scope="module")
def start():
    """The weights before any step; adapters are compared with nothing."""
    return torch.cat([p.detach().flatten() for p in load_policy("tiny").module.parameters()])


@pytest.mark.parametrize(("name", "shard"), RUNS)
def test_two_processes_take_the_steps_of_one(in_two, alone, name, shard, start):
    alone, (first, second) = alone(name), in_two[name, shard]
    for role in ROLES:
        expected, found = alone[f"{role}/weights"], first[f"{role}/weights"]
        assert (expected.norm() > 0).item()
        difference = (found - expected).norm() / expected.norm()
        assert difference < 1e-6
        if CASES[name].dtype == torch.float64:
            torch.testing.assert_close(found, expected, rtol=1e-6, atol=1e-12)
        assert torch.equal(found, second[f"{role}/weights"])  # to the last bit
        if CASES[name].weights == "separate":
            has_moved = not torch.equal(found.float(), start)
            assert has_moved == CASES[name].moves
        metrics = alone[f"{role}/metrics"]
        rel = 1e-4 if CASES[name].dtype == torch.float64 else 1e-3
        assert first[f"{role}/metrics"] == second[f"{role}/metrics"]
        assert first[f"{role}/metrics"] == pytest.approx(metrics, rel=rel, abs=1e-6)


@pytest.mark.parametrize("name", RESUMED)
def test_one_process_goes_on_with_the_shards_of_two(folder, alone, name):
    assert len(list((folder / name).glob(f"*/{SHARDS}/*.distcp"))) == 2
    team = Team.load(CASES[name], SINGLE_PROCESS, folder / name)
    team.take([NUM_STEPS - 1])
    expected, found = alone(name), team.found()
    for role in ROLES:
        difference = found[f"{role}/weights"] - expected[f"{role}/weights"]
        assert difference.norm() / expected[f"{role}/weights"].norm() < 1e-6
        assert found[f"{role}/metrics"] == pytest.approx(
            expected[f"{role}/metrics"], rel=1e-3, abs=1e-6
        )


def test_two_roles_learn_different_things(in_two):
    thinker, solver = (in_two["lora", False][0][f"{role}/weights"] for role in ROLES)
    assert not torch.equal(thinker, solver)


class Failed:
    """Another process, whose loss was not finite."""

    rank, size, mesh = 0, 2, None

    def all_gather(self, values):
        is_outcome = values and isinstance(values[0], tuple) and len(values[0]) == 3
        return [*values, *([({}, [], "the loss must be finite, got nan")] if is_outcome else [])]

    def broadcast_parameters(self, parameters):
        pass

    def all_reduce_gradients(self, parameters):
        raise AssertionError("gradients of a failed update must not be added")


def test_update_fails_here_when_it_failed_in_another_process():
    policy = load_policy("tiny")
    before = [p.detach().clone() for p in policy.module.parameters()]
    updater = Updater(
        policy,
        OPTIMIZERS["grpo"],
        learning_rate=1e-3,
        warmup_steps=0,
        max_grad_norm=1.0,
        micro_batch_tokens=100,
        processes=Failed(),
    )
    with pytest.raises(FloatingPointError, match="must be finite, got nan, in process 1"):
        updater.update(rows_of(CASES["float32"], 0))
    after = policy.module.parameters()
    assert all(torch.equal(a, b) for a, b in zip(after, before, strict=True))


def test_connect_alone_needs_no_launcher(monkeypatch):
    monkeypatch.delenv("WORLD_SIZE", raising=False)
    assert connect(1) is SINGLE_PROCESS
    assert SINGLE_PROCESS.all_gather([3]) == [3]


@pytest.mark.parametrize(("launched", "wanted"), [("1", 2), ("2", 1), ("2", 3)])
def test_connect_refuses_another_number_of_processes(monkeypatch, launched, wanted):
    monkeypatch.setenv("WORLD_SIZE", launched)
    message = f"by the launcher, got {wanted} for {launched}; pass --num-processes {launched}, or "
    with pytest.raises(ValueError, match=message):
        connect(wanted)


def test_connect_refuses_no_process():
    with pytest.raises(ValueError, match="num_processes must be >= 1, got 0"):
        connect(0)


@pytest.mark.parametrize("variable", processes_module.SHARDING)
@pytest.mark.parametrize("num_processes", [1, 2])
def test_connect_refuses_a_launcher_that_was_told_to_shard(monkeypatch, variable, num_processes):
    # With --use_fsdp and no GPU, accelerate copies all weights or starts runs that never meet.
    monkeypatch.setenv("WORLD_SIZE", str(num_processes))
    monkeypatch.setenv(variable, "true")
    message = f"must leave the sharding of weights to --shard, got {variable} .*leave out --use_"
    with pytest.raises(ValueError, match=message):
        connect(num_processes)


def test_connect_refuses_what_accelerate_has_not_joined(monkeypatch):
    class Unjoined:
        num_processes = 1

        def __init__(self, **arguments):
            pass

    monkeypatch.setenv("WORLD_SIZE", "2")
    monkeypatch.setattr("accelerate.state.PartialState", Unjoined)
    with pytest.raises(ValueError, match="that accelerate has joined, got 2 for 1"):
        connect(2)


def test_connect_says_what_to_install(monkeypatch):
    monkeypatch.setenv("WORLD_SIZE", "2")
    monkeypatch.setitem(sys.modules, "accelerate.state", None)
    with pytest.raises(ImportError, match=r"accelerate installed.*ccpo-env\[distributed\]"):
        connect(2)


@pytest.mark.skipif("CCPO_SLOW" not in os.environ, reason="two interpreters with torch")
def test_connect_notices_a_launcher_that_starts_one_process_for_two(tmp_path):
    # accelerate launch --cpu --num_processes 2 says nothing and starts one.
    launcher = ("-m", "accelerate.commands.launch", "--cpu", "--num_processes", 2)
    done = run_python(*launcher, "-m", "tests.rl.distributed_cases", 2, tmp_path)
    assert done.returncode != 0
    assert "ValueError: num_processes must be the number of processes" in done.stderr
    assert "got 2 for 1" in done.stderr
    assert not list(tmp_path.iterdir())


def test_buckets_hold_one_type_and_no_more_than_they_may(monkeypatch):
    monkeypatch.setattr(processes_module, "BUCKET_SIZE", 5)
    sizes = [(2, torch.float32), (3, torch.float32), (1, torch.float32), (9, torch.float64)]
    sizes += [(1, torch.float64)]
    buckets = processes_module._buckets([torch.zeros(n, dtype=dtype) for n, dtype in sizes])
    assert [[t.numel() for t in bucket] for bucket in buckets] == [[2, 3], [1], [9], [1]]
