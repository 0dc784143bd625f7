"""Flags of a run: each resumes with the same command, and one without effect is refused."""

from __future__ import annotations

import json
import shlex

import pytest

from baselines.common.command_line import parse
from baselines.common.flags import flags_of
from baselines.evaluate.command import EvalConfig, open_journal, with_settings_of_run
from baselines.experiment.command import (
    DEFAULT_TRAINING,
    SET_PER_RUN,
    TRAIN,
    ExperimentConfig,
    settle,
)
from baselines.experiment.command import main as experiment
from baselines.experiment.sweep import keep_settings
from baselines.train.command import main as train
from baselines.train.command import read_config
from baselines.train.config import TrainConfig
from baselines.train.reproduce import command
from baselines.train.resumed_config import check_same_config
from baselines.train.training_run import write_settings
from baselines.train.unread import unused_settings
from baselines.train_sb3.command import main as train_sb3
from ccpo_env.types import Task
from tests.rl.teams import quietly


def example_of(flag) -> list[str]:
    """Return words that change a flag of training from its default."""
    if flag.is_switch:
        return [flag.name]
    words = {
        "role_policies": ["solver", "smollm2"],
        "role_stops": ["solver", "."],
        "allocator_args": ["weight", "0.5"],
        "optimizer_args": ["clip_low", "0.1"],
        "frozen_roles": ["thinker"],
        "start_role": ["solver"],
        "tasks": ["lookup"],
        "push_to_hub": ["owner/team"],
    }
    if flag.key in words:
        return [flag.name, *words[flag.key]]
    if flag.choices:
        return [flag.name, next(c for c in flag.choices if c != flag.default)]
    if "NAME VALUE" in flag.metavar:
        return [flag.name, "solver", "3"]
    return [flag.name, {"INT": "6", "FLOAT": "0.3"}.get(flag.metavar, "smollm2")]


NEEDED = {
    "num_voters": ("--topology", "vote"),
    "num_debaters": ("--topology", "debate"),
    "num_rounds": ("--topology", "debate"),
    "unsafe_no_namespaces": ("--verifier", "code"),
    "lora_rank": ("--weights", "lora"),
    "tis_cap": ("--old-logprobs", "recompute"),
    "role_order": ("--alternate-period", "2"),
    "start_role": ("--alternate-period", "2"),
    "branch_samples": ("--allocator", "branch"),
    "message_categories": ("--allocator", "regression"),
    "retrospect_damping": ("--retrospect", "4"),
    "probe_tasks": ("--retrospect", "4"),
}
"""What makes a flag of training matter."""
ALONG = {**NEEDED, "allocator_args": ("--allocator", "counterfactual")}
"""What is passed along with a flag of training so that its example is valid."""


def is_repeated(flag) -> bool:
    return flag.key not in ("resume", "out_dir", "config")


def check_resumed_by_the_same_words(words, key: str, default: object, tmp_path) -> None:
    words = [*words, "--out-dir", str(tmp_path / "run"), "--resume", "auto"]
    first = read_config(words)
    assert first.resume == "no"
    assert getattr(first, key) != default
    (tmp_path / "run").mkdir()
    saved = json.dumps(first.to_json())
    (tmp_path / "run" / "config.json").write_text(saved, encoding="utf-8")
    again = read_config(words)
    assert again.resume == "yes"
    assert again.to_json() == first.to_json()
    check_same_config(again.to_json(), {**json.loads(saved), "steps_done": 1}, tmp_path)


@pytest.mark.parametrize("with_file", [False, True])
@pytest.mark.parametrize(
    "flag", [f for f in flags_of(TrainConfig) if is_repeated(f)], ids=lambda f: f.key
)
def test_the_same_command_resumes_with_every_flag(flag, with_file, tmp_path):
    words = [*ALONG.get(flag.key, ()), *example_of(flag)]
    if with_file:
        (tmp_path / "mine.toml").write_text("steps = 7\n", encoding="utf-8")
        words += ["--config", str(tmp_path / "mine.toml")]
    check_resumed_by_the_same_words(words, flag.key, flag.default, tmp_path)


@pytest.mark.parametrize("with_flag", [False, True])
@pytest.mark.parametrize(
    "flag",
    [f for f in flags_of(TrainConfig) if is_repeated(f) and f.key != "preset"],
    ids=lambda f: f.key,
)
def test_the_same_command_resumes_with_every_setting_of_a_file(flag, with_flag, tmp_path):
    """In the file alone, and in the file and again as a flag with another value."""
    given = read_config([*ALONG.get(flag.key, ()), *example_of(flag)])
    value = json.dumps({flag.key: getattr(given, flag.key)})
    (tmp_path / "mine.json").write_text(value, encoding="utf-8")
    words = [*ALONG.get(flag.key, ()), "--config", str(tmp_path / "mine.json")]
    other = {"optimizer_args": ("clip_high", "0.3"), "role_stops": ("thinker", ";")}
    if with_flag:
        words += [flag.name, *other[flag.key]] if flag.key in other else example_of(flag)
    check_resumed_by_the_same_words(words, flag.key, flag.default, tmp_path)


