"""Compare answers in a separate process, which may be killed at any time.

Run by path, not with `-m`: it needs math-verify and nothing of this package. One JSON object
per line comes in, {"id", "gold", "answer", "limit_s", "cpu_limit_s"}; one per line goes out, {"id",
"status", "detail"}. The first line out reports whether the worker could start.
"""

from __future__ import annotations

import json
import logging
import os
import signal
import sys
from collections.abc import Iterable
from typing import Any, BinaryIO

NO_LIMIT = 0
"""Also for the time limits of math-verify: Python signal handlers, which miss loops in C."""
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
    differ = _are_other_relations if _are_relations(golds[0], answers[0]) else _differ_in_value
    if is_equal and not differ(golds[0], answers[0]):
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


def _are_relations(first: object, second: object) -> bool:
    from sympy.core.relational import Relational

    return isinstance(first, Relational) and isinstance(second, Relational)


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
        _limit_time(request["limit_s"], request["cpu_limit_s"])
        status, detail = compare(request["gold"], request["answer"])
        _limit_time(NO_LIMIT, NO_LIMIT)
        _send(replies, {"id": request["id"], "status": status, "detail": detail})


def main() -> None:
    """Answer the requests of the parent process until it closes the pipe."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the parent handles Ctrl-C
    requests, replies = _private_pipes()
    logging.disable()
    try:
        compare("1", "1+0")  # imports and first-use caches, before any time limit runs
    except ImportError as error:
        _send(replies, {"id": None, "status": "error", "detail": f"{error}"})
        return
    _limit_memory()
    _send(replies, {"id": None, "status": "ready", "detail": ""})
    serve(requests, replies)


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


def _limit_time(limit_s: float, cpu_limit_s: float) -> None:
    """Set limits of wall-clock and CPU time after which the kernel ends this process; 0: none.

    The parent kills the worker before limit_s, which is for orphans whose parent was killed. CPU
    time is limited here because only the kernel measures it. Both limits also end a loop in C,
    because no Python signal handler is involved.
    """
    if sys.platform != "win32":
        signal.signal(signal.SIGALRM, signal.SIG_DFL)
        signal.setitimer(signal.ITIMER_REAL, limit_s)
        signal.signal(signal.SIGPROF, signal.SIG_DFL)
        signal.setitimer(signal.ITIMER_PROF, cpu_limit_s)


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
