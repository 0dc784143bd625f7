from __future__ import annotations

import json
import math
import re
from dataclasses import fields, replace
from pathlib import Path

import pytest
import torch

from baselines.bench import BenchConfig
from baselines.common.types import TokenBatch
from baselines.evaluate.command import EvalConfig, with_settings_of_run
from baselines.evaluate.human_play import PlayConfig, of_run
from baselines.optimizers import OPTIMIZERS
from baselines.rollouts.team_env import TEAMS, _of_default_size, team_env
from baselines.train.command import read_config
from baselines.train.config import TrainConfig
from baselines.train.config_file import with_settings
from baselines.train.resumed_config import check_same_config
from ccpo_env.topologies.registry import TOPOLOGIES
from ccpo_env.verifiers.registry import VERIFIERS

ROOT = Path(__file__).parents[2]
NAN, INF = float("nan"), float("inf")
PAPER = TrainConfig(allocator="counterfactual", optimizer="grpo")
"""Credit and optimizer that have hyperparameters and a smallest group."""
BAD = [
    ("allocator", "countrfactual", "did you mean 'counterfactual'?"),
    ("optimizer", "zzz", "unknown optimizer 'zzz'; available: at_grpo, dapo, dr_grpo, "),
    ("tracker", "tensorbord", "did you mean 'tensorboard'?"),
    ("verifier", "nubmer", "did you mean 'number'?"),
    ("group_size", 1, "2 or more, or for groups of one --optimizer reinforce_pp or rae"),
    ("retrospect", 1, "--retrospect 2 or more"),
    ("retrospect", -1, "--retrospect 0 or more"),
    ("retrospect", 80, "--steps 81 or more"),
    ("retrospect_damping", 1.5, "--retrospect-damping 0.1"),
    ("probe_tasks", 1, "--probe-tasks 2 or more"),
    ("num_thinkers", 0, "--num-thinkers 1 or more"),
    ("tasks_per_step", 0, "--tasks-per-step"),
    ("removed_samples", 0, "--removed-samples"),
    ("steps", 0, "--steps"),
    ("num_eval_tasks", 0, "--num-eval-tasks"),
    ("checkpoint_every", 0, "--checkpoint-every"),
    ("keep_checkpoints", 0, "--keep-checkpoints 1 or more"),
    ("checkpoint_minutes", 0.0, "--checkpoint-minutes 15"),
    ("completions_every", -1, "--completions-every 0 or more"),
    ("record_every", -1, "--record-every 0 or more"),
    ("record_rollouts", 0, "--record-rollouts 1 or more"),
    ("resample_rounds", -1, "--resample-rounds 0 or more"),
    ("micro_batch_tokens", 0, "--micro-batch-tokens"),
    ("alternate_period", -1, "--alternate-period 0 or more"),
    ("warmup_steps", -1, "--warmup-steps"),
    ("eval_every", -1, "--eval-every"),
    ("seed", -1, "--seed"),
    ("max_grad_norm", 0.0, "--max-grad-norm 1.0"),
    ("max_grad_norm", INF, "--max-grad-norm"),
    ("temperature", NAN, "--temperature 1.0"),
    ("temperature", 0.0, "--temperature"),
    ("learning_rate", -1.0, "--learning-rate 0.0005"),
    ("learning_rate", 0.0, "--learning-rate"),
    ("resume", "yes", "--out-dir"),
    ("resume", "auto", "--out-dir"),
]
"""A field, a value that it must refuse, and what the message tells to do."""


@pytest.mark.parametrize(("name", "value", "remedy"), BAD)
def test_check_refuses_a_bad_value_in_one_sentence(name, value, remedy):
    with pytest.raises(ValueError, match=name) as error:
        replace(PAPER, **{name: value}).check()
    message = str(error.value)
    assert remedy in message
    assert ", got " in message or "; available: " in message
    assert "\n" not in message


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("alternate_period", 0),
        ("warmup_steps", 0),
        ("eval_every", 0),
        ("group_size", 2),
        ("learning_rate", None),
        ("max_tokens", None),
        ("allocator_args", {"weight": "0"}),
    ],
)
def test_check_accepts_the_ends_of_the_ranges(name, value):
    replace(PAPER, **{name: value}).check()


