"""The training loop: play rollouts, allocate credit, compute advantages and update the policies."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

from baselines.common.credit_file import CREDIT_FILE
from baselines.common.metrics import MetricRow
from baselines.common.processes import SINGLE_PROCESS, ProcessGroup, own_share
from baselines.common.rollout_file import RecordedGroup
from baselines.common.stats import proportion
from baselines.common.types import FloatArray
from baselines.credit import GroupOutcomes, shared_credit
from baselines.evaluate.batches import EvaluationPlan, play_all
from baselines.evaluate.episodes import benchmark_name
from baselines.evaluate.evaluation import Evaluation
from baselines.evaluate.paths import JOINT, each_that_can_be_spared
from baselines.optimizers import OPTIMIZERS
from baselines.policies.base import Policy, TrainablePolicy
from baselines.policies.checkpoints import UsableCheckpoint, read_updaters
from baselines.rollouts.costs import CostTracker
from baselines.rollouts.groups import Group
from baselines.rollouts.plan import has_readers
from baselines.rollouts.runner import RolloutRunner
from baselines.rollouts.team_env import team_env
from baselines.train.config import TrainConfig, check_same_config
from baselines.train.credit_stage import CreditStage
from baselines.train.engines.rollout_servers import RolloutServers
from baselines.train.gather import gather_groups
from baselines.train.gc_tuning import infrequent_collections
from baselines.train.logging import step_metrics
from baselines.train.logging.completions import CompletionRow, completion_rows
from baselines.train.logging.credit_record import CreditHistory
from baselines.train.logging.degeneracy_warning import DegeneracyWatch
from baselines.train.logging.empty_steps import EmptySteps
from baselines.train.logging.evaluation_record import recorded
from baselines.train.logging.rollout_record import is_recorded, recorded_groups
from baselines.train.logging.safe_tracker import SafeTracker
from baselines.train.logging.step_times import StepTimes
from baselines.train.logging.trackers import Tracker
from baselines.train.run_files import RunFiles
from baselines.train.samples import count_tokens, shaped_credit
from baselines.train.schedule import Schedule, evaluates_before, trained_roles
from baselines.train.seeding import Stream, Streams
from baselines.train.team_policies import TeamPolicies
from ccpo_env import load_tasks
from ccpo_env.types import Role


class Trainer:
    """Trains the policies of a team, and writes metrics and checkpoints to the folder of the run.

    Args:
        config: Settings of the run.
        run_dir: Folder of the run; it must exist when `run` is called.
        processes: Process group of the run; each process plays its share of the tasks of a step,
            and rank 0 writes the files.
        servers: Servers that sample the rollouts, in place of the policies in this process.

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
    ) -> None:
        config.check()
        self._processes = processes
        self._servers = servers
        self._streams = Streams(config.seed, processes)
        self._files = RunFiles(run_dir, is_writer=processes.rank == 0)
        self.config = config
        self.run_dir = run_dir
        self.steps_done = 0
        self.initial: dict[str, Any] | None = None
        self._tokens: list[int] = []  # sampled in each of these steps, for all purposes
        self.warnings: list[str] = []
        self.notices: tuple[str, ...] = ()
        self._said: list[CompletionRow] = []
        self._recorded: list[RecordedGroup] = []
        self._new_warnings: list[str] = []
        if processes.world_size > 1 and config.removed_cache_decay:
            raise ValueError(
                f"removed_cache_decay must be 0 with several processes, whose caches would hold "
                f"different tasks, got {config.removed_cache_decay}; leave it out"
            )
        self._tasks = load_tasks(config.tasks, split="train")
        held_out = load_tasks(config.tasks, split="test")
        self._eval_tasks = self._streams.choose(
            held_out, config.num_eval_tasks, Stream.EVAL_TASKS, 0
        )
        self._optimizer = OPTIMIZERS[config.optimizer].read_hyperparameters(config.optimizer_args)
        env = team_env(config, self._tasks[:1])
        roles = env.unwrapped.topology.roles
        self._schedule = Schedule(
            roles=trained_roles(roles, start=config.start_role, frozen=config.frozen_roles),
            period=config.alternate_period,
            order=config.role_order,
            seed=config.seed,
        )
        checkpoint = self._files.newest_checkpoint() if config.resume == "yes" else None
        if checkpoint:
            check_same_config(config.to_json(), checkpoint.contents["config"], checkpoint.folder)
        self._crew = TeamPolicies(
            config,
            self._optimizer,
            roles=roles,
            trained=self._schedule.roles,
            checkpoint=checkpoint.folder if checkpoint else None,
            failure_dir=run_dir,
            processes=processes,
        )
        speakers: Mapping[Role, Policy] = self._crew.policies
        if servers:
            speakers = servers.follow(self._crew.saved_policies(), roles)
        sampling = {role: config.sampling(role) for role in roles}
        self._runner = RolloutRunner(env, speakers, sampling)
        self._turns = tuple(self._runner.role_of)  # their names
        self._roles = tuple(self._runner.role_of.values())  # of the turns
        self._is_read = has_readers(self._runner.topology)
        self._max_tokens = [self._crew.max_tokens(role) for role in self._roles]
        self._credit = CreditStage(config, self._runner, self._optimizer)
        self._watch = DegeneracyWatch(
            config.allocator,
            config.optimizer,
            self._optimizer.centres_on_group,
            self.agents[:-1],
        )
        self._empty = EmptySteps()
        if checkpoint:
            self._resume(checkpoint)
        self._credited = CreditHistory(run_dir / CREDIT_FILE, self._turns, self.steps_done)

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
        """
        config = self.config
        self._files.drop_after(self.steps_done)
        saved_at = self.steps_done
        with closing(SafeTracker(tracker, on_warning)) as steady, infrequent_collections():
            while self.steps_done < config.steps and not any(
                self._processes.all_gather([should_stop()])
            ):
                row = self._step(self.steps_done + 1)
                self.steps_done += 1
                self._tokens.append(int(row["cost/tokens_generated"] or 0))
                self._files.append(row, self._said, self._recorded)
                steady.log(row)
                steady.log_completions(self._said)
                on_step(row)
                for warning in self._new_warnings:
                    on_warning(warning)
                if self.steps_done % config.checkpoint_every == 0:
                    saved_at = self._save()
            if self._empty.count > 1:
                on_warning(f"{self._empty.count} of {self.steps_done} steps trained on nothing")
        if saved_at < self.steps_done:
            self._save()
        if self.steps_done < config.steps:
            return None
        return self.evaluate_and_record()

    def evaluate_and_record(self, *, draw: int = 0) -> Evaluation:
        """Evaluate after the steps done, and write the outcome of each task; see `evaluate`."""
        evaluation = self.evaluate(draw=draw)
        self._record(evaluation)
        return evaluation

    def evaluate(self, *, draw: int = 0) -> Evaluation:
        """Evaluate the policies on the held-out tasks, with the same random numbers every time.

        Common random numbers leave between two evaluations only what the policies have learned,
        because a completion depends neither on the rest of its batch nor on other turns' lengths.

        Args:
            draw: Index of the random numbers; another one gives an independent evaluation, as an
                accuracy needs by which the end of training was chosen.
        """
        tasks = own_share(self._eval_tasks, self._processes)
        plan = EvaluationPlan(
            benchmarks={benchmark_name(self.config.tasks): tasks},
            removals=each_that_can_be_spared(self._runner.topology),
            tasks_per_batch=self.config.num_eval_tasks,
        )
        rng = self._streams.own(Stream.EVALUATION, draw)
        episodes = self._processes.all_gather(play_all(self._runner, plan, rng=rng))
        return Evaluation.of(episodes, verify=self._runner.verifier, seed=self.config.seed)

    def credit_of(self, outcomes: GroupOutcomes) -> FloatArray | None:
        """Return the credit of a group, (G, A) or (G, T); None if it needs more than one."""
        return self._credit.credit_of(outcomes)

    def saved_policies(self) -> dict[str, TrainablePolicy]:
        """Return the policies by the names of their folders in a checkpoint."""
        return self._crew.saved_policies()

    @property
    def tokens_done(self) -> int:
        """Tokens sampled in the steps done, for all purposes."""
        return sum(self._tokens)

    @property
    def agents(self) -> tuple[str, ...]:
        """All agents, in speaking order."""
        return self._runner.agents

    def _step(self, step: int) -> step_metrics.Metrics:
        evaluation = self._evaluate_before(step)
        active, agents, optimizer = self._schedule.active(step), self.agents, self._credit.optimizer
        times, costs = StepTimes(), CostTracker()

        here = self._play(step, active, costs)
        times.end("play")

        most = self.config.tasks_per_step
        groups = gather_groups(here, self._processes, is_usable=self._credit.is_usable, most=most)
        costs = CostTracker.total(self._processes.all_gather([costs]))
        outcomes = [self._credit.outcomes(group) for group in groups.usable]
        credit = self._credit.credit(outcomes, active)
        shaped = shaped_credit(optimizer, credit, groups.usable, self._max_tokens)
        counts = count_tokens(groups.usable, len(self._turns)) if optimizer.whitens else None
        advantages = optimizer.advantage(shaped, counts)
        times.end("credit")

        on_tokens = self._crew.token_advantages(groups.usable, shaped, self._roles)
        updates = self._crew.update(
            active, groups.training_samples(on_tokens or advantages, active, self._roles)
        )
        if self._servers:
            self._servers.sync()
        self._credit.remember(groups.usable, self._crew.updated_roles(active), credit=shaped)
        times.end("update")

        self._credited.add(step, groups.usable, outcomes, credit)
        self._said = []
        if groups.usable and self._shows_completions(step):
            self._said = completion_rows(step, groups.usable[0], credit[0], advantages[0])
        self._recorded = []
        if groups.usable and is_recorded(step, self.config.record_every):
            shared = optimizer.advantage([shared_credit(own) for own in outcomes], counts)
            self._recorded = recorded_groups(
                *(step, groups.usable, outcomes, credit, advantages, shared),
                max_rollouts=self.config.record_rollouts,
            )
        empty = self._empty.warning(step, map(self._credit.why_unusable, groups.played))
        row = {
            "step": step,
            **step_metrics.rollout_metrics(groups.played, len(groups.usable), agents),
            "rollout/empty_steps": self._empty.count,
            **step_metrics.credit_metrics(outcomes, credit, advantages, agents, optimizer, counts),
            **step_metrics.rating_metrics(outcomes, agents),
            **step_metrics.influence_metrics(outcomes, agents, self._is_read),
            **updates,
            **step_metrics.cost_metrics(costs),
            **times.metrics(costs),
            **evaluation,
        }
        self._new_warnings = [w for w in (empty, self._watch.warning(row)) if w is not None]
        self.warnings += self._new_warnings
        return row

    def _play(self, step: int, active: Sequence[Role], costs: CostTracker) -> list[Group]:
        """Play one group per task, and more to replace dropped groups; see `resample_rounds`."""
        size, more = self.config.tasks_per_step, self.config.resample_rounds
        tasks = self._streams.choose(self._tasks, size * (1 + more), Stream.TASKS, step)
        rng, here = self._streams.own(Stream.ROLLOUTS, step), list[Group]()
        for start in range(0, len(tasks), size):
            own = own_share(tasks[start : start + size], self._processes)
            here += self._credit.play(own, active, rng=rng, costs=costs)
            if start + size < len(tasks):
                num_usable = sum(map(self._credit.is_usable, here))
                if sum(self._processes.all_gather([num_usable])) >= size:
                    break
        return here

    def _shows_completions(self, step: int) -> bool:
        every = self.config.completions_every
        return every > 0 and (step - 1) % every == 0

    def _evaluate_before(self, step: int) -> dict[str, float | None]:
        config = self.config
        if not evaluates_before(
            step,
            self._tokens,
            every_steps=config.eval_every,
            every_tokens=config.eval_every_tokens,
        ):
            return {}
        evaluation = self.evaluate_and_record()
        if step == 1:
            self.initial = evaluation.to_json()
        return evaluation.metrics()

    def _record(self, evaluation: Evaluation) -> None:
        """Write the outcome of each task, and keep the policies if they are the best so far."""
        self._files.append_evaluation(
            recorded(evaluation, step=self.steps_done, tokens=self.tokens_done)
        )
        total = int(evaluation.correctness.num_measured(JOINT).sum())
        right = int(evaluation.correctness.num_right(JOINT).sum())
        accuracy = proportion(right, total) if total else None
        self._files.keep_if_best(self.steps_done, accuracy, self._save)

    def _resume(self, checkpoint: UsableCheckpoint) -> None:
        contents = checkpoint.contents
        self._crew.load_state_dict(read_updaters(checkpoint.folder))
        self.steps_done = contents["config"]["steps_done"]
        self.notices = checkpoint.notices
        self._tokens = self._files.prepare_resume(self.steps_done)
        self.initial = contents["state"]["initial"]
        self.warnings = contents["state"]["warnings"]
        self._watch.load_json(contents["state"]["watch"])
        self._empty = EmptySteps(contents["state"]["empty_steps"])
        self._credit.load_json(contents["state"]["credit"])

    def _save(self) -> int:
        state = {
            "initial": self.initial,
            "warnings": self.warnings,
            "watch": self._watch.to_json(),
            "empty_steps": self._empty.count,
            "credit": self._credit.to_json(),
        }
        self._files.save(self.steps_done, self.config, self._crew, self._credited, state)
        return self.steps_done
