"""One episode of a team: the request to play it, and what was said and decided."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from baselines.policies.base import Completion
from baselines.rollouts.costs import Purpose
from ccpo_env.types import Message, Task, Verdict
from ccpo_env.voting import Ballot


@dataclass(frozen=True, slots=True)
class RolloutRequest:
    """A request to play episodes of a task.

    Args:
        task: The task.
        removed: Agents that do not exist in these episodes.
        prefix: Messages of the first turns.
        leader: Index, among the episodes of the same call, of one of the whole team, from which
            messages are taken; None: the episodes do not follow another one.
        kept: Positions of the turns whose messages are taken from the leader, in the order of the
            turns of the whole team; at least one if there is a leader.
        num_episodes: Number of episodes to play.

    Raises:
        ValueError: If num_episodes is negative.
    """

    task: Task
    removed: frozenset[str] = frozenset()
    prefix: tuple[str, ...] = ()
    leader: int | None = None
    kept: tuple[int, ...] = ()
    num_episodes: int = 1

    def __post_init__(self) -> None:
        """Check the number of episodes."""
        if self.num_episodes < 0:
            raise ValueError(f"num_episodes must be >= 0, got {self.num_episodes}; pass 0 for none")

    @property
    def purpose(self) -> Purpose:
        """Purpose of the episodes, for the accounting of costs."""
        if self.removed:
            return "removed"
        return "joint" if self.leader is None else "branch"


@dataclass(slots=True, eq=False)
class Rollout:
    """One finished episode of the team on one task; immutable.

    Args:
        request: The request.
        messages: All messages, those that were given included.
        completions: The sampled completion of each message; None for those that were given.
        verdict: The verdict of the verifier; "error" if a policy returned no completion, which
            ends the episode.
        ballot: The answers of the voters, if the majority decides; else None.

    Attributes:
        reward: Team reward, -1 or +1; None if it was not measured.
    """

    request: RolloutRequest
    messages: tuple[Message, ...]
    completions: tuple[Completion | None, ...]
    verdict: Verdict
    ballot: Ballot | None = None
    reward: float | None = field(init=False)

    def __post_init__(self) -> None:
        """Read the reward of the verdict, once."""
        self.reward = self.verdict.reward

    @property
    def sampled(self) -> tuple[Completion, ...]:
        """The completions that were sampled, in speaking order."""
        return tuple([completion for completion in self.completions if completion is not None])

    @property
    def new_messages(self) -> tuple[Message, ...]:
        """The messages that were sampled, in speaking order."""
        pairs = zip(self.messages, self.completions, strict=True)
        return tuple([message for message, completion in pairs if completion is not None])

    @property
    def num_tokens(self) -> int:
        """Tokens sampled in this rollout."""
        return sum(len(completion.token_ids) for completion in self.sampled)


@dataclass(frozen=True, slots=True)
class Replays:
    """Finished episodes of one request that were played to measure credit.

    Args:
        removed: Agents that did not take part; empty for continuations of the whole team.
        rollout: Index, in its group, of the rollout that they follow; None: the first turn.
        kept: Positions of the turns, of the whole team, whose messages are those of that rollout.
        messages: The other messages of each episode.
        verdicts: The verdict on each.
        rewards: The team reward of each, -1 or +1; None if it was not measured.
        num_tokens: Tokens sampled in each.
        completions: The sampled completions of each; empty if they are not trained on.
    """

    removed: frozenset[str]
    rollout: int | None
    kept: tuple[int, ...]
    messages: tuple[tuple[Message, ...], ...]
    verdicts: tuple[Verdict, ...]
    rewards: tuple[float | None, ...]
    num_tokens: tuple[int, ...] = ()
    completions: tuple[tuple[Completion, ...], ...] = ()

    @classmethod
    def of(
        cls, rollouts: Sequence[Rollout], rollout: int | None, *, keep_completions: bool = False
    ) -> Replays:
        """Return the replays of a request, at least one, which follow a rollout of their group."""
        request = rollouts[0].request
        return cls(
            request.removed,
            rollout,
            request.kept,
            tuple([own.new_messages for own in rollouts]),
            tuple([own.verdict for own in rollouts]),
            tuple([own.reward for own in rollouts]),
            tuple([own.num_tokens for own in rollouts]),
            tuple([own.sampled for own in rollouts]) if keep_completions else (),
        )