@pytest.mark.parametrize(
    ("config", "name"),
    [
        (EvalConfig(policy="tiny", num_thinkers=0), "num_thinkers"),
        (EvalConfig(policy="tiny", seed=-1), "seed"),
        (BenchConfig(repeats=0), "repeats"),
        (BenchConfig(seed=-1), "seed"),
    ],
)
def test_check_of_the_other_scripts_refuses_bad_values(config, name):
    with pytest.raises(ValueError, match=f"^{name} must be >= .*, got .*; pass --"):
        config.check()


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        (
            {"allocator_args": {"wieght": "1"}},
            "unknown hyperparameter 'wieght' of allocator 'count",
        ),
        ({"allocator_args": {"weight": "much"}}, "weight must be a number, got 'much'"),
        ({"optimizer_args": {"clip_hihg": "1"}}, "unknown hyperparameter 'clip_hihg' of optimizer"),
        ({"optimizer_args": {"clip_low": "2"}}, "clip_low must lie in .0, 1., got 2.0"),
    ],
)
def test_check_refuses_bad_hyperparameters(settings, message):
    with pytest.raises(ValueError, match=message):
        replace(PAPER, **settings).check()


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("txt", "unknown message_categories 'txt'; available: answer, module:function, text; did"),
        (
            "no_such:f",
            "message_categories must be a function that can be imported, got 'no_such:f'",
        ),
    ],
)
def test_check_refuses_bad_categories_of_messages(name, message):
    with pytest.raises(ValueError, match=message):
        TrainConfig(allocator="regression", message_categories=name).check()


def test_hyperparameters_are_read_from_the_command_line():
    words = "--allocator counterfactual --allocator-args weight 0.5 mode margin"
    config = read_config(words.split())
    assert config.allocator_args == {"weight": "0.5", "mode": "margin"}


def test_learning_rate_defaults_to_what_suits_the_policy():
    assert TrainConfig().step_size == 5e-4
    assert TrainConfig(policy="some/model").step_size == 1e-6
    assert TrainConfig(policy="some/model", learning_rate=0.01).step_size == 0.01


def test_to_json_survives_a_file_and_says_what_was_used():
    values = TrainConfig(out_dir=Path("runs/x"), allocator_args={"weight": "1"}).to_json()
    assert json.loads(json.dumps(values)) == values
    assert values["learning_rate"] == 5e-4
    left_out = {field.name for field in fields(TrainConfig)} - set(values)
    assert left_out == {"config", "preset", "out_dir", "resume", "trust_remote_code"}
    assert TrainConfig(**values).to_json() == values


def saved(**changes: object) -> dict[str, object]:
    return {**TrainConfig(steps=5).to_json(), "steps_done": 3, **changes}


@pytest.mark.parametrize(
    ("field", "value", "before", "remedy"),
    [
        ("seed", 4, 0, "pass --seed 0"),
        ("group_size", 4, 8, "pass --group-size 8"),
        ("learning_rate", 0.5, 0.0005, "pass --learning-rate 0.0005"),
        ("max_tokens", 5, None, "leave out --max-tokens"),
        ("allocator_args", {"weight": "1"}, {}, "leave out --allocator-args"),
        ("allocator_args", {}, {"weight": "1"}, "pass --allocator-args weight 1"),
    ],
)
def test_check_same_config_names_the_field_and_both_values(field, value, before, remedy):
    config = replace(TrainConfig(steps=5), **{field: value}).to_json()
    with pytest.raises(ValueError, match=f"^{field} must be that of the checkpoint") as error:
        check_same_config(config, saved(**{field: before}), Path("runs/x/checkpoints/step_000003"))
    message = str(error.value)
    assert f"{before!r}, got {value!r} in runs/x/checkpoints/step_000003; {remedy}" in message
    assert "another --out-dir" in message


