"""Evaluation that can be published: who was played on what, what it came to, how sure that is."""

from baselines.evaluating.episodes import Episode
from baselines.evaluating.paths import JOINT, TeamPath
from baselines.evaluating.play import EvaluationPlan, play_all
from baselines.evaluating.summary import Row, Summary, summarize

__all__ = [
    "JOINT",
    "Episode",
    "EvaluationPlan",
    "Row",
    "Summary",
    "TeamPath",
    "play_all",
    "summarize",
]
