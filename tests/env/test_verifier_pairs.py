"""An answer of any kind beside a gold answer of any kind: a verdict, and the right one."""

from __future__ import annotations

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ccpo_env.verifiers import verify
from ccpo_env.verifiers.math.compare.typed import is_understood, same_typed
from ccpo_env.verifiers.math.forms.reading import Reading, read

KINDS = {
    "integer": "7",
    "decimal": "0.25",
    "mixed number": r"3\frac{1}{2}",
    "power of ten": r"1.2\times 10^{5}",
    "percentage": r"50\%",
    "number in a base": "101_2",
    "measure": r"5\text{ cm}",
    "money": r"\$5",
    "angle": r"5^\circ",
    "ratio": "1:4",
    "ratio of three": "2:3:4",
    "ratio of nothing": "0:0",
    "ratio of letters": "a:b",
    "ratio of roots": r"\sqrt{2}:1:3",
    "ratio of something unreadable": r"1:\foo",
    "ratio to something unreadable": r"\foo:2",
    "ratio without an end": "1:",
    "ratio with a unit": r"1:4\text{ cm}",
    "time": r"5:30\text{ pm}",
    "infinity": r"\infty",
    "minus infinity": r"-\infty",
    "infinity in words": r"\text{infinity}",
    "infinity with a unit": r"\infty\text{ cm}",
    "more than infinity": r"\infty+1",
    "words": r"\text{no solution}",
    "a word": "blue",
    "no limit": r"\text{DNE}",
    "empty set": r"\emptyset",
    "choice": "(B)",
    "symbol": "x",
    "polynomial": "x^2+2x+1",
    "constant": r"2\pi",
    "complex number": "3+4i",
    "no value": r"\frac{1}{0}",
    "factorial of a negative number": "(-1)!",
    "factorial of a fraction": r"\frac{1}{2}!",
    "too large": "10^{10^{10}}",
    "function": r"\sin x/2",
    "pair": "(1,2)",
    "half-open interval": "(1,2]",
    "unbounded interval": r"(1,\infty)",
    "symbolic interval": "[a,b)",
    "union": r"(1,2)\cup(3,4)",
    "set": r"\{1,2\}",
    "set of pairs": r"\{(1,2),(3,4)\}",
    "list": "1,2,3",
    "list with dots": r"1,\ldots,9",
    "list with infinity": r"\infty,-\infty",
    "list with something unreadable": r"1,\foo",
    "plus or minus": r"2\pm\sqrt 3",
    "matrix": r"\begin{pmatrix}1&2\\3&4\end{pmatrix}",
    "column": r"\begin{pmatrix}a\\b\end{pmatrix}",
    "matrix of something unreadable": r"2\begin{pmatrix}\foo\\2\end{pmatrix}",
    "labelled value": "x=5",
    "labelled infinity": r"x=\infty",
    "labelled list": "x=1,y=2",
    "equation": "y=2x+3",
    "equation of something unreadable": r"y=\foo",
    "chain": "x=y=2",
    "inequality": "x>2",
    "inequality of something unreadable": r"x+y<\foo",
    "excluded point": r"x\neq 1",
    "modulus": "|x|<1",
    "modulus of something unreadable": r"|x|<\foo",
    "set builder": r"\{x \mid x>2\}",
    "all reals": r"\mathbb{R}",
    "reals without points": r"\mathbb{R}\setminus\{0\}",
    "congruence": r"n\equiv 3 \pmod 7",
    "congruence of something unreadable": r"n\equiv\foo \pmod 7",
    "sum": r"\sum_{k=1}^{4} k",
    "macro": r"\foo",
    "sign": "<",
    "brackets": ")(",
    "cut fraction": r"\frac{1}{",
    "cut matrix": r"\begin{pmatrix}1&2",
}


def decide(answer: str, gold: str) -> bool | None:
    readings = read(answer), read(gold)
    assert readings[0] is not None
    assert readings[1] is not None
    return same_typed(*readings)


@pytest.mark.parametrize("gold", KINDS)
def test_every_kind_is_compared_with_every_other(gold: str) -> None:
    for kind, answer in KINDS.items():
        equal = decide(answer, KINDS[gold])
        assert equal in (True, False, None), (kind, gold)
        assert kind != gold or equal is True


