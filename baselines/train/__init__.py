"""``python -m baselines.train``: the trainer, its command line, and the files of a run."""
