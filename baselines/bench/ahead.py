"""``ccpo bench ahead``: how much faster steps are with rollouts one step ahead, on a real vLLM."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import tempfile
import time
import urllib.request
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from baselines.bench.benchmarks_page import Finding, report
from baselines.bench.measuring import PageConfig
from baselines.common.checks import require_at_least
from baselines.common.command_line import parse
from baselines.common.errors import exit_on_bad_input
from baselines.common.metrics import MetricRow
from baselines.common.stats import bootstrap_statistic
from baselines.common.types import FloatArray, IntArray
from baselines.train.config import TrainConfig

if TYPE_CHECKING:
    from baselines.train.engines.rollout_servers import RolloutServer

SERVER = (
    *("-m", "vllm.entrypoints.openai.api_server", "--served-model-name", "policy"),
    *("--host", "127.0.0.1", "--dtype", "float32", "--enforce-eager"),
    *("--max-model-len", "1024", "--max-num-batched-tokens", "16384"),
)
SERVER_ENV = {"VLLM_SERVER_DEV_MODE": "1", "VLLM_CPU_KVCACHE_SPACE": "1", "HF_HUB_OFFLINE": "1"}
START_S = 1800
"""Longest start of the server, in seconds; on a busy machine it takes many minutes."""


@dataclass(frozen=True, kw_only=True)
class AheadConfig(PageConfig):
    """Compare steps that play and update in turns with rollouts one step ahead.

    One half of the cores is given to a vLLM server, which this command starts, the other one to the
    trainer. Runs of both kinds alternate; the first step of each is left out.
    """

    server_python: Path
    """Python of an environment with vLLM, such as .venv-vllm/bin/python."""
    policy: str = "smollm2"
    """Model of both roles, which share its weights."""
    tasks_per_step: int = 1
    """Tasks per step."""
    group_size: int = 8
    """Rollouts per task, of two completions each."""
    max_tokens: int = 64
    """Longest completion, in tokens."""
    steps: int = 4
    """Steps of a run."""
    repeats: int = 1
    """Runs of each kind."""
    port: int = 8140
    """Port of the server."""

    def check(self) -> None:
        """Raise ValueError if a value is out of range."""
        super().check()
        require_at_least("steps", self.steps, 3)
        if not self.server_python.exists():
            raise ValueError(
                f"server_python must be the Python of an environment with vLLM, got "
                f"{self.server_python}, which does not exist; see docs/scaling.md"
            )


@dataclass(frozen=True, slots=True)
class StepTimes:
    """Seconds of the steps of a kind of run.

    Args:
        play: Playing, in the step or in the background, shape (N,).
        update: Credit, update and transfer of the weights; one step ahead, only its writing, (N,).
        step: The whole step, (N,).
    """

    play: FloatArray
    update: FloatArray
    step: FloatArray

    @classmethod
    def of(cls, rows: Sequence[MetricRow]) -> StepTimes:
        """Return the times of the metrics of some steps."""
        step, credit, update = (
            np.array([float(row[f"time/{name}_s"] or 0.0) for row in rows])
            for name in ("step", "credit", "update")
        )
        update = credit + update
        ahead = [row.get("time/rollouts_s") for row in rows]
        pairs = zip(step - update, ahead, strict=True)
        play = np.array([rest if own is None else float(own) for rest, own in pairs])
        return cls(play, update, step)


def main(arguments: Sequence[str]) -> int:
    """Measure rollouts one step ahead."""
    config = parse(AheadConfig, arguments, "ccpo bench ahead")
    with exit_on_bad_input():
        run(config)
    return 0


def run(config: AheadConfig) -> None:
    """Print the comparison, and write it to the page if there is one."""
    from baselines.policies.local.hf import HFPolicy
    from baselines.policies.registry import load_policy
    from baselines.train.engines.rollout_servers import RolloutServer
    from baselines.train.engines.server_weights import save_untied

    cores = sorted(os.sched_getaffinity(0))
    half = max(1, len(cores) // 2)
    in_turns: list[MetricRow] = []
    ahead: list[MetricRow] = []
    with tempfile.TemporaryDirectory(prefix="ahead") as name:
        folder = Path(name)
        policy = load_policy(config.policy)
        save_untied(policy, folder / "served")
        assert isinstance(policy, HFPolicy), "an adapter is not saved as a model"
        api = "chat" if policy.tokenizer.chat_template else "completions"
        spec = f"endpoint:http://127.0.0.1:{config.port}/v1?api={api}&read_timeout_s=1200#policy"
        server = RolloutServer(spec, folder / "served")
        with served(config, folder, cores[:half]), on_cores(cores[half:] or cores):
            for repeat in range(config.repeats):
                in_turns += trained(config, server, folder / f"turns{repeat}", is_ahead=False)
                ahead += trained(config, server, folder / f"ahead{repeat}", is_ahead=True)
    rng = np.random.default_rng(config.seed)
    found = finding(StepTimes.of(in_turns), StepTimes.of(ahead), rng, config.policy)
    report("ahead", [found], config.page)


def finding(
    in_turns: StepTimes, ahead: StepTimes, rng: np.random.Generator, policy: str
) -> Finding:
    """Return the table of the times of both kinds of runs, and of the speed-up.

    Args:
        in_turns: Steps that play and update in turns.
        ahead: As many steps whose rollouts were played one step ahead.
        rng: Resamples the steps, both kinds together.
        policy: Name of the model.
    """

    def speed_up(drawn: IntArray) -> float:
        return float(in_turns.step[drawn].mean() / ahead.step[drawn].mean())

    def ideal(drawn: IntArray) -> float:
        r, u = in_turns.play[drawn].mean(), in_turns.update[drawn].mean()
        return float((r + u) / max(r, u))

    def seconds(values: FloatArray) -> Callable[[IntArray], float]:
        return lambda drawn: float(values[drawn].mean())

    measured: dict[str, Callable[[IntArray], float]] = {
        "r: playing, in turns, s": seconds(in_turns.play),
        "u: credit, update and transfer, in turns, s": seconds(in_turns.update),
        "step, in turns, s": seconds(in_turns.step),
        "step, one ahead, s": seconds(ahead.step),
        "playing in the background, s": seconds(ahead.play),
        "update meanwhile, s": seconds(ahead.update),
        "speed-up": speed_up,
        "ideal speed-up, (r + u) / max(r, u)": ideal,
        "speed-up / ideal": lambda drawn: speed_up(drawn) / ideal(drawn),
    }
    count = len(in_turns.step)
    rows = []
    for name, statistic in measured.items():
        own = bootstrap_statistic(statistic, count, rng=rng)
        rows.append((name, f"{own.value:.2f}", f"{own.low:.2f} to {own.high:.2f}"))
    return Finding(
        f"Rollouts one step ahead, {policy}",
        f"vLLM and trainer on cores of their own; means over {count} steps of each kind, from "
        f"runs that alternate, with 95 % bootstrap intervals over the steps.",
        ("quantity", "value", "95 % interval"),
        tuple(rows),
    )


def trained(
    config: AheadConfig, server: RolloutServer, run_dir: Path, *, is_ahead: bool
) -> list[MetricRow]:
    """Train with the server, and return the metrics of all steps but the first."""
    from baselines.train.engines.rollout_servers import RolloutServers
    from baselines.train.logging.trackers import open_tracker
    from baselines.train.trainer import Trainer

    run_dir.mkdir()
    rows: list[MetricRow] = []

    def ignore(_: object) -> None:
        pass

    trainer = Trainer(
        _training(config), run_dir, servers=RolloutServers({"team": server}), is_ahead=is_ahead
    )
    trainer.run(
        on_step=rows.append,
        on_warning=ignore,
        should_stop=lambda: False,
        tracker=open_tracker("none", run_dir),
    )
    shutil.rmtree(run_dir)
    return rows[1:]


def _training(config: AheadConfig) -> TrainConfig:
    """Return the settings of the training, in which every completion is updated."""
    return TrainConfig(
        policy=config.policy,
        weights="shared",
        allocator="shared",
        optimizer="grpo",
        optimizer_args={"entropy_weight": "0.001"},  # groups of uniform rewards are updated as well
        tasks_per_step=config.tasks_per_step,
        group_size=config.group_size,
        max_tokens=config.max_tokens,
        steps=config.steps,
        old_logprobs="recompute",
        tis_cap=2.0,
        eval_every=0,
        num_eval_tasks=1,
        checkpoint_every=config.steps,
        keep_checkpoints=1,
    )


@contextmanager
def on_cores(cores: Sequence[int]) -> Iterator[None]:
    """Run on these cores alone inside the block."""
    import torch

    before, num_threads = os.sched_getaffinity(0), torch.get_num_threads()
    os.sched_setaffinity(0, cores)
    torch.set_num_threads(len(cores))
    try:
        yield
    finally:
        torch.set_num_threads(num_threads)
        os.sched_setaffinity(0, before)


@contextmanager
def served(config: AheadConfig, folder: Path, cores: Sequence[int]) -> Iterator[None]:
    """Serve a folder with vLLM on these cores inside the block.

    Raises:
        ValueError: If it does not start.
    """
    listed = ",".join(map(str, cores))
    environment = {**os.environ, **SERVER_ENV, "VLLM_CPU_OMP_THREADS_BIND": listed}
    flags = ["--model", str(folder / "served"), "--port", str(config.port)]
    log = folder / "server.log"
    with log.open("wb") as file:
        process = subprocess.Popen(
            [config.server_python, *SERVER, *flags],
            env={**environment, "OMP_NUM_THREADS": str(len(cores))},
            stdout=file,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    os.sched_setaffinity(process.pid, cores)  # inherited by the processes that it starts
    try:
        _wait_for(process, config.port, log)
        yield
    finally:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def _wait_for(process: subprocess.Popen[bytes], port: int, log: Path) -> None:
    started = time.monotonic()
    while process.poll() is None and time.monotonic() - started < START_S:
        with suppress(OSError):
            urllib.request.urlopen(f"http://127.0.0.1:{port}/v1/models", timeout=5).close()
            return
        time.sleep(1)
    last = log.read_text(encoding="utf-8", errors="replace").strip().splitlines()[-1:]
    raise ValueError(
        f"server_python must start vLLM, got {' '.join(last)!r}; see docs/scaling.md for its "
        f"installation"
    )
