"""Synthetic runs for tests and measurements of the credit explorer."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np

from baselines.common.files import CONFIG_FILE
from baselines.common.jsonl import append_rows
from baselines.common.metrics import METRICS_FILE
from baselines.common.rollout_file import ROLLOUTS_FILE, RecordedGroup

TEAM = ("thinker_0", "solver_0")
WORDS = (
    *("the", "sum", "of", "both", "digits", "is", "then", "twice", "carry", "nine", "minus"),
    *("because", "therefore", "multiply", "first", "check", "result", "modulo", "ten", "so"),
)


def text_of(rng: np.random.Generator, num_chars: int) -> str:
    """Return words and numbers of about this many characters."""
    words = [*rng.choice(WORDS, num_chars // 6), *map(str, rng.integers(0, 999, num_chars // 12))]
    rng.shuffle(words)
    return " ".join(words)[:num_chars] or "-"


def group_of(
    step: int, task: int, *, num_rollouts: int = 8, num_chars: int = 40, seed: int = 0
) -> RecordedGroup:
    """Return a group of a team of two; the thinker is replaced in two replays."""
    rng = np.random.default_rng([seed, step, task])
    rewards = np.where(rng.random(num_rollouts) < 0.5, 1.0, -1.0)
    credit = np.stack([rewards + 0.8 * rng.normal(size=num_rollouts), rewards], axis=1)
    advantage = credit - credit.mean(axis=0)
    shared = np.repeat((rewards - rewards.mean())[:, None], 2, axis=1)
    answers = [str(int(reward)) for reward in rewards]
    return {
        "step": step,
        "task_id": f"sums/{task}",
        "question": f"What is {task} + {task}? {text_of(rng, 40)}",
        "gold": "1",
        "turns": list(TEAM),
        "messages": [[text_of(rng, num_chars), text_of(rng, num_chars)] for _ in answers],
        "answers": list(answers),
        "rewards": rewards.tolist(),
        "credit": credit.round(4).tolist(),
        "advantage": advantage.round(4).tolist(),
        "shared_advantage": shared.round(4).tolist(),
        "replays": [
            {
                "without": ["thinker_0"],
                "rollout": None,
                "kept": [],
                "speakers": ["solver_0"],
                "messages": [[r"\boxed{1}"], [r"\boxed{2}"]],
                "answers": ["1", "2"],
                "rewards": [1.0, -1.0],
            }
        ],
    }


def metrics_of(step: int, agents: tuple[str, ...] = TEAM) -> dict[str, float | None]:
    """Return the metrics of a step that the explorer reads."""
    row: dict[str, float | None] = {"step": step, "accuracy/joint": 1 - 1 / (step + 1)}
    for agent in agents:
        row |= {
            f"credit/{agent}/slope_vs_shared": 1.0 + 0.1 / step,
            f"credit/{agent}/correlation_vs_shared": 1.0 - 0.5 / step,
            f"credit/{agent}/degenerate": float(step == 1),
            f"credit/{agent}/signal_rate": 0.5,
            f"credit/{agent}/mean": 0.1,
        }
    return row


def make_run(folder: Path, *, num_steps: int = 4, tasks_per_step: int = 6, **sizes: int) -> Path:
    """Write a run; the tasks of a step are those of every third other step."""
    folder.mkdir(parents=True, exist_ok=True)
    config = {"allocator": "counterfactual", "optimizer": "grpo", "policy": "tiny"}
    (folder / CONFIG_FILE).write_text(json.dumps({**config, "tasks": "sums", "steps": num_steps}))
    for step in range(1, num_steps + 1):
        first = step % 3 * tasks_per_step
        groups = [group_of(step, first + task, **sizes) for task in range(tasks_per_step)]
        append_rows(folder / ROLLOUTS_FILE, groups, durable=False)
        append_rows(folder / METRICS_FILE, [metrics_of(step)], durable=False)
    return folder
