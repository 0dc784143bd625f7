"""``ccpo report``: write the pages of runs again, also of runs that are still going."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from baselines.common.command import command
from baselines.common.command_line import parse
from baselines.common.errors import exit_on_bad_input
from baselines.common.files import as_written
from baselines.common.flags import Positional
from baselines.common.terminal import Terminal


@dataclass(frozen=True, slots=True, kw_only=True)
class ReportConfig:
    """Write the page of training runs again: finished, interrupted, or still going."""

    run_dirs: Annotated[tuple[Path, ...], Positional()]
    """Folders of the runs; each gets its report.html."""

    def check(self) -> None:
        """Every folder is checked when it is read."""


@command
def main(arguments: Sequence[str] | None = None) -> int:
    """Write the page of each run, and print what it answers."""
    config = parse(ReportConfig, arguments, "ccpo report")
    with exit_on_bad_input():
        from baselines.report.end_of_run import end_of_run  # loads matplotlib
        from baselines.report.run_page import write_report

        for run_dir in config.run_dirs:
            with as_written(run_dir):
                path = write_report(run_dir)
                end = end_of_run(run_dir)
            end.show(Terminal(), report=path)
    return 0


if __name__ == "__main__":
    sys.exit(main())
