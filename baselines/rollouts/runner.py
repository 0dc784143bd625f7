"""Play many episodes in lockstep: one batched sample per turn, whoever is removed."""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import compress
from typing import TypeAlias

import numpy as np

from baselines.policies.base import Completion, Policy, Prompt, Sampling
from baselines.rollouts.costs import CostTracker, Purpose
from ccpo_env.conversation import NO_OUTCOME, Conversation, Outcome
from ccpo_env.env import TeamAnswerEnv
from ccpo_env.prompts import chat_messages, plain_text
from ccpo_env.types import Message, Role, Task, Topology, Verdict, Verifier
from ccpo_env.voting import Ballot
from ccpo_env.wrapper import SnapshotWrapper


@dataclass(frozen=True, slots=True)
class RolloutRequest:
    """What to play: on which task, without whom, resuming from which messages, how often.

    Args:
        task: The task.
        removed: Agents that do not exist in it.
        prefix: Messages already spoken.
        leader: Place, among the episodes of the same call, of one whose first messages are taken
            over as soon as they are spoken; None: it begins on its own.
        num_shared: How many messages of the leader it takes over, at least 1 if it has one.
        num_episodes: How many episodes to play.

    Raises:
        ValueError: If num_episodes is negative.
    """

    task: Task
    removed: frozenset[str] = frozenset()
    prefix: tuple[str, ...] = ()
    leader: int | None = None
    num_shared: int = 0
    num_episodes: int = 1

    def __post_init__(self) -> None:
        """Check the number of episodes."""
        if self.num_episodes < 0:
            raise ValueError(f"num_episodes must be >= 0, got {self.num_episodes}; pass 0 for none")

    @property
    def purpose(self) -> Purpose:
        """What it is played for."""
        if self.removed:
            return "removed"
        return "joint" if self.leader is None else "branch"


@dataclass(slots=True, eq=False)
class Rollout:
    """One episode of the team on one task, which nobody changes.

    Args:
        request: What was asked for.
        messages: What was said, the prefix included.
        completions: What each agent sampled, one per turn it had; agents that only spoke in the
            prefix are left out.
        verdict: What the verifier said; "error" if a policy left a turn without a completion, and
            the episode ended there.
        ballot: What the voters answered, if the majority decides; else None.
    """

    request: RolloutRequest
    messages: tuple[Message, ...]
    completions: Mapping[str, tuple[Completion, ...]]
    verdict: Verdict
    ballot: Ballot | None = None

    @property
    def reward(self) -> float | None:
        """Team reward, -1 or +1; None if it was not measured."""
        return self.verdict.reward

    @property
    def num_tokens(self) -> int:
        """Tokens sampled in this rollout."""
        return sum(len(c.token_ids) for own in self.completions.values() for c in own)


@dataclass(slots=True)
class _Row:
    """An episode that is being played."""

    request: RolloutRequest
    conversation: Conversation
    completions: dict[str, tuple[Completion, ...]] = field(default_factory=dict)
    failure: str | None = None

    @property
    def is_running(self) -> bool:
        """Whether somebody is still to speak."""
        return self.failure is None and self.conversation.verdict is None


_Starts: TypeAlias = dict[tuple[int, frozenset[str], tuple[str, ...]], Conversation]
"""Where episodes begin, by the identity of their task, the removed agents and the prefix."""


