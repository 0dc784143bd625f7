"""Policies: what completes the prompts of the agents."""
