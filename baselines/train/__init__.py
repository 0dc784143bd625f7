"""The parts of a training run: what `baselines.trainer` joins and `baselines.train` shows."""
