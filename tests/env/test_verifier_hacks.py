"""What a policy may try instead of an answer is refused: the table in docs/verifier.md."""

from __future__ import annotations

import os
import re
from pathlib import Path

import pytest

from ccpo_env.verifiers import verify
from ccpo_env.verifiers.math.compare.typed import same_typed
from ccpo_env.verifiers.math.forms.reading import read

PAGE = Path(__file__).parents[2] / "docs" / "verifier.md"
SECTION = PAGE.read_text(encoding="utf-8").partition("## Reward hacking")[2].partition("\n## ")[0]
ROWS = re.findall(r"^\|[^|`]*\| `([^`]+)` \| `([^`]+)` \|$", SECTION, re.MULTILINE)


def test_every_row_of_the_table_is_read() -> None:
    assert len(ROWS) == SECTION.count("\n|") - 2 > 50


@pytest.mark.usefixtures("patient_workers")
@pytest.mark.parametrize(("answer", "gold"), ROWS)
def test_it_is_refused(answer: str, gold: str) -> None:
    assert verify(rf"\boxed{{{answer}}}", gold, timeout_s=60).status == "wrong"
    assert verify(rf"\boxed{{{gold}}}", gold, timeout_s=60).status == "correct"


def decide(answer: str, gold: str) -> bool | None:
    readings = read(answer), read(gold)
    assert readings[0] is not None
    assert readings[1] is not None
    return same_typed(*readings)


@pytest.mark.parametrize(
    ("answer", "gold"),
    [
        ("0:0", "0:0"),
        ("0:2:4", "0:1:2"),
        ("2a:2b", "a:b"),
        (r"2\sqrt{2}:2", r"\sqrt{2}:1"),
        ("32=2^5", "2^5=32"),
        (r"\log_{2}(8)=3", r"\log_2 8=3"),
        ("f(x)=2x+3", "y=2x+3"),
        ("f(3)=42", "42"),
        ("2-y=0", "y=2"),
        ("xy=1", r"y=\frac{1}{x}"),
        (r"\frac{x}{2}+\frac{1}{y}=1", "xy+2=2y"),
        (r"\ln x=y", "x=e^y"),
        (r"\sqrt{x^2+y^2}=5", "x^2+y^2=25"),
        (r"\sin^2 x+\cos^2 x=1", r"1=\cos^2 x+\sin^2 x"),
        ("y_1<y_2<y_3", "y_3>y_2>y_1"),
        ("|x-1|>-1", r"\mathbb{R}"),
        ("|x-1|>-1", r"(-\infty,\infty)"),
        ("|5-x|", "|x-5|"),
        (r"\lceil\frac{n}{2}\rceil", r"\lfloor\frac{n+1}{2}\rfloor"),
        (r"\max(b,a)", r"\max(a,b)"),
        (r"\{1,2,2\}", r"\{1,2\}"),
        ("-2,-2", "-2"),
        (r"5\text{ square dm}", r"5\text{ dm}^2"),
        (r"5\text{ dm squared}", r"5\text{ dm}^2"),
        (r"\overline{3+4i}", "3-4i"),
        ("x!!", "x!!"),
        ("7!!", "105"),
        (r"\lfloor\log_2 8\rfloor", "3"),
        ("1011_2", "1011"),
        ("(1,2)+t(3,4)", "(1+3t,2+4t)"),
        (r"\begin{pmatrix}1\\2\end{pmatrix}-t\begin{pmatrix}3\\4\end{pmatrix}", "(1,2)+t(-3,-4)"),
        (r"c_1e^t\begin{pmatrix}1\\2\end{pmatrix}", r"c_1\begin{pmatrix}1\\2\end{pmatrix}e^{t}"),
        ("2(1,2)", "(2,4)"),
        (r"\sqrt2+10^{80}", r"10^{80}+\sqrt2"),
        (r"\pi\cdot 100!", r"100!\pi"),
        ("1", r"\sin^2 x+\cos^2 x"),
        (r"\mathbf{r}=(1,2)+t(3,4)", "(1,2)+t(3,4)"),
    ],
)
def test_what_is_right_beside_it_is_accepted(answer: str, gold: str) -> None:
    assert decide(answer, gold) is True


@pytest.mark.parametrize(
    ("answer", "gold"),
    [
        ("2:0", "0:2"),
        (r"0:\sqrt{2}", r"1:\sqrt{2}"),
        ("g(x)=x", "f(x)=x"),
        ("x_1=5", "x_2=5"),
        ("f(2)-7=0", "f(2)=8"),
        (r"\|v\|=5", r"\|v\|=4"),
        (r"\sum_{k=2}^3 k=6", r"\sum_{k=1}^3 k=6"),
        (r"A\cap B=\{1\}", r"A\cap B=\{2\}"),
        (r"\vec{v}=(1,2)", r"\vec{v}=(1,3)"),
        ("x+y<3", r"x+y\leq 3"),
        ("x+y>3", "x+y<3"),
        ("x-1=0", "x^2-2x+1=0"),
        (r"\min(m,n)", r"\max(m,n)"),
        ("1,2", "1,1,2"),
        (r"\{-2\}", "-2,-2"),
        ("3,3,2", "2,2,3"),
        (r"\emptyset", r"\{\emptyset\}"),
        ("a=3", r"a=3 \text{ or } a=-5"),
        ("(1,2,3)+t(1,1,1)", "(1,2)+t(1,1)"),
        ("(1,2)-t(3,4)", "(1,2)+t(3,4)"),
        ("(p,r)=(3,2,7)", "(p,q,r)=(3,2,7)"),
        (r"-1\leq g(y)\leq 1", r"-1\leq g(x)\leq 1"),
        (r"\exP{x}", r"\exp{x}"),
    ],
)
def test_what_is_wrong_beside_it_is_refused(answer: str, gold: str) -> None:
    assert decide(answer, gold) is False


LABELS = (
    *("f(3)", "f'(2)", r"\phi(12)", r"\gcd(12,18)", r"\log_2 8", "2^5", r"\frac{6}{3}", "P(X=2)"),
    *("P(A)", r"\|v\|", r"\sum_{k=1}^3 k", r"\int_0^1 x\,dx", r"\binom{5}{2}", "x_1", "S_{10}"),
    *(r"\lfloor 3.7\rfloor", "a+b", "x^2", "f(g(2))", r"\angle ABC", r"\text{Area}", "2x+1", "3x"),
    *(r"\frac{d}{dx}x^2", "y'(0)", "5!", r"\sqrt{2}", "xyz", r"\operatorname{Var}(X)", "E[X]"),
)
NUMBERS = ("7", "42", "-3", r"\frac{3}{4}", "2.5", r"5\text{ cm}", r"12\pi", r"3\sqrt{2}")


@pytest.mark.parametrize("label", LABELS)
def test_another_digit_in_an_equation_with_a_number_is_wrong(label: str) -> None:
    for number in NUMBERS:
        gold = f"{label}={number}"
        for place in re.finditer(r"\d", gold):
            for step in range(1, 10, 1 if "CCPO_SLOW" in os.environ else 4):
                digit = str((int(place[0]) + step) % 10)
                answer = gold[: place.start()] + digit + gold[place.end() :]
                assert decide(answer, gold) is False, (answer, gold)
