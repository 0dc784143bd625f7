r"""Demonstrations for the teams of `tiny_teams`: specialists with their solver, and a mixed vote.

One model speaks in all roles; its first words tell it which one, and so what it can do. A
specialist works out chains of its own operation. About others it is silent, or writes numbers that
have nothing to do with them. Voters differ in how often they work a question out.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np

from ccpo_env.prompts import MESSAGE_OF, THINK_SOLVE, plain_text, problem_text
from ccpo_env.tasks.arithmetic import MODULUS, intermediate_values
from ccpo_env.tasks.arithmetic_one_kind import draw_chain_of_one_kind
from ccpo_env.tasks.splits import in_split
from ccpo_env.topologies.mixed_vote import MIXED_VOTE, NUM_VOTERS
from ccpo_env.topologies.specialists import SPECIALISTS
from ccpo_env.topologies.vote import VOTE
from ccpo_env.types import Message, PromptTemplate, Role
from scripts.tiny.chains import (
    Chain,
    Thought,
    boxed,
    draw,
    draw_statement,
    draw_thought,
    draw_train_chain,
)
from scripts.tiny.demonstrations import Demonstration

TEMPLATES: tuple[PromptTemplate, ...] = (SPECIALISTS, MIXED_VOTE)
SPECIALIST_OF: Mapping[str, Role] = {"+": "adder", "-": "subtracter", "*": "multiplier"}
"""The role that can do an operation."""
KINDS: Mapping[str, float] = {"specialist": 0.4, "solve": 0.3, "vote": 0.28, "answer_alone": 0.02}
ABSENT_RATE = 0.12
"""Chance that a specialist is removed from what the solver reads."""
NONSENSE = "nonsense"


@dataclass(frozen=True, slots=True, kw_only=True)
class TeamMix:
    """Rates of the styles of demonstrations.

    Args:
        own_styles: Styles of a specialist about its own operation, see `draw_thought`.
        other_styles: Its styles about other operations: "filler" or "nonsense".
        read_styles: Styles of the specialist of the question, in what the solver reads.
        statement_styles: Styles of each kind of voter, see `draw_statement`.
        short_guess_rate: Share of guesses with a question of one operation.
    """

    own_styles: Mapping[str, float]
    other_styles: Mapping[str, float]
    read_styles: Mapping[str, float]
    statement_styles: Mapping[Role, Mapping[str, float]]
    short_guess_rate: float


LESSON = TeamMix(
    own_styles={"full": 1.0},
    other_styles={"filler": 1.0},
    read_styles={"full": 1.0},
    statement_styles={role: {"full": 0.75, "guess": 0.25} for role in NUM_VOTERS},
    short_guess_rate=1.0,  # guesses at longer questions teach nothing
)
HABITS = TeamMix(
    own_styles={"full": 0.3, "partial": 0.1, "filler": 0.45, "wrong": 0.15},
    other_styles={"filler": 0.65, NONSENSE: 0.35},
    read_styles={"full": 0.65, "partial": 0.1, "filler": 0.1, "wrong": 0.15},
    statement_styles={
        "expert": {"full": 0.4, "wrong": 0.05, "guess": 0.55},
        "apprentice": {"full": 0.15, "wrong": 0.1, "guess": 0.75},
        "novice": {"full": 0.03, "wrong": 0.07, "guess": 0.9},
    },
    short_guess_rate=0.0,
)


def resembles() -> dict[str, str]:
    """Return the fixed text of `tiny` that each new one of these teams resembles."""
    heading = MESSAGE_OF.format
    return {
        **{
            SPECIALISTS.roles[role]: THINK_SOLVE.roles["thinker"] for role in SPECIALIST_OF.values()
        },
        SPECIALISTS.roles["solver"]: THINK_SOLVE.roles["solver"],
        **dict.fromkeys(MIXED_VOTE.roles.values(), VOTE.roles["voter"]),
        **{
            heading(agent=f"{role}_0"): heading(agent=f"thinker_{place}")
            for place, role in enumerate(SPECIALIST_OF.values())
        },
    }


def draw_team_demonstration(mix: TeamMix, rng: np.random.Generator) -> Demonstration:
    """Draw a demonstration."""
    return _KINDS[draw(KINDS, rng)](mix, rng)


def team_prompt(
    prompts: PromptTemplate,
    role: Role,
    chain: Chain,
    messages: tuple[Message, ...],
    *,
    answers: bool,
) -> str:
    """Return the prompt of an agent, equal to the environment's."""
    instruction = prompts.instruction(role, answers=answers)
    return plain_text(instruction, problem_text(chain.question, messages))


