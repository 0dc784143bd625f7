"""Play many episodes in parallel, with one batch per turn across all removals."""

from __future__ import annotations

import time
from collections.abc import Collection, Iterable, Mapping, Sequence
from itertools import compress

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
        episodes = [Episode(request) for request in requests for _ in range(request.num_episodes)]
        if not episodes:
            return []
        team = BatchedTeamEnv(self._env, len(episodes))
        waiting = [k for k, own in enumerate(episodes) if own.request.leader is not None]
        first = [k for k, own in enumerate(episodes) if own.request.leader is None]
        self._start(team, episodes, {k: episodes[k].request.prefix for k in first})
        while True:
            waiting = self._start_followers(team, episodes, waiting)
            _take_given(team, episodes)
            turn = team.turn
            if not turn:
                break
            place_of = {agent: place for place, agent in enumerate(self._env.possible_agents)}
            batches: dict[tuple[int, Role], list[int]] = {}
            for index, own in enumerate(turn.turns):
                batches.setdefault((place_of[own.speaker], own.role), []).append(index)
            chosen = min(batches, key=lambda own: (own[0], self.topology.roles.index(own[1])))
            self._play_turn(team, episodes, turn.take(batches[chosen]), rng, costs)
        return [own.rollout(team.conversation(k)) for k, own in enumerate(episodes)]

    def _start(
        self,
        team: BatchedTeamEnv,
        episodes: Sequence[Episode],
        given: Mapping[int, tuple[str | None, ...]],
    ) -> None:
        """Start episodes.

        Args:
            team: The batch.
            episodes: All episodes.
            given: The messages that are not sampled, by episode and turn; None: it is.
        """
        options = []
        for k, texts in given.items():
            episode = episodes[k]
            prefix = _up_to_none(texts)
            # An episode starts before its last turn, which is taken later where all are given.
            is_whole = len(prefix) == len(turns_without(self.topology, episode.request.removed))
            prefix = prefix[:-1] if is_whole else prefix
            episode.completions = (None,) * len(prefix)
            episode.given = () if len(prefix) == len(texts) else texts
            request = episode.request
            options.append({"task": request.task, "removed": request.removed, "prefix": prefix})
        team.reset(options=options, episodes=list(given))

    def _start_followers(
        self, team: BatchedTeamEnv, episodes: Sequence[Episode], waiting: Sequence[int]
    ) -> list[int]:
        """Start the episodes whose leader has spoken in all turns kept; return the others."""
        still_waiting = []
        given: dict[int, tuple[str | None, ...]] = {}
        failures: dict[int, str] = {}
        for k in waiting:
            request = episodes[k].request
            assert request.leader is not None, "only followers are started later"
            failure = episodes[request.leader].failure
            messages = team.messages(request.leader)
            is_short = len(messages) <= max(request.kept)
            if is_short and failure is None:
                still_waiting.append(k)
                continue
            said = {turn: messages[turn].text for turn in request.kept if turn < len(messages)}
            turns = turns_without(self.topology, request.removed)[: max(request.kept) + 1]
            given[k] = tuple([said.get(turn) for turn in turns])
            if is_short and failure is not None:
                failures[k] = failure
        if given:
            self._start(team, episodes, given)
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
        _count([(episodes[k], team.conversation(k)) for k in turn.episodes], completions, costs)
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
    episodes: Sequence[tuple[Episode, Conversation]],
    completions: Sequence[Completion],
    costs: CostTracker,
) -> None:
    """Add the cost of a turn, by purpose; an episode that failed was not verified."""
    purposes = [episode.request.purpose for episode, _ in episodes]
    is_verified = [own.verdict is not None and episode.failure is None for episode, own in episodes]
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
