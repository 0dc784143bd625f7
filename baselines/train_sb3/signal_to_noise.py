"""Signal-to-noise ratio of a credit: the gap between correct and other messages, and its noise."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from baselines.train_sb3.game import MIXES, SignalGame
from baselines.train_sb3.measured_credit import CreditPlan, CreditSource
from baselines.train_sb3.tabular import DirectConfig, play

NUM_EPISODES = 400_000
GROUP_SIZE = 8
BASELINES = (False, True)


@dataclass(frozen=True, slots=True)
class Spread:
    """Credit of a thinker with a uniform policy over messages.

    Args:
        gap: Mean credit of the message that names the second number minus that of the others.
        deviation: Standard deviation of the credit of an episode.
    """

    gap: float
    deviation: float

    @property
    def ratio(self) -> float:
        """Signal-to-noise ratio; twice the ratio needs a quarter of the episodes."""
        return self.gap / self.deviation


def spread(
    game: SignalGame, plan: CreditPlan, rng: np.random.Generator, *, group_baseline: bool = False
) -> Spread:
    """Return the signal and noise of one credit at the start of training.

    Args:
        game: Game to play.
        plan: Credit to measure.
        rng: Source of all randomness.
        group_baseline: Whether to subtract the mean over GROUP_SIZE messages to the same task.
    """
    config = DirectConfig(tasks_per_step=NUM_EPISODES // GROUP_SIZE, group_size=GROUP_SIZE)
    solver = game.expert_solver()
    thinker = np.full((game.num_rows[0], game.num_messages), 1.0 / game.num_messages)
    rollouts = play(game, thinker, solver, config, rng)
    credit = CreditSource(game, plan, rng).credit(rollouts, solver)[..., 0]  # (N, G)
    if group_baseline:
        credit = credit - credit.mean(axis=1, keepdims=True)
    right = game.expert_thinker().argmax(axis=1)[game.thinker_rows(rollouts.tasks)]
    is_right = rollouts.messages == right[:, None]
    gap = credit[is_right].mean() - credit[~is_right].mean()
    return Spread(float(gap), float(credit.std()))


def spread_table(methods: Mapping[str, CreditPlan]) -> str:
    """Return a Markdown table of all credits, with and without a group baseline, per mix."""
    lines = [
        "| mix | credit | group baseline | gap | deviation | gap / deviation |",
        "|---|---|---|---|---|---|",
    ]
    for mix, rates in MIXES.items():
        game = SignalGame(rates)
        for has_baseline in BASELINES:
            for name, plan in methods.items():
                found = spread(game, plan, np.random.default_rng(0), group_baseline=has_baseline)
                lines.append(
                    f"| {mix} | {name} | {'yes' if has_baseline else 'no'} | {found.gap:.3f} | "
                    f"{found.deviation:.3f} | {found.ratio:.3f} |"
                )
    return "\n".join(lines) + "\n"
