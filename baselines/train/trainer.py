"""The training loop: play rollouts, allocate credit, compute advantages and update the policies."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager, closing, nullcontext
from functools import partial
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
from baselines.policies.base import Policy, TrainablePolicy
from baselines.policies.checkpoints import UsableCheckpoint, read_arrays, read_updaters
from baselines.policies.local.remote_code import remote_code
from baselines.rollouts.costs import CostTracker
from baselines.rollouts.groups import expect_measured
from baselines.rollouts.plan import has_readers
from baselines.rollouts.runner import RolloutRunner
from baselines.rollouts.team_env import team_env, with_verifier
from baselines.train.checkpoint_times import CheckpointTimes
from baselines.train.config import TrainConfig
from baselines.train.credit_stage import CreditStage
from baselines.train.engines.rollout_servers import RolloutServers
from baselines.train.gather import gather_groups, play_rounds
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
from baselines.train.replay_samples import SampleMaker, advantage_scale
from baselines.train.resumed_config import check_same_config
from baselines.train.retrospect import RETROSPECT, retrospect_of
from baselines.train.run_files import RunFiles
from baselines.train.samples import count_tokens, shaped_credit
from baselines.train.schedule import Schedule, trained_roles
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
        config.check_processes(processes.world_size)
        self._processes = processes
        self._servers = servers
        self._streams = Streams(config.seed, processes)
        self._files = RunFiles(run_dir, processes)
        self.run_dir = run_dir
        self.steps_done = 0
        self._is_between_steps = True  # nothing that a checkpoint holds has changed since a step
        self._tokens: list[int] = []  # sampled in each of these steps, for all purposes
        self.notices: tuple[str, ...] = ()
        self._tasks = load_tasks(
            config.tasks, split="train", shuffle_choices=config.shuffle_choices
        )
        self.config = config = with_verifier(config, self._tasks)
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
        with remote_code(trusted=config.trust_remote_code):
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
        self._max_tokens = [self._crew.max_tokens(role) for role in self._roles]
        self._held_out = HeldOutTasks(config, self._runner, self._streams, processes)
        self._credit = CreditStage(
            config, self._runner, self._optimizer, readers=self._crew.policies
        )
        self._retrospect = retrospect_of(config, self._tasks, self._runner, self._streams)
        centres = self._optimizer.centres_on_group
        self._warnings = RunWarnings(
            DegeneracyWatch(config.allocator, config.optimizer, centres, self.agents[:-1])
        )
        if config.resume == "yes":
            with as_written(run_dir):
                if checkpoint:
                    self._resume(checkpoint)
                self._files.drop_after(self.steps_done)
        self._records = StepRecords(
            *(config, run_dir),
            optimizer=self._optimizer,
            turns=self._turns,
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
            at_end = self._warnings.at_end(self.steps_done)
            if at_end is not None:
                on_warning(at_end)
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
        with self._playing():
            return self._held_out.evaluate(draw=draw)

    def credit_of(self, outcomes: GroupOutcomes) -> FloatArray | None:
        """Return the credit of a group, (G, A) or (G, T); None if it needs more than one."""
        return self._credit.credit_of(outcomes)

    def saved_policies(self) -> dict[str, TrainablePolicy]:
        """Return the policies by the names of their folders in a checkpoint."""
        return self._crew.saved_policies()

    def join_export(self) -> None:
        """Take part in the export of sharded weights, which rank 0 writes."""
        if self._processes.mesh is not None:
            for policy in self.saved_policies().values():
                policy.save(self.run_dir)

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
        active, agents, optimizer = self._schedule.active(step), self.agents, self._credit.optimizer
        topology, times, costs = self._runner.topology, StepTimes(), CostTracker()

        judged = self._retrospect.step(self._crew, costs) if self._retrospect else {}
        self._is_between_steps = judged.get("retrospect/reward") is None
        if judged and self._servers:
            self._servers.sync()
        size, is_usable = self.config.tasks_per_step, self._credit.is_usable
        num_tasks = size * (1 + self.config.resample_rounds)
        tasks = self._streams.choose(self._tasks, num_tasks, Stream.TASKS, step)
        rng = self._streams.own(Stream.ROLLOUTS, step)
        play = partial(self._credit.play, active=active, rng=rng, costs=costs)
        with self._playing():
            here = play_rounds(tasks, play, self._processes, is_usable=is_usable, size=size)
        times.end("play")

        groups = gather_groups(here, self._processes, is_usable=is_usable, most=size)
        expect_measured(groups.played, f"step {step}")
        self._is_between_steps = False
        costs = CostTracker.total(self._processes.all_gather([costs]))
        outcomes = self._credit.outcomes(groups.usable)
        credit = self._credit.credit(outcomes, active)
        shaped = shaped_credit(optimizer, credit, groups.usable, self._max_tokens)
        counts = count_tokens(groups.usable, len(self._turns)) if optimizer.whitens else None
        advantages = optimizer.advantage(shaped, counts)
        times.end("credit")

        on_tokens = self._crew.token_advantages(groups.usable, shaped, self._roles)
        if self.config.train_on == "all" and groups.usable:
            scale = advantage_scale(optimizer, shaped, advantages, counts)
            makes = SampleMaker(topology, scale, optimizer, self._max_tokens)
            samples = makes.samples(groups.here(groups.usable), groups.here(advantages), active)
        else:
            samples = groups.training_samples(on_tokens or advantages, active, self._roles)
        updates = self._crew.update(active, samples)
        if self._retrospect:
            self._retrospect.remember(groups.usable, advantages, active, self._roles)
        if self._servers:
            self._servers.sync()
        self._credit.remember(outcomes, self._crew.updated_roles(active), credit=shaped)
        times.end("update")

        self._records.add(*(step, groups.usable, outcomes, credit, advantages), num_tokens=counts)
        why_unusable = map(self._credit.why_unusable, groups.played)
        row = {
            "step": step,
            **step_metrics.rollout_metrics(groups.played, len(groups.usable), agents),
            "rollout/empty_steps": self._warnings.add_groups(step, why_unusable),
            **step_metrics.credit_metrics(outcomes, credit, advantages, agents, optimizer, counts),
            **step_metrics.rating_metrics(outcomes, agents),
            **step_metrics.critic_metrics(self._credit.critic, self._turns, agents),
            **step_metrics.influence_metrics(outcomes, agents, has_readers(topology)),
            **updates,
            **judged,
            **step_metrics.cost_metrics(costs),
            **times.metrics(costs),
            **evaluation,
        }
        self._warnings.add_metrics(row)
        return row

    def _playing(self) -> AbstractContextManager[None]:
        """Return a context in which the policies can play and read conversations."""
        is_local = self._servers is None or self._credit.critic is not None
        return self._crew.playing() if is_local else nullcontext()

    def _evaluate_before(self, step: int) -> dict[str, float | None]:
        if not self._held_out.is_due(step, self._tokens):
            return {}
        evaluation = self.evaluate_and_record()
        if step == 1:
            self._held_out.initial = evaluation.to_json()
        return evaluation.metrics()

    def _resume(self, checkpoint: UsableCheckpoint) -> None:
        contents = checkpoint.contents
        states = read_updaters(checkpoint.folder)
        if self._retrospect:
            self._retrospect.load_state_dict(states.pop(RETROSPECT))
        self._crew.load_state_dict(states, checkpoint.folder)
        self.steps_done = contents["config"]["steps_done"]
        self.notices = checkpoint.notices
        self._tokens = self._files.prepare_resume(self.steps_done)
        self._held_out.initial = contents["state"]["initial"]
        self._warnings.load_json(contents["state"])
        self._credit.load_json(contents["state"]["credit"])
        if self._credit.critic:
            self._credit.critic.load_arrays(read_arrays(checkpoint.folder))

    def _save(self) -> int:
        state = {
            "initial": self._held_out.initial,
            **self._warnings.to_json(),
            "credit": self._credit.to_json(),
        }
        critic, records = self._credit.critic, self._records
        self._files.save(
            self.steps_done,
            self.config,
            self._crew,
            records.credited,
            state,
            arrays=critic.to_arrays() if critic else {},
            retrospect=self._retrospect,
        )
        return self.steps_done
