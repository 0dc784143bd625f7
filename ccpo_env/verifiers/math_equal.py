"""Decide whether a boxed answer and the gold answer are the same mathematics."""

from __future__ import annotations

import math
import re

from ccpo_env.types import Verdict
from ccpo_env.verifiers.exact import exact
from ccpo_env.verifiers.extract import unboxed
from ccpo_env.verifiers.normalize import MAX_CHARS, clean, has_long_number, same_number
from ccpo_env.verifiers.pool import POOL
from ccpo_env.verifiers.typed import same_typed
from ccpo_env.verifiers.units import unit_of, units_agree

MAX_TIMEOUT_S = 3600.0
"""Longest time limit of one comparison."""
MAX_WORKER_S = 1.5
"""Most seconds in a worker: what is not decided by then is not decided in minutes either."""
MAX_LENGTH_RATIO = 4
"""Most times an answer for a worker may be as long as the gold answer,"""
MIN_LENGTH_LIMIT = 400
"""beyond this many characters that any may have."""
MAX_NESTING = 64
"""Deepest nesting of braces and parentheses."""
MAX_TOWER = 2
"""Most exponents inside one another."""
MAX_GROWTH_DIGITS = 4
"""Longest number in an exponent or under a factorial."""
MAX_TERMS = 20_000
"""Most terms that a power of a sum may have when it is multiplied out."""


def verify(response: str, gold: str, *, timeout_s: float = 5.0) -> Verdict:
    """Return whether the boxed answer equals the gold answer as mathematics.

    Text, numbers, expressions, lists, intervals and matrices are compared here, by what they
    are: a decimal equals a fraction only if nothing was rounded, a factor of 100 needs a percent
    sign, and two units must agree. All else goes to math-verify in a worker process, which is
    killed when its time is over.

    Args:
        response: Full text of a model. Anything but text, and text without a closed and filled
            box, is "no_answer".
        gold: The gold answer, boxed or not.
        timeout_s: Seconds one comparison may take in a worker that has started, in (0, 3600];
            more than MAX_WORKER_S changes nothing.

    Returns:
        "correct" or "wrong"; "no_answer" if there is nothing to compare; "timeout" if the
        comparison was killed; "error" if the gold answer cannot be read or no worker can run.

    Raises:
        ValueError: If timeout_s is out of range.

    Note: An answer beyond `within_bounds` or much longer than the gold answer is wrong, not
        unmeasured, unless it is written like the gold answer or decided by value; so is an
        integral, sum, product or limit where the gold has none. Otherwise a model could avoid
        its -1 with text that is slow to read.
    """
    if not 0 < timeout_s <= MAX_TIMEOUT_S:
        raise ValueError(
            f"timeout_s must be in (0, {MAX_TIMEOUT_S}], got {timeout_s}; leave it out for 5.0"
        )
    verdict = exact(response, gold)
    if verdict.status != "wrong" or verdict.answer is None:
        return verdict
    answer, target = verdict.answer, unboxed(gold)
    equal = _decide(answer, target)
    if equal is not None:
        return Verdict("correct" if equal else "wrong", answer)
    if not within_bounds(target):
        detail = f"gold must stay within bounds, got {target[:80]!r}; check the task's answer"
        return Verdict("error", answer, detail)
    limit_s = min(timeout_s, MAX_WORKER_S)
    status, detail = POOL.compare(clean(target), clean(answer), timeout_s=limit_s)
    return Verdict(status, answer, detail)


def _decide(answer: str, gold: str) -> bool | None:
    """Return what needs no worker: typed comparison first, then the bounds of an answer."""
    if max(len(answer), len(gold)) <= MAX_CHARS:
        if not units_agree(unit_of(answer), unit_of(gold)):
            return False
        equal = same_number(answer, gold)
        equal = same_typed(clean(answer), clean(gold)) if equal is None else equal
        if equal is not None:
            return equal
    if len(answer) > MIN_LENGTH_LIMIT + MAX_LENGTH_RATIO * len(gold):
        return False
    is_unfinished = _UNFINISHED.search(answer) and not _UNFINISHED.search(gold)
    return None if within_bounds(answer) and not is_unfinished else False


_UNFINISHED = re.compile(r"\\(?:i{0,3}nt|oint|sum|prod|lim)(?![A-Za-z])")
_LONG = rf"\d{{{MAX_GROWTH_DIGITS + 1}}}"
_FAST_GROWTH = re.compile(rf"(?:\^|\*\*)[{{(+-]*{_LONG}|{_LONG}[)}}]*!|\^\w+\^", re.ASCII)
_REPEATED_GROWTH = re.compile(r"\^|[)}\]!]!")
_POWER_OF_GROUP = re.compile(r"[)}\]]\^(?:\{(\d+)\}|(\d))", re.ASCII)
_ARITHMETIC = re.compile(r"\\(?:cdot|times|div|frac)(?![A-Za-z])|\s")
_SYMBOL = re.compile(r"\\?[A-Za-z]+")


def within_bounds(text: str) -> bool:
    """Return whether a text is small enough, and grows slowly enough, to be parsed.

    Takes time linear in the length of the text. The limits are the constants of this module
    and of `normalize`; growth that they do not see is left to the time limit.
    """
    if len(text) > MAX_CHARS or has_long_number(text):
        return False
    compact = _ARITHMETIC.sub("", clean(text))
    if _FAST_GROWTH.search(compact) or (_is_arithmetic(compact) and re.search("[)}!]!", compact)):
        return False
    num_symbols = len(set(_SYMBOL.findall(compact)))
    degrees = [int(power[1] or power[2]) for power in _POWER_OF_GROUP.finditer(compact)]
    if any(math.comb(degree + num_symbols, degree) > MAX_TERMS for degree in degrees):
        return False
    return _nests_within_bounds(compact)


def _is_arithmetic(compact: str) -> bool:
    """Return whether a text has numbers only, so that nothing stops its evaluation."""
    return _SYMBOL.search(compact) is None


def _nests_within_bounds(compact: str) -> bool:
    opened: list[int | None] = []  # where an exponent in brackets starts; None for others
    tower = 0  # exponents that are open
    for index, char in enumerate(compact):
        if char in "{(":
            is_exponent = compact[index - 1 : index] == "^"
            opened.append(index if is_exponent else None)
            tower += is_exponent
        elif char in "})" and opened:
            start = opened.pop()
            if start is not None:
                tower -= 1
                exponent = compact[start:index]
                if _REPEATED_GROWTH.search(exponent) and _is_arithmetic(exponent):
                    return False
        if len(opened) > MAX_NESTING or (char == "^" and tower >= MAX_TOWER):
            return False
    return True
