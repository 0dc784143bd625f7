"""``python -m baselines.compare``: significance tests between evaluations of the same tasks."""