NUMBERS = ("integer", "decimal", "mixed number", "power of ten", "polynomial", "constant", "symbol")
SETS = ("half-open interval", "unbounded interval", "union", "modulus", "set builder", "all reals")
# kinds no member of which is a member of another
APART = (
    *("words", "choice", "ratio of three", "infinity", "matrix", "set", "set of pairs", "list"),
    "inequality",
)


@pytest.mark.parametrize(
    ("first", "second"), [*itertools.product(APART, NUMBERS), *itertools.product(NUMBERS, SETS)]
)
def test_another_kind_is_wrong_in_both_directions(first: str, second: str) -> None:
    assert decide(KINDS[first], KINDS[second]) is False
    assert decide(KINDS[second], KINDS[first]) is False


OPERATIONS = (":", ",", "=", "<", r"\leq ", "-", r"\text{ or }", r"\cup ", r"\neq ", " ", "/", "^")


@st.composite
def joined(draw: st.DrawFn) -> str:
    """Draw an answer made of answers, in a bracket or in none."""
    parts = draw(st.lists(st.sampled_from(list(KINDS.values())), min_size=1, max_size=3))
    opened, closed = draw(st.sampled_from([("", ""), ("(", "]"), ("|", "|"), (r"\{", r"\}")]))
    return opened + draw(st.sampled_from(OPERATIONS)).join(parts) + closed


@given(answer=joined(), gold=joined())
def test_no_pair_of_joined_kinds_raises(answer: str, gold: str) -> None:
    assert decide(answer, gold) in (True, False, None)


@pytest.mark.parametrize(
    ("answer", "gold", "equal"),
    [
        ("2:8", "1:4", True),
        ("1:4", "1/4", True),
        ("0.25", "1:4", True),
        ("1:4", "4", False),
        ("0:4", "0", False),  # no ratio, but a typing error
        ("0", "0:4", False),
        ("0:0", "0", False),
        ("1:2:3", "0.5", False),
        ("2:4:6", "1:2:3", True),
        ("2:4:7", "1:2:3", False),
        ("1:2", "1:2:3", False),
        ("1:4", "x", False),
        ("1:4", r"\text{blue}", False),
        ("1:4", "101_2", False),
        ("1:4", r"\foo", None),
        (r"\foo", "1:4", False),
        ("a:b", "2a:2b", True),
        ("a:b", "b:a", False),
        ("a:b", "a:b:c", False),
        (r"a:\foo", "a:b", None),
        ("a:b", r"a:\foo", None),
        (r"\foo:b", "a:b", None),
        ("a:b", r"\foo:b", None),
        (r"1:\foo", "1:4", False),
        (r"a:c:\foo", "a:b:c", False),  # one part differs, whatever the other is
        ("5:30", r"5:30\text{ pm}", True),
        ("10:60", r"5:30\text{ pm}", False),
        (r"1:4\text{ cm}", "0.25", False),
    ],
)
def test_ratios_beside_any_kind(answer: str, gold: str, equal: bool | None) -> None:
    assert decide(answer, gold) is equal


@pytest.mark.parametrize(
    ("answer", "gold", "equal"),
    [
        (r"\infty", r"+\infty", True),
        (r"+\infty", r"\infty", True),
        (r"\infty", r"-\infty", False),
        (r"-\infty", r"+\infty", False),
        (r"-\infty", r"- \infty", True),
        (r"\text{\infty}", r"\infty", True),
        (r"\infty", "7", False),
        ("7", r"\infty", False),
        (r"-\infty", "x+1", False),
        (r"5\text{ cm}", r"-\infty", False),
        ("1:4", r"\infty", False),
        (r"\infty", r"\text{no solution}", False),
        (r"\text{blue}", r"-\infty", False),
        (r"\infty", r"\foo", None),
        (r"\foo", r"\infty", None),
        (r"x=\infty", r"\infty", True),
        (r"x=-\infty", r"\infty", False),
        (r"\infty,-\infty", r"-\infty,\infty", True),
        (r"\infty,\infty", r"-\infty,\infty", False),
        (r"(1,\infty)", r"\infty", None),
    ],
)
def test_infinity_beside_any_kind(answer: str, gold: str, equal: bool | None) -> None:
    assert decide(answer, gold) is equal


