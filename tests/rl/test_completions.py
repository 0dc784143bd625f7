from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest

from baselines.common.jsonl import append_rows, read_rows
from baselines.rollouts.groups import Group
from baselines.train.config import TrainConfig
from baselines.train.logging.completions import (
    COLUMNS,
    COMPLETIONS_FILE,
    completion_rows,
)
from baselines.train.trainer import Trainer
from tests.rl.teams import TASK, rollout, write_tasks
from tests.rl.test_trainer import CountingTracker, run


@pytest.fixture(scope="module")
def config(tmp_path_factory) -> TrainConfig:
    tasks = write_tasks(tmp_path_factory.mktemp("tasks") / "tasks.jsonl")
    return TrainConfig(
        tasks=str(tasks), steps=5, tasks_per_step=2, group_size=3, num_eval_tasks=2, eval_every=0
    )


def test_completion_rows_by_hand():
    agents = ("debater_0", "debater_1")
    rollouts = (
        rollout("correct", agents=agents, texts=("one", "2")),
        rollout("wrong", agents=agents, texts=("three", "4")),
    )
    group = Group(TASK, rollouts, {}, {})
    credit, advantages = np.array([[1.2, 1.0], [-1.2, -1.0]]), np.array([[0.6, 0.5], [-0.6, -0.5]])
    rows = completion_rows(7, group, credit, advantages)
    assert [(row["rollout"], row["agent"], row["text"]) for row in rows] == [
        (0, "debater_0", "one"),
        (0, "debater_1", "2"),
        (1, "debater_0", "three"),
        (1, "debater_1", "4"),
    ]
    assert [row["credit"] for row in rows] == [1.2, 1.0, -1.2, -1.0]
    assert [row["advantage"] for row in rows] == [0.6, 0.5, -0.6, -0.5]
    assert [row["tokens"] for row in rows] == [3, 1, 5, 1]
    assert [row["reward"] for row in rows] == [1.0, 1.0, -1.0, -1.0]
    assert {(row["step"], row["question"], row["gold"]) for row in rows} == {(7, "1+1", "2")}
    assert all(tuple(row) == COLUMNS for row in rows)


def test_completions_are_written_one_row_a_line_and_text_as_data(tmp_path):
    path = tmp_path / "completions.jsonl"
    group = Group(TASK, (rollout("correct", texts=('a\n"b" \u2028', "2")),), {}, {})
    rows = completion_rows(1, group, np.ones((1, 2)), np.zeros((1, 2)))
    for _ in range(2):
        append_rows(path, rows)
    append_rows(path, [])
    lines = path.read_text(encoding="utf-8").split("\n")
    assert [json.loads(line) for line in lines[:-1]] == [*rows, *rows]


@pytest.mark.parametrize(("every", "steps"), [(2, [1, 3, 5]), (4, [1, 5]), (0, [])])
def test_run_tells_the_file_and_the_tracker_the_same(config, tmp_path, every, steps):
    tracker = CountingTracker()
    run(Trainer(replace(config, completions_every=every), tmp_path), tracker=tracker)
    path = tmp_path / COMPLETIONS_FILE
    found = read_rows(path)
    assert [row for rows in tracker.said for row in rows] == found
    assert [rows[0]["step"] for rows in tracker.said] == steps
    assert path.exists() == bool(steps)
    # Of each of these steps the rollouts of one task, with a message of either agent each.
    assert len(found) == len(steps) * 3 * 2
