"""The training loop: play rollouts, allocate credit, compute advantages and update the policies."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import closing, nullcontext
from pathlib import Path
from typing import Any

from baselines.common.errors import RolloutError
from baselines.common.files import as_written
from baselines.common.metrics import MetricRow
from baselines.common.processes import SINGLE_PROCESS, ProcessGroup
from baselines.common.types import FloatArray
from baselines.credit import GroupOutcomes
from baselines.evaluate.evaluation import Evaluation
from baselines.optimizers import OPTIMIZERS
from baselines.policies.base import TrainablePolicy
from baselines.rollouts.costs import CostTracker
from baselines.rollouts.team_env import with_verifier
from baselines.train.checkpoint_times import CheckpointTimes
from baselines.train.config import TrainConfig
from baselines.train.credit_stage import CreditStage
from baselines.train.engines.rollout_servers import RolloutServers
from baselines.train.gc_tuning import infrequent_collections
from baselines.train.held_out import HeldOutTasks, joint_accuracy
from baselines.train.logging import step_metrics
from baselines.train.logging.degeneracy_warning import DegeneracyWatch
from baselines.train.logging.evaluation_record import recorded
from baselines.train.logging.run_warnings import RunWarnings
from baselines.train.logging.safe_tracker import SafeTracker
from baselines.train.logging.step_records import StepRecords
from baselines.train.logging.step_times import StepTimes
from baselines.train.logging.trackers import Tracker
from baselines.train.playing import StepPlayer
from baselines.train.retrospect import retrospect_of
from baselines.train.rollouts_ahead import RolloutsAhead
from baselines.train.run_files import RunFiles
from baselines.train.saved_state import SavedState
from baselines.train.seeding import Streams
from baselines.train.step_credit import StepCredit
from baselines.train.trained_team import TrainedTeam
from ccpo_env import load_tasks


class Trainer:
    """Trains the policies of a team, and writes metrics and checkpoints to the folder of the run.

    Args:
        config: Settings of the run.
        run_dir: Folder of the run; it must exist when `run` is called.
        processes: Process group of the run; each process plays its share of the tasks of a step,
            and rank 0 writes the files.
        servers: Servers that sample the rollouts, in place of the policies in this process.
        is_ahead: Whether they play each step during the update before it; see `RolloutsAhead`.

    Raises:
        ValueError: If the checkpoint to resume from has a different config or is corrupt.
    """

    def __init__(
        self,
        config: TrainConfig,
        run_dir: Path,
        *,
        processes: ProcessGroup = SINGLE_PROCESS,
        servers: RolloutServers | None = None,
        is_ahead: bool = False,
    ) -> None:
        config.check()
        config.check_processes(processes.world_size)
        self._processes = processes
        self._servers = servers
        self._streams = Streams(config.seed, processes)
        self._files = RunFiles(run_dir, processes)
        self.run_dir = run_dir
        self.steps_done = 0
        self._is_between_steps = True  # nothing that a checkpoint holds has changed since a step
        self._tokens: list[int] = []  # sampled in each of these steps, for all purposes
        self._tasks = load_tasks(
            config.tasks, split="train", shuffle_choices=config.shuffle_choices
        )
        self.config = config = with_verifier(config, self._tasks)
        self._optimizer = OPTIMIZERS[config.optimizer].read_hyperparameters(config.optimizer_args)
        checkpoint = self._files.newest_checkpoint() if config.resume == "yes" else None
        self.notices = checkpoint.notices if checkpoint else ()
        team = TrainedTeam.load(
            *(config, self._optimizer, self._tasks),
            checkpoint=checkpoint,
            run_dir=run_dir,
            processes=processes,
            servers=servers,
        )
        self._schedule, self._crew, self._runner = team.schedule, team.crew, team.runner
        self._roles = tuple(self._runner.role_of.values())  # of the turns
        self._max_tokens = [*map(self._crew.max_tokens, self._roles)]
        self._held_out = HeldOutTasks(config, self._runner, self._streams, processes, servers)
        self._credit = CreditStage(
            config, self._runner, self._optimizer, readers=self._crew.policies
        )
        self._playing = self._crew.playing if not servers or self._credit.critic else nullcontext
        self._retrospect = retrospect_of(config, self._tasks, self._runner, self._streams)
        centres = self._optimizer.centres_on_group
        self._warnings = RunWarnings(
            DegeneracyWatch(config.allocator, config.optimizer, centres, self.agents[:-1])
        )
        self._player = StepPlayer(
            *(config, self._tasks),
            credit=self._credit,
            schedule=self._schedule,
            streams=self._streams,
            processes=processes,
            servers=servers,
        )
        self._ahead: RolloutsAhead | None = None
        if servers and is_ahead:
            self._ahead = RolloutsAhead(self._player, servers, processes, last_step=config.steps)
        self._saved = SavedState(
            *(config, self._files, self._crew),
            credit=self._credit,
            held_out=self._held_out,
            warnings=self._warnings,
            retrospect=self._retrospect,
            ahead=self._ahead,
            servers=servers,
        )
        if config.resume == "yes":
            with as_written(run_dir):
                if checkpoint:
                    self._tokens = self._saved.load(checkpoint)
                    self.steps_done = len(self._tokens)
                self._files.drop_after(self.steps_done)
        self._records = StepRecords(
            *(config, run_dir),
            optimizer=self._optimizer,
            turns=tuple(self._runner.role_of),
            steps_done=self.steps_done,
        )

    def run(
        self,
        *,
        on_step: Callable[[MetricRow], None],
        on_warning: Callable[[str], None],
        should_stop: Callable[[], bool],
        tracker: Tracker,
    ) -> Evaluation | None:
        """Train until the last step or until a stop is requested, and save a checkpoint at the end.

        Args:
            on_step: Called with the metrics of each step.
            on_warning: Called once if credit turns out to be only a rescaled shared reward, once if
                the tracker fails, which does not end the run, and if a step trains on nothing.
            should_stop: Called after each step; True ends the run.
            tracker: Receives the metrics of each step, and is closed at the end.

        Returns:
            The evaluation after the last update; None if the run was stopped before.

        Raises:
            RolloutError: In all processes, if no rollout of a step or no episode of an evaluation
                was measured, or a server fails in another way; the steps before are saved.
        """
        config = self.config
        saved_at = self.steps_done
        times = CheckpointTimes(config.checkpoint_every, config.checkpoint_minutes)
        with closing(SafeTracker(tracker, on_warning)) as steady, infrequent_collections():
            while self.steps_done < config.steps and not any(
                self._processes.all_gather([should_stop()])
            ):
                before = self._credit.to_json() if saved_at < self.steps_done else None
                try:
                    row = self._step(self.steps_done + 1)
                except RolloutError:
                    if before is not None and self._is_between_steps:
                        self._credit.load_json(before)  # what was played may be in its cache
                        self._save()
                    raise
                self.steps_done += 1
                self._tokens.append(int(row["cost/tokens_generated"] or 0))
                self._files.append(row, self._records.completions, self._records.rollouts)
                steady.log(row)
                steady.log_completions(self._records.completions)
                on_step(row)
                for warning in self._warnings.new:
                    on_warning(warning)
                if times.is_due(self.steps_done):
                    saved_at = self._save()
                    times.saved()
            for warning in self._warnings.at_end(self.steps_done):
                on_warning(warning)
        if saved_at < self.steps_done:
            self._save()
        if self.steps_done < config.steps:
            return None
        return self.evaluate_and_record()

    def evaluate_and_record(self, *, draw: int = 0) -> Evaluation:
        """Evaluate after the steps done, and write the outcome of each task; see `evaluate`.

        The policies are kept if they are the best so far.
        """
        evaluation = self.evaluate(draw=draw)
        self._files.append_evaluation(
            recorded(evaluation, step=self.steps_done, tokens=self.tokens_done)
        )
        self._files.keep_if_best(self.steps_done, joint_accuracy(evaluation), self._save)
        return evaluation

    def evaluate(self, *, draw: int = 0) -> Evaluation:
        """Evaluate the policies on the held-out tasks; see `HeldOutTasks.evaluate`."""
        if self._ahead:
            self._ahead.transfer(self.steps_done)
        with self._playing():
            return self._held_out.evaluate(draw=draw)

    def credit_of(self, outcomes: GroupOutcomes) -> FloatArray | None:
        """Return the credit of a group, (G, A) or (G, T); None if it needs more than one."""
        return self._credit.credit_of(outcomes)

    def saved_policies(self) -> dict[str, TrainablePolicy]:
        """Return the policies by the names of their folders in a checkpoint."""
        return self._crew.saved_policies()

    @property
    def warnings(self) -> list[str]:
        """Warnings of the steps done."""
        return self._warnings.all

    @property
    def initial(self) -> dict[str, Any] | None:
        """The evaluation before the first step, as JSON values; None before it."""
        return self._held_out.initial

    @property
    def tokens_done(self) -> int:
        """Tokens sampled in the steps done, for all purposes."""
        return sum(self._tokens)

    @property
    def agents(self) -> tuple[str, ...]:
        """All agents, in speaking order."""
        return self._runner.agents

    def _step(self, step: int) -> step_metrics.Metrics:
        self._is_between_steps = True
        evaluation = self._evaluate_before(step)
        active, times, costs = self._schedule.active(step), StepTimes(), CostTracker()

        judged = self._retrospect.step(self._crew, costs) if self._retrospect else {}
        self._is_between_steps = judged.get("retrospect/reward") is None
        if judged and self._servers:
            self._servers.sync()
        with self._playing():
            rollouts = self._ahead.of(step) if self._ahead else self._player.play(step, costs)
        times.end("play")

        groups = self._player.join(rollouts, step)
        self._is_between_steps = False
        found = StepCredit.of(groups, active, self._runner, self._credit, self._max_tokens)
        times.end("credit")

        updates = self._crew.update(active, found.samples(self._crew, self.config.train_on))
        if self._retrospect:
            self._retrospect.remember(groups.usable, found.advantages, active, self._roles)
        if self._servers:
            self._servers.write() if self._ahead else self._servers.sync()
        updated = self._crew.updated_roles(active)
        self._credit.remember(found.outcomes, updated, credit=found.shaped)
        times.end("update")

        self._records.add(step, found)
        why_unusable = map(self._credit.why_unusable, groups.played)
        empty_steps = self._warnings.add_groups(step, why_unusable)
        row = {
            "step": step,
            **found.metrics(self._credit, empty_steps=empty_steps),
            **updates,
            **judged,
            **step_metrics.cost_metrics(rollouts.costs),
            **times.metrics(rollouts.costs),
            **(times.ahead_metrics(rollouts, step) if self._ahead else {}),
            **evaluation,
        }
        self._warnings.add_metrics(row)
        return row

    def _evaluate_before(self, step: int) -> dict[str, float | None]:
        if not self._held_out.is_due(step, self._tokens):
            return {}
        evaluation = self.evaluate_and_record()
        if step == 1:
            self._held_out.initial = evaluation.to_json()
        return evaluation.metrics()

    def _save(self) -> int:
        if self._ahead:
            self._ahead.settle()
        self._saved.save(self.steps_done, self._records.credited)
        return self.steps_done
