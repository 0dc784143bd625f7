"""Measure all results in the documentation, and update it: ``make results``.

    python scripts/measure_results.py             # all results; takes hours
    python scripts/measure_results.py vote        # a single result
    python scripts/measure_results.py --keep vote # from an earlier measurement

Runs are written to runs/results/NAME; interrupted experiments and comparisons are resumed.
"""

from __future__ import annotations

import json
import shlex
import shutil
import subprocess
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from ccpo_env.errors import unknown_name

ROOT = Path(__file__).parent.parent
RUNS = ROOT / "runs" / "results"
RESULTS = ROOT / "docs" / "results"
KEEP_ONLY = "--keep"
QUANTITIES = ("skill", "spearman", "gain")
"""Quantities of the credit bench in docs/credit.md."""


def keep_credit(folder: Path, name: str) -> None:
    """Store mean and interval of the quantities in docs/credit.md."""
    found = json.loads((folder / "credit.json").read_text(encoding="utf-8"))
    kept = {
        game: {
            allocator: {
                quantity: [round(value[end], 3) for end in ("value", "low", "high")]
                for quantity in QUANTITIES
                if (value := values.get(quantity)) is not None and value["value"] is not None
            }
            for allocator, values in results["allocators"].items()
        }
        for game, results in found["games"].items()
    }
    (RESULTS / f"{name}.json").write_text(json.dumps(kept, indent=1) + "\n", encoding="utf-8")


def keep_experiment(folder: Path, name: str) -> None:
    """Store the table and the figure of an experiment."""
    shutil.copy(folder / "table.md", RESULTS / f"{name}.txt")
    shutil.copy(folder / "curves.png", RESULTS / f"{name}.png")


def keep_signal(folder: Path, name: str) -> None:
    """Store the tables and the figure of a comparison on the signal game."""
    shutil.copy(folder / "table.md", RESULTS / f"{name}.txt")
    shutil.copy(folder / "shares.png", RESULTS / f"{name}.png")
    if (folder / "spread.md").exists():
        shutil.copy(folder / "spread.md", RESULTS / f"{name}_spread.txt")


def keep_learning(folder: Path, name: str) -> None:
    """Store the table of the learning bench."""
    shutil.copy(folder / "learning.md", RESULTS / f"{name}.txt")


@dataclass(frozen=True, slots=True)
class Measured:
    """How a result is measured.

    Args:
        module: Module to run.
        arguments: Its flags, without the output folder.
        keep: Copies the result to docs/results/, given the output folder and the name.
    """

    module: str
    arguments: str
    keep: Callable[[Path, str], None]

    @property
    def flags(self) -> list[str]:
        """The flags as a list."""
        return shlex.split(self.arguments)

    @property
    def command(self) -> str:
        """The command to reproduce the result."""
        return f"python -m {self.module} {self.arguments}"


MEASURED = {
    "think_solve": Measured(
        "baselines.experiment",
        "--num-seeds 10 --token-budget 100000 --train.eval-every 3",
        keep_experiment,
    ),
    "vote": Measured(
        "baselines.experiment",
        "--allocators shared leave_one_out shapley --num-seeds 5 --token-budget 60000 "
        "--train.topology vote --train.num-voters 5 --train.group-size 4 "
        "--train.tasks-per-step 16 --train.eval-every 3",
        keep_experiment,
    ),
    "free_riding": Measured("baselines.train_sb3", "--demonstration --num-seeds 10", keep_signal),
    "signal": Measured("baselines.train_sb3.comparison", "--num-seeds 10", keep_signal),
    "learning": Measured("baselines.bench", "learning", keep_learning),
    "credit": Measured("baselines.bench", "credit", keep_credit),
}
"""Measurements by the name of the result in docs/results/."""


def main(arguments: Sequence[str]) -> int:
    """Measure the named results, or all, and update the documentation."""
    names = [word for word in arguments if word != KEEP_ONLY] or list(MEASURED)
    for name in names:
        if name not in MEASURED:
            print(f"error: {unknown_name('result', name, MEASURED)}", file=sys.stderr)
            return 2
    for name in names:
        measured, folder = MEASURED[name], RUNS / name
        if KEEP_ONLY not in arguments:
            print(measured.command, flush=True)
            call = [sys.executable, "-m", measured.module, *measured.flags]
            subprocess.run([*call, "--out-dir", str(folder)], cwd=ROOT, check=True)
        measured.keep(folder, name)
    subprocess.run([sys.executable, str(ROOT / "scripts" / "write_docs.py")], cwd=ROOT, check=True)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
