"""The forms in which models write one value: what is equal, and the near miss that stays wrong."""

from __future__ import annotations

import pytest

from ccpo_env.verifiers import verify

# kind: answers and gold answers that are equal, and answers that are not
PAIRS = {
    "plain powers": [
        ("x^10", "x^{10}", "x^{1}0"),
        ("2^10-1", "1023", "2^1-1"),
        ("3*10^12", r"3\times10^{12}", "3*10^11"),
        ("3x10^-12", r"3\times10^{-12}", "3x10^12"),
        ("x^2.5", r"x^2\sqrt{x}", "x^2"),
        ("x^{10}y^12", "x^10y^{12}", "x^{10}y^13"),
        ("10^-12", "10^{-12}", "10^-1"),
    ],
    "plain subscripts": [
        ("a_10=5", "5", "a_10=6"),
        ("255_16", "255_{16}", "255_12"),
        (r"\log_10 1000", "3", r"\log_100 1000"),
        (r"\log_28", "3", r"\log_27"),
        ("C_12^n", "2^n C_1", "2^n C_2"),
        ("{}_{10}C_3", "120", "2^{10}C_3"),
    ],
    "plain functions": [
        ("sin^2(x)", r"\sin^2 x", "sin(x^2)"),
        ("2 sin x cos x", r"\sin 2x", "sin x cos x"),
        ("ln 2", r"\ln2", "ln 3"),
        ("log_2(8)", "3", "log_2(9)"),
    ],
    "styles": [
        (r"\mathbf{2^{32}}", "2^{32}", r"\mathbf{2^{31}}"),
        (r"\mathrm{x^{2}+1}", "x^2+1", r"\mathrm{x^{2}-1}"),
        (r"\underline{\underline{2^{10}}}", "1024", r"\underline{\underline{2^{11}}}"),
        (r"\textbf{$\frac{1}{2}$}", r"\frac12", r"\textbf{$\frac{1}{3}$}"),
        (r"x=\mathbf{2^{32}}", "2^{32}", r"x=\mathbf{2^{3}}2"),
        (r"\mathbf{x+1}\cdot 2^{n}", r"(x+1)2^n", r"x+2^{n}"),
        (r"\mathbf{2^{5}}\text{ cm}", r"32\text{ cm}", r"\mathbf{2^{5}}\text{ m}"),
        (r"5\,\mathrm{m/s^2}", r"5\text{ m/s}^2", r"5\,\mathrm{m/s}"),
        (r"\mathbf{v}_1+1", r"1+\mathbf{v}_1", r"\mathbf{v}_2+1"),
        (r"\textbf{Alice, Bob}", r"\text{Alice, Bob}", r"\textbf{Alice, Carl}"),
        (r"\textbf{(B)}\ 2^{5}", "B", r"\textbf{(C)}\ 2^{5}"),
    ],
    "options": [
        (r"\textbf{(B)}\ 5", "5", r"\textbf{(B)}\ 6"),
        (r"\textbf{(B) } \frac{1}{2}", "0.5", r"\textbf{(B) } \frac{1}{3}"),
        (r"\text{(B)}\ 5", "5", r"\text{(B)}\ 6"),
        ("B. 5", "5", "B. 0.5"),
        ("B) 5", "5", "5) B"),
        (r"\text{Option B: }5", "5", r"\text{Option 5: }B"),
        ("(A) (1,2)", "(1,2)", "(A) (2,1)"),
        (r"5 \textbf{ (B)}", "5", r"6 \textbf{ (B)}"),
        ("5", r"\textbf{(B)}\ 5", "6"),
        ("B", r"\textbf{(B)}\ 5", "C"),
        ("(B) 5", r"\textbf{(B)}\ 5", "(C) 5"),
        ("(B) 5", r"\textbf{(B)}\ 5", "(B) 6"),
        ("1-i", r"C. 1-\mathrm{i}", "1+i"),
        ("C", r"C. 1-\mathrm{i}", "B"),
        ("(D) 12", r"(D) 12 \text{ square units}", "(A) 12, (D) 12"),
        ("5(C)", "5C", "(C) 5"),
    ],
    "products without a sign": [
        ("2^3 3^2", "72", "2^3 3^3"),
        ("2^{3}3^{2}5", "360", "2^{3}3^{2}7"),
        ("(n-1) 2^{n}", "n2^n-2^n", "(n-1) 3^{n}"),
        (r"\frac{1}{n}4\cos x", r"\frac{4\cos x}{n}", r"\frac{4}{n}+\cos x"),
        (r"3\,2^{n-1}", r"3\cdot2^{n-1}", "6^{n-1}"),
        ("(x+1)3", "3x+3", "x+3"),
        ("6", "6", "2 3"),
        ("10", "10", "(2) 5"),
        (r"\frac32", "1.5", r"\frac12 3"),
        ("4000", "4000", "4 000^2"),
    ],
}


@pytest.mark.parametrize(
    ("answer", "gold", "near_miss"),
    [pytest.param(*pair, id=f"{kind}-{pair[0]}") for kind in PAIRS for pair in PAIRS[kind]],
)
def test_verify_accepts_the_form_and_refuses_its_near_miss(
    answer: str, gold: str, near_miss: str
) -> None:
    assert verify(f"\\boxed{{{answer}}}", gold).status == "correct"
    assert verify(f"\\boxed{{{near_miss}}}", gold).status == "wrong"
