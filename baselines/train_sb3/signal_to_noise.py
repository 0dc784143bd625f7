"""How loudly a credit speaks: what a right message earns more than others, and the noise of it."""

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
    """Credit of a thinker that says anything, each message as often as any other.

    Args:
        gap: Mean credit of the message that names the second number, less that of the others.
        deviation: Standard deviation of the credit of an episode.
    """

    gap: float
    deviation: float

    @property
    def ratio(self) -> float:
        """Signal to noise; with twice of it, a quarter of the episodes tell as much."""
        return self.gap / self.deviation


def spread(
    game: SignalGame, plan: CreditPlan, rng: np.random.Generator, *, group_baseline: bool = False
) -> Spread:
    """Measure one credit at the start of learning.

    Args:
        game: The game.
        plan: The credit.
        rng: All randomness comes from it.
        group_baseline: Whether the mean over GROUP_SIZE messages to the same task is taken off.
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
    """Return a Markdown table of each credit, with and without a group baseline, in each mix."""
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
