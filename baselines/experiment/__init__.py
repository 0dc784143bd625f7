"""Compare allocators and optimizers on the embedded team: many runs, equal cost, intervals."""

from baselines.experiment.command import ExperimentConfig, main

__all__ = ["ExperimentConfig", "main"]
