"""The command of docs/integrations.md that starts verl, run whole: two FSDP2 processes on CPUs.

``make verl`` runs it, in an environment of its own; it takes minutes.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import tempfile
from collections import defaultdict
from pathlib import Path

import numpy as np
import pytest

from baselines.credit import ALLOCATORS
from baselines.credit.outcomes import GroupOutcomes
from baselines.integrations.verl_data import main as write_data
from baselines.optimizers import OPTIMIZERS
from baselines.policies.registry import load_policy
from tests.rl.launching import ROOT
from tests.rl.test_verl_data import documented_overrides

pytestmark = [
    pytest.mark.skipif("CCPO_VERL" not in os.environ, reason="takes minutes; run: make verl"),
    pytest.mark.filterwarnings("ignore"),
    pytest.mark.timeout(1800),
]
AGENTS = ("thinker_0", "solver")
SMALL = {
    "data.train_batch_size": 2,
    "data.max_prompt_length": 512,
    "data.max_response_length": 24,
    "actor_rollout_ref.actor.ppo_mini_batch_size": 16,
    "actor_rollout_ref.actor.optim.lr": 1e-3,
    "+ccpo.group_size": 4,
    "trainer.total_training_steps": 2,
    "trainer.save_freq": -1,
}
"""Sizes of two short steps of a tiny model."""
ON_CPU = {
    "trainer.device": "cpu",
    "trainer.n_gpus_per_node": 2,
    "actor_rollout_ref.rollout.name": "hf_cpu",
    "actor_rollout_ref.rollout.tensor_model_parallel_size": 2,
    "actor_rollout_ref.model.use_remove_padding": "false",
    "+actor_rollout_ref.model.override_config.attn_implementation": "sdpa",
    "actor_rollout_ref.actor.use_torch_compile": "false",
    "actor_rollout_ref.rollout.agent.num_workers": 1,
    "reward.num_workers": 1,
    "data.dataloader_num_workers": 0,
    "transfer_queue.backend.SimpleStorage.num_data_storage_units": 1,
    "ray_kwargs.ray_init.num_cpus": 16,  # of the placement groups; nothing runs on them
    "+ray_kwargs.ray_init.num_gpus": 2,
    "+ray_kwargs.ray_init.include_dashboard": "false",
    "+ray_kwargs.ray_init.object_store_memory": 200_000_000,
}


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """The folder of a launch of two steps that ended with exit code 0."""
    folder = tmp_path_factory.mktemp("verl")
    load_policy("tiny_choice").save(folder / "model")
    arguments = ["--tasks", "arithmetic_choice", "--limit", "4", "--out", str(folder / "data")]
    assert write_data(arguments) == 0
    files = {
        "data.train_files": folder / "data" / "train.parquet",
        "data.val_files": folder / "data" / "val.parquet",
        "actor_rollout_ref.model.path": folder / "model",
        "+ccpo_advantage_log": folder / "advantages.jsonl",
        "trainer.rollout_data_dir": folder / "rollouts",
        "trainer.default_local_dir": folder / "checkpoints",
        "hydra.run.dir": folder / "hydra",
    }
    variables = {
        "VERL_PLATFORM": "cpu",
        "VERL_USE_EXTERNAL_MODULES": "tests.rl.verl_cpu",
        "PYTHONPATH": str(ROOT),
        "OMP_NUM_THREADS": "1",
        "HF_HUB_OFFLINE": "1",
        "HYDRA_FULL_ERROR": "1",
        "RAY_USAGE_STATS_ENABLED": "0",
        "RAY_prestart_worker_first_driver": "0",  # else one idle process for each of num_cpus
        "RAY_enable_worker_prestart": "0",
        "CCPO_SYNC_LOG": str(folder / "sync.jsonl"),
        "CCPO_GROUP_LOG": str(folder / "groups.jsonl"),
    }
    # Ray's folder holds sockets, whose paths must be short.
    with tempfile.TemporaryDirectory(prefix="ray-", dir="/tmp") as ray_folder:
        ray = {"+ray_kwargs.ray_init._temp_dir": ray_folder}
        overrides = {**documented_overrides(), **SMALL, **ON_CPU, **files, **ray}
        words = [f"{key}={value}" for key, value in overrides.items()]
        done = subprocess.run(
            [sys.executable, "-m", "verl.trainer.main_ppo", *words],
            cwd=folder,
            env={**os.environ, **variables},
            capture_output=True,
            text=True,
            check=False,
        )
    (folder / "output.txt").write_text(done.stdout + done.stderr, encoding="utf-8")
    assert done.returncode == 0, (done.stdout + done.stderr)[-6000:]
    return folder


def rows_of(path: Path):
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


def recomputed(group):
    """The advantages of a recorded group, by our allocator and optimizer."""
    branches = {turn: np.array(own) for turn, own in group["branches"].items()}
    outcomes = GroupOutcomes(AGENTS, np.array(group["rewards"]), branch_rewards=branches)
    credit = ALLOCATORS["branch"](outcomes)
    (advantages,) = OPTIMIZERS["grpo"].advantage([credit], [np.array(group["num_tokens"])])
    return advantages.ravel()


def test_advantages_of_both_steps_are_ours(folder):
    logged = defaultdict(list)
    for row in rows_of(folder / "advantages.jsonl"):
        logged[row["step"], row["uid"]].append(row)
    assert sorted(step for step, _ in logged) == [1, 1, 2, 2]
    groups = rows_of(folder / "groups.jsonl")
    assert len(groups) == 4
    # Sessions write in any order: a group is known by the lengths and rewards of its rollouts.
    expected = sorted(
        (
            np.ravel(group["num_tokens"]).tolist(),
            np.repeat(group["rewards"], 2).tolist(),
            recomputed(group).tolist(),
        )
        for group in groups
    )
    found = sorted(
        (
            [row["num_tokens"] for row in own],
            [row["reward"] for row in own],
            [row["advantage"] for row in own],
        )
        for own in logged.values()
    )
    for (tokens, rewards, advantages), ours in zip(found, expected, strict=True):
        assert (tokens, rewards) == ours[:2]
        np.testing.assert_allclose(advantages, ours[2], rtol=0, atol=1e-6)
    assert max(abs(row["advantage"]) for own in logged.values() for row in own) > 0.1


def test_verl_trained_on_these_advantages(folder):
    logged = defaultdict(list)
    for row in rows_of(folder / "advantages.jsonl"):
        logged[row["uid"]].append(row["advantage"])
    for step in (1, 2):
        for row in rows_of(folder / "rollouts" / f"{step}.jsonl"):
            uid, _, place = row["uid"].split("_")
            assert abs(row["score"] - logged[uid][int(place)]) <= 1e-6
    output = (folder / "output.txt").read_text(encoding="utf-8")
    for step in (1, 2):
        (line,) = re.findall(rf"step:{step} - .*", output)
        numbers = re.findall(r"(\S+):(?:np\.\w+\()?(-?\d[\d.e+-]*)", line)
        metrics = {name: float(number) for name, number in numbers}
        own = [
            row["advantage"] for row in rows_of(folder / "advantages.jsonl") if row["step"] == step
        ]
        assert metrics["critic/advantages/max"] == pytest.approx(max(own), abs=1e-4)
        assert metrics["critic/advantages/min"] == pytest.approx(min(own), abs=1e-4)
        assert metrics["training/off_policy/trajectory_staleness/max"] == 0


def test_sampler_got_new_weights_after_each_step(folder):
    synced = rows_of(folder / "sync.jsonl")
    assert [row["version"] for row in synced] == [0, 1, 2]
    assert synced[0]["moved"] == 0
    assert all(row["moved"] > 1e-5 for row in synced[1:])
