"""``python -m baselines.train_sb3``: PPO on the signal game with any credit; free riding shown."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Literal

import tyro
from rich.console import Console

from baselines.common.checks import require_at_least, require_known
from baselines.common.errors import exit_on_bad_input
from baselines.common.files import CONFIG_FILE, make_folder, write_json, write_text
from baselines.common.metrics import METRICS_FILE
from baselines.common.stats import MIN_RUNS
from baselines.credit import read_allocator_args
from baselines.train_sb3.comparison import Comparison
from baselines.train_sb3.demonstration import (
    LEARNING_RATES,
    METHODS,
    SETTINGS,
    SHARED,
    cells,
    run_once,
)
from baselines.train_sb3.exact import Role
from baselines.train_sb3.game import MIXES
from baselines.train_sb3.measured_credit import CreditPlan, Replay, expect_groups
from baselines.train_sb3.ppo import PpoConfig, Trained, expect_sb3, train
from baselines.train_sb3.signal_to_noise import spread_table

POLICY_FILE = "policy.json"
"""The final table of the agent that learned, and what it is worth."""


@dataclass(frozen=True, kw_only=True)
class Sb3Config:
    """Train one role of the signal game with Stable-Baselines3's PPO, or show free riding."""

    credit: str = "shared"
    """Credit of the learner: a name from ALLOCATORS but self_evaluation."""
    credit_args: dict[str, str] = field(default_factory=dict)
    """Hyperparameters of the credit by name, such as: weight 0.5 mode margin."""
    replay: Replay = "same_coin"
    """With which luck the team is played again without the thinker: the rollout's, fresh for each
    rollout, or fresh once for each task."""
    num_samples: int = 1
    """Replays, or continuations after each message; the same coin has one."""
    role: Role = "thinker"
    """Which agent learns; the other is an expert."""
    partner: Literal["expert", "learned"] = "expert"
    """A thinker's solver: one that reads whole messages only, or one that PPO trained."""
    mix: str = "default"
    """How often the thinker matters: default or rare."""
    steps: int = 40_000
    """Episodes of training, rounded up to whole updates."""
    learning_rate: float = 1e-2
    """Of Adam."""
    seed: int = 0
    """All randomness comes from it."""
    num_envs: int = 200
    """Episodes at a time."""
    group_size: int = 1
    """Episodes that share a task; num_envs is a multiple of it."""
    group_baseline: bool = False
    """Take a group's mean off its credit."""
    effort: float = 0.0
    """Price of each symbol but silence, to a thinker."""
    tensorboard: bool = False
    """Log to OUT_DIR/tensorboard, too."""
    demonstration: bool = False
    """Make the comparison of docs/free_riding.md instead; --steps, --out-dir and what follows here
    are all that counts then."""
    num_seeds: int = 10
    """Reported runs of each method; at least two."""
    settings: tuple[str, ...] = tuple(SETTINGS)
    """Parts of the demonstration."""
    workers: int = os.cpu_count() or 1
    """Runs at a time, one thread each."""
    out_dir: Path = Path("runs/train_sb3")
    """Folder of the results. An interrupted demonstration goes on when it is called again."""

    def check(self) -> None:
        """Raise ValueError if a name is unknown or a number out of range."""
        require_known("mix", self.mix, MIXES)
        require_at_least("num_seeds", self.num_seeds, MIN_RUNS)
        for name in ("steps", "num_envs", "num_samples", "workers", "group_size"):
            require_at_least(name, getattr(self, name), 1)
        for name in self.settings:
            require_known("a setting", name, SETTINGS)
        if not 0.0 < self.learning_rate < float("inf"):
            raise ValueError(
                f"learning_rate must be above 0, got {self.learning_rate}; pass e.g. 0.01"
            )
        if not 0.0 <= self.effort < float("inf"):
            raise ValueError(f"effort must be >= 0, got {self.effort}; leave it out for none")
        expect_groups(self.plan, self.num_envs, self.group_size, group_baseline=self.group_baseline)

    @property
    def plan(self) -> CreditPlan:
        """The credit of a single run."""
        plan = CreditPlan(allocator=self.credit, replay=self.replay, num_samples=self.num_samples)
        return replace(plan, hyperparameters=read_allocator_args(self.credit, self.credit_args))

    @property
    def run(self) -> PpoConfig:
        """A single run."""
        return PpoConfig(
            role=self.role,
            mix=self.mix,
            plan=self.plan,
            steps=self.steps,
            learning_rate=self.learning_rate,
            seed=self.seed,
            partner=self.partner,
            group_size=self.group_size,
            group_baseline=self.group_baseline,
            effort=self.effort,
            num_envs=self.num_envs,
        )

    @property
    def comparison(self) -> Comparison:
        """All that the demonstration compares."""
        return Comparison(
            run_once=partial(run_once, steps=self.steps),
            cells=cells(self.settings),
            meanings={name: setting.meaning for name, setting in SETTINGS.items()},
            reference=lambda _method: SHARED,
            learning_rates=LEARNING_RATES,
            common={"steps": self.steps},
        )


def main(arguments: Sequence[str] | None = None) -> int:
    """Read the command line, then train one agent or make the demonstration."""
    given = sys.argv[1:] if arguments is None else arguments
    console = Console()
    with exit_on_bad_input():
        config = tyro.cli(Sb3Config, args=given, prog="ccpo train_sb3")
        config.check()
        expect_sb3()
        make_folder(config.out_dir)
        if config.demonstration:
            config.comparison.keep_settings(config.out_dir)
        else:
            _start(config)
    if config.demonstration:
        config.comparison.run(
            config.out_dir,
            num_seeds=config.num_seeds,
            num_workers=config.workers,
            console=console,
        )
        write_text(config.out_dir / "spread.md", spread_table(METHODS))
        return 0
    trained = train(config.run, run_dir=config.out_dir, tensorboard=config.tensorboard)
    _finish(config, trained, console)
    return 0


def _start(config: Sb3Config) -> None:
    """Write what a single run is made of.

    Raises:
        ValueError: If its folder holds a run already.
    """
    if (config.out_dir / METRICS_FILE).exists():
        raise ValueError(
            f"out_dir must not hold a run yet, got {config.out_dir}; pass another --out-dir"
        )
    write_json(config.out_dir / CONFIG_FILE, asdict(config.run))


def _finish(config: Sb3Config, trained: Trained, console: Console) -> None:
    worth = trained.worth
    numbers = {
        "team_reward": worth.team,
        "contribution": worth.contribution(config.role),
        "ceiling": worth.ceiling(config.role),
        "share": worth.share(config.role),
        "num_answers_drawn": trained.num_answers_drawn,
    }
    policy = {"role": config.role, "table": trained.table.tolist(), **numbers}
    write_json(config.out_dir / POLICY_FILE, policy)
    console.print(
        f"{config.role} with {config.credit} credit: team reward {worth.team:+.3f}, contribution "
        f"{numbers['contribution']:.3f} of at most {numbers['ceiling']:.3f} "
        f"({numbers['share']:.0%}); results in {config.out_dir}",
        markup=False,
        highlight=False,
        soft_wrap=True,
    )


if __name__ == "__main__":  # not in the processes that it starts
    sys.exit(main())
