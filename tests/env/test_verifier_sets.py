"""Unions, intersections and inequalities: which end belongs to which set."""

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
        (r"(0,2)\cup[1,3]", "(0,3]", True),
        (r"(0,3]\cup[1,2)", "(0,3]", True),
        (r"(0,2]\cup(1,2)", "(0,2]", True),
        (r"(0,2)\cup(1,2]", "(0,2]", True),
        (r"(0,2)\cup(1,3)", "(0,3)", True),
        (r"(0,3)\cup[1,2]", "(0,3)", True),
        (r"[0,1)\cup(0,1]", "[0,1]", True),
        (r"(0,1)\cup(1,2)", "(0,2)", False),
        (r"(0,1)\cup[1,2)", "(0,2)", True),
        (r"[0,1]\cup[0,2)", "[0,2)", True),
        (r"(0,1]\cup[0,2)", "[0,2)", True),
        (r"(2,3)\cup(0,1)", r"(0,1)\cup(2,3)", True),
        (r"\{1\}\cup(1,2)", "[1,2)", True),
        (r"\{0,3\}\cup(1,2)", r"(1,2)\cup\{0,3\}", True),
        (r"\{0,3\}\cup(1,2)", r"[0,0]\cup(1,2)\cup[3,3]", True),
        ("x>0, x<2", "(0,2)", True),
        ("x>0, x<2, x<1", "(0,1)", True),
        (r"x \geq 0, x > 0", r"(0,\infty)", True),
        (r"x \geq 0, x > 1", r"(1,\infty)", True),
        (r"x \leq 2, x<2, x>0", "(0,2)", True),
        (r"x\geq 1, x \leq 1", "[1,1]", True),
        (r"x > 1, x \leq 1", "[1,1]", False),
        (r"(0,3) \cap [1,5]", "[1,3)", True),
        (r"[0,2]\cap[2,3]", "[2,2]", True),
        (r"[0,2)\cap[2,3]", "[2,2]", False),
        (r"x>0 \text{ and } y<1", "(0,1)", False),
        ("x>0", "y>0", False),
        ("x>0", r"(0,\infty)", True),
        ("x_1>0", r"(0,\infty)", True),
        ("f(x)>0", "x>0", True),
        (r"1\leq x\leq 2", "[1,2]", True),
        (r"2\geq x>1", "(1,2]", True),
        (r"2>x\geq 1", "[1,2)", True),
        ("1<x>0", "(1,2)", False),
        (r"-\infty\leq x\leq 2", r"(-\infty,2]", True),
        (r"[-\infty,2]", r"(-\infty,2]", True),
        ("(a,b)", "a<x<b", True),
        ("[a,b)", "a<x<b", False),
        (r"(a,b)\cup(c,d)", "a<x<b", None),
        (r"(a,b)\cup(c,d)", r"(a,b)\cup(c,d)", True),
        ("(a,b)", "(a,1)", False),
        ("(a,1)", "(b,1)", False),
        (r"(\frac{0}{0},1)", "(0,1)", False),
        (r"\mathbb{R}\setminus\{0,1\}", r"x\neq 0, 1", True),
        (r"x \neq 0, x\neq 1", r"x\neq 0,1", True),
        (r"x\neq 0", r"\mathbb{R}", False),
        (r"x\neq\pm 1", r"(-\infty,-1)\cup(-1,1)\cup(1,\infty)", True),
        (r"\{x|0<x<1\}", "(0,1)", True),
        (r"x\in(0,1)", "(0,1)", True),
        (r"y\in(0,1)", "0<x<1", False),
        (r"x\in(0,1)", "0<x<1", True),
        ("]0,1[", "(0,1)", True),
        ("]0,1]", "(0,1]", True),
    ],
)
def test_sets_of_numbers(answer: str, gold: str, equal: bool | None) -> None:
    assert decide(answer, gold) is equal
