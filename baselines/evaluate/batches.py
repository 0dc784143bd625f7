"""The plan of an evaluation, and the loop that plays it batch by batch.

A batch consists of all samples and paths of some tasks, played in lockstep. Its tasks and its
random generator depend only on the plan, so it is reproducible. The generator is per batch, not
per episode: a policy samples a batch with one generator, and rounding makes each row depend on
the other rows of the batch.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from baselines.evaluate.episode_journal import EpisodeJournal
from baselines.evaluate.episodes import Episode
from baselines.evaluate.paths import (
    JOINT,
    TeamPath,
    control_paths,
    is_recounted,
    num_shared,
    num_turns,
    without,
)
from baselines.rollouts.plan import first_kept_turns
from baselines.rollouts.rollout import RolloutRequest
from baselines.rollouts.runner import RolloutRunner
from ccpo_env.types import Task, Verdict

EpisodeKey = tuple[str, int]
"""Task id and sample index."""
NO_MESSAGE = "the episode that the control takes a message from has none"


@dataclass(frozen=True, slots=True, kw_only=True)
class EvaluationPlan:
    """Which episodes an evaluation plays.

    Args:
        benchmarks: Maps the name of a benchmark to its tasks.
        removals: Sets of agents to remove.
        num_samples: Episodes of each task on each path; those without a voter are recounts.
        controls: Whether messages are also replaced by empty ones and by those of other tasks.
        tasks_per_batch: Tasks in a batch.
        seed: Seed of sampling and of the choice of the other task in a control.
    """

    benchmarks: Mapping[str, Sequence[Task]]
    removals: Sequence[frozenset[str]]
    num_samples: int = 1
    controls: bool = False
    tasks_per_batch: int = 32
    seed: int = 0

    @property
    def num_batches(self) -> int:
        """Number of batches of all benchmarks."""
        sizes = [-(-len(tasks) // self.tasks_per_batch) for tasks in self.benchmarks.values()]
        return sum(sizes) * (2 if self.controls else 1)

    def paths(self, runner: RolloutRunner) -> tuple[TeamPath, ...]:
        """Return all paths, in the order in which they are reported.

        Raises:
            ValueError: If controls have too few tasks, or no agent.
        """
        if not self.controls:
            return (JOINT, *without(self.removals))
        for name, tasks in self.benchmarks.items():
            if len(tasks) < 2:
                raise ValueError(
                    f"controls must take messages from another task, got {len(tasks)} task in "
                    f"{name}; pass a larger --limit or leave out --controls"
                )
        controls = control_paths(runner.topology, self.removals)
        return (JOINT, *without(self.removals), *controls)


def play_all(
    runner: RolloutRunner,
    plan: EvaluationPlan,
    *,
    rng: np.random.Generator | None = None,
    journal: EpisodeJournal | None = None,
    on_batch: Callable[[], None] = lambda: None,
) -> list[Episode]:
    """Return the episodes of a plan, played now or read from the journal.

    Args:
        runner: Plays the episodes.
        plan: Which episodes.
        rng: Random generator for all batches. None: each batch has its own, derived from the plan,
            which a journal requires so that a resumed evaluation gives the same result.
        journal: Finished batches; newly finished batches are appended. None: no batch is stored.
        on_batch: Called after each batch.

    Returns:
        The episodes, ordered by benchmark, path, task and sample.

    Note: A batch is finished if every turn has a completion and any episode was measured. If not,
        because a server or the verifier failed, its episodes are returned as not measured, and a
        resumed evaluation plays the batch again.
    """
    paths = plan.paths(runner)
    episodes: list[Episode] = []
    for name, tasks in plan.benchmarks.items():
        own = [path for path in paths if not path.is_control]
        played = _Benchmark(runner, plan, name, rng, journal, on_batch)
        found = played.play(tasks, own, {})
        controls = [path for path in paths if path.is_control]
        if controls:
            joint = {(e.task.id, e.sample): e for e in found if e.path == JOINT}
            found += played.play(tasks, controls, joint)
        order = {path: place for place, path in enumerate(paths)}
        episodes += sorted(found, key=lambda episode: order[episode.path])  # stable
    return episodes


@dataclass(frozen=True, slots=True)
class _Benchmark:
    """Plays the tasks of one benchmark."""

    runner: RolloutRunner
    plan: EvaluationPlan
    name: str
    rng: np.random.Generator | None
    journal: EpisodeJournal | None
    on_batch: Callable[[], None]

    def play(
        self,
        tasks: Sequence[Task],
        paths: Sequence[TeamPath],
        joint: Mapping[EpisodeKey, Episode],
    ) -> list[Episode]:
        """Play some paths of all tasks; controls take messages from the joint episodes."""
        by_id = {task.id: task for task in tasks}
        donors = self._donors(tasks)
        episodes = []
        size = self.plan.tasks_per_batch
        for start in range(0, len(tasks), size):
            batch = tasks[start : start + size]
            key = self._key(batch, paths)
            known = None if self.journal is None else self.journal.find(key)
            if known is None:
                fresh = list(self._play_batch(batch, paths, joint, donors, key))
                if self.journal is not None and self._is_finished(fresh):
                    self.journal.append(key, [episode.to_json() for episode in fresh])
                episodes += fresh
            else:
                episodes += [
                    Episode.from_json(record, benchmark=self.name, tasks=by_id) for record in known
                ]
            self.on_batch()
        return episodes

    def _play_batch(
        self,
        batch: Sequence[Task],
        paths: Sequence[TeamPath],
        joint: Mapping[EpisodeKey, Episode],
        donors: Mapping[str, str],
        key: str,
    ) -> Iterator[Episode]:
        wanted = [
            (task, sample, path)
            for path in paths
            for task in batch
            for sample in range(self.plan.num_samples)
        ]
        num_each = len(batch) * self.plan.num_samples  # episodes of a path
        requests = [
            self._request(*what, place % num_each, joint, donors)
            for place, what in enumerate(wanted)
        ]
        rng = _generator(key) if self.rng is None else self.rng
        played = iter(self.runner.play([own for own in requests if own is not None], rng=rng))
        rollouts = [None if own is None else next(played) for own in requests]
        topology = self.runner.topology
        for place, (task, sample, path) in enumerate(wanted):
            rollout = rollouts[place]
            if rollout is not None:
                kept = num_shared(topology, path)
                yield Episode.of(
                    rollout, benchmark=self.name, sample=sample, path=path, num_shared=kept
                )
            elif is_recounted(topology, path):
                team = rollouts[place % num_each]
                assert team is not None, "the joint episodes are played in the same batch"
                yield Episode.recounted(
                    team, topology, benchmark=self.name, sample=sample, path=path
                )
            else:
                verdict = Verdict("error", detail=NO_MESSAGE)
                yield Episode(self.name, task, sample, path, (), verdict)

    def _request(
        self,
        task: Task,
        sample: int,
        path: TeamPath,
        leader: int,
        joint: Mapping[EpisodeKey, Episode],
        donors: Mapping[str, str],
    ) -> RolloutRequest | None:
        """Return what is played for an episode; None for a recount or without a control's message.

        Args:
            task: The task.
            sample: Index of the sample.
            path: The path.
            leader: Index of the joint rollout of the same sample in the batch, unless the path is
                a control.
            joint: The joint episodes, for controls.
            donors: The other task of each task, for controls.
        """
        topology = self.runner.topology
        place = num_shared(topology, path)
        if not path.is_control:
            if is_recounted(topology, path):
                return None
            kept = first_kept_turns(topology, path.removed) if path.removed else ()
            follows = leader if kept else None
            return RolloutRequest(task, path.removed, leader=follows, kept=kept)
        own = joint[task.id, sample].messages
        other = joint[donors[task.id], sample].messages
        if len(own) < place or (path.kind == "shuffled" and len(other) <= place):
            return None
        text = other[place].text if path.kind == "shuffled" else ""
        return RolloutRequest(task, prefix=(*(message.text for message in own[:place]), text))

    def _donors(self, tasks: Sequence[Task]) -> dict[str, str]:
        """Return the id of another task for each task: the next one in a random cycle."""
        seed = _digest(["donors", self.plan.seed, self.name, [task.id for task in tasks]])
        circle = _generator(seed).permutation(len(tasks))
        following = np.roll(circle, -1)
        pairs = zip(circle.tolist(), following.tolist(), strict=True)
        return {tasks[one].id: tasks[other].id for one, other in pairs}

    def _key(self, batch: Sequence[Task], paths: Sequence[TeamPath]) -> str:
        ids, labels = [task.id for task in batch], [path.label for path in paths]
        return _digest([self.plan.seed, self.plan.num_samples, self.name, ids, labels])

    def _is_finished(self, episodes: Sequence[Episode]) -> bool:
        topology = self.runner.topology
        has_all = all(len(e.messages) == num_turns(topology, e.path) for e in episodes)
        return has_all and any(e.reward is not None for e in episodes)


def _generator(digest: str) -> np.random.Generator:
    return np.random.default_rng(np.frombuffer(bytes.fromhex(digest), dtype=np.uint32))


def _digest(value: object) -> str:
    return hashlib.sha256(json.dumps(value).encode()).hexdigest()
