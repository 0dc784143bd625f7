"""What is passed to a parser or to a worker, up to the last character that is."""

from __future__ import annotations

import pytest

from ccpo_env.verifiers import MathVerifier, verify
from ccpo_env.verifiers.math import verifier as math_verifier
from ccpo_env.verifiers.math.forms.bounds import within_bounds
from ccpo_env.verifiers.math.forms.reading import read
from ccpo_env.verifiers.math.syntax.expression import parse_expression
from ccpo_env.verifiers.math.syntax.quantity import parse_number


@pytest.mark.parametrize(
    ("inside", "outside"),
    [
        ("x" * 4096, "x" * 4097),
        ("1" * 256, "1" * 257),
        ("(" * 64 + "x" + ")" * 64, "(" * 65 + "x" + ")" * 65),
        (r"\sqrt{" * 64 + "x" + "}" * 64, r"\sqrt{" * 65 + "x" + "}" * 65),
        ("x^{y^{2}}", "x^{y^{z^{2}}}"),
        ("x^{2^{y}}", "x^{2^{2}}"),  # an exponent of numbers only would be evaluated
        ("x^{2!}", "x^{(2)!}"),
        ("2^{9999}", "2^{10000}"),
        ("x^{-9999}", "x^{-10000}"),
        ("9999!", "10000!"),
        ("(x)^{9999}", "(x)^{10000}"),
        ("(a+b+c)^{30}", "(a+b+c)^{48}"),  # C(51, 3) = 20,825 terms
        ("(a+b+c)^{47}", "(a+b+c)^{48}"),  # C(50, 3) = 19,600
        ("(a+b+c)^9+d", "(a+b+c+d+f+g+h+k+l+m+n+o)^9"),
        ("(3!+n)!", "(3!)!"),
        ("3!+2", "3!!"),
    ],
)
def test_within_bounds_ends_where_it_says(inside: str, outside: str) -> None:
    assert within_bounds(inside)
    assert not within_bounds(outside)


@pytest.mark.parametrize(
    ("inside", "outside"),
    [
        ("(" * 63 + "x" + ")" * 63, "(" * 64 + "x" + ")" * 64),
        ("+".join(["x"] * 200), "+".join(["x"] * 201)),
        ("x" + "!" * 199, "x" + "!" * 401),
        ("1e256", "1e257"),
        ("1e-256", "1e-257"),
    ],
)
def test_parse_expression_ends_where_it_says(inside: str, outside: str) -> None:
    assert parse_expression(inside) is not None
    assert parse_expression(outside) is None


def test_parse_number_ends_where_it_says() -> None:
    assert parse_number("1e256") is not None
    assert parse_number("1e-256") is not None
    assert parse_number("1e257") is None
    assert parse_number("1e-257") is None
    assert parse_number("7" * 256) is not None
    assert read("x" * 4096) is not None
    assert read("x" * 4097) is None


@pytest.fixture
def compared(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, dict[str, float]]]:
    """Return the answers that a worker would compare, and their limits."""
    calls: list[tuple[str, dict[str, float]]] = []

    def compare(_gold: str, answer: str, **limits: float) -> tuple[str, str]:
        calls.append((answer, limits))
        return "correct", ""

    monkeypatch.setattr(math_verifier.POOL, "compare", compare)
    return calls


@pytest.mark.parametrize("gold", [r"\foo", r"\foo\foo\foo\foo"])
def test_a_worker_gets_no_answer_that_is_much_longer_than_the_gold(
    gold: str, compared: list[tuple[str, dict[str, float]]]
) -> None:
    longest = r"\foo " + "x" * (400 + 4 * len(gold) - 5)
    assert verify(rf"\boxed{{{longest}}}", gold).status == "correct"
    assert verify(rf"\boxed{{{longest}x}}", gold).status == "wrong"
    assert [answer for answer, _ in compared] == [longest]


def test_a_worker_gets_no_answer_that_is_cut(
    compared: list[tuple[str, dict[str, float]]],
) -> None:
    assert verify(r"\boxed{\foo(1}", r"\foo").status == "wrong"
    assert verify(r"\boxed{\foo]}", r"\foo(").status == "correct"  # the gold is cut as well
    assert verify(r"\boxed{\foo(1]}", r"\foo").status == "correct"  # as an interval may be
    assert len(compared) == 2


def test_a_worker_has_less_time_for_an_integral_where_the_gold_has_none(
    compared: list[tuple[str, dict[str, float]]],
) -> None:
    integral = r"\int_0^1 \foo dx"
    for gold, limits in (
        (r"\foo", {"timeout_s": 60, "max_cpu_s": 0.75}),
        (r"\int_0^2 \foo dx", {"timeout_s": 60, "max_cpu_s": 1.5}),
    ):
        assert verify(rf"\boxed{{{integral}}}", gold, timeout_s=60).status == "correct"
        assert compared.pop() == (integral, limits)
    assert verify(rf"\boxed{{{integral}}}", r"\foo", timeout_s=0.5).status == "correct"
    assert compared.pop() == (integral, {"timeout_s": 0.5, "max_cpu_s": 0.75})
    assert verify(r"\boxed{\foo x}", r"\foo").status == "correct"
    assert compared.pop() == (r"\foo x", {"timeout_s": 5.0, "max_cpu_s": 1.5})


def test_the_longest_time_limit_is_an_hour() -> None:
    assert MathVerifier(timeout_s=3600.0).timeout_s == 3600.0
    assert verify(r"\boxed{1}", "1", timeout_s=3600.0).status == "correct"
    with pytest.raises(ValueError, match="timeout_s must be"):
        MathVerifier(timeout_s=3600.1)
