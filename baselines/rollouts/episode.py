"""An episode in progress: its request, the completions so far, and the messages that are given."""

from __future__ import annotations

from dataclasses import dataclass

from baselines.policies.base import Completion
from baselines.rollouts.rollout import Rollout, RolloutRequest
from ccpo_env.conversation import Conversation


@dataclass(slots=True)
class Episode:
    """An episode in progress.

    Args:
        request: The request.
        completions: The completion of each message; None for those that were given.
        given: The message of each turn that is taken from another episode; None: it is sampled.
        failure: Why there is no completion, which ends the episode.
    """

    request: RolloutRequest
    completions: tuple[Completion | None, ...] = ()
    given: tuple[str | None, ...] = ()
    failure: str | None = None

    @property
    def next_given(self) -> str | None:
        """The message of the next turn, if it is given."""
        place = len(self.completions)
        return self.given[place] if place < len(self.given) else None

    def rollout(self, conversation: Conversation) -> Rollout:
        """Return the episode once it is over.

        Args:
            conversation: What was said and decided in it.
        """
        assert conversation.verdict is not None, "the episode is not over"
        return Rollout(
            self.request,
            conversation.messages,
            self.completions,
            conversation.verdict,
            conversation.ballot,
        )
