"""Competition problems with hints: a chain in which the thinker's messages have a known worth.

The thinker gives a hint, a part of the solution or a concept that misleads, each as probable as the
others. The solver answers as four recorded language models did, who were given that message. All
values are exact by enumeration, so an estimated credit of a message has a true one beside it.
"""

from __future__ import annotations

import numpy as np

from baselines.bench.credit.games.chain import CORRECT, Chain
from baselines.bench.credit.games.recorded_answers import RecordedProblem
from baselines.common.types import FloatArray


def make_hints(problem: RecordedProblem) -> Chain:
    """Return the game of one problem.

    P(the solver is correct | message m) = (k_m + 1/2) / (n_m + 1)

    with k_m of n_m recorded models correct: the mean of a rate with Jeffreys' prior, so that none
    is 0 or 1. A thinker that has to answer because the solver is removed, and a solver without a
    thinker, answer as the models did without a message.

    Args:
        problem: Numbers of recorded models that were correct, for C messages and without one.
    """
    rates = (problem.correct + 0.5) / (problem.answered + 1.0)  # the last one is without a message
    num_messages = len(rates) - 1
    answers = np.stack([_answers(rate, num_messages) for rate in rates])  # IDLE is the last digit
    message = np.full((1, num_messages), 1.0 / num_messages)
    # Of the thinker: its message and its answer. Of the solver: messages that nobody would read,
    # because it is last in every team, and its answers to each message.
    return Chain(2, np.concatenate([message, answers[-1:], answers, answers]))


def _answers(rate: float, num_choices: int) -> FloatArray:
    """Return the chances of C answers, of which one is correct; the others are equally probable."""
    chances = np.full(num_choices, (1.0 - rate) / (num_choices - 1))
    chances[CORRECT] = rate
    return chances
