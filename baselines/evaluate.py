"""``python -m baselines.evaluate``: how well a team answers, and what each agent is worth."""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import numpy as np
import tyro
from rich.console import Console
from rich.progress import track

from baselines.config import require_at_least
from baselines.errors import exit_on_bad_input
from baselines.evaluation import Evaluation, each_but_the_last, evaluate_team, joined
from baselines.examples import episode_json
from baselines.files import CONFIG_FILE, make_folder, write_json, write_text
from baselines.policies.base import Sampling
from baselines.rollout import Player
from baselines.table import evaluation_table
from baselines.team import load_team
from ccpo_env import load_tasks, think_solve_v0
from ccpo_env.options import check_removed
from ccpo_env.tasks import TASK_SOURCES
from ccpo_env.types import Task


@dataclass(frozen=True, slots=True, kw_only=True)
class EvalConfig:
    """Evaluate a Think→Solve team with all agents, and with agents removed."""

    policy: str
    """A run's folder, or a model for every role: "tiny", "smollm2", a folder, a .gguf file or a
    name."""
    tasks: str | None = None
    """Tasks: a registered name, or a .jsonl or .parquet file. None: those of the run, else
    "arithmetic"."""
    split: str | None = None
    """"train" or "test". None: "test" of a registered name, all of a file."""
    limit: int | None = None
    """At most this many tasks. None: all of a file, 500 of a registered name."""
    num_thinkers: int | None = None
    """Thinkers that speak before the solver. None: as in the run, else 1."""
    removed: tuple[str, ...] = ()
    """Agents to remove together. None given: each agent but the last, one at a time."""
    temperature: float = 1.0
    """Sampling temperature; 0 is greedy."""
    max_tokens: int | None = None
    """Longest completion of a turn, in tokens. None: the model's own default."""
    tasks_per_batch: int = 32
    """Tasks that are played at a time; bounds the memory."""
    seed: int = 0
    """Seeds sampling."""
    out_dir: Path | None = None
    """Folder for evaluation.json and transcripts.jsonl. None: nothing is written."""

    def check(self) -> None:
        """Raise ValueError if a number is out of range."""
        if self.num_thinkers is not None:
            require_at_least("num_thinkers", self.num_thinkers, 1)
        require_at_least("tasks_per_batch", self.tasks_per_batch, 1)
        require_at_least("seed", self.seed, 0)


NAMED_LIMIT = 500
"""Tasks of a registered source that are evaluated unless told otherwise."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Read the command line and evaluate; flags and their help come from EvalConfig."""
    console = Console()
    with exit_on_bad_input():
        config = tyro.cli(EvalConfig, args=arguments, prog="ccpo evaluate")
        config.check()
        config = with_settings_of_run(config)
        assert config.tasks is not None
        is_named = config.tasks in TASK_SOURCES
        split = config.split or ("test" if is_named else None)
        limit = NAMED_LIMIT if config.limit is None and is_named else config.limit
        tasks = load_tasks(config.tasks, split=split, limit=limit)
        player = make_player(config)
        removals = each_but_the_last(player.agents)
        if config.removed:
            removals = [check_removed(config.removed, player.agents)]
        if config.out_dir is not None:
            make_folder(config.out_dir)
    console.print(f"{len(tasks)} tasks, {1 + len(removals)} paths", highlight=False)
    evaluation = evaluate_in_batches(player, tasks, removals, config, console)
    console.print(evaluation_table(evaluation, title=f"{config.policy} on {config.tasks}"))
    if config.out_dir is not None:
        write_evaluation(config.out_dir, config, evaluation)
        where = config.out_dir / "transcripts.jsonl"
        console.print(f"transcripts {where}", highlight=False, markup=False, soft_wrap=True)
    return 0


def evaluate_in_batches(
    player: Player,
    tasks: Sequence[Task],
    removals: Sequence[frozenset[str]],
    config: EvalConfig,
    console: Console,
) -> Evaluation:
    """Evaluate some tasks at a time, each batch with its own random stream, and show how far."""
    parts = []
    starts = range(0, len(tasks), config.tasks_per_batch)
    for number, start in enumerate(track(starts, "evaluating", console=console)):
        batch = tasks[start : start + config.tasks_per_batch]
        rng = np.random.default_rng([config.seed, number])
        parts.append(evaluate_team(player, batch, removals=removals, rng=rng))
    return joined(parts)


def with_settings_of_run(config: EvalConfig) -> EvalConfig:
    """Return the config with the tasks and the team of the run that it evaluates, if it is one."""
    path = Path(config.policy) / CONFIG_FILE
    saved = json.loads(path.read_text(encoding="utf-8")) if path.is_file() else {}
    return replace(
        config,
        tasks=config.tasks or saved.get("tasks", "arithmetic"),
        num_thinkers=config.num_thinkers or saved.get("num_thinkers", 1),
    )


def make_player(config: EvalConfig) -> Player:
    """Load the policies and return what plays them."""
    env = think_solve_v0(tasks=[("-", "-")], num_thinkers=config.num_thinkers or 1)
    roles = env.unwrapped.topology.roles
    policies = load_team(config.policy, roles, own_copies=False)
    sampling = Sampling(temperature=config.temperature, max_tokens=config.max_tokens)
    return Player(env, policies, dict.fromkeys(roles, sampling))


def write_evaluation(out_dir: Path, config: EvalConfig, evaluation: Evaluation) -> None:
    """Write the counts, and every episode as one line of JSON."""
    settings = {**asdict(config), "out_dir": str(out_dir)}
    write_json(out_dir / "evaluation.json", {"config": settings, **evaluation.to_json()})
    episodes = [
        {"task_id": r.request.task.id, "question": r.request.task.question, **episode_json(r)}
        for rollouts in evaluation.rollouts.values()
        for r in rollouts
    ]
    lines = [json.dumps(episode, ensure_ascii=False) + "\n" for episode in episodes]
    write_text(out_dir / "transcripts.jsonl", "".join(lines))


if __name__ == "__main__":
    sys.exit(main())
