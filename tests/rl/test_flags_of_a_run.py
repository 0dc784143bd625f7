"""Flags of a run: each resumes with the same command, and one without effect is refused."""

from __future__ import annotations

import json

import pytest

from baselines.common.flags import flags_of
from baselines.evaluate.command import EvalConfig
from baselines.experiment.command import main as experiment
from baselines.train.command import read_config
from baselines.train.config import TrainConfig
from baselines.train_sb3.command import main as train_sb3
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
    "lora_rank": ("--weights", "lora"),
    "tis_cap": ("--old-logprobs", "recompute"),
    "role_order": ("--alternate-period", "2"),
    "start_role": ("--alternate-period", "2"),
    "branch_samples": ("--allocator", "branch"),
    "message_categories": ("--allocator", "regression"),
}
"""What makes a flag of training matter."""


@pytest.mark.parametrize("with_file", [False, True])
@pytest.mark.parametrize(
    "flag",
    [f for f in flags_of(TrainConfig) if f.key not in ("resume", "out_dir", "config")],
    ids=lambda flag: flag.key,
)
def test_the_same_command_resumes_with_every_flag(flag, with_file, tmp_path):
    words = [*NEEDED.get(flag.key, ()), *example_of(flag), "--out-dir", str(tmp_path / "run")]
    if with_file:
        (tmp_path / "mine.toml").write_text("steps = 7\n", encoding="utf-8")
        words += ["--config", str(tmp_path / "mine.toml")]
    words += ["--resume", "auto"]
    first = read_config(words)
    assert first.resume == "no"
    assert getattr(first, flag.key) != flag.default
    (tmp_path / "run").mkdir()
    saved = json.dumps(first.to_json())
    (tmp_path / "run" / "config.json").write_text(saved, encoding="utf-8")
    again = read_config(words)
    assert again.resume == "yes"
    assert again.to_json() == first.to_json()


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
    assert (config.topology, config.num_voters, config.verifier) == ("vote", 2, "math")
