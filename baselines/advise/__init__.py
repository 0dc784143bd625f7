"""``python -m baselines.advise``: which credit is worth its tokens, measured before training."""
