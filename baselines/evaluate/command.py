"""``python -m baselines.evaluate``: accuracy of a team and the effect of each agent."""

from __future__ import annotations

import shlex
import sys
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from itertools import chain
from pathlib import Path
from typing import Annotated, Literal

from rich.console import Console
from rich.progress import Progress

from baselines.common.checks import require_at_least
from baselines.common.command import command
from baselines.common.command_line import parse
from baselines.common.errors import exit_on_bad_input
from baselines.common.files import as_written, make_folder
from baselines.common.flags import Choices
from baselines.common.terminal import Terminal
from baselines.common.wording import next_lines, plural
from baselines.evaluate.batches import EvaluationPlan, play_all
from baselines.evaluate.episode_journal import EPISODES_FILE, EpisodeJournal
from baselines.evaluate.episodes import Episode, benchmark_name, expect_measured
from baselines.evaluate.evaluation import Evaluation
from baselines.evaluate.headline import notes_of, sentences
from baselines.evaluate.identity import settings_of
from baselines.evaluate.paths import each_that_can_be_spared
from baselines.evaluate.scores import expect_option_scorers, option_likelihoods
from baselines.evaluate.tables import grids
from baselines.policies.base import Sampling
from baselines.policies.endpoint.usage import Billed, EndpointUsage
from baselines.policies.local.remote_code import remote_code
from baselines.policies.threads import suitable_threads
from baselines.rollouts.runner import RolloutRunner
from baselines.rollouts.saved_settings import saved_settings
from baselines.rollouts.team_env import TeamOverrides, order_of_run, taskless_env, with_verifier
from ccpo_env import load_tasks
from ccpo_env.reset_options import check_removed
from ccpo_env.tasks import TASK_SOURCES
from ccpo_env.types import Task


@dataclass(frozen=True, kw_only=True)
class EpisodeSettings:
    """Sampling and output."""

    num_samples: int = 1
    """Episodes per task with the whole team, and with agents removed; with more than one,
    avg@k, pass@k and maj@k are reported."""
    controls: bool = False
    """Also evaluate two controls, in which the message of a removed agent is replaced by an empty
    one, or by its message for another task. Not in a vote, where nobody reads the messages."""
    option_likelihood: bool = False
    """On tasks with options, also report how often the most probable letter is right, and the
    probability of the right one among the letters: from one forward pass per prompt of an agent
    that answers, before it writes anything. Needs a local model or the completions API."""
    removed: tuple[str, ...] = ()
    """Agents to remove together. None given: each agent separately, except a solver that is the
    only agent of its role. In a vote the ballots are recounted, which costs nothing."""
    temperature: float = 1.0
    """Sampling temperature; 0 is greedy."""
    max_tokens: int | None = None
    """Maximum completion length per turn, in tokens. None: the model's default."""
    tasks_per_batch: int = 32
    """Tasks evaluated in one batch; limits memory, and the work lost in a crash. The samples
    depend on it."""
    seed: int = 0
    """Random seed of sampling."""
    out_dir: Path | None = None
    """Folder for tables, transcripts and finished batches; rerun the same command to resume an
    interrupted evaluation. None: nothing is written."""


@dataclass(frozen=True, kw_only=True)
class SubjectSettings:
    """Policy and tasks."""

    policy: str
    """Folder of a training run, or a model for all roles: "tiny", "tiny_choice", "tiny_teams",
    "smollm2", a folder, a .gguf file, a name on the Hugging Face hub, or
    endpoint:URL[?options][#model] for an OpenAI-compatible server."""
    trust_remote_code: bool = False
    """Run the code that the folder or hub repository of a model holds, also that of the base model
    of an adapter. Read it first: it can do whatever you can."""
    tasks: Annotated[tuple[str, ...], Choices((*TASK_SOURCES, "a .jsonl or .parquet file"))] = ()
    """Benchmarks. None given: the tasks of the run, or arithmetic."""
    split: Literal["train", "dev", "test"] | None = None
    """Split of the tasks; benchmarks may have a third one. None: test for a registered name,
    everything for a file."""
    limit: int | None = None
    """Maximum number of tasks per benchmark. None: 500 for a registered name, all for a file."""
    shuffle_choices: int | None = None
    """Random seed of another order of the options of multiple-choice tasks. None: as in the run
    whose tasks they are, else their own."""