@pytest.mark.parametrize("changes", [{"steps": 3}, {"steps": 99}, {"tracker": "tensorboard"}])
def test_check_same_config_lets_a_resumed_run_change_what_is_still_to_come(changes):
    config = replace(TrainConfig(steps=5), **changes).to_json()
    check_same_config(config, saved(), Path("runs/x"))


def test_a_setting_that_is_newer_than_the_checkpoint_had_its_default():
    older = saved()
    del older["verifier"]
    check_same_config(TrainConfig(steps=5, verifier="math").to_json(), older, Path("runs/x"))
    with pytest.raises(ValueError, match="'math', got 'number' in runs/x; pass --verifier math"):
        check_same_config(TrainConfig(steps=5, verifier="number").to_json(), older, Path("runs/x"))


def test_a_run_that_is_older_than_a_setting_is_resumed_evaluated_and_played_with(tmp_path):
    older = {**TrainConfig(topology="vote").to_json()}
    del older["verifier"]
    (tmp_path / "config.json").write_text(json.dumps(older), encoding="utf-8")
    resumed = read_config(["--resume", "--out-dir", str(tmp_path)])
    evaluated = with_settings_of_run(EvalConfig(policy=str(tmp_path)))
    played = of_run(PlayConfig(policy=str(tmp_path)))
    for config in (resumed, evaluated, played):
        assert (config.topology, config.verifier) == ("vote", "auto")


OLDER = {"allocator_knobs": {}, "optimizer_knobs": {}, "seed": 0}
"""Settings of a run that was made before hyperparameters had their present names."""


def test_a_run_of_an_older_form_is_refused_in_one_sentence(tmp_path, capsys):
    (tmp_path / "config.json").write_text(json.dumps(OLDER), encoding="utf-8")
    sentence = "got the unknown setting 'allocator_knobs' in .*; start a new run with another"
    with pytest.raises(SystemExit):
        read_config(["--resume", "--out-dir", str(tmp_path)])
    error = capsys.readouterr().err
    assert re.search(sentence, error)
    assert str(tmp_path) in error
    with pytest.raises(ValueError, match=sentence):
        check_same_config(TrainConfig().to_json(), saved(**OLDER), tmp_path)


def test_check_same_config_refuses_fewer_steps_than_were_made():
    config = TrainConfig(steps=2).to_json()
    with pytest.raises(ValueError, match=r"steps must be >= the 3 .*, got 2 .*; raise --steps"):
        check_same_config(config, saved(), Path("runs/x"))


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"role_learning_rates": {"thinker": 0.0}}, "role_learning_rates of thinker"),
        ({"role_micro_batch_tokens": {"solver": 0}}, "role_micro_batch_tokens of solver"),
        ({"role_temperatures": {"solver": 0.0}}, "temperature of solver"),
        ({"role_max_tokens": {"solver": 0}}, "max_tokens must be >= 1"),
        ({"role_stops": {"solver": ""}}, "stop must not be empty"),
        ({"weights": "shared", "role_policies": {"solver": "x"}}, "role_policies must be empty"),
    ],
)
def test_check_refuses_bad_settings_of_single_roles(settings, message):
    with pytest.raises(ValueError, match=message):
        replace(TrainConfig(), **settings).check()


@pytest.mark.parametrize("argument", [{"gamma": "0.9"}, {"reward_kl": "0.1"}])
def test_check_refuses_to_train_on_replays_with_an_advantage_per_token(argument):
    config = TrainConfig(train_on="all", optimizer_args=argument)
    with pytest.raises(ValueError, match="train_on must be 'team' with an advantage per token"):
        config.check()
    replace(config, train_on="team").check()
    replace(config, optimizer_args={}).check()


@pytest.mark.parametrize(
    ("name", "value", "most"),
    [("retrospect", 8, 0), ("num_epochs", 2, 1), ("num_minibatches", 4, 1)],
)
@pytest.mark.parametrize("optimizer", OPTIMIZERS)
def test_a_second_update_needs_an_importance_ratio(optimizer, name, value, most):
    config = replace(TrainConfig(optimizer=optimizer), **{name: value})
    if optimizer not in ("rloo", "magrpo", "rae"):
        config.check()
        return
    message = f"{name} must be {most} with {optimizer}, whose loss has no importance ratio"
    with pytest.raises(ValueError, match=message):
        config.check()


