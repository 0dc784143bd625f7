"""Rows of public benchmarks whose columns have names of their own."""

from __future__ import annotations

import ast
from collections.abc import Mapping
from typing import Any

from ccpo_env.prompts import LETTERS
from ccpo_env.tasks.lettered import options_in_question
from ccpo_env.tasks.values import NotATaskError

Columns = Mapping[str, Any]


def medqa(row: Columns) -> Columns:
    """MedQA: options are lines of the question, or a mapping of letters to texts."""
    if row.get("options") is not None or row.get("choices") is not None:
        subject = row.get("subject") or row.get("meta_info")
        return {**row, "subject": subject}
    question, answer = row.get("question"), row.get("answer")
    parts = options_in_question(question) if isinstance(question, str) else None
    if parts is None:
        raise NotATaskError("have a question that ends with the lines of its options", row)
    if not isinstance(answer, str) or answer.strip() not in (*LETTERS[: len(parts[1])], ""):
        raise NotATaskError(
            f"have a letter from A to {LETTERS[len(parts[1]) - 1]} as 'answer'", answer
        )
    return {**row, "question": parts[0], "choices": list(parts[1]), "answer_idx": answer.strip()}


def logiqa(row: Columns) -> Columns:
    """LogiQA: the passage is the context, and the gold answer an index or a letter."""
    passage = next((row[key] for key in ("context", "passage", "text") if row.get(key)), None)
    label = next(
        (row[key] for key in ("correct_option", "label", "answer") if row.get(key) is not None),
        None,
    )
    kept = {key: row[key] for key in ("id", "options", "split") if key in row}
    question = row.get("query") if row.get("question") is None else row["question"]
    return {**kept, "question": question, "context": passage, "answer_idx": label}


def arc(row: Columns) -> Columns:
    """ARC: question and options are columns, or both are within the question."""
    inner = row.get("question")
    if not isinstance(inner, Mapping):
        return row
    return {**row, "question": inner.get("stem"), "choices": inner.get("choices")}


def mmlu_pro(row: Columns) -> Columns:
    """MMLU-Pro: the number of a question is its id."""
    return {**row, "id": row.get("id", row.get("question_id"))}


_GPQA_WRONG = ("Incorrect Answer 1", "Incorrect Answer 2", "Incorrect Answer 3")


def gpqa(row: Columns) -> Columns:
    """GPQA: the right option and three wrong ones have columns of their own.

    The right one is A until the options are shuffled.
    """
    if "Correct Answer" not in row:
        return row
    return {
        "id": row.get("Record ID"),
        "question": row.get("Question"),
        "choices": [row["Correct Answer"], *(row.get(column) for column in _GPQA_WRONG)],
        "answer_idx": "A",
        "subject": row.get("High-level domain"),
        "tags": {"subdomain": row.get("Subdomain")},
    }


def hotpotqa(row: Columns) -> Columns:
    """HotpotQA: ten paragraphs, as the authors' lists or the Hub's mapping of lists."""
    return {**row, "id": row.get("id", row.get("_id"))}


def mbpp(row: Columns) -> Columns:
    """MBPP: the text and the head of the function; the function's name is in the tests alone."""
    text = row.get("text") or row.get("prompt")
    tests, code = row.get("test_list"), row.get("code")
    if not isinstance(text, str) or not isinstance(tests, list) or not tests:
        raise NotATaskError("have a 'text' and a 'test_list'", row)
    head = _head(code, str(tests[0])) if isinstance(code, str) else None
    given = f"```python\n{head}\n    ...\n```" if head else f"```python\n{tests[0]}\n```"
    return {
        **row,
        "id": row.get("task_id"),
        "question": f"{text.strip()}\n\n{given}",
        "answer": code,
    }


def _head(code: str, test: str) -> str | None:
    """Return the first line of the function of a program that a test calls."""
    try:
        functions = [node for node in ast.parse(code).body if isinstance(node, ast.FunctionDef)]
        calls = {node.id for node in ast.walk(ast.parse(test)) if isinstance(node, ast.Name)}
    except SyntaxError:
        return None
    called = [function for function in functions if function.name in calls]
    if not called:
        return None
    return f"def {called[0].name}({ast.unparse(called[0].args)}):"


_MBPP_SPLITS = {"train": range(601, 975), "dev": range(511, 601), "test": range(11, 511)}


def is_of_mbpp_split(row: Columns, split: str) -> bool:
    """Return whether a problem of a file with all of them belongs to a split, by its number."""
    return row.get("task_id") in _MBPP_SPLITS[split]
