"""Disks that are full, folders that cannot be written, trackers that are down."""

from __future__ import annotations

import errno
import os
import pickle
import re
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from safetensors import SafetensorError

from baselines.common.command import command
from baselines.common.errors import StorageError, report_and_exit
from baselines.common.files import write_text
from baselines.common.jsonl import read_rows
from baselines.evaluate.evaluation import Evaluation
from baselines.policies import checkpoints
from baselines.policies.checkpoints import (
    best_checkpoint,
    newest_checkpoint,
    read_checkpoint,
    save_checkpoint,
    write_states,
)
from baselines.policies.registry import load_policy
from baselines.train.config import TrainConfig
from baselines.train.logging.safe_tracker import SafeTracker
from baselines.train.logging.trackers import NoTracker
from baselines.train.trainer import Trainer
from baselines.train.update.failures import OutOfMemoryInBatch
from ccpo_env.types import Verdict
from ccpo_env.verifiers import verify
from tests.rl.teams import write_tasks

FULL = OSError(errno.ENOSPC, "No space left on device")
READ_ONLY = OSError(errno.EROFS, "Read-only file system")
FULL_FOR_SAFETENSORS = SafetensorError(
    "Error while serializing: I/O error: No space left on device (os error 28)"
)


def fails_with(error):
    def fail(*_args, **_kwargs):
        raise error

    return fail


class FilePolicy:
    """Stands for a model: saving it writes a file, or raises what it was told to."""

    def __init__(self, error=None):
        self.error = error

    def save(self, folder):
        folder.mkdir(parents=True)
        (folder / "model.safetensors").write_bytes(bytes(64))
        if self.error is not None:
            raise self.error


def save(root, step, *, policy=None):
    return save_checkpoint(
        root,
        step=step,
        config={},
        policies={"solver": policy or FilePolicy()},
        updaters={"solver": {"num_updates": step}},
        state={},
    )


def break_disk(patch, where):
    """Make one kind of write fail, as a full disk makes it."""
    target, name = {
        "sync": (os, "fsync"),
        "torch": (torch, "save"),
        "rename": (checkpoints.Path, "rename"),
        "state": (checkpoints.Path, "write_text"),
    }[where]
    patch.setattr(target, name, fails_with(FULL))


@pytest.mark.parametrize("where", ["sync", "torch", "rename", "state"])
def test_full_disk_leaves_the_checkpoint_before_and_no_part(tmp_path, monkeypatch, where):
    good = save(tmp_path, 1)
    with monkeypatch.context() as patch:
        break_disk(patch, where)
        with pytest.raises(StorageError) as error:
            save(tmp_path, 2)
    assert str(error.value) == (
        f"a checkpoint must be written, got 'No space left on device' in {tmp_path}; free disk "
        f"space or grant write access, then run the command again, training with --resume: files "
        f"saved earlier are intact"
    )
    assert [path.name for path in tmp_path.iterdir()] == ["step_000001"]
    assert read_checkpoint(good)["config"]["steps_done"] == 1
    save(tmp_path, 2)
    assert newest_checkpoint(tmp_path).name == "step_000002"


@pytest.mark.parametrize("error", [FULL, FULL_FOR_SAFETENSORS])
def test_full_disk_while_a_model_is_written_is_the_same_error(tmp_path, error):
    save(tmp_path, 1)
    with pytest.raises(StorageError, match="No space left on device"):
        save(tmp_path, 2, policy=FilePolicy(error))
    assert [path.name for path in tmp_path.iterdir()] == ["step_000001"]


def test_error_of_ours_while_a_checkpoint_is_written_is_no_error_of_the_disk(tmp_path):
    with pytest.raises(KeyError):
        save(tmp_path, 1, policy=FilePolicy(KeyError("weight")))


@pytest.mark.skipif(not Path("/dev/full").is_char_device(), reason="no device that is always full")
def test_write_states_tells_a_disk_that_is_really_full():
    states = {"solver": {"moments": torch.zeros(100_000)}}
    with pytest.raises(OSError, match="No space left on device"):
        write_states(Path("/dev/full"), states)


