r"""Demonstrations for teams that answer multiple-choice arithmetic: chains and votes.

Whoever works a question out writes the equations that are missing, and then the letter of the
option that is equal to the last result: `2*3=6 \boxed{C}`. A guess is any letter.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from ccpo_env.prompts import (
    AS_A_LETTER,
    THINK_SOLVE,
    plain_text,
    problem_text,
    with_answer_form,
)
from ccpo_env.tasks.arithmetic import MODULUS
from ccpo_env.tasks.arithmetic_choice import LETTERS, with_options
from ccpo_env.topologies.vote import VOTE
from ccpo_env.types import Message, PromptTemplate, Role, Task
from scripts.tiny.chains import (
    Chain,
    Thought,
    boxed,
    draw,
    draw_statement,
    draw_thought,
    draw_train_chain,
)
from scripts.tiny.demonstrations import THINKER_ANSWERS_RATE, Demonstration, thought_messages

BOX = r"\boxed{"
OPTION_LINES = tuple(f"{letter}. {digit}" for letter in LETTERS for digit in range(MODULUS))
"""One token each, so that two layers suffice to find the option with a given digit."""
RESULTS = tuple(f"{digit} {BOX}" for digit in range(MODULUS))
"""One token each: the result of the last equation and the box that waits for its letter."""
TEMPLATES: tuple[PromptTemplate, ...] = tuple(
    with_answer_form(template, AS_A_LETTER) for template in (THINK_SOLVE, VOTE)
)
KINDS: Mapping[str, float] = {
    "think": 0.25,
    "solve": 0.25,
    "answer_alone": 0.08,
    "vote": 0.17,
    "pick": 0.25,
}
NUM_OPTIONS: Mapping[str, float] = {"1": 0.25, "2": 0.25, "4": 0.5}
"""Rates of the number of options where only the letter is left to write: from one option a model
learns to copy a letter, and then from several which one."""
NUM_THOUGHTS: Mapping[str, float] = {"1": 0.75, "2": 0.25}


@dataclass(frozen=True, slots=True, kw_only=True)
class ChoiceMix:
    """Rates of the styles of demonstrations.

    Args:
        thinker_styles: Styles of a thought, see `draw_thought`.
        read_styles: Styles of the last thought that the solver reads.
        solver_styles: "work": the last equation and its letter; "guess": a letter.
        voter_styles: "work": all equations and their letter; "wrong": so, from a misread first
            number; "guess": a letter.
        is_short: Whether answers without a thought are about one operation only.
    """

    thinker_styles: Mapping[str, float]
    read_styles: Mapping[str, float]
    solver_styles: Mapping[str, float]
    voter_styles: Mapping[str, float]
    is_short: bool


LESSON = ChoiceMix(
    thinker_styles={"full": 1.0},
    read_styles={"full": 1.0},
    solver_styles={"work": 1.0},
    voter_styles={"work": 1.0},
    is_short=True,
)
HABITS = ChoiceMix(
    thinker_styles={"full": 0.14, "partial": 0.13, "filler": 0.58, "wrong": 0.15},
    read_styles={"full": 0.65, "partial": 0.15, "wrong": 0.2},
    solver_styles={"work": 0.15, "guess": 0.85},
    voter_styles={"work": 0.12, "wrong": 0.04, "guess": 0.84},
    is_short=False,
)


def choice_prompt(role: Role, task: Task, messages: Sequence[Message], *, answers: bool) -> str:
    """Return the prompt of an agent, equal to the environment's."""
    template = next(template for template in TEMPLATES if role in template.roles)
    problem = problem_text(task.question, messages, choices=task.choices)
    return plain_text(template.instruction(role, answers=answers), problem)


def draw_choice_demonstration(mix: ChoiceMix, rng: np.random.Generator) -> Demonstration:
    """Draw a demonstration."""
    return _KINDS[draw(KINDS, rng)](mix, rng)


def task_of(chain: Chain) -> Task:
    """Return the multiple-choice task of a chain."""
    return with_options(Task(chain.question, chain.question, str(chain.answer), "arithmetic"))


def lettered(text: str, result: int, task: Task, rng: np.random.Generator) -> str:
    """Return equations followed by the letter of their result, any letter if it is no option."""
    is_option = str(result) in task.choices
    letter = LETTERS[task.choices.index(str(result))] if is_option else _guess(rng)
    return f"{text} {boxed(letter)}"


