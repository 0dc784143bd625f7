"""The tables of docs/baselines.md: what the audit finds of each allocator and optimizer."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np

from baselines.bench.credit.games.chain import make_chain
from baselines.bench.credit.games.measured import Plan, measure_game
from baselines.bench.credit.games.registry import every_removal
from baselines.bench.credit.games.turn_game import TabularGame
from baselines.bench.credit.games.vote_game import make_vote
from baselines.common.types import FloatArray
from baselines.credit import ALLOCATORS, CreditAudit, GroupOutcomes, audit_advantages
from baselines.credit.measured_rewards import mean_branch_rewards
from baselines.credit.outcomes import GroupBatch
from baselines.credit.registry import Allocator
from baselines.optimizers import OPTIMIZERS

NUM_TASKS = 24
"""Tasks per team, each with two groups."""
GROUP_SIZE = 8
PER_ROLLOUT = ("removed_rewards", "branch_rewards")
REFUSED = "\N{EN DASH}"
"""Shown for an allocator that does not fit the team."""


def audit_tables() -> str:
    """Return a table per team: one row per allocator, one column per kind of advantage."""
    chain = _table("Think\N{RIGHTWARDS ARROW}Solve", lambda rng: make_chain(1, rng))
    return "\n".join([*chain, "", *_table("Vote of three", lambda rng: make_vote(3, rng))])


def _table(heading: str, make: Callable[[np.random.Generator], TabularGame]) -> list[str]:
    rng = np.random.default_rng(0)
    plan = Plan(num_pairs=1, removals=every_removal, group_size=GROUP_SIZE)
    parts = [measure_game(make(rng), plan, task, rng) for task in range(NUM_TASKS)]
    groups = [group for part in parts for group in unbatched(part.batch)]
    cells = {name: _cells(one, parts[0].reads, groups) for name, one in ALLOCATORS.items()}
    columns = dict(zip(OPTIMIZERS, zip(*cells.values(), strict=True), strict=True))
    kinds: dict[tuple[str, ...], list[str]] = {}
    for optimizer, column in columns.items():
        kinds.setdefault(column, []).append(f"`{optimizer}`")
    heads = [", ".join(optimizers) for optimizers in kinds.values()]
    first, last = groups[0].agents[0], groups[0].agents[-1]
    lines = [f"{heading}, `{first}` / `{last}`:", "", f"| allocator | {' | '.join(heads)} |"]
    lines.append(f"|---|{'---|' * len(heads)}")
    lines += [
        f"| `{name}` | {' | '.join(own)} |"
        for name, own in zip(cells, zip(*kinds, strict=True), strict=True)
    ]
    return lines


def _cells(allocator: Allocator, reads: str, groups: Sequence[GroupOutcomes]) -> list[str]:
    """Return what the audit finds of the first and the last agent, for each optimizer."""
    is_measured = all(getattr(groups[0], need, None) is not None for need in allocator.needs)
    if not is_measured or (reads == "none" and "branch_rewards" in allocator.needs):
        return [REFUSED] * len(OPTIMIZERS)
    arguments = {"reads": reads} if "reads" in allocator.inputs else {}
    credit = allocator.many(groups, **arguments)
    agents = groups[0].agents
    cells = []
    for optimizer in OPTIMIZERS.values():
        method = optimizer.for_team(agents, [agent.rpartition("_")[0] for agent in agents])
        found = audit_advantages(method.advantage(credit), method, groups)
        cells.append(" / ".join(_verdict(found[agent]) for agent in (agents[0], agents[-1])))
    return cells


def _verdict(found: CreditAudit) -> str:
    """Return the factor of the shared advantage if it is a multiple, else the correlation."""
    return f"**{found.slope:.2f} R**" if found.degenerate else f"{found.correlation:.3f}"


def unbatched(batch: GroupBatch) -> list[GroupOutcomes]:
    """Return the groups of a batch."""

    def own(name: str, index: int) -> object:
        field = getattr(batch, name)
        if field is None:
            return None
        is_mapping = name in PER_ROLLOUT
        return {key: entry[index] for key, entry in field.items()} if is_mapping else field[index]

    names = (*PER_ROLLOUT, "ratings", "rating_valid", "features", "own_rewards", "influence")
    groups = [
        GroupOutcomes(batch.agents, team, **{name: own(name, index) for name in names})  # type: ignore[arg-type]
        for index, team in enumerate(batch.team_rewards)
    ]
    return [replace(group, values=_values(group)) for group in groups]


def _values(group: GroupOutcomes) -> FloatArray:
    """Return the values of a critic that knows the mean reward of continuations, (G, T)."""
    after = mean_branch_rewards(group)  # (T - 1, G)
    return np.vstack([np.full_like(group.team_rewards, after[0].mean()), after]).T
