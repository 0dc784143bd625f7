"""Cost of rollouts, by purpose."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Literal, TypeAlias

Purpose: TypeAlias = Literal[
    "joint",
    "removed",
    "branch",
    "rating",
    "category",
    "own_answer",
    "influence",
    "critic",
    "probe",
]
"""Purposes: rollouts of the whole team, with agents removed, continuations, ratings, categories of
messages, answers in the messages before the last, scores of messages without an earlier one, what
a critic reads, and rollouts of the probe set."""


@dataclass(slots=True)
class CostTracker:
    """Counts the cost of rollouts.

    Args:
        generated: Tokens sampled, by purpose.
        read: Prompt tokens, by purpose.
        verified: Answers verified, by purpose.
        forward_passes: Calls of a network while sampling; per batch, the number of tokens of its
            longest completion; and for influence two per turn.
        generate_s: Seconds spent sampling.
        rate_s: Seconds spent rating.
        verify_s: Seconds spent on verdicts: the verifier, counting votes, and categories of
            messages.
        environment_s: Seconds spent in the rest of the environment.
        critic_s: Seconds spent on the hidden states of a critic.
    """

    generated: Counter[Purpose] = field(default_factory=Counter)
    read: Counter[Purpose] = field(default_factory=Counter)
    verified: Counter[Purpose] = field(default_factory=Counter)
    forward_passes: int = 0
    generate_s: float = 0.0
    rate_s: float = 0.0
    verify_s: float = 0.0
    environment_s: float = 0.0
    critic_s: float = 0.0

    def count(
        self,
        purpose: Purpose,
        *,
        tokens_generated: int = 0,
        tokens_read: int = 0,
        verifier_calls: int = 0,
    ) -> None:
        """Add a cost."""
        self.generated[purpose] += tokens_generated
        self.read[purpose] += tokens_read
        self.verified[purpose] += verifier_calls

    def add_probe(self, costs: CostTracker) -> None:
        """Add the cost of playing the probe set."""
        self.count(
            "probe",
            tokens_generated=costs.tokens_generated,
            tokens_read=costs.read.total(),
            verifier_calls=costs.verifier_calls,
        )
        for name in ("forward_passes", "generate_s", "verify_s", "environment_s"):
            setattr(self, name, getattr(self, name) + getattr(costs, name))

    @classmethod
    def total(cls, costs: Sequence[CostTracker]) -> CostTracker:
        """Return the total cost of processes that worked at the same time."""
        return cls(
            generated=sum((own.generated for own in costs), Counter()),
            read=sum((own.read for own in costs), Counter()),
            verified=sum((own.verified for own in costs), Counter()),
            forward_passes=sum(own.forward_passes for own in costs),
            generate_s=max(own.generate_s for own in costs),
            rate_s=max(own.rate_s for own in costs),
            verify_s=max(own.verify_s for own in costs),
            environment_s=max(own.environment_s for own in costs),
            critic_s=max(own.critic_s for own in costs),
        )

    @property
    def tokens_generated(self) -> int:
        """Tokens sampled for any purpose."""
        return self.generated.total()

    @property
    def verifier_calls(self) -> int:
        """Answers verified for any purpose."""
        return self.verified.total()
