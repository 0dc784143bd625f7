"""Compare answers in a separate process, which may be killed at any time.

Run by path, not with `-m`: it needs math-verify and nothing of this package. One JSON object
per line comes in, {"id", "gold", "answer", "cpu_limit_s", "limit_s"}; one per line goes out, {"id",
"status", "detail"}. The first line out reports whether the worker could start.

Each comparison runs in a fork of the worker, which ends with it: so none depends on those before
it, and one that is killed at its limit costs no new start.
"""

from __future__ import annotations

import gc
import json
import logging
import os
import signal
import sys
from collections.abc import Iterable
from typing import Any, BinaryIO

NO_LIMIT = 0
"""For the time limits of math-verify: Python signal handlers, which miss loops in C."""
CAN_FORK = hasattr(os, "fork")
"""Whether comparisons can have a process and a limit of CPU time of their own: not on Windows."""
WARM_UP = (
    ("1", "1+0"),
    ("10", r"\sum_{k=1}^{4} k"),
    (r"\frac{1}{2}", r"\int_0^1 x dx"),
    ("1", r"\lim_{x \to 0} \frac{\sin x}{x}"),
    (r"\begin{pmatrix} 1 & x \end{pmatrix}", r"\begin{pmatrix} 1 & y \end{pmatrix}"),
    (r"(-\infty, 2] \cup (3, 4)", "x < 2"),
    (r"\sqrt{3} + \log 2", r"e^{x} + \cos y"),
)
"""Compared before the first request: imports and first-use caches are no part of a comparison."""
MAX_MEMORY_BYTES = 2 * 1024**3
FLOAT_DECIMALS = 15
"""Two decimals must agree to all the digits a float has: a rounded answer is wrong."""

VALUE_DIGITS = 30
"""Precision in digits at which two real numbers are compared,"""
VALUE_TOLERANCE = 1e-12
"""and the relative tolerance."""
RATIO_STARTS = (13, 29, 46)
"""Numerators of the points where two relations must have one ratio."""


def compare(gold: str, answer: str) -> tuple[str, str]:
    """Return the status of an answer, and the reason if it is "unreadable".

    Args:
        gold: LaTeX of the gold answer, without delimiters.
        answer: LaTeX of the model's answer. One that cannot be parsed is wrong.

    Returns:
        A status, "correct", "wrong" or "unreadable" (the gold answer), and a detail.
    """
    from math_verify import verify

    golds, answers = _read(gold), _read(answer)
    is_equal = verify(
        golds,
        answers,
        float_rounding=FLOAT_DECIMALS,
        allow_set_relation_comp=True,
        timeout_seconds=NO_LIMIT,
    )
    if is_equal and not _differ(golds[0], answers[0]):
        return "correct", ""
    if all(isinstance(reading, str) for reading in golds):
        return (
            "unreadable",
            f"gold must be readable as mathematics, got {gold[:80]!r}; check the task",
        )
    return "wrong", ""


def _read(text: str) -> list[Any]:
    """Parse a text: return a sympy object if there is one, and the text itself."""
    from math_verify import LatexExtractionConfig, parse

    # Only the LaTeX grammar: the one for plain expressions evaluates text with parse_expr.
    readings: list[Any] = parse(
        f"\\boxed{{{text}}}",
        [LatexExtractionConfig(boxed_match_priority=0)],
        extraction_mode="first_match",  # the whole box, never a part of it
        parsing_timeout=NO_LIMIT,
    )
    return readings


def _differ(first: object, second: object) -> bool:
    from sympy.core.relational import Relational

    if isinstance(first, Relational) and isinstance(second, Relational):
        return _are_other_relations(first, second)
    return _differ_in_value(first, second)


def _are_other_relations(first: Any, second: Any) -> bool:
    """Return whether the differences of the sides are no multiples of each other.

    math-verify compares the sets of solutions, so all relations without any would be equal.
    """
    import sympy

    try:
        differences = [(relation.lhs - relation.rhs).doit() for relation in (first, second)]
    except (TypeError, ValueError):  # no numbers
        return True
    names = sorted(set().union(*(each.free_symbols for each in differences)), key=str)
    ratios = []
    for start in RATIO_STARTS:
        point = {name: sympy.Rational(start + 7 * index, 11) for index, name in enumerate(names)}
        top, bottom = (each.subs(point).evalf(VALUE_DIGITS) for each in differences)
        ratios.append((top / bottom).evalf(VALUE_DIGITS))
    if not all(ratio.is_number and ratio.is_finite and ratio != 0 for ratio in ratios):
        return True
    is_multiple = all(abs(ratio / ratios[0] - 1) < VALUE_TOLERANCE for ratio in ratios)
    return not is_multiple or (not names and abs(ratios[0] - 1) > VALUE_TOLERANCE)


