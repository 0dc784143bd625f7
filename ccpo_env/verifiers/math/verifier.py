"""Decide whether a boxed answer and the gold answer are mathematically equal."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache

from ccpo_env.types import Verdict
from ccpo_env.verifiers.exact import extracted
from ccpo_env.verifiers.extract import unboxed
from ccpo_env.verifiers.math.compare.relations import is_unfinished
from ccpo_env.verifiers.math.compare.typed import is_understood, same_typed
from ccpo_env.verifiers.math.forms.bounds import within_bounds
from ccpo_env.verifiers.math.forms.normalize import MAX_KEPT_CHARS, clean
from ccpo_env.verifiers.math.forms.reading import read, read_gold
from ccpo_env.verifiers.math.golds import is_written_otherwise
from ccpo_env.verifiers.math.syntax.marks import has_other_connectives, has_other_marks
from ccpo_env.verifiers.math.text.languages import with_decimal_points
from ccpo_env.verifiers.worker.pool import POOL

MAX_TIMEOUT_S = 3600.0
"""Longest time limit of one comparison, in seconds."""
MAX_WORKER_S = 1.5
"""Upper bound of the time limit, in CPU seconds: later, few comparisons finish within minutes."""
MAX_UNFINISHED_S = 0.75
"""The same for an integral, sum, product or limit if the gold answer has none."""
MAX_LENGTH_RATIO = 4
"""Longest answer passed to a worker, as a multiple of the length of the gold answer,"""
MIN_LENGTH_LIMIT = 400
"""plus this many characters."""
DECISION_CACHE_SIZE = 16_384
"""Cached comparisons: the answers of a group are often equal."""

_INTEGER = re.compile(r"-?\d{1,256}", re.ASCII)


@dataclass(frozen=True, slots=True)
class MathVerifier:
    """The verifier "math" as an object, with its own time limit.

    It has no state but its settings, so environments can copy, pickle and share it.

    Args:
        timeout_s: Time limit of one comparison in a worker, in CPU seconds; see `verify`.
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

    Text, numbers, expressions, lists, intervals and matrices are compared in this process, by
    type: a decimal equals a fraction only if it is exact, a factor of 100 requires a percent sign,
    and two units must agree. All other comparisons run math-verify in a worker process, which is
    killed at the time limit.

    Args:
        response: Full response of a model. Anything but text, and text without a closed and filled
            box, is "no_answer".
        gold: The gold answer, boxed or not.
        timeout_s: Time limit of one comparison in a started worker, in CPU seconds, in (0, 3600];
            more than MAX_WORKER_S changes nothing. Ten times as many seconds of wall-clock time
            end it as well, so that a machine that is overloaded or asleep blocks no caller.

    Returns:
        "correct" or "wrong"; "no_answer" if there is nothing to compare; "timeout" if the
        comparison was killed; "error" if the gold answer cannot be parsed or no worker can run.

    Raises:
        ValueError: If timeout_s is out of range.

    Note: An answer beyond `within_bounds` or much longer than the gold answer is wrong, not
        unmeasured, unless it is written like the gold answer or decided by value; so is an
        integral, sum, product or limit that takes too long to compute where the gold has none, and
        an answer that cannot be parsed.
        Otherwise a model could avoid its -1 with text that is slow to parse. As CPU time is
        limited, the load of the machine does not change a verdict.
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
    if not equal and _is_equal_with_points(answer, target, response):
        return Verdict("correct", answer)
    if equal is not None:
        return Verdict("correct" if equal else "wrong", answer)
    if not within_bounds(target):
        detail = f"gold must stay within bounds, got {target[:80]!r}; check the task's answer"
        return Verdict("error", answer, detail)
    is_open = is_unfinished(answer) and not is_unfinished(target)
    max_cpu_s = MAX_UNFINISHED_S if is_open else MAX_WORKER_S
    texts = clean(target), clean(answer)
    status, detail = POOL.compare(*texts, timeout_s=timeout_s, max_cpu_s=max_cpu_s)
    if status == "spent" and not is_open:
        detail = (
            f"comparison must end within {min(timeout_s, max_cpu_s)} s of CPU time, got no "
            f"result; raise timeout_s up to {max_cpu_s} or drop the rollout"
        )
        return Verdict("timeout", answer, detail)
    if status == "unreadable":
        reading = read_gold(target)
        is_wrong = reading is not None and (
            is_understood(reading)
            or (_closes_brackets(target) and is_written_otherwise(texts[1], texts[0]))
        )
        return Verdict("wrong", answer) if is_wrong else Verdict("error", answer, detail)
    return Verdict("wrong" if status == "spent" else status, answer, detail)


def _decide(answer: str, gold: str) -> bool | None:
    """Return the verdict if it needs no worker: typed comparison first, then the bounds."""
    if _INTEGER.fullmatch(answer) and _INTEGER.fullmatch(gold):
        return int(answer) == int(gold)
    target, reading = read_gold(gold), read(answer)
    if target is not None and reading is not None:
        equal = False if has_other_connectives(answer, gold) else same_typed(reading, target)
        if equal is not None:
            return equal
        if has_other_marks(reading.text, target.text):
            return False
    is_long = len(answer) > MIN_LENGTH_LIMIT + MAX_LENGTH_RATIO * len(gold)
    is_cut = _closes_brackets(gold) and not _closes_brackets(answer)
    return False if is_long or is_cut or not within_bounds(answer) else None


def _is_equal_with_points(answer: str, gold: str, response: str) -> bool:
    """Return whether the answers are equal if their commas are decimal commas."""
    pointed, target = with_decimal_points(answer, response), with_decimal_points(gold, "")
    if pointed is None and target is None:
        return False
    return _decide(pointed or answer, target or gold) is True


def _closes_brackets(text: str) -> bool:
    """Return whether the brackets are balanced; an interval may mix their kinds."""
    return sum(map(text.count, "([{")) == sum(map(text.count, ")]}"))


@lru_cache(maxsize=DECISION_CACHE_SIZE)
def _kept_decision(answer: str, gold: str) -> bool | None:
    """Return the cached result of `_decide`: only "correct", "wrong" or the need for a worker."""
    return _decide(answer, gold)