BOUNDS = ("0", r"\frac{1}{2}", "1", "2", "10")


@pytest.mark.parametrize("bound", BOUNDS)
@pytest.mark.parametrize("name", ["x", "z"])
def test_a_modulus_below_or_above_a_bound_is_a_set(name: str, bound: str) -> None:
    minus = f"-{bound}"
    for modulus, turned, region in (
        (f"|{name}| < {bound}", f"{bound} > |{name}|", f"({minus},{bound})"),
        (f"|{name}| \\leq {bound}", f"{bound} \\geq |{name}|", f"[{minus},{bound}]"),
        (
            f"|{name}| > {bound}",
            f"{bound} < |{name}|",
            rf"(-\infty,{minus})\cup({bound},\infty)",
        ),
        (
            f"|{name}| \\geq {bound}",
            f"{bound} \\leq |{name}|",
            rf"(-\infty,{minus}]\cup[{bound},\infty)",
        ),
        (
            f"|{name}| \\neq {bound}",
            f"{bound} \\neq |{name}|",
            rf"{name} \neq {bound}, {minus}",
        ),
    ):
        is_empty = bound == "0" and modulus == f"|{name}| < 0"
        assert decide(modulus, region) is not is_empty, modulus
        assert is_empty or decide(region, modulus) is True, modulus
        assert decide(turned, modulus) is True, turned


@pytest.mark.parametrize("bound", BOUNDS[1:])
def test_signs_of_a_modulus_count(bound: str) -> None:
    relations = [f"|z| {sign} {bound}" for sign in ("<", "\\leq", ">", "\\geq", "=", "\\neq")]
    for answer, gold in itertools.permutations(relations, 2):
        assert decide(answer, gold) is False, (answer, gold)


@pytest.mark.parametrize(
    ("answer", "gold", "equal"),
    [
        ("|x| > 0", r"x \neq 0", True),
        ("|x-1| > 0", r"x \neq 1", True),
        (r"|x| \geq 0", r"\mathbb{R}", True),
        ("|x| > 0", r"\mathbb{R}", False),
        ("|x| > -1", r"\mathbb{R}", True),
        (r"|x| \neq -1", r"\mathbb{R}", True),
        (r"|x| \neq 0", r"x \neq 0", True),
        (r"|x| \leq 0", "[0,0]", True),
        (r"|x| < \infty", r"\mathbb{R}", True),
        (r"|x| \leq \infty", r"\mathbb{R}", True),
        (r"|x| > \infty", r"\mathbb{R}", False),
        (r"|x| < -1", r"\mathbb{R}", False),
        ("|x+1| < 1", "(-2,0)", True),
        (r"|x+1| \geq 1", r"x \leq -2 \text{ or } x \geq 0", True),
    ],
)
def test_moduli_at_the_ends_of_their_range(answer: str, gold: str, equal: bool | None) -> None:
    assert decide(answer, gold) is equal


UNDERSTOOD = (
    r"n \equiv 3 \pmod 7",
    r"\{x | x > 2\}",
    r"-1 \leq m",
    r"\frac ab",
    r"\langle 1,2\rangle",
    r"1, 2, \ldots, n",
    r"\begin{pmatrix} a & b \\ c & d \end{pmatrix}",
)


@pytest.mark.usefixtures("patient_workers")
@pytest.mark.parametrize("gold", UNDERSTOOD)
@pytest.mark.parametrize("answer", [r"\foo", r"n \equiv \foo \pmod 7", r"\frac{1}{", r"\sin x/2"])
def test_an_unreadable_answer_is_wrong_beside_a_gold_that_only_we_read(
    answer: str, gold: str
) -> None:
    response = rf"\boxed{{{answer}}}" + "}" * answer.endswith("{")
    assert verify(rf"\boxed{{{gold}}}", gold).status == "correct"
    assert verify(response, gold, timeout_s=60).status == "wrong"


@pytest.mark.parametrize("gold", [r"\foo", "1:", ")(", "=", r"x=\foo", r"1, \foo", "^{12}C"])
def test_a_gold_that_nobody_reads_is_an_error(gold: str) -> None:
    assert not is_understood(Reading(gold))


