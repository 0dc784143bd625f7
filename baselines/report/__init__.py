"""The report of a run: one page that says what was learned, and how sure that is."""

from baselines.report.page import write_report

__all__ = ["write_report"]
