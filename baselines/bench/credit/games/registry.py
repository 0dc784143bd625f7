"""Registry of the games of the credit bench."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

import numpy as np

from baselines.bench.credit.games.bandit import make_bandit
from baselines.bench.credit.games.chain import make_chain
from baselines.bench.credit.games.measured import Measured, Plan, measure_game
from baselines.bench.credit.games.turn_game import TabularGame
from baselines.bench.credit.games.vote_game import make_vote
from baselines.credit import ALLOCATORS
from baselines.credit.registry import RemovalPlan
from baselines.credit.removals import MAX_REPLAYED_AGENTS

TASKS_PER_SEED = 8
"""Tasks per seed in tabular games with several tasks."""


@dataclass(frozen=True, slots=True, kw_only=True)
class World:
    """Settings of the games.

    Args:
        num_pairs: Pairs of groups per seed, over all its tasks.
        interaction: Strength of the interactions between neighbours in a bandit.
        dependence: Dependence of a bandit policy on the previous choice.
        plan: Plan of the measurements; its num_pairs is not used.
    """

    num_pairs: int
    interaction: float
    dependence: float
    plan: Plan


def every_removal(
    agents: tuple[str, ...], rng: np.random.Generator, *, are_recounts: bool
) -> RemovalPlan:
    """Return all sets of agents that any allocator removes; see `Allocator.plan_removals`.

    Allocators that sample orders of joining share one sample.
    """
    removals: dict[frozenset[str], None] = {}
    orders = None
    for allocator in ALLOCATORS.values():
        if orders is None or not allocator.samples_orders:
            plan = allocator.plan_removals(agents, rng, are_recounts=are_recounts)
            removals |= dict.fromkeys(plan.removals)
            orders = plan.orders or orders
    return RemovalPlan(tuple(removals), orders)


def bandit(num_agents: int) -> Callable[[World, np.random.Generator], list[Measured]]:
    """Return a function that measures one bandit of this many agents."""

    def measure(world: World, rng: np.random.Generator) -> list[Measured]:
        game = make_bandit(
            num_agents, rng, interaction=world.interaction, dependence=world.dependence
        )
        # Sampled orders need hundreds of sets, so few samples per set suffice.
        num_set_samples = world.plan.num_samples if num_agents <= MAX_REPLAYED_AGENTS else 1
        plan = replace(world.plan, num_pairs=world.num_pairs, num_set_samples=num_set_samples)
        return [measure_game(game, plan, 0, rng)]

    return measure


def think_solve(num_thinkers: int) -> Callable[[World, np.random.Generator], list[Measured]]:
    """Return a function that measures tasks with this many thinkers and a solver."""
    return lambda world, rng: _tasks(lambda: make_chain(num_thinkers, rng), world, rng)


def vote(num_voters: int) -> Callable[[World, np.random.Generator], list[Measured]]:
    """Return a function that measures tasks with this many voters."""
    return lambda world, rng: _tasks(lambda: make_vote(num_voters, rng), world, rng)


def hints(world: World, rng: np.random.Generator) -> list[Measured]:
    """Measure competition problems whose thoughts have a known worth; see `make_hints`."""
    from baselines.bench.credit.games.hints import make_hints
    from baselines.bench.credit.games.recorded_answers import recorded_problems

    problems = recorded_problems()
    chosen = iter(rng.permutation(len(problems)))
    return _tasks(lambda: make_hints(problems[next(chosen)]), world, rng)


def tiny(world: World, rng: np.random.Generator) -> list[Measured]:
    """Measure the embedded model, frozen, on held-out tasks of arithmetic."""
    from baselines.bench.credit.games.continuations import measure_model, tiny_player

    runner, tasks = tiny_player()
    is_many = world.num_pairs > len(tasks)
    indices = rng.choice(len(tasks), size=world.num_pairs, replace=is_many)
    chosen = [tasks[index] for index in indices]
    return [measure_model(runner, chosen, replace(world.plan, group_size=8), rng)]


def _tasks(
    make: Callable[[], TabularGame], world: World, rng: np.random.Generator
) -> list[Measured]:
    num_tasks = min(TASKS_PER_SEED, world.num_pairs)
    plan = replace(world.plan, num_pairs=world.num_pairs // num_tasks)
    return [measure_game(make(), plan, task, rng) for task in range(num_tasks)]


@dataclass(frozen=True, slots=True)
class Game:
    """A game of the bench.

    Args:
        measure: Samples the tasks of one seed and measures them.
        num_groups: Default number of groups per seed.
        meaning: Description in tables.
    """

    measure: Callable[[World, np.random.Generator], list[Measured]]
    num_groups: int
    meaning: str


GAMES: Mapping[str, Game] = {
    "bandit_4": Game(bandit(4), 96, "4 agents choose in turn; a high enough score is correct"),
    "bandit_16": Game(bandit(16), 96, "16 agents choose in turn; a high enough score is correct"),
    "think_solve": Game(think_solve(1), 256, "a message changes the odds of the answer"),
    "think_think_solve": Game(think_solve(2), 256, "two thinkers, one solver"),
    "vote_5": Game(vote(5), 256, "5 voters who do not read each other; most votes win"),
    "tiny": Game(tiny, 24, "the embedded model, frozen, on arithmetic; sampled true advantages"),
    "hints": Game(
        hints, 256, "hints to competition problems, and answers of four recorded language models"
    ),
}
"""Games by name."""