def _solution(
    chain: Chain, task: Task, thoughts: Sequence[Thought], mix: ChoiceMix, rng: np.random.Generator
) -> str:
    """Return the last equation, as it follows from the last useful thought, and its letter."""
    believed = [thought for thought in thoughts if thought.answer is not None]
    if draw(mix.solver_styles, rng) == "guess" or not (believed or chain.is_short):
        return boxed(_guess(rng))
    before, result = str(chain.start), chain.answer
    if believed:
        before, result = believed[-1].text[-1], believed[-1].answer or 0
    symbol, number = chain.steps[-1]
    return lettered(f"{before}{symbol}{number}={result}", result, task, rng)


def _think(mix: ChoiceMix, rng: np.random.Generator) -> Demonstration:
    chain = draw_train_chain(rng)
    before = thought_messages(_thoughts(chain, mix, rng)) if rng.random() < 0.15 else ()
    thought = draw_thought(chain, draw(mix.thinker_styles, rng), rng)
    prompt = choice_prompt("thinker", task_of(chain), before, answers=False)
    return Demonstration(prompt, thought.text)


def _solve(mix: ChoiceMix, rng: np.random.Generator) -> Demonstration:
    chain = draw_train_chain(rng)
    task, thoughts = task_of(chain), _thoughts(chain, mix, rng)
    prompt = choice_prompt("solver", task, thought_messages(thoughts), answers=True)
    return Demonstration(prompt, _solution(chain, task, thoughts, mix, rng))


def _answer_alone(mix: ChoiceMix, rng: np.random.Generator) -> Demonstration:
    chain = draw_train_chain(rng, is_short=mix.is_short)
    task = task_of(chain)
    if rng.random() < 0.5:
        thoughts = [draw_thought(chain, "filler", rng)] * int(draw(NUM_THOUGHTS, rng))
        role: Role = "solver"
    else:
        thoughts = []
        role = "thinker" if rng.random() < THINKER_ANSWERS_RATE else "solver"
    prompt = choice_prompt(role, task, thought_messages(thoughts), answers=True)
    return Demonstration(prompt, _solution(chain, task, thoughts, mix, rng))


def _vote(mix: ChoiceMix, rng: np.random.Generator) -> Demonstration:
    style = draw(mix.voter_styles, rng)
    chain = draw_train_chain(rng)
    task = task_of(chain)
    prompt = choice_prompt("voter", task, (), answers=True)
    if style == "guess":
        return Demonstration(prompt, boxed(_guess(rng)))
    statement, result = draw_statement(chain, "full" if style == "work" else style, rng)
    text = statement.removesuffix(f" {boxed(result)}")
    return Demonstration(prompt, lettered(text, result, task, rng))


def _pick(_mix: ChoiceMix, rng: np.random.Generator) -> Demonstration:
    """Draw a solution of which only the letter is missing, with some of the options."""
    chain = draw_train_chain(rng)
    task, thoughts = task_of(chain), [draw_thought(chain, "full", rng)]
    text = _solution(chain, task, thoughts, LESSON, rng)
    prompt = choice_prompt("solver", task, thought_messages(thoughts), answers=True)
    others = [letter for letter in LETTERS if letter != task.answer]
    num_left_out = len(LETTERS) - int(draw(NUM_OPTIONS, rng))
    for letter in rng.permutation(others)[:num_left_out]:
        prompt = prompt.replace(f"{letter}. {task.choices[LETTERS.index(letter)]}\n", "")
    start = text.index(BOX) + len(BOX)
    return Demonstration(prompt + text[:start], text[start:])


_KINDS: Mapping[str, Callable[[ChoiceMix, np.random.Generator], Demonstration]] = {
    "think": _think,
    "solve": _solve,
    "answer_alone": _answer_alone,
    "vote": _vote,
    "pick": _pick,
}


def _thoughts(chain: Chain, mix: ChoiceMix, rng: np.random.Generator) -> list[Thought]:
    styles = [draw(mix.read_styles, rng)]
    if draw(NUM_THOUGHTS, rng) == "2":
        styles.insert(int(rng.integers(2)), "filler")
    return [draw_thought(chain, style, rng) for style in styles]


def _guess(rng: np.random.Generator) -> str:
    return LETTERS[int(rng.integers(len(LETTERS)))]