@pytest.mark.parametrize("optimizer", OPTIMIZERS)
def test_only_losses_whose_gradient_knows_the_sampler_take_a_second_update(optimizer):
    """A token that the policy has made twice as probable since counts twice, or not at all."""
    logprobs = torch.tensor([[-1.0]], requires_grad=True)
    gradients = []
    for old in (-1.0, -1.0 - math.log(2.0)):
        batch = TokenBatch(
            old_logprobs=torch.tensor([[old]]),
            advantages=torch.tensor([[1.0]]),
            completion_mask=torch.tensor([[True]]),
            normalizer=1.0,
        )
        method = OPTIMIZERS[optimizer]
        (gradient,) = torch.autograd.grad(method.loss(logprobs, batch).loss, logprobs)
        gradients.append(gradient.item())
    has_ratio = "clip_low" in OPTIMIZERS[optimizer].tunable
    assert (gradients[0] != gradients[1]) == has_ratio


@pytest.mark.parametrize("optimizer", OPTIMIZERS)
def test_groups_of_one_are_documented_for_the_optimizers_that_take_them(optimizer):
    page = (ROOT / "docs" / "howto" / "train_on_everything.md").read_text(encoding="utf-8")
    section = page.split("## Groups of one")[1].split("\n\n")[1]
    takes_one = OPTIMIZERS[optimizer].min_group_size == 1
    assert (f"`{optimizer}`" in section) == takes_one


@pytest.mark.parametrize("name", ["removed_cache_decay", "retrospect"])
def test_check_refuses_what_one_process_of_several_would_remember(name):
    config = replace(TrainConfig(), **{name: 4 if name == "retrospect" else 0.5})
    config.check()
    config.check_processes(1)
    with pytest.raises(ValueError, match=f"{name} must be 0 with several processes"):
        config.check_processes(2)


def test_settings_of_single_roles_come_before_those_of_all():
    config = TrainConfig(
        temperature=0.8, max_tokens=50, role_max_tokens={"solver": 9}, role_stops={"solver": "}"}
    )
    thinker, solver = config.sampling("thinker"), config.sampling("solver")
    assert (thinker.temperature, thinker.max_tokens, thinker.stop) == (0.8, 50, None)
    assert (solver.temperature, solver.max_tokens, solver.stop) == (0.8, 9, "}")


@pytest.mark.parametrize("topology", TEAMS)
def test_every_team_is_judged_by_the_verifier_of_its_config(topology):
    config = TrainConfig(topology=topology, verifier="number")
    config.check()
    env = team_env(config, [("q", "5")]).unwrapped
    assert env.verifier is VERIFIERS["number"]
    env.reset(options={"removed": env.possible_agents[1:]})
    for _ in range(sum(turn.speaker == env.possible_agents[0] for turn in env.topology.turns)):
        env.step("so it is 5")
    assert env.verdict.status == "correct"


def test_every_registered_topology_makes_a_team():
    assert set(TOPOLOGIES) <= set(TEAMS)


@pytest.mark.parametrize("topology", TOPOLOGIES)
def test_team_of_a_topology_is_that_topology(topology):
    config = TrainConfig(topology=topology)
    env = team_env(config, [("q", "5")]).unwrapped
    assert env.topology.name == topology
    made = _of_default_size(TOPOLOGIES[topology])(config, [("q", "5")]).unwrapped
    assert (made.topology.name, made.verifier) == (topology, VERIFIERS["math"])
    assert made.possible_agents[0] == env.possible_agents[0]


def test_value_of_a_config_file_is_shown_in_short():
    deep = ["x"] * 9
    for _ in range(11):
        deep = [deep] * 9
    with pytest.raises(ValueError, match="steps must be of type int, got") as refused:
        with_settings(TrainConfig(), {"steps": deep})
    assert len(str(refused.value)) < 100_000
