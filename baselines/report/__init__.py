"""The HTML report of a run."""

from baselines.report.run_page import write_report

__all__ = ["write_report"]