def test_a_run_with_tables_of_settings_goes_on_with_the_same_command(tmp_path, capsys):
    words = ("--optimizer-args", "clip_low", "0.1", "clip_high", "0.3")
    words += ("--allocator", "counterfactual", "--allocator-args", "mode", "margin")
    words += ("--role-temperatures", "solver", "0.3")
    small = ("--steps", 1, "--tasks-per-step", 2, "--group-size", 2, "--num-eval-tasks", 2)
    for expected in ("run ", "resumed after step 1"):
        run = ("--out-dir", tmp_path / "run", "--resume", "auto")
        code, printed = quietly(train, *small, *words, *run)
        assert (code, capsys.readouterr().err) == (0, "")
        assert expected in printed


@pytest.mark.parametrize(
    "flag",
    [
        flag
        for flag in flags_of(ExperimentConfig)
        if flag.key.startswith(TRAIN) and flag.key.removeprefix(TRAIN) not in SET_PER_RUN
    ],
    ids=lambda flag: flag.key,
)
def test_the_same_experiment_resumes_with_every_flag_of_training(flag, tmp_path):
    (plain,) = (own for own in flags_of(TrainConfig) if own.key == flag.key.removeprefix(TRAIN))
    needed = ALONG.get(plain.key, ())
    shared = ("--allocators", "counterfactual")
    if needed and needed[0] == "--allocator":
        shared = ("--allocators", *needed[1:])
    elif needed:
        shared += (f"--train.{needed[0][2:]}", *needed[1:])
    words = [*shared, flag.name, *example_of(plain)[1:]]
    config = parse(ExperimentConfig, words, "ccpo experiment", settle=settle)
    (tmp_path / "runs.jsonl").touch()
    for _ in range(2):
        keep_settings(tmp_path, {"train": config.train.to_json()})
        config = parse(ExperimentConfig, words, "ccpo experiment", settle=settle)
    assert getattr(config.train, plain.key) != getattr(DEFAULT_TRAINING, plain.key)
    if plain.key == "trust_remote_code":  # a run does not keep it
        return
    if plain.key != "learning_rate":  # which is filled in
        assert config.train.to_json() != DEFAULT_TRAINING.to_json()
    with pytest.raises(ValueError, match="out_dir must hold runs with these settings"):
        keep_settings(tmp_path, {"train": DEFAULT_TRAINING.to_json()})


EVALUATED = {"policy": "tiny", "tasks": "lookup", "removed": "thinker_0", "split": "train"}


@pytest.mark.parametrize(
    "flag", [f for f in flags_of(EvalConfig) if f.key != "out_dir"], ids=lambda flag: flag.key
)
def test_the_same_evaluation_goes_on_with_every_flag(flag, tmp_path):
    needed = ALONG.get(flag.key, ())
    given = [flag.name, EVALUATED[flag.key]] if flag.key in EVALUATED else example_of(flag)
    policy = () if flag.key == "policy" else ("--policy", "tiny")
    words = [*policy, *needed, *given, "--out-dir", str(tmp_path)]
    tasks = {"sums": [Task("0", "1+1", "2")]}
    for _ in range(2):
        config = with_settings_of_run(parse(EvalConfig, words, "ccpo evaluate"))
        journal = open_journal(config, tasks)
        assert len(journal) == 0
    assert flag.key == "policy" or getattr(config, flag.key) != flag.default


@pytest.mark.parametrize("key", NEEDED)
def test_a_flag_that_nothing_reads_is_refused(key, capsys, tmp_path):
    (flag,) = (flag for flag in flags_of(TrainConfig) if flag.key == key)
    words = example_of(flag)
    (tmp_path / "mine.toml").write_text(f"{key} = {toml(flag)}\n", encoding="utf-8")
    for given_words in (words, ["--config", str(tmp_path / "mine.toml")]):
        with pytest.raises(SystemExit):
            read_config(given_words)
        error = capsys.readouterr().err
        assert f"error: {key} must be left out where it has no effect, got" in error
        assert f"drop {flag.name}, or pass " in error
    assert getattr(read_config([*NEEDED[key], *words]), key) != flag.default
    assert getattr(read_config([*NEEDED[key], *given_words]), key) != flag.default


def toml(flag) -> str:
    if flag.is_switch:
        return "true"
    word = example_of(flag)[1]
    return word if word.replace(".", "").isdigit() else f'"{word}"'


