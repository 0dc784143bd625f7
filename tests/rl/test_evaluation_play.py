"""What an evaluation plays, what it keeps on disk, and how it goes on after a kill."""

from __future__ import annotations

import json
import signal
from collections import Counter
from pathlib import Path

import numpy as np
import pytest

from baselines.common.errors import StorageError
from baselines.evaluate.batches import EvaluationPlan, play_all
from baselines.evaluate.episode_journal import EPISODES_FILE, EpisodeJournal
from baselines.evaluate.paths import JOINT, TeamPath, control_paths, path_of, without
from baselines.policies.base import Completion
from ccpo_env import debate_v0
from ccpo_env.types import Task
from tests.rl.killed_evaluation import NUM_SAMPLES, NUM_TASKS
from tests.rl.teams import NO_THINKER, RecordingPolicy, runner_of
from tests.rl.warm import run_warm

TASKS = [Task(f"t/{number}", f"number {number}.", str(number)) for number in range(7)]
SETTINGS = {"seed": 0}


class DrawingPolicy:
    """Says a number that the generator draws, and remembers what it read."""

    def __init__(self) -> None:
        self.read: list[str] = []

    def sample(self, prompts, *, sampling, rng):
        self.read += [prompt.text for prompt in prompts]
        return [Completion(str(number)) for number in rng.integers(7, size=len(prompts))]


def team(*, num_thinkers=1):
    thinker, solver = DrawingPolicy(), DrawingPolicy()
    return runner_of(thinker, solver, num_thinkers=num_thinkers), thinker, solver


def plan(**arguments) -> EvaluationPlan:
    given = {"benchmarks": {"some": TASKS}, "removals": (NO_THINKER,), "tasks_per_batch": 3}
    return EvaluationPlan(**{**given, **arguments})


def journal_in(folder: Path, **settings) -> EpisodeJournal:
    return EpisodeJournal(folder / EPISODES_FILE, {**SETTINGS, **settings})


def test_play_all_returns_path_by_path_task_by_task_sample_by_sample():
    other = [Task("o/0", "number 1.", "1")]
    found = play_all(team()[0], plan(benchmarks={"some": TASKS, "other": other}, num_samples=2))
    keys = [(e.benchmark, e.path.label, e.task.id, e.sample) for e in found]
    assert keys == [
        (name, label, task.id, sample)
        for name, tasks in (("some", TASKS), ("other", other))
        for label in ("joint", "without thinker_0")
        for task in tasks
        for sample in (0, 1)
    ]
    assert all(len(e.messages) == 2 - bool(e.path.removed) for e in found)


def test_play_all_draws_each_benchmark_the_same_whatever_else_is_played():
    def of(name, **benchmarks):
        return [e for e in play_all(team()[0], plan(benchmarks=benchmarks)) if e.benchmark == name]

    alone = of("some", some=TASKS)
    assert alone == of("some", other=TASKS[:4], some=TASKS)
    assert [e.messages for e in alone] != [e.messages for e in of("other", other=TASKS)]


def test_play_all_draws_anew_for_another_seed_batch_and_sample():
    found = play_all(team()[0], plan(num_samples=4))
    again = play_all(team()[0], plan(num_samples=4, seed=1))
    texts = {tuple(m.text for m in e.messages) for e in found}
    assert len(texts) > 20
    assert [e.messages for e in found] != [e.messages for e in again]


def test_play_all_samples_every_batch_with_the_generator_that_it_is_given():
    def drawn(seed):
        return play_all(team()[0], plan(), rng=np.random.default_rng(seed))

    assert drawn(1) == drawn(1)
    assert [e.messages for e in drawn(1)] != [e.messages for e in drawn(2)]
    runner, *_ = team()
    found = play_all(runner, plan(tasks_per_batch=len(TASKS)), rng=np.random.default_rng(0))
    rng = np.random.default_rng(0)  # one lockstep: the thinkers of all tasks, then all solvers
    assert [e.messages[0].text for e in found[:7]] == [str(n) for n in rng.integers(7, size=7)]
    assert [e.messages[-1].text for e in found] == [str(n) for n in rng.integers(7, size=14)]


@pytest.mark.parametrize(("controls", "expected"), [(False, 3 + 1), (True, 2 * (3 + 1))])
def test_num_batches_is_how_often_a_batch_is_finished(controls, expected):
    settings = plan(benchmarks={"some": TASKS, "other": TASKS[:3]}, controls=controls)
    finished: list[None] = []
    play_all(team()[0], settings, on_batch=lambda: finished.append(None))
    assert settings.num_batches == len(finished) == expected


