"""The embedded team learns the default task, because of the credit it is paid."""

from __future__ import annotations

from baselines.config import TrainConfig
from baselines.credit import ALLOCATORS, Allocator
from baselines.trackers import NoTracker
from baselines.trainer import Trainer
from tests.rl.teams import NO_THINKER

NUM_EVAL_TASKS = 400  # a rate of one half is then known to within 0.05


def train(run_dir, *, allocator: str, steps: int):
    """Return held-out accuracy before and after training, and the evaluation after it."""
    config = TrainConfig(
        allocator=allocator,
        steps=steps,
        tasks_per_step=16,
        eval_every=0,
        num_eval_tasks=NUM_EVAL_TASKS,
    )
    trainer = Trainer(config, run_dir)
    final = trainer.run(
        on_step=lambda _row: None,
        on_warning=lambda _warning: None,
        should_stop=lambda: False,
        tracker=NoTracker(run_dir),
    )
    return trainer.initial["joint"]["successes"] / NUM_EVAL_TASKS, final.accuracy().rate, final


def test_team_learns_the_default_task_in_a_few_steps(tmp_path):
    before, after, final = train(tmp_path, allocator="counterfactual", steps=16)
    assert before <= 0.45
    assert after >= 0.6
    assert after >= before + 0.15
    assert final.help(NO_THINKER).is_above(final.hurt(NO_THINKER))


def test_team_does_not_learn_when_credit_is_reversed(tmp_path, monkeypatch):
    paid = ALLOCATORS["counterfactual"]
    reverse = Allocator(lambda outcomes, **knobs: -paid(outcomes, **knobs), paid.needs)
    monkeypatch.setitem(ALLOCATORS, "reversed", reverse)
    before, after, _ = train(tmp_path, allocator="reversed", steps=8)
    assert after < before