def test_write_states_lets_an_error_of_ours_through(tmp_path):
    with pytest.raises((AttributeError, pickle.PicklingError)):
        write_states(tmp_path / "states.pt", {"solver": {"function": lambda: None}})


@pytest.mark.skipif(os.name != "posix" or os.geteuid() == 0, reason="root may write anywhere")
def test_folder_without_write_access_is_said_in_one_sentence(tmp_path):
    save(tmp_path, 1)
    tmp_path.chmod(0o500)
    try:
        with pytest.raises(StorageError, match="Permission denied"):
            save(tmp_path, 2)
    finally:
        tmp_path.chmod(0o700)
    assert newest_checkpoint(tmp_path).name == "step_000001"


def test_folder_that_cannot_be_made_is_said_in_one_sentence(tmp_path):
    (tmp_path / "checkpoints").write_text("a file is in the way", encoding="utf-8")
    with pytest.raises(StorageError, match=r"a checkpoint must be written, got '(Not a|File e)"):
        save(tmp_path / "checkpoints", 1)


def test_write_text_leaves_the_old_file_when_the_disk_is_full(tmp_path, monkeypatch):
    path = tmp_path / "best.json"
    write_text(path, "old")
    with monkeypatch.context() as patch:
        break_disk(patch, "sync")
        with pytest.raises(StorageError, match=r"a file must be written, .*best\.json"):
            write_text(path, "new")
    assert path.read_text(encoding="utf-8") == "old"
    assert list(tmp_path.iterdir()) == [path]


class DownTracker:
    """Cannot be reached for some rows, nor closed."""

    def __init__(self, *, steps):
        self.down, self.steps = steps, []

    def log(self, row):
        if row["step"] in self.down:
            raise ConnectionError("the server\nis down")
        self.steps.append(row["step"])

    def log_completions(self, rows):
        raise ConnectionError("the server is down")

    def close(self):
        raise RuntimeError("no session")


def test_safe_tracker_forwards_rows_and_reports_the_first_failure():
    down, said = DownTracker(steps=(2, 3)), []
    tracker = SafeTracker(down, said.append)
    for step in (1, 2, 3, 4):
        tracker.log({"step": step})
    tracker.close()
    assert down.steps == [1, 4]
    (warning,) = said
    assert "got ConnectionError: the server is down; training continues" in warning


def test_safe_tracker_lets_an_interruption_through():
    tracker = DownTracker(steps=())
    tracker.log = fails_with(KeyboardInterrupt)
    with pytest.raises(KeyboardInterrupt):
        SafeTracker(tracker, list().append).log({"step": 1})


@pytest.fixture(scope="module")
def config(tmp_path_factory) -> TrainConfig:
    tasks = write_tasks(tmp_path_factory.mktemp("tasks") / "tasks.jsonl")
    return TrainConfig(
        tasks=str(tasks),
        steps=4,
        tasks_per_step=2,
        group_size=2,
        num_eval_tasks=4,
        eval_every=0,
        checkpoint_every=1,
    )


def train(trainer, *, said=None, tracker=None):
    trainer.run_dir.mkdir(exist_ok=True)
    return trainer.run(
        on_step=lambda _row: None,
        on_warning=(said if said is not None else []).append,
        should_stop=lambda: False,
        tracker=tracker or NoTracker(trainer.run_dir),
    )


def resumed(config, run_dir):
    return Trainer(replace(config, resume="yes", out_dir=run_dir), run_dir)


def metrics_of(run_dir):
    rows = read_rows(run_dir / "metrics.jsonl")
    return [{k: v for k, v in row.items() if not k.startswith("time/")} for row in rows]


@pytest.fixture(scope="module")
def untroubled(config, tmp_path_factory):
    """The rows of the run that nothing happened to."""
    run_dir = tmp_path_factory.mktemp("untroubled") / "run"
    train(Trainer(config, run_dir))
    return metrics_of(run_dir)


