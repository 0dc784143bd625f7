"""Tasks as the data of verl, and the settings and launches of verl that fit a team's credit."""

from __future__ import annotations

import copy
import json
import re
import shlex

import numpy as np
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from baselines.credit import ALLOCATORS
from baselines.integrations.session_settings import READ
from baselines.integrations.task_rows import task_of
from baselines.integrations.verl_checks import check_launch
from baselines.integrations.verl_data import FILES, main, row_of, write_rows
from baselines.integrations.verl_settings import INSTEAD, team_settings
from baselines.optimizers import OPTIMIZERS
from baselines.train.config import TrainConfig
from ccpo_env import Task, load_tasks
from tests.rl.launching import ROOT

texts = st.text('aé漢\n\0"\\', max_size=3)
lists = st.lists(texts, max_size=3).map(tuple)
tasks = st.builds(
    Task,
    id=texts,
    question=texts,
    answer=texts,
    source=texts,
    tags=st.lists(st.tuples(texts, texts), max_size=2).map(tuple),
    choices=lists,
    context=lists,
    answers=lists,
    tests=texts,
)


UNUSUAL = [
    Task("a", "", ""),
    Task("b", "two\nlines", "x", "file.jsonl", (("level", "5"), ("", "漢")), tests="assert f()"),
    Task("c", "?", "B", choices=("x", ""), context=("\0",), answers=('"', "é")),
]


@given(tasks)
def test_row_holds_every_field_of_a_task(task):
    assert task_of(row_of(task, 0)["extra_info"]) == task


def test_file_holds_every_field_of_a_task(tmp_path):
    write_rows(tmp_path / "train.parquet", UNUSUAL)
    rows = pq.read_table(tmp_path / "train.parquet").to_pylist()
    assert [task_of(row["extra_info"]) for row in rows] == UNUSUAL
    assert [row["extra_info"]["index"] for row in rows] == [0, 1, 2]
    assert rows[1]["prompt"] == [{"role": "user", "content": "two\nlines"}]
    assert rows[1]["reward_model"] == {"style": "rule", "ground_truth": "x"}


@pytest.mark.parametrize("source", ["arithmetic", "arithmetic_choice"])
def test_command_writes_both_splits(source, tmp_path, capsys):
    assert main(["--tasks", source, "--limit", "3", "--out", str(tmp_path / "data")]) == 0
    for split, name in FILES.items():
        rows = pq.read_table(tmp_path / "data" / name).to_pylist()
        expected = load_tasks(source, split=split, limit=3)
        assert [task_of(row["extra_info"]) for row in rows] == expected
    assert capsys.readouterr().out.count("3 tasks") == 2


def test_rows_of_others_and_of_pandas_are_read():
    row = {"question": "1+1", "answer": "2", "index": 7, "choices": None}
    assert task_of(row) == Task("7", "1+1", "2")
    own = row_of(Task("t", "?", "A", choices=("x", "y"), tags=(("level", "5"),)), 0)["extra_info"]
    own |= {"choices": np.array(own["choices"], object), "tags": np.array(own["tags"], object)}
    assert task_of(own) == Task("t", "?", "A", choices=("x", "y"), tags=(("level", "5"),))
    with pytest.raises(ValueError, match=r"question and answer, got \['index'\]"):
        task_of({"index": 3, "answer": None})


def test_text_that_is_no_unicode_is_refused(tmp_path):
    with pytest.raises(ValueError, match=r"valid Unicode, got '\\ud800'"):
        write_rows(tmp_path / "train.parquet", [Task("t", "a\ud800", "1")])
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"optimizer": "reinforce_pp"}, "'reinforce_pp', which whitens .* one of grpo, "),
        ({"optimizer": "rae"}, "'rae', which remembers past steps"),
        ({"allocator": "history", "optimizer": "grpo"}, "'history', which remembers"),
        ({"allocatr": "branch"}, "'allocatr' of ccpo; .* did you mean 'allocator'"),
        ({"learning_rate": 1e-3}, "set actor_rollout_ref.actor.optim.lr"),
        ({"temperature": 0.7}, "set actor_rollout_ref.rollout.temperature"),
        ({"seed": 1}, "got seed, which verl decides; leave it out"),
        ({"optimizer": "grpo", "num_voters": 5}, "num_voters must be left out"),
        ({"optimizer": "grpo", "optimizer_args": {"clip_low": 0.1}}, "clip_low, .* of the loss"),
        ({"group_size": "4"}, "group_size must be of type int"),
    ],
)
def test_settings_that_have_no_effect_in_verl_are_refused(settings, message):
    with pytest.raises(ValueError, match=message):
        team_settings(settings)


