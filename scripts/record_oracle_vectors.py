"""Record the outputs of TRL and verl for random batches, for tests where they are not installed.

Run it in an environment with both packages (see docs/optimizers.md); it writes tests/rl/vectors/.
"""

from __future__ import annotations

import importlib.metadata
import json
from pathlib import Path

from tests.rl.oracle import CASES, Case

FOLDER = Path(__file__).resolve().parents[1] / "tests" / "rl" / "vectors"
SEEDS = range(2)


def answered(case: Case, seed: int) -> dict[str, object]:
    """Return one batch with the output of the package."""
    inputs = case.draw(seed)
    return {"seed": seed, "inputs": inputs, "answer": case.theirs(inputs)}


def recorded(package: str) -> dict[str, object]:
    """Return the outputs of a package, with their provenance."""
    return {
        "package": package,
        "version": importlib.metadata.version(package),
        "torch": importlib.metadata.version("torch"),
        "cases": {
            name: {
                "function": case.function,
                "batches": [
                    {
                        "seed": seed,
                        "inputs": case.draw(seed),
                        "answer": case.theirs(case.draw(seed)),
                    }
                    for seed in SEEDS
                ],
            }
            for name, case in CASES.items()
            if case.package == package
        },
    }


def main() -> None:
    """Write one file per package."""
    for package in sorted({case.package for case in CASES.values()}):
        text = json.dumps(recorded(package))
        (FOLDER / f"{package}.json").write_text(text + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
