"""What a step is made of beside the learning: chance, the groups of all processes, files."""

from __future__ import annotations

import json

import numpy as np
import pytest

from baselines.common.jsonl import read_rows
from baselines.common.processes import SINGLE_PROCESS
from baselines.common.stats import proportion
from baselines.policies.checkpoints import CheckpointError, best_checkpoint, record_best
from baselines.rollouts.groups import Group
from baselines.train.config import TrainConfig
from baselines.train.gather import GatheredGroups, gather_groups
from baselines.train.run_files import RunFiles
from baselines.train.seeding import Stream, Streams
from ccpo_env.types import Task
from tests.rl.teams import TASK, rollout

TASKS = [Task(str(number), "?", "1") for number in range(20)]


class TwoProcesses:
    """The second of two processes, which never talks to the first."""

    rank, world_size, mesh = 1, 2, None

    def all_gather(self, values):
        return [(False, False), *values]  # rank 0 has found no new best checkpoint


def group(name: str) -> Group:
    played = rollout("correct", texts=(f"thought {name}", name))
    return Group(Task(name, TASK.question, TASK.answer), (played,), {}, {})


def joined(most: int) -> GatheredGroups:
    """Groups a and b of the first process, c, d and e of the second; b and d are not usable."""
    first, here = [group("a"), group("b")], [group("c"), group("d"), group("e")]
    unusable = {"b", "d"}
    return gather_groups(
        [first, here], TwoProcesses(), is_usable=lambda g: g.task.id not in unusable, most=most
    )


def draws(rng: np.random.Generator) -> list[float]:
    return rng.random(4).tolist()


def test_processes_have_common_streams_and_own_ones():
    alone, first, second = Streams(3), Streams(3, TwoProcesses()), Streams(4)
    common = [draws(s.common(Stream.TASKS, 5)) for s in (alone, first)]
    assert common[0] == common[1] != draws(second.common(Stream.TASKS, 5))
    own = [draws(s.own(Stream.ROLLOUTS, 5)) for s in (alone, first)]
    assert own[0] != own[1]
    assert own[0] == draws(alone.common(Stream.ROLLOUTS, 5))  # the first has that of one alone


def test_every_step_of_every_stream_draws_something_else():
    streams = Streams(0)
    seen = {tuple(draws(streams.own(stream, step))) for stream in Stream for step in range(3)}
    assert len(seen) == 3 * len(Stream)


def test_a_seed_means_what_it_did():
    by_hand = np.random.default_rng([7, 0, 2]).choice(20, size=3, replace=False)
    chosen = Streams(7).choose(TASKS, 3, Stream.TASKS, 2)
    assert chosen == [TASKS[index] for index in by_hand]


def test_chosen_tasks_are_different_and_all_of_few():
    chosen = Streams(7).choose(TASKS, 50, Stream.TASKS, 2)
    assert sorted(chosen, key=TASKS.index) == TASKS


def test_joined_groups_are_those_of_all_in_order_of_ranks():
    groups = joined(most=9)
    assert [g.task.id for g in groups.played] == ["a", "b", "c", "d", "e"]
    assert [g.task.id for g in groups.usable] == ["a", "c", "e"]
    assert list(groups.is_here) == [False, True, True]


def test_joined_groups_beyond_the_most_are_not_paid():
    groups = joined(most=2)
    assert [g.task.id for g in groups.usable] == ["a", "c"]
    assert len(groups.played) == 5


def test_a_process_trains_on_its_own_groups_only():
    advantages = [np.array([[1.0, 2.0]]), np.array([[3.0, 4.0]]), np.array([[5.0, 6.0]])]
    rows = joined(most=9).training_samples(advantages, ["solver"], ["thinker", "solver"])
    assert list(rows) == ["solver"]
    assert [(r.completion.text, r.advantage) for r in rows["solver"]] == [("c", 4.0), ("e", 6.0)]


