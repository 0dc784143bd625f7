"""``python -m baselines.evaluate``, and the evaluator that training uses as well."""
