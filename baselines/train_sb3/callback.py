"""A Stable-Baselines3 callback that logs credit and contributions."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np
from stable_baselines3.common.callbacks import BaseCallback

from baselines.common.jsonl import append_row
from baselines.common.types import FloatArray
from baselines.train_sb3.exact_values import Role, Worth
from baselines.train_sb3.policy_tables import policy_table, team_worth
from baselines.train_sb3.vec_env import SignalVecEnv

QUANTITIES = ("team", "alone", "credit")


class CreditCallback(BaseCallback):
    """Records rewards, credit and the exact contribution once per update.

    They are written to the logger of Stable-Baselines3, and to a file with one JSON object per
    update. Replays of a solver use its table as of the last update.

    Args:
        env: Training environment.
        partner: Table of the other agent.
        path: The file; None: no file.
    """

    def __init__(self, env: SignalVecEnv, partner: FloatArray, path: Path | None) -> None:
        super().__init__()
        self.shares: list[float] = []
        """Contribution over its ceiling before each update."""
        self._env, self._partner, self._path = env, partner, path
        self._sampled: dict[str, list[float]] = {name: [] for name in QUANTITIES}

    def _on_rollout_start(self) -> None:
        if self._env.role == "solver":
            self._env.own_table = policy_table(self.model.policy, self._env.game, "solver")

    def _on_step(self) -> bool:
        for name, values in self._sampled.items():
            values.extend(info[name] for info in self.locals["infos"])
        return True

    def _on_rollout_end(self) -> None:
        own = policy_table(self.model.policy, self._env.game, self._env.role)
        team = team_worth(self._env.game, self._env.role, own, self._partner)
        sampled = {name: np.array(values) for name, values in self._sampled.items()}
        row = metrics_row(self.num_timesteps, sampled, team, self._env.role)
        self.shares.append(row["contribution/share"])
        for name, value in row.items():
            self.logger.record(name, value)
        if self._path is not None:
            append_row(self._path, row)
        for values in self._sampled.values():
            values.clear()


def metrics_row(
    step: int, sampled: Mapping[str, FloatArray], team: Worth, role: Role
) -> dict[str, float]:
    """Return the metrics of an update.

    Args:
        step: Number of episodes so far.
        sampled: ``team``, ``alone`` and ``credit`` of the episodes.
        team: Exact values of the policies that played them.
        role: Role whose contribution is logged.
    """
    return {
        "step": step,
        "reward/team": float(sampled["team"].mean()),
        "reward/alone": float(sampled["alone"].mean()),
        "contribution/sampled": float((sampled["team"] - sampled["alone"]).mean()),
        "contribution/exact": team.contribution(role),
        "contribution/share": team.share(role),
        "credit/mean": float(sampled["credit"].mean()),
        "credit/std": float(sampled["credit"].std()),
    }
