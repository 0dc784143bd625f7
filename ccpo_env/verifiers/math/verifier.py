"""Decide whether a boxed answer and the gold answer are the same mathematics."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache

from ccpo_env.types import Verdict
from ccpo_env.verifiers.exact import extracted
from ccpo_env.verifiers.extract import unboxed
from ccpo_env.verifiers.math.bounds import within_bounds
from ccpo_env.verifiers.math.normalize import clean
from ccpo_env.verifiers.math.reading import read, read_gold
from ccpo_env.verifiers.math.relations import is_unfinished
from ccpo_env.verifiers.math.typed import same_typed
from ccpo_env.verifiers.worker.pool import POOL

MAX_TIMEOUT_S = 3600.0
"""Longest time limit of one comparison."""
MAX_WORKER_S = 1.5
"""Most seconds in a worker: what is not decided by then is not decided in minutes either."""
MAX_UNFINISHED_CPU_S = 0.75
"""Most seconds of computing for an integral, sum, product or limit where the gold has none,"""
MAX_UNFINISHED_S = 2.0
"""and most seconds until then, on a machine that is busy with other work."""
MAX_LENGTH_RATIO = 4
"""Most times an answer for a worker may be as long as the gold answer,"""
MIN_LENGTH_LIMIT = 400
"""beyond this many characters that any may have."""
DECISION_CACHE_SIZE = 16_384
"""Pairs of an answer and a gold answer whose comparison is kept: a group often agrees."""
MAX_KEPT_CHARS = 256
"""Longest answer and longest gold answer of such a pair."""

_INTEGER = re.compile(r"-?\d{1,256}", re.ASCII)


@dataclass(frozen=True, slots=True)
class MathVerifier:
    """The verifier "math" as an object, with its own time limit.

    It has no state but its settings, so that environments may copy, pickle and share it.

    Args:
        timeout_s: Seconds one comparison may take in a worker; see `verify`.
    """

    timeout_s: float = 5.0

    def __post_init__(self) -> None:
        check_timeout(self.timeout_s)

    def __call__(self, response: str, gold: str) -> Verdict:
        """Return whether the boxed answer equals the gold answer; see `verify`."""
        return verify(response, gold, timeout_s=self.timeout_s)


def check_timeout(timeout_s: float) -> None:
    """Raise ValueError unless a time limit is in (0, MAX_TIMEOUT_S]."""
    if not 0 < timeout_s <= MAX_TIMEOUT_S:
        raise ValueError(
            f"timeout_s must be in (0, {MAX_TIMEOUT_S}], got {timeout_s}; leave it out for 5.0"
        )


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
            more than MAX_UNFINISHED_S changes nothing.

    Returns:
        "correct" or "wrong"; "no_answer" if there is nothing to compare; "timeout" if the
        comparison was killed; "error" if the gold answer cannot be read or no worker can run.

    Raises:
        ValueError: If timeout_s is out of range.

    Note: An answer beyond `within_bounds` or much longer than the gold answer is wrong, not
        unmeasured, unless it is written like the gold answer or decided by value; so is an
        integral, sum, product or limit that takes too long to compute where the gold has none.
        Otherwise a model could avoid its -1 with text that is slow to read. How busy the machine
        is decides only between a verdict and "timeout".
    """
    check_timeout(timeout_s)
    extraction = extracted(response, gold)
    if isinstance(extraction, Verdict):
        return extraction
    answer, target = extraction, unboxed(gold)
    if answer.strip() == target.strip():
        return Verdict("correct", answer)
    is_kept = max(len(answer), len(target)) <= MAX_KEPT_CHARS
    equal = (_kept_decision if is_kept else _decide)(answer, target)
    if equal is not None:
        return Verdict("correct" if equal else "wrong", answer)
    if not within_bounds(target):
        detail = f"gold must stay within bounds, got {target[:80]!r}; check the task's answer"
        return Verdict("error", answer, detail)
    if is_unfinished(answer) and not is_unfinished(target):
        limits = {
            "timeout_s": min(timeout_s, MAX_UNFINISHED_S),
            "cpu_limit_s": min(timeout_s, MAX_UNFINISHED_CPU_S),
        }
    else:
        limits = {"timeout_s": min(timeout_s, MAX_WORKER_S)}
    status, detail = POOL.compare(clean(target), clean(answer), **limits)
    return Verdict("wrong" if status == "spent" else status, answer, detail)


def _decide(answer: str, gold: str) -> bool | None:
    """Return what needs no worker: typed comparison first, then the bounds of an answer."""
    if _INTEGER.fullmatch(answer) and _INTEGER.fullmatch(gold):
        return int(answer) == int(gold)
    target, reading = read_gold(gold), read(answer)
    if target is not None and reading is not None:
        equal = same_typed(reading, target)
        if equal is not None:
            return equal
    is_long = len(answer) > MIN_LENGTH_LIMIT + MAX_LENGTH_RATIO * len(gold)
    is_cut = _closes_brackets(gold) and not _closes_brackets(answer)
    return False if is_long or is_cut or not within_bounds(answer) else None


def _closes_brackets(text: str) -> bool:
    """Return whether as many brackets close as open; an interval may mix their kinds."""
    return sum(map(text.count, "([{")) == sum(map(text.count, ")]}"))


@lru_cache(maxsize=DECISION_CACHE_SIZE)
def _kept_decision(answer: str, gold: str) -> bool | None:
    """Return `_decide`, which is kept: only "correct" and "wrong" and that a worker is needed."""
    return _decide(answer, gold)
