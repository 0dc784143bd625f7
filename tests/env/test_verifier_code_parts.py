"""Parts of the verifier of programs that run nothing: values on the wire, blocks, system calls."""

from __future__ import annotations

import ast
import errno
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
KEYS = st.recursive(
    ATOMS,
    lambda inner: st.tuples(inner, inner) | st.frozensets(inner, max_size=2),
    max_leaves=8,  # a VALUE holds up to a dozen; larger ones are too long to be shown
)
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


M = (1 << 61) - 1  # whose multiples all have the hash 0


@pytest.mark.parametrize("kind", ["set", "frozenset", "dict"])
def test_a_set_of_one_hash_and_many_values_are_refused(
    kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    members = [{"int": hex(n * M)} for n in range(1, 102)]
    items = [[member, 0] for member in members] if kind == "dict" else members
    with pytest.raises(wire.BadMessage, match="equal hashes"):
        wire.decode({kind: items}, refused)
    assert len(wire.decode({kind: items[:100]}, refused)) == 100  # type: ignore[arg-type]
    monkeypatch.setattr(wire, "MAX_ELEMENTS", 50)
    assert wire.decode([0] * 49, refused) == [0] * 49
    with pytest.raises(wire.BadMessage, match="at most 50 values"):
        wire.decode([0] * 50, refused)


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
    lines = [line.split() for line in text.splitlines() if line.startswith("#define __NR")]
    numbers = {
        line[1].removeprefix("__NR").removeprefix("_"): line[2] for line in lines if len(line) > 2
    }
    numbers["fcntl"] = numbers.get("3264_fcntl", numbers["fcntl"])
    by_argument = {**syscalls.DENIED_ARGUMENTS, **syscalls.ALLOWED_ARGUMENTS}
    rows = {name: row for name, (row, _, _) in by_argument.items()}
    for name, row in {**syscalls.DENIED, **syscalls.IDLE, **rows}.items():
        if row[column] is not None:
            assert numbers[name] == str(row[column]), name


ALLOW, KILL, ERROR = 0x7FFF0000, 0x80000000, 0x00050000


def filtered(machine: str, number: int, *arguments: int, architecture: int | None = None) -> int:
    """Run a filter on a system call as the kernel does."""
    architecture = architecture or syscalls.ARCHITECTURES[machine][0]
    padded = [*arguments, *[0] * (6 - len(arguments))]
    call = struct.pack("<IIQ6Q", number, architecture, 0, *padded)
    program = list(struct.iter_unpack("HBBI", syscalls.filter_of(machine)))
    at, loaded = 0, 0
    while True:
        code, jump_if, jump_else, value = program[at]
        if code == 0x06:
            return int(value)
        if code == 0x20:
            (loaded,) = struct.unpack_from("<I", call, value)
        elif code == 0x15:
            at += jump_if if loaded == value else jump_else
        else:
            assert code == 0x25
            at += jump_if if loaded > value else jump_else
        at += 1


@pytest.mark.parametrize("machine", ["x86_64", "aarch64"])
def test_the_filter_decides_by_number_machine_and_argument(machine: str) -> None:
    column = syscalls.ARCHITECTURES[machine][1]
    for row in syscalls.DENIED.values():
        if (number := row[column]) is not None:
            assert filtered(machine, number) == ERROR | errno.EPERM
    yields, fcntl, ioctl = ((24, 72, 16), (124, 25, 29))[column]
    socketpair = (53, 199)[column]
    assert filtered(machine, yields) == ERROR  # it returns, and the core is kept
    found = [filtered(machine, fcntl, 3, value) for value in (8, 10, 15, 8 | 1 << 32)]
    found += [filtered(machine, ioctl, 3, value) for value in (0x8901, 0x8902)]
    found += [filtered(machine, socketpair, family) for family in (2, 16, 40)]
    assert set(found) == {ERROR | errno.EPERM}
    allowed = [filtered(machine, fcntl, 3, value) for value in (1, 2, 3, 4)]
    allowed += [filtered(machine, socketpair, 1), filtered(machine, (0, 63)[column], 8)]
    assert set(allowed) == {ALLOW}
    assert filtered(machine, 452) == ERROR | errno.ENOSYS
    assert filtered(machine, 0, architecture=0x40000003) == KILL


def test_the_filter_of_another_machine_is_unknown() -> None:
    assert len(syscalls.filter_of("x86_64")) % struct.calcsize("HBBI") == 0
    with pytest.raises(OSError, match=r"^machine must be one of .*, got 'm68k'$"):
        syscalls.filter_of("m68k")
