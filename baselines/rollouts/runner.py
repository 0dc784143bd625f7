"""Play many episodes in parallel, with one batch per turn across all removals."""

from __future__ import annotations

import time
from collections.abc import Collection, Iterable, Mapping, Sequence
from itertools import compress
from typing import TypeAlias

import numpy as np

from baselines.policies.base import Completion, Policy, Prompt, Sampling
from baselines.rollouts.costs import CostTracker
from baselines.rollouts.episode import Episode
from baselines.rollouts.plan import turn_names, turns_without
from baselines.rollouts.rollout import Rollout, RolloutRequest
from ccpo_env.conversation import NO_OUTCOME, Conversation, Outcome
from ccpo_env.env import TeamAnswerEnv
from ccpo_env.prompts import chat_messages, plain_text
from ccpo_env.types import Role, Task, Topology, Verifier
from ccpo_env.wrapper import SnapshotWrapper

_Starts: TypeAlias = dict[tuple[int, frozenset[str], tuple[str, ...]], Conversation]
"""Initial conversations, by the identity of the task, the removed agents and the prefix."""


class RolloutRunner:
    """Plays episodes of one environment with one policy per role.

    Args:
        env: The environment; its own episode is not affected.
        policies: One policy per role; several roles may share one.
        sampling: Sampling parameters of each role.
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
        turns = self._env.topology.turns
        self._role_of = dict(
            zip(turn_names(self._env.topology), [turn.role for turn in turns], strict=True)
        )
        self._last_role = {turn.speaker: turn.role for turn in turns}

    @property
    def agents(self) -> tuple[str, ...]:
        """All agents, in speaking order."""
        return tuple(self._env.possible_agents)

    @property
    def role_of(self) -> Mapping[str, Role]:
        """The role of each turn by its name, in speaking order; see `plan.turn_names`."""
        return self._role_of

    def roles_of(self, agent: str) -> tuple[Role, ...]:
        """Return the roles in which an agent speaks, in the order of its turns."""
        own = [turn.role for turn in self.topology.turns if turn.speaker == agent]
        return tuple(dict.fromkeys(own))

    @property
    def topology(self) -> Topology:
        """Topology of the environment."""
        return self._env.topology

    @property
    def verifier(self) -> Verifier:
        """Verifier of the environment."""
        return self._env.verifier

    @property
    def policies(self) -> Mapping[Role, Policy]:
        """The policy of each role."""
        return self._policies

    def conversation(self, task: Task, prefix: Sequence[str]) -> Conversation:
        """Return the conversation of the whole team on a task after some messages."""
        return self._env.conversation(task, prefix=prefix)

    def policy_of(self, agent: str) -> Policy:
        """Return the policy of an agent in its last turn, which also acts for it afterwards."""
        return self._policies[self._last_role[agent]]

    def play(
        self,
        requests: Iterable[RolloutRequest],
        *,
        rng: np.random.Generator,
        costs: CostTracker | None = None,
    ) -> list[Rollout]:
        """Play the requested episodes.

        Args:
            requests: Episodes with all agents and with agents removed, in any mixture.
            rng: The only source of randomness.
            costs: Accumulates the cost.

        Returns:
            One rollout per episode, in order.

        Note: Of all agents whose turn it is, the first in speaking order acts in all its episodes
            with the same role at once. So an episode without a thinker waits until the others reach
            the solver's turn and shares their batch, and so does one that follows another episode.
        """
        costs = costs if costs is not None else CostTracker()
        starts: _Starts = {}
        episodes: list[Episode | None] = []
        following: list[tuple[int, RolloutRequest]] = []  # with their indices in episodes
        for request in requests:
            if request.leader is None:
                episodes += [
                    self._start(request, request.prefix, starts)
                    for _ in range(request.num_episodes)
                ]
            else:
                following += [(len(episodes) + k, request) for k in range(request.num_episodes)]
                episodes += [None] * request.num_episodes
        while True:
            following = self._start_followers(following, episodes, starts)
            turns: dict[tuple[int, Role], list[Episode]] = {}
            for episode in episodes:
                if episode is None:
                    continue
                episode.take_given()
                if episode.is_running:
                    place = self._env.possible_agents.index(episode.turn.speaker)
                    turns.setdefault((place, episode.turn.role), []).append(episode)
            if not turns:
                break
            place, role = min(turns, key=lambda own: (own[0], self.topology.roles.index(own[1])))
            self._play_turn(role, turns[place, role], rng, costs)
        return [episode.rollout() for episode in episodes if episode is not None]

    def _start(
        self,
        request: RolloutRequest,
        given: tuple[str | None, ...],
        starts: _Starts,
        failure: str | None = None,
    ) -> Episode:
        """Return an episode at its start; the conversation is shared by those with equal starts.

        Args:
            request: The request.
            given: The messages that are not sampled, by turn; None: it is.
            starts: The conversations so far.
            failure: Why a message of the leader is missing.
        """
        # A conversation starts before its last turn, which `take_given` takes where all are given.
        num_turns = len(turns_without(self.topology, request.removed))
        prefix = _up_to_none(given)
        prefix = prefix[:-1] if len(prefix) == num_turns else prefix
        key = (id(request.task), request.removed, prefix)
        conversation = starts.get(key)
        if conversation is None:
            conversation = starts[key] = self._env.conversation(
                request.task, removed=request.removed, prefix=prefix
            )
        is_all = len(prefix) == len(given)
        completions = (None,) * len(prefix)
        return Episode(request, conversation, completions, () if is_all else given, failure)

    def _start_followers(
        self,
        following: Sequence[tuple[int, RolloutRequest]],
        episodes: list[Episode | None],
        starts: _Starts,
    ) -> list[tuple[int, RolloutRequest]]:
        """Start the episodes whose leader has spoken in all turns kept; return the others."""
        waiting = []
        for place, request in following:
            assert request.leader is not None, "only followers are started later"
            leader = episodes[request.leader]
            assert leader is not None, "a leader must not follow another episode"
            messages = leader.conversation.messages
            is_short = len(messages) <= max(request.kept)
            if is_short and leader.failure is None:
                waiting.append((place, request))
                continue
            said = {turn: messages[turn].text for turn in request.kept if turn < len(messages)}
            turns = turns_without(self.topology, request.removed)[: max(request.kept) + 1]
            given = tuple([said.get(turn) for turn in turns])
            failure = leader.failure if is_short else None
            episodes[place] = self._start(request, given, starts, failure)
        return waiting

    def _play_turn(
        self,
        role: Role,
        episodes: Sequence[Episode],
        rng: np.random.Generator,
        costs: CostTracker,
    ) -> None:
        entered = time.perf_counter()
        conversations = [episode.conversation for episode in episodes]
        prompt_of = {
            conversation: next_prompt(conversation) for conversation in dict.fromkeys(conversations)
        }
        prompts = [prompt_of[conversation] for conversation in conversations]
        started = time.perf_counter()
        completions = self._policies[role].sample(prompts, sampling=self._sampling[role], rng=rng)
        sampled = time.perf_counter()
        # Each episode is verified, because a verifier need not be deterministic.
        outcomes = [
            conversation.verify(completion.text) if completion.failure is None else NO_OUTCOME
            for conversation, completion in zip(conversations, completions, strict=True)
        ]
        verified = time.perf_counter()
        _advance(episodes, completions, outcomes)
        _count(episodes, completions, costs)
        costs.generate_s += sampled - started
        costs.verify_s += verified - sampled
        costs.environment_s += time.perf_counter() - verified + started - entered


def _up_to_none(texts: Iterable[str | None]) -> tuple[str, ...]:
    """Return the texts before the first None."""
    first = []
    for text in texts:
        if text is None:
            break
        first.append(text)
    return tuple(first)


def next_prompt(conversation: Conversation, *, left_out: Collection[int] = ()) -> Prompt:
    """Return the prompt of the agent whose turn it is.

    Args:
        conversation: An episode that is not over.
        left_out: Positions of messages that it does not read.
    """
    parts = conversation.prompt_parts(len(conversation.messages), left_out=left_out)
    return Prompt(plain_text(*parts), tuple(chat_messages(*parts)))


def _advance(
    episodes: Sequence[Episode],
    completions: Sequence[Completion],
    outcomes: Sequence[Outcome],
) -> None:
    """Add a completion to each episode; a failure ends an episode."""
    continued: dict[tuple[Conversation, str], Conversation] = {}  # shared by equal messages
    for episode, completion, outcome in zip(episodes, completions, outcomes, strict=True):
        if completion.failure is not None:
            episode.failure = completion.failure
            continue
        episode.completions = (*episode.completions, completion)
        key = episode.conversation, completion.text
        following = continued.get(key)
        if following is None or (following.verdict, following.ballot) != outcome:
            following = episode.conversation.add_message(completion.text, outcome)
            continued[key] = following
        episode.conversation = following


def _count(
    episodes: Sequence[Episode], completions: Sequence[Completion], costs: CostTracker
) -> None:
    """Add the cost of a turn, by purpose."""
    purposes = [episode.request.purpose for episode in episodes]
    lengths = [len(completion.token_ids) for completion in completions]
    costs.forward_passes += max(lengths)
    for purpose in dict.fromkeys(purposes):
        is_own = [own == purpose for own in purposes]
        costs.count(
            purpose,
            tokens_generated=sum(compress(lengths, is_own)),
            tokens_read=sum([len(c.prompt_ids) for c in compress(completions, is_own)]),
            verifier_calls=sum(
                [episode.conversation.verdict is not None for episode in compress(episodes, is_own)]
            ),
        )
