"""One run of an experiment: train until the token budget is spent, then evaluate."""

from __future__ import annotations

import math
import tempfile
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from baselines.evaluate.evaluation import Evaluation
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
    """

    key: RunKey
    steps: int
    tokens: int
    verifier_calls: int
    curve: tuple[tuple[int, float, float], ...]

    @property
    def joint(self) -> float:
        """Final accuracy of the whole team on held-out tasks."""
        return self.curve[-1][1]

    @property
    def contribution(self) -> float:
        """Final joint accuracy minus final accuracy with an agent removed."""
        return self.curve[-1][1] - self.curve[-1][2]

    @property
    def area(self) -> float:
        """Mean accuracy of the whole team over training tokens: higher means faster learning."""
        pairs = zip(self.curve[:-1], self.curve[1:], strict=True)
        total = sum((b[0] - a[0]) * (a[1] + b[1]) / 2.0 for a, b in pairs)
        return total / (self.curve[-1][0] - self.curve[0][0])

    def to_json(self) -> dict[str, Any]:
        """Return the result as JSON values."""
        return asdict(self)

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> RunResult:
        """Return the result from the values of `to_json`."""
        curve = tuple((int(t), float(joint), float(solo)) for t, joint, solo in values["curve"])
        return cls(**{**values, "key": RunKey(**values["key"]), "curve": curve})


def run_once(
    config: TrainConfig, key: RunKey, token_budget: int, *, good_enough: float = math.inf
) -> RunResult:
    """Train one team from scratch until its token budget is spent.

    Args:
        config: Settings of all runs.
        key: Settings of this run.
        token_budget: The run ends after the step in which it has sampled this many tokens.
        good_enough: Early stopping: the run also ends after a step whose evaluation is above this
            accuracy. The reported accuracy is that of a further evaluation at the end.
    """
    import torch

    from baselines.train.logging.trackers import NoTracker
    from baselines.train.trainer import Trainer

    torch.set_num_threads(1)
    own = replace(config, allocator=key.allocator, optimizer=key.optimizer, seed=key.seed)
    tokens, calls = 0, 0
    curve: list[tuple[int, float, float]] = []

    def on_step(row: Mapping[str, Any]) -> None:
        nonlocal tokens, calls
        if row.get("eval/accuracy/joint") is not None:
            curve.append((tokens, row["eval/accuracy/joint"], row["eval/accuracy/solo"]))
        tokens += int(row["cost/tokens_generated"])
        calls += int(row["cost/verifier_calls"])

    with tempfile.TemporaryDirectory() as folder:
        trainer = Trainer(own, Path(folder))
        final = trainer.run(
            on_step=on_step,
            on_warning=lambda _warning: None,
            should_stop=lambda: (
                tokens >= token_budget or (bool(curve) and curve[-1][1] > good_enough)
            ),
            tracker=NoTracker(trainer.run_dir),
        )
        final = final or trainer.evaluate(trainer.steps_done + 1)
    return RunResult(key, trainer.steps_done, tokens, calls, (*curve, _point(tokens, final)))


def _point(tokens: int, evaluation: Evaluation) -> tuple[int, float, float]:
    metrics = evaluation.metrics()
    joint, solo = metrics["eval/accuracy/joint"], metrics["eval/accuracy/solo"]
    if joint is None or solo is None:
        raise ValueError(
            f"held-out episodes must be verified, got {evaluation.num_unmeasured} unmeasured of "
            f"{len(evaluation.episodes)}; choose tasks and a verifier that fit"
        )
    return tokens, joint, solo
