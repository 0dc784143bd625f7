"""``python -m baselines.compare``: test whether evaluations of the same tasks differ."""
