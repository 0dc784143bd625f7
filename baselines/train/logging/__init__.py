"""Logging of a training run: metrics, completions, credit, trackers, progress and warnings."""
