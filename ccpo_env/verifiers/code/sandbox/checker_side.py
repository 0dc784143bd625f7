"""The tests of a task: run against a program in another process, known only by its answers."""

from __future__ import annotations

import ast
import builtins
import re
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress

from ccpo_env.verifiers.code.sandbox import assertions, references, sources
from ccpo_env.verifiers.code.sandbox.wire import BadMessage, Json, Lines, NotPlain, decode, encode

ENDS_LOOPS = ("StopIteration", "StopAsyncIteration")
"""Exceptions that would end a loop of the tests as if it had run: they arrive as RuntimeError."""


class UnusableTests(Exception):
    """The test program itself cannot be run: no program is right or wrong by it."""


class Job:
    """One verdict to reach.

    Args:
        blocks: Texts of the response that may be the program, in order.
        fenced: Whether they are fenced blocks, so that the last is a program in any case.
        question: The question, which may give code.
        gold: Text of the gold answer, which may be a program; used for its names alone.
        tests: The test program.
        goes_on: Whether the assertions after one that failed are run as well.
    """

    def __init__(
        self,
        *,
        blocks: Sequence[str],
        fenced: bool,
        question: str,
        gold: str,
        tests: str,
        goes_on: bool,
    ) -> None:
        self.blocks = blocks
        self.fenced = fenced
        self.question = question
        self.gold = gold
        self.tests = tests
        self.goes_on = goes_on


class Program:
    """The program in the other process.

    Args:
        lines: Lines from and to it.
    """

    def __init__(self, lines: Lines) -> None:
        self.lines = lines
        self.has_ended = False
        self.num_answers = 0

    def ask(self, message: Mapping[str, Json]) -> dict[str, object]:
        """Send a message and return the answer; a program that has ended gives none again.

        Raises:
            BadMessage: If it gives none.
        """
        if self.has_ended:
            raise BadMessage("the program must not have ended")
        try:
            self.lines.send(message)
            answer = self.lines.receive()
        except BadMessage:
            self.has_ended = True
            raise
        finally:
            self.num_answers += 1
        return answer

    def call(
        self, function: Json, arguments: Sequence[object], named: Mapping[str, object]
    ) -> object:
        """Return the value of a call, rebuilt here from plain types.

        Raises:
            NotSent: If an argument is not a plain value.
            Exception: Of the built-in class that the program reports.
        """
        message = {
            "function": function,
            "arguments": [encode(item, references.refer) for item in arguments],
            "named": encode(dict(named), references.refer),
        }
        answer = self.ask(message)
        if "raised" in answer:
            raise _exception(answer)
        try:
            return decode(answer.get("value", {}), self._resolve)
        except BadMessage:
            self.has_ended = True
            raise

    def _resolve(self, kind: str, content: object) -> object:
        if kind not in ("object", "callable") or type(content) is not int:
            raise NotPlain(f"a program must refer to an object, got {kind!r}")
        kept = references.Callable if kind == "callable" else references.Object
        return kept(self.call, content)


def _exception(answer: Mapping[str, object]) -> Exception:
    name, reason = str(answer["raised"]), str(answer.get("reason", ""))
    kind: object = getattr(builtins, name, None)
    if isinstance(kind, type) and issubclass(kind, Exception) and name not in ENDS_LOOPS:
        with suppress(TypeError):  # such as UnicodeDecodeError, which takes five arguments
            return kind(reason)
    return RuntimeError(reason)


class Tests:
    """The test program of a job, ready to run.

    Args:
        names: What it calls of the program under test.
        question_code: Code of the prompt.
        tree: Syntax tree, with its assertions marked.
        num_sites: Number of assertions.
        scope: Names that the prompt defines.
    """

    def __init__(
        self,
        names: set[str],
        question_code: str,
        tree: ast.Module,
        num_sites: int,
        scope: dict[str, object],
    ) -> None:
        self.names = names
        self.question_code = question_code
        self.tree = tree
        self.num_sites = num_sites
        self.scope = scope


