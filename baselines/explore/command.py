"""``python -m baselines.explore``: write the credit explorer of a run."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from baselines.common.checks import require_at_least
from baselines.common.command import command
from baselines.common.command_line import parse
from baselines.common.errors import exit_on_bad_input
from baselines.common.files import as_written
from baselines.common.flags import Positional
from baselines.explore.page import MAX_BYTES, write_explorer
from ccpo_env.text import printable

MIN_BYTES = 100_000


@dataclass(frozen=True, kw_only=True)
class ExploreConfig:
    """Write explore.html, a page to look at the credit of a run message by message."""

    run: Annotated[Path, Positional()]
    """Folder of a training run, which may still be going on; run the command again to refresh."""
    max_bytes: int = MAX_BYTES
    """Largest size of the page. Long texts are shortened, then steps left out, and it says so."""

    def check(self) -> None:
        """Raise ValueError if a number is out of range."""
        require_at_least("max_bytes", self.max_bytes, MIN_BYTES)


@command
def main(arguments: Sequence[str] | None = None) -> int:
    """Write the page and print its path."""
    config = parse(ExploreConfig, arguments, "ccpo explore")
    with exit_on_bad_input():
        with as_written(config.run):
            page = write_explorer(config.run, max_bytes=config.max_bytes)
        print(f"explorer {printable(str(page))}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