def _differ_in_value(first: object, second: object) -> bool:
    """Return whether two real numbers differ by more than a fraction of their size.

    math-verify compares numbers to a fixed decimal place, so all tiny numbers look equal.
    """
    from sympy import Expr

    if not (isinstance(first, Expr) and isinstance(second, Expr)):
        return False
    if not (first.is_comparable and second.is_comparable):  # such as a percentage
        return False
    a, b = first.evalf(VALUE_DIGITS), second.evalf(VALUE_DIGITS)
    if not (a.is_finite and b.is_finite):
        return False
    return bool(abs(a - b) > VALUE_TOLERANCE * (abs(a) + abs(b)))


def serve(requests: Iterable[bytes], replies: BinaryIO) -> None:
    """Answer requests, one per line, until there are no more."""
    for line in requests:
        request = json.loads(line)
        if CAN_FORK:
            _compare_in_fork(request, replies)
        else:
            _compare_and_reply(request, replies)


def main() -> None:
    """Answer the requests of the parent process until it closes the pipe."""
    for name in ("SIGINT", "SIGTERM", "SIGHUP"):  # the parent handles them, and ends this process
        if hasattr(signal, name):
            signal.signal(getattr(signal, name), signal.SIG_IGN)
    requests, replies = _private_pipes()
    logging.disable()
    try:
        for gold, answer in WARM_UP:
            compare(gold, answer)
    except ImportError as error:
        _send(replies, {"id": None, "status": "error", "detail": f"{error}"})
        return
    _limit_memory()
    gc.collect()
    gc.freeze()  # a collection in a fork would copy all that it shares with the worker
    _send(replies, {"id": None, "status": "ready", "detail": ""})
    serve(requests, replies)


def _compare_in_fork(request: dict[str, Any], replies: BinaryIO) -> None:
    """Compare in a fork, which replies; reply here if it ended before it could."""
    pid = os.fork()
    if pid == 0:
        try:
            _limit_time(request["cpu_limit_s"], request["limit_s"])
            _compare_and_reply(request, replies)
            os._exit(0)
        finally:
            os._exit(1)  # an exception, such as one for want of memory
    exit_code = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
    if exit_code == -signal.SIGPROF:
        _send(replies, {"id": request["id"], "status": "spent", "detail": ""})
    elif exit_code != 0:
        detail = f"the comparison ended with exit code {exit_code}"
        _send(replies, {"id": request["id"], "status": "died", "detail": detail})


def _compare_and_reply(request: dict[str, Any], replies: BinaryIO) -> None:
    status, detail = compare(request["gold"], request["answer"])
    if CAN_FORK:
        _limit_time(NO_LIMIT, NO_LIMIT)  # one reply, not also one on a limit that passes now
    _send(replies, {"id": request["id"], "status": status, "detail": detail})


def _send(replies: BinaryIO, reply: dict[str, object]) -> None:
    replies.write(json.dumps(reply).encode() + b"\n")
    replies.flush()


def _private_pipes() -> tuple[BinaryIO, BinaryIO]:
    """Take over stdin and stdout, so that output of libraries cannot look like a message."""
    requests, replies = os.fdopen(os.dup(0), "rb"), os.fdopen(os.dup(1), "wb")
    with open(os.devnull, "rb") as nothing:
        os.dup2(nothing.fileno(), 0)
    os.dup2(2, 1)
    return requests, replies


def _limit_time(cpu_limit_s: float, limit_s: float) -> None:
    """Set limits of CPU time and wall-clock time after which the kernel ends this process; 0: none.

    Both also end a loop in C, because no Python signal handler is involved. The parent kills the
    worker before limit_s, which is for orphans whose parent was killed.
    """
    for clock, passed, limit in (
        (signal.ITIMER_PROF, signal.SIGPROF, cpu_limit_s),
        (signal.ITIMER_REAL, signal.SIGALRM, limit_s),
    ):
        signal.signal(passed, signal.SIG_DFL)
        signal.setitimer(clock, limit)


def _limit_memory() -> None:
    if sys.platform != "win32":
        import resource

        hard = resource.getrlimit(resource.RLIMIT_AS)[1]
        limit = MAX_MEMORY_BYTES
        if hard != resource.RLIM_INFINITY:
            limit = min(limit, hard)
        try:
            resource.setrlimit(resource.RLIMIT_AS, (limit, hard))
        except (OSError, ValueError):  # macOS accepts no such limit
            return


if __name__ == "__main__":
    main()
