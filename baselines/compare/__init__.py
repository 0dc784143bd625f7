"""``python -m baselines.compare``: training runs and evaluations compared on one page."""
