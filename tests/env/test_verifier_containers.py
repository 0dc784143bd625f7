"""Lists, sets, tuples and points beside one another: how many, in which order, and of what."""

from __future__ import annotations

import pytest

from ccpo_env.verifiers.math.compare.typed import same_typed
from ccpo_env.verifiers.math.forms.reading import read
from ccpo_env.verifiers.math.forms.structure import MAX_PARTS


def decide(answer: str, gold: str) -> bool | None:
    readings = read(answer), read(gold)
    assert readings[0] is not None
    assert readings[1] is not None
    return same_typed(*readings)


@pytest.mark.parametrize(
    ("answer", "gold", "equal"),
    [
        ("(1,2)", "(1,2,3)", False),
        ("(1,2,3)", "(1,2)", False),
        ("1,2", "1,2,3", False),
        ("1,2,3", "1,2", False),
        ("1,1,2", "1,2", True),
        ("1,2", "1,1,2", False),
        ("1,1,2", "1,2,2", False),
        ("1,1,2", "2,1,1", True),
        (r"1,\foo", r"1,\foo{2}", None),
        (r"1,\foo", r"2,\foo{2}", False),
        (r"1,\foo", "1,2", False),
        ("1,2", r"\foo,2", None),
        (r"\foo,\foo", "1,2", False),
        (r"(1,\foo)", "(1,2)", False),
        (r"(1,\foo)", "(2,3)", False),
        ("x=1,y=2", "(1,2)", True),
        ("(1,2)", "x=1,y=2", True),
        ("(2,1)", "x=1,y=2", False),
        ("x=1,x=2", "(1,2)", False),
        ("abcd=1,y=2", "(1,2)", False),
        ("abc=1,y=2", "(1,2)", True),
        ("x=1,y=2", "(x,y)=(1,2)", True),
        ("(x,y)=(1,2)", "y=2,x=1", True),
        ("(x,y)=(1,2)", "y=1,x=2", False),
        ("(x,z)=(1,2)", "y=2,x=1", False),
        ("(x,y)=(1,2)", "(1,2)", True),
        ("(1,2)", "(x,y)=(1,2)", True),
        (r"S=\{1,2\}", r"\{2,1\}", True),
        (r"\{1,2\}", r"S=\{1,3\}", False),
        ("[1,2]", "1,2", False),
        ("(1,2)", "1,2", True),
        ("1,2", "(1,2)", True),
        ("2,1", "(1,2)", False),
        (r"\{1,2\}", "(1,2)", False),
        ("[1,2]", "(1,2)", False),
        (r"\{1\}", "1", True),
        ("1", r"\{1\}", True),
        (r"\{1,2\}", r"\{\{1\},2\}", False),
        ("a,b", "A,B", True),
        ("(a,b)", "(A,B)", False),
        (r"\{a,b\}", r"\{A,B\}", False),
        ("a,x", "A,X", False),
        (r"\text{red, blue}", r"\text{blue, red}", False),
        (r"\text{red, blue}", r"\text{red, blue}", True),
        ("P(1,2)", "(1,2)", True),
        ("p(1,2)", "(1,2)", False),
        ("PQ(1,2)", "(1,2)", False),
        ("(1,2)", "P(1,2)", True),
        ("P(1,3)", "(1,2)", None),
        ("(1,2)", "5", False),
        ("5", "(1,2)", False),
        ("(1,2)", r"\text{blue}", False),
        ("(1,2)", r"\emptyset", False),
        (r"\emptyset", "(1,2)", False),
        ("(1,2)", r"\foo", None),
        ("(1,2),(3,4)", "(1,2)", False),
        ("(1,2)", "(1,2),(3,4)", False),
        (r"\{(1,2)\}", "(1,2)", True),
        ("(1,2)", r"\{(1,2)\}", True),
        ("x=1,x=2", "x=1", False),
        ("x=1", "x=1,x=2", False),
        (r"x=\pm 1", "x=1,x=-1", True),
        ("x=1,x=-1", r"x=\pm 1", True),
        (r"x=\pm 1", "x=1", False),
        ("1,2,3", "(1,2)", False),
        ("1", "(1)", True),
        ("1,2", r"\langle 1,2\rangle", True),
        ("[1,2,3]", "(1,2,3)", False),
        ("[1,2,3)", "[1,2,3)", True),
    ],
)
def test_containers_beside_containers(answer: str, gold: str, equal: bool | None) -> None:
    assert decide(answer, gold) is equal


def numbers(count: int, first: int = 0) -> str:
    return ",".join(str(first + index) for index in range(count))


@pytest.mark.parametrize("bracket", ["{}", "({})"])
def test_containers_of_many_parts_are_compared(bracket: str) -> None:
    def compare(size: int, gold_size: int, first: int) -> bool | None:
        return decide(bracket.format(numbers(size, first)), bracket.format(numbers(gold_size)))

    assert compare(MAX_PARTS, MAX_PARTS, 0) is True
    assert compare(MAX_PARTS, MAX_PARTS, 1) is False
    assert compare(MAX_PARTS + 1, MAX_PARTS + 1, 0) is True
    assert compare(MAX_PARTS + 1, MAX_PARTS + 1, 1) is False
    assert compare(MAX_PARTS + 1, MAX_PARTS, 0) is False
    assert compare(MAX_PARTS, MAX_PARTS + 1, 0) is False
