"""Each rule of the typed comparison: what is equal by it, and the near miss that stays wrong."""

from __future__ import annotations

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ccpo_env.verifiers import extract_boxed, verify
from ccpo_env.verifiers.expression import parse_expression
from ccpo_env.verifiers.notation import to_latex
from ccpo_env.verifiers.typed import as_interval, same_typed
from ccpo_env.verifiers.units import split_unit

MATRIX = r"\begin{{pmatrix}} a & b \\ c & {} \end{{pmatrix}}"
# rule: an answer and a gold answer that are equal, and an answer that is not
RULES = {
    "degrees": (r"150\text{ degrees}", r"150^\circ", r"150\text{ radians}"),
    "money": (r"3.60\text{ dollars}", r"\$3.60", r"3.60\text{ cents}"),
    "money signs": ("\u20ac5", "5 euros", r"\$5"),
    "time of day": (r"5\text{ a.m.}", "$5am$", r"5\text{ pm}"),
    "powers of units": (r"8\text{ square centimeters}", r"8\text{ cm}^2", r"8\text{ cm}^3"),
    "rates": (r"5\text{ m/s}", r"5\text{ meters per second}", r"5\text{ km/h}"),
    "more words": (r"7\text{ distinct integers}", r"7\text{ integers}", r"7\text{ cm}"),
    "no unit": ("7", r"7\text{ cm}", r"7\text{ or more}"),
    "scale": (r"5\text{ million}", "5000000", "5"),
    "percent": (r"\frac12\%", "0.005", "0.5"),
    "percent of a fraction": ("0.005", r"\frac12\%", r"\frac12"),
    "imaginary unit": (r"-3 + 8 \cdot i", "-3+8i", r"-3 - 8 \cdot i"),
    "engineer's imaginary unit": ("18+10j", "18+10i", "18+11j"),
    "square of i": ("i^2", "-1", "1"),
    "polar": (r"2e^{i\pi/3}", r"1+\sqrt{3}i", r"2e^{-i\pi/3}"),
    "python": ("4*pi*R**3/3", r"\frac43 \pi R^3", "4*pi*R**2/3"),
    "python roots": ("2*sqrt(3 + sqrt(5))", r"2\sqrt{3+\sqrt5}", "2*sqrt(3 + sqrt(6))"),
    "roman letters": (r"\frac{1}{\mathrm{e}}", "e^{-1}", "e"),
    "Unicode": ("3\u221a5 \u2212 \u00bd", r"3\sqrt{5}-\frac12", "3\u221a6 \u2212 \u00bd"),
    "superscripts": ("x\u00b9\u00b2", "x^{12}", "x\u00b9\u00b3"),
    "repeating decimals": (r"0.1\overline{6}", r"\frac16", "0.16"),
    "bases": ("(22)_{6}", "22_6", "(22)_{7}"),
    "choice": (r"\text{(A) }42", r"\text{(A)}", r"\text{(B) }42"),
    "choice of a lettered gold": ("B", "B. Paris", "C"),
    "one choice": ("A", r"\textbf{(A)}", "(A) or (B)"),
    "words": ("Softball, Tag", r"\text{Softball, Tag}", "Tag, Softball"),
    "powers of powers": ("2^{10^3}", "2^{1000}", "2^{1001}"),
    "exact numbers": ("1+2^{-200}", "2^{-200}+1", "1"),
    "odd roots": (r"\sqrt[3]{-8}", "-2", "2"),
    "functions": (r"\sin(2x)", r"2\sin x\cos x", r"\sin x\cos x"),
    "logarithms": (r"\log_2 8", "3", r"\log_3 8"),
    "capitals": ("3R^2", r"3 \cdot R^2", "3r^2"),
    "matrices of letters": (
        MATRIX.format("d"),
        MATRIX.format("d").replace("pm", "bm"),
        MATRIX.format("e"),
    ),
    "matrix sizes": (
        r"\left(\begin{array}{c}1\\2\\\end{array}\right)",
        r"\begin{pmatrix}1\\2\end{pmatrix}",
        r"\begin{pmatrix}1&2\end{pmatrix}",
    ),
    "lists": (r"5 \text{ or } 9", "9, 5", "5, 9, 1"),
    "plus or minus": ("-3, 3", r"\pm 3", "3"),
    "lists of tuples": ("(3,4), (1,2)", r"\{(1,2),(3,4)\}", "(4,3), (1,2)"),
    "tuples": ("(1/2, 2)", "(0.5, 2)", "(2, 0.5)"),
    "inequalities": (r"-2 \leq x < 3", "[-2, 3)", "-2 < x < 3"),
    "set builder": (r"\{x \mid x > 3\}", r"(3, \infty)", r"\{x \mid x < 3\}"),
    "all reals": (r"(-\infty, \infty)", r"\mathbb{R}", r"(0, \infty)"),
    "labels": (r"\text{Area} = 6\sqrt{2}", r"6\sqrt2", r"\text{Area} = 6\sqrt{3}"),
    "chains": ("x = 2+3 = 5", "5", "x = 2+3 = 6"),
    "order of a chain": ("x=2=y", "y=x=2", "x=3=y"),
    "equations": ("2y = 4x + 6", "y = 2x + 3", "2y = 4x + 3"),
    "right side": ("z = 1 - 2x", "2x + z = 1", "1"),
    "ratios": ("1{:}4", "1:4", "4:1"),
}


