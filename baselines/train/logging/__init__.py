"""What a training run logs: metrics, completions, credit, trackers, progress and warnings."""
