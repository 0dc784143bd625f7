"""Training loops that make single steps on request, so that two loops can be interleaved."""

from __future__ import annotations

import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TypeAlias

from baselines.common.metrics import MetricRow
from baselines.train.config import TrainConfig

Train: TypeAlias = Callable[[Callable[[], None]], None]
"""Runs a training loop; calls its argument after each step."""

FOREVER = 1_000_000_000
LEARNING_RATE = 1e-6
"""So small that completion lengths do not change, in both loops."""
TINY_STEP = TrainConfig(
    allocator="counterfactual",
    optimizer="grpo",
    learning_rate=LEARNING_RATE,
    warmup_steps=0,
    steps=FOREVER,
    checkpoint_every=FOREVER,
    eval_every=0,
    num_eval_tasks=1,
)
"""The embedded model with credit and optimizer of the paper, no evaluations and no checkpoints."""


class _Closed(BaseException):
    """Ends a loop from inside; not an Exception, which a loop may catch."""


class StepwiseLoop:
    """A training loop in a separate thread that makes one step per call.

    Args:
        train: Runs the loop.
    """

    def __init__(self, train: Train) -> None:
        self._may_step = threading.Semaphore(0)
        self._has_stepped = threading.Semaphore(0)
        self._is_closed = False
        self._failure: BaseException | None = None
        self._thread = threading.Thread(target=self._run, args=(train,), daemon=True)
        self._thread.start()

    def step(self) -> None:
        """Make one step; the first call includes the setup.

        Raises:
            RuntimeError: If the loop has ended or failed.
        """
        self._may_step.release()
        self._has_stepped.acquire()
        if self._failure is not None:
            raise RuntimeError(
                f"a training loop must run until it is closed, got {self._failure!r}; see above"
            ) from self._failure

    def close(self) -> None:
        """End the loop."""
        self._is_closed = True
        self._may_step.release()
        self._thread.join()

    def _run(self, train: Train) -> None:
        try:
            self._wait()
            train(self._pause)
            self._failure = EOFError("the loop ended")
        except _Closed:
            return
        except BaseException as error:  # raised again by step()
            self._failure = error
        self._has_stepped.release()

    def _pause(self) -> None:
        self._has_stepped.release()
        self._wait()

    def _wait(self) -> None:
        self._may_step.acquire()
        if self._is_closed:
            raise _Closed


class OurLoop(StepwiseLoop):
    """Our trainer, with its files in a temporary folder.

    Args:
        config: Config of the training, based on `TINY_STEP`.

    Attributes:
        rows: The metrics of each step.
        seconds: Duration of each step, from the end of the one before, without waiting.
    """

    def __init__(self, config: TrainConfig) -> None:
        self.rows: list[MetricRow] = []
        self.seconds: list[float] = []
        self._config = config
        super().__init__(self._train)

    def _train(self, pause: Callable[[], None]) -> None:
        from baselines.train.logging.trackers import NoTracker
        from baselines.train.trainer import Trainer

        resumed = time.perf_counter()

        def on_step(row: MetricRow) -> None:
            nonlocal resumed
            self.seconds.append(time.perf_counter() - resumed)
            self.rows.append(row)
            pause()
            resumed = time.perf_counter()

        with tempfile.TemporaryDirectory() as folder:
            run_dir = Path(folder)
            trainer = Trainer(replace(self._config, out_dir=run_dir), run_dir)
            trainer.run(
                on_step=on_step,
                on_warning=lambda _warning: None,
                should_stop=lambda: False,
                tracker=NoTracker(run_dir),
            )


@contextmanager
def closed_at_the_end(*loops: StepwiseLoop) -> Iterator[None]:
    """Close the loops at the end of the block, also after errors."""
    try:
        yield
    finally:
        for loop in loops:
            loop.close()
