"""The rating pass: every agent rates how much each agent contributed to the outcome.

A rater reads the problem, all messages and whether the verifier found the answer correct, and
gives one agent a number of tenths, 1 to 9: of the credit if it was correct, of the blame if not.
In a team of two, the question is about one of them, drawn at random, and the other one gets the
rest, which avoids position bias. In a larger team there is one question per agent.

With a local model, the nine numbers are scored by their log-probability in one forward pass, and
the rating is their expected value. Any other policy writes JSON, which is parsed strictly.

Source: arXiv:2603.21563, self-evaluation; differs from its reference code, which samples the
rating, takes the first pair of numbers it finds in the text (an echoed list of options included),
and replaces an invalid one by a half.
"""

from __future__ import annotations

import json
import re
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from baselines.common.types import BoolArray, FloatArray
from baselines.policies.base import Completion, OptionScorer, Policy, Prompt, Sampling
from baselines.rollouts.costs import CostTracker
from ccpo_env.content.quoting import quoted_lines
from ccpo_env.prompts import chat_messages, plain_text, problem_text
from ccpo_env.strict_json import unique_keys
from ccpo_env.types import Message, Task

if TYPE_CHECKING:
    from baselines.rollouts.groups import Group
    from baselines.rollouts.runner import RolloutRunner

JUDGE = "You judge the work of a team that answered a problem, your own work included."
RATER = "\n\nYou are {rater}."
OUTCOME = "\n\nThe answer of the team is {outcome}."
CREDIT = " How many tenths of the credit does {agent} deserve?"
BLAME = " How many tenths of the blame does {agent} bear?"
ONE_DIGIT = " Reply with one digit, 1 to 9."
AS_JSON = (
    ' Reply with one JSON object and nothing else. Its keys are "outcome", which is "correct" or '
    '"wrong", and "tenths", a whole number from 1 to 9.'
)
_JUDGE_LINE = re.compile(
    r"[\W_]*(?:you\s+are\s+\w+_\d+\W*|the\s+answer\s+of\s+the\s+team\s+is\s.*)", re.DOTALL
)
"""A line of a message that could pass for what the judge is told of the outcome."""
TENTHS = tuple("123456789")
MAX_RATING_TOKENS = 64
"""Length limit of a written rating; the JSON object takes about fifteen tokens."""


@dataclass(frozen=True, slots=True)
class RatedRollout:
    """The part of a rollout that a rater reads."""

    task: Task
    messages: tuple[Message, ...]
    is_correct: bool

    @property
    def outcome(self) -> str:
        """The outcome as named in prompts and ratings."""
        return "correct" if self.is_correct else "wrong"


@dataclass(frozen=True, slots=True, eq=False)
class Ratings:
    """The ratings of the agents for one rollout.

    Args:
        shares: Share of credit or blame, in [0, 1], shape (A raters, A agents); a half where
            the rating is not valid.
        valid: Whether all ratings of a rater could be parsed, shape (A raters,).
    """

    shares: FloatArray
    valid: BoolArray


def with_ratings(
    groups: Sequence[Group],
    runner: RolloutRunner,
    *,
    rng: np.random.Generator,
    costs: CostTracker,
) -> list[Group]:
    """Return the groups with the ratings of all agents, sampled in one batch per rater.

    Args:
        groups: Groups of rollouts of the whole team; one without rollouts stays as it is.
        runner: The team, whose policies rate.
        rng: As for `rate_rollouts`.
        costs: Accumulates the cost.
    """
    raters = [(agent, runner.policy_of(agent)) for agent in runner.agents]
    rollouts = [
        RatedRollout(group.task, rollout.messages, rollout.reward == 1.0)
        for group in groups
        for rollout in group.rollouts
    ]
    ratings = iter(rate_rollouts(rollouts, raters, rng=rng, costs=costs))
    rated = []
    for group in groups:
        own = [next(ratings) for _ in group.rollouts]
        shares = [rating.shares for rating in own]
        valid = [rating.valid for rating in own]
        rated.append(
            replace(group, ratings=np.stack(shares, -1), rating_valid=np.stack(valid, -1))
            if own
            else group
        )
    return rated