@dataclass(frozen=True, kw_only=True)
class EvalConfig(EpisodeSettings, TeamOverrides, SubjectSettings):
    """Evaluate a team with all agents, with agents removed, and with messages replaced."""

    def check(self) -> None:
        """Raise ValueError if a number is out of range."""
        super().check()
        require_at_least("num_samples", self.num_samples, 1)
        require_at_least("tasks_per_batch", self.tasks_per_batch, 1)
        require_at_least("seed", self.seed, 0)


JOURNAL_FILE = "answers.jsonl"
"""File name, in the output folder, of the responses of an endpoint."""
NOT_SAMPLED = (
    "policy",
    "trust_remote_code",
    "tasks",
    "split",
    "limit",
    "shuffle_choices",
    "out_dir",
    "option_likelihood",
)
"""Settings that are recorded in another form, or that no sample depends on."""
NAMED_LIMIT = 500
"""Default limit for the tasks of a registered source."""


@command
def main(arguments: Sequence[str] | None = None) -> int:
    """Read the command line and evaluate; flags and their help come from EvalConfig."""
    console = Terminal()
    config = parse(EvalConfig, arguments, "ccpo evaluate")
    with exit_on_bad_input():
        with as_written(Path(config.policy)):
            config = with_settings_of_run(config)
            config.check()
        benchmarks = load_benchmarks(config)
        config = with_verifier(config, chain.from_iterable(benchmarks.values()))
        if config.out_dir is not None:
            make_folder(config.out_dir)
        with remote_code(trusted=config.trust_remote_code):
            runner = make_runner(config)
        plan = make_plan(config, benchmarks, runner)
        paths = plan.paths(runner)
        if config.option_likelihood:
            expect_option_scorers(runner, chain.from_iterable(benchmarks.values()))
        journal = open_journal(config, benchmarks)
    num_tasks = sum(map(len, benchmarks.values()))
    samples = f", {config.num_samples} samples each" if config.num_samples > 1 else ""
    counts = f"{plural(num_tasks, 'task')}, {plural(len(paths), 'path')}"
    console.print(f"{counts}{samples}", highlight=False)
    if journal is not None and len(journal):
        console.print(
            f"{len(journal)} of {plan.num_batches} batches are already finished",
            highlight=False,
        )
    episodes = play_with_progress(runner, plan, journal, console)
    expect_measured(episodes, "an evaluation")
    evaluation = evaluation_of(config, runner, episodes)
    for grid in grids(evaluation.summaries):
        console.print(grid.for_terminal())
    notes = notes_of(runner.topology, evaluation.removals)
    for sentence in (*sentences(evaluation.overall), *notes):
        console.print(sentence, highlight=False, markup=False)
    usages = endpoint_usages(runner)
    for usage in usages:
        console.print(f"endpoint: {usage.summary()}", highlight=False, soft_wrap=True)
    if config.out_dir is not None:
        from baselines.evaluate.output import write_outputs  # loads matplotlib

        write_outputs(
            config.out_dir,
            {**asdict(config), "out_dir": str(config.out_dir)},
            evaluation,
            topology=runner.topology,
            endpoint_costs=[usage.to_json() for usage in usages],
        )
        for name in ("evaluation.html", "transcripts.jsonl"):
            where = config.out_dir / name
            console.print(f"wrote {where}", highlight=False, markup=False, soft_wrap=True)
    for line in next_lines(next_commands(config, arguments)):
        console.print(line, highlight=False, markup=False, soft_wrap=True)
    return 0


def next_commands(config: EvalConfig, arguments: Sequence[str] | None) -> dict[str, str]:
    """Return the commands to type next, each with what it does."""
    if config.out_dir is None:
        words = sys.argv[1:] if arguments is None else arguments
        again = shlex.join(["ccpo", "evaluate", *words, "--out-dir", "evaluations/A"])
        return {again: "the same with a page of transcripts"}
    place = shlex.quote(str(config.out_dir))
    return {f"ccpo compare {place} OTHER": "test it against another one of the same tasks"}


