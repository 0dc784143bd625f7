"""Stable-Baselines3 policies as tables of probabilities, and their exact values."""

from __future__ import annotations

from typing import Any

import numpy as np

from baselines.common.types import FloatArray
from baselines.train_sb3.exact_values import Role, Worth, worth
from baselines.train_sb3.game import SignalGame


def policy_table(policy: Any, game: SignalGame, role: Role) -> FloatArray:
    """Return the action probabilities of a Stable-Baselines3 policy in each row."""
    import torch

    seen = game.thinker_observations if role == "thinker" else game.solver_observations
    with torch.no_grad():
        distribution = policy.get_distribution(torch.as_tensor(seen)).distribution
    parts = distribution if isinstance(distribution, list) else [distribution]
    symbols: list[FloatArray] = [part.probs.numpy().astype(np.float64) for part in parts]
    if role == "solver":
        return symbols[0]
    table = np.ones((len(seen), game.num_messages))
    for place, probabilities in enumerate(symbols):
        table *= probabilities[:, game.symbols[:, place]]
    return table


def team_worth(game: SignalGame, role: Role, own: FloatArray, partner: FloatArray) -> Worth:
    """Return the exact values of a team of a learner's table and its partner's."""
    return worth(game, own, partner) if role == "thinker" else worth(game, partner, own)