def prepared(job: Job) -> Tests:
    """Return the tests of a job.

    Raises:
        UnusableTests: If they are no Python, hold no assertion or call nothing.
    """
    question_code = sources.code_of(job.question)
    asked = sources.asked_for(question_code)
    tree = sources.parsed(job.tests)
    if tree is None:
        raise UnusableTests("tests of a task must be Python")
    source = job.tests
    if assertions.defines_check(tree) and not assertions.calls_check(tree) and asked is not None:
        source = f"{job.tests}\n{assertions.CHECK}({asked})\n"
        tree = ast.parse(source)
    gold = sources.parsed(job.gold)
    helpers = sources.given(question_code)
    defined = sources.names_defined(gold) if gold else set()
    names = assertions.called_names(source, sources.names_defined(helpers) - {asked}, defined)
    marker = assertions.Marker()
    tree = marker.visit(tree)
    if not names:
        raise UnusableTests("tests of a task must call a function of the program")
    scope: dict[str, object] = {"__name__": "tests"}
    if "random" in job.tests:
        __import__("random").seed(0)  # the same verdict every time
    for name in assertions.modules_read(source) - names:
        scope[name] = __import__(name)
    try:
        exec(compile(helpers, "<prompt>", "exec"), scope)
    except Exception as error:
        raise UnusableTests(f"code of the question must run, got {error!r}") from None
    return Tests(names, question_code, tree, marker.num_sites, scope)


def chosen(blocks: Sequence[str], names: set[str]) -> int:
    """Return the last block that defines the names, else the last one."""
    for number in range(len(blocks) - 1, -1, -1):
        if all(_defines(blocks[number], name) for name in names):
            return number
    return len(blocks) - 1


def _defines(text: str, name: str) -> bool:
    pattern = rf"^(?:async +def|def|class) +{name}\b|^{name} *="
    return re.search(pattern, text, re.MULTILINE) is not None


def check(job: Job, lines: Lines, report: Callable[[dict[str, Json]], None]) -> dict[str, Json]:
    """Run the tests of a job against the program at the other end.

    Args:
        job: The job.
        lines: Lines from and to the program.
        report: Called when the program was first asked: from then on a failure is its own.

    Returns:
        "outcome", one of "passed", "failed", "no_program" and "error"; "block", the number of the
        block that was run; "passed" and "total", numbers of assertions; "reason" of an error.
    """
    try:
        tests = prepared(job)
    except UnusableTests as error:
        return {"outcome": "error", "reason": str(error)}
    number = chosen(job.blocks, tests.names)
    program = Program(lines)
    result: dict[str, Json] = {"block": number, "passed": 0, "total": tests.num_sites}
    report(result)
    names: list[Json] = [*sorted(tests.names)]
    try:
        hello = program.ask(
            {
                "text": job.blocks[number],
                "fenced": job.fenced,
                "question_code": tests.question_code,
                "names": names,
            }
        )
    except BadMessage:
        return {**result, "outcome": "failed"}
    if "ready" not in hello:
        return {**result, "outcome": "no_program" if "no_program" in hello else "failed"}
    program.num_answers = 0
    return {**result, **_run(tests, program, goes_on=job.goes_on)}


def _run(tests: Tests, program: Program, *, goes_on: bool) -> dict[str, Json]:
    counts = assertions.Counts(goes_on=goes_on)
    functions = {name: references.Function(program.call, name) for name in tests.names}
    scope = {**tests.scope, **functions, assertions.COUNTER: counts.site}
    is_ended = False
    try:
        exec(compile(tests.tree, "<tests>", "exec"), scope)
    except references.OfTests as error:
        return {"outcome": "error", "reason": str(error)}
    except BaseException as error:
        if program.num_answers == 0:
            return {"outcome": "error", "reason": f"tests of a task must run, got {error!r}"}
        is_ended = True  # its text could be that of an object of the program
    if program.num_answers == 0:
        return {"outcome": "error", "reason": "tests of a task must assert what a program returns"}
    is_reached = bool(counts.reached) or tests.num_sites == 0
    held = is_reached and not (is_ended or counts.failed or program.has_ended)
    return {"outcome": "passed" if held else "failed", "passed": counts.num_passed}
