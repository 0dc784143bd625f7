"""Measurements for all allocators on groups with known true advantages, and their costs."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

import numpy as np

from baselines.bench.credit.games.cosac import EXACT, NUM_SUFFIXES, SAMPLED, cosac_advantages
from baselines.bench.credit.games.turn_game import (
    FREE,
    IDLE,
    TabularGame,
    branch_rewards,
    gradients,
    is_last,
    oracle_ratings,
    play,
    removed_rewards,
    twin,
)
from baselines.common.types import FloatArray, IntArray
from baselines.credit.outcomes import GroupBatch
from baselines.credit.reading import Reads
from baselines.credit.registry import RemovalPlan


@dataclass(frozen=True, slots=True)
class Cost:
    """Cost of one group.

    Args:
        tokens: Number of sampled tokens; in tabular games a message is one token.
        verifier_calls: Number of verified answers.
    """

    tokens: float = 0.0
    verifier_calls: float = 0.0

    def __add__(self, other: Cost) -> Cost:
        """Return the sum."""
        return Cost(self.tokens + other.tokens, self.verifier_calls + other.verifier_calls)


@dataclass(frozen=True, slots=True)
class Prices:
    """Cost per group of each measurement, in addition to the rollouts of the whole team.

    Args:
        team: Rollouts of the group.
        removed: Rollouts without each set of agents.
        branches: Continuations after each agent.
        ratings: One rating of each rollout by each agent.
        suffixes: Suffixes simulated by COSAC's estimator.
    """

    team: Cost
    removed: Mapping[frozenset[str], Cost]
    branches: Mapping[str, Cost]
    ratings: Cost = field(default_factory=Cost)
    suffixes: Cost = field(default_factory=Cost)


@dataclass(frozen=True, slots=True, eq=False)
class Measured:
    """N groups of one task or model, in pairs: group i + N/2 is the twin of group i.

    Args:
        batch: Input of the allocators.
        truth: True advantages, shape (2, N, G, A): two estimates with errors independent of each
            other and of the batch; identical if exact.
        prices: Costs of the measurements.
        cosac: Advantages of COSAC's estimator, shape (N, G, A), by name; empty if not measured.
        exact_gradient: Gradient of the expected reward in all logits, shape (P,), or None.
        gradients: Maps advantages (N, G, A) to gradient estimates per group, (N, P), or None.
        owners: Index of the agent of each logit, shape (P,), or None.
        tasks: Index of the task of each group, shape (N,).
        reads: Which earlier turns each turn reads.

    Note: The first rollouts of a pair have the same prompt and completion of agent i modulo A.
    """

    batch: GroupBatch
    truth: FloatArray
    prices: Prices
    tasks: IntArray
    cosac: Mapping[str, FloatArray] = field(default_factory=dict)
    exact_gradient: FloatArray | None = None
    gradients: Callable[[FloatArray], FloatArray] | None = None
    owners: IntArray | None = None
    reads: Reads = "chain"

    @property
    def kept(self) -> IntArray:
        """Index of the agent whose turn each pair keeps, shape (N / 2,)."""
        return np.arange(len(self.tasks) // 2) % len(self.batch.agents)


class DrawRemovals(Protocol):
    """Draws the sets of agents to remove."""

    def __call__(
        self, agents: tuple[str, ...], rng: np.random.Generator, *, are_recounts: bool
    ) -> RemovalPlan:
        """Return the sets, and the orders of joining whose stages they are if these are sampled."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """Numbers of samples and noise of the measurements.

    Args:
        num_pairs: Pairs of groups per task.
        group_size: Rollouts per group, G.
        num_samples: Samples M per removal and per continuation.
        num_set_samples: Samples per removal of several agents.
        removals: Returns the sets of agents to remove, as `Allocator.plan_removals` does.
        rating_noise: Standard deviation of the rating noise, in shares.
        invalid_rate: Fraction of unreadable ratings.
    """

    num_pairs: int
    removals: DrawRemovals
    group_size: int = 16
    num_samples: int = 4
    num_set_samples: int = 4
    rating_noise: float = 0.2
    invalid_rate: float = 0.05


def measure_game(game: TabularGame, plan: Plan, task: int, rng: np.random.Generator) -> Measured:
    """Play a tabular game and take all measurements that allocators need."""
    first = play(game, plan.num_pairs, plan.group_size, rng)
    choices = np.concatenate([first, twin(game, first, rng)])  # (N, G, A)
    rewards, advantages = game.reward(choices), game.advantages(choices)
    ratings, valid = oracle_ratings(
        advantages, rewards, noise=plan.rating_noise, invalid_rate=plan.invalid_rate, rng=rng
    )
    branches = {
        agent: branch_rewards(game, choices, turn, plan.num_samples, rng)
        for turn, agent in enumerate(game.agents[:-1])
    }
    drawn = plan.removals(game.agents, rng, are_recounts=game.reads == "none")
    batch = GroupBatch(
        agents=game.agents,
        team_rewards=rewards,
        removed_rewards=_without(game, choices, plan, drawn.removals, rng),
        branch_rewards=branches,
        ratings=ratings,
        rating_valid=valid,
        features=choices,
        orders=drawn.orders,
        own_rewards=_own_rewards(game, choices) if game.reads == "none" else None,
        influence=_influence(game, choices) if game.reads == "chain" else None,
    )
    return Measured(
        batch=batch,
        reads=game.reads,
        truth=np.stack([advantages, advantages]),
        prices=_prices(game, choices, batch),
        tasks=np.full(len(choices), task),
        cosac={
            EXACT: cosac_advantages(game, choices, rewards),
            SAMPLED: cosac_advantages(game, choices, rewards, num_suffixes=NUM_SUFFIXES, rng=rng),
        },
        exact_gradient=game.gradient().reshape(-1),
        gradients=lambda given: gradients(game, choices, given).reshape(len(choices), -1),
        owners=np.repeat(game.owners, game.policy.shape[1]),
    )


def _without(
    game: TabularGame,
    choices: IntArray,
    plan: Plan,
    removals: Sequence[frozenset[str]],
    rng: np.random.Generator,
) -> dict[frozenset[str], FloatArray]:
    entries = {}
    for removed in removals:
        count = plan.num_samples if len(removed) == 1 else plan.num_set_samples
        entries[removed] = removed_rewards(game, choices, _turns(game, removed), count, rng)
    return entries


def _own_rewards(game: TabularGame, choices: IntArray) -> FloatArray:
    """Return the reward of each voter's own answer, shape (N, G, A): everybody else is removed."""
    everybody = frozenset(range(choices.shape[-1]))
    alone = [game.reward(game.without(choices, everybody - {own})) for own in sorted(everybody)]
    return np.stack(alone, axis=-1)