def draw_train_chain_of_one_kind(rng: np.random.Generator) -> Chain:
    """Draw a question of the train split whose operations are all the same."""
    while True:
        start, steps = draw_chain_of_one_kind(rng)
        chain = Chain(start, tuple(steps))
        if in_split(chain.question, "train"):
            return chain


def draw_message(
    chain: Chain, role: Role, mix: TeamMix, rng: np.random.Generator, *, is_read: bool = False
) -> Thought:
    """Draw a specialist's message about a chain of one kind, or one that the solver reads.

    Args:
        chain: The question.
        role: The specialist.
        mix: Rates of the styles.
        rng: Draws the style and the message.
        is_read: Whether it is one that the solver reads, which is better.
    """
    if role == specialist_of(chain):
        return draw_thought(chain, draw(mix.read_styles if is_read else mix.own_styles, rng), rng)
    style = draw(mix.other_styles, rng)
    return draw_nonsense(chain, rng) if style == NONSENSE else draw_thought(chain, style, rng)


def specialist_of(chain: Chain) -> Role:
    """Return the role that can do the operation of a chain of one kind."""
    (symbol,) = {symbol for symbol, _ in chain.steps}
    return SPECIALIST_OF[symbol]


def draw_nonsense(chain: Chain, rng: np.random.Generator) -> Thought:
    """Draw a full thought whose every result is a random digit, as of somebody who cannot do it."""
    equations, value = [], chain.start
    for symbol, number in chain.steps[:-1]:
        result = int(rng.integers(MODULUS))
        equations.append(f"{value}{symbol}{number}={result}")
        value = result
    answer = intermediate_values(value, [chain.steps[-1]])[-1]
    return Thought(";".join(equations), NONSENSE, answer)


def _specialist(mix: TeamMix, rng: np.random.Generator) -> Demonstration:
    chain = draw_train_chain_of_one_kind(rng)
    roles = tuple(SPECIALIST_OF.values())
    role = roles[int(rng.integers(len(roles)))]
    prompt = team_prompt(SPECIALISTS, role, chain, (), answers=False)
    return Demonstration(prompt, draw_message(chain, role, mix, rng).text)


def _solve(mix: TeamMix, rng: np.random.Generator) -> Demonstration:
    chain = draw_train_chain_of_one_kind(rng)
    read = {
        role: draw_message(chain, role, mix, rng, is_read=True)
        for role in SPECIALIST_OF.values()
        if rng.random() >= ABSENT_RATE
    }
    messages = tuple(Message(f"{role}_0", thought.text) for role, thought in read.items())
    # It cannot tell who is right, and believes one of those who say something.
    believed = [thought.answer for thought in read.values() if thought.answer is not None]
    answer = believed[int(rng.integers(len(believed)))] if believed else _guess(rng)
    prompt = team_prompt(SPECIALISTS, "solver", chain, messages, answers=True)
    return Demonstration(prompt, boxed(answer))


def _answer_alone(_mix: TeamMix, rng: np.random.Generator) -> Demonstration:
    """Draw the guess of a specialist that answers, because the solver is removed."""
    chain = draw_train_chain_of_one_kind(rng)
    roles = tuple(SPECIALIST_OF.values())
    role = roles[int(rng.integers(len(roles)))]
    prompt = team_prompt(SPECIALISTS, role, chain, (), answers=True)
    return Demonstration(prompt, boxed(_guess(rng)))


def _vote(mix: TeamMix, rng: np.random.Generator) -> Demonstration:
    roles = tuple(NUM_VOTERS)
    role = roles[int(rng.integers(len(roles)))]
    style = draw(mix.statement_styles[role], rng)
    is_short = style == "guess" and rng.random() < mix.short_guess_rate
    chain = draw_train_chain(rng, is_short=is_short)
    statement, _ = draw_statement(chain, style, rng)
    return Demonstration(team_prompt(MIXED_VOTE, role, chain, (), answers=True), statement)


def _guess(rng: np.random.Generator) -> int:
    return int(rng.integers(MODULUS))


_KINDS: Mapping[str, Callable[[TeamMix, np.random.Generator], Demonstration]] = {
    "specialist": _specialist,
    "solve": _solve,
    "vote": _vote,
    "answer_alone": _answer_alone,
}
