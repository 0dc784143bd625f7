"""The free-riding experiment: when does a thinker with shared reward fail to learn to help?"""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from baselines.train_sb3.measured_credit import CreditPlan
from baselines.train_sb3.ppo import PpoConfig, train
from baselines.train_sb3.signal_runs import SignalRunKey, SignalRunResult

LEARNING_RATES = (1e-3, 3e-3, 1e-2, 3e-2)
"""Candidates; the best one is selected for each method and setting."""
SHARED = "shared reward"
COMMON_RANDOM = "difference reward, common random numbers"
METHODS: Mapping[str, CreditPlan] = {
    SHARED: CreditPlan(),
    COMMON_RANDOM: CreditPlan(allocator="leave_one_out"),
    "difference reward, independent sample": CreditPlan(allocator="leave_one_out", replay="fresh"),
    "difference reward, 8 independent samples": CreditPlan(
        allocator="leave_one_out", replay="fresh", num_samples=8
    ),
    "R + 0.2 bonus, common random numbers": CreditPlan(allocator="counterfactual"),
}
"""Credit of the thinker: its difference reward, with three estimators, and the allocator
`counterfactual` as published, which adds a small bonus to the team reward."""
PAIR = (SHARED, COMMON_RANDOM)


@dataclass(frozen=True, slots=True)
class Setting:
    """A setting of the experiment.

    Args:
        meaning: Short description.
        overrides: Fields of PpoConfig that differ from the default.
        methods: Names of the compared methods.
    """

    meaning: str
    overrides: Mapping[str, Any] = field(default_factory=dict)
    methods: tuple[str, ...] = PAIR


GROUPS = {"group_size": 8, "group_baseline": True}
SETTINGS: Mapping[str, Setting] = {
    "default": Setting("default mix", methods=tuple(METHODS)),
    "rare": Setting("rare mix", {"mix": "rare"}, tuple(METHODS)),
    "group": Setting("default mix, group baseline", GROUPS),
    "group_rare": Setting("rare mix, group baseline", {"mix": "rare", **GROUPS}),
    "partner": Setting("default mix, learned partner", {"partner": "learned"}),
    "effort": Setting("default mix, effort 0.03 a symbol", {"effort": 0.03}),
    "high_effort": Setting("default mix, effort 0.08 a symbol", {"effort": 0.08}),
}


def cells(settings: tuple[str, ...]) -> list[tuple[str, str]]:
    """Return the pairs of setting and method that are compared in these settings."""
    return [(name, method) for name in settings for method in SETTINGS[name].methods]


def run_once(key: SignalRunKey, *, steps: int) -> SignalRunResult:
    """Train one thinker and return its contribution.

    Args:
        key: Key of the run.
        steps: Number of episodes.
    """
    base = PpoConfig(steps=steps, learning_rate=key.learning_rate, seed=key.seed)
    config = replace(base, plan=METHODS[key.method], **SETTINGS[key.setting].overrides)
    started = time.process_time()
    trained = train(config)
    return SignalRunResult(
        key,
        contribution=trained.worth.contribution("thinker"),
        ceiling=trained.worth.ceiling("thinker"),
        team=trained.worth.team,
        mean_share=trained.mean_share,
        num_answers_drawn=trained.num_answers_drawn,
        cpu_s=time.process_time() - started,
    )
