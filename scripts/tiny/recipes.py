"""What the shipped models learn: `tiny`, `tiny_teams` and `tiny_choice`."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial

import numpy as np

from baselines.rollouts import ratings
from ccpo_env.prompts import OPTIONS
from scripts.tiny import choice, teams
from scripts.tiny.choice import draw_choice_demonstration
from scripts.tiny.demonstrations import (
    HABITS,
    LESSON,
    TEMPLATES,
    Demonstration,
    draw_demonstration,
)
from scripts.tiny.teams import SPECIALIST_OF, draw_team_demonstration
from scripts.tiny.vocabulary import fragments_of

NAMED = 4
"""Number of agents per role whose message heading is one token."""
CHAIN_AGENTS = (*(f"thinker_{k}" for k in range(NAMED)), "solver_0")
VOTERS_AND_DEBATERS = tuple(f"{role}_{n}" for role in ("voter", "debater") for n in range(NAMED))


@dataclass(frozen=True, slots=True, kw_only=True)
class WarmStart:
    """Settings of a model and of its warm start."""

    seed: int = 0
    """Seed of the weights and the demonstrations."""
    num_steps: int = 2500
    """Torch optimizer steps."""
    batch_size: int = 64
    """Demonstrations a step."""
    learning_rate: float = 4e-3
    """Peak learning rate of a schedule with warm-up and cosine decay to zero."""
    hidden_size: int = 64
    """Width of the network."""
    num_layers: int = 2
    """Depth: two layers cannot do two steps of arithmetic in one forward pass."""
    lesson_rate: float = 0.75
    """Share of steps with good demonstrations only, so that arithmetic and the use of a thought are
    learned fast. The remaining steps make the agents mediocre."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Recipe:
    """What makes one of the shipped models different from the others.

    Args:
        fragments: Fixed texts with one token each.
        lesson: Draws a good demonstration.
        habits: Draws a demonstration of the remaining steps.
        settings: Settings of the warm start.
        resembles: For a model that starts from the weights of `tiny`, the fragment of `tiny` that
            each of its new fragments resembles; its tokens are copied. Empty: random weights.
        is_half: Whether the weights are stored in half precision. They are trained, and loaded, in
            single precision.
    """

    fragments: tuple[str, ...]
    lesson: Callable[[np.random.Generator], Demonstration]
    habits: Callable[[np.random.Generator], Demonstration]
    settings: WarmStart
    resembles: Mapping[str, str] = field(default_factory=dict)
    is_half: bool = False


TINY = Recipe(
    fragments=fragments_of(
        TEMPLATES.values(),
        (*CHAIN_AGENTS, *VOTERS_AND_DEBATERS),
        others=(
            ratings.JUDGE,
            *(ratings.RATER.format(rater=agent) for agent in CHAIN_AGENTS),
            *(ratings.OUTCOME.format(outcome=outcome) for outcome in ("correct", "wrong")),
            *(ratings.CREDIT.format(agent=agent) for agent in CHAIN_AGENTS),
            *(ratings.BLAME.format(agent=agent) for agent in CHAIN_AGENTS),
            ratings.ONE_DIGIT,
        ),
    ),
    lesson=partial(draw_demonstration, LESSON),
    habits=partial(draw_demonstration, HABITS),
    settings=WarmStart(),
)
TINY_TEAMS = Recipe(
    fragments=fragments_of(teams.TEMPLATES, [f"{role}_0" for role in SPECIALIST_OF.values()]),
    lesson=partial(draw_team_demonstration, teams.LESSON),
    habits=partial(draw_team_demonstration, teams.HABITS),
    settings=WarmStart(num_steps=600, learning_rate=2e-3, lesson_rate=0.4),
    resembles=teams.resembles(),
    is_half=True,
)
TINY_CHOICE = Recipe(
    fragments=fragments_of(
        choice.TEMPLATES,
        (*(f"thinker_{k}" for k in range(2)), "solver_0"),
        others=(OPTIONS, *choice.OPTION_LINES, *choice.RESULTS),
    ),
    lesson=partial(draw_choice_demonstration, choice.LESSON),
    habits=partial(draw_choice_demonstration, choice.HABITS),
    settings=WarmStart(num_steps=1700),
    is_half=True,
)
RECIPES: Mapping[str, Recipe] = {
    "tiny": TINY,
    "tiny_teams": TINY_TEAMS,
    "tiny_choice": TINY_CHOICE,
}
"""Recipes by the name of the policy."""