@pytest.mark.parametrize("rule", RULES)
def test_verify_follows_the_rule_and_refuses_its_near_miss(rule: str) -> None:
    answer, gold, near_miss = RULES[rule]
    assert verify(f"\\boxed{{{answer}}}", gold).status == "correct"
    assert verify(f"\\boxed{{{near_miss}}}", gold).status == "wrong"


@pytest.mark.parametrize(
    ("response", "answer"),
    [
        (r"\boxed{1},\boxed{2}", "1, 2"),
        (r"$\boxed{1}$, and $\boxed{2}$", "1, 2"),
        (r"\boxed{0} so \boxed{1}, \boxed{2}", "1, 2"),
        (r"\boxed{1} \boxed{2}", "2"),
        (r"\boxed{1}, then \boxed{2}", "2"),
    ],
)
def test_extract_boxed_joins_boxes_that_are_one_list(response: str, answer: str) -> None:
    assert extract_boxed(response) == answer


@pytest.mark.parametrize(
    ("text", "value", "unit"),
    [
        (r"8\text{ cm}^2", "8", "cm^2"),
        (r"2\pi\text{ cm}", r"2\pi", "cm"),
        (r"90^{\circ}", "90", "deg"),
        (r"22.2\text{ units}", "22.2", ""),
        (r"7\text{ or more}", r"7\text{ or more}", ""),
        (r"\text{no solution}", r"\text{no solution}", ""),
        ("5m", "5m", ""),  # a product
    ],
)
def test_split_unit_returns_the_measure_and_its_unit(text: str, value: str, unit: str) -> None:
    assert split_unit(text) == (value, unit)


@pytest.mark.parametrize("text", ["api", "spinach", "exp", "sin", "cosine", "infinitely"])
def test_to_latex_leaves_words_alone(text: str) -> None:
    assert to_latex(text) == text


@pytest.mark.parametrize("text", ["x < y + 1 < z", "1 < x > 0", "x < 1, y < 2", "1 < 2"])
def test_as_interval_leaves_other_relations_alone(text: str) -> None:
    assert as_interval(text) == text


@pytest.mark.parametrize(
    "text",
    [
        "",
        "1 2",
        "x2",
        "f(x)",
        "I(0)",
        r"\frac{dx}{dt}",
        r"\log x",
        "x^2^3",
        r"2\frac{3}{2}",
        "a,b",
        "(" * 65 + "1" + ")" * 65,
        r"\sin" * 900 + "x",
        "x" * 4000,
        "5" + "!" * 4000,
        "1+" * 999,
    ],
)
def test_parse_expression_reads_nothing_doubtful_or_deep(text: str) -> None:
    assert parse_expression(text) is None


@pytest.mark.parametrize(
    "answer",
    [
        r"\int_0^\infty \frac{\sin(x^{50})e^{-x^3}}{1+x^{77}} dx",
        r"\sum_{k=1}^{10^9} \sin k",
        "x=" * 1500 + "1",
        "x^" * 1500 + "2",
        "x!" * 900,
        "((((9^9)^9)^9)^9)^9",
        "e^{e^{e^{e^9}}}",
        r"5000!\cdot" * 60 + "1",
        ",".join(["(1,2)"] * 700),
    ],
    ids=lambda answer: answer[:12],
)
def test_verify_calls_a_slow_answer_wrong_at_once(answer: str) -> None:
    start = time.perf_counter()
    assert verify(f"\\boxed{{{answer}}}", r"\sqrt{2}").status == "wrong"
    assert time.perf_counter() - start < 2.5


def test_same_typed_leaves_what_it_cannot_read() -> None:
    assert same_typed(r"\lfloor x \rfloor", "x") is None


@given(real=st.integers(-99, 99), imaginary=st.integers(-99, 99), change=st.integers(1, 9))
def test_verify_tells_complex_numbers_apart(real: int, imaginary: int, change: int) -> None:
    answer = rf"\boxed{{{imaginary} \cdot i + {real}}}"
    assert verify(answer, f"{real} + ({imaginary})i").status == "correct"
    assert verify(answer, f"{real} + ({imaginary + change})i").status == "wrong"


@given(a=st.integers(1, 999), b=st.integers(2, 99), change=st.integers(1, 9))
def test_verify_tells_roots_apart(a: int, b: int, change: int) -> None:
    answer = rf"\boxed{{{a}*sqrt({b})}}"
    assert verify(answer, rf"\sqrt{{{a * a * b}}}").status == "correct"
    assert verify(answer, rf"\sqrt{{{a * a * b + change}}}").status == "wrong"
