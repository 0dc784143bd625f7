"""``python -m baselines.experiment``: many training runs at equal cost, with intervals."""

from baselines.experiment.command import ExperimentConfig, main

__all__ = ["ExperimentConfig", "main"]
