"""One run of an experiment: train until the token budget is spent, then evaluate."""

from __future__ import annotations

import math
import tempfile
import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

from baselines.common.errors import RolloutError
from baselines.common.evaluation_file import evaluation_rows, read_evaluations
from baselines.common.metrics import MetricRow
from baselines.compare.methods import AgentCredit, Cost
from baselines.compare.run_folder import cost_of, credit_of
from baselines.credit import ALLOCATORS
from baselines.evaluate.evaluation import Evaluation
from baselines.experiment.curves import curve_at, mean_until
from baselines.optimizers import OPTIMIZERS
from baselines.train.config import TrainConfig


@dataclass(frozen=True, slots=True)
class RunKey:
    """Key of a run in an experiment."""

    allocator: str
    optimizer: str
    seed: int


@dataclass(frozen=True, slots=True)
class RunResult:
    """The result of a run.

    Args:
        key: Key of the run.
        steps: Training steps.
        tokens: Number of tokens sampled in training, for all purposes.
        verifier_calls: Number of answers verified in training.
        curve: One (tokens sampled so far, accuracy of the whole team, accuracy with an agent
            removed) per evaluation on held-out tasks, the first before and the last after training.
        seconds: Time of the run, with its evaluations.
        outcomes: Outcome of each held-out task after training, one character per task, by path; see
            `baselines.common.evaluation_file`. Runs of one seed have the same tasks in one order.
        credit: Credit of each agent, averaged over training.
        cost: What the training cost.
    """

    key: RunKey
    steps: int
    tokens: int
    verifier_calls: int
    curve: tuple[tuple[int, float, float], ...]
    seconds: float = 0.0
    outcomes: Mapping[str, str] = field(default_factory=dict)
    credit: Mapping[str, AgentCredit] = field(default_factory=dict)
    cost: Cost | None = None

    @property
    def joint(self) -> float:
        """Accuracy of the whole team on held-out tasks in the last evaluation."""
        return self.curve[-1][1]

    @property
    def evaluated_at(self) -> list[int]:
        """Tokens sampled before each evaluation."""
        return [tokens for tokens, _, _ in self.curve]

    def quantities(self, tokens: float) -> dict[str, float]:
        """Return what is compared, after an equal number of sampled tokens.

        Args:
            tokens: Number of tokens, within the range that the run measured.

        Returns:
            "joint": accuracy of the whole team; "contribution": that minus the accuracy with an
            agent removed; "area": mean accuracy of the whole team over the tokens until then, where
            higher means faster learning; without it if there are too few evaluations for it.
        """
        at = self.evaluated_at
        joint = [own for _, own, _ in self.curve]
        alone = [own for _, _, own in self.curve]
        team, rest = (curve_at(at, values, tokens) for values in (joint, alone))
        found = {"joint": team, "contribution": team - rest}
        area = mean_until(at, joint, tokens)
        return found if area is None else {**found, "area": area}

    def to_json(self) -> dict[str, Any]:
        """Return the result as JSON values."""
        return asdict(self)

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> RunResult:
        """Return the result from the values of `to_json`."""
        curve = tuple((int(t), float(joint), float(solo)) for t, joint, solo in values["curve"])
        credit = {agent: AgentCredit(**own) for agent, own in values["credit"].items()}
        cost = None if values["cost"] is None else Cost(**values["cost"])
        key = RunKey(**values["key"])
        return cls(**{**values, "key": key, "curve": curve, "credit": credit, "cost": cost})


def settings_of_run(config: TrainConfig, key: RunKey) -> TrainConfig:
    """Return the settings of a run: each method takes the hyperparameters that it has."""
    allocator, optimizer = ALLOCATORS[key.allocator], OPTIMIZERS[key.optimizer]
    return replace(
        config,
        allocator=key.allocator,
        allocator_args={n: v for n, v in config.allocator_args.items() if n in allocator.tunable},
        optimizer=key.optimizer,
        optimizer_args={n: v for n, v in config.optimizer_args.items() if n in optimizer.tunable},
        seed=key.seed,
    )


def run_once(
    config: TrainConfig, key: RunKey, token_budget: int, *, good_enough: float = math.inf
) -> RunResult:
    """Train one team from scratch until its token budget is spent.

    Args:
        config: Settings of all runs.
        key: Settings of this run.
        token_budget: The run ends after the step in which it has sampled this many tokens.
        good_enough: Early stopping: the run also ends after a step whose evaluation is above this
            accuracy. The reported accuracy is that of a further evaluation at the end, with random
            numbers of its own.

    Raises:
        RolloutError: If no rollout of a step, or no path of an evaluation, was measured.
    """
    try:
        return _run_once(config, key, token_budget, good_enough)
    except RolloutError as error:
        raise RolloutError(
            f"{error} (in the run of {key.allocator} with {key.optimizer} and seed {key.seed}; "
            f"the same command again goes on from the finished runs)"
        ) from error


def _run_once(config: TrainConfig, key: RunKey, token_budget: int, good_enough: float) -> RunResult:
    import torch

    from baselines.train.logging.trackers import NoTracker
    from baselines.train.trainer import Trainer

    torch.set_num_threads(1)
    started = time.monotonic()
    own = settings_of_run(config, key)
    rows: list[MetricRow] = []
    curve: list[tuple[int, float, float]] = []
    with tempfile.TemporaryDirectory() as folder:
        trainer = Trainer(own, Path(folder))
        tokens_before = 0

        def on_step(row: MetricRow) -> None:
            nonlocal tokens_before
            curve.extend(_measured(tokens_before, row))
            rows.append(row)
            tokens_before = trainer.tokens_done

        final = trainer.run(
            on_step=on_step,
            on_warning=lambda _warning: None,
            should_stop=lambda: (
                trainer.tokens_done >= token_budget or (bool(curve) and curve[-1][1] > good_enough)
            ),
            tracker=NoTracker(trainer.run_dir),
        )
        final = final or trainer.evaluate_and_record(draw=int(good_enough < math.inf))
        _expect_verified(final)
        curve.extend(_measured(trainer.tokens_done, final.metrics()))
        outcomes = _last_outcomes(Path(folder))
    return RunResult(
        key,
        steps=trainer.steps_done,
        tokens=trainer.tokens_done,
        verifier_calls=sum(int(row["cost/verifier_calls"] or 0) for row in rows),
        curve=tuple(curve),
        seconds=time.monotonic() - started,
        outcomes=outcomes,
        credit=credit_of(rows),
        cost=cost_of(rows),
    )


def _measured(tokens: int, metrics: MetricRow) -> list[tuple[int, float, float]]:
    """Return a point of the curve; none without an evaluation, or if nothing was verified."""
    joint, alone = metrics.get("eval/accuracy/joint"), metrics.get("eval/accuracy/solo")
    return [] if joint is None or alone is None else [(tokens, joint, alone)]


def _expect_verified(evaluation: Evaluation) -> None:
    if not _measured(0, evaluation.metrics()):
        raise RolloutError(
            f"held-out episodes must be verified, got {evaluation.num_unmeasured} unmeasured of "
            f"{len(evaluation.episodes)}; choose tasks and a verifier that fit"
        )


def _last_outcomes(run_dir: Path) -> dict[str, str]:
    """Return the outcome of each task in the last evaluation of a run, one sample per task."""
    (row,) = evaluation_rows(read_evaluations(run_dir)[-1])
    outcomes = row["outcomes"]
    assert isinstance(outcomes, dict)
    return {path: samples[0] for path, samples in outcomes.items()}
