"""The time of a program, its reports, and what its objects may decide: without a sandbox."""

from __future__ import annotations

import json
import mmap
import os
import time
from collections.abc import Sequence
from typing import cast

import pytest

from ccpo_env.verifiers.code import isolated
from ccpo_env.verifiers.code.sandbox import checker_side, supervisor, watch
from ccpo_env.verifiers.code.sandbox.watch import Usage
from ccpo_env.verifiers.code.sandbox.wire import Json, Lines


class Answers:
    """Lines to a program that gives these answers."""

    def __init__(self, answers: Sequence[Json]) -> None:
        ready: Json = {"ready": True}
        self._answers = iter([ready, *answers])
        self.sent: list[object] = []

    def send(self, message: object) -> None:
        self.sent.append(message)

    def receive(self) -> Json:
        return next(self._answers)


def outcome(tests: str, *answers: Json) -> Json:
    job = checker_side.Job(
        blocks=["def f(x): pass"], fenced=True, question="", gold="", tests=tests, goes_on=False
    )
    lines = cast("Lines", Answers(answers))
    return checker_side.check(job, lines, lambda _: None)["outcome"]


OBJECT: Json = {"value": {"object": 0}}
CALLABLE: Json = {"value": {"callable": 1}}
NO_ATTRIBUTE: Json = {"raised": "AttributeError", "reason": "push"}


@pytest.mark.parametrize(
    "test",
    [
        *("f(1)", "not f(1)", "f(1) == 2", "f(1) != 2", "f(1) < 2", "f(1) in [2]", "2 in f(1)"),
        *("str(f(1))", "repr(f(1))", "f'{f(1)}'", "'%s' % f(1)", "format(f(1))", "{f(1)}"),
        *("len(f(1)) >= 0", "[*f(1)] or True", "bool(f(1))", "f(1)[0]", "dir(f(1))", "f(1)()"),
        *("hash(f(1)) is not None", "hasattr(f(1), '__len__')", "iter(f(1))", "float(f(1))"),
    ],
)
def test_an_object_of_the_program_decides_nothing(test: str) -> None:
    assert outcome(f"assert {test}", OBJECT) == "failed"


def test_attributes_of_an_object_are_those_that_it_has() -> None:
    assert outcome("assert f(1).val == 3", OBJECT, {"value": 3}) == "passed"
    assert outcome("assert f(1).val != 3", OBJECT, {"value": 3}) == "failed"
    assert outcome("assert f(1).val", OBJECT, OBJECT) == "failed"
    assert outcome("assert f(1).pop() == 3", OBJECT, CALLABLE, {"value": 3}) == "passed"
    assert outcome("assert hasattr(f(1), 'push')", OBJECT, NO_ATTRIBUTE) == "failed"
    assert outcome("assert callable(f(1).push)", OBJECT, CALLABLE) == "passed"
    assert outcome("assert callable(f(1).push)", OBJECT, OBJECT) == "failed"


@pytest.mark.parametrize(
    ("tests", "value", "expected"),
    [
        ("for a in f(1): assert a", [], "failed"),
        ("r = f(1)\nif r: assert r == 2", None, "failed"),
        ("assert f(f(1).join) == 2", "", "failed"),
        ("assert f(type(f(1))) == 2", 2, "failed"),
        ("assert f(f(1).keys()) == 2", {"dict": []}, "failed"),
        ("raise ValueError(f(1))", {"object": 0}, "failed"),
        ("assert f(1) is None\nassert f(lambda: 0)", None, "error"),  # whatever it answers
        ("assert f(print) == 2", 2, "error"),
        ("f = f\nassert 0 == 1", 2, "error"),
    ],
)
def test_after_an_answer_a_program_is_wrong_whatever_stops_its_tests(
    tests: str, value: Json, expected: str
) -> None:
    assert outcome(tests, {"value": value}, {"value": value}) == expected


def test_two_reports_in_one_piece_are_both_read() -> None:
    side = object.__new__(supervisor.Side)
    side.reports, report = os.pipe()
    side._rest = b""
    os.write(report, json.dumps({"pid": os.getpid(), "in_force": []}).encode() + b"\n")
    os.write(report, b'{"block": 0}\n')
    assert not side.is_isolated()
    os.close(side.process)
    assert side.has_report(0.0)
    assert side.read() == {"block": 0}
    assert not side.has_report(0.0)
    os.close(report)
    assert side.has_report(0.0)
    assert side.read() is None
    os.close(side.reports)


