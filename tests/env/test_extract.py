"""The answer is the last closed box behind the thinking."""

from __future__ import annotations

import time

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from ccpo_env.verifiers import extract_boxed


@pytest.mark.parametrize(
    ("response", "answer"),
    [
        (r"\boxed{4}", "4"),
        (r"so $\boxed{ \frac{1}{2} }$.", r"\frac{1}{2}"),
        (r"\boxed {4}", "4"),
        (r"first \boxed{3}, then \boxed{4}", "4"),
        (r"\boxed{4} and then \boxed{17", "4"),
        (r"\boxed{17 and then \boxed{4}", "4"),
        (r"\boxed{a \boxed{b}} c", "b"),
        (r"} { \boxed{4} }", "4"),
        (r"}, \boxed{4} and \boxed{", "4"),
        (r"\boxed{\{1, 2\}}", r"\{1, 2\}"),
        (r"\boxed{\left\{1\right.}", r"\left\{1\right."),
        (r"\\\boxed{4}", "4"),
        (r"\\boxed{4}", "4"),
        (r"\boxed{\begin{matrix} 1 \\{} 2 \end{matrix}}", r"\begin{matrix} 1 \\{} 2 \end{matrix}"),
        ("\\boxed{two\nlines}", "two\nlines"),
        (r"\boxed{}", ""),
        ("", None),
        ("4", None),
        (r"\boxed{4", None),
        (r"\boxed 4", None),
        (r"\boxed{4\}", None),
        (r"\fbox{4}", None),
        (r"\boxedx{4}", None),
    ],
)
def test_extract_boxed_returns_the_last_closed_box(response: str, answer: str | None) -> None:
    assert extract_boxed(response) == answer


@pytest.mark.parametrize(
    ("response", "answer"),
    [
        (r"<think>\boxed{3}</think> \boxed{4}", "4"),
        (r"<think>\boxed{3}</think> nothing", None),
        (r"<think>a</think><think>\boxed{3}</think>\boxed{4}", "4"),
        (r"\boxed{3} <think> or is it", None),
        (r"<think>\boxed{3}", None),
        (r"<think>a</think> \boxed{3} <think> or is it", None),
        (r"no start </think> \boxed{4}", "4"),
    ],
)
def test_extract_boxed_reads_only_what_follows_the_thinking(
    response: str, answer: str | None
) -> None:
    assert extract_boxed(response) == answer


@given(st.text(alphabet="\\{}boxed \n1", max_size=60))
@example("\\boxed{\\boxed{}")
def test_extract_boxed_is_balanced_for_any_text(response: str) -> None:
    answer = extract_boxed(response)
    if answer is None:
        return
    # Counted without a parser: drop what is escaped, then opening and closing braces cancel.
    plain = answer.replace("\\\\", "").replace("\\{", "").replace("\\}", "")
    while "{}" in (plain := "".join(char for char in plain if char in "{}")):
        plain = plain.replace("{}", "")
    assert plain == ""


@pytest.mark.parametrize(
    "response",
    [
        "\\boxed{" * 150_000,
        "\\boxed{" * 75_000 + "}" * 500_000,
        "\\boxed{" + "{}" * 250_000,
        "\\boxed" + " " * 1_000_000 + "}",
        "\\boxed " * 150_000 + "}",
        "\\" * 1_000_000 + "boxed{1}",
        "{" * 1_000_000,
        "<think>" * 150_000,
        "</think>" * 125_000,
    ],
    ids=lambda response: response[:8],
)
def test_extract_boxed_takes_linear_time(response: str) -> None:
    start = time.thread_time()
    extract_boxed(response)
    assert time.thread_time() - start < 3.0  # about 0.1 s; a quadratic scan takes minutes