def test_settings_of_the_advantage_are_read():
    given = {"optimizer": "grpo", "optimizer_args": {"std": True}, "role_stops": {"solver": "."}}
    config = team_settings(given)
    assert (config.optimizer_args, config.role_stops) == ({"std": "True"}, {"solver": "."})
    assert config.weights == "shared"


def test_every_method_that_needs_one_group_alone_is_accepted():
    for name, own in OPTIMIZERS.items():
        if not own.whitens and own.state is None:
            assert team_settings({"optimizer": name}).optimizer == name
    for name, allocator in ALLOCATORS.items():
        if allocator.new_state is None:
            assert team_settings({"optimizer": "grpo", "allocator": name}).allocator == name


def test_lists_of_settings_name_settings():
    assert set(READ) <= set(TrainConfig.__dataclass_fields__)
    assert set(INSTEAD) <= set(TrainConfig.__dataclass_fields__) - set(READ)


FITS = {
    "algorithm": {
        "adv_estimator": "external_credit",
        "use_kl_in_reward": False,
        "filter_groups": {"enable": False},
    },
    "data": {"train_batch_size": 2},
    "actor_rollout_ref": {
        "rollout": {"n": 1, "agent": {"default_agent_loop": "ccpo_team"}},
        "actor": {"ppo_mini_batch_size": 16},
    },
    "trainer": {"val_before_train": False, "test_freq": -1},
    "ccpo": {"allocator": "branch", "optimizer": "grpo", "group_size": 4},
}


def documented_overrides():
    """The settings in the command of docs/integrations.md that starts verl."""
    text = (ROOT / "docs" / "integrations.md").read_text(encoding="utf-8")
    (command,) = re.findall(r"^python -m verl\.trainer\.main_ppo.*?(?=^```)", text, re.M | re.S)
    _, _, _, *overrides = shlex.split(command.replace("\\\n", " "))
    return dict(override.split("=", 1) for override in overrides)


def part_of(config, key):
    """The part of a configuration that holds a key, and the last name of the key."""
    *path, last = key.removeprefix("+").split(".")
    for name in path:
        config = config.setdefault(name, {})
    return config, last


def test_documented_launch_is_accepted():
    config = copy.deepcopy(FITS) | {"ccpo": {}}
    for key, text in documented_overrides().items():
        part, last = part_of(config, key)
        part[last] = json.loads(text) if re.fullmatch(r"-?\d+|true|false", text) else text
    check_launch(config)


@pytest.mark.parametrize(
    ("key", "value", "message"),
    [
        ("algorithm.adv_estimator", "grpo", "pass algorithm.adv_estimator=external_credit"),
        ("algorithm.use_kl_in_reward", True, "got true; pass algorithm.use_kl_in_reward=false"),
        ("algorithm.filter_groups.enable", True, r"use \+ccpo.optimizer=dapo"),
        ("actor_rollout_ref.rollout.n", 4, "rollout.n must be 1"),
        ("actor_rollout_ref.rollout.agent.default_agent_loop", "single_turn_agent", "ccpo_team"),
        ("trainer.val_before_train", True, "use ccpo evaluate"),
        ("trainer.test_freq", 5, "trainer.test_freq must be -1"),
        ("actor_rollout_ref.actor.ppo_mini_batch_size", 256, "2 x 4 x 2 = 16, .* got 256; pass"),
        ("ccpo", {"optimizer": "rae"}, "remembers past steps"),
    ],
)
def test_launch_that_would_train_on_wrong_advantages_is_refused(key, value, message):
    config = copy.deepcopy(FITS)
    check_launch(config)
    part, last = part_of(config, key)
    part[last] = value
    with pytest.raises(ValueError, match=message):
        check_launch(config)
