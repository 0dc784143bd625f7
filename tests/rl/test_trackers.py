from __future__ import annotations

import sys
from types import SimpleNamespace

import pytest

from baselines.common.files import write_json
from baselines.train.config import TrainConfig
from baselines.train.logging.completions import COLUMNS
from baselines.train.logging.trackers import TRACKERS, markdown_table, open_tracker

ROWS = [
    {"step": 1, "accuracy/joint": 0.25, "accuracy/solo": None},
    {"step": 2, "accuracy/joint": 0.5, "accuracy/solo": 0.0},
]
SAID = [
    {
        "step": 2,
        "task_id": "t/0",
        "question": "1+1",
        "gold": "2",
        "rollout": 0,
        "agent": "solver_0",
        "text": "so | <b>2</b>\nthen",
        "tokens": 3,
        "answer": None,
        "reward": 1.0,
        "credit": 1.2,
        "advantage": 0.5,
    }
]
EXTRAS = {"tensorboard": "trackers", "wandb": "wandb", "trackio": "trackio"}
MODULES = {"tensorboard": "torch.utils.tensorboard", "wandb": "wandb", "trackio": "trackio"}


@pytest.fixture
def run_dir(tmp_path):
    folder = tmp_path / "run"
    folder.mkdir()
    write_json(folder / "config.json", TrainConfig(seed=7).to_json())
    return folder


def log_all(name, run_dir):
    tracker = open_tracker(name, run_dir)
    for row in ROWS:
        tracker.log(row)
    tracker.log_completions(SAID)
    tracker.close()


class FakePackage(SimpleNamespace):
    """Remembers what wandb and trackio are asked: both have the same functions."""

    def __init__(self):
        self.started, self.logged, self.num_finished = [], [], 0
        super().__init__(Table=dict)

    def init(self, **given):
        self.started.append(given)
        return self

    def log(self, values, *, step):
        self.logged.append((step, values))

    def finish(self):
        self.num_finished += 1


def test_tensorboard_tracker_writes_every_measured_value_and_the_table(run_dir):
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    log_all("tensorboard", run_dir)
    events = EventAccumulator(str(run_dir / "tensorboard"))
    events.Reload()
    found = {
        name: [(event.step, event.value) for event in events.Scalars(name)]
        for name in events.Tags()["scalars"]
    }
    assert found["accuracy/joint"] == [(1, 0.25), (2, 0.5)]
    assert found["accuracy/solo"] == [(2, 0.0)]
    (event,) = events.Tensors("completions/text_summary")
    assert event.step == 2
    assert event.tensor_proto.string_val[0].decode() == markdown_table(SAID)


@pytest.mark.parametrize("name", ["wandb", "trackio"])
def test_tracker_passes_on_the_same_names_the_table_and_the_config(name, run_dir, monkeypatch):
    package = FakePackage()
    monkeypatch.setitem(sys.modules, name, package)
    log_all(name, run_dir)
    table = {"columns": list(COLUMNS), "data": [list(SAID[0].values())]}
    own = {} if name == "trackio" else {"step": 1}  # which trackio keeps for itself
    assert package.logged == [
        (1, {**own, "accuracy/joint": 0.25}),
        (2, {**own, "accuracy/joint": 0.5, "accuracy/solo": 0.0, **({"step": 2} if own else {})}),
        (2, {"completions": table}),
    ]
    (started,) = package.started
    assert (started["project"], started["config"]["seed"]) == ("ccpo", 7)
    assert package.num_finished == 1


@pytest.mark.parametrize("name", ["wandb", "trackio"])
def test_run_that_goes_on_is_the_same_run_and_no_other_of_that_name(
    name, run_dir, tmp_path, monkeypatch
):
    package = FakePackage()
    monkeypatch.setitem(sys.modules, name, package)
    other = tmp_path / "elsewhere" / run_dir.name
    other.mkdir(parents=True)
    (other / "config.json").write_text("{}", encoding="utf-8")
    for folder in (run_dir, run_dir, other):
        open_tracker(name, folder)
    first, again, third = [(s["name"], s.get("id"), s["resume"]) for s in package.started]
    assert first == again != third
    assert first[2] == "allow"


@pytest.mark.parametrize("name", EXTRAS)
def test_tracker_says_what_to_install(name, run_dir, monkeypatch):
    monkeypatch.setitem(sys.modules, MODULES[name], None)
    with pytest.raises(ImportError, match=rf"{name}, got none; .*'ccpo-env\[{EXTRAS[name]}\]'"):
        open_tracker(name, run_dir)


def test_tracker_that_cannot_start_says_so_in_one_sentence(run_dir, monkeypatch):
    class LoggedOut(Exception):
        """As a package of its own may raise."""

    def refuse(**_):
        raise LoggedOut("no key\nlog in")

    monkeypatch.setitem(sys.modules, "wandb", SimpleNamespace(init=refuse))
    message = r"tracker 'wandb' must start, got LoggedOut: no key log in; .* --tracker"
    with pytest.raises(ValueError, match=message):
        open_tracker("wandb", run_dir)


def test_no_tracker_writes_nothing(run_dir):
    before = set(run_dir.iterdir())
    log_all("none", run_dir)
    assert set(run_dir.iterdir()) == before


def test_every_tracker_is_tested():
    assert set(TRACKERS) == {"none", *EXTRAS}


def test_markdown_table_shows_text_as_it_is():
    head, _, row = markdown_table(SAID).splitlines()
    assert head.count("|") == row.count("|") == len(COLUMNS) + 1
    assert "so &#124; &lt;b&gt;2&lt;/b&gt; then" in row
