"""The training loop: play, allocate credit, turn it into advantages, update role by role."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

import numpy as np

from baselines.checkpoint import (
    CheckpointError,
    UsableCheckpoint,
    best_checkpoint,
    checkpoint_name,
    forget_best_after,
    newest_checkpoint,
    newest_usable_checkpoint,
    read_updaters,
    record_best,
    save_checkpoint,
)
from baselines.collate import TrainingRow
from baselines.config import TrainConfig, check_same_config
from baselines.credit import GroupOutcomes
from baselines.credit.removals import each_but_the_last
from baselines.distributed.peers import ALONE, Peers, own_share
from baselines.distributed.servers import RolloutServers
from baselines.environments import team_env
from baselines.files import storing, sync
from baselines.metrics import METRICS_FILE, MetricRow, append_row, keep_rows, read_rows
from baselines.optimizers import OPTIMIZERS
from baselines.playing.credit_stage import CreditStage
from baselines.playing.groups import Group
from baselines.playing.ledger import Ledger
from baselines.policies.base import Policy, TrainablePolicy
from baselines.rollout import Player
from baselines.training.completions import (
    COMPLETIONS_FILE,
    CompletionRow,
    append_completions,
    completion_rows,
)
from baselines.training.credit_record import CREDIT_FILE, CreditHistory
from baselines.training.crew import Crew
from baselines.training.degeneracy import DegeneracyWatch
from baselines.training.evaluation import Evaluation, evaluate_team, joined
from baselines.training.heap import few_collections
from baselines.training.measure import (
    Metrics,
    cost_metrics,
    credit_metrics,
    rating_metrics,
    rollout_metrics,
)
from baselines.training.rows import count_tokens, reference_divergence, shaped_credit, training_rows
from baselines.training.schedule import Schedule, trained_roles
from baselines.training.steady_tracker import SteadyTracker
from baselines.training.team import CHECKPOINTS
from baselines.training.trackers import Tracker
from baselines.types import FloatArray, IntArray
from ccpo_env import load_tasks
from ccpo_env.types import Role, Task

TASK_STREAM, ROLLOUT_STREAM, EVAL_STREAM, EVAL_TASK_STREAM = range(4)
"""Random streams of a run: each step of each has its own generator, so a resumed run needs none."""


class Trainer:
    """Trains one policy per role and keeps the run's folder.

    Args:
        config: What the run is made of.
        run_dir: Folder of the run; it must exist when `run` is called.
        peers: Processes that train the same team, each on its share of the tasks of a step. The
            first of them writes.
        servers: Play the rollouts, in place of the policies in this process.

    Raises:
        ValueError: If the checkpoint to resume from is of another config or damaged.
    """

    def __init__(
        self,
        config: TrainConfig,
        run_dir: Path,
        *,
        peers: Peers = ALONE,
        servers: RolloutServers | None = None,
    ) -> None:
        config.check()
        self._peers = peers
        self._servers = servers
        self.config = config
        self.run_dir = run_dir
        self.steps_done = 0
        self.initial: dict[str, Any] | None = None
        self.warnings: list[str] = []
        self.notices: tuple[str, ...] = ()
        self._said: list[CompletionRow] = []
        if peers.size > 1 and config.removed_cache_decay:
            raise ValueError(
                f"removed_cache_decay must be 0 in several processes, which would remember "
                f"different tasks, got {config.removed_cache_decay}; leave it out"
            )
        self._tasks = load_tasks(config.tasks, split="train")
        held_out = load_tasks(config.tasks, split="test")
        self._eval_tasks = self._choose(held_out, config.num_eval_tasks, EVAL_TASK_STREAM, 0)
        self._optimizer = OPTIMIZERS[config.optimizer].read_knobs(config.optimizer_knobs)
        env = team_env(config, self._tasks[:1])
        roles = env.unwrapped.topology.roles
        self._schedule = Schedule(
            roles=trained_roles(roles, start=config.start_role, frozen=config.frozen_roles),
            period=config.alternate_period,
            order=config.role_order,
            seed=config.seed,
        )
        checkpoint = newest_usable_checkpoint(self._checkpoints) if config.resume else None
        if checkpoint:
            check_same_config(config.to_json(), checkpoint.contents["config"], checkpoint.folder)
        self._crew = Crew(
            config,
            self._optimizer,
            roles=roles,
            trained=self._schedule.roles,
            checkpoint=checkpoint.folder if checkpoint else None,
            failure_dir=run_dir,
            peers=peers,
        )
        speakers: Mapping[Role, Policy] = self._crew.policies
        if servers:
            speakers = servers.follow(self._crew.saved_policies(), roles)
        sampling = {role: config.sampling(role) for role in roles}
        self._player = Player(env, speakers, sampling)
        self._max_tokens = {
            agent: self._crew.max_tokens(role) for agent, role in self._player.role_of.items()
        }
        self._credit = CreditStage(config, self._player, self._optimizer)
        self._watch = DegeneracyWatch(
            config.allocator,
            config.optimizer,
            self._optimizer.centres_on_group,
            self.agents[:-1],
        )
        if checkpoint:
            self._go_on(checkpoint)
        self._credited = CreditHistory(run_dir / CREDIT_FILE, self.agents, self.steps_done)

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
            on_warning: Called once each, when credit turns out to be only a rescaled shared
                reward, and when the tracker fails, which does not end the run.
            should_stop: Asked after each step.
            tracker: Receives the metrics of each step, and is closed at the end.

        Returns:
            The evaluation after the last update; None if the run was stopped before.
        """
        config = self.config
        if self._is_writer:
            keep_rows(self._metrics_path, self.steps_done)
            if self._completions_path.exists():
                keep_rows(self._completions_path, self.steps_done)
        saved_at = self.steps_done
        with closing(SteadyTracker(tracker, on_warning)) as steady, few_collections():
            while self.steps_done < config.steps and not any(self._peers.join([should_stop()])):
                row = self._step(self.steps_done + 1)
                self.steps_done += 1
                if self._is_writer:
                    append_row(self._metrics_path, row, durable=False)  # see _save
                    append_completions(self._completions_path, self._said)
                steady.log(row)
                steady.log_completions(self._said)
                on_step(row)
                for warning in self._new_warnings(row):
                    on_warning(warning)
                if self.steps_done % config.checkpoint_every == 0:
                    saved_at = self._save()
        if saved_at < self.steps_done:
            self._save()
        if self.steps_done < config.steps:
            return None
        final = self.evaluate(config.steps + 1)
        self._keep_if_best(final)
        return final

    def evaluate(self, step: int) -> Evaluation:
        """Evaluate the policies as they are before the update of a step."""
        rng = self._own_generator(EVAL_STREAM, step)
        removals = each_but_the_last(self.agents)
        tasks = own_share(self._eval_tasks, self._peers)
        here = evaluate_team(self._player, tasks, removals=removals, rng=rng)
        return joined(self._peers.join([here]))

    def credit_of(self, outcomes: GroupOutcomes) -> FloatArray | None:
        """Return the credit of a group, shape (G, A); None if more is needed to tell."""
        return self._credit.credit_of(outcomes)

    def saved_policies(self) -> dict[str, TrainablePolicy]:
        """Return the policies by the name of the folder that each is saved in."""
        return self._crew.saved_policies()

    @property
    def agents(self) -> tuple[str, ...]:
        """All agents, in speaking order."""
        return self._player.agents

    def _step(self, step: int) -> Metrics:
        config = self.config
        evaluation = self._evaluate_before(step)
        started = time.perf_counter()
        ledger = Ledger()
        active = self._schedule.active(step)
        here = self._play(step, active, ledger)
        played = time.perf_counter()
        groups, num_here = self._peers.join(here), self._peers.join([len(here)])
        ledger = Ledger.total(self._peers.join([ledger]))
        first = sum(num_here[: self._peers.rank])
        places = [i for i, group in enumerate(groups) if self._credit.is_usable(group)]
        places = places[: config.tasks_per_step]  # further ones may have been played
        is_here = [first <= i < first + len(here) for i in places]
        usable = [groups[i] for i in places]
        outcomes = [self._credit.outcomes(group) for group in usable]
        credit = self._credit.credit(usable, outcomes)
        shaped = shaped_credit(self._optimizer, credit, usable, self._max_tokens)
        num_tokens = count_tokens(usable, self.agents)
        advantages = self._optimizer.advantage(shaped, num_tokens)
        allocated = time.perf_counter()
        paid = self._on_tokens(usable, shaped, num_tokens) or advantages
        own = [(g, a) for g, a, here in zip(usable, paid, is_here, strict=True) if here]
        updates = self._crew.update(active, {role: self._rows_of(role, own) for role in active})
        if self._servers:
            self._servers.sync()
        self._credit.remember(usable, active)
        updated = time.perf_counter()
        self._credited.add(step, usable, outcomes, credit)
        self._said = []
        if usable and config.completions_every and (step - 1) % config.completions_every == 0:
            self._said = completion_rows(step, usable[0], credit[0], advantages[0], self.agents)
        measured = {
            **rollout_metrics(groups, len(usable), self.agents),
            **credit_metrics(
                outcomes, credit, advantages, self.agents, self._optimizer, num_tokens
            ),
            **rating_metrics(outcomes, self.agents),
        }
        return {
            "step": step,
            **measured,
            **updates,
            **cost_metrics(ledger),
            "time/step_s": time.perf_counter() - started,
            "time/generate_s": ledger.generate_s,
            "time/rate_s": ledger.rate_s,
            "time/verify_s": ledger.verify_s,
            "time/environment_s": ledger.environment_s,
            "time/credit_s": allocated - played,
            "time/update_s": updated - allocated,
            "time/tokens_per_s": ledger.tokens_generated / max(ledger.generate_s, 1e-9),
            **evaluation,
        }

    def _play(self, step: int, active: Sequence[Role], ledger: Ledger) -> list[Group]:
        """Play a group per task, and further ones while too many were dropped, if asked to."""
        size, more = self.config.tasks_per_step, self.config.resample_rounds
        tasks = self._choose(self._tasks, size * (1 + more), TASK_STREAM, step)
        rng, here = self._own_generator(ROLLOUT_STREAM, step), list[Group]()
        for start in range(0, len(tasks), size):
            own = own_share(tasks[start : start + size], self._peers)
            here += self._credit.play(own, active, rng=rng, ledger=ledger)
            if start + size < len(tasks):
                num_usable = sum(map(self._credit.is_usable, here))
                if sum(self._peers.join([num_usable])) >= size:
                    break
        return here

    def _new_warnings(self, row: Metrics) -> list[str]:
        warning = self._watch.warning(row)
        new = [] if warning is None else [warning]
        self.warnings += new
        return new

    def _rows_of(self, role: Role, paid: Sequence[tuple[Group, FloatArray]]) -> list[TrainingRow]:
        agents = [agent for agent, own in self._player.role_of.items() if own == role]
        groups, advantages = [group for group, _ in paid], [advantage for _, advantage in paid]
        return training_rows(groups, advantages, self.agents, agents)

    def _on_tokens(
        self,
        groups: Sequence[Group],
        credit: Sequence[FloatArray],
        num_tokens: Sequence[IntArray],
    ) -> list[FloatArray] | None:
        """Return the advantage of each token, (G, A, T), if the tokens of a completion differ."""
        if not self._optimizer.is_per_token:
            return None
        kl = None
        if self._optimizer.needs_reward_kl:
            role_of, config = self._player.role_of, self.config
            references = self._crew.references
            kl = reference_divergence(
                groups,
                self.agents,
                {a: references[r] for a, r in role_of.items() if r in references},
                temperatures={a: config.sampling(r).temperature for a, r in role_of.items()},
                micro_batch_tokens=config.micro_batch_tokens,
            )
        return self._optimizer.token_advantage(credit, num_tokens, kl)

    def _evaluate_before(self, step: int) -> dict[str, float | None]:
        every = self.config.eval_every
        if step > 1 and (every == 0 or (step - 1) % every):
            return {}
        evaluation = self.evaluate(step)
        if step == 1:
            self.initial = evaluation.to_json()
        self._keep_if_best(evaluation)
        return evaluation.metrics()

    def _keep_if_best(self, evaluation: Evaluation) -> None:
        """Keep a checkpoint of what was evaluated, unless one before answered as many tasks."""
        if not self._is_writer:
            return
        best, accuracy = best_checkpoint(self._checkpoints), evaluation.accuracy()
        if not self.steps_done or accuracy is None:
            return
        if best is None or accuracy.rate > best.accuracy.rate:
            newest = newest_checkpoint(self._checkpoints)
            if newest is None or newest.name != checkpoint_name(self.steps_done):
                self._save()
            record_best(self._checkpoints, step=self.steps_done, accuracy=accuracy)

    def _choose(self, tasks: Sequence[Task], count: int, stream: int, step: int) -> list[Task]:
        rng = self._generator(stream, step)
        chosen = rng.choice(len(tasks), size=min(count, len(tasks)), replace=False)
        return [tasks[index] for index in chosen]

    def _generator(self, stream: int, step: int) -> np.random.Generator:
        return np.random.default_rng([self.config.seed, stream, step])

    def _own_generator(self, stream: int, step: int) -> np.random.Generator:
        """Return a generator that no other process has; the first has that of one alone."""
        place = [self._peers.rank] if self._peers.rank else []
        return np.random.default_rng([self.config.seed, stream, step, *place])

    @property
    def _is_writer(self) -> bool:
        return self._peers.rank == 0

    @property
    def _checkpoints(self) -> Path:
        return self.run_dir / CHECKPOINTS

    @property
    def _metrics_path(self) -> Path:
        return self.run_dir / METRICS_FILE

    @property
    def _completions_path(self) -> Path:
        return self.run_dir / COMPLETIONS_FILE

    def _go_on(self, checkpoint: UsableCheckpoint) -> None:
        contents = checkpoint.contents
        self._crew.load_state_dict(read_updaters(checkpoint.folder))
        self.steps_done = contents["config"]["steps_done"]
        self.notices = checkpoint.notices
        self._check_metrics()
        if self._is_writer:
            forget_best_after(self._checkpoints, self.steps_done)
        self.initial = contents["state"]["initial"]
        self.warnings = contents["state"]["warnings"]
        self._watch.num_groups, self._watch.is_settled = contents["state"]["watch"]
        self._credit.load_json(contents["state"]["credit"])

    def _check_metrics(self) -> None:
        steps = [row["step"] for row in read_rows(self._metrics_path)][: self.steps_done]
        if steps != list(range(1, self.steps_done + 1)):
            raise CheckpointError(
                f"{self._metrics_path} must hold the steps 1 to {self.steps_done} of the run that "
                f"goes on, got {len(steps)} of them; restore the file or start anew with another "
                f"--out-dir"
            )

    def _save(self) -> int:
        if not self._is_writer:
            return self.steps_done
        # What a resumed run reads must be on the disk before the checkpoint is.
        with storing("the metrics", self._metrics_path):
            sync(self._metrics_path)
        self._credited.write()
        save_checkpoint(
            self._checkpoints,
            step=self.steps_done,
            config=self.config.to_json(),
            policies=self.saved_policies(),
            updaters=self._crew.state_dict(),
            state={
                "initial": self.initial,
                "warnings": self.warnings,
                "watch": [self._watch.num_groups, self._watch.is_settled],
                "credit": self._credit.to_json(),
            },
            num_kept=self.config.keep_checkpoints,
        )
        return self.steps_done
