"""The flag --shuffle-choices of the commands: whose order counts, and what refuses it."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from baselines.advise.settings import AdviseConfig
from baselines.evaluate.command import EvalConfig, load_benchmarks
from baselines.evaluate.human_play import PlayConfig
from baselines.rollouts.team_env import order_of_run
from baselines.train.config import TrainConfig
from ccpo_env import load_tasks
from ccpo_env.tasks import shuffle_choices


@pytest.mark.parametrize(
    ("tasks", "seed", "saved", "expected"),
    [
        (None, None, {"shuffle_choices": 3}, 3),
        ((), None, {"shuffle_choices": 3}, 3),
        (None, 0, {"shuffle_choices": 3}, 0),
        ("medqa", None, {"shuffle_choices": 3}, None),
        (("medqa",), 5, {"shuffle_choices": 3}, 5),
        (None, None, {}, None),
    ],
)
def test_the_order_of_a_run_counts_on_its_own_tasks(
    tasks: Any, seed: int | None, saved: dict[str, Any], expected: int | None
) -> None:
    settings = SimpleNamespace(tasks=tasks, shuffle_choices=seed)
    assert order_of_run(settings, saved) == expected


@pytest.mark.parametrize("config", [TrainConfig, EvalConfig, AdviseConfig, PlayConfig])
def test_every_command_with_tasks_has_the_flag(config: Any) -> None:
    given = {"policy": "tiny"} if config is EvalConfig else {}
    assert config(**given).shuffle_choices is None
    assert config(**given, shuffle_choices=4).shuffle_choices == 4


def test_evaluation_loads_tasks_in_another_order(tmp_path: Path) -> None:
    path = tmp_path / "own.jsonl"
    rows = [{"question": f"q{n}", "choices": ["x", "y", "z"], "answer": n % 3} for n in range(20)]
    path.write_text("\n".join(map(json.dumps, rows)), encoding="utf-8")
    config = EvalConfig(policy="tiny", tasks=(str(path),), shuffle_choices=1)
    assert load_benchmarks(config) == {"own.jsonl": shuffle_choices(load_tasks(path), 1)}
    assert load_benchmarks(replace(config, shuffle_choices=None)) == {"own.jsonl": load_tasks(path)}


def test_tasks_without_options_have_no_other_order() -> None:
    message = "shuffle_choices must be given for tasks with options, got 2 for tasks without any"
    with pytest.raises(ValueError, match=message):
        load_tasks("arithmetic", limit=3, shuffle_choices=2)
