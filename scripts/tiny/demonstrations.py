"""Demonstrations for the warm start: prompts and completions of every role.

Each demonstration has a kind; a `Mix` holds the rate and the quality of each kind.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from ccpo_env.prompts import THINK_SOLVE, plain_text, problem_text
from ccpo_env.topologies.debate import DEBATE
from ccpo_env.topologies.vote import VOTE
from ccpo_env.types import Message, PromptTemplate, Role
from scripts.tiny.chains import (
    Chain,
    Thought,
    as_messages,
    boxed,
    draw,
    draw_statement,
    draw_thought,
    draw_train_chain,
)
from scripts.tiny.ratings import draw_rating

TEMPLATES: Mapping[Role, PromptTemplate] = {
    role: template for template in (THINK_SOLVE, VOTE, DEBATE) for role in template.roles
}
NUM_THOUGHTS: Mapping[str, float] = {"1": 0.6, "2": 0.33, "3": 0.05, "4": 0.02}
"""Rates of the number of thoughts in a prompt: mostly one, as in the default team."""
NUM_DEBATERS: Mapping[str, float] = {"1": 0.1, "2": 0.75, "3": 0.15}
NUM_STATEMENTS: Mapping[str, float] = {"0": 0.3, "1": 0.25, "2": 0.2, "3": 0.22, "4": 0.03}
"""Rates of the number of statements that a debater reads."""
ANSWERS_RATE = 0.4
"""Share of debaters that speak last."""
THINKER_ANSWERS_RATE = 0.3
"""Share of answers without any message that a thinker gives, with its solver removed."""
THINKER_SOLVES_RATE = 0.07
"""Share of answers with a thought to read that a thinker gives, with its solver removed."""
RATING_WEIGHT = 4.0
"""Weight of a rating, whose single digit the many tokens of a thought would outweigh."""


@dataclass(frozen=True, slots=True)
class Demonstration:
    """A prompt with the completion to imitate.

    Args:
        prompt: Prompt of the model.
        completion: Completion to imitate.
        weight: Weight of each of its tokens in the loss.
    """

    prompt: str
    completion: str
    weight: float = 1.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Mix:
    """Rates of the kinds of demonstrations, and of their styles.

    Args:
        kinds: "think": a thought; "solve": an answer after thoughts; "answer_alone": an answer
            without a useful thought; "think_further": a thought after thoughts; "vote",
            "debate", "rate": a statement of a voter or debater, and a rating.
        thinker_styles: Styles of the demonstrated thoughts, see `draw_thought`.
        solver_styles: Styles of the last thought before an answer.
        other_styles: Styles of the other thoughts, in a longer chain.
        short_rate: Share of one-operation questions among answers without a useful thought.
        statement_styles: Styles of voters and of the first debater, see `draw_statement`.
        reply_styles: Styles of the later debaters.
        short_guess_rate: Share of guesses with a question of one operation.
        is_noisy: Whether ratings are noisy.
    """

    kinds: Mapping[str, float]
    thinker_styles: Mapping[str, float]
    solver_styles: Mapping[str, float]
    other_styles: Mapping[str, float]
    short_rate: float
    statement_styles: Mapping[str, float]
    reply_styles: Mapping[str, float]
    short_guess_rate: float
    is_noisy: bool


LESSON = Mix(
    kinds={
        "think": 0.32,
        "solve": 0.23,
        "answer_alone": 0.1,
        "think_further": 0.03,
        "vote": 0.1,
        "debate": 0.1,
        "rate": 0.12,
    },
    thinker_styles={"full": 1.0},
    solver_styles={"full": 1.0},
    other_styles={"full": 0.5, "filler": 0.5},
    short_rate=1.0,  # longer questions cannot be answered alone; guesses are useless
    statement_styles={"full": 0.75, "guess": 0.25},
    reply_styles={"full": 0.5, "follow": 0.35, "guess": 0.15},
    short_guess_rate=1.0,
    is_noisy=False,
)
HABITS = Mix(
    kinds={
        "think": 0.25,
        "solve": 0.23,
        "answer_alone": 0.13,
        "think_further": 0.07,
        "vote": 0.12,
        "debate": 0.1,
        "rate": 0.1,
    },
    # Filler is most probable, so that greedy thinkers can improve as much as sampled ones.
    thinker_styles={"full": 0.14, "partial": 0.13, "filler": 0.58, "wrong": 0.15},
    solver_styles={"full": 0.65, "partial": 0.15, "wrong": 0.2},
    other_styles={"full": 0.2, "partial": 0.1, "filler": 0.6, "wrong": 0.1},
    short_rate=0.7,
    statement_styles={"guess": 0.8, "full": 0.16, "wrong": 0.04},
    reply_styles={"guess": 0.45, "follow": 0.4, "full": 0.12, "wrong": 0.03},
    short_guess_rate=0.0,
    is_noisy=True,
)


def prompt_text(role: Role, chain: Chain, messages: Sequence[Message], *, answers: bool) -> str:
    """Return the prompt of an agent, equal to the environment's."""
    instruction = TEMPLATES[role].instruction(role, answers=answers)
    return plain_text(instruction, problem_text(chain.question, messages))