def test_a_label_may_stand_on_either_side() -> None:
    assert decide("r^2+1=A", "r^2+1") is True
    assert decide("r^2+2=A", "r^2+1") is False
    assert decide("r^2+1=s^2+1", "s^2+1") is False  # the bare side of an equation
    assert decide(r"\foo{x}^2=3", "3") is None


@pytest.mark.parametrize(
    ("answer", "gold", "equal"),
    [
        ("2 3", "6", False),
        (r"1 \frac{5}{2}", "3.5", False),
        (r"\alpha+", "1", False),  # no function whose meaning math-verify may know
        (r"3 \cdot \times 2", "6", False),
        (r"\sin x/2", "1", None),
        (r"\foo+", "1", False),
        (r"\alpha+", r"\foo", None),
        (r"\frac{0}{0}", "1", False),
        ("1", r"\frac{0}{0}", None),
        (r"\frac{0}{0}", r"\frac{1}{0}", None),
    ],
)
def test_incomplete_expressions_beside_a_value(answer: str, gold: str, equal: bool | None) -> None:
    assert decide(answer, gold) is equal


@pytest.mark.parametrize(
    ("answer", "gold", "equal"),
    [
        ("(A) 42", "A", True),
        ("A", "(A) 42", True),
        ("(A) 42", "B", False),
        ("B", "(A) 42", False),
        ("x", "(A) 42", False),
        (r"0.33\ldots", "0.33", False),
        ("0.33", r"0.33\ldots", False),
        (r"5\text{ or more}", "5", False),
        ("5", r"5\text{ or more}", False),
        (r"5\text{ cm}", r"5\text{ m}", False),
        (r"50\%", r"50\text{ cm}", False),
        (r"50\%", r"\text{blue}", False),
        (r"\text{blue}", r"50\%", False),
        (r"50\%", r"\frac{x}{2}", False),
        (r"50\%", r"\foo", None),
        (r"x\%", r"\frac{x}{100}", True),
        (r"x\%", "x", None),
        (r"\frac12\%", r"\frac{1}{200}", True),
        (r"50\%", "50", True),
        ("-1", r"-1\%", True),
        (r"101_2\%", "101", None),
        ("101_2", "x", False),
        ("101_2", r"\sqrt{2}", False),
        ("101_2", r"\text{blue}", False),
        (r"\foo", "101_2", False),
        ("101_2", "101_3", False),
        ("101_2", "101", True),
        ("101", "102_2", False),
        ("101_2", r"\emptyset", False),
        (r"\emptyset", r"\text{blue}", False),
        (r"\emptyset", "x+1", False),
        (r"\emptyset", r"\foo", None),
        (r"\text{null set}", r"\emptyset", True),
        (r"\text{blue}", "x+1", False),
        (r"\text{blue}", r"\foo", None),
        (r"\text{blue}", r"\text{Blue}", True),
    ],
)
def test_single_values_of_two_kinds(answer: str, gold: str, equal: bool | None) -> None:
    assert decide(answer, gold) is equal


MATRIX = r"\begin{%s}%s & 2 \\ 3 & 4 \end{%s}"


@pytest.mark.parametrize(
    ("cell", "gold_cell", "equal"),
    [
        (r"\foo", r"\foo", True),  # by its form
        (r"\foo", "1", False),
        ("", "1", False),
        ("1", "", False),
        ("", "", True),
        ("0.5", r"\frac12", True),
        (r"\infty", r"-\infty", False),
    ],
)
def test_cells_of_matrices_are_compared_as_values(
    cell: str, gold_cell: str, equal: bool | None
) -> None:
    answer = MATRIX % ("pmatrix", cell, "pmatrix")
    assert decide(answer, MATRIX % ("bmatrix", gold_cell, "bmatrix")) is equal


def test_congruences_may_have_expressions_for_residues() -> None:
    assert decide(r"n \equiv 2^3+4 \pmod 7", r"n \equiv 5 \pmod 7") is True
    assert decide(r"n \equiv 2^3+5 \pmod 7", r"n \equiv 5 \pmod 7") is False
    assert decide(r"n \equiv k \pmod 7", r"n \equiv 5 \pmod 7") is None
