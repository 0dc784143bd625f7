"""A training run, from the creation of its folder to its report."""

from __future__ import annotations

import platform
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from functools import partial
from importlib.metadata import version
from pathlib import Path
from typing import Any

from rich.console import Console

from baselines.common.errors import (
    INTERRUPTED,
    STOPPED,
    RolloutError,
    Terminated,
    exit_on_bad_input,
    print_message,
)
from baselines.common.files import (
    COMMAND_FILE,
    CONFIG_FILE,
    SUMMARY_FILE,
    as_written,
    make_folder,
    write_json,
    write_text,
)
from baselines.common.jsonl import read_rows
from baselines.common.metrics import METRICS_FILE
from baselines.common.output import OutputWatch, watched_output
from baselines.common.terminal import Terminal
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
        Exit code: 0; 1 if the output or the hub could not be written; 2 for invalid input; or 128
        plus the number of the signal that interrupted the run.

    Raises:
        StorageError: If a file of the run cannot be written.
        RolloutError: If no rollout of a step can be measured; the steps before are saved.
    """
    console = Terminal()
    with exit_on_bad_input():
        run_dir = open_run_dir(config)
        trainer = Trainer(config, run_dir)
        write_settings(run_dir, trainer.config)
        tracker = open_tracker(config.tracker, run_dir)
    try:
        return run(trainer, tracker, console)
    except HubError as error:
        print_message("error", str(error))
        return STOPPED


def open_run_dir(config: TrainConfig) -> Path:
    """Return the folder of the run, which is created and locked.

    Raises:
        ValueError: If it cannot be written or locked, or contains a run and this run does not
            resume it, or vice versa.
    """
    run_dir = config.out_dir or Path("runs") / f"{datetime.now():%Y%m%d-%H%M%S}-seed{config.seed}"
    if run_dir.exists() and not run_dir.is_dir():
        raise ValueError(
            f"out_dir must be a writable folder, got the file {run_dir}; pass another --out-dir"
        )
    make_folder(run_dir)
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


def write_settings(run_dir: Path, config: TrainConfig) -> None:
    """Write config.json and command.txt.

    Raises:
        StorageError: If a file cannot be written.
    """
    write_json(run_dir / CONFIG_FILE, config.to_json())
    write_text(run_dir / COMMAND_FILE, f"{command(config)}\n")


def warn(console: Console, warning: str) -> None:
    """Print a warning, wrapped to the width of the console."""
    console.print(f"warning: {warning}", style="yellow", highlight=False, markup=False)


@contextmanager
def saying_how_to_resume(trainer: Trainer) -> Iterator[None]:
    """Add to the error of a server or a verifier that ends a run how the run goes on."""
    try:
        yield
    except RolloutError as error:
        raise RolloutError(
            f"{error}; then resume from the newest checkpoint, or from the beginning if there is "
            f"none, with --resume --out-dir {trainer.run_dir}"
        ) from error


def run(trainer: Trainer, tracker: Tracker, console: Console) -> int:
    """Train to the end or until a signal, and write summary, examples and report.

    If standard output is closed or full, the run ends after its step, with a checkpoint.

    Returns:
        Exit code: 0; 1 if the output could not be written; or 128 plus the number of the signal
        that interrupted the run.
    """
    with watched_output() as output:
        code = _run(trainer, tracker, console, output)
    if output.failure is None:
        return code
    has_ended = "finished" if code == 0 else f"saved after step {trainer.steps_done}"
    print_message("error", f"{output.failure}; the run is {has_ended}, in {trainer.run_dir}")
    return STOPPED


def _run(trainer: Trainer, tracker: Tracker, console: Console, output: OutputWatch) -> int:
    config, run_dir, first = trainer.config, trainer.run_dir, trainer.steps_done

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
            stop_requests(announce) as request,
            suitable_threads(trainer.saved_policies().values()),
            progress,
            saying_how_to_resume(trainer),
        ):
            final = trainer.run(
                on_step=progress.show,
                on_warning=partial(warn, console),
                should_stop=lambda: (
                    request.number is not None
                    or (output.failure is not None and trainer.steps_done > first)
                ),
                tracker=tracker,
            )
    except KeyboardInterrupt as error:
        say(
            f"stopped after step {trainer.steps_done}; resume from the newest checkpoint, "
            f"or from the beginning if there is none, with --resume --out-dir {run_dir}"
        )
        return error.exit_code if isinstance(error, Terminated) else INTERRUPTED
    results = summary(trainer, final)
    write_json(run_dir / SUMMARY_FILE, results)
    examples = example_episodes(final, trainer.agents, trainer.credit_of) if final else []
    write_json(run_dir / "examples.json", examples)
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
    with exit_on_bad_input(), as_written(run_dir):  # files of a resumed run may be damaged
        report = write_report(run_dir)
        end = end_of_run(run_dir)
    end.show(console, report=report)
    return 0 if final else request.exit_code or STOPPED


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