def test_controls_replace_a_message_by_an_empty_one_and_by_one_of_another_task():
    num_samples = 3
    thinker = RecordingPolicy([f"thought {number}" for number in range(7 * num_samples)])
    solver = RecordingPolicy(["2"])
    runner = runner_of(thinker, solver)
    found = play_all(runner, plan(controls=True, num_samples=num_samples, tasks_per_batch=2))
    assert sum(map(len, thinker.calls)) == 7 * num_samples  # nobody thinks in a control
    thoughts = {(e.task.id, e.sample): e.messages[0].text for e in found if e.path == JOINT}
    empty = [e for e in found if e.path == TeamPath("empty", ("thinker_0",))]
    shuffled = [e for e in found if e.path == TeamPath("shuffled", ("thinker_0",))]
    assert len(empty) == len(shuffled) == 7 * num_samples
    assert {e.messages[0].text for e in empty} == {""}
    author = {thought: key for key, thought in thoughts.items()}
    for episode in shuffled:
        task_id, sample = author[episode.messages[0].text]
        assert task_id != episode.task.id
        assert sample == episode.sample
    used = [e.messages[0].text for e in shuffled]
    assert sorted(used) == sorted(thoughts.values())  # each thought once


def test_controls_of_a_later_agent_keep_what_was_said_before_it():
    runner, *_ = team(num_thinkers=2)
    removals = (frozenset({"thinker_0"}), frozenset({"thinker_1"}))
    found = play_all(runner, plan(controls=True, removals=removals))
    joint = {e.task.id: e for e in found if e.path == JOINT}
    for episode in (e for e in found if e.path.agents == ("thinker_1",) and e.path.is_control):
        assert episode.messages[0] == joint[episode.task.id].messages[0]
        assert len(episode.messages) == 3
        if episode.path.kind == "empty":
            assert episode.messages[1].text == ""


def test_control_paths_leave_out_the_last_speaker_and_sets_of_agents():
    topology = debate_v0(tasks=[("1", "1")], num_debaters=2, num_rounds=2).unwrapped.topology
    first, last = topology.turns[0].speaker, topology.turns[-1].speaker
    found = control_paths(topology, [frozenset({first}), frozenset({last})])
    assert [path.label for path in found] == [f"empty {first}", f"shuffled {first}"]
    with pytest.raises(ValueError, match="controls must replace the message of an agent"):
        control_paths(topology, [frozenset({last}), frozenset({first, last})])


def test_controls_need_a_second_task():
    with pytest.raises(ValueError, match="must take messages from another task, got 1 task in one"):
        play_all(team()[0], plan(controls=True, benchmarks={"one": TASKS[:1]}))


@pytest.mark.parametrize(
    "path", [JOINT, *without([frozenset({"b", "a"})]), TeamPath("empty", ("a",))]
)
def test_path_is_known_by_its_label(path):
    assert path_of(path.label) == path


def test_play_all_asks_nothing_that_the_journal_knows(tmp_path):
    settings = plan(controls=True, num_samples=2)
    fresh = play_all(team()[0], settings)
    first = play_all(team()[0], settings, journal=journal_in(tmp_path))
    runner, thinker, solver = team()
    second = play_all(runner, settings, journal=journal_in(tmp_path))
    assert fresh == first == second
    assert thinker.read == solver.read == []


def test_play_all_plays_again_what_a_server_left_unanswered(tmp_path):
    class Failing(DrawingPolicy):
        def sample(self, prompts, **arguments):
            said = super().sample(prompts, **arguments)
            return [
                Completion("", failure="no answer") if "number 4." in prompt.text else completion
                for prompt, completion in zip(prompts, said, strict=True)
            ]

    settings = plan(controls=True)
    broken = play_all(runner_of(Failing(), DrawingPolicy()), settings, journal=journal_in(tmp_path))
    lost = [e for e in broken if e.reward is None]
    # its own joint episode and control, and both controls of no other but the shuffled neighbour's
    assert {e.verdict.status for e in lost} == {"error"}
    assert [e.path.kind for e in lost if e.task.id == "t/4"] == ["joint"]
    assert [e.path.kind for e in lost if e.task.id != "t/4"] == ["shuffled"]
    runner, thinker, _ = team()
    whole = play_all(runner, settings, journal=journal_in(tmp_path))
    assert whole == play_all(team()[0], settings)
    assert len(thinker.read) == 3  # the batch of number 4, and no other


def test_journal_cut_at_any_byte_loses_no_line_before_and_gives_the_same_episodes(tmp_path):
    settings = plan()
    expected = play_all(team()[0], settings, journal=journal_in(tmp_path))
    content = (tmp_path / EPISODES_FILE).read_bytes()
    assert len(journal_in(tmp_path)) == 3
    for size in {*range(0, len(content), 41), len(content) - 1, content.find(b"\n")}:
        (tmp_path / EPISODES_FILE).write_bytes(content[:size])
        num_whole = max(0, content[:size].count(b"\n") - 1)
        journal = journal_in(tmp_path)
        assert len(journal) == num_whole
        assert play_all(team()[0], settings, journal=journal) == expected
        assert (tmp_path / EPISODES_FILE).read_bytes() == content


def test_journal_with_a_damaged_line_plays_that_batch_again(tmp_path):
    settings = plan()
    expected = play_all(team()[0], settings, journal=journal_in(tmp_path))
    lines = (tmp_path / EPISODES_FILE).read_bytes().splitlines(keepends=True)
    lines[2] = lines[2][:100] + b"\xff\x00}\n"
    (tmp_path / EPISODES_FILE).write_bytes(b"".join(lines))
    journal = journal_in(tmp_path)
    assert len(journal) == 2
    runner, thinker, _ = team()
    assert play_all(runner, settings, journal=journal) == expected
    assert len(thinker.read) == 3


