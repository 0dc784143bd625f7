"""Whatever is accepted is right by a second evaluation, which shares nothing with the verifier."""

from __future__ import annotations

import itertools
import os
import re
from collections.abc import Iterator

import pytest

from ccpo_env.verifiers.math.compare.typed import same_typed
from ccpo_env.verifiers.math.forms.reading import read as read_answer
from tests.env.independent_agreement import agree
from tests.env.independent_reading import read

GOLDS = (
    *("7", "-7", "42", "0", "1", "0.25", r"\frac{3}{4}", r"-\frac{7}{2}", "1234", "10!", "2^{10}"),
    *(r"3\sqrt{2}", r"\frac{\sqrt{3}}{2}", r"\sqrt[3]{4}", r"2\pi", r"\frac{\pi}{6}", "e^2"),
    *(r"\log_2 3", r"\ln 5", "3+4i", "-2i", r"\binom{5}{2}", r"50\%", r"5\text{ cm}", "5^\\circ"),
    *(r"12\text{ dm}^2", r"\$3.50", "25:9", "2:3:5", "101_2", "x", "x+1", "x^2-3x+2", "5-x"),
    *("|x-5|", r"\lfloor\frac{n}{8}\rfloor", r"\frac{x}{x+1}", r"2\sin x", r"\sqrt{x+1}", "ab"),
    *("1,2", "-2,-2", "1,2,3", "(1,2)", "(2,1)", "(1,2,3)", "[1,2]", "(1,2]", r"(-\infty,3)"),
    *(r"\{1,2\}", r"\{0\}", r"(0,1)\cup(2,3)", "x=5", "y=2x+3", "x^2+1=0", "x+y=4", "2^5=32"),
    *("f(3)=42", "x<3", r"x\leq 3", "1<x<4", "x+y<3", r"\begin{pmatrix}1&2\\3&4\end{pmatrix}"),
    *(r"\begin{pmatrix}1\\2\end{pmatrix}", r"\text{no solution}", r"\text{Tuesday}", "n!", "2x"),
)
UNIVERSAL = (
    *("0", "1", "-1", "x", "C", "?", "", "0:0", "0.0:0", "x-x:0", "0x:0x", r"\sqrt{0}:0", "0:0:0"),
    *(
        r"0\text{ to }0",
        "0=0",
        "x=x",
        "x-x=0",
        "0x=0",
        "1=1",
        r"\frac{0}{0}",
        "0/0",
        r"\frac{x}{0}",
    ),
    *("0^0", r"\infty-\infty", r"\frac{\infty}{\infty}", r"0\cdot\infty", r"\emptyset", r"\{\}"),
    *(r"\{\emptyset\}", "(1,1)", "[2,1]", "(0,0)", r"(-\infty,\infty)", r"\mathbb{R}", "x=x,y=y"),
    *("x>x", "x<x", r"x\geq x", "0<1", "1<0", r"x\neq x", r"\pm x", r"0\pm x", "|x|=-1", "x^2=-1"),
    *("x^2+9=0", "|x|>-1", "x^2>-1", r"\text{any}", r"\text{all of the above}", r"\text{correct}"),
    *(r"\int 0\,dx", r"\lim_{x\to 0}x", r"\sum_{k=1}^{0}k", r"\nabla", r"\ldots", r"1,\ldots", "i"),
    *(r"\begin{pmatrix}0&0\\0&0\end{pmatrix}", r"\begin{pmatrix}0\\0\end{pmatrix}", "f(x)", "1;2"),
)
DIGIT = re.compile(r"[0-9]")
SWAPS = (
    *(("+", "-"), ("-", "+"), ("(", "["), ("]", ")"), (")", "]"), ("[", "("), ("<", ">")),
    *(("<", r"\leq "), (r"\leq", "<"), ("=", r"\neq "), ("=", "<"), ("^2", "^3"), ("^2", "")),
    *(
        (r"\frac", r"\binom"),
        (r"\sqrt", ""),
        (r"\pi", ""),
        ("cm", "m"),
        ("dm^2", "dm^3"),
        ("x", "y"),
    ),
    *((r"\text{ dm}^2", r"\text{ dm}^3"), ("lfloor", "lceil"), (":", ","), (",", ";"), (",", "+")),
    *((r"\cup", r"\cap"), ("i", ""), ("!", ""), ("!", "!!"), ("x", "X"), (r"\%", ""), ("/", "*")),
)
WRAPS = (
    *(
        "-{}",
        "-({})",
        "({})",
        "[{}]",
        r"\{{{}\}}",
        r"\{{\{{{}\}}\}}",
        "|{}|",
        "{}!",
        "({})!",
        "{}^2",
    ),
    *("{}^{{-1}}", "{}+1", "2({})", "10({})", "100({})", r"{}\%", r"{}\text{{ m}}", "{}^\\circ"),
    *(r"\frac{{{}}}{{0}}", r"\frac{{1}}{{{}}}", r"\sqrt{{{}}}", r"0\cdot({})", "{}=0", "0={}"),
    *("{0}={0}", "x={}", "{}_{{43}}", r"\bar{{{}}}", r"\hat{{{}}}", r"\not={}", r"\sim {}", "{}'"),
    *(r"\lnot {}", r"\nabla {}", r"\neq {}", r"\cancel{{{}}}", "{}i", "{}x", "{},0", "0,{}", "<{}"),
    *(
        "{0},{0}",
        r"{0}\pm 0",
        r"{}\pm 1",
        r"\pm {}",
        r"{}\ldots",
        r"\text{{not }}{}",
        "{}:1",
        "{}:0",
    ),
    *("f({})", r"\sin({})", r"\{{{},0\}}", r"{}\text{{ or more}}", r"\frac{{d}}{{dx}}{}", "{}^T"),
    *(
        r"\overline{{{}}}",
        r"\dot{{{}}}",
        r"{}\cdot",
        r"{}\text{{ or }}0",
        "2^{{{}}}",
        "{}^{{\\prime}}",
    ),
)


