"""The report of a run: its page, its last screen, and the answers that both give."""

from __future__ import annotations

from pathlib import Path


def write_report(run_dir: Path) -> Path:
    """Write the report.html of a run; see `baselines.report.run_page.write_report`."""
    from baselines.report import run_page  # loads matplotlib

    return run_page.write_report(run_dir)