def test_a_process_that_does_not_write_leaves_the_folder_alone(tmp_path):
    files = RunFiles(tmp_path, TwoProcesses())
    files.append({"step": 1}, [], [])
    files.drop_after(0)
    files.save(1, TrainConfig(), policies=None, credited=None, state={}, arrays={})
    files.keep_if_best(1, proportion(1, 1), lambda: (tmp_path / "saved").mkdir())
    assert list(tmp_path.iterdir()) == []


def test_the_best_checkpoint_is_recorded_when_more_was_answered(tmp_path):
    files, saved = RunFiles(tmp_path, SINGLE_PROCESS), []

    def save(step: int):
        def write() -> None:
            (tmp_path / "checkpoints" / f"step_{step:06d}").mkdir(parents=True)
            saved.append(step)

        return write

    for step, right in ((0, 9), (1, 5), (2, 5), (3, 4), (4, 6)):
        files.keep_if_best(step, proportion(right, 10), save(step))
    files.keep_if_best(5, None, save(5))
    assert saved == [1, 4]
    best = json.loads((tmp_path / "checkpoints" / "best.json").read_text(encoding="utf-8"))
    assert best == {"step": 4, "successes": 6, "total": 10}


def test_rows_of_later_steps_are_dropped_with_their_completions(tmp_path):
    files = RunFiles(tmp_path, SINGLE_PROCESS)
    for step in (1, 2, 3):
        files.append({"step": step}, [{"step": step, "text": "a"}, {"step": step, "text": "b"}], [])
    files.drop_after(2)
    assert [row["step"] for row in read_rows(tmp_path / "metrics.jsonl")] == [1, 2]
    assert [row["step"] for row in read_rows(tmp_path / "completions.jsonl")] == [1, 1, 2, 2]
    files.append({"step": 3}, [], [])
    assert [row["step"] for row in read_rows(tmp_path / "metrics.jsonl")] == [1, 2, 3]
    files.drop_after(0)
    assert read_rows(tmp_path / "metrics.jsonl") == read_rows(tmp_path / "completions.jsonl") == []


def test_a_run_without_completions_drops_metrics_only(tmp_path):
    files = RunFiles(tmp_path, SINGLE_PROCESS)
    files.append({"step": 1}, [], [])
    files.drop_after(0)
    assert {path.name for path in tmp_path.iterdir()} == {"metrics.jsonl"}


@pytest.mark.parametrize(
    ("steps", "num_found"), [([1, 2], 2), ([2, 3], 2), ([1, 3, 2], 3), ([], 0)]
)
def test_a_resumed_run_needs_the_metrics_up_to_its_checkpoint(tmp_path, steps, num_found):
    files = RunFiles(tmp_path, SINGLE_PROCESS)
    (tmp_path / "metrics.jsonl").touch()
    for step in steps:
        files.append({"step": step}, [], [])
    with pytest.raises(
        CheckpointError, match=f"must hold the steps 1 to 3 of the resumed run, got {num_found} of"
    ):
        files.prepare_resume(3)


@pytest.mark.parametrize(("processes", "best"), [(SINGLE_PROCESS, None), (TwoProcesses(), 3)])
def test_a_resumed_run_forgets_a_best_checkpoint_of_a_later_step(tmp_path, processes, best):
    files = RunFiles(tmp_path, SINGLE_PROCESS)
    for step in (1, 2, 3):
        files.append({"step": step, "cost/tokens_generated": 5}, [], [])
    folder = tmp_path / "checkpoints"
    for step in (2, 3):
        (folder / f"step_{step:06d}").mkdir(parents=True)
    record_best(folder, step=3, accuracy=proportion(5, 10))
    num_tokens = RunFiles(tmp_path, processes).prepare_resume(2)
    assert num_tokens == [5, 5]
    found = best_checkpoint(folder)
    assert (None if found is None else found.step) == best


def test_a_best_checkpoint_that_was_saved_is_not_saved_again(tmp_path):
    folder = tmp_path / "checkpoints"
    (folder / "step_000004").mkdir(parents=True)
    files, saved = RunFiles(tmp_path, SINGLE_PROCESS), []
    files.keep_if_best(4, proportion(1, 10), lambda: saved.append(4))
    assert saved == []
    assert best_checkpoint(folder).step == 4
