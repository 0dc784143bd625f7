from __future__ import annotations

import json
import re

import pytest

from baselines.common.jsonl import read_rows
from baselines.optimizers import OPTIMIZERS
from baselines.policies.registry import EMBEDDED
from baselines.rollouts.team_env import team_env
from baselines.train.command import main, read_config
from baselines.train.config import PER_ROLE, TrainConfig
from baselines.train.config_file import read_settings, with_settings
from baselines.train.presets import PRESETS, preset
from ccpo_env import load_tasks
from tests.rl.teams import quietly

pytestmark = pytest.mark.figures  # their sections of a page


@pytest.mark.parametrize("name", sorted(PRESETS))
def test_every_preset_is_a_config_that_checks(name):
    config = with_settings(TrainConfig(), preset(name))
    config.check()
    roles = team_env(config, load_tasks("arithmetic", limit=1)).unwrapped.topology.roles
    assert {role for field in PER_ROLE for role in getattr(config, field)} <= set(roles)
    OPTIMIZERS[config.optimizer].read_hyperparameters(config.optimizer_args)


@pytest.mark.parametrize("name", sorted(name for name in PRESETS if name.startswith("paper/g")))
def test_presets_of_the_paper_have_its_sizes(name):
    config = with_settings(TrainConfig(), preset(name))
    assert (config.group_size, config.tasks_per_step, config.alternate_period) == (16, 192, 10)
    assert config.sampling("solver").max_tokens == 6144
    # 192 prompts in mini-batches of 24 are 8 updates a step, as in the reference.
    assert config.update_options().updates_per_step == 192 // 24


@pytest.mark.parametrize(
    ("name", "sizes", "num_updates"),
    [("gspo-qwen2.5-1.5b", (16, 256), 256 // 32), ("grpo-qwen3-4b", (4, 64), 64 // 32)],
)
def test_presets_of_one_model_have_its_sizes_and_nobody_else(name, sizes, num_updates):
    config = with_settings(TrainConfig(), preset(f"paper/single-{name}"))
    assert (config.group_size, config.tasks_per_step) == sizes
    assert config.update_options().updates_per_step == num_updates
    assert (
        OPTIMIZERS[config.optimizer].read_hyperparameters(config.optimizer_args).hyperparameters.std
    )
    assert len(team_env(config, load_tasks("arithmetic", limit=1)).possible_agents) == 1


def test_preset_of_groups_of_one_has_as_many_rollouts_as_the_default():
    default, config = TrainConfig(), with_settings(TrainConfig(), preset("one-rollout"))
    assert config.group_size == OPTIMIZERS[config.optimizer].min_group_size == 1
    assert config.tasks_per_step == default.tasks_per_step * default.group_size


def test_preset_of_multiple_choice_asks_the_embedded_model_for_a_letter():
    config = with_settings(TrainConfig(), preset("arithmetic-choice"))
    assert config.policy in EMBEDDED
    env = team_env(config, load_tasks(config.tasks, limit=1)).unwrapped
    env.reset(options={"prefix": ["go step by step"]})
    prompt = env.observe("solver_0")["prompt"]
    assert "the letter of one option" in prompt
    assert re.search(r"Options:\nA\. \d\nB\. \d\nC\. \d\nD\. \d\n", prompt)


def test_preset_of_a_small_model_is_credit_for_two_adapters_and_short_turns():
    config = with_settings(TrainConfig(), preset("smollm2"))
    assert (config.weights, config.group_size, config.steps) == ("lora", 4, 10)
    assert config.allocator == "counterfactual"
    assert not OPTIMIZERS[config.optimizer].centres_on_group  # which would cancel the credit
    env = team_env(config, load_tasks(config.tasks, limit=1)).unwrapped
    for role in env.topology.roles:
        assert config.sampling(role).max_tokens <= 32
    env.reset(options={"prefix": ["a thought"]})
    assert "boxed" not in env.observe("solver_0")["prompt"]


def test_preset_of_a_small_model_trains_and_reports_reward_audit_and_cost(tmp_path):
    # The embedded model stands in, and gets the tasks that it can partly solve.
    fast = ("--policy", "tiny", "--tasks", "arithmetic", "--num-eval-tasks", 4, "--lora-rank", 2)
    run = ("--preset", "smollm2", *fast, "--out-dir", tmp_path)
    assert quietly(main, *run, "--steps", 2)[0] == 0
    page = (tmp_path / "report.html").read_text(encoding="utf-8")
    for shown in ("Held-out accuracy", "Audit", "tokens sampled", "answers verified"):
        assert shown in page
    summary = json.loads((tmp_path / "summary.json").read_text(encoding="utf-8"))
    assert not summary["audit"]["thinker_0"]["degenerate"]
    code, printed = quietly(main, *run, "--steps", 3, "--resume")
    assert code == 0
    assert "resumed after step 2" in printed
    assert [row["step"] for row in read_rows(tmp_path / "metrics.jsonl")] == [1, 2, 3]


def test_preset_of_two_families_gives_the_solver_another_model():
    config = with_settings(TrainConfig(), preset("paper/gspo-olmo3-7b-to-qwen2.5-1.5b"))
    assert config.policy == "allenai/Olmo-3-7B-Instruct"
    assert config.role_policies == {"solver": "Qwen/Qwen2.5-1.5B-Instruct"}


def test_flags_count_more_than_the_file_and_the_file_more_than_the_preset(tmp_path):
    path = tmp_path / "mine.toml"
    path.write_text("group-size = 4\nsteps = 7\n[allocator_args]\nweight = 0.5\n", "utf-8")
    config = read_config(["--preset", "paper/gspo-qwen3-4b", "--config", str(path), "--steps", "9"])
    assert (config.policy, config.group_size, config.steps) == ("Qwen/Qwen3-4B-Base", 4, 9)
    assert config.allocator_args == {"weight": "0.5"}


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
    config = with_settings(TrainConfig(), read_settings(tmp_path / name))
    assert (config.group_size, config.frozen_roles, config.learning_rate) == (4, ("solver",), 1.0)


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("a.toml", "gruop_size = 4", "did you mean 'group_size'"),
        ("a.toml", "group_size = ", "must be valid toml"),
        ("a.json", "[1, 2]", "must be a table of settings, got list"),
        ("a.yaml", "a: [1", "must be valid yaml"),
        ("a.ini", "x", "must end in .toml, .yaml or .json"),
        ("a.toml", 'group_size = "four"', "group_size must be of type int, got 'four'"),
        ("a.toml", 'weights = "some"', "weights must be of type"),
        ("a.json", '{"steps": true}', "steps must be of type int, got True"),
        ("a.toml", "frozen_roles = [1]", "frozen_roles must be of type str, got 1"),
        (
            "a.toml",
            "role_max_tokens = {solver = 1.5}",
            "role_max_tokens of solver must be of type int, got 1.5",
        ),
        (
            "a.json",
            '{"role_stops": {"solver": null}}',
            "role_stops of solver must be of type str, got None",
        ),
    ],
)
def test_a_bad_config_file_is_refused_in_one_sentence(tmp_path, name, text, message, capsys):
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
    settings = read_settings(tmp_path / "config.json")
    assert with_settings(TrainConfig(), settings).to_json() == values