def test_journal_keeps_any_text(tmp_path):
    texts = ["\u2028 \x00 \x85 </script>", "é" * 3000, '"\\n"']
    said = RecordingPolicy(texts)
    settings = plan(benchmarks={"some": TASKS[:3]})
    first = play_all(runner_of(said, said), settings, journal=journal_in(tmp_path))
    second = play_all(runner_of(said, said), settings, journal=journal_in(tmp_path))
    assert first == second
    assert first[0].messages[0].text == texts[0]


@pytest.mark.parametrize("changed", [{"seed": 1}, {"policy": "other"}])
def test_journal_refuses_other_settings(tmp_path, changed):
    journal_in(tmp_path, policy="one")
    before = (tmp_path / EPISODES_FILE).read_bytes()
    (name,) = changed
    with pytest.raises(ValueError, match=f"^{name} must be that of the evaluation that out_dir"):
        journal_in(tmp_path, **{"policy": "one", **changed})
    assert (tmp_path / EPISODES_FILE).read_bytes() == before


@pytest.mark.parametrize(
    "content", ["a diary", "a diary\n", "{}\n", '{"journal": "x"}\n', "[]\n", "1\n"]
)
def test_journal_refuses_another_file(tmp_path, content):
    (tmp_path / EPISODES_FILE).write_text(content, encoding="utf-8")
    with pytest.raises(ValueError, match="must be a file that an evaluation of this version has"):
        journal_in(tmp_path)
    assert (tmp_path / EPISODES_FILE).read_text(encoding="utf-8") == content


def test_journal_says_when_the_disk_takes_nothing(tmp_path, monkeypatch):
    journal = journal_in(tmp_path)
    before = (tmp_path / EPISODES_FILE).read_bytes()
    monkeypatch.setattr("os.write", lambda *_: (_ for _ in ()).throw(OSError(28, "disk full")))
    with pytest.raises(StorageError, match="disk full"):
        play_all(team()[0], plan(), journal=journal)
    assert (tmp_path / EPISODES_FILE).read_bytes() == before


TORN = b'{"batch": "torn'


def run_until(folder: Path, *, num_batches: int = 0, dies_at: int = 0) -> None:
    """Evaluate in another process, killed after some batches or at a prompt; 0: it ends."""
    done = run_warm("tests.rl.killed_evaluation", folder, num_batches, dies_at)
    assert done.returncode == (-signal.SIGKILL if num_batches or dies_at else 0), done.stderr


def finished(folder: Path) -> set[tuple[str, str]]:
    """Return the tasks and paths of the batches whose lines are whole."""
    file = folder / EPISODES_FILE
    lines = file.read_bytes().split(b"\n")[1:-1] if file.exists() else []
    return {
        (episode["task_id"].removeprefix("t/"), episode["path"])
        for line in lines
        for episode in json.loads(line)["episodes"]
    }


def asked(folder: Path) -> list[str]:
    file = folder / "asked.txt"
    return file.read_text(encoding="utf-8").split() if file.exists() else []


def test_evaluation_killed_at_any_moment_gives_the_same_table_and_asks_nothing_again(tmp_path):
    whole, killed = tmp_path / "whole", tmp_path / "killed"
    whole.mkdir()
    killed.mkdir()
    run_until(whole)
    table = (whole / "table.md").read_text(encoding="utf-8")
    assert f"{NUM_TASKS} tasks, {NUM_SAMPLES} samples each" in table
    # A batch of teams asks 192 prompts, one of controls 128, and there are 4 of each. At a prompt:
    # in the first turn of a batch, in a later one, at its last prompt, in a control. After a number
    # of batches, including those already finished.
    moments = (
        {"dies_at": 50},
        {"dies_at": 192},
        {"num_batches": 2},
        {"dies_at": 192 + 100},
        {"num_batches": 5},
        {"dies_at": 128 + 65},
        {},
    )
    num_killed = 0
    for moment in moments:
        known, num_asked = finished(killed), len(asked(killed))
        run_until(killed, **moment)
        num_killed += bool(moment)
        for number, times in Counter(asked(killed)[num_asked:]).items():
            # The thinker, the solver after it and alone; then the solver in two controls.
            left = 0 if (number, "joint") in known else 3 * NUM_SAMPLES
            left += 0 if (number, "empty thinker_0") in known else 2 * NUM_SAMPLES
            assert times <= left
        with (killed / EPISODES_FILE).open("ab") as file:
            file.write(TORN)
    assert (killed / "table.md").read_bytes() == (whole / "table.md").read_bytes()
    assert (killed / EPISODES_FILE).read_bytes() == (whole / EPISODES_FILE).read_bytes() + TORN
    # A kill loses one batch at most: 32 tasks, each asked for three turns and 2 samples.
    assert len(asked(killed)) <= len(asked(whole)) + num_killed * 32 * 3 * NUM_SAMPLES
