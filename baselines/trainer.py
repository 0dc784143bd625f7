"""The training loop: play, allocate credit, turn it into advantages, update role by role."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

import numpy as np

from baselines.checkpoint import (
    CheckpointError,
    newest_checkpoint,
    read_checkpoint,
    read_updaters,
    save_checkpoint,
)
from baselines.collate import TrainingRow
from baselines.config import TrainConfig, check_same_config, parse_knobs
from baselines.credit import ALLOCATORS, GroupOutcomes
from baselines.evaluation import Evaluation, each_but_the_last, evaluate_team
from baselines.groups import Group, play_groups
from baselines.measure import Metrics, credit_metrics, degeneracy_warning, rollout_metrics
from baselines.metrics import METRICS_FILE, MetricRow, append_row, keep_rows, read_rows
from baselines.optimizers import OPTIMIZERS
from baselines.policies.base import Sampling
from baselines.rollout import Ledger, Player
from baselines.schedule import active_roles
from baselines.team import CHECKPOINTS, load_team
from baselines.trackers import Tracker
from baselines.types import FloatArray
from baselines.updater import Updater
from ccpo_env import load_tasks, think_solve_v0
from ccpo_env.types import Role, Task

TASK_STREAM, ROLLOUT_STREAM, EVAL_STREAM, EVAL_TASK_STREAM = range(4)
"""Random streams of a run: each step of each has its own generator, so a resumed run needs none."""

UPDATE_METRICS = ("loss", "grad_norm", "clip_rate", "approx_kl", "learning_rate")


class Trainer:
    """Trains one policy per role and keeps the run's folder.

    Args:
        config: What the run is made of.
        run_dir: Folder of the run; it must exist when `run` is called.

    Raises:
        ValueError: If the checkpoint to resume from is of another config or damaged.
    """

    def __init__(self, config: TrainConfig, run_dir: Path) -> None:
        config.check()
        self.config = config
        self.run_dir = run_dir
        self.steps_done = 0
        self.initial: dict[str, Any] | None = None
        self.warnings: list[str] = []
        self._tasks = load_tasks(config.tasks, split="train")
        held_out = load_tasks(config.tasks, split="test")
        self._eval_tasks = self._choose(held_out, config.num_eval_tasks, EVAL_TASK_STREAM, 0)
        self._knobs = parse_knobs(config.allocator, config.allocator_knobs)
        self._allocator = ALLOCATORS[config.allocator]
        self._optimizer = OPTIMIZERS[config.optimizer]
        env = think_solve_v0(tasks=self._tasks[:1], num_thinkers=config.num_thinkers)
        roles = env.unwrapped.topology.roles
        checkpoint = newest_checkpoint(self._checkpoints) if config.resume else None
        contents = self._check(checkpoint) if checkpoint else None
        self._policies = load_team(str(checkpoint or config.policy), roles, own_copies=True)
        sampling = Sampling(temperature=config.temperature, max_tokens=config.max_tokens)
        self._player = Player(env, self._policies, dict.fromkeys(roles, sampling))
        self._removals = each_but_the_last(self._player.agents)
        self._try_credit()
        self._updaters = {role: self._updater(role) for role in roles}
        if checkpoint and contents:
            self._go_on(checkpoint, contents)

    def run(
        self,
        *,
        on_step: Callable[[MetricRow], None],
        on_warning: Callable[[str], None],
        should_stop: Callable[[], bool],
        tracker: Tracker,
    ) -> Evaluation | None:
        """Train until the last step, or until asked to stop, with a checkpoint at the end.

        Args:
            on_step: Called with the metrics of each step.
            on_warning: Called once, when credit turns out to be only a rescaled shared reward.
            should_stop: Asked after each step.
            tracker: Receives the metrics of each step, and is closed at the end.

        Returns:
            The evaluation after the last update; None if the run was stopped before.
        """
        config = self.config
        keep_rows(self._metrics_path, self.steps_done)
        saved_at = self.steps_done
        with closing(tracker):
            while self.steps_done < config.steps and not should_stop():
                row = self._step(self.steps_done + 1)
                self.steps_done += 1
                append_row(self._metrics_path, row)
                tracker.log(row)
                on_step(row)
                for warning in self._new_warnings(row):
                    on_warning(warning)
                if self.steps_done % config.checkpoint_every == 0:
                    saved_at = self._save()
        if saved_at < self.steps_done:
            self._save()
        if self.steps_done < config.steps:
            return None
        return self.evaluate(config.steps + 1)

    def evaluate(self, step: int) -> Evaluation:
        """Evaluate the policies as they are before the update of a step."""
        rng = self._generator(EVAL_STREAM, step)
        return evaluate_team(self._player, self._eval_tasks, removals=self._removals, rng=rng)

    def credit_of(self, outcomes: GroupOutcomes) -> FloatArray:
        """Return the credit of each agent in each rollout of a group, shape (G, A)."""
        return self._allocator(outcomes, **self._knobs)

    @property
    def agents(self) -> tuple[str, ...]:
        """All agents, in speaking order."""
        return self._player.agents

    def _try_credit(self) -> None:
        """Raise what the allocator says of its knobs now, not after the first rollouts."""
        removed = {removal: [-1.0] for removal in self._removals}
        self.credit_of(GroupOutcomes(self.agents, [-1.0, 1.0], removed))

    def _step(self, step: int) -> Metrics:
        config = self.config
        evaluation = self._evaluate_before(step)
        started = time.perf_counter()
        ledger = Ledger()
        groups = play_groups(
            self._player,
            self._choose(self._tasks, config.tasks_per_step, TASK_STREAM, step),
            group_size=config.group_size,
            removals=self._removals if "removed_rewards" in self._allocator.needs else (),
            num_removed=config.removed_samples,
            rng=self._generator(ROLLOUT_STREAM, step),
            ledger=ledger,
        )
        usable = [group for group in groups if group.is_usable]
        outcomes = [group.outcomes(self.agents) for group in usable]
        credit = [self.credit_of(group) for group in outcomes]
        advantages = self._optimizer.advantage(credit)
        played = time.perf_counter()
        updates = self._update_roles(step, usable, advantages)
        ended = time.perf_counter()
        measured = credit_metrics(outcomes, credit, advantages, self.agents, config.optimizer)
        return {
            "step": step,
            **rollout_metrics(groups, self.agents),
            **measured,
            **updates,
            "cost/tokens_generated": ledger.tokens_generated,
            "cost/tokens_removed": ledger.tokens_removed,
            "cost/verifier_calls": ledger.verifier_calls,
            "time/step_s": ended - started,
            "time/generate_s": ledger.generate_s,
            "time/verify_s": ledger.verify_s,
            "time/update_s": ended - played,
            "time/tokens_per_s": ledger.tokens_generated / max(ledger.generate_s, 1e-9),
            **evaluation,
        }

    def _new_warnings(self, row: Metrics) -> list[str]:
        if self.warnings:
            return []
        self.warnings = degeneracy_warning(row, self.agents, self.config)
        return self.warnings

    def _update_roles(
        self, step: int, groups: Sequence[Group], advantages: Sequence[FloatArray]
    ) -> dict[str, float | None]:
        active = active_roles(step, tuple(self._updaters), self.config.alternate_period)
        metrics: dict[str, float | None] = {}
        for role, updater in self._updaters.items():
            update = (
                updater.update(self._rows_of(role, groups, advantages)) if role in active else {}
            )
            metrics |= {f"update/{role}/{name}": update.get(name) for name in UPDATE_METRICS}
        return metrics

    def _rows_of(
        self, role: Role, groups: Sequence[Group], advantages: Sequence[FloatArray]
    ) -> list[TrainingRow]:
        columns = [
            (column, agent)
            for column, agent in enumerate(self.agents)
            if self._player.role_of[agent] == role
        ]
        return [
            TrainingRow(completion, float(advantage[index, column]))
            for group, advantage in zip(groups, advantages, strict=True)
            for index, rollout in enumerate(group.rollouts)
            for column, agent in columns
            for completion in rollout.completions[agent]
        ]

    def _evaluate_before(self, step: int) -> dict[str, float | None]:
        every = self.config.eval_every
        if step > 1 and (every == 0 or (step - 1) % every):
            return {}
        evaluation = self.evaluate(step)
        if step == 1:
            self.initial = evaluation.to_json()
        return evaluation.metrics()

    def _choose(self, tasks: Sequence[Task], count: int, stream: int, step: int) -> list[Task]:
        rng = self._generator(stream, step)
        chosen = rng.choice(len(tasks), size=min(count, len(tasks)), replace=False)
        return [tasks[index] for index in chosen]

    def _generator(self, stream: int, step: int) -> np.random.Generator:
        return np.random.default_rng([self.config.seed, stream, step])

    def _updater(self, role: Role) -> Updater:
        config = self.config
        return Updater(
            self._policies[role],
            self._optimizer,
            learning_rate=config.step_size,
            warmup_steps=config.warmup_steps,
            max_grad_norm=config.max_grad_norm,
            temperature=config.temperature,
            micro_batch_tokens=config.micro_batch_tokens,
        )

    @property
    def _checkpoints(self) -> Path:
        return self.run_dir / CHECKPOINTS

    @property
    def _metrics_path(self) -> Path:
        return self.run_dir / METRICS_FILE

    def _check(self, checkpoint: Path) -> dict[str, Any]:
        contents = read_checkpoint(checkpoint)
        check_same_config(self.config.to_json(), contents["config"], checkpoint)
        return contents

    def _go_on(self, checkpoint: Path, contents: dict[str, Any]) -> None:
        for role, state in read_updaters(checkpoint).items():
            self._updaters[role].load_state_dict(state)
        self.steps_done = contents["config"]["steps_done"]
        self._check_metrics()
        self.initial = contents["state"]["initial"]
        self.warnings = contents["state"]["warnings"]

    def _check_metrics(self) -> None:
        steps = [row["step"] for row in read_rows(self._metrics_path)][: self.steps_done]
        if steps != list(range(1, self.steps_done + 1)):
            raise CheckpointError(
                f"{self._metrics_path} must hold the steps 1 to {self.steps_done} of the run that "
                f"goes on, got {len(steps)} of them; restore the file or start anew with another "
                f"--out-dir"
            )

    def _save(self) -> int:
        save_checkpoint(
            self._checkpoints,
            step=self.steps_done,
            config=self.config.to_json(),
            policies=self._policies,
            updaters={role: updater.state_dict() for role, updater in self._updaters.items()},
            state={"initial": self.initial, "warnings": self.warnings},
        )
        return self.steps_done