def test_run_on_a_full_disk_ends_with_one_sentence_and_goes_on_later(
    config, untroubled, tmp_path, monkeypatch, capsys
):
    run_dir, torch_save, saved = tmp_path / "run", torch.save, []

    def save_until_full(*args, **kwargs):
        saved.append(args)
        if len(saved) == 3:
            raise FULL
        torch_save(*args, **kwargs)

    trainer = Trainer(config, run_dir)
    with monkeypatch.context() as patch:
        patch.setattr(torch, "save", save_until_full)
        assert command(lambda: train(trainer))() == 1
    error = capsys.readouterr().err
    assert error.startswith("error: a checkpoint must be written, got 'No space left on device'")
    assert error.count("\n") == 1
    left = sorted(path.name for path in (run_dir / "checkpoints").iterdir())
    assert left == ["step_000001", "step_000002"]
    again = resumed(config, run_dir)
    assert (again.steps_done, again.notices) == (2, ())
    train(again)
    assert metrics_of(run_dir) == untroubled


def test_run_goes_on_when_the_tracker_is_down(config, untroubled, tmp_path):
    said, tracker = [], DownTracker(steps=(1, 2, 3))
    train(Trainer(config, tmp_path / "run"), said=said, tracker=tracker)
    assert tracker.steps == [4]
    assert [text for text in said if "tracker" in text] == said[:1]
    assert metrics_of(tmp_path / "run") == untroubled


@pytest.mark.parametrize("weights", ["separate", "shared", "lora"])
def test_resume_goes_on_from_the_checkpoint_before_a_damaged_one(config, tmp_path, weights):
    config, run_dir = replace(config, weights=weights), tmp_path / "run"
    train(Trainer(config, run_dir))
    whole = metrics_of(run_dir)
    (file, *_) = sorted((run_dir / "checkpoints" / "step_000004").rglob("*.safetensors"))
    data = bytearray(file.read_bytes())
    data[-1] ^= 0x10
    file.write_bytes(data)
    trainer = resumed(config, run_dir)
    assert trainer.steps_done == 3
    (notice,) = trainer.notices
    assert notice.endswith("step_000004; resuming from step_000003")
    train(trainer)
    assert metrics_of(run_dir) == whole
    assert resumed(config, run_dir).notices == ()


@pytest.mark.parametrize("file", ["metrics.jsonl", "completions.jsonl"])
def test_resume_on_a_full_disk_is_one_storage_error_and_resumes_later(
    config, untroubled, tmp_path, monkeypatch, file
):
    run_dir = tmp_path / "run"
    train(Trainer(replace(config, steps=2), run_dir))
    with (run_dir / file).open("a", encoding="utf-8") as torn:
        torn.write('{"step": 3, "accur')
    before = (run_dir / file).read_bytes()
    write = Path.write_text

    def write_unless_full(path, *args, **kwargs):
        if path.name.startswith(file.removesuffix(".jsonl")):
            raise FULL
        return write(path, *args, **kwargs)

    with monkeypatch.context() as patch:
        patch.setattr(Path, "write_text", write_unless_full)
        with pytest.raises(StorageError, match=rf"No space left .*{re.escape(file)}; free disk"):
            train(resumed(config, run_dir))
    assert (run_dir / file).read_bytes() == before
    assert not list(run_dir.glob("*.part"))
    train(resumed(config, run_dir))
    assert metrics_of(run_dir) == untroubled


def test_resume_repairs_metrics_with_a_torn_last_line(config, untroubled, tmp_path):
    run_dir = tmp_path / "run"
    train(Trainer(replace(config, steps=2), run_dir))
    with (run_dir / "metrics.jsonl").open("a", encoding="utf-8") as file:
        file.write('{"step": 3, "accur')
    train(resumed(config, run_dir))
    assert metrics_of(run_dir) == untroubled