def _influence(game: TabularGame, choices: IntArray) -> FloatArray:
    """Return log p(next choice | all before) - log p(it | all but the choice), (N, G, A), nats."""
    influence = np.zeros(choices.shape)
    for turn in range(choices.shape[-1] - 1):
        following, ends = choices[..., turn + 1], is_last(choices, turn + 1)
        without = choices[..., : turn + 1].copy()
        without[..., turn] = IDLE
        given = game.policy[game.rows(turn + 1, choices[..., : turn + 1], ends), following]
        alone = game.policy[game.rows(turn + 1, without, ends), following]
        influence[..., turn] = np.log(given / alone)
    return influence


def _prices(game: TabularGame, choices: IntArray, batch: GroupBatch) -> Prices:
    """Return the costs per group, from the number of sampled choices."""
    num_groups, group_size, num_agents = choices.shape
    removed = {}
    for key, entry in (batch.removed_rewards or {}).items():
        left = game.without(choices[0, 0], _turns(game, key))
        num_episodes = entry.size / num_groups
        num_free = int((left == FREE).sum())
        removed[key] = _episodes(num_episodes, num_free)
    branches = {
        agent: _episodes(entry.size / num_groups, num_agents - 1 - turn)
        for turn, (agent, entry) in enumerate((batch.branch_rewards or {}).items())
    }
    # Suffixes of each rollout, from the whole team to the last agent.
    num_simulated = NUM_SUFFIXES * group_size * num_agents * (num_agents + 1) / 2
    return Prices(
        team=Cost(group_size * num_agents, group_size),
        removed=removed,
        branches=branches,
        ratings=Cost(group_size * num_agents),
        suffixes=Cost(num_simulated),
    )


def _episodes(num_episodes: float, num_free: int) -> Cost:
    """Return the cost of episodes; choices that are already known cost nothing."""
    return Cost(num_episodes * num_free, num_episodes) if num_free else Cost()


def _turns(game: TabularGame, removed: frozenset[str]) -> frozenset[int]:
    return frozenset(game.agents.index(agent) for agent in removed)
