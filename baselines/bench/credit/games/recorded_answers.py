"""Answers of four language models to competition problems, recorded with and without hints.

The package champ-dataset holds what GPT-3.5, GPT-4, GPT-4 Turbo and PaLM 2 Medium answered to 270
problems when they were given nothing, a hint, a part of the solution, or a concept that misleads.

Source: Mao et al. 2024, "CHAMP: A Competition-level Dataset for Fine-Grained Analyses of LLMs'
Mathematical Reasoning Capabilities", arXiv:2406.06769.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from fractions import Fraction
from functools import lru_cache

import numpy as np

from baselines.common.types import FloatArray
from ccpo_env.tasks.champ import dataset, hints_of

ALONE = "0-Shot"
"""What the recorded models are asked without a message, in the names of the data set."""
MESSAGES: Mapping[str, str] = {
    "hint": "No C w/ H",
    "one third of the solution": "1/3 Soln",
    "two thirds of the solution": "2/3 Soln",
    "concept": "Direct C w/o H",
    "misleading concept": "Misleading C w/o H",
}
"""Messages of a thinker, and the names of the data set for the prompts that hold them."""
SOLVERS = ("GPT-3.5", "GPT-4", "GPT-4 Turbo", "PaLM 2 Medium")

MIN_CLEAR = 3
"""Fewest models whose answer to a problem is recorded and clear, for each message and without."""

_FRACTION = re.compile(r"\\[dt]?frac\{(-?\d+)\}\{(\d+)\}")
_NUMBER = re.compile(r"(?<![\w.])-?\d+(?:,\d{3})*(?:\.\d+)?(?:/\d+)?(?![\w])")
_SCRIPTS = re.compile(r"[_^](?:\{[^{}]*\}|-?\w+)")
_ASIDES = re.compile(r"\b(?:which|when|because|since|achieved|attain\w*|occur\w*)\b[^,]*", re.I)
_NO_NUMBER = re.compile(r"sqrt|√|binom|\bC\(|!|π|\\pi|∞|infty|\\sum|\\ln|\blog|\bno\b", re.I)
_AT_THE_END = re.compile(
    r"(?:\b(?:is|are|be)\b|=|≡)[\s$\\({]*(?:boxed\{)?(-?\d+(?:,\d{3})*(?:\.\d+)?(?:/\d+)?)[\s$\\)}.]*$"
)
_YES_OR_NO = re.compile(r"\W*(yes|no)\b", re.I)


@dataclass(frozen=True, slots=True)
class RecordedProblem:
    """One problem with what the recorded models made of it.

    Args:
        id: Identifier in the data set.
        question: The problem.
        answer: The gold answer: a number, "Yes" or "No".
        hints: Its hints, at least one.
        correct: Number of models that were right with each message, and last without one, shape
            (C + 1,).
        answered: Number of models whose answer is recorded and clear, shape (C + 1,).
    """

    id: str
    question: str
    answer: str
    hints: tuple[str, ...]
    correct: FloatArray
    answered: FloatArray


@lru_cache(maxsize=1)
def recorded_problems() -> tuple[RecordedProblem, ...]:
    """Return the problems with a hint of which it is clear whether the models answered them.

    The gold answer is a number that the problem does not mention itself, or yes or no.

    Raises:
        ImportError: If the package champ-dataset is not installed.
    """
    data = dataset()
    found = []
    for name, problem in data.problems.items():
        hints = hints_of(data, problem)
        if not hints or not _can_be_judged(problem.text, problem.answer):
            continue
        verdicts = [
            [_verdict(problem, f"{solver}|{prompt}") for solver in SOLVERS]
            for prompt in (*MESSAGES.values(), ALONE)
        ]
        judged = np.array(verdicts, dtype=np.float64)  # NaN where no answer was recorded
        answered = (~np.isnan(judged)).sum(axis=-1).astype(np.float64)
        if answered.min() < MIN_CLEAR:
            continue
        correct = np.nansum(judged, axis=-1)
        found.append(RecordedProblem(name, problem.text, problem.answer, hints, correct, answered))
    return tuple(found)


def is_stated(answer: str, summary: str, question: str) -> bool | None:
    """Return whether a sentence states the gold answer, and no other; None if that is not clear.

    A number counts at the end ("... is 89."), or if it is the only one, of those that the question
    lacks, apart from subordinate clauses ("which occurs when m = 1"), indices and exponents. A
    sentence with a root, a binomial or another symbol that the question lacks states no number.
    Yes and no count at the beginning; without either the sentence is not clear.
    """
    if answer in ("Yes", "No"):
        said = _YES_OR_NO.match(summary)
        return said.group(1).lower() == answer.lower() if said else None
    symbols = {found.lower() for found in _NO_NUMBER.findall(summary)}
    if symbols - {found.lower() for found in _NO_NUMBER.findall(question)}:
        return False
    plain = _SCRIPTS.sub("", _FRACTION.sub(r"\1/\2", summary))
    main = _ASIDES.sub("", plain)
    # A clause may stand in the middle: "the remainder when it is divided by 1982 is 0."
    for sentence in (main, plain if not _numbers(main) - _numbers(question) else main):
        last = _AT_THE_END.search(sentence)
        if last and not _numbers(last.group(1)) <= _numbers(question):
            return _numbers(last.group(1)) == _numbers(answer)
    return _numbers(main) - _numbers(question) == _numbers(answer)


def _can_be_judged(question: str, answer: str) -> bool:
    if answer in ("Yes", "No"):
        return True
    return bool(_NUMBER.fullmatch(answer)) and not _numbers(answer) & _numbers(question)


def _verdict(problem: object, key: str) -> float:
    """Return 1 for a right answer, 0 for a wrong one, NaN for a missing or unclear one."""
    summary = problem.conversations[key].messages[-1].text  # type: ignore[attr-defined]
    if summary is None:
        return float("nan")
    stated = is_stated(problem.answer, summary, problem.text)  # type: ignore[attr-defined]
    return float("nan") if stated is None else float(stated)


def _numbers(text: str) -> set[Fraction]:
    return {
        Fraction(found.replace(",", ""))
        for found in _NUMBER.findall(text)
        if not found.endswith("/0")
    }
