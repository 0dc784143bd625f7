"""Training in one process of a process group."""

from __future__ import annotations

from rich.console import Console

from baselines.common.errors import INTERRUPTED, exit_on_bad_input
from baselines.common.processes import ProcessGroup, connect, disconnect
from baselines.policies.team import TEAM
from baselines.train.engines.config import EnginesConfig
from baselines.train.engines.rollout_servers import RolloutServers, read_servers
from baselines.train.interrupt import stop_requests
from baselines.train.logging.trackers import Tracker, open_tracker
from baselines.train.trainer import Trainer
from baselines.train.training_run import choose_run_dir, make_run_dir, run


def train(config: EnginesConfig) -> int:
    """Train in this process, one of those that a launcher has started.

    Args:
        config: Validated settings.

    Returns:
        Exit code: 0, 2 for invalid input, or 130 if the run was interrupted.
    """
    training = config.training
    with exit_on_bad_input():
        processes = connect(config.num_processes)
        servers = _servers(config, processes)
        # Rank 0 chooses the folder, whose default name contains the time.
        (run_dir,) = processes.all_gather([choose_run_dir(training)] if processes.rank == 0 else [])
        trainer = Trainer(training, run_dir, processes=processes, servers=servers)
        if processes.rank == 0:
            make_run_dir(run_dir, trainer.config)
        tracker = open_tracker(training.tracker if processes.rank == 0 else "none", run_dir)
    code = run(trainer, tracker, Console()) if processes.rank == 0 else _take_part(trainer, tracker)
    disconnect(processes)
    return code


def _take_part(trainer: Trainer, tracker: Tracker) -> int:
    """Train without printing; rank 0 prints and writes files."""

    def ignore(_: object = None) -> None:
        pass

    with stop_requests(ignore) as should_stop:
        final = trainer.run(
            on_step=ignore, on_warning=ignore, should_stop=should_stop, tracker=tracker
        )
    return 0 if final else INTERRUPTED


def _servers(config: EnginesConfig, processes: ProcessGroup) -> RolloutServers | None:
    if not config.rollouts:
        return None
    assert config.rollout_folder is not None
    servers = read_servers(config.rollouts, config.rollout_folder, TEAM)
    return RolloutServers(servers, processes=processes)
