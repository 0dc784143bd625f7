"""Play many episodes in lockstep: one batched sample per turn, whoever is removed."""

from __future__ import annotations

import copy
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from baselines.policies.base import Completion, Policy, Prompt, Sampling
from ccpo_env.env import TeamAnswerEnv
from ccpo_env.types import Message, Role, Task, Verdict
from ccpo_env.wrapper import TeamEnv


@dataclass(frozen=True, slots=True)
class RolloutRequest:
    """One episode to play: on which task, without whom, going on from which messages."""

    task: Task
    removed: frozenset[str] = frozenset()
    prefix: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Rollout:
    """One episode of the team on one task.

    Args:
        request: What was asked for.
        messages: What was said, the prefix included.
        completions: What each agent sampled, one per turn it had; agents that only spoke in the
            prefix are left out.
        verdict: What the verifier said.
    """

    request: RolloutRequest
    messages: tuple[Message, ...]
    completions: Mapping[str, tuple[Completion, ...]]
    verdict: Verdict

    @property
    def reward(self) -> float | None:
        """Team reward, -1 or +1; None if it was not measured."""
        return self.verdict.reward

    @property
    def num_tokens(self) -> int:
        """Tokens sampled in this rollout."""
        return sum(len(c.token_ids) for own in self.completions.values() for c in own)


@dataclass(slots=True)
class Ledger:
    """What rollouts have cost.

    Args:
        tokens_generated: Tokens sampled.
        tokens_removed: The part of them sampled with an agent removed.
        verifier_calls: Answers verified.
        generate_s: Seconds spent sampling.
        verify_s: Seconds spent in the environment and its verifier.
    """

    tokens_generated: int = 0
    tokens_removed: int = 0
    verifier_calls: int = 0
    generate_s: float = 0.0
    verify_s: float = 0.0


@dataclass(slots=True)
class _Row:
    """An episode that is being played."""

    request: RolloutRequest
    env: TeamAnswerEnv
    completions: dict[str, tuple[Completion, ...]] = field(default_factory=dict)

    @property
    def is_over(self) -> bool:
        return self.env.verdict is not None


class Player:
    """Plays episodes of one environment with one policy per role.

    Args:
        env: The environment; its own episode is not touched.
        policies: One policy per role; several roles may share one.
        sampling: How each role samples.
    """

    def __init__(
        self,
        env: TeamEnv[TeamAnswerEnv] | TeamAnswerEnv,
        policies: Mapping[Role, Policy],
        sampling: Mapping[Role, Sampling],
    ) -> None:
        self._env = env.unwrapped if isinstance(env, TeamEnv) else env
        self._policies = policies
        self._sampling = sampling
        self._role_of = {turn.speaker: turn.role for turn in self._env.topology.turns}

    @property
    def agents(self) -> tuple[str, ...]:
        """All agents, in speaking order."""
        return tuple(self._env.possible_agents)

    @property
    def role_of(self) -> Mapping[str, Role]:
        """The role of each agent."""
        return self._role_of

    def play(
        self,
        requests: Iterable[RolloutRequest],
        *,
        rng: np.random.Generator,
        ledger: Ledger | None = None,
    ) -> list[Rollout]:
        """Play one episode per request.

        Args:
            requests: Episodes with all agents and with agents removed, in any mixture.
            rng: All randomness comes from it.
            ledger: Cost is added to it.

        Returns:
            One rollout per request, in order.

        Note: The agent that speaks first among those whose turn it is goes on in all its
            episodes at once, so an episode without a thinker waits for the solver's turn of the
            others and shares its batch.
        """
        ledger = ledger if ledger is not None else Ledger()
        rows = [self._start(request) for request in requests]
        running = rows
        while running := [row for row in running if not row.is_over]:
            waiting = {row.env.agent_selection for row in running}
            speaker = min(waiting, key=self._env.possible_agents.index)
            turn = [row for row in running if row.env.agent_selection == speaker]
            self._play_turn(speaker, turn, rng, ledger)
        rollouts = [self._finish(row) for row in rows]
        ledger.tokens_generated += sum(r.num_tokens for r in rollouts)
        ledger.tokens_removed += sum(r.num_tokens for r in rollouts if r.request.removed)
        ledger.verifier_calls += len(rollouts)
        return rollouts

    def _start(self, request: RolloutRequest) -> _Row:
        # A shallow copy shares what no episode changes; reset makes the rest anew.
        env = copy.copy(self._env)
        options = {"task": request.task, "removed": request.removed, "prefix": request.prefix}
        env.reset(seed=0, options=options)
        return _Row(request, env)

    def _play_turn(
        self, speaker: str, rows: Sequence[_Row], rng: np.random.Generator, ledger: Ledger
    ) -> None:
        role = self._role_of[speaker]
        prompts = [
            Prompt(row.env.observe(speaker)["prompt"], tuple(row.env.infos[speaker]["messages"]))
            for row in rows
        ]
        started = time.perf_counter()
        completions = self._policies[role].sample(prompts, sampling=self._sampling[role], rng=rng)
        sampled = time.perf_counter()
        for row, completion in zip(rows, completions, strict=True):
            row.completions[speaker] = (*row.completions.get(speaker, ()), completion)
            row.env.step(completion.text)
        ledger.generate_s += sampled - started
        ledger.verify_s += time.perf_counter() - sampled

    def _finish(self, row: _Row) -> Rollout:
        verdict = row.env.verdict
        assert verdict is not None
        return Rollout(row.request, row.env.messages, row.completions, verdict)
