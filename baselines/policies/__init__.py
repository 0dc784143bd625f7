"""Policies: language models that complete the prompts of the agents."""
