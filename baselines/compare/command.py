"""``python -m baselines.compare``: training runs and evaluations against a reference."""

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
from baselines.common.evaluation_file import JOINT
from baselines.common.files import make_folder
from baselines.common.flags import Positional
from baselines.common.terminal import Terminal


@dataclass(frozen=True, slots=True, kw_only=True)
class CompareConfig:
    """Compare training runs and evaluations with a reference: differences, tests, credit, cost."""

    folders: Annotated[tuple[Path, ...], Positional()]
    """Folders of training runs and evaluations, or a folder that holds several; the first is the
    reference. Runs whose settings differ only in the seed are compared as one method."""
    out_dir: Path = Path("runs/compare")
    """Folder for compare.html and compare.json."""
    path: str = JOINT
    """Path to compare: "joint" for the whole team, or another one, such as
    "without thinker_0"."""
    seed: int = 0
    """Random seed of the bootstrap and of the sign-flip test."""

    def check(self) -> None:
        """Raise ValueError if the seed is out of range."""
        require_at_least("seed", self.seed, 0)


@command
def main(arguments: Sequence[str] | None = None) -> int:
    """Parse the command line and compare; CompareConfig declares the flags."""
    console = Terminal()
    config = parse(CompareConfig, arguments, "ccpo compare")
    with exit_on_bad_input():
        from baselines.compare.comparison import compare
        from baselines.compare.folders import COMPARE_PAGE, read_methods
        from baselines.compare.page import COMPARE_FILE, write_comparison  # loads matplotlib
        from baselines.compare.terminal import printed

        methods = read_methods(config.folders, config.path)
        found = compare(methods, seed=config.seed)
        make_folder(config.out_dir)
        files = [config.out_dir / name for name in (COMPARE_PAGE, COMPARE_FILE)]
        verbs = ["replaced" if file.exists() else "wrote" for file in files]
        write_comparison(config.out_dir, methods, found, path=config.path, seed=config.seed)
    for part in printed(methods, found, path=config.path, seed=config.seed):
        console.print(part, highlight=False, markup=False)
    for verb, file in zip(verbs, files, strict=True):
        console.print(f"{verb} {file}", highlight=False, markup=False, soft_wrap=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