def play_with_progress(
    runner: RolloutRunner, plan: EvaluationPlan, journal: EpisodeJournal | None, console: Console
) -> list[Episode]:
    """Play the plan and show a progress bar."""
    with (
        suitable_threads(runner.policies.values()),
        Progress(console=console, disable=not console.is_terminal) as progress,
    ):
        bar = progress.add_task("evaluating", total=plan.num_batches)
        return play_all(runner, plan, journal=journal, on_batch=lambda: progress.advance(bar))


def evaluation_of(
    config: EvalConfig, runner: RolloutRunner, episodes: Sequence[Episode]
) -> Evaluation:
    """Return the evaluation of the episodes, with the likelihood of the options if it is wanted."""
    likelihoods = None
    if config.option_likelihood:
        with exit_on_bad_input(), suitable_threads(runner.policies.values()):
            likelihoods = option_likelihoods(runner, episodes)
    return Evaluation.of(
        episodes, verify=runner.verifier, seed=config.seed, likelihoods=likelihoods
    )


def load_benchmarks(config: EvalConfig) -> dict[str, list[Task]]:
    """Return the tasks of each benchmark.

    Raises:
        ValueError: If two benchmarks have the same name, or one cannot be loaded.
    """
    benchmarks: dict[str, list[Task]] = {}
    for place in config.tasks:
        is_named = place in TASK_SOURCES
        name = benchmark_name(place)
        if name in benchmarks:
            raise ValueError(f"tasks must have different names, got {name!r} twice; rename a file")
        split = config.split or ("test" if is_named else None)
        limit = NAMED_LIMIT if config.limit is None and is_named else config.limit
        benchmarks[name] = load_tasks(
            place, split=split, limit=limit, shuffle_choices=config.shuffle_choices
        )
    return benchmarks


def make_plan(
    config: EvalConfig, benchmarks: Mapping[str, Sequence[Task]], runner: RolloutRunner
) -> EvaluationPlan:
    """Return the evaluation plan of a config."""
    removals = each_that_can_be_spared(runner.topology)
    if config.removed:
        removals = (check_removed(config.removed, runner.agents),)
    return EvaluationPlan(
        benchmarks=benchmarks,
        removals=removals,
        num_samples=config.num_samples,
        controls=config.controls,
        tasks_per_batch=config.tasks_per_batch,
        seed=config.seed,
    )


def open_journal(
    config: EvalConfig, benchmarks: Mapping[str, Sequence[Task]]
) -> EpisodeJournal | None:
    """Return the journal in the output folder; None if there is no output folder."""
    if config.out_dir is None:
        return None
    chosen = {name: value for name, value in asdict(config).items() if name not in NOT_SAMPLED}
    settings = settings_of(config.policy, benchmarks, chosen)
    return EpisodeJournal(config.out_dir / EPISODES_FILE, settings)


def with_settings_of_run(config: EvalConfig) -> EvalConfig:
    """Return the config, with the tasks and the team of the run if the policy is a run."""
    saved = saved_settings(config.policy)
    tasks = config.tasks or (saved.get("tasks", "arithmetic"),)
    team = config.of_run(saved, has_other_tasks=bool(config.tasks))
    return replace(team, tasks=tasks, shuffle_choices=order_of_run(config, saved))


def make_runner(config: EvalConfig) -> RolloutRunner:
    """Load the policies and return a runner for them."""
    from baselines.policies.team import load_samplers

    env = taskless_env(config.team)
    roles = env.unwrapped.topology.roles
    journal = None if config.out_dir is None else config.out_dir / JOURNAL_FILE
    policies = load_samplers(config.policy, roles, journal=journal)
    sampling = Sampling(temperature=config.temperature, max_tokens=config.max_tokens)
    return RolloutRunner(env, policies, dict.fromkeys(roles, sampling))


def endpoint_usages(runner: RolloutRunner) -> list[EndpointUsage]:
    """Return the usage of each endpoint policy."""
    policies = {id(policy): policy for policy in runner.policies.values()}
    return [policy.usage for policy in policies.values() if isinstance(policy, Billed)]


if __name__ == "__main__":
    sys.exit(main())
