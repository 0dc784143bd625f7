"""A whole run: two processes train a thinker and a solver, two servers play their rollouts."""

from __future__ import annotations

import json
import os

import pytest
import torch
from safetensors.torch import load_file

from baselines.common.evaluation_file import read_evaluations
from baselines.common.processes import SINGLE_PROCESS, own_share
from baselines.policies.checkpoints import read_arrays
from baselines.policies.registry import load_policy
from baselines.policies.shard_files import SHARDS
from baselines.policies.team import load_team
from baselines.rollouts.costs import CostTracker
from baselines.train.config import TrainConfig
from baselines.train.critic.value_model import DECAY
from baselines.train.engines import command
from baselines.train.engines.server_weights import save_untied
from baselines.train.trainer import Trainer
from tests.rl.fake_vllm import FakeVLLM
from tests.rl.launching import launch
from tests.rl.teams import quietly, write_tasks
from tests.rl.warm import launch_warm

ROLES = ("thinker", "solver")
NUM_STEPS = 2


def flags(tasks, out_dir, *, num_steps=NUM_STEPS):
    sizes = {
        "steps": num_steps,
        "tasks-per-step": 3,
        "group-size": 4,
        "removed-samples": 2,
        "num-eval-tasks": 3,
        "max-tokens": 12,
        "tasks": tasks,
        "out-dir": out_dir,
    }
    return [text for name, value in sizes.items() for text in (f"--{name}", value)]


def metrics_of(out_dir):
    lines = (out_dir / "metrics.jsonl").read_text(encoding="utf-8").splitlines()
    return [json.loads(line) for line in lines]


@pytest.fixture
def tasks(tmp_path):
    return write_tasks(tmp_path / "tasks.jsonl", num_train=20, num_test=6)


def by_launcher(module, *arguments, num_processes):
    return [launch(module, *arguments, num_processes=num_processes)]


LAUNCHER = pytest.param(
    *(by_launcher, ()),
    marks=pytest.mark.skipif(
        "CCPO_SLOW" not in os.environ, reason="three interpreters with torch; set CCPO_SLOW=1"
    ),
)


@pytest.mark.parametrize(("start", "shard"), [(launch_warm, ("--shard",)), LAUNCHER])
def test_two_trainers_and_two_servers_train_a_team(tasks, tmp_path, start, shard):
    out_dir, folder = tmp_path / "run", tmp_path / "served"
    for role in ROLES:
        save_untied(load_policy("tiny"), folder / role)
    with FakeVLLM(folder / "thinker") as thinker, FakeVLLM(folder / "solver") as solver:
        options = {"read_timeout_s": 30, "api": "completions"}  # the model has no chat template
        rollouts = [
            f"{role}={server.spec(**options)}"
            for role, server in zip(ROLES, (thinker, solver), strict=True)
        ]
        ours = ("--num-processes", 2, *shard, "--rollouts", *rollouts, "--rollout-folder", folder)
        common = (*ours, *flags(tasks, out_dir))
        for done in start("baselines.train.engines", *common, num_processes=2):
            assert done.returncode == 0, done.stderr
        roles_asked = [len(server.requests) for server in (thinker, solver)]
        for server in (thinker, solver):
            assert server.num_reloads == 1 + NUM_STEPS
            sync = ["/collective_rpc", "/reset_prefix_cache"]
            assert server.commands == [*sync, "/weight_checker"] * (1 + NUM_STEPS)
    assert roles_asked[1] > roles_asked[0] > 0  # the solver also answers alone
    rows = metrics_of(out_dir)
    assert [row["step"] for row in rows] == [1, 2]
    for row in rows:
        assert row["accuracy/solo"] is not None
        for role in ROLES:
            assert row[f"update/{role}/mismatch_max"] < 1e-4
    assert any(row["update/solver/grad_norm"] > 0 for row in rows)
    final = out_dir / "checkpoints" / f"step_{NUM_STEPS:06d}"
    for role in ROLES:
        trained = load_policy(final / role).module.state_dict()
        served = load_file(folder / role / "model.safetensors")
        assert all(torch.equal(trained[name], served[name]) for name in served)
    assert (out_dir / "report.html").exists()
    summary = json.loads((out_dir / "summary.json").read_text(encoding="utf-8"))
    assert summary["status"] == "finished"
    assert summary["final"]["num_tasks"] == 3


def test_two_processes_go_on_with_the_run_of_one(tasks, tmp_path):
    out_dir = tmp_path / "run"
    assert quietly(command.main, *flags(tasks, out_dir, num_steps=1))[0] == 0
    given = ("--num-processes", 2, *flags(tasks, out_dir), "--resume")
    first, second = launch_warm("baselines.train.engines", *given, num_processes=2)
    assert (first.returncode, second.returncode) == (0, 0), first.stderr + second.stderr
    assert "resumed after step 1" in first.stdout
    rows = metrics_of(out_dir)
    assert [row["step"] for row in rows] == [1, 2]
    # Three tasks in groups of four, shared by two processes: each answer is verified once.
    assert all(row["cost/verifier_calls"] >= 12 for row in rows)
    found = read_evaluations(out_dir)  # the tasks of both processes, written by one of them
    assert [own.step for own in found] == [0, 2]
    assert [len(own.rates()) for own in found] == [3, 3]
    assert found[1].tokens == sum(row["cost/tokens_generated"] for row in rows)


THREE = pytest.param(
    3, marks=pytest.mark.skipif("CCPO_SLOW" not in os.environ, reason="three more processes")
)


