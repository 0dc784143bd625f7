"""Training in one process of a process group."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from baselines.common.errors import INTERRUPTED, RolloutError, exit_on_bad_input
from baselines.common.processes import ProcessGroup, connect, disconnect
from baselines.common.terminal import Terminal
from baselines.policies.team import TEAM
from baselines.train.engines.config import EnginesConfig
from baselines.train.engines.rollout_servers import RolloutServers, read_servers
from baselines.train.interrupt import stop_requests
from baselines.train.logging.trackers import Tracker, open_tracker
from baselines.train.trainer import Trainer
from baselines.train.training_run import (
    open_run_dir,
    run,
    saying_how_to_resume,
    write_settings,
)


def train(config: EnginesConfig) -> int:
    """Train in this process, one of those that a launcher has started.

    Args:
        config: Validated settings.

    Returns:
        Exit code: 0; 1 if the output could not be written; 2 for invalid input; or 128 plus the
        number of the signal that interrupted the run.

    Raises:
        RolloutError: In all processes, if no rollout of a step can be measured.
    """
    training = config.training
    with exit_on_bad_input():
        processes = connect(config.num_processes, shard=config.shard)
        servers = _servers(config, processes)
        # Rank 0 locks the folder for all, and chooses it: its default name contains the time.
        (run_dir,) = processes.all_gather([open_run_dir(training)] if processes.rank == 0 else [])
        trainer = Trainer(
            *(training, run_dir),
            processes=processes,
            servers=servers,
            is_ahead=config.rollouts_ahead == 1,
        )
        if processes.rank == 0:
            write_settings(run_dir, trainer.config)
        tracker = open_tracker(training.tracker if processes.rank == 0 else "none", run_dir)
    is_first = processes.rank == 0
    take_part: Callable[[Trainer, Tracker], int] = (
        partial(run, console=Terminal()) if is_first else partial(_take_part, processes=processes)
    )
    try:
        code = take_part(trainer, tracker)
    except RolloutError:  # raised by all processes together
        disconnect(processes)
        raise
    disconnect(processes)
    return code


def _take_part(trainer: Trainer, tracker: Tracker, *, processes: ProcessGroup) -> int:
    """Train without printing; rank 0 prints and writes files."""

    def ignore(_: object = None) -> None:
        pass

    with stop_requests(ignore) as request, saying_how_to_resume(trainer):
        final = trainer.run(
            on_step=ignore,
            on_warning=ignore,
            should_stop=lambda: request.number is not None,
            tracker=tracker,
        )
        if final and processes.mesh is not None:  # rank 0 writes the models, gathered from all
            for policy in trainer.saved_policies().values():
                policy.save(trainer.run_dir)
    return 0 if final else request.exit_code or INTERRUPTED


def _servers(config: EnginesConfig, processes: ProcessGroup) -> RolloutServers | None:
    if not config.rollouts:
        return None
    assert config.rollout_folder is not None
    servers = read_servers(config.rollouts, config.rollout_folder, TEAM)
    return RolloutServers(servers, processes=processes)
