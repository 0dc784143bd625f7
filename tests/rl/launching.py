"""Start processes as documented."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
TORCHRUN = ("-m", "torch.distributed.run", "--standalone")


def launch(
    module: str, *arguments: object, num_processes: int, timeout_s: float = 280
) -> subprocess.CompletedProcess[str]:
    """Run a module in a process group on the CPU."""
    return run_python(
        *TORCHRUN,
        f"--nproc_per_node={num_processes}",
        "-m",
        module,
        *arguments,
        timeout_s=timeout_s,
    )


def run_python(
    *arguments: object, timeout_s: float = 280, **variables: str
) -> subprocess.CompletedProcess[str]:
    """Run Python in the folder of the project, with one thread."""
    fixed = {"OMP_NUM_THREADS": "1", "ACCELERATE_USE_CPU": "true", "HF_HUB_OFFLINE": "1"}
    return subprocess.run(
        [sys.executable, *map(str, arguments)],
        cwd=ROOT,
        env={**os.environ, **fixed, **variables},
        capture_output=True,
        text=True,
        check=False,
        timeout=timeout_s,
    )
