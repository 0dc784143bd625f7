"""The report of a run: its page, its last screen, and the answers that both give."""

from baselines.report.end_of_run import end_of_run
from baselines.report.run_audit import AgentAudit, run_audit
from baselines.report.run_page import write_report

__all__ = ["AgentAudit", "end_of_run", "run_audit", "write_report"]
