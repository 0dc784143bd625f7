"""Demonstrations of ratings: each agent's share of the outcome, with noise."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from baselines.rollouts.ratings import RatedRollout, rating_prompt
from ccpo_env.tasks.arithmetic import MODULUS
from ccpo_env.types import Message, Task
from scripts.tiny.chains import (
    Chain,
    Thought,
    as_messages,
    boxed,
    draw,
    draw_thought,
    draw_train_chain,
)

RATED_THINKERS: Mapping[str, float] = {"1": 0.75, "2": 0.25}
"""Rates of the number of thinkers of a rated chain."""
RATED_STYLES: Mapping[str, float] = {"full": 0.4, "partial": 0.12, "filler": 0.18, "wrong": 0.3}
SLIP_RATE = 0.3
"""Share of the answers that do not follow from the thought."""
LUCK_RATE = 0.4
"""Share of correct guesses, so that filler also occurs with a correct answer."""
CREDIT_WEIGHTS: Mapping[str, float] = {"full": 7.0, "partial": 3.0, "filler": 1.0, "wrong": 1.0}
"""Credit of a thought by style for a correct outcome, relative to SOLVER_CREDIT."""
SOLVER_CREDIT = 3.0
BLAME_WEIGHTS: Mapping[str, float] = {"full": 1.0, "partial": 3.0, "filler": 4.0, "wrong": 6.0}
"""Blame of a thought by style for a wrong outcome, relative to the solver's."""
SOLVER_BLAME = 2.0
SLIPPED_BLAME = 6.0
"""Blame of a solver with sufficient and correct thoughts, instead of SOLVER_BLAME."""
NOISE: Mapping[str, float] = {"-2": 0.1, "-1": 0.2, "0": 0.4, "1": 0.2, "2": 0.1}
"""Errors of a rater, in tenths."""
LEAST, MOST = 1, 9


def draw_rating(rng: np.random.Generator, *, is_noisy: bool) -> tuple[str, str]:
    """Draw the prompt of a rating and the digit to imitate."""
    chain = draw_train_chain(rng)
    num_thinkers = int(draw(RATED_THINKERS, rng))
    thoughts = [draw_thought(chain, draw(RATED_STYLES, rng), rng) for _ in range(num_thinkers)]
    rollout = draw_rollout(chain, thoughts, rng)
    agents = [message.agent for message in rollout.messages]
    rater = agents[int(rng.integers(len(agents)))]
    rated = int(rng.integers(len(agents)))
    styles = [thought.style for thought in thoughts]
    tenths = deserved_tenths(styles, is_correct=rollout.is_correct)[rated]
    tenths += int(draw(NOISE, rng)) if is_noisy else 0
    prompt = rating_prompt(rollout, rater, agents[rated], as_json=False)
    return prompt.text, str(min(max(round(tenths), LEAST), MOST))


def draw_rollout(
    chain: Chain, thoughts: Sequence[Thought], rng: np.random.Generator
) -> RatedRollout:
    """Draw a rollout of a chain in which the solver mostly follows the last thought."""
    believed = [thought.answer for thought in thoughts if thought.answer is not None]
    if believed:
        answer = believed[-1]
        if rng.random() < SLIP_RATE:
            answer = (answer + int(rng.integers(1, MODULUS))) % MODULUS
    else:
        is_right = chain.is_short or rng.random() < LUCK_RATE
        answer = chain.answer if is_right else int(rng.integers(MODULUS))
    texts = [thought.text for thought in thoughts]
    messages = (
        *as_messages("thinker", texts, range(len(texts))),
        Message("solver_0", boxed(answer)),
    )
    task = Task(id=chain.question, question=chain.question, answer=str(chain.answer))
    return RatedRollout(task, messages, is_correct=answer == chain.answer)


def deserved_tenths(styles: Sequence[str], *, is_correct: bool) -> list[float]:
    """Return each agent's share of the credit or blame, in tenths.

        tenths_a = 10 w_a / sum of all w

    Args:
        styles: Style of each thinker's message, in speaking order.
        is_correct: Whether the answer of the team is correct.

    Returns:
        One number per thinker and one for the solver; they sum to 10.
    """
    if is_correct:
        weights = [*(CREDIT_WEIGHTS[style] for style in styles), SOLVER_CREDIT]
    else:
        was_told = "full" in styles and "wrong" not in styles
        solver = SLIPPED_BLAME if was_told else SOLVER_BLAME
        weights = [*(BLAME_WEIGHTS[style] for style in styles), solver]
    return [10.0 * weight / sum(weights) for weight in weights]
