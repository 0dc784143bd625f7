"""An episode in progress: what was said, what is given, and whose turn it is."""

from __future__ import annotations

from dataclasses import dataclass

from baselines.policies.base import Completion
from baselines.rollouts.rollout import Rollout, RolloutRequest
from ccpo_env.conversation import Conversation
from ccpo_env.types import Turn, Verdict


@dataclass(slots=True)
class Episode:
    """An episode in progress.

    Args:
        request: The request.
        conversation: Its messages.
        completions: The completion of each message; None for those that were given.
        given: The message of each turn that is taken from another episode; None: it is sampled.
        failure: Why there is no completion, which ends the episode.
    """

    request: RolloutRequest
    conversation: Conversation
    completions: tuple[Completion | None, ...]
    given: tuple[str | None, ...] = ()
    failure: str | None = None

    @property
    def turn(self) -> Turn:
        """The turn that is played next, while the episode runs."""
        return self.conversation.opening.turns[len(self.conversation.messages)]

    @property
    def is_running(self) -> bool:
        """Whether there are turns left."""
        return self.failure is None and self.conversation.verdict is None

    def take_given(self) -> None:
        """Take the turns whose messages are given, up to the next one that is sampled."""
        while self.is_running and len(self.completions) < len(self.given):
            text = self.given[len(self.completions)]
            if text is None:
                break
            self.conversation = self.conversation.add_message(text)
            self.completions = (*self.completions, None)

    def rollout(self) -> Rollout:
        """Return the episode once it is over."""
        conversation = self.conversation
        verdict = conversation.verdict
        if self.failure is not None:
            verdict = Verdict(
                "error", detail=f"a turn was left without a completion: {self.failure}"
            )
        assert verdict is not None, "the episode is not over"
        return Rollout(
            self.request, conversation.messages, self.completions, verdict, conversation.ballot
        )
