"""Folders of runs that are damaged, or were changed: one sentence from every command."""

from __future__ import annotations

import hashlib
import json
from types import SimpleNamespace

import pytest

from baselines.advise.command import main as advise
from baselines.audit.command import main as audit
from baselines.common.evaluation_file import EVALUATIONS_FILE
from baselines.compare.command import main as compare
from baselines.evaluate.command import main as evaluate
from baselines.evaluate.human_play import main as play
from baselines.explore.command import main as explore
from baselines.policies.checkpoints import (
    CheckpointError,
    best_checkpoint,
    read_checkpoint,
    save_checkpoint,
)
from baselines.report.command import main as report
from baselines.train.command import main as train
from tests.rl.explore_runs import make_run

COMMANDS = {
    "advise": lambda run: (advise, ("--from", run)),
    "audit": lambda run: (audit, (run,)),
    "compare": lambda run: (compare, (run, run.parent / "other", "--out-dir", run.parent / "out")),
    "evaluate": lambda run: (evaluate, ("--policy", run, "--limit", "1")),
    "explore": lambda run: (explore, (run,)),
    "play": lambda run: (play, ("--policy", run)),
    "report": lambda run: (report, (run,)),
    "train": lambda run: (train, ("--resume", "--out-dir", run)),
}
ALL = tuple(COMMANDS)
READERS = ("compare", "explore", "report")
DAMAGE = [
    ("config.json", b"[]", "config.json must hold a JSON object, got list", ALL),
    ("config.json", b'{"seed": 1', "config.json must be a JSON file, got a damaged one", ALL),
    ("config.json", b"[" * 200_000, "config.json must be a JSON file", ALL),
    ("config.json", '{"seed": 1}'.encode("utf-16"), "got UTF-16", ALL),
    ("config.json", b'{"seed": 1, "seed": 2}', "got 'seed' twice", ALL),
    ("config.json", b'{"num_thinkers": [1]}', "must be of type int, got [1]", ("evaluate", "play")),
    ("summary.json", b'{"status": "fin', "summary.json must be a JSON file", ("explore", "report")),
    ("summary.json", b"[]", "summary.json must hold a JSON object", ("explore", "report")),
    ("metrics.jsonl", b"[]\n", "each line must be a JSON object, got b'[]'", ("explore", "report")),
    ("metrics.jsonl", b"{}\n", "files of a run must be as this version wrote them", ("report",)),
    ("rollouts.jsonl", b"7\n", "each line must be a JSON object, got b'7'", ("explore",)),
    (EVALUATIONS_FILE, b"{}\n", "each line must be an evaluation with", ("compare", "report")),
]


@pytest.fixture
def run(tmp_path):
    make_run(tmp_path / "other", num_steps=1, tasks_per_step=1)
    return make_run(tmp_path / "run", num_steps=1, tasks_per_step=2)


@pytest.mark.parametrize(
    ("file", "contents", "sentence", "name"),
    [
        pytest.param(file, contents, sentence, name, id=f"{number} {file} {name}")
        for number, (file, contents, sentence, names) in enumerate(DAMAGE)
        for name in names
    ],
)
def test_damaged_file_of_a_run_is_named_in_one_sentence(
    run, capsys, file, contents, sentence, name
):
    (run / file).write_bytes(contents)
    main, words = COMMANDS[name](run)
    with pytest.raises(SystemExit) as ended:
        main([*map(str, words)])
    error = capsys.readouterr().err
    assert (ended.value.code, error.count("\n")) == (2, 1)
    assert error.startswith("error: ")
    assert sentence in error
    assert str(run) in error


def written(folder, contents):
    """Write the state of a checkpoint, with its checksum."""
    checksum = hashlib.sha256(json.dumps(contents, sort_keys=True).encode()).hexdigest()
    text = json.dumps({**contents, "checksum": checksum})
    (folder / "state.json").write_text(text, encoding="utf-8")


@pytest.mark.parametrize(
    "changes",
    [
        {"config": None},
        {"config": []},
        {"config": {"steps_done": "x"}},
        {"config": {"steps_done": -1}},
        {"config": {"steps_done": 1e999}},
        {"state": None},
        {"files": []},
    ],
)
def test_checkpoint_without_what_resuming_needs_is_damaged(tmp_path, changes):
    policy = SimpleNamespace(save=lambda folder: folder.mkdir())
    folder = save_checkpoint(
        tmp_path, step=1, config={}, policies={"solver": policy}, updaters={}, state={}
    )
    contents = read_checkpoint(folder)
    written(folder, contents)
    assert read_checkpoint(folder) == contents
    written(folder, {**contents, **changes})
    with pytest.raises(CheckpointError, match="a checkpoint must be as it was written"):
        read_checkpoint(folder)


@pytest.mark.parametrize("text", ["[" * 200_000, '{"step": 1e999}', "[]", '{"step": "1"}', "\0"])
def test_damaged_record_of_the_best_checkpoint_is_none(tmp_path, text):
    (tmp_path / "best.json").write_text(text, encoding="utf-8")
    assert best_checkpoint(tmp_path) is None
