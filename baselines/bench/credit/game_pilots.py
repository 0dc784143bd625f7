"""Pilots of exact games: everything that a pilot measures, with gradients in all logits."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from baselines.advise.pilot_data import PilotData
from baselines.bench.credit.games.registry import every_removal
from baselines.bench.credit.games.turn_game import (
    FREE,
    TabularGame,
    branch_rewards,
    is_last,
    play,
    removed_rewards,
)
from baselines.bench.map.mixture import Mixture
from baselines.common.types import FloatArray, IntArray
from baselines.credit import GroupOutcomes


def pilot_of(
    game: TabularGame, num_groups: int, group_size: int, num_samples: int, rng: np.random.Generator
) -> PilotData:
    """Play a pilot of a tabular game: gradients in all logits, without a sketch.

    Args:
        game: The game; every group is of this one task, and a message is one token.
        num_groups: Groups N.
        group_size: Rollouts per group G.
        num_samples: Replays and continuations of each kind M.
        rng: Random generator.
    """
    choices = play(game, num_groups, group_size, rng)  # (N, G, A)
    drawn = every_removal(game.agents, rng, are_recounts=game.reads == "none")
    removed, removed_tokens = {}, {}
    for without in drawn.removals:
        turns = frozenset(game.agents.index(agent) for agent in without)
        removed[without] = removed_rewards(game, choices, turns, num_samples, rng)
        num_free = (game.without(choices[0, 0], turns) == FREE).sum()
        removed_tokens[without] = np.full(num_groups, float(num_free))
    branches = {
        agent: branch_rewards(game, choices, turn, num_samples, rng)
        for turn, agent in enumerate(game.agents[:-1])
        if game.reads != "none"
    }
    num_agents = len(game.agents)
    own = None
    if game.reads == "none":
        others = [frozenset(range(num_agents)) - {turn} for turn in range(num_agents)]
        own = np.stack([game.reward(game.without(choices, each)) for each in others], axis=-1)
    return PilotData(
        outcomes=[
            GroupOutcomes(
                game.agents,
                rewards,
                removed_rewards={key: entry[place] for key, entry in removed.items()},
                branch_rewards={key: entry[place] for key, entry in branches.items()} or None,
                features=choices[place],
                orders=drawn.orders,
                own_rewards=None if own is None else own[place],
            )
            for place, rewards in enumerate(game.reward(choices))
        ],
        num_tokens=np.ones(choices.shape, dtype=np.int64),
        max_tokens=[1] * num_agents,
        sketches=scores(game, choices),
        weights_of=(0,) * num_agents,
        weights_names=("team",),
        removed_tokens=removed_tokens,
        branch_tokens={
            agent: np.full(num_groups, num_agents - 1.0 - turn)
            for turn, agent in enumerate(branches)
        },
        rating_tokens=np.zeros(num_groups),
        roles=tuple(agent.rpartition("_")[0] for agent in game.agents),
        reads=game.reads,
    )


def mixture_pilot(
    mixture: Mixture, num_groups: int, group_size: int, num_samples: int, rng: np.random.Generator
) -> PilotData:
    """Play a pilot of a mixture: each group is of a kind of task drawn by the weights.

    Args:
        mixture: The tasks; gradients are in the logits of its parameters.
        num_groups: Groups N.
        group_size: Rollouts per group G.
        num_samples: Replays and continuations of each kind M.
        rng: Random generator.
    """
    counts = rng.multinomial(num_groups, mixture.weights)
    parts = []
    for kind, (game, count) in enumerate(zip(mixture.games(), counts.tolist(), strict=True)):
        if count:
            own = pilot_of(game, count, group_size, num_samples, rng)
            assert own.sketches is not None
            by_row = own.sketches.reshape(*own.sketches.shape[:3], *game.policy.shape)
            shared = mixture.on_parameters(kind, by_row.astype(np.float64))
            parts.append(replace(own, sketches=shared.reshape(*shared.shape[:3], -1)))
    if len(parts) == 1:
        return parts[0]
    order = rng.permutation(num_groups)
    outcomes = [outcome for part in parts for outcome in part.outcomes]
    return replace(
        parts[0],
        outcomes=[outcomes[place] for place in order],
        num_tokens=np.concatenate([part.num_tokens for part in parts])[order],
        sketches=np.concatenate([part.sketches for part in parts])[order],
        removed_tokens={
            key: np.concatenate([part.removed_tokens[key] for part in parts])[order]
            for key in parts[0].removed_tokens
        },
        branch_tokens={
            key: np.concatenate([part.branch_tokens[key] for part in parts])[order]
            for key in parts[0].branch_tokens
        },
        rating_tokens=np.zeros(num_groups),
    )


def exact_gradient(mixture: Mixture) -> FloatArray:
    """Return the exact gradient of E[R] in the logits of the parameters, shape (P * C,)."""
    total = sum(
        weight * mixture.on_parameters(kind, game.gradient())
        for kind, (game, weight) in enumerate(zip(mixture.games(), mixture.weights, strict=True))
    )
    return np.asarray(total).reshape(-1)


def scores(game: TabularGame, choices: IntArray) -> FloatArray:
    """Return the gradient of the log-probability of each choice in all logits, (N, G, A, P)."""
    found = np.zeros((*choices.shape, *game.policy.shape))
    groups, rollouts = np.indices(choices.shape[:2])
    for turn in range(choices.shape[-1]):
        rows = game.rows(turn, choices[..., :turn], is_last(choices, turn))
        found[groups, rollouts, turn, rows] = -game.policy[rows]
        found[groups, rollouts, turn, rows, choices[..., turn]] += 1.0
    return found.reshape(*choices.shape, -1)
