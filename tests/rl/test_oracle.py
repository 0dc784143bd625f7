"""Our advantages and losses against TRL and verl: recorded answers always, the packages if there.

To run the packages themselves, see docs/optimizers.md.
"""

from __future__ import annotations

import importlib.util
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from baselines.optimizers import OPTIMIZERS
from tests.rl.oracle import CASES
from tests.rl.oracle_peers import Answer

VECTORS = Path(__file__).parent / "vectors"
TOLERANCE = 1e-6  # verl adds 1e-8 to its counts, so not everything is equal to the last bit
NUM_BATCHES = 1000


def largest_difference(found: Answer, expected: Answer) -> float:
    assert set(found) == set(expected)
    return max(
        float(np.abs(np.array(a) - np.array(b)).max())
        for name in expected
        for a, b in zip(_rows(found[name]), _rows(expected[name]), strict=True)
    )


def _rows(values: Any) -> list[Any]:
    return values if isinstance(values, list) else [values]


def recorded(package: str) -> dict[str, Any]:
    return json.loads((VECTORS / f"{package}.json").read_text(encoding="utf-8"))


@pytest.mark.parametrize("name", CASES)
def test_our_answer_equals_the_recorded_one(name: str) -> None:
    case = CASES[name]
    record = recorded(case.package)["cases"][name]
    assert record["function"] == case.function
    assert len(record["batches"]) >= 2
    for batch in record["batches"]:
        found = case.ours(batch["inputs"])
        assert largest_difference(found, batch["answer"]) < TOLERANCE


@pytest.mark.parametrize("package", ["trl", "verl"])
def test_records_hold_the_cases_and_where_they_come_from(package: str) -> None:
    record = recorded(package)
    assert record["package"] == package
    assert record["version"]
    assert list(record["cases"]) == [n for n, case in CASES.items() if case.package == package]


@pytest.mark.parametrize("part", ["advantage", "loss"])
def test_every_optimizer_has_a_case(part: str) -> None:
    compared = set(OPTIMIZERS) - {"magrpo", "dr_mas", "at_grpo", "rae"}  # in neither package
    assert {f"{part}/{name}" for name in compared} <= set(CASES)


@pytest.mark.slow
@pytest.mark.parametrize("name", CASES)
@pytest.mark.filterwarnings("ignore")  # those of other people's packages
def test_our_answer_equals_the_package_on_a_thousand_batches(name: str) -> None:
    case = CASES[name]
    if importlib.util.find_spec(case.package) is None:
        pytest.skip(f"{case.package} is not installed; recorded answers are compared instead")
    gap = 0.0
    for seed in range(NUM_BATCHES):
        inputs = case.draw(seed)
        gap = max(gap, largest_difference(case.ours(inputs), case.theirs(inputs)))
    print(f"{name}: largest difference {gap:.1e} over {NUM_BATCHES} batches")
    assert gap < TOLERANCE
