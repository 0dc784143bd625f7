"""Run the parts of the check, each in a process with a time limit, and print their table."""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

from scripts.gpu_check.rows import LIMIT_S, LIMITS, TINY_LIMIT_S, Row

MODULE = "scripts.gpu_check"
STDERR = 2
"""File descriptor: standard output is for the table."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the parts; see scripts/gpu_check/README.md.

    Returns:
        0, or 1 if a part failed, took too long or measured something out of its limits.
    """
    parser = argparse.ArgumentParser(description="Check this package on a GPU.")
    parser.add_argument("--tiny", action="store_true", help="small models and batches")
    parser.add_argument("--parts", nargs="+", choices=LIMITS, default=list(LIMITS))
    parser.add_argument("--limit", type=float, help=f"seconds of all parts; default: {LIMIT_S}")
    parser.add_argument(
        "--folder", type=Path, help=argparse.SUPPRESS
    )  # of the one part to run here
    given = parser.parse_args(arguments)
    if given.folder:
        from scripts.gpu_check.parts import PARTS, Setting

        (name,) = given.parts
        for row in PARTS[name](Setting(given.tiny, given.folder)):
            with _rows_file(given.folder, name).open("a", encoding="utf-8") as file:
                file.write(json.dumps(asdict(row)) + "\n")
        return 0
    limit = given.limit or (TINY_LIMIT_S if given.tiny else LIMIT_S)
    deadline = time.monotonic() + limit
    found: dict[str, list[Row]] = {}
    with tempfile.TemporaryDirectory(prefix="gpu_check_") as folder:
        for name in given.parts:
            seconds = min(LIMITS[name] * limit / LIMIT_S, deadline - time.monotonic())
            failure = _run(name, Path(folder), seconds, is_tiny=given.tiny)
            found[name] = _rows_of(Path(folder), name)
            if failure:
                found[name].append(Row("failed", failure, is_good=False))
    print(_table(found, is_tiny=given.tiny))
    return 0 if all(row.is_good for rows in found.values() for row in rows) else 1


def _run(name: str, folder: Path, seconds: float, *, is_tiny: bool) -> str:
    """Run one part in a process of its own, and return why it failed, or an empty text."""
    if seconds <= 0:
        return "no time was left"
    command = [sys.executable, "-m", MODULE, "--parts", name, "--folder", str(folder)]
    with subprocess.Popen(
        [*command, *(["--tiny"] if is_tiny else [])],
        stdout=STDERR,
        stderr=subprocess.PIPE,
        text=True,
        errors="replace",
        start_new_session=True,  # so that a launcher's processes end with it
    ) as process:
        try:
            _, errors = process.communicate(timeout=seconds)
        except subprocess.TimeoutExpired:
            return f"not done in {seconds:.0f} s"
        finally:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
    print(errors, file=sys.stderr, flush=True)
    if process.returncode == 0:
        return ""
    lines = errors.strip().splitlines()
    return lines[-1][:300] if lines else f"exit code {process.returncode}"


def _rows_file(folder: Path, name: str) -> Path:
    return folder / f"{name}.jsonl"


def _rows_of(folder: Path, name: str) -> list[Row]:
    """Return what a part had measured, also if it was stopped."""
    path = _rows_file(folder, name)
    lines = path.read_text(encoding="utf-8").splitlines() if path.exists() else []
    return [Row(**json.loads(line)) for line in lines]


def _table(found: dict[str, list[Row]], *, is_tiny: bool) -> str:
    import torch
    import transformers

    if torch.cuda.is_available():
        where = torch.cuda.get_device_name()
    else:
        where = f"CPU ({os.cpu_count()} cores), no GPU"
    models = ", models of a few thousand parameters" if is_tiny else ""
    lines = [
        f"`scripts/gpu_check.sh` on: {where}{models}; torch {torch.__version__}, transformers "
        f"{transformers.__version__}.",
        "",
        "| part | case | measured | |",
        "| --- | --- | --- | --- |",
    ]
    for name, rows in found.items():
        for row in rows:
            cells = (name, row.case, row.measured, "ok" if row.is_good else "**failed**")
            lines.append("| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |")
    return "\n".join(lines)


if __name__ == "__main__":
    signal.signal(signal.SIGTERM, lambda number, _: sys.exit(128 + number))  # ends its part as well
    sys.exit(main())
