"""One run of an experiment: train until the tokens are spent, evaluate, and say what came out."""

from __future__ import annotations

import json
import math
import os
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import asdict, dataclass, replace
from multiprocessing import get_context
from pathlib import Path
from typing import Any

from baselines.evaluate.evaluation import Evaluation
from baselines.train.config import TrainConfig

RESULTS_FILE = "runs.jsonl"


@dataclass(frozen=True, slots=True)
class RunKey:
    """What tells the runs of an experiment apart."""

    allocator: str
    optimizer: str
    seed: int


@dataclass(frozen=True, slots=True)
class RunResult:
    """What came out of a run.

    Args:
        key: Which run.
        steps: Steps made.
        tokens: Tokens sampled in training, whatever for.
        verifier_calls: Answers verified in training.
        curve: (tokens sampled before, accuracy of the whole team, and without an agent) of each
            evaluation on held-out tasks, the first before training and the last at its end.
    """

    key: RunKey
    steps: int
    tokens: int
    verifier_calls: int
    curve: tuple[tuple[int, float, float], ...]

    @property
    def joint(self) -> float:
        """Accuracy of the whole team at the end, on held-out tasks."""
        return self.curve[-1][1]

    @property
    def contribution(self) -> float:
        """What the agents add that are removed: joint accuracy minus accuracy without them."""
        return self.curve[-1][1] - self.curve[-1][2]

    @property
    def area(self) -> float:
        """Mean accuracy of the whole team over the tokens of training: faster is more."""
        pairs = zip(self.curve[:-1], self.curve[1:], strict=True)
        total = sum((b[0] - a[0]) * (a[1] + b[1]) / 2.0 for a, b in pairs)
        return total / (self.curve[-1][0] - self.curve[0][0])

    def to_json(self) -> dict[str, Any]:
        """Return it as JSON values."""
        return asdict(self)

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> RunResult:
        """Return the result that `to_json` made values of."""
        curve = tuple((int(t), float(joint), float(solo)) for t, joint, solo in values["curve"])
        return cls(**{**values, "key": RunKey(**values["key"]), "curve": curve})


def run_once(
    config: TrainConfig, key: RunKey, token_budget: int, *, good_enough: float = math.inf
) -> RunResult:
    """Train one team from scratch until its tokens are spent.

    Args:
        config: All that the runs have in common.
        key: What this one has of its own.
        token_budget: It ends after the step in which it has sampled so many tokens.
        good_enough: It ends as well after a step before which an evaluation was above this; what
            is reported at the end is another evaluation.
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


def run_all(
    config: TrainConfig,
    keys: Sequence[RunKey],
    token_budget: int,
    *,
    out_dir: Path,
    num_workers: int,
) -> Iterator[RunResult]:
    """Yield the results of all runs as they are there, those of an earlier call first.

    Each is appended to runs.jsonl as soon as it is there, so a call that was interrupted goes on.

    Args:
        config: All that the runs have in common.
        keys: The runs.
        token_budget: Tokens that each may sample.
        out_dir: Where runs.jsonl is.
        num_workers: Runs at a time, each in a process and on a thread of its own.
    """
    path = out_dir / RESULTS_FILE
    known = {result.key: result for result in read_results(path)}
    yield from (known[key] for key in keys if key in known)
    missing = [key for key in keys if key not in known]
    if not missing:
        return
    context = get_context("spawn")  # a forked torch may wait for a thread that is not there
    pool = ProcessPoolExecutor(num_workers, mp_context=context)
    try:
        waiting = [pool.submit(run_once, config, key, token_budget) for key in missing]
        for done in as_completed(waiting):
            result = done.result()
            _append(path, result)
            yield result
    finally:
        pool.shutdown(cancel_futures=True)  # an interrupted call waits for no further run


def read_results(path: Path) -> list[RunResult]:
    """Return the results in a file; a last line that was cut off is left out and run again."""
    if not path.exists():
        return []
    lines = path.read_text(encoding="utf-8").splitlines(keepends=True)
    return [RunResult.from_json(json.loads(line)) for line in lines if line.endswith("\n")]


def _append(path: Path, result: RunResult) -> None:
    whole = path.read_text(encoding="utf-8") if path.exists() else ""
    kept = whole[: whole.rfind("\n") + 1]  # without what an interrupted call cut off
    with path.open("w" if kept != whole else "a", encoding="utf-8") as file:
        file.write(kept if kept != whole else "")
        file.write(json.dumps(result.to_json()) + "\n")
        file.flush()
        os.fsync(file.fileno())
