"""``python -m baselines.audit``: rewards and advantages of any trainer, from the file it wrote."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Annotated

from baselines.common.command import command
from baselines.common.command_line import parse
from baselines.common.errors import exit_on_bad_input
from baselines.common.flags import Positional
from baselines.common.terminal import Terminal


@dataclass(frozen=True, slots=True, kw_only=True)
class AuditConfig:
    """Audit rewards and advantages of any trainer: which formula made them, and are they credit?"""

    file: Annotated[Path, Positional()]
    """File (.jsonl or .parquet) or folder of TRL, verl, verifiers or a run of this package, or any
    file with a row per completion: its task or group, agent, reward and advantage."""
    out: Path | None = None
    """JSON file for the audit."""
    tolerance: float = 1e-3
    """Largest deviation from a formula, in units of the root mean square of an agent's advantages;
    half a unit of the last decimal is added where a column was rounded."""
    group_column: tuple[str, ...] = ()
    """Columns that name the task or group; a column of steps is always a part of it."""
    agent_column: str | None = None
    """Column that names the agent. Without one, all rows are of one agent."""
    reward_column: tuple[str, ...] = ()
    """Columns whose sum is the reward."""
    reward_weights: tuple[float, ...] = ()
    """Weights of these columns. None given: all are 1."""
    advantage_column: str | None = None
    """Column of the advantage; that of a completion, or a list with that of each token."""
    step_column: str | None = None
    """Column of the training step."""
    removed_column: str | None = None
    """Column of the reward of the team without the agent of the row, or of a mapping from agents,
    joined by +, to rewards without them."""
    tokens_column: str | None = None
    """Column of the number of completion tokens, by which whitening may weigh completions."""

    def check(self) -> None:
        """Raise ValueError if the tolerance is out of range."""
        if not 0.0 < self.tolerance < 1.0:
            raise ValueError(
                f"tolerance must be above 0 and below 1, got {self.tolerance:g}; pass e.g. "
                f"--tolerance 0.001"
            )


@command
def main(arguments: Sequence[str] | None = None) -> int:
    """Parse the command line and audit; AuditConfig declares the flags."""
    console = Terminal()
    config = parse(AuditConfig, arguments, "ccpo audit")
    with exit_on_bad_input():
        from baselines.audit.columns import NamedColumns
        from baselines.audit.report import audit_file
        from baselines.audit.terminal import printed
        from baselines.common.files import make_folder, write_json

        if config.out is not None:
            _expect_other_file(config.out, config.file)
        given = asdict(config)
        named = NamedColumns(**{name: given[name] for name in NamedColumns.__dataclass_fields__})
        found = audit_file(
            config.file, named=named, weights=config.reward_weights, tolerance=config.tolerance
        )
        if config.out is not None:
            make_folder(config.out.parent, is_shared=True)
            write_json(config.out, found.to_json())
    for part in printed(found):
        console.print(part, highlight=False, markup=False)
    if config.out is not None:
        console.print(f"wrote {config.out}", highlight=False, markup=False, soft_wrap=True)
    return 0


def _expect_other_file(out: Path, file: Path) -> None:
    """Raise ValueError if an output is a file that is audited, or would be at the next audit."""
    from baselines.audit.files import find_files
    from baselines.common.files import CONFIG_FILE

    paths = find_files(file)
    is_read = any(out.exists() and out.samefile(path) for path in paths)
    if out.resolve().parent == paths[0].resolve().parent:
        is_read |= out.name == CONFIG_FILE or (file.is_dir() and out.suffix == paths[0].suffix)
    if is_read:
        raise ValueError(
            f"--out must not be among the files that are audited, got {out}; pass another file"
        )


if __name__ == "__main__":
    sys.exit(main())
