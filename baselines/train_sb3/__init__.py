"""``python -m baselines.train_sb3``: PPO from Stable-Baselines3 on the signal game."""