@pytest.mark.parametrize("num_processes", [1, THREE])
def test_another_number_of_processes_goes_on_with_sharded_weights(tasks, tmp_path, num_processes):
    out_dir = tmp_path / "run"
    given = (*flags(tasks, out_dir, num_steps=1), "--weights", "lora", "--lora-rank", 2)
    ranks = launch_warm(
        "baselines.train.engines", "--num-processes", 2, "--shard", *given, num_processes=2
    )
    assert [rank.returncode for rank in ranks] == [0, 0], ranks[0].stderr + ranks[1].stderr
    first = out_dir / "checkpoints" / "step_000001"
    assert len(list((first / SHARDS).glob("*.distcp"))) == 2
    for role in ROLES:  # gathered from both
        saved = load_file(first / role / "adapter_model.safetensors")
        exported = load_file(out_dir / "model" / role / "adapter_model.safetensors")
        assert all(torch.equal(saved[name], exported[name]) for name in saved)
        assert any(tensor.any() for name, tensor in saved.items() if "lora_B" in name)
    given = (*flags(tasks, out_dir), "--weights", "lora", "--lora-rank", 2, "--resume")
    if num_processes == 1:
        assert quietly(command.main, *given)[0] == 0
    else:
        given = ("--num-processes", 3, "--shard", *given)
        ranks = launch_warm("baselines.train.engines", *given, num_processes=3)
        assert [rank.returncode for rank in ranks] == [0] * 3, ranks[0].stderr
    rows = metrics_of(out_dir)
    assert [row["step"] for row in rows] == [1, 2]
    assert rows[1]["update/solver/grad_snr"] is not None  # compared with the gathered one before
    assert all(row["update/solver/mismatch_max"] < 1e-4 for row in rows)
    assert len(load_team(str(out_dir), ROLES, own_copies=False)) == 2


def test_two_processes_fit_one_critic(tasks, tmp_path):
    out_dir = tmp_path / "run"
    given = flags(tasks, out_dir)
    removals = given.index("--removed-samples")  # a critic removes nobody
    given[removals : removals + 2] = ["--allocator", "critic", "--num-processes", 2]
    ranks = launch_warm("baselines.train.engines", *given, num_processes=2)
    assert [rank.returncode for rank in ranks] == [0, 0], ranks[0].stderr + ranks[1].stderr
    rows = metrics_of(out_dir)
    assert [row["critic/solver_0/weight"] is None for row in rows] == [False, False]
    arrays = read_arrays(out_dir / "checkpoints" / f"step_{NUM_STEPS:06d}")
    # The tasks of both processes, three in each of two steps; all 12 rollouts of the last step.
    numbers = arrays["total"][:, 0]
    assert len(set(numbers)) == len(numbers) > 3
    assert arrays["moments"][0, :, 0, 0].sum() == pytest.approx(12 + DECAY * 12)


def test_one_process_is_the_usual_run(tasks, tmp_path):
    config = TrainConfig(tasks=str(tasks), steps=1)
    assert Trainer(config, tmp_path)._processes is SINGLE_PROCESS
    given = ("--num-processes", 1, *flags(tasks, tmp_path / "a", num_steps=1))
    assert quietly(command.main, *given)[0] == 0
    from baselines.train import command as plain

    assert quietly(plain.main, *flags(tasks, tmp_path / "b", num_steps=1))[0] == 0
    timeless = [
        [{k: v for k, v in row.items() if not k.startswith("time/")} for row in metrics_of(folder)]
        for folder in (tmp_path / "a", tmp_path / "b")
    ]
    assert timeless[0] == timeless[1]


@pytest.mark.parametrize(
    ("given", "message"),
    [
        (
            ("--num-processes", 2),
            "got 2 for 1; pass --num-processes 1, or start python -m torch.distributed.run",
        ),
        (("--rollouts", "endpoint:http://127.0.0.1:1"), "rollout_folder must be given"),
        (("--rollouts", "vllm", "--rollout-folder", "."), r"must be \[ROLE=\]endpoint:URL"),
    ],
)
def test_command_says_what_is_wrong_in_one_sentence(given, message, capsys):
    import re

    code, _ = quietly(command.main, *given)
    error = capsys.readouterr().err
    assert code == 2
    assert re.search(message, error)
    assert error.count("\n") == 1


class Rank:
    """One of several processes that never talks to the others."""

    mesh = None

    def __init__(self, rank: int, size: int) -> None:
        self.rank, self.world_size = rank, size


@pytest.mark.parametrize(("count", "size"), [(5, 2), (1, 3), (0, 2), (8, 4)])
def test_own_shares_are_a_partition_in_order_of_almost_equal_parts(count, size):
    parts = [own_share(list(range(count)), Rank(rank, size)) for rank in range(size)]
    assert [value for part in parts for value in part] == list(range(count))
    sizes = [len(part) for part in parts]
    assert max(sizes) - min(sizes) <= 1


def test_trainer_refuses_a_cache_in_several_processes(tmp_path):
    config = TrainConfig(removed_cache_decay=0.5)
    with pytest.raises(ValueError, match="removed_cache_decay must be 0 with several processes"):
        Trainer(config, tmp_path, processes=Rank(0, 2))


def test_ledgers_of_processes_add_up_but_for_their_time():
    first, second = CostTracker(generate_s=1.0), CostTracker(generate_s=3.0, forward_passes=2)
    first.count("joint", tokens_generated=5, verifier_calls=1)
    second.count("joint", tokens_generated=2)
    second.count("removed", tokens_generated=4, tokens_read=7, verifier_calls=2)
    total = CostTracker.total([first, second])
    assert (total.tokens_generated, total.verifier_calls) == (11, 3)
    assert dict(total.generated) == {"joint": 7, "removed": 4}
    assert total.read["removed"] == 7
    assert (total.generate_s, total.forward_passes) == (3.0, 2)
