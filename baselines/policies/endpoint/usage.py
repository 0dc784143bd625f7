"""What the requests to an endpoint have cost, in tokens and in dollars."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Protocol, runtime_checkable

from baselines.policies.endpoint.wire import Answer, Usage

PRICED_TOKENS = 1_000_000
"""Prices are for so many tokens."""


@dataclass(slots=True)
class EndpointUsage:
    """Requests, answers and tokens of one endpoint.

    Args:
        prompt_price: Price of a million prompt tokens, in dollars.
        completion_price: Price of a million completion tokens, in dollars.
        num_requests: Requests sent, retries included.
        num_retries: The part of them that were sent again.
        num_answered: Completions that the server gave.
        num_reused: Completions taken from the journal.
        num_failed: Completions that the server did not give.
        prompt_tokens: Tokens read by the server.
        completion_tokens: Tokens written by the server.
        earlier_prompt_tokens: The same of the runs before this one, from the journal.
        earlier_completion_tokens: The same of the runs before this one, from the journal.

    Note: Tokens are those of the answers that came through. What a server has written and a
        broken connection has lost is not known here, but may be on the bill.
    """

    prompt_price: float = 0.0
    completion_price: float = 0.0
    num_requests: int = 0
    num_retries: int = 0
    num_answered: int = 0
    num_reused: int = 0
    num_failed: int = 0
    prompt_tokens: int = 0
    completion_tokens: int = 0
    earlier_prompt_tokens: int = 0
    earlier_completion_tokens: int = 0

    @property
    def cost(self) -> float:
        """Price of this run, in dollars."""
        return self._price(self.prompt_tokens, self.completion_tokens)

    @property
    def total_cost(self) -> float:
        """Price of all runs that share the journal, this one included, in dollars."""
        earlier = self._price(self.earlier_prompt_tokens, self.earlier_completion_tokens)
        return earlier + self.cost

    def add_request(self, *, is_retry: bool) -> None:
        """Count a request that is sent."""
        self.num_requests += 1
        self.num_retries += is_retry

    def add_answer(self, answer: Answer) -> None:
        """Count an answer."""
        self.num_answered += len(answer.completions)
        self.prompt_tokens += answer.usage.prompt_tokens
        self.completion_tokens += answer.usage.completion_tokens

    def add_earlier(self, usage: Usage) -> None:
        """Count what runs before this one have cost."""
        self.earlier_prompt_tokens += usage.prompt_tokens
        self.earlier_completion_tokens += usage.completion_tokens

    def to_json(self) -> dict[str, float]:
        """Return all counts and costs as JSON values."""
        return {**asdict(self), "cost": self.cost, "total_cost": self.total_cost}

    def summary(self) -> str:
        """Return the counts in one sentence."""
        parts = [
            f"{self.num_requests} requests ({self.num_retries} of them retries)",
            f"{self.num_answered} answers, {self.num_reused} from the journal, "
            f"{self.num_failed} failed",
            f"{self.prompt_tokens} prompt and {self.completion_tokens} completion tokens",
        ]
        if self.prompt_price or self.completion_price:
            parts.append(f"${self.cost:.4f}, with earlier runs ${self.total_cost:.4f}")
        return "; ".join(parts)

    def _price(self, prompt_tokens: int, completion_tokens: int) -> float:
        cost = prompt_tokens * self.prompt_price + completion_tokens * self.completion_price
        return cost / PRICED_TOKENS


@runtime_checkable
class Billed(Protocol):
    """A policy that keeps a usage, because somebody else computes its completions."""

    @property
    def usage(self) -> EndpointUsage:
        """What its completions have cost so far."""
        ...
