"""``python -m baselines.evaluate``: evaluation with paired removals, intervals and transcripts."""
