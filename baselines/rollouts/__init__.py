"""Rollouts: batched play of a team, with agents removed, continuations, ratings and costs."""
