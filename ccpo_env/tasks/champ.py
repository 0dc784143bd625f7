"""CHAMP: competition problems with hints, from the package champ-dataset.

A hint of the authors is a thought whose worth is known: it helps to solve its problem.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from functools import lru_cache
from typing import Any

_OTHER_FORM = re.compile(
    r"(?P<first>.*?),? or (?:(?:an )?equivalent(?:ly| form such as) (?P<form>.*)|approximately .*)",
    re.DOTALL,
)
_REMARK = re.compile(r" \(i\.e\..*\)$")


def champ_rows() -> Iterator[dict[str, object]]:
    """Return the problems; the gold answer is written as a value where the authors give one.

    Raises:
        ImportError: If the package champ-dataset is not installed.
    """
    for name, problem in dataset().problems.items():
        yield {
            "id": name,
            "question": problem.text,
            "answer": plain_answer(problem.answer),
            "subject": problem.category,
        }


def champ_hints() -> Mapping[str, tuple[str, ...]]:
    """Return the hints for each task of the source "champ", by its id; some tasks have none.

    Raises:
        ImportError: If the package champ-dataset is not installed.
    """
    data = dataset()
    return {f"champ/{name}": hints_of(data, problem) for name, problem in data.problems.items()}


def hints_of(data: Any, problem: Any) -> tuple[str, ...]:
    """Return the hints of a problem of the data set."""
    return tuple(data[key].text for key in problem.ch_list if key.startswith("H_"))


def plain_answer(answer: str) -> str:
    """Return one form of an answer: "C(10, 5), or equivalently 252" is 252."""
    forms = _OTHER_FORM.fullmatch(answer)
    return _REMARK.sub("", answer if forms is None else forms["form"] or forms["first"])


@lru_cache(maxsize=1)
def dataset() -> Any:
    """Return the data set.

    Raises:
        ImportError: If the package champ-dataset is not installed.
    """
    try:
        import champ_dataset
    except ImportError:
        raise ImportError(
            "tasks 'champ' must find the package champ-dataset, got none; run pip install "
            "'ccpo-env[tasks]'"
        ) from None
    return champ_dataset.load("v0")  # type: ignore[no-untyped-call]
