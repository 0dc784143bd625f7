"""``python -m baselines.train.engines``: `ccpo train` in several processes and with servers."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from rich.console import Console

from baselines.common.errors import exit_on_bad_input
from baselines.common.processes import ProcessGroup, connect, disconnect
from baselines.policies.team import TEAM
from baselines.train.command import INTERRUPTED, choose_run_dir, make_run_dir, read_config, run
from baselines.train.engines.rollout_servers import RolloutServers, read_servers
from baselines.train.interrupt import stop_requests
from baselines.train.logging.trackers import Tracker, open_tracker
from baselines.train.trainer import Trainer


def main(arguments: Sequence[str] | None = None) -> int:
    """Train in this process as one of those that a launcher has started."""
    given, rest = _parser().parse_known_args(arguments)
    with exit_on_bad_input():
        processes = connect(given.num_processes)
        servers = _servers(given.rollouts, given.rollout_folder, processes)
        config = read_config(rest)
        config.check()
        # The first process names the folder: a new one has the time in its name.
        (run_dir,) = processes.all_gather([choose_run_dir(config)] if processes.rank == 0 else [])
        trainer = Trainer(config, run_dir, processes=processes, servers=servers)
        if processes.rank == 0:
            make_run_dir(run_dir, config)
        tracker = open_tracker(config.tracker if processes.rank == 0 else "none", run_dir)
    code = run(trainer, tracker, Console()) if processes.rank == 0 else _take_part(trainer, tracker)
    disconnect(processes)
    return code


def _take_part(trainer: Trainer, tracker: Tracker) -> int:
    """Train with the process that writes, and say nothing."""

    def ignore(_: object = None) -> None:
        pass

    with stop_requests(ignore) as should_stop:
        final = trainer.run(
            on_step=ignore, on_warning=ignore, should_stop=should_stop, tracker=tracker
        )
    return 0 if final else INTERRUPTED


def _servers(
    texts: Sequence[str], folder: Path | None, processes: ProcessGroup
) -> RolloutServers | None:
    if not texts:
        return None
    if folder is None:
        raise ValueError(
            "rollout_folder must be given with rollouts, got none; pass the folder that the server "
            "was started from, written by python -m baselines.train.engines.server_weights"
        )
    return RolloutServers(read_servers(texts, folder, TEAM), processes=processes)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m baselines.train.engines",
        description="Train in several processes and with rollout servers; see docs/scaling.md.",
        epilog="All other flags are those of ccpo train.",
        allow_abbrev=False,
    )
    parser.add_argument(
        "--num-processes",
        type=int,
        default=1,
        help="how many the launcher starts; another number is an error (default 1)",
    )
    parser.add_argument(
        "--rollouts",
        nargs="+",
        default=[],
        metavar="[ROLE=]SPEC",
        help="servers that play the rollouts, such as endpoint:http://127.0.0.1:8130/v1#policy; "
        "one for each role, or one without a role with --weights shared",
    )
    parser.add_argument(
        "--rollout-folder",
        type=Path,
        help="folder that the server was started from; those of roles are in it by their names",
    )
    return parser


if __name__ == "__main__":
    sys.exit(main())
