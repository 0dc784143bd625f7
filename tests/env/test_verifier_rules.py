"""Rules whose near misses are easily let through, and decisions that are kept."""

from __future__ import annotations

import re
from concurrent.futures import ThreadPoolExecutor

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ccpo_env.verifiers import extract_boxed, verify
from ccpo_env.verifiers.math import verifier as math_verifier
from ccpo_env.verifiers.math.forms.regions import read_region
from ccpo_env.verifiers.worker.pool import POOL

# rule: an answer and a gold answer that are equal, and an answer that is not
RULES = {
    "high powers": ("x^{1000}-1", "-1+x^{1000}", "x^{1000}"),
    "high powers of powers": ("(x^2)^{600}+x", "x^{1200}+x", "x^{1200}-x"),
    "growing sums": ("2^{50n}+1", "1+4^{25n}", "4^{25n}"),
    "sums of letters": ("z+y+x=0", "x+y+z=0", "x-y+z=0"),
    "means of letters": ("c+a", "a+c", "2b"),
    "differences of letters": ("3c-3b+a", "a-3b+3c", "d"),
    "brackets of pairs": ("(91, 60)", "(91,60)", "(91,60]"),
    "intervals that end before they start": ("(7,-1]", "(7,-1]", "(5,-1]"),
    "letters in matrices": (
        r"\begin{bmatrix} a & b \end{bmatrix}",
        r"\begin{pmatrix} a & b \end{pmatrix}",
        r"\begin{pmatrix} a & B \end{pmatrix}",
    ),
    "letters in sets": (r"\{b,a\}", r"\{a,b\}", r"\{A,b\}"),
    "letters for labels": ("b=2, a=-1", "a=-1, b=2", "a=-1, B=2"),
    "choices in lists": ("d, E", "E, D", "d, F"),
    "chains": ("f(3)=f(2)=0", "f(2)=f(3)=0", "f(2)=f(3)=1"),
    "chains of labels": ("x=y=2", "y=x=2", "x=y=3"),
    "primes": ("f'(x)", "f'(x)", "f(x)"),
    "primes of letters": ("(A)", "A", "A'"),
    "derived functions": ("f'(x)=x+x", "f'(x)=2x", "f(x)=2x"),
    "inverse labels": ("f^{-1}(x)=2x", "f^{-1}(x)=2x", "f(x)=2x"),
    "symbols of one letter": (r"\mathrm{m}", "m", "M"),
    "letters of choices": ("b", "B", "c"),
    "quotes": ("``blue''", r"\text{blue}", "``green''"),
    "sets of sets": (r"\{\{2\},\{1\}\}", r"\{\{1\},\{2\}\}", r"\{1,2\}"),
    "sets in sets": (r"\{1,2\}", "1,2", r"\{\{1\},2\}"),
    "dots at the end": (r"2,4,6,\ldots", r"2, 4, 6, \dots", "2,4,6"),
    "dots behind a number": ("12", "12.", r"12\ldots"),
    "shifted moduli": ("|x-2|<3", "-1<x<5", "|x+2|<3"),
    "shifted moduli above": (r"|x-\frac12| \ge 2", r"x\le-1.5 \text{ or } x\ge 2.5", r"|x-2|\ge 2"),
    "excluded signs": (
        r"x \ne \pm 3",
        r"(-\infty,-3)\cup(-3,3)\cup(3,\infty)",
        r"x \ne 3",
    ),
    "excluded expressions": (r"y \ne 3x-1", r"3x-1 \ne y", "y = 3x-1"),
    "signs in equations": (r"y=\pm 2x", r"y=-2x, y=2x", "y=2x"),
    "accented moduli": (r"|\vec{a}| = 3", "3", r"|\vec{a}| = 4"),
    "decimal logarithms": (r"\lg 100", "2", r"\ln 100"),
    "bases named in a subscript": (r"101_{\text{base }2}", "101_2", r"101_{\text{base }3}"),
    "aligned mathematics": (
        r"\begin{align*} x &= 17 \end{align*}",
        "17",
        r"\begin{align*} x &= 18 \end{align*}",
    ),
    "ratios with roots": (r"1:\sqrt3", r"2:2\sqrt{3}", "1:3"),
    "ratios of three": (r"1:\sqrt{3}:2", r"\sqrt3:3:2\sqrt3", r"1:\sqrt{3}:3"),
    "fractions in plain TeX": (r"5\over 6", r"\frac56", r"6\over 5"),
    "lists with styled words": (r"1 \textrm{ and } 2", "1, 2", r"1 \textrm{ and } 3"),
    "choices in a sentence": ("The answer is B", "B", "The answer is not B"),
    "choices behind a label": ("Answer: B", "(B)", "Answer: C"),
    "brackets that are cut": ("(1,2)", "(1,2)", "(1,2"),
    "one percent": (r"1\%", "1", "0.001"),
    "strict inequalities in two letters": ("2x+2y<6", "x+y<3", r"x+y \leq 3"),
    "inequalities in two letters": (r"2x+2y \geq 6", r"x+y \geq 3", "x+y > 3"),
    "leading zeros": ("-007", "-7", "-70"),
}


@pytest.mark.usefixtures("patient_workers")
@pytest.mark.parametrize("rule", RULES)
def test_verify_follows_the_rule_and_refuses_its_near_miss(rule: str) -> None:
    answer, gold, near_miss = RULES[rule]
    assert verify(f"\\boxed{{{answer}}}", gold, timeout_s=60).status == "correct"
    assert verify(f"\\boxed{{{near_miss}}}", gold, timeout_s=60).status == "wrong"


