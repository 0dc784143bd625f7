"""Evaluate in a process that kills itself with SIGKILL at a moment given by its arguments.

``python -m tests.rl.killed_evaluation FOLDER NUM_BATCHES DIES_AT`` evaluates many tasks and is
killed after that many batches or at the prompt of that number; 0 and 0: it ends.
"""

from __future__ import annotations

import os
import re
import signal
import sys
from itertools import count
from pathlib import Path

from baselines.evaluate.batches import EvaluationPlan, play_all
from baselines.evaluate.episode_journal import EPISODES_FILE, EpisodeJournal
from baselines.evaluate.evaluation import Evaluation
from baselines.evaluate.tables import grids, markdown_page
from baselines.policies.base import Completion
from ccpo_env.types import Task
from tests.rl.teams import NO_THINKER, judge, runner_of

NUM_TASKS, NUM_SAMPLES = 100, 2


def die() -> None:
    """Kill this process without cleanup."""
    os.kill(os.getpid(), signal.SIGKILL)


class LoggingPolicy:
    """Draws a digit for each prompt, after it has written down which task was asked.

    Its process kills itself in the middle of a turn, at its prompt number dies_at; 0 is never.
    """

    def __init__(self, path: Path, dies_at: int) -> None:
        self._path = path
        self._num_left = dies_at

    def sample(self, prompts, *, sampling, rng):
        with self._path.open("a", encoding="utf-8") as file:
            for prompt in prompts:
                number = re.search(r"number (\d+)\.", prompt.text)[1]
                file.write(f"{number}\n")
                self._num_left -= 1
                if self._num_left == 0:
                    file.flush()
                    die()
        return [Completion(str(digit)) for digit in rng.integers(3, size=len(prompts))]


def evaluate_many(folder: Path, *, num_batches: int, dies_at: int) -> None:
    """Evaluate the tasks with two samples each and controls, and write the tables."""
    tasks = [Task(f"t/{n}", f"number {n}.", str(n % 3)) for n in range(NUM_TASKS)]
    policy, batches = LoggingPolicy(folder / "asked.txt", dies_at), count(1)
    episodes = play_all(
        runner_of(policy, policy),
        EvaluationPlan(
            benchmarks={"many": tasks},
            removals=(NO_THINKER,),
            num_samples=NUM_SAMPLES,
            controls=True,
            tasks_per_batch=32,
        ),
        journal=EpisodeJournal(folder / EPISODES_FILE, {"seed": 0}),
        on_batch=lambda: die() if next(batches) == num_batches else None,
    )
    found = Evaluation.of(episodes, verify=lambda response, gold: judge(response[7:-1], gold))
    page = markdown_page("many", grids(found.summaries), [])
    (folder / "table.md").write_text(page, encoding="utf-8")


if __name__ == "__main__":
    evaluate_many(Path(sys.argv[1]), num_batches=int(sys.argv[2]), dies_at=int(sys.argv[3]))
