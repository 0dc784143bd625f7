"""What is compared: methods, their runs, and what was measured of each run."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from baselines.common.evaluation_file import TaskKey, TaskValues

PURPOSES = ("whole team", "an agent removed", "continuations", "ratings")
"""What the tokens of training are sampled for."""


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class HeldOut:
    """The accuracy of a team in one evaluation on held-out tasks.

    Args:
        accuracy: Mean rate of correct samples over the tasks, in [0, 1].
        tokens: Tokens sampled in training before it, for all purposes; None for an evaluation of
            `ccpo evaluate`, which knows nothing of training.
        step: Training steps before it.
        rates: Rate of correct samples of each task; empty where only the mean is known.
        num_samples: Measured samples of each task that has more than one.
    """

    accuracy: float
    tokens: float | None = None
    step: int | None = None
    rates: TaskValues = field(default_factory=TaskValues)
    num_samples: TaskValues = field(default_factory=TaskValues)


@dataclass(frozen=True, slots=True, kw_only=True)
class AgentCredit:
    """The credit of an agent, averaged over the steps of a run; None where it was not measured.

    Args:
        mean: Mean credit, in units of reward.
        share: Its share of the variance of all agents' advantages within tasks, in [0, 1].
        correlation: Correlation of its advantage with that of the shared reward.
        critic_weight: Newest weight of the critic in it; None without a critic.
    """

    mean: float | None
    share: float | None
    correlation: float | None
    critic_weight: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Cost:
    """What the training of a run cost so far.

    Args:
        steps: Training steps.
        tokens: Sampled tokens by purpose; the keys are PURPOSES.
        verifier_calls: Answers verified.
        seconds: Time of the steps, without evaluations and checkpoints.
    """

    steps: float
    tokens: Mapping[str, float]
    verifier_calls: float
    seconds: float

    @property
    def all_tokens(self) -> float:
        """Sampled tokens, for all purposes."""
        return sum(self.tokens.values())


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class Run:
    """One training run, or one evaluation of a team.

    Args:
        points: Its evaluations, at least one, in the order of their tokens.
        seed: Seed of a training run; None for an evaluation.
        team: Rate of each task in the last evaluation, with the whole team.
        without: The same without an agent, by the name of the path.
        num_samples: Measured samples of each task that has more than one in the last evaluation, by
            the name of the path.
        credit: Credit by agent.
        cost: Cost of training; None for an evaluation.
        status: "finished", or why the run has not reached its last step.
        questions: Question of each task, as far as they are known.
        folder: Where it was read from.
        is_torn: Whether the last line of its evaluations is incomplete, and therefore left out.
    """

    points: tuple[HeldOut, ...]
    seed: int | None = None
    team: Mapping[TaskKey, float] = field(default_factory=dict)
    without: Mapping[str, Mapping[TaskKey, float]] = field(default_factory=dict)
    num_samples: Mapping[str, Mapping[TaskKey, float]] = field(default_factory=dict)
    credit: Mapping[str, AgentCredit] = field(default_factory=dict)
    cost: Cost | None = None
    status: str = "finished"
    questions: Mapping[TaskKey, str] = field(default_factory=dict)
    folder: Path | None = None
    is_torn: bool = False

    @property
    def last(self) -> HeldOut:
        """The newest evaluation."""
        return self.points[-1]

    @property
    def is_trained(self) -> bool:
        """Whether it is a training run, whose tokens are known."""
        return self.last.tokens is not None


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class Method:
    """Runs that differ only in their seed, or one evaluation.

    Args:
        name: Name in tables and figures; different for every method of a comparison.
        runs: At least one; several are training runs with different seeds.
        settings: Settings of the runs, without the seed, as JSON values.
    """

    name: str
    runs: tuple[Run, ...]
    settings: Mapping[str, Any] = field(default_factory=dict)

    @property
    def is_trained(self) -> bool:
        """Whether its runs are training runs."""
        return all(run.is_trained for run in self.runs)

    @property
    def by_seed(self) -> dict[int, Run]:
        """The runs by their seed, in the order of the seeds."""
        seeds = {run.seed: run for run in self.runs if run.seed is not None}
        return dict(sorted(seeds.items()))


def differing_settings(methods: Sequence[Method]) -> dict[str, list[Any]]:
    """Return the settings that are not the same in all methods that have them.

    Returns:
        The value of each method by the name of the setting; None where a method does not have it.
    """
    names = dict.fromkeys(name for method in methods for name in method.settings)
    found = {}
    for name in names:
        known = [method.settings[name] for method in methods if name in method.settings]
        if any(value != known[0] for value in known):
            found[name] = [method.settings.get(name) for method in methods]
    return found
