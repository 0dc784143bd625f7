from __future__ import annotations

import json
import shutil

import pytest
import torch

from baselines.common.stats import proportion
from baselines.policies import checkpoints
from baselines.policies.checkpoints import (
    CheckpointError,
    best_checkpoint,
    forget_best_after,
    newest_checkpoint,
    newest_usable_checkpoint,
    read_checkpoint,
    read_updaters,
    record_best,
    save_checkpoint,
)

FILES = ("state.json", "updaters.pt", "thinker/model.safetensors", "solver/notes/origin.txt")


class FilePolicy:
    """Stands for a model: saving it writes two files."""

    def save(self, folder):
        (folder / "notes").mkdir(parents=True)
        (folder / "model.safetensors").write_bytes(bytes(range(256)))
        (folder / "notes" / "origin.txt").write_text("made by hand", encoding="utf-8")


def save(root, step=3, num_kept=2, **state):
    return save_checkpoint(
        root,
        step=step,
        config={"seed": 1, "learning_rate": 1e-3},
        policies={"thinker": FilePolicy(), "solver": FilePolicy()},
        updaters={"thinker": {"num_updates": step, "moments": torch.arange(3.0)}},
        state=state,
        num_kept=num_kept,
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


@pytest.mark.parametrize("num_kept", [1, 3])
def test_save_checkpoint_keeps_as_many_as_it_is_told_and_the_best(tmp_path, num_kept):
    for step in range(1, 7):
        save(tmp_path, step=step, num_kept=num_kept)
        if step == 2:
            record_best(tmp_path, step=2, accuracy=proportion(3, 4))
    kept = [f"step_{step:06d}" for step in (2, *range(7 - num_kept, 7))]
    assert sorted(path.name for path in tmp_path.glob("step_*")) == kept


def test_save_checkpoint_replaces_one_of_the_same_step(tmp_path):
    save(tmp_path, note="old")
    folder = save(tmp_path, note="new")
    assert read_checkpoint(folder)["state"] == {"note": "new"}


def test_save_checkpoint_leaves_nothing_to_be_taken_when_it_is_cut_off(tmp_path, monkeypatch):
    good = save(tmp_path, step=1)

    def pull_the_plug(_path):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(checkpoints, "sync", pull_the_plug)
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


def names(root):
    return sorted(path.name for path in root.iterdir())


def test_save_checkpoint_deletes_later_steps_that_the_run_has_gone_back_from(tmp_path):
    for step in (5, 10):
        save(tmp_path, step=step)
    save(tmp_path, step=6)
    assert names(tmp_path) == ["step_000005", "step_000006"]


@pytest.mark.parametrize("damage", ["flip", "truncate"])
def test_newest_usable_checkpoint_takes_the_one_before_a_damaged_one(tmp_path, damage):
    good = save(tmp_path, step=1)
    file = save(tmp_path, step=2) / "solver" / "model.safetensors"
    data = bytearray(file.read_bytes())
    data[100] ^= 1
    file.write_bytes(data if damage == "flip" else data[:100])
    found = newest_usable_checkpoint(tmp_path)
    assert found.folder == good
    assert found.contents == read_checkpoint(good)
    (notice,) = found.notices
    assert "solver/model.safetensors in" in notice
    assert notice.endswith("step_000002; resuming from step_000001")
    assert "\n" not in notice


def test_newest_usable_checkpoint_says_nothing_when_the_newest_is_whole(tmp_path):
    assert newest_usable_checkpoint(tmp_path) is None
    save(tmp_path, step=1)
    newest = save(tmp_path, step=2)
    found = newest_usable_checkpoint(tmp_path)
    assert (found.folder, found.notices) == (newest, ())


def test_newest_usable_checkpoint_refuses_when_all_are_damaged(tmp_path):
    for step in (1, 2):
        (save(tmp_path, step=step) / "updaters.pt").write_bytes(b"")
    with pytest.raises(CheckpointError, match=r"updaters\.pt in .*step_000002; delete"):
        newest_usable_checkpoint(tmp_path)


def test_best_checkpoint_stays_when_newer_ones_replace_the_others(tmp_path):
    assert best_checkpoint(tmp_path) is None
    save(tmp_path, step=1)
    best = save(tmp_path, step=2)
    record_best(tmp_path, step=2, accuracy=proportion(3, 4))
    for step in (3, 4, 5):
        save(tmp_path, step=step)
    assert names(tmp_path) == ["best.json", "step_000002", "step_000004", "step_000005"]
    found = best_checkpoint(tmp_path)
    assert (found.folder, found.step, found.accuracy) == (best, 2, proportion(3, 4))
    record_best(tmp_path, step=5, accuracy=proportion(4, 4))
    save(tmp_path, step=6)
    assert names(tmp_path) == ["best.json", "step_000005", "step_000006"]
    assert best_checkpoint(tmp_path).step == 5


@pytest.mark.parametrize(
    "text", ["", "[]", "{}", "null", '{"step": 7, "successes": 1, "total": 2}', '{"step": "x"}']
)
def test_best_checkpoint_is_none_when_its_record_or_folder_is_not_there(tmp_path, text):
    save(tmp_path, step=1)
    (tmp_path / "best.json").write_text(text, encoding="utf-8")
    assert best_checkpoint(tmp_path) is None
    save(tmp_path, step=2)


@pytest.mark.parametrize(("step", "is_kept"), [(1, False), (2, True), (3, True)])
def test_forget_best_after_drops_what_will_be_made_again(tmp_path, step, is_kept):
    save(tmp_path, step=2)
    record_best(tmp_path, step=2, accuracy=proportion(3, 4))
    forget_best_after(tmp_path, step)
    assert (best_checkpoint(tmp_path) is not None) == is_kept
    assert (tmp_path / "best.json").exists() == is_kept
