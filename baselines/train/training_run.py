"""A training run, from the creation of its folder to its report."""

from __future__ import annotations

import platform
from datetime import datetime
from functools import partial
from importlib.metadata import version
from pathlib import Path
from typing import Any

from rich.console import Console

from baselines.common.errors import BAD_INPUT, INTERRUPTED, exit_on_bad_input, print_message
from baselines.common.files import (
    COMMAND_FILE,
    CONFIG_FILE,
    SUMMARY_FILE,
    StorageError,
    make_folder,
    write_json,
    write_text,
)
from baselines.common.jsonl import read_rows
from baselines.common.metrics import METRICS_FILE
from baselines.evaluate.evaluation import Evaluation
from baselines.evaluate.examples import example_episodes
from baselines.evaluate.transcripts import write_transcripts
from baselines.policies.threads import suitable_threads
from baselines.report.end_of_run import end_of_run
from baselines.report.run_audit import AgentAudit, run_audit
from baselines.report.run_page import write_report
from baselines.train.config import TrainConfig
from baselines.train.interrupt import stop_requests
from baselines.train.logging.progress import LiveProgress
from baselines.train.logging.trackers import Tracker, open_tracker
from baselines.train.model_card import HubError, push_to_hub, save_model
from baselines.train.reproduce import command
from baselines.train.trainer import Trainer
from baselines.train.unread import unused_settings

REPORTED_PACKAGES = ("ccpo-env", "torch", "transformers", "pettingzoo", "numpy")


def train(config: TrainConfig) -> int:
    """Train a team.

    Args:
        config: Validated settings of the run.

    Returns:
        Exit code: 0, 2 for invalid input, or 130 if the run was interrupted.
    """
    console = Console()
    with exit_on_bad_input():
        trainer = Trainer(config, choose_run_dir(config))
        make_run_dir(trainer.run_dir, trainer.config)
        tracker = open_tracker(config.tracker, trainer.run_dir)
    try:
        return run(trainer, tracker, console)
    except (StorageError, HubError) as error:
        print_message("error", str(error))
        return BAD_INPUT


def choose_run_dir(config: TrainConfig) -> Path:
    """Return the folder of the run, which need not exist yet.

    Raises:
        ValueError: If it contains a run and this run does not resume it, or vice versa.
    """
    run_dir = config.out_dir or Path("runs") / f"{datetime.now():%Y%m%d-%H%M%S}-seed{config.seed}"
    if run_dir.exists() and not run_dir.is_dir():
        raise ValueError(
            f"out_dir must be a writable folder, got the file {run_dir}; pass another --out-dir"
        )
    has_run = (run_dir / CONFIG_FILE).exists()
    if config.resume == "yes" and not has_run:
        raise ValueError(
            f"--resume must find a run to resume, got none in {run_dir}; check --out-dir or "
            f"leave out --resume"
        )
    if has_run and config.resume == "no":
        raise ValueError(
            f"out_dir must not hold a run already, got {run_dir}; pass --resume to resume it, "
            f"or another --out-dir"
        )
    return run_dir


def make_run_dir(run_dir: Path, config: TrainConfig) -> None:
    """Create the folder of the run, and write config.json and command.txt.

    Raises:
        ValueError: If the folder or a file cannot be written.
    """
    make_folder(run_dir)
    write_json(run_dir / CONFIG_FILE, config.to_json())
    write_text(run_dir / COMMAND_FILE, f"{command(config)}\n")


def warn(console: Console, warning: str) -> None:
    """Print a warning, wrapped to the width of the console."""
    console.print(f"warning: {warning}", style="yellow", highlight=False, markup=False)


def run(trainer: Trainer, tracker: Tracker, console: Console) -> int:
    """Train to the end or until Ctrl-C, and write summary, examples and report.

    Returns:
        Exit code: 0, or 130 if the run was interrupted.
    """
    config, run_dir = trainer.config, trainer.run_dir

    def say(text: str) -> None:
        # Paths may contain square brackets, which are markup, and must not be wrapped.
        console.print(text, highlight=False, markup=False, soft_wrap=True)

    say(f"run {run_dir}")
    if config.resume == "yes":
        start = f"after step {trainer.steps_done}" if trainer.steps_done else "from the beginning"
        say(f"resumed {start}")
    for notice in trainer.notices:
        warn(console, notice)
    progress = LiveProgress(
        console, num_steps=config.steps, num_done=trainer.steps_done, agents=trainer.agents
    )

    def announce() -> None:
        say("stopping after this step; press Ctrl-C again to stop immediately")

    try:
        with (
            stop_requests(announce) as should_stop,
            suitable_threads(trainer.saved_policies().values()),
            progress,
        ):
            final = trainer.run(
                on_step=progress.show,
                on_warning=partial(warn, console),
                should_stop=should_stop,
                tracker=tracker,
            )
    except KeyboardInterrupt:
        say(
            f"stopped after step {trainer.steps_done}; resume from the newest checkpoint, "
            f"or from the beginning if there is none, with --resume --out-dir {run_dir}"
        )
        return INTERRUPTED
    results = summary(trainer, final)
    write_json(run_dir / SUMMARY_FILE, results)
    examples = example_episodes(final, trainer.agents, trainer.credit_of) if final else []
    write_json(run_dir / "examples.json", examples)
    report = write_report(run_dir)
    if final is None:
        say(
            f"interrupted after step {trainer.steps_done} of {config.steps}; resume with --resume "
            f"--out-dir {run_dir}"
        )
    else:
        write_transcripts(run_dir, final.episodes)
        models = save_model(
            run_dir, trainer.saved_policies(), config=config.to_json(), summary=results
        )
        say(f"models {models}")
        if config.push_to_hub is not None:
            say(f"pushed to {push_to_hub(models, config.push_to_hub)}")
    end_of_run(run_dir).show(console, report=report)
    return 0 if final else INTERRUPTED


def summary(trainer: Trainer, final: Evaluation | None) -> dict[str, Any]:
    """Return the contents of summary.json."""
    return {
        "status": "finished" if final else "interrupted",
        "steps_done": trainer.steps_done,
        "initial": trainer.initial,
        "final": final.to_json() if final else None,
        "audit": {name: audit.to_json() for name, audit in _audits(trainer).items()},
        "warnings": trainer.warnings,
        "unused_settings": unused_settings(trainer.config),
        "versions": {
            "python": platform.python_version(),
            **{name: version(name) for name in REPORTED_PACKAGES},
        },
    }


def _audits(trainer: Trainer) -> dict[str, AgentAudit]:
    return run_audit(read_rows(trainer.run_dir / METRICS_FILE), trainer.agents)
