"""Words behind numbers, Unicode signs, decimals, matrices and columns, as they are written."""

from __future__ import annotations

import pytest

from ccpo_env.verifiers.math.compare.typed import same_typed
from ccpo_env.verifiers.math.forms.reading import read


def decide(answer: str, gold: str) -> bool | None:
    readings = read(answer), read(gold)
    assert readings[0] is not None
    assert readings[1] is not None
    return same_typed(*readings)


@pytest.mark.parametrize(
    ("answer", "gold", "equal"),
    [
        (r"5\text{ at most}", "5", False),
        ("5", r"5\text{ at least}", False),
        (r"5\text{ only}", r"5\text{ at most}", False),
        (r"\foo{2}\text{ cm}", r"\foo{2}", True),
        (r"\foo{2}\text{ cm}", r"\foo{2}\text{ m}", False),
        ("x\u2082", "x_2", True),
        ("x\u2081\u2082", "x_{12}", True),
        ("x\u2081", "x_2", False),
        ("6!!", "48", True),
        ("5!!", "15", True),
        ("0!!", "1", True),
        ("1!!", "1", True),
        ("x\u207b\xb9", r"\frac1x", True),
        ("x\u207f", "x^n", True),
        ("\u215e", r"\frac78", True),
        ("\u221b8", "2", True),
        ("\u221c16", "2", True),
        ("\u221ax", r"\sqrt{x}", True),
        ("cbrt(8)", "2", True),
        (r"0.1\dot{2}\dot{3}", r"\frac{122}{990}", True),
        (r"0.\dot{1}2\dot{3}", r"\frac{123}{999}", True),
        (r"1.2\overline{34}", r"\frac{1222}{990}", True),
        (r".\overline{5}", r"\frac59", True),
        (r"\frac12\begin{pmatrix}2\\4\end{pmatrix}", r"\begin{bmatrix}1\\2\end{bmatrix}", True),
        (r"\begin{bmatrix}1\\2\end{bmatrix}", r"\frac12\begin{pmatrix}2\\4\end{pmatrix}", True),
        (r"-\begin{pmatrix}2\\4\end{pmatrix}", r"\begin{bmatrix}-2\\-4\end{bmatrix}", True),
        (r"2 \cdot\begin{pmatrix}2\\4\end{pmatrix}", r"4\begin{bmatrix}1\\2\end{bmatrix}", True),
        (r"2\times\begin{pmatrix}2\\4\end{pmatrix}", r"4\begin{bmatrix}1\\3\end{bmatrix}", False),
        (r"\foo\begin{pmatrix}2\\4\end{pmatrix}", r"4\begin{bmatrix}1\\3\end{bmatrix}", None),
        (r"2\begin{pmatrix}\foo\\4\end{pmatrix}", r"4\begin{bmatrix}1\\2\end{bmatrix}", None),
        (r"2\begin{pmatrix}\foo\\4\end{pmatrix}", r"4\begin{bmatrix}1\\3\end{bmatrix}", False),
        (r"2\begin{pmatrix}1\\2\end{pmatrix}", "(2,4)", True),
        (r"\begin{pmatrix}1&2\end{pmatrix}", "(1,2)", False),
        (r"\begin{pmatrix}1\\2\end{pmatrix}", "(1,2)", True),
        ("(1,2)", r"\begin{pmatrix}1\\2\end{pmatrix}", True),
        ("(1,2)", r"\begin{pmatrix}1\\3\end{pmatrix}", False),
        ("1,2", r"\begin{pmatrix}1\\2\end{pmatrix}", False),
        (r"\begin{pmatrix}1\end{pmatrix}", "1", False),
        ("5", r"\begin{pmatrix}1\\2\end{pmatrix}", False),
        (r"\begin{pmatrix}1\\2", r"\begin{pmatrix}1\\2\end{pmatrix}", None),
        (r"A=\begin{pmatrix}1\\2\end{pmatrix}", r"\begin{pmatrix}1\\2\end{pmatrix}", True),
        (r"|\begin{matrix}1&2\\3&4\end{matrix}|", r"\begin{vmatrix}1&2\\3&4\end{vmatrix}", True),
        (r"\begin{Vmatrix}1&2\\3&4\end{Vmatrix}", r"\begin{pmatrix}1&2\\3&4\end{pmatrix}", False),
        (r"\begin{pmatrix}1\\2\\\end{pmatrix}", r"\begin{pmatrix}1\\2\end{pmatrix}", True),
        ("(2,4)", r"2\begin{pmatrix}1\\2\end{pmatrix}", True),
        (r"2\begin{pmatrix}1\\2\end{pmatrix}", "(2,5)", False),
        (r"2\begin{pmatrix}1\\2\end{pmatrix}", "(2,4,6)", False),
        (r"\begin{pmatrix}1\\2\end{pmatrix}", "(1,2,3)", False),
        (r"2\begin{pmatrix}1\\\foo\end{pmatrix}", "(2,4)", None),
    ],
)
def test_ways_of_writing(answer: str, gold: str, equal: bool | None) -> None:
    assert decide(answer, gold) is equal
