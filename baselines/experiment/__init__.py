"""``python -m baselines.experiment``: training runs at equal cost, with confidence intervals."""

from baselines.experiment.command import ExperimentConfig, main

__all__ = ["ExperimentConfig", "main"]
