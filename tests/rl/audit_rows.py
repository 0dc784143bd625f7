"""Rows of dumps for the tests of the audit of files, and the advantages that trainers write."""

from __future__ import annotations

import numpy as np

from baselines.audit.audit import audit_rows
from baselines.audit.rows import Rows
from baselines.optimizers import OPTIMIZERS

STEPS, TASKS, G = 3, 6, 6


def draw_rewards(seed=0, values=(0.0, 1.0), size=G):
    """Rewards of some steps, (steps, tasks, size), with a group of equal rewards among them."""
    rewards = np.random.default_rng(seed).choice(values, (STEPS, TASKS, size))
    rewards[0, 0] = values[0]
    return rewards


def rows_of(rewards, advantages, **others):
    """Rows of one agent, from arrays of shape (steps, tasks, G)."""
    steps, tasks, size = rewards.shape
    count = rewards.size
    given = {
        "agents": ("solver_0",),
        "agent": np.zeros(count, dtype=np.int64),
        "group": np.arange(steps * tasks).repeat(size),
        "step": np.arange(steps).repeat(tasks * size),
        "turn": np.zeros(count, dtype=np.int64),
        "reward": np.asarray(rewards, dtype=float).ravel(),
        "advantage": np.asarray(advantages, dtype=float).ravel(),
        "varies": np.zeros(count, dtype=bool),
        "shared": None,
        "tokens": None,
        "removed": {},
        "num_unmeasured": 0,
    }
    return Rows(**{**given, **others})


def two_agents(rewards, first, second, **others):
    """Rows of two agents that speak once in each rollout."""
    one, two = rows_of(rewards, first), rows_of(rewards, second)
    joined = {
        name: np.concatenate([getattr(one, name), getattr(two, name)])
        for name in ("group", "step", "turn", "reward", "advantage", "varies")
    }
    agent = np.arange(2).repeat(rewards.size)
    given = {**joined, "agents": ("thinker_0", "solver_0"), "agent": agent, **others}
    return rows_of(rewards, first, **given)


def registered(name, rewards, **hyperparameters):
    """Advantages of a registered optimizer, step by step; its running state is kept."""
    optimizer = OPTIMIZERS[name].with_hyperparameters(**hyperparameters)
    if not optimizer.whitens and not optimizer.centres_on_group:  # one mean for all steps
        groups = optimizer.advantage([g[:, None] for step in rewards for g in step])
        return np.array(groups).reshape(rewards.shape)
    steps = [optimizer.advantage([group[:, None] for group in step]) for step in rewards]
    return np.array(steps).reshape(rewards.shape)


def only(rows, **given):
    (found,) = audit_rows(rows, **given)
    return found


def centred(rewards):
    return rewards - rewards.mean(axis=2, keepdims=True)


def z_scores(rewards, *, ddof=1, epsilon=1e-6):
    return centred(rewards) / (rewards.std(axis=2, ddof=ddof, keepdims=True) + epsilon)


def step_scaled(rewards, *, ddof=1, epsilon=1e-4):
    """TRL with scale_rewards="batch"."""
    return centred(rewards) / (rewards.std(axis=(1, 2), ddof=ddof, keepdims=True) + epsilon)


def bfloat16(values):
    """Round to the nearest number with the first 16 bits of a float32, ties to even."""
    bits = np.asarray(values, dtype=np.float32).view(np.uint32)
    rounded = bits + np.uint32(0x7FFF) + ((bits >> np.uint32(16)) & np.uint32(1))
    return (rounded & np.uint32(0xFFFF0000)).view(np.float32).astype(float)
