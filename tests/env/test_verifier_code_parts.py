"""Parts of the verifier of programs that run nothing: values on the wire, blocks, system calls."""

from __future__ import annotations

import ast
import json
import struct
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ccpo_env.verifiers.code.blocks import program_texts
from ccpo_env.verifiers.code.sandbox import assertions, sources, syscalls, wire

ATOMS = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.floats(allow_nan=False),
    st.text(st.characters()),
    st.binary(),
    st.complex_numbers(allow_nan=False),
)
KEYS = st.recursive(ATOMS, lambda inner: st.tuples(inner, inner) | st.frozensets(inner, max_size=2))
VALUES = st.recursive(
    KEYS,
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(KEYS, inner, max_size=3)
        | st.tuples(inner, inner)
        | st.sets(KEYS, max_size=3)
    ),
    max_leaves=12,
)


def refused(*what: object) -> wire.Json:
    raise wire.NotPlain(str(what))


@given(VALUES)
def test_a_plain_value_arrives_as_it_was_sent(value: object) -> None:
    message = json.loads(json.dumps(wire.encode(value, refused), allow_nan=False))
    arrived = wire.decode(message, refused)
    assert arrived == value
    assert type(arrived) is type(value)
    assert repr(arrived) == repr(value) or isinstance(value, set | frozenset | tuple | list | dict)


@pytest.mark.parametrize(
    "message",
    [
        {"set": [[1]]},
        {"dict": [[1, 2, 3]]},
        {"dict": [[[], 1]]},
        {"tuple": 3},
        {"tuple": {"dict": []}},
        {"int": "0x"},
        {"int": 3},
        {"float": "two"},
        {"bytes": "0"},
        {"range": [1, 2]},
        {"range": [1, 2, 0]},
        {"complex": ["1", 2]},
        {"object": 3},
        {"pickle": "gASVAAAA"},
        {},
        {"tuple": [], "set": []},
    ],
)
def test_anything_else_is_refused(message: object) -> None:
    with pytest.raises(wire.BadMessage):
        wire.decode(message, refused)


def test_deep_values_are_refused() -> None:
    deep: object = []
    for _ in range(100_000):
        deep = [deep]
    with pytest.raises(wire.BadMessage):
        wire.decode(deep, refused)


@pytest.mark.parametrize(
    ("response", "texts"),
    [
        ("a", (["a"], False)),
        ("\n\n    return 1\n", (["    return 1"], False)),
        ("```\na\n```", (["a\n"], True)),
        (
            "```python title=x\na\n```\n```py\nb\n```\n~~~Python3\nc\n~~~",
            (["a\n", "b\n", "c\n"], True),
        ),
        ("````\n```\na\n```\n````", (["```\na\n```\n"], True)),
        ("```json\n{}\n```", ([], True)),
        ("```\n\n```", ([], True)),
        ("so:\n```python\na", (["a"], True)),
        ("inline ```a``` only", (["inline ```a``` only"], False)),
        ("  ", ([], False)),
        ("<think>```\na\n```", ([], False)),
    ],
)
def test_blocks_of_a_response(response: str, texts: tuple[list[str], bool]) -> None:
    assert program_texts(response) == texts


def test_a_prompt_gives_its_helpers_and_asks_for_what_it_leaves_open() -> None:
    helper = "import math\nN = 3\ndef helper(x):\n    return x\n"
    prompt = f"{helper}def asked(x):\n    import os\n    '''Doc.'''\n"
    assert sources.code_of(prompt) == prompt
    assert sources.code_of(f"Complete:\n```python\n{prompt}```\nNow.") == prompt
    assert sources.code_of("Write a function.") == ""
    assert sources.asked_for(prompt) == "asked"
    assert sources.names_defined(sources.given(prompt)) == {"math", "N", "helper"}


def test_names_that_tests_call() -> None:
    check = "def check(f):\n    xs = [g(x) for x in range(3)]\n    assert f(xs) == h(math.pi)\n"
    tests = f"import os\n{check}check(f2)"
    assert assertions.called_names(tests, {"h"}, set()) == {"g", "f2"}
    assert assertions.called_names(tests, {"h"}, {"range"}) == {"g", "f2", "range"}
    assert assertions.modules_read(tests) == {"math"}


def test_assertions_are_marked_unless_they_may_be_expected_to_fail() -> None:
    tests = "assert a\nfor x in y:\n    assert x\nassert True\n"
    tests += "try:\n    assert b\nexcept AssertionError:\n    pass"
    marker = assertions.Marker()
    marked = ast.unparse(marker.visit(ast.parse(tests)))
    assert marker.num_sites == 2
    assert marked.count("with __assertion__(") == 2
    assert "try:\n    assert b" in marked


HEADERS = Path("/usr/include")
UNISTD = (HEADERS / "x86_64-linux-gnu/asm/unistd_64.h", HEADERS / "asm-generic/unistd.h")


@pytest.mark.parametrize("column", [0, 1])
def test_denied_calls_have_the_numbers_of_the_kernel_s_headers(column: int) -> None:
    if not UNISTD[column].exists():
        pytest.skip(f"no {UNISTD[column]}")
    text = UNISTD[column].read_text(encoding="utf-8")
    lines = [line.split() for line in text.splitlines() if line.startswith("#define __NR_")]
    numbers = {line[1].removeprefix("__NR_"): line[2] for line in lines if len(line) > 2}
    for name, row in syscalls.DENIED.items():
        if row[column] is not None:
            assert numbers[name] == str(row[column]), name


def test_the_filter_of_another_machine_is_unknown() -> None:
    assert len(syscalls.filter_of("x86_64")) % struct.calcsize("HBBI") == 0
    with pytest.raises(OSError, match=r"^machine must be one of .*, got 'm68k'$"):
        syscalls.filter_of("m68k")