def rate_rollouts(
    rollouts: Sequence[RatedRollout],
    raters: Sequence[tuple[str, Policy]],
    *,
    rng: np.random.Generator,
    costs: CostTracker,
) -> list[Ratings]:
    """Let every agent rate all agents in every rollout.

    Args:
        rollouts: Finished rollouts of the whole team.
        raters: All agents and their policies, in speaking order, at least two.
        rng: Draws the rated agent of two, and samples written ratings.
        costs: Accumulates the cost.

    Returns:
        One Ratings per rollout, in order.
    """
    started = time.perf_counter()
    agents = [agent for agent, _ in raters]
    num_agents = len(agents)
    shares = np.empty((len(rollouts), num_agents, num_agents))
    valid = np.ones((len(rollouts), num_agents), dtype=np.bool_)
    for column, (rater, policy) in enumerate(raters):
        rated = _rated_agents(len(rollouts), num_agents, rng)  # (rollouts, questions)
        pairs = [(row, agent) for row in range(len(rollouts)) for agent in rated[row]]
        questions = [(rollouts[row], rater, agents[agent]) for row, agent in pairs]
        tenths = _sample_ratings(policy, questions, rng=rng, costs=costs)  # NaN is invalid
        for (row, agent), value in zip(pairs, tenths, strict=True):
            if np.isnan(value):
                valid[row, column] = False
                continue
            shares[row, column, agent] = value / 10.0
            if num_agents == 2:
                shares[row, column, 1 - agent] = 1.0 - value / 10.0
        shares[~valid[:, column], column] = 0.5
    costs.rate_s += time.perf_counter() - started
    return [Ratings(shares[row], valid[row]) for row in range(len(rollouts))]


def rating_prompt(rollout: RatedRollout, rater: str, agent: str, *, as_json: bool) -> Prompt:
    """Return the prompt for a rater to rate one agent."""
    question = (CREDIT if rollout.is_correct else BLAME).format(agent=agent)
    task = rollout.task
    messages = [replace(m, text=quoted_lines(m.text, _JUDGE_LINE)) for m in rollout.messages]
    text = (
        problem_text(task.question, messages, context=task.context, choices=task.choices)
        + RATER.format(rater=rater)
        + OUTCOME.format(outcome=rollout.outcome)
        + question
        + (AS_JSON if as_json else ONE_DIGIT)
    )
    return Prompt(plain_text(JUDGE, text), tuple(chat_messages(JUDGE, text)))


def parse_rating(text: str, *, outcome: str) -> int | None:
    """Return the tenths of a written rating, or None unless it has exactly the required format.

    Args:
        text: The completion of the rater.
        outcome: "correct" or "wrong", which the rating must repeat, to detect a rater that
            misread the outcome.

    Note: The whole text must be one JSON object with the two keys, so a repeated prompt, a list
        of options or a number in a sentence is not a rating.
    """
    try:
        rating = json.loads(text.strip(), object_pairs_hook=unique_keys)
    except (ValueError, RecursionError):
        return None
    if not isinstance(rating, dict) or set(rating) != {"outcome", "tenths"}:
        return None
    tenths = rating["tenths"]
    is_whole = isinstance(tenths, int) and not isinstance(tenths, bool)
    is_valid = rating["outcome"] == outcome and is_whole and 1 <= tenths <= 9
    return tenths if is_valid else None


def _rated_agents(
    num_rollouts: int, num_agents: int, rng: np.random.Generator
) -> np.ndarray[tuple[int, int], np.dtype[np.int64]]:
    """Return the indices of the agents that a rater rates, shape (rollouts, questions)."""
    if num_agents == 2:
        return rng.integers(2, size=(num_rollouts, 1))
    return np.tile(np.arange(num_agents), (num_rollouts, 1))


def _sample_ratings(
    policy: Policy,
    questions: Sequence[tuple[RatedRollout, str, str]],
    *,
    rng: np.random.Generator,
    costs: CostTracker,
) -> FloatArray:
    """Return the rating in tenths for each question, NaN if it is invalid."""
    if isinstance(policy, OptionScorer):
        prompts = [rating_prompt(*question, as_json=False) for question in questions]
        logprobs, tokens_read = policy.option_logprobs(prompts, TENTHS)
        costs.count("rating", tokens_read=tokens_read)
        costs.forward_passes += 1
        weights = np.exp(logprobs - logprobs.max(axis=1, keepdims=True))  # (questions, 9)
        return np.asarray(weights @ np.arange(1.0, 10.0) / weights.sum(axis=1))
    prompts = [rating_prompt(*question, as_json=True) for question in questions]
    sampling = Sampling(max_tokens=MAX_RATING_TOKENS)
    written: list[Completion] = policy.sample(prompts, sampling=sampling, rng=rng)
    costs.count(
        "rating",
        tokens_generated=sum(len(c.token_ids) for c in written),
        tokens_read=sum(len(c.prompt_ids) for c in written),
    )
    costs.forward_passes += max((len(c.token_ids) for c in written), default=0)
    tenths = [
        parse_rating(completion.text, outcome=rollout.outcome)
        for completion, (rollout, _, _) in zip(written, questions, strict=True)
    ]
    return np.array([np.nan if value is None else value for value in tenths], dtype=np.float64)
