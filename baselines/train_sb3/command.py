"""``python -m baselines.train_sb3``: PPO on the signal game with any credit."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field, fields, replace
from functools import partial
from pathlib import Path
from typing import Annotated, Literal

from rich.console import Console

from baselines.common.checks import require_at_least, require_known, unread
from baselines.common.command import command
from baselines.common.command_line import Given, parse
from baselines.common.errors import exit_on_bad_input
from baselines.common.files import CONFIG_FILE, make_folder, write_json, write_text
from baselines.common.flags import Choices, build
from baselines.common.metrics import METRICS_FILE
from baselines.common.stats import MIN_RUNS
from baselines.common.terminal import Terminal
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
from baselines.train_sb3.exact_values import Role
from baselines.train_sb3.game import MIXES
from baselines.train_sb3.measured_credit import MEANINGFUL, CreditPlan, Replay, expect_groups
from baselines.train_sb3.ppo import PpoConfig, Trained, expect_sb3, train
from baselines.train_sb3.signal_to_noise import spread_table

POLICY_FILE = "policy.json"
"""File name of the final table of the trained agent, and its exact values."""


@dataclass(frozen=True, kw_only=True)
class DemonstrationSettings:
    """Free-riding experiment."""

    demonstration: bool = False
    """Run the experiment of docs/free_riding.md instead of a single training run. Uses --steps,
    --out-dir and the flags of this section."""
    num_seeds: int = 10
    """Runs of each method; at least two."""
    settings: Annotated[tuple[str, ...], Choices(SETTINGS)] = tuple(SETTINGS)
    """Settings of the experiment."""
    workers: int = os.cpu_count() or 1
    """Parallel runs, one thread each."""


@dataclass(frozen=True, kw_only=True)
class LearnerSettings:
    """Agent and game."""

    role: Role = "thinker"
    """Agent to train; the other one is an expert."""
    partner: Literal["expert", "learned"] = "expert"
    """Solver when training a thinker: an expert, which uses complete messages only, or one trained
    with PPO."""
    mix: Annotated[str, Choices(MIXES)] = "default"
    """Distribution of task difficulties: how often the thinker's message matters."""
    learning_rate: float = 1e-2
    """Learning rate of Adam."""
    seed: int = 0
    """Random seed."""
    num_envs: int = 200
    """Parallel environments."""
    group_size: int = 1
    """Episodes per task; must divide --num-envs."""
    effort: float = 0.0
    """Cost per non-silent symbol for a thinker."""
    tensorboard: bool = False
    """Also log to TensorBoard, in tensorboard/ below --out-dir."""


@dataclass(frozen=True, kw_only=True)
class CreditSettings:
    """Credit of the trained agent."""

    credit: Annotated[str, Choices(MEANINGFUL)] = "shared"
    """Credit-assignment method."""
    credit_args: dict[str, str] = field(default_factory=dict)
    """Hyperparameters of the credit-assignment method, such as: weight 0.5 mode margin."""
    replay: Replay = "same_coin"
    """Random numbers of the rollout without the thinker. same_coin: common random numbers. fresh:
    independent for each rollout. task: independent for each task."""
    num_samples: int = 1
    """Number of rollouts without the thinker, or of continuations after each message; 1 with
    same_coin."""
    group_baseline: bool = False
    """Subtract the group mean from the credit."""


@dataclass(frozen=True, kw_only=True)
class Sb3Config(DemonstrationSettings, LearnerSettings, CreditSettings):
    """Train one role of the signal game with PPO, or run the free-riding experiment."""

    steps: int = 40_000
    """Training episodes, rounded up to whole updates."""
    out_dir: Path = Path("runs/train_sb3")
    """Folder of the results; rerun the same command to resume an interrupted experiment."""

    def check(self) -> None:
        """Raise ValueError if a name is unknown or a number out of range."""
        require_known("mix", self.mix, MIXES)
        require_at_least("num_seeds", self.num_seeds, MIN_RUNS)
        for name in ("steps", "num_envs", "num_samples", "workers", "group_size"):
            require_at_least(name, getattr(self, name), 1)
        for name in self.settings:
            require_known("setting", name, SETTINGS)
        if not 0.0 < self.learning_rate < float("inf"):
            raise ValueError(
                f"learning_rate must be above 0, got {self.learning_rate}; pass e.g. 0.01"
            )
        if not 0.0 <= self.effort < float("inf"):
            raise ValueError(f"effort must be >= 0, got {self.effort}; leave out --effort")
        expect_groups(self.plan, self.num_envs, self.group_size, group_baseline=self.group_baseline)

    @property
    def plan(self) -> CreditPlan:
        """Credit of a single run."""
        plan = CreditPlan(allocator=self.credit, replay=self.replay, num_samples=self.num_samples)
        return replace(plan, hyperparameters=read_allocator_args(self.credit, self.credit_args))

    @property
    def run(self) -> PpoConfig:
        """Config of a single run."""
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
        """The free-riding experiment."""
        return Comparison(
            run_once=partial(run_once, steps=self.steps),
            cells=cells(self.settings),
            meanings={name: setting.meaning for name, setting in SETTINGS.items()},
            reference=lambda _method: SHARED,
            learning_rates=LEARNING_RATES,
            common={"steps": self.steps},
        )


@command
def main(arguments: Sequence[str] | None = None) -> int:
    """Read the command line, and train one agent or run the free-riding experiment."""
    config = parse(Sb3Config, arguments, "ccpo train_sb3", settle=settle)
    console = Terminal()
    with exit_on_bad_input():
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


def settle(given: Given) -> Sb3Config:
    """Return the config from the parsed command line.

    Raises:
        ValueError: If a value is invalid, or a flag has no effect.
    """
    config = build(Sb3Config, given)
    config.check()
    for name in given:
        needed = what_reads(config, name)
        if needed is not None:
            raise ValueError(unread(name, getattr(config, name), needed))
    return config


def what_reads(config: Sb3Config, name: str) -> str | None:
    """Return what would give a setting an effect; None if it has one."""
    own = {field.name for field in fields(DemonstrationSettings)}
    if name not in {*own, "steps", "out_dir"} and config.demonstration:
        return "--no-demonstration"
    if name in own and not config.demonstration:
        return "--demonstration"
    if name in ("partner", "effort") and config.role != "thinker":
        return "--role thinker"
    if name in ("replay", "num_samples") and not config.plan.reads(name, config.role):
        return "e.g. --credit leave_one_out --replay fresh"
    return None


def _start(config: Sb3Config) -> None:
    """Write the config of a single run.

    Raises:
        ValueError: If the folder already contains a run.
    """
    if (config.out_dir / METRICS_FILE).exists():
        raise ValueError(
            f"out_dir must not hold a run already, got {config.out_dir}; pass another --out-dir"
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