@pytest.mark.parametrize(
    ("flags", "is_read"),
    [
        (("--allocator", "shared"), (False, False)),
        (("--allocator", "shared", "--measure-removed"), (True, False)),
        (("--allocator", "counterfactual"), (True, False)),
        (("--allocator", "counterfactual", "--num-thinkers", "2"), (True, True)),
        (("--allocator", "branch"), (False, True)),
        (("--allocator", "leave_one_out", "--topology", "vote"), (False, False)),
    ],
)
def test_samples_of_removals_and_branches_are_read_where_they_are_played(flags, is_read, capsys):
    for name, own in zip(("--removed-samples", "--branch-samples"), is_read, strict=True):
        try:
            read_config([*flags, name, "3"])
            found = True
        except SystemExit:
            found = False
        assert found == own, (name, capsys.readouterr().err)


def test_a_default_that_nothing_reads_is_a_warning(capsys):
    assert read_config(["--num-voters", "3", "--lora-rank", "16"]) == TrainConfig()
    warning = (
        "warning: --num-voters has no effect in this run; pass --topology vote\n"
        "warning: --lora-rank has no effect in this run; pass --weights lora\n"
    )
    assert capsys.readouterr().err == warning


@pytest.mark.parametrize(
    ("changes", "used", "unused"),
    [
        ({}, {"num_thinkers", "eval_every"}, {"num_voters", "lora_rank", "tis_cap", "probe_tasks"}),
        ({"topology": "vote", "weights": "lora"}, {"num_voters", "lora_rank"}, {"num_thinkers"}),
    ],
)
def test_unused_settings_are_those_without_effect(changes, used, unused):
    found = unused_settings(TrainConfig(**changes))
    assert unused <= set(found)
    assert not used & set(found)


def test_a_flag_may_leave_a_setting_of_its_preset_unread():
    config = read_config(["--preset", "paper/gspo-qwen3-4b", "--allocator", "shared"])
    assert config.removed_samples == TrainConfig().removed_samples


@pytest.mark.parametrize(
    ("main", "flags", "message"),
    [
        (experiment, ("--train.seed", 3), "--train.seed must be left out, got 3; pass --num-seeds"),
        (experiment, ("--train.num-voters", 5), "train.num_voters must be left out where it has"),
        (experiment, ("--train.allocator", "shared"), "pass --allocators"),
        (
            experiment,
            ("--allocators", "shared", "branch", "--train.removed-samples", 3),
            "train.removed_samples must be left out where it has no effect, got 3",
        ),
        (train_sb3, ("--num-seeds", 3), "or pass --demonstration"),
        (train_sb3, ("--demonstration", "--mix", "rare"), "or pass --no-demonstration"),
        (train_sb3, ("--role", "solver", "--effort", 0.1), "or pass --role thinker"),
        (train_sb3, ("--replay", "fresh"), "or pass e.g. --credit leave_one_out"),
    ],
)
def test_other_commands_refuse_what_nothing_reads(main, flags, message, capsys, tmp_path):
    assert quietly(main, *flags, "--out-dir", tmp_path / "run")[0] == 2
    assert message in capsys.readouterr().err
    assert not (tmp_path / "run").exists()


def test_a_team_of_an_evaluation_refuses_what_its_topology_does_not_read():
    with pytest.raises(ValueError, match="num_voters must be left out where it has no effect"):
        EvalConfig(policy="tiny", num_voters=2).of_run({})
    config = EvalConfig(policy="tiny", num_voters=2).of_run({"topology": "vote"})
    assert (config.topology, config.num_voters, config.verifier) == ("vote", 2, "auto")


@pytest.mark.parametrize(
    ("config", "expected"),
    [
        (TrainConfig(), "ccpo train"),
        (TrainConfig(steps=7, seed=3), "ccpo train --seed 3 --steps 7"),
        (
            TrainConfig(
                tasks="my tasks; rm.jsonl",
                allocator="counterfactual",
                allocator_args={"weight": "0.5", "mode": "margin"},
                bf16=True,
                frozen_roles=("thinker",),
            ),
            None,
        ),
        (TrainConfig(policy="smollm2", learning_rate=5e-4), None),  # the default of other models
    ],
)
def test_command_names_what_differs_and_is_read_back_as_the_same_config(config, expected):
    text = command(config)
    words = shlex.split(text)
    assert words[:2] == ["ccpo", "train"]
    assert read_config(words[2:]).to_json() == config.to_json()
    assert sum(word.startswith("--") for word in words) <= 6
    if expected is not None:
        assert sorted(words) == sorted(shlex.split(expected))


def test_a_run_keeps_the_command_that_reproduces_it(tmp_path):
    (tmp_path / "run").mkdir()
    write_settings(tmp_path / "run", TrainConfig(steps=7, out_dir=tmp_path / "run"))
    assert (tmp_path / "run" / "command.txt").read_text() == "ccpo train --steps 7\n"
