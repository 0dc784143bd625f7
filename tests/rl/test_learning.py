"""The embedded team learns the default task, because of the credit it is paid."""

from __future__ import annotations

import pytest

from baselines.credit import ALLOCATORS, Allocator
from baselines.train.config import TrainConfig
from baselines.train.logging.trackers import NoTracker
from baselines.train.trainer import Trainer

pytestmark = pytest.mark.no_cover  # whole trainings, of code that other tests run as well
NUM_EVAL_TASKS = 300  # a rate of one half is then known to within 0.06


def train(run_dir, *, steps: int, tasks_per_step: int = 16, enough: float = 1.0, **settings):
    """Return held-out accuracy before and after training, and the evaluation after it.

    Args:
        run_dir: Folder of the run.
        steps: Most training steps.
        tasks_per_step: Tasks per step.
        enough: Gain at which training ends early: mean accuracy of the last three steps over that
            before training.
        settings: Other settings of the run.
    """
    config = TrainConfig(
        steps=steps,
        tasks_per_step=tasks_per_step,
        eval_every=0,
        num_eval_tasks=NUM_EVAL_TASKS,
        **settings,
    )
    trainer = Trainer(config, run_dir)
    rows = []

    def should_stop() -> bool:
        if len(rows) < 3:
            return False
        last = [row["accuracy/joint"] for row in rows[-3:]]
        return sum(last) / 3 >= trainer.initial["joint"]["successes"] / NUM_EVAL_TASKS + enough

    final = trainer.run(
        on_step=rows.append,
        on_warning=lambda _warning: None,
        should_stop=should_stop,
        tracker=NoTracker(run_dir),
    )
    final = final or trainer.evaluate()
    return trainer.initial["joint"]["successes"] / NUM_EVAL_TASKS, final.accuracy().value, final


def test_team_learns_the_default_task_in_a_few_steps(tmp_path):
    before, after, final = train(tmp_path, allocator="counterfactual", steps=16, enough=0.25)
    assert before <= 0.45
    assert after >= 0.6
    assert after >= before + 0.15
    helped, hurt = (final.overall.find(q, final.removals[0]) for q in ("help", "hurt"))
    assert helped.estimate.is_above(hurt.estimate)


# A slice of what `python -m baselines.bench learning` trains in full.
@pytest.mark.parametrize(
    ("optimizer", "allocator"),
    [
        ("dapo", "branch"),
        ("gspo", "counterfactual"),
        ("rloo", "history"),
        ("reinforce_pp_baseline", "self_evaluation"),
    ],
)
def test_team_learns_with_optimizers_of_every_kind(optimizer, allocator, tmp_path):
    before, after, _ = train(
        tmp_path, optimizer=optimizer, allocator=allocator, steps=16, enough=0.22
    )
    assert before <= 0.45
    assert after >= before + 0.15


@pytest.mark.parametrize(
    "settings",
    [
        {"topology": "vote", "allocator": "shapley", "weights": "shared"},
        {"num_thinkers": 2, "allocator": "branch", "tasks_per_step": 24},
    ],
    ids=["vote by shapley, shared weights", "chain of two"],
)
def test_teams_of_other_topologies_learn(settings, tmp_path):
    before, after, _ = train(tmp_path, steps=16, enough=0.22, **settings)
    assert before <= 0.45
    assert after >= before + 0.15


def test_team_does_not_learn_when_credit_is_reversed(tmp_path, monkeypatch):
    paid = ALLOCATORS["counterfactual"]
    reverse = Allocator(
        lambda outcomes, **arguments: -paid.credit(outcomes, **arguments),
        needs=paid.needs,
        removals=paid.removals,
    )
    monkeypatch.setitem(ALLOCATORS, "reversed", reverse)
    before, after, _ = train(tmp_path, allocator="reversed", steps=8)
    assert after < before
