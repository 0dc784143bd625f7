from __future__ import annotations

import json

import pytest

from baselines.config import SETTINGS, TrainConfig, with_settings
from baselines.train import read_config
from baselines.training.presets import PRESETS, preset, read_settings
from tests.rl.teams import quietly


@pytest.mark.parametrize("name", sorted(PRESETS))
def test_every_preset_is_a_config_that_checks(name):
    config = with_settings(TrainConfig(), preset(name))
    config.check()
    assert (config.group_size, config.tasks_per_step, config.alternate_period) == (16, 192, 10)
    assert config.sampling("solver").max_tokens == 6144
    # 192 prompts in mini-batches of 24 are 8 updates a step, as in the reference.
    assert config.update_options(4096).updates_per_step == 192 // 24


def test_preset_of_two_families_gives_the_solver_another_model():
    config = with_settings(TrainConfig(), preset("paper/gspo-olmo3-7b-to-qwen2.5-1.5b"))
    assert config.policy == "allenai/Olmo-3-7B-Instruct"
    assert config.role_policies == {"solver": "Qwen/Qwen2.5-1.5B-Instruct"}


def test_flags_count_more_than_the_file_and_the_file_more_than_the_preset(tmp_path):
    path = tmp_path / "mine.toml"
    path.write_text("group-size = 4\nsteps = 7\n[allocator_knobs]\nweight = 0.5\n", "utf-8")
    config = read_config(["--preset", "paper/gspo-qwen3-4b", "--config", str(path), "--steps", "9"])
    assert (config.policy, config.group_size, config.steps) == ("Qwen/Qwen3-4B-Base", 4, 9)
    assert config.allocator_knobs == {"weight": "0.5"}


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("a.yaml", "group_size: 4\nfrozen_roles: [solver]\nlearning_rate: 1\n"),
        ("a.json", '{"group_size": 4, "frozen_roles": ["solver"], "learning_rate": 1}'),
        ("a.toml", 'group_size = 4\nfrozen_roles = ["solver"]\nlearning_rate = 1\n'),
    ],
)
def test_a_config_file_may_be_yaml_json_or_toml(tmp_path, name, text):
    (tmp_path / name).write_text(text, encoding="utf-8")
    config = with_settings(TrainConfig(), read_settings(tmp_path / name, SETTINGS))
    assert (config.group_size, config.frozen_roles, config.learning_rate) == (4, ("solver",), 1.0)


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("a.toml", "gruop_size = 4", "did you mean 'group_size'"),
        ("a.toml", "group_size = ", "must be a readable file"),
        ("a.json", "[1, 2]", "must be a table of settings, got list"),
        ("a.yaml", "a: [1", "must be a readable file"),
        ("a.ini", "x", "must end in .toml, .yaml or .json"),
        ("a.toml", 'group_size = "four"', "group_size must be of type int, got 'four'"),
        ("a.toml", 'weights = "some"', "weights must be of type"),
        ("a.json", '{"steps": true}', "steps must be of type int, got True"),
    ],
)
def test_a_bad_config_file_is_refused_in_one_sentence(tmp_path, name, text, message, capsys):
    from baselines.train import main

    (tmp_path / name).write_text(text, encoding="utf-8")
    code, _ = quietly(main, "--config", tmp_path / name)
    error = capsys.readouterr().err
    assert code == 2
    assert message in error
    assert error.count("\n") == 1


def test_an_unknown_preset_names_the_nearest():
    with pytest.raises(ValueError, match=r"did you mean 'paper/gspo-qwen3-4b'"):
        preset("paper/gspo-qwen3")


def test_to_json_is_a_config_file(tmp_path):
    values = TrainConfig(steps=3, frozen_roles=("solver",)).to_json()
    (tmp_path / "config.json").write_text(json.dumps(values), encoding="utf-8")
    settings = read_settings(tmp_path / "config.json", SETTINGS)
    assert with_settings(TrainConfig(), settings).to_json() == values
