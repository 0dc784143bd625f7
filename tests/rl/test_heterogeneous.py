"""Roles of different families and tokenizers train together: between them there is only text."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from baselines.common.jsonl import read_rows
from baselines.policies.registry import load_policy
from baselines.policies.team import load_team
from baselines.train.config import TrainConfig
from baselines.train.logging.trackers import NoTracker
from baselines.train.trainer import Trainer
from tests.rl.policies import first_logits, hand_made
from tests.rl.teams import write_tasks

ROLES = ("thinker", "solver")
TEXT = "Problem: 3+4\n"


@pytest.fixture(scope="module")
def other(tmp_path_factory):
    """A folder with a random model that reads bytes, unlike the embedded one."""
    folder = tmp_path_factory.mktemp("other")
    hand_made("gpt_neox", seed=1).save(folder)
    return str(folder)


@pytest.fixture(scope="module")
def config(other, tmp_path_factory):
    tasks = write_tasks(tmp_path_factory.mktemp("tasks") / "tasks.jsonl")
    return TrainConfig(
        tasks=str(tasks),
        steps=2,
        tasks_per_step=6,
        group_size=6,
        num_eval_tasks=4,
        allocator="shared",
        role_policies={"thinker": other},
        role_max_tokens={"thinker": 6},
        learning_rate=1e-3,
    )


def train(config, run_dir):
    run_dir.mkdir(exist_ok=True)
    trainer = Trainer(config, run_dir)
    trainer.run(
        on_step=lambda _row: None,
        on_warning=lambda _warning: None,
        should_stop=lambda: False,
        tracker=NoTracker(run_dir),
    )
    return trainer


@pytest.fixture(scope="module", params=["separate", "lora"])
def trained(config, request, tmp_path_factory):
    return train(
        replace(config, weights=request.param), tmp_path_factory.mktemp(request.param) / "run"
    )


def test_team_of_two_tokenizers_reads_the_same_text_as_other_tokens(other):
    team = load_team("tiny", ROLES, own_copies=True, instead={"thinker": other})
    assert type(team["thinker"].module) is not type(team["solver"].module)
    ids = {role: policy.tokenizer.encode(TEXT) for role, policy in team.items()}
    assert ids["thinker"] != ids["solver"]
    decoded = {role: policy.tokenizer.decode(ids[role]) for role, policy in team.items()}
    assert decoded["thinker"] == decoded["solver"] == TEXT


def test_both_roles_of_two_families_are_updated(trained, other):
    rows = read_rows(trained.run_dir / "metrics.jsonl")
    assert len(rows) == 2
    starts = {"thinker": other, "solver": "tiny"}
    for role, policy in trained.saved_policies().items():
        assert max(row[f"update/{role}/grad_norm"] for row in rows) > 0
        # Of a policy that sampled other tokens than it is scored on, this would be nats.
        assert max(row[f"update/{role}/mismatch_max"] for row in rows) < 1e-4
        before = first_logits(load_policy(starts[role]))
        assert not torch.equal(first_logits(policy), before)


def test_saved_team_of_two_families_gives_the_same_logits(trained):
    lora = trained.config.weights == "lora"
    for own_copies in (False, *([] if lora else [True])):
        team = load_team(str(trained.run_dir), ROLES, own_copies=own_copies)
        for role in ROLES:
            found, expected = first_logits(team[role]), first_logits(trained.saved_policies()[role])
            torch.testing.assert_close(found, expected, rtol=0, atol=0)


def test_team_of_two_families_resumes_to_the_bit(trained, tmp_path):
    config, run_dir = trained.config, tmp_path / "run"
    train(replace(config, steps=1), run_dir)
    resumed = train(replace(config, resume="yes", out_dir=run_dir), run_dir)
    for role in ROLES:
        torch.testing.assert_close(
            first_logits(resumed.saved_policies()[role]),
            first_logits(trained.saved_policies()[role]),
            rtol=0,
            atol=0,
        )