def mutated(gold: str) -> Iterator[str]:
    """Yield a gold answer with one change: a digit, a sign, an operator, a bracket, an item, …."""
    for place in DIGIT.finditer(gold):
        for step in (1, 4):
            digit = str((int(place[0]) + step) % 10)
            yield gold[: place.start()] + digit + gold[place.end() :]
        yield gold[: place.start()] + gold[place.end() :]
        yield gold[: place.end()] + place[0] + gold[place.end() :]
    for old, new in SWAPS:
        for place in re.finditer(re.escape(old), gold):
            yield gold[: place.start()] + new + gold[place.end() :]
    for wrap in WRAPS:
        yield wrap.format(gold)
    items = gold.split(",")
    for index in range(len(items) * (len(items) > 1)):
        yield ",".join(items[:index] + items[index + 1 :])
        yield ",".join([*items[: index + 1], *items[index:]])
        yield ",".join(items[index:] + items[:index])
    yield gold[::-1]


def answers(gold: str, golds: tuple[str, ...]) -> Iterator[str]:
    """Yield what is tried in place of a gold answer."""
    yield from dict.fromkeys(itertools.chain(golds, UNIVERSAL, mutated(gold)))


def accepted(gold: str, golds: tuple[str, ...]) -> Iterator[str]:
    """Yield the answers that are accepted for a gold answer."""
    target = read_answer(gold)
    assert target is not None
    for answer in answers(gold, golds):
        reading = read_answer(answer)
        if reading is not None and same_typed(reading, target):
            yield answer


def wrongly_accepted(golds: tuple[str, ...], others: tuple[str, ...]) -> list[tuple[str, str]]:
    """Return the accepted pairs of an answer and a gold answer that do not agree."""
    return [
        (answer, gold)
        for gold in golds
        for answer in accepted(gold, others)
        if not agree(read(answer), read(gold))
    ]


@pytest.mark.parametrize("start", range(4))
def test_what_is_accepted_is_right(start: int) -> None:
    assert wrongly_accepted(GOLDS[start::8], GOLDS[::6]) == []


@pytest.mark.skipif("CCPO_SLOW" not in os.environ, reason="minutes; set CCPO_SLOW to run it")
@pytest.mark.parametrize("start", range(8))
def test_whatever_is_accepted_is_right(start: int) -> None:
    golds = (*GOLDS, *(answer for gold in GOLDS for answer in mutated(gold)))
    assert wrongly_accepted((*GOLDS[start::8], *golds[start::160]), GOLDS) == []


def test_the_second_evaluation_can_tell() -> None:
    assert agree(read("0.75"), read(r"\frac{3}{4}"))
    assert not agree(read("0.76"), read(r"\frac{3}{4}"))
    assert agree(read("y=2x"), read("2y=4x"))
    assert not agree(read("0:0"), read("1:2"))
    assert not agree(read(r"x^2+4=0"), read("x^2+1=0"))