def test_run_keeps_the_checkpoint_that_answered_most_held_out_tasks(config, tmp_path, monkeypatch):
    # Accuracy before steps 1, 2, ... and after the last; the first is that of no checkpoint.
    successes = iter([4, 1, 3, 2, 3])
    evaluate = Trainer.evaluate

    def evaluated(trainer, *, draw=0):
        found = evaluate(trainer, draw=draw).episodes
        right = next(successes)
        statuses = (["correct"] * right + ["wrong"] * (4 - right)) * 2  # joint, without the thinker
        episodes = [
            replace(episode, verdict=Verdict(status, "1"))
            for episode, status in zip(found, statuses, strict=True)
        ]
        return Evaluation.of(episodes, verify=verify)

    monkeypatch.setattr(Trainer, "evaluate", evaluated)
    trainer = Trainer(replace(config, eval_every=1, checkpoint_every=100), tmp_path / "run")
    train(trainer)
    root = tmp_path / "run" / "checkpoints"
    best = best_checkpoint(root)
    assert (best.step, best.accuracy.successes) == (2, 3)
    assert read_checkpoint(best.folder)["config"]["steps_done"] == 2
    assert newest_checkpoint(root).name == "step_000004"


def test_resumed_best_is_that_of_the_uninterrupted_run(config, tmp_path):
    config = replace(config, eval_every=1)
    train(Trainer(config, tmp_path / "whole"))
    train(Trainer(replace(config, steps=2), tmp_path / "run"))
    train(resumed(config, tmp_path / "run"))
    found, expected = (
        best_checkpoint(tmp_path / name / "checkpoints") for name in ("run", "whole")
    )
    assert (found.step, found.accuracy) == (expected.step, expected.accuracy)
    policy = load_policy(found.folder / "solver").module.state_dict()
    other = load_policy(expected.folder / "solver").module.state_dict()
    assert all(torch.equal(policy[name], other[name]) for name in other)


@pytest.mark.parametrize("file", ["evaluations.jsonl", "rollouts.jsonl", "metrics.jsonl"])
def test_resume_names_a_file_that_is_not_as_it_was_written(config, tmp_path, file):
    run_dir = tmp_path / "run"
    train(Trainer(replace(config, steps=1), run_dir))
    (run_dir / file).write_text("{}\n", encoding="utf-8")
    with pytest.raises(ValueError, match="files of a run must be as this version wrote them"):
        resumed(config, run_dir)


def test_a_disk_that_became_read_only_is_named_in_one_sentence(tmp_path, monkeypatch):
    for name in ("write_text", "unlink"):  # nor can the part be removed
        monkeypatch.setattr(Path, name, fails_with(READ_ONLY))
    with pytest.raises(
        StorageError, match=r"got 'Read-only file system' in .*page\.html; free disk"
    ):
        write_text(tmp_path / "page.html", "text")


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (MemoryError(), "error: memory must hold what the command works on, got 'MemoryError'; "),
        (MemoryError("Unable to allocate 9 GiB"), "got 'Unable to allocate 9 GiB'; free memory"),
        (RuntimeError("DefaultCPUAllocator: can't\nallocate memory"), "can't allocate memory"),
        (RuntimeError("can't start new thread"), "can't start new thread"),
        (OutOfMemoryInBatch(2, 9), "error: a micro-batch must fit into memory, got 2 completions"),
    ],
)
def test_a_command_without_memory_ends_in_one_sentence(error, said, capsys):
    assert command(fails_with(error))() == 1
    err = capsys.readouterr().err
    assert said in err
    assert err.count("\n") == 1
    with pytest.raises(SystemExit, match="1"):  # before any of the command's own code runs
        report_and_exit(type(error), error, None)
    assert capsys.readouterr().err == err


def test_another_runtime_error_of_a_command_is_a_bug():
    with pytest.raises(RuntimeError, match="shapes differ"):
        command(fails_with(RuntimeError("shapes differ")))()
