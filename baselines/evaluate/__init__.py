"""``python -m baselines.evaluate``, and the evaluator, which training also uses."""
