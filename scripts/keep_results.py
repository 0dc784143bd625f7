"""Keep what benches and experiments measured as part of the documents: `docs/results/`.

    python scripts/keep_results.py credit runs/bench            # of: bench credit --out-dir
    python scripts/keep_results.py experiment runs/x NAME       # of: experiment --out-dir
    python scripts/keep_results.py learning runs/bench          # of: bench learning --out-dir

Then run scripts/write_docs.py, which puts the tables into the pages.
"""

from __future__ import annotations

import json
import shutil
import sys
from collections.abc import Callable
from pathlib import Path

RESULTS = Path(__file__).parent.parent / "docs" / "results"
QUANTITIES = ("skill", "spearman", "gain")


def keep_credit(folder: Path) -> None:
    """Keep mean and interval of the quantities that docs/credit.md shows."""
    found = json.loads((folder / "credit.json").read_text(encoding="utf-8"))
    kept = {
        game: {
            allocator: {
                name: [round(value[end], 3) for end in ("mean", "low", "high")]
                for name in QUANTITIES
                if (value := values.get(name)) is not None and value["mean"] is not None
            }
            for allocator, values in results["allocators"].items()
        }
        for game, results in found["games"].items()
    }
    (RESULTS / "credit.json").write_text(json.dumps(kept, indent=1) + "\n", encoding="utf-8")


def keep_experiment(folder: Path, name: str) -> None:
    """Keep the table, the settings and the picture of an experiment."""
    shutil.copy(folder / "table.md", RESULTS / f"{name}.txt")
    shutil.copy(folder / "curves.png", RESULTS / f"{name}.png")


def keep_learning(folder: Path) -> None:
    """Keep the table of which optimizers lift the team."""
    shutil.copy(folder / "learning.md", RESULTS / "learning.txt")


KEEP: dict[str, Callable[..., None]] = {
    "credit": keep_credit,
    "experiment": keep_experiment,
    "learning": keep_learning,
}

if __name__ == "__main__":
    kind, folder, *names = sys.argv[1:]
    RESULTS.mkdir(exist_ok=True)
    KEEP[kind](Path(folder), *names)
