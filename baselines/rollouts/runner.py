"""Play many episodes in parallel, with one batch per turn across all removals."""

from __future__ import annotations

import time
from collections.abc import Collection, Iterable, Mapping, Sequence
from itertools import compress
from typing import Any

import numpy as np

from baselines.policies.base import Completion, Policy, Prompt, Sampling
from baselines.rollouts.costs import CostTracker
from baselines.rollouts.episode import Episode
from baselines.rollouts.plan import turn_names, turns_without
from baselines.rollouts.rollout import Rollout, RolloutRequest
from ccpo_env import BatchedTeamEnv, BatchTurn
from ccpo_env.conversation import Conversation
from ccpo_env.env import TeamAnswerEnv
from ccpo_env.prompts import chat_messages, plain_text
from ccpo_env.types import Role, Task, Topology, Verifier
from ccpo_env.wrapper import SnapshotWrapper


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

    def prompt(
        self, task: Task, prefix: Sequence[str], *, left_out: Collection[int] = ()
    ) -> Prompt:
        """Return the prompt of the agent that speaks after some messages; see `next_prompt`."""
        return next_prompt(self.conversation(task, prefix), left_out=left_out)

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
        episodes: list[Episode] = []
        first: list[tuple[range, tuple[str | None, ...]]] = []
        waiting: list[range] = []
        for request in requests:
            own = range(len(episodes), len(episodes) + request.num_episodes)
            episodes += [Episode(request) for _ in own]
            if own and request.leader is None:
                first.append((own, request.prefix))
            elif own:
                waiting.append(own)
        if not episodes:
            return []
        team = BatchedTeamEnv(self._env, len(episodes))
        self._start(team, episodes, first)
        place_of = {agent: place for place, agent in enumerate(self._env.possible_agents)}
        while True:
            waiting = self._start_followers(team, episodes, waiting)
            _take_given(team, episodes)
            turn = team.turn
            if not turn:
                break
            batches: dict[tuple[int, Role], list[int]] = {}
            for index, of in enumerate(turn.turns):
                batches.setdefault((place_of[of.speaker], of.role), []).append(index)
            chosen = min(batches, key=lambda of: (of[0], self.topology.roles.index(of[1])))
            self._play_turn(team, episodes, turn.take(batches[chosen]), rng, costs)
        played = zip(episodes, team.conversations(), strict=True)
        return [episode.rollout(conversation) for episode, conversation in played]

    def _start(
        self,
        team: BatchedTeamEnv,
        episodes: Sequence[Episode],
        starts: Sequence[tuple[range, tuple[str | None, ...]]],
    ) -> None:
        """Start episodes.

        Args:
            team: The batch.
            episodes: All episodes.
            starts: The episodes of each request, and the messages that are not sampled in them, by
                turn; None: it is sampled.
        """
        options: list[dict[str, Any]] = []
        for own, given in starts:
            request = episodes[own[0]].request
            prefix = _up_to_none(given)
            # It starts before its last turn, which is taken later where all are given.
            if len(prefix) == len(turns_without(self.topology, request.removed)):
                prefix = prefix[:-1]
            start = {"task": request.task, "removed": request.removed, "prefix": prefix}
            options += [start] * len(own)
            for k in own:
                episodes[k].completions = (None,) * len(prefix)
                episodes[k].given = () if len(prefix) == len(given) else given
        team.reset(options=options, episodes=[k for own, _ in starts for k in own])

    def _start_followers(
        self, team: BatchedTeamEnv, episodes: Sequence[Episode], waiting: Sequence[range]
    ) -> list[range]:
        """Start the episodes whose leader has spoken in all turns kept; return the others."""
        still_waiting = []
        starts: list[tuple[range, tuple[str | None, ...]]] = []
        failures: dict[int, str] = {}
        for own in waiting:
            request = episodes[own[0]].request
            assert request.leader is not None, "only followers are started later"
            failure = episodes[request.leader].failure
            messages = team.messages(request.leader)
            if len(messages) <= max(request.kept):
                if failure is None:
                    still_waiting.append(own)
                    continue
                failures |= dict.fromkeys(own, failure)
            said = {turn: messages[turn].text for turn in request.kept if turn < len(messages)}
            turns = turns_without(self.topology, request.removed)[: max(request.kept) + 1]
            starts.append((own, tuple([said.get(turn) for turn in turns])))
        if starts:
            self._start(team, episodes, starts)
        for k, failure in failures.items():
            _fail(team, episodes, k, failure)
        return still_waiting

    def _play_turn(
        self,
        team: BatchedTeamEnv,
        episodes: Sequence[Episode],
        turn: BatchTurn,
        rng: np.random.Generator,
        costs: CostTracker,
    ) -> None:
        """Sample and add the next message of some episodes, all of one role.

        Args:
            team: The batch.
            episodes: All episodes.
            turn: The turns that are taken.
            rng: The only source of randomness.
            costs: Accumulates the cost.
        """
        entered = time.perf_counter()
        role = turn.turns[0].role
        prompt_of = {own: next_prompt(own) for own in dict.fromkeys(turn.conversations)}
        prompts = [prompt_of[conversation] for conversation in turn.conversations]
        started = time.perf_counter()
        completions = self._policies[role].sample(prompts, sampling=self._sampling[role], rng=rng)
        sampled = time.perf_counter()
        verified_before = team.verify_s
        spoken: dict[int, str] = {}
        for k, completion in zip(turn.episodes, completions, strict=True):
            if completion.failure is not None:
                _fail(team, episodes, k, completion.failure)
            else:
                episodes[k].completions = (*episodes[k].completions, completion)
                spoken[k] = completion.text
        team.step(list(spoken.values()), list(spoken))
        played = [episodes[k] for k in turn.episodes]
        _count(played, team.conversations(turn.episodes), completions, costs)
        verify_s = team.verify_s - verified_before
        costs.generate_s += sampled - started
        costs.verify_s += verify_s
        costs.environment_s += time.perf_counter() - entered - (sampled - started) - verify_s


def _take_given(team: BatchedTeamEnv, episodes: Sequence[Episode]) -> None:
    """Take the turns whose messages are given, up to the next ones that are sampled."""
    while texts := {
        k: text
        for k in team.turn.episodes
        if episodes[k].given and (text := episodes[k].next_given) is not None
    }:
        team.step(list(texts.values()), list(texts))
        for k in texts:
            episodes[k].completions = (*episodes[k].completions, None)


def _fail(team: BatchedTeamEnv, episodes: Sequence[Episode], k: int, reason: str) -> None:
    """End an episode, a turn of which is left without a completion."""
    episodes[k].failure = reason
    team.fail(k, reason)


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


def _count(
    episodes: Sequence[Episode],
    conversations: Sequence[Conversation],
    completions: Sequence[Completion],
    costs: CostTracker,
) -> None:
    """Add the cost of a turn, by purpose; an episode that failed was not verified."""
    purposes = [episode.request.purpose for episode in episodes]
    is_verified = [
        own.verdict is not None and episode.failure is None
        for episode, own in zip(episodes, conversations, strict=True)
    ]
    lengths = [len(completion.token_ids) for completion in completions]
    costs.forward_passes += max(lengths)
    for purpose in dict.fromkeys(purposes):
        is_own = [own == purpose for own in purposes]
        costs.count(
            purpose,
            tokens_generated=sum(compress(lengths, is_own)),
            tokens_read=sum([len(c.prompt_ids) for c in compress(completions, is_own)]),
            verifier_calls=sum(compress(is_verified, is_own)),
        )
