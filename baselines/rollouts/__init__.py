"""Rollouts: batched episodes of a team, with removals, continuations, ratings and costs."""
