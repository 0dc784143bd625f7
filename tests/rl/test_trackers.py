from __future__ import annotations

import sys

import pytest

from baselines.training.trackers import TRACKERS

ROWS = [
    {"step": 1, "accuracy/joint": 0.25, "accuracy/solo": None},
    {"step": 2, "accuracy/joint": 0.5, "accuracy/solo": 0.0},
]


def log_rows(name, run_dir):
    tracker = TRACKERS[name](run_dir)
    for row in ROWS:
        tracker.log(row)
    tracker.close()


def test_tensorboard_tracker_writes_every_measured_value(tmp_path):
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    log_rows("tensorboard", tmp_path)
    events = EventAccumulator(str(tmp_path / "tensorboard"))
    events.Reload()
    found = {
        name: [(event.step, event.value) for event in events.Scalars(name)]
        for name in events.Tags()["scalars"]
    }
    assert found["accuracy/joint"] == [(1, 0.25), (2, 0.5)]
    assert found["accuracy/solo"] == [(2, 0.0)]


def test_tensorboard_tracker_says_what_to_install(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "torch.utils.tensorboard", None)
    with pytest.raises(ImportError, match=r"pip install 'ccpo-env\[trackers\]'"):
        TRACKERS["tensorboard"](tmp_path)


def test_no_tracker_writes_nothing(tmp_path):
    log_rows("none", tmp_path)
    assert list(tmp_path.iterdir()) == []