def draw_demonstration(mix: Mix, rng: np.random.Generator) -> Demonstration:
    """Draw a demonstration."""
    return _KINDS[draw(mix.kinds, rng)](mix, rng)


def _think(mix: Mix, rng: np.random.Generator) -> Demonstration:
    chain = draw_train_chain(rng)
    thought = draw_thought(chain, draw(mix.thinker_styles, rng), rng)
    return Demonstration(prompt_text("thinker", chain, (), answers=False), thought.text)


def _think_further(mix: Mix, rng: np.random.Generator) -> Demonstration:
    chain = draw_train_chain(rng)
    messages = thought_messages(_thoughts(chain, mix, rng))
    thought = draw_thought(chain, draw(mix.thinker_styles, rng), rng)
    return Demonstration(prompt_text("thinker", chain, messages, answers=False), thought.text)


def _solve(mix: Mix, rng: np.random.Generator) -> Demonstration:
    chain = draw_train_chain(rng)
    thoughts = _thoughts(chain, mix, rng)
    role: Role = "thinker" if rng.random() < THINKER_SOLVES_RATE else "solver"
    prompt = prompt_text(role, chain, thought_messages(thoughts), answers=True)
    return Demonstration(prompt, boxed(believed_answer(chain, thoughts)))


def _answer_alone(mix: Mix, rng: np.random.Generator) -> Demonstration:
    chain = draw_train_chain(rng, is_short=rng.random() < mix.short_rate)
    if rng.random() < 0.5:
        thoughts = [draw_thought(chain, "filler", rng)] * int(draw(NUM_THOUGHTS, rng))
        prompt = prompt_text("solver", chain, thought_messages(thoughts), answers=True)
    else:
        role: Role = "thinker" if rng.random() < THINKER_ANSWERS_RATE else "solver"
        prompt = prompt_text(role, chain, (), answers=True)
    return Demonstration(prompt, boxed(chain.answer))


def _vote(mix: Mix, rng: np.random.Generator) -> Demonstration:
    style = draw(mix.statement_styles, rng)
    chain = _chain_for(style, mix, rng)
    statement, _ = draw_statement(chain, style, rng)
    return Demonstration(prompt_text("voter", chain, (), answers=True), statement)


def _debate(mix: Mix, rng: np.random.Generator) -> Demonstration:
    num_read = int(draw(NUM_STATEMENTS, rng))
    style = draw(mix.reply_styles if num_read else mix.statement_styles, rng)
    chain = _chain_for(style, mix, rng)
    read: list[str] = []
    latest: int | None = None
    for _ in range(num_read):
        styles = mix.reply_styles if read else mix.statement_styles
        statement, latest = draw_statement(chain, draw(styles, rng), rng, latest=latest)
        read.append(statement)
    statement, _ = draw_statement(chain, style, rng, latest=latest)
    num_debaters = int(draw(NUM_DEBATERS, rng))
    first = (
        int(rng.integers(2)) if num_debaters == 1 else 0
    )  # the remaining agents if one is removed
    speakers = [first + place % num_debaters for place in range(num_read)]
    messages = as_messages("debater", read, speakers)
    answers = rng.random() < ANSWERS_RATE
    return Demonstration(prompt_text("debater", chain, messages, answers=answers), statement)


def _rate(mix: Mix, rng: np.random.Generator) -> Demonstration:
    return Demonstration(*draw_rating(rng, is_noisy=mix.is_noisy), weight=RATING_WEIGHT)


_KINDS: Mapping[str, Callable[[Mix, np.random.Generator], Demonstration]] = {
    "think": _think,
    "solve": _solve,
    "answer_alone": _answer_alone,
    "think_further": _think_further,
    "vote": _vote,
    "debate": _debate,
    "rate": _rate,
}


def thought_messages(thoughts: Sequence[Thought]) -> tuple[Message, ...]:
    """Return thoughts as the messages of a chain of thinkers."""
    return as_messages("thinker", [thought.text for thought in thoughts], range(len(thoughts)))


def believed_answer(chain: Chain, thoughts: Sequence[Thought]) -> int:
    """Return the answer of the last thought that has one, else the gold answer."""
    believed = [thought.answer for thought in thoughts if thought.answer is not None]
    return believed[-1] if believed else chain.answer


def _chain_for(style: str, mix: Mix, rng: np.random.Generator) -> Chain:
    is_short = style == "guess" and rng.random() < mix.short_guess_rate
    return draw_train_chain(rng, is_short=is_short)


def _thoughts(chain: Chain, mix: Mix, rng: np.random.Generator) -> list[Thought]:
    number = int(draw(NUM_THOUGHTS, rng))
    styles = [draw(mix.other_styles, rng) for _ in range(number)]
    styles[int(rng.integers(number))] = draw(mix.solver_styles, rng)
    return [draw_thought(chain, style, rng) for style in styles]
