"""``python -m baselines.evaluate``: how well a team answers, and what each agent is worth."""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import numpy as np
import tyro
from rich.console import Console
from rich.progress import track

from baselines.config import require_at_least
from baselines.credit.removals import each_but_the_last
from baselines.environments import TeamSettings, team_env
from baselines.errors import exit_on_bad_input
from baselines.evaluation import Evaluation, evaluate_team, joined
from baselines.examples import episode_json
from baselines.files import CONFIG_FILE, make_folder, write_json, write_text
from baselines.policies.base import Sampling
from baselines.policies.endpoint_ledger import Billed, EndpointLedger
from baselines.rollout import Player
from baselines.table import evaluation_table
from baselines.team import load_samplers
from ccpo_env import load_tasks
from ccpo_env.options import check_removed
from ccpo_env.tasks import TASK_SOURCES
from ccpo_env.types import Task


@dataclass(frozen=True, slots=True, kw_only=True)
class EvalConfig:
    """Evaluate a team with all agents, and with agents removed."""

    policy: str
    """A run's folder, or a model for every role: "tiny", "smollm2", a folder, a .gguf file, a name,
    or endpoint:URL[?options][#model] for an OpenAI-compatible server."""
    tasks: str | None = None
    """Tasks: a registered name, or a .jsonl or .parquet file. None: those of the run, else
    "arithmetic"."""
    split: str | None = None
    """"train" or "test". None: "test" of a registered name, all of a file."""
    limit: int | None = None
    """At most this many tasks. None: all of a file, 500 of a registered name."""
    topology: str | None = None
    """Who speaks when: a name from TEAMS. None: as in the run, else think_solve; likewise below."""
    num_thinkers: int | None = None
    """Thinkers that speak before the solver, in think_solve."""
    num_voters: int | None = None
    """Voters, in vote."""
    num_debaters: int | None = None
    """Debaters, in debate."""
    num_rounds: int | None = None
    """Rounds, in debate."""
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
    """Folder for evaluation.json and transcripts.jsonl, and for the answers of an endpoint, which
    a later evaluation into it does not ask for again. None: nothing is written."""

    def check(self) -> None:
        """Raise ValueError if a number is out of range."""
        for name in TEAM_SIZES:
            size = getattr(self, name)
            if size is not None:
                require_at_least(name, size, 1)
        require_at_least("tasks_per_batch", self.tasks_per_batch, 1)
        require_at_least("seed", self.seed, 0)


TEAM_SIZES = ("num_thinkers", "num_voters", "num_debaters", "num_rounds")
JOURNAL_FILE = "answers.jsonl"
"""In the output folder: what an endpoint has answered."""
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
        if config.out_dir is not None:
            make_folder(config.out_dir)
        player = make_player(config)
        removals = each_but_the_last(player.agents)
        if config.removed:
            removals = (check_removed(config.removed, player.agents),)
    console.print(f"{len(tasks)} tasks, {1 + len(removals)} paths", highlight=False)
    evaluation = evaluate_in_batches(player, tasks, removals, config, console)
    console.print(evaluation_table(evaluation, title=f"{config.policy} on {config.tasks}"))
    ledgers = ledgers_of(player)
    for ledger in ledgers:
        console.print(f"endpoint: {ledger.summary()}", highlight=False, soft_wrap=True)
    if config.out_dir is not None:
        costs = [ledger.to_json() for ledger in ledgers]
        write_evaluation(config.out_dir, config, evaluation, costs)
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
        **{
            name: getattr(config, name) or saved.get(name, getattr(TeamSettings, name))
            for name in ("topology", *TEAM_SIZES)
        },
    )


def make_player(config: EvalConfig) -> Player:
    """Load the policies and return what plays them."""
    team = {name: getattr(config, name) for name in ("topology", *TEAM_SIZES)}
    env = team_env(TeamSettings(**team), [("-", "-")])
    roles = env.unwrapped.topology.roles
    journal = None if config.out_dir is None else config.out_dir / JOURNAL_FILE
    policies = load_samplers(config.policy, roles, journal=journal)
    sampling = Sampling(temperature=config.temperature, max_tokens=config.max_tokens)
    return Player(env, policies, dict.fromkeys(roles, sampling))


def ledgers_of(player: Player) -> list[EndpointLedger]:
    """Return what each endpoint has cost; policies in this process keep no ledger."""
    policies = {id(policy): policy for policy in map(player.policy_of, player.agents)}
    return [policy.ledger for policy in policies.values() if isinstance(policy, Billed)]


def write_evaluation(
    out_dir: Path,
    config: EvalConfig,
    evaluation: Evaluation,
    endpoint_costs: Sequence[Mapping[str, float]] = (),
) -> None:
    """Write the counts, and every episode as one line of JSON."""
    settings = {**asdict(config), "out_dir": str(out_dir)}
    costs = {"endpoints": list(endpoint_costs)} if endpoint_costs else {}
    counts = {"config": settings, **evaluation.to_json(), **costs}
    write_json(out_dir / "evaluation.json", counts)
    episodes = [
        {
            "task_id": r.request.task.id,
            "question": r.request.task.question,
            **episode_json(r),
            "detail": r.verdict.detail,
        }
        for rollouts in evaluation.rollouts.values()
        for r in rollouts
    ]
    lines = [json.dumps(episode, ensure_ascii=False) + "\n" for episode in episodes]
    write_text(out_dir / "transcripts.jsonl", "".join(lines))


if __name__ == "__main__":
    sys.exit(main())
