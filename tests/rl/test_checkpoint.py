from __future__ import annotations

import json
import shutil

import pytest
import torch

from baselines import checkpoint
from baselines.checkpoint import (
    CheckpointError,
    newest_checkpoint,
    read_checkpoint,
    read_updaters,
    save_checkpoint,
)

FILES = ("state.json", "updaters.pt", "thinker/model.safetensors", "solver/notes/origin.txt")


class FilePolicy:
    """Stands for a model: saving it writes two files."""

    def save(self, folder):
        (folder / "notes").mkdir(parents=True)
        (folder / "model.safetensors").write_bytes(bytes(range(256)))
        (folder / "notes" / "origin.txt").write_text("made by hand", encoding="utf-8")


def save(root, step=3, **state):
    return save_checkpoint(
        root,
        step=step,
        config={"seed": 1, "learning_rate": 1e-3},
        policies={"thinker": FilePolicy(), "solver": FilePolicy()},
        updaters={"thinker": {"num_updates": step, "moments": torch.arange(3.0)}},
        state=state,
    )


def test_save_checkpoint_gives_back_what_it_was_given(tmp_path):
    folder = save(tmp_path, warnings=["be careful"], initial={"rate": 0.1})
    contents = read_checkpoint(folder)
    assert contents["config"] == {"seed": 1, "learning_rate": 1e-3, "steps_done": 3}
    assert contents["state"] == {"warnings": ["be careful"], "initial": {"rate": 0.1}}
    (updater,) = read_updaters(folder).values()
    assert updater["num_updates"] == 3
    assert updater["moments"].tolist() == [0.0, 1.0, 2.0]


@pytest.mark.parametrize("name", FILES)
@pytest.mark.parametrize("damage", ["flip", "truncate", "remove"])
def test_read_checkpoint_refuses_a_damaged_file_by_name(tmp_path, name, damage):
    folder = save(tmp_path)
    file = folder / name
    data = bytearray(file.read_bytes())
    if damage == "flip":
        data[len(data) // 2] ^= 1
        file.write_bytes(data)
    elif damage == "truncate":
        file.write_bytes(data[:-3])
    else:
        file.unlink()
    with pytest.raises(CheckpointError) as error:
        read_checkpoint(folder)
    assert name in str(error.value)
    assert str(folder) in str(error.value)
    assert "delete that folder" in str(error.value)


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ('"steps_done": 3', '"steps_done": 4'),
        ('"seed": 1', '"seed": 2'),
        ('"warnings": []', '"warnings": 1'),
    ],
)
def test_read_checkpoint_refuses_a_state_that_is_valid_json_but_changed(tmp_path, before, after):
    file = save(tmp_path, warnings=[]) / "state.json"
    text = file.read_text(encoding="utf-8")
    assert before in text
    file.write_text(text.replace(before, after), encoding="utf-8")
    with pytest.raises(CheckpointError, match=r"state\.json"):
        read_checkpoint(file.parent)


@pytest.mark.parametrize("text", ["", "[]", "null", "{}", '"text"', '{"files": 3}'])
def test_read_checkpoint_refuses_a_state_of_another_form(tmp_path, text):
    file = save(tmp_path) / "state.json"
    file.write_text(text, encoding="utf-8")
    with pytest.raises(CheckpointError, match=r"state\.json"):
        read_checkpoint(file.parent)


def test_newest_checkpoint_compares_steps_as_numbers(tmp_path):
    for step in (9, 10, 100, 999_999, 1_000_000):
        (tmp_path / f"step_{step:06d}").mkdir()
    assert newest_checkpoint(tmp_path) == tmp_path / "step_1000000"


def test_newest_checkpoint_takes_only_what_was_finished(tmp_path):
    assert newest_checkpoint(tmp_path / "missing") is None
    assert newest_checkpoint(tmp_path) is None
    for name in ("part_000009", "step_best", "step_000002.bak"):
        (tmp_path / name).mkdir()
    assert newest_checkpoint(tmp_path) is None
    folder = save(tmp_path, step=1)
    assert newest_checkpoint(tmp_path) == folder


def test_save_checkpoint_keeps_the_newest_two_and_what_is_not_its_own(tmp_path):
    (tmp_path / "step_best").mkdir()
    for step in (9, 10, 11, 100):
        save(tmp_path, step=step)
    assert sorted(p.name for p in tmp_path.iterdir()) == ["step_000011", "step_000100", "step_best"]


def test_save_checkpoint_replaces_one_of_the_same_step(tmp_path):
    save(tmp_path, note="old")
    folder = save(tmp_path, note="new")
    assert read_checkpoint(folder)["state"] == {"note": "new"}


def test_save_checkpoint_leaves_nothing_to_be_taken_when_it_is_cut_off(tmp_path, monkeypatch):
    good = save(tmp_path, step=1)

    def pull_the_plug(_path):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(checkpoint, "_sync", pull_the_plug)
        with pytest.raises(KeyboardInterrupt):
            save(tmp_path, step=2)
    assert (tmp_path / "part_000002").is_dir()  # all its files were there already
    assert newest_checkpoint(tmp_path) == good
    save(tmp_path, step=3)
    assert sorted(p.name for p in tmp_path.iterdir()) == ["step_000001", "step_000003"]


def test_checkpoint_may_be_moved(tmp_path):
    folder = save(tmp_path / "checkpoints")
    moved = shutil.move(folder, tmp_path / "elsewhere")
    assert read_checkpoint(moved)["config"]["steps_done"] == 3
    assert str(tmp_path) not in json.dumps(read_checkpoint(moved))