class Hung:
    """Tests that never end, whose reports come to light when they are killed."""

    pid = 0

    def __init__(self, *reports: dict[str, Json]) -> None:
        self._reports = iter([*reports, None])

    def has_report(self, limit_s: float) -> bool:
        return False

    def read(self) -> dict[str, Json] | None:
        return next(self._reports)

    def end(self) -> None:
        self.pid = -1


@pytest.mark.parametrize(
    ("reports", "is_starved", "expected"),
    [
        ([{"block": 0}], False, "failed"),
        ([{"block": 0}, {"outcome": "passed"}], False, "failed"),  # too late
        ([{"block": 0}], True, "timeout"),
        ([], False, "error"),  # the program was never asked
    ],
)
def test_tests_that_hang_are_killed_and_then_read_to_the_end(
    reports: list[dict[str, Json]],
    is_starved: bool,
    expected: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(watch.Clock, "look", lambda *_: (0.0, is_starved))
    settings = supervisor.Settings(timeout_s=1.0, memory_mb=64, mount_point=None, work_folder="")
    tested, checker = Hung(), Hung(*reports)
    sides = cast("tuple[supervisor.Side, supervisor.Side]", (tested, checker))
    with mmap.mmap(-1, mmap.PAGESIZE) as moved:
        assert supervisor._watch(settings, *sides, moved)["outcome"] == expected
    assert (tested.pid, checker.pid) == (-1, -1)


def usage(cpu_s: float, waited_s: float, num_sleeps: int = 0, *, can_run: bool = True) -> Usage:
    return Usage(cpu_s, waited_s, num_sleeps, can_run)


@pytest.mark.parametrize(
    ("program", "tests", "num_bytes", "expected"),
    [
        (usage(1, 9), usage(0, 0), 0, 9),  # starved
        (usage(1, 0), usage(0, 9), 0, 9),  # its tests are
        (usage(10, 0), usage(0, 9), 0, 0),  # it ran meanwhile
        (usage(2, 8), usage(0, 8), 0, 8),  # both wait at once
        (usage(0, 9, 5000), usage(0, 0), 0, 0),  # it sleeps for moments, and waits after each
        (usage(0, 9, 5000), usage(0, 0), 5000 * watch.PIECE, 9),  # it sleeps for its calls
        (usage(0, 0), usage(0, 9, 5000), 20_000, 0),  # its tests wake for single bytes
    ],
)
def test_waits_are_counted_once_and_not_bought(
    program: Usage, tests: Usage, num_bytes: int, expected: float
) -> None:
    assert watch.credit_s(10.0, program, tests, num_bytes) == expected


@pytest.mark.parametrize(
    ("share", "sleeps_s", "waits_in_s", "expected"),
    [
        (1.0, 0.0, 0.0, (2.0, False)),  # it has the core
        (0.25, 0.0, 0.0, (8.0, False)),  # a busy machine
        (0.25, 0.0, 0.5, (8.0, False)),  # of long waits, which are known when they are over
        (1.0, 2.0, 0.0, (2.0, False)),  # it sleeps
        (0.01, 0.0, 0.0, (60.0, True)),  # too busy to tell
    ],
)
def test_the_time_ends_by_what_was_given(
    share: float,
    sleeps_s: float,
    waits_in_s: float,
    expected: tuple[float, bool],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    now = 1000.0

    def usage_of(pid: int) -> Usage:
        run_s = max(now - 1000.0 - sleeps_s, 0.0)
        if pid == 2:
            return Usage()
        known_s = run_s if not waits_in_s else run_s // waits_in_s * waits_in_s
        waited_s = known_s * (1 - share)
        return Usage(7 + known_s * share, 5 + waited_s, 9, run_s > 0)

    monkeypatch.setattr(watch, "usage_of", usage_of)
    monkeypatch.setattr(time, "monotonic", lambda: now)
    clock = watch.Clock(2.0, (1, 2))
    left_s, is_starved = clock.look(0)
    while left_s > 0:
        now += left_s + 1e-6
        left_s, is_starved = clock.look(0)
    assert now - 1000.0 == pytest.approx(expected[0], abs=1.0)
    assert is_starved == expected[1]


def test_usage_is_that_of_the_kernel() -> None:
    used = watch.usage_of(os.getpid())
    assert used.can_run
    assert used.cpu_s > 0
    assert watch.usage_of(1 << 22) == Usage()


def test_without_namespaces_only_root_runs_programs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    result = isolated.run_isolated({}, timeout_s=1.0, memory_mb=64, namespaces=False)
    assert result["outcome"] == "error"
    assert "takes root" in result["reason"]