class RolloutRunner:
    """Plays episodes of one environment with one policy per role.

    Args:
        env: The environment; its own episode is not touched.
        policies: One policy per role; several roles may share one.
        sampling: How each role samples.
    """

    def __init__(
        self,
        env: SnapshotWrapper[TeamAnswerEnv] | TeamAnswerEnv,
        policies: Mapping[Role, Policy],
        sampling: Mapping[Role, Sampling],
    ) -> None:
        self._env = env.unwrapped if isinstance(env, SnapshotWrapper) else env
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

    @property
    def topology(self) -> Topology:
        """Who speaks when and reads what."""
        return self._env.topology

    @property
    def verifier(self) -> Verifier:
        """What compares the answers."""
        return self._env.verifier

    def policy_of(self, agent: str) -> Policy:
        """Return the policy that speaks for an agent."""
        return self._policies[self._role_of[agent]]

    def play(
        self,
        requests: Iterable[RolloutRequest],
        *,
        rng: np.random.Generator,
        costs: CostTracker | None = None,
    ) -> list[Rollout]:
        """Play what is requested.

        Args:
            requests: Episodes with all agents and with agents removed, in any mixture.
            rng: All randomness comes from it.
            costs: Cost is added to it.

        Returns:
            One rollout per episode, in order.

        Note: The agent that speaks first among those whose turn it is goes on in all its
            episodes at once, so an episode without a thinker waits for the solver's turn of the
            others and shares its batch, and so does one that takes over the thought of another.
        """
        costs = costs if costs is not None else CostTracker()
        starts: _Starts = {}
        rows: list[_Row | None] = []
        following: list[tuple[int, RolloutRequest]] = []  # with their places among the rows
        for request in requests:
            if request.leader is None:
                begun = self._start(request, request.prefix, starts)
                rows += [_Row(request, begun) for _ in range(request.num_episodes)]
            else:
                following += [(len(rows) + k, request) for k in range(request.num_episodes)]
                rows += [None] * request.num_episodes
        while True:
            following = self._start_followers(following, rows, starts)
            turns: dict[str, list[_Row]] = {}
            for row in rows:
                if row is not None and row.is_running:
                    turns.setdefault(row.conversation.speaker, []).append(row)
            if not turns:
                break
            speaker = min(turns, key=self._env.possible_agents.index)
            self._play_turn(speaker, turns[speaker], rng, costs)
        return [_rollout(row) for row in rows if row is not None]

    def _start(
        self, request: RolloutRequest, prefix: tuple[str, ...], starts: _Starts
    ) -> Conversation:
        """Begin an episode; those that begin alike go on from one conversation."""
        begins = (id(request.task), request.removed, prefix)
        conversation = starts.get(begins)
        if conversation is None:
            conversation = starts[begins] = self._env.conversation(
                request.task, removed=request.removed, prefix=prefix
            )
        return conversation

    def _start_followers(
        self,
        following: Sequence[tuple[int, RolloutRequest]],
        rows: list[_Row | None],
        starts: _Starts,
    ) -> list[tuple[int, RolloutRequest]]:
        """Begin the episodes whose leader has said what they take over; return the others."""
        waiting = []
        for place, request in following:
            assert request.leader is not None, "only followers are left without a row"
            leader = rows[request.leader]
            assert leader is not None, "a leader must not follow another episode"
            said = leader.conversation.messages
            is_short = len(said) < request.num_shared
            if is_short and leader.failure is None:
                waiting.append((place, request))
                continue
            prefix = tuple([message.text for message in said[: request.num_shared]])
            failure = leader.failure if is_short else None
            rows[place] = _Row(request, self._start(request, prefix, starts), failure=failure)
        return waiting

    def _play_turn(
        self, speaker: str, rows: Sequence[_Row], rng: np.random.Generator, costs: CostTracker
    ) -> None:
        role = self._role_of[speaker]
        entered = time.perf_counter()
        begun = [row.conversation for row in rows]
        prompt_of = {conversation: _prompt(conversation) for conversation in dict.fromkeys(begun)}
        prompts = [prompt_of[conversation] for conversation in begun]
        started = time.perf_counter()
        completions = self._policies[role].sample(prompts, sampling=self._sampling[role], rng=rng)
        sampled = time.perf_counter()
        # Each row is judged, since a verifier need not say the same twice.
        outcomes = [
            conversation.verify(completion.text) if completion.failure is None else NO_OUTCOME
            for conversation, completion in zip(begun, completions, strict=True)
        ]
        judged = time.perf_counter()
        _go_on(speaker, rows, completions, outcomes)
        _count(rows, completions, costs)
        costs.generate_s += sampled - started
        costs.verify_s += judged - sampled
        costs.environment_s += time.perf_counter() - judged + started - entered


def _prompt(conversation: Conversation) -> Prompt:
    parts = conversation.prompt_parts(len(conversation.messages))
    return Prompt(plain_text(*parts), tuple(chat_messages(*parts)))


def _go_on(
    speaker: str,
    rows: Sequence[_Row],
    completions: Sequence[Completion],
    outcomes: Sequence[Outcome],
) -> None:
    """Let the speaker of all rows say what it has completed."""
    told: dict[tuple[Conversation, str], Conversation] = {}  # rows that say the same share it
    for row, completion, outcome in zip(rows, completions, outcomes, strict=True):
        if completion.failure is not None:
            row.failure = completion.failure
            continue
        said = row.completions.get(speaker)
        row.completions[speaker] = (completion,) if said is None else (*said, completion)
        says = row.conversation, completion.text
        following = told.get(says)
        if following is None or (following.verdict, following.ballot) != outcome:
            following = told[says] = row.conversation.add_message(completion.text, outcome)
        row.conversation = following


def _count(rows: Sequence[_Row], completions: Sequence[Completion], costs: CostTracker) -> None:
    """Add what was sampled, read and verified in a turn for each purpose."""
    purposes = [row.request.purpose for row in rows]
    lengths = [len(completion.token_ids) for completion in completions]
    costs.forward_passes += max(lengths)
    for purpose in dict.fromkeys(purposes):
        is_own = [own == purpose for own in purposes]
        costs.count(
            purpose,
            tokens_generated=sum(compress(lengths, is_own)),
            tokens_read=sum([len(c.prompt_ids) for c in compress(completions, is_own)]),
            verifier_calls=sum(
                [row.conversation.verdict is not None for row in compress(rows, is_own)]
            ),
        )


def _rollout(row: _Row) -> Rollout:
    conversation = row.conversation
    verdict = conversation.verdict
    if row.failure is not None:
        verdict = Verdict("error", detail=f"a turn was left without a completion: {row.failure}")
    assert verdict is not None
    return Rollout(
        row.request, conversation.messages, row.completions, verdict, conversation.ballot
    )