@given(power=st.integers(2, 2000), term=st.sampled_from(["1", "x", "2x", "x^2", r"\frac{1}{9}"]))
def test_verify_sees_every_term_beside_a_high_power(power: int, term: str) -> None:
    assert verify(rf"\boxed{{{term}+x^{{{power}}}}}", f"x^{{{power}}}+{term}").status == "correct"
    assert verify(rf"\boxed{{x^{{{power}}}+{term}}}", f"x^{{{power}}}").status == "wrong"


@given(
    coefficients=st.lists(st.integers(-9, 9), min_size=1, max_size=8),
    change=st.integers(1, 9),
    place=st.integers(0, 7),
)
def test_verify_never_accepts_another_sum_of_letters(
    coefficients: list[int], change: int, place: int
) -> None:
    def total(factors: list[int]) -> str:
        return "+".join(
            f"({factor}){name}" for factor, name in zip(factors, "abcdmnpq", strict=False)
        )

    changed = [*coefficients]
    changed[place % len(changed)] += change
    gold = total(coefficients)
    assert verify(rf"\boxed{{{total(changed)}}}", gold).status == "wrong"
    assert verify(rf"\boxed{{0+{gold}}}", gold).status == "correct"


@pytest.mark.parametrize("text", [r"\{a,b\}\cup(1,2)", r"x \ne a, b", r"x \ne \pm a", r"|x-a|<3"])
def test_read_region_orders_no_symbols(text: str) -> None:
    region = read_region(text)
    assert region is None or any(interval.is_symbolic for interval in region.intervals)


def last_box(text: str) -> str | None:
    """Return the content of the box that starts last among those that are closed, by trying all."""
    for box in reversed(list(re.finditer(r"\\boxed\s*\{", text))):
        depth = 1
        for token in re.finditer(r"\\\\(?!boxed)|\\[{}]|[{}]", text[box.end() :]):
            depth += {"{": 1, "}": -1}.get(token[0], 0)
            if depth == 0:
                return text[box.end() : box.end() + token.start()].strip()
    return None


@given(
    pieces=st.lists(
        st.sampled_from(
            [
                r"\boxed{",
                r"\boxed {",
                "{",
                "}",
                r"\{",
                r"\}",
                r"\\",
                "\\",
                "7",
                " is ",
                "boxed",
                "$",
            ]
        ),
        max_size=24,
    )
)
def test_extract_boxed_finds_the_last_closed_box(pieces: list[str]) -> None:
    text = "".join(pieces)
    assert extract_boxed(text) == last_box(text)


@pytest.mark.parametrize(
    ("response", "answer"),
    [
        (r"\boxed{-1} \text{ or } \boxed{4}", "-1, 4"),
        (r"$\boxed{1}$," + "\n" * 300 + r"$\boxed{2}$", "1, 2"),
        (r"\boxed{1} for \boxed{2}", "2"),
        (r"\boxed{1}. Then \boxed{2}", "2"),
        (r"\boxed{1}: $x=\boxed{2}$", "2"),
        (r"\boxed{1} is $\boxed{2", "1"),
    ],
)
def test_extract_boxed_joins_only_what_stands_together(response: str, answer: str) -> None:
    assert extract_boxed(response) == answer


@pytest.fixture
def decisions(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, str]]:
    """Return the pairs that were compared in this process, while an empty cache fills."""
    compared: list[tuple[str, str]] = []
    decide = math_verifier._decide

    def noted(answer: str, gold: str) -> bool | None:
        compared.append((answer, gold))
        return decide(answer, gold)

    math_verifier._kept_decision.cache_clear()
    monkeypatch.setattr(math_verifier, "_decide", noted)
    return compared


def test_verify_compares_a_repeated_answer_once(decisions: list[tuple[str, str]]) -> None:
    for words in ("so", "thus"):
        assert verify(rf"{words} \boxed{{\frac48}}", "0.5").status == "correct"
        assert verify(rf"{words} \boxed{{\frac47}}", "0.5").status == "wrong"
    assert decisions == [(r"\frac48", "0.5"), (r"\frac47", "0.5")]


def test_verify_keeps_no_long_answers(decisions: list[tuple[str, str]]) -> None:
    answer = "1+" * math_verifier.MAX_KEPT_CHARS + "1"
    for _ in range(2):
        assert verify(f"\\boxed{{{answer}}}", "5").status == "wrong"
    assert len(decisions) == 2
    assert math_verifier._kept_decision.cache_info().currsize == 0


@pytest.mark.parametrize("status", ["timeout", "error"])
def test_verify_keeps_no_failure_of_a_worker(
    monkeypatch: pytest.MonkeyPatch, decisions: list[tuple[str, str]], status: str
) -> None:
    replies = iter([(status, "failed"), ("correct", "")])

    def compare(*_: object, **__: object) -> tuple[str, str]:
        return next(replies)

    monkeypatch.setattr(POOL, "compare", compare)
    response, gold = r"\boxed{\int_0^1 \int_0^1 x \, dx}", r"\int_0^1 y \, dy"
    assert [verify(response, gold).status for _ in range(2)] == [status, "correct"]
    assert len(decisions) == 1


def test_verify_keeps_decisions_for_many_threads() -> None:
    math_verifier._kept_decision.cache_clear()
    pairs = [(f"{top}/{bottom}", top == 2 * bottom) for top in range(12) for bottom in range(1, 5)]
    with ThreadPoolExecutor(8) as threads:
        verdicts = list(threads.map(lambda pair: verify(f"\\boxed{{{pair[0]}}}", "2"), pairs * 20))
    assert [verdict.status == "correct" for verdict in verdicts] == [
        is_two for _, is_two in pairs * 20
    ]
    assert math_verifier._kept_decision.cache_info().currsize <= len(pairs)
