"""Groups of single tasks in other trainers: settings, tasks, verifiers, and credit by hand."""

from __future__ import annotations

import asyncio
import json
from types import SimpleNamespace

import numpy as np
import pytest

from baselines.integrations.credited import CreditedRollouts
from baselines.integrations.session_settings import OtherTrainer, team_settings
from baselines.integrations.sessions import play_group
from baselines.integrations.task_rows import columns_of, task_of
from baselines.policies.base import Completion
from ccpo_env import Task

NUMBER = Task("custom/n", "1+1", "2")
CHOICE = Task("custom/c", "Which is even?", "B", choices=("three", "four"))
PASSAGE = Task("custom/q", "Who?", "Ada", context=("Ada wrote it.",), answers=("Ada L.",))
PROGRAM = Task("custom/p", "def f():", "def f():\n    return 2", tests="assert f() == 2")
OTHER = OtherTrainer(
    name="Other", key="ours", flag="ours.", loss="its.loss", instead={"learning_rate": "its.lr"}
)
GRPO = {"optimizer": "grpo"}
SAID = {"custom/n": r"\boxed{2}", "custom/c": r"\boxed{B}", "custom/q": r"\boxed{Ada}"}


def hinting(limits):
    """A team that is right where the thinker gave its hint, as it does in every other rollout."""
    asked = 0

    async def complete(role, prompt, sampling):
        nonlocal asked
        limits.append(sampling.max_tokens)
        if role == "thinker":
            asked += 1
            said = "Look closely." if asked % 2 else "No idea."
        else:
            said = SAID["custom/n"] if "Look closely." in prompt.text else "No idea."
        return Completion(said, (1, 2), (3,), (0.0,))

    return complete


@pytest.mark.parametrize("task", [NUMBER, CHOICE, PASSAGE, PROGRAM], ids=lambda task: task.id)
def test_task_survives_the_data_of_another_trainer(task):
    row = columns_of(task)
    assert json.loads(json.dumps(row)) == row
    assert task_of(row) == task
    arrays = {
        name: np.array(value, dtype=object) if isinstance(value, list) else value
        for name, value in row.items()
    }
    assert task_of(arrays) == task


def test_row_of_a_question_is_a_task():
    assert task_of({"question": "1+1", "answer": "2", "index": 7}) == Task("7", "1+1", "2")
    with pytest.raises(ValueError, match=r"question and answer, got \['index'\]"):
        task_of({"index": 3})


@pytest.mark.parametrize("task", [NUMBER, CHOICE, PASSAGE], ids=lambda task: task.id)
def test_verifier_is_the_one_that_the_task_needs(task):
    async def complete(*_):
        return Completion(SAID[task.id], (1,), (2,), (0.0,))

    config = team_settings({"allocator": "shared", "optimizer": "grpo", "group_size": 2}, OTHER)
    group = asyncio.run(play_group(config, task, complete, max_tokens=8))
    assert [row.reward for row in group.rows] == [1.0] * 4


@pytest.mark.parametrize(
    ("settings", "tasks", "message"),
    [
        (GRPO, [PROGRAM], "need verifier='code'"),
        (GRPO, [NUMBER, CHOICE], "must need one verifier, got 'math' for 'custom/n', 'choice'"),
        ({**GRPO, "verifier": "choice"}, [NUMBER], "choice"),
        (
            {"optimizer": "reinforce_pp"},
            [NUMBER],
            "inside Other, .* got 'reinforce_pp', which whitens .* pass ours.optimizer= and one ",
        ),
        (
            {**GRPO, "allocator": "history"},
            [NUMBER],
            "inside Other, .* got 'history', which remembers",
        ),
        (
            {**GRPO, "optimizer_args": {"clip_low": "0.1"}},
            [NUMBER],
            "inside Other, got clip_low, which is one of the loss; set that of its.loss",
        ),
        ({**GRPO, "learning_rate": 0.1}, [NUMBER], "got learning_rate, which Other .* set its.lr"),
        ({**GRPO, "seed": 1}, [NUMBER], "got seed, which Other decides; leave it out"),
        ({**GRPO, "weights": "separate"}, [NUMBER], "weights must be 'shared'"),
        ({"allocatr": "branch"}, [NUMBER], "unknown setting 'allocatr' of ours"),
    ],
)
def test_settings_that_do_not_fit_are_refused(settings, tasks, message):
    with pytest.raises(ValueError, match=message):
        CreditedRollouts(team_settings(settings, OTHER), SimpleNamespace(), tasks, max_tokens=8)


def test_group_of_a_session_has_credit_per_agent():
    settings = {"allocator": "leave_one_out", "removed_samples": 1, "group_size": 4}
    config = team_settings({**settings, "optimizer": "dr_grpo", "max_tokens": 5}, OTHER)
    limits = []
    group = asyncio.run(play_group(config, NUMBER, hinting(limits), max_tokens=9))
    assert [row.agent for row in group.rows] == ["thinker_0", "solver_0"] * 4
    assert set(limits) == {5}
    assert [row.reward for row in group.rows] == [1.0, 1.0, -1.0, -1.0] * 2
    thinker, solver = ([row.advantage for row in group.rows[place::2]] for place in (0, 1))
    # Alone the solver fails, so that a hint adds 2 and no hint 0; the thinker never answers.
    np.testing.assert_allclose(thinker, [1.0, -1.0] * 2)
    np.testing.assert_allclose(solver, [1.0, -1.0] * 2)
