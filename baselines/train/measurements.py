"""What credit needs of rollouts that were played: ratings, own answers, influence, categories."""

from __future__ import annotations

from collections.abc import Collection, Sequence

import numpy as np

from baselines.credit.outcomes import Measurement
from baselines.rollouts.categories import Categorize, by_answer, with_categories
from baselines.rollouts.costs import CostTracker
from baselines.rollouts.groups import Group
from baselines.rollouts.letters import with_letters
from baselines.rollouts.own_answers import with_own_rewards
from baselines.rollouts.ratings import with_ratings
from baselines.rollouts.runner import RolloutRunner
from baselines.train.influence import with_influence


def with_measurements(
    groups: Sequence[Group],
    runner: RolloutRunner,
    needs: Collection[Measurement],
    *,
    categorize: Categorize | None,
    micro_batch_tokens: int,
    rng: np.random.Generator,
    costs: CostTracker,
) -> list[Group]:
    """Return the groups with what credit needs of them, besides replays and continuations.

    Only ratings sample anything.

    Args:
        groups: Groups of rollouts of the whole team.
        runner: The team that played them.
        needs: Which of "ratings", "own_rewards" and "influence" are measured; others are ignored.
        categorize: Sorts the messages into categories, for "features"; None: they are not sorted.
            By answer, letters of multiple-choice answers get their exact probabilities.
        micro_batch_tokens: Tokens of one forward pass for "influence".
        rng: Draws the ratings.
        costs: Accumulates the cost.
    """
    found = list(groups)
    if "ratings" in needs:
        found = with_ratings(found, runner, rng=rng, costs=costs)
    if "own_rewards" in needs:
        found = with_own_rewards(found, runner.topology, runner.verifier, costs=costs)
    if "influence" in needs:
        found = with_influence(found, runner, micro_batch_tokens=micro_batch_tokens, costs=costs)
    if categorize is not None:
        found = with_categories(found, runner.verifier, categorize, costs=costs)
    if categorize is by_answer:
        found = with_letters(found, runner, costs=costs)
    return found
