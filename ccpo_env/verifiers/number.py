r"""The ``number`` verifier: compares the last number, for models that do not write boxes."""

from __future__ import annotations

import re
from dataclasses import dataclass
from fractions import Fraction

from ccpo_env.types import Verdict
from ccpo_env.verifiers.extract import unboxed, without_thinking
from ccpo_env.verifiers.math.syntax.quantity import parse_number

# A sign belongs to the adjacent number, unless it follows a term to subtract from. Digits after
# a letter are part of a name: thinker_0, x2.
_NUMBER = re.compile(
    r"""(?: (?<![\w)\]}%.,]) (?P<sign>[-+]) \\?\$? )?
    (?<![A-Za-z_\d]) (?<!\d[.,])
    (?P<digits>
        (?:\d+\ )? \d+ \ ?/\ ? \d+ (?!\.?\d)
      | \d* \\[dt]?frac \s? \{ \d+ \} \s? \{ \d+ \}
      | \d(?:,?\d)* (?:\.\d+)?
      | \.\d+
    )
    (?P<power>
        (?: \ ?(?:\\times|\\cdot|[*x\u00d7])\ ?10\ ?\^\ ? | [eE] )
        (?: \{(?P<braced>[+-]?\d+)\} | (?P<bare>[+-]?\d+) )
    )?
    (?P<percent> \ ?\\?% )?""",
    re.VERBOSE | re.ASCII,
)
_THOUSANDS = re.compile(r"\d{1,3}(?:,\d{3})+", re.ASCII)
_MINUS = str.maketrans("\u2212", "-")


@dataclass(frozen=True, slots=True)
class _Number:
    text: str
    value: Fraction
    is_percent: bool


def number(response: str, gold: str) -> Verdict:
    r"""Return whether the last number of a response is the gold number, exactly.

    Supported are integers, decimals, fractions (`3/4`, `1 3/4`, `\frac{3}{4}`), commas between
    thousands, powers of ten (`2 \times 10^3`, `2e3`), signs and percent signs. Numbers are
    not rounded: `0.33` is not `1/3`. `50%` is 50 and 0.5, but `0.5%` is only 0.005.

    Args:
        response: Full response of a model. Only what follows the last `</think>` is read. Text
            without a number, or whose last number has no value (`3/0`), is "no_answer".
        gold: A number, boxed or not, with or without a dollar or percent sign. Else "error".

    Returns:
        "correct", "wrong", "no_answer" or "error".

    Note: Of `10-5` and `3,5` the last number is 5, of `-5` it is -5. Digits after a letter or an
        underscore are not a number. Time is linear in the response's length.
    """
    wanted = _gold_number(gold)
    if isinstance(wanted, Verdict):
        return wanted
    found = _last_number(response) if isinstance(response, str) else None
    if found is None:
        return Verdict("no_answer")
    return Verdict("correct" if _same(found, wanted) else "wrong", found.text)


def _gold_number(gold: object) -> _Number | Verdict:
    if not isinstance(gold, str):
        return _bad_gold(type(gold).__name__)
    text = unboxed(gold).translate(_MINUS).strip().strip("$").strip()
    match = _NUMBER.fullmatch(text)
    if match is None or _last_of_list(match["digits"]) != match["digits"]:
        return _bad_gold(repr(gold))
    return _read(match) or _bad_gold(repr(gold))


def _bad_gold(got: str) -> Verdict:
    return Verdict(
        "error",
        detail=f"gold must be a number, got {got}; pass the verifier 'math' for others",
    )


def _last_number(response: str) -> _Number | None:
    visible = without_thinking(response)
    if visible is None:
        return None
    last: re.Match[str] | None = None
    for match in _NUMBER.finditer(visible.translate(_MINUS)):
        last = match
    return None if last is None else _read(last)


def _read(match: re.Match[str]) -> _Number | None:
    """Return the number of a match; None if it has no value or is too long."""
    digits = _last_of_list(match["digits"])
    sign = (match["sign"] or "") if digits == match["digits"] else ""
    latex = re.sub(r"\\[dt]frac", r"\\frac", digits)
    exponent = match["braced"] or match["bare"]
    power = f"e{exponent}" if exponent else ""
    quantity = parse_number(f"{sign}{latex}{power}")
    if quantity is None:
        return None
    percent = "%" if match["percent"] else ""
    return _Number(f"{sign}{digits}{match['power'] or ''}{percent}", quantity.value, bool(percent))


def _last_of_list(digits: str) -> str:
    """Return the digits after the last comma, unless the commas separate thousands."""
    is_list = "," in digits and not _THOUSANDS.fullmatch(digits.partition(".")[0])
    return digits.rpartition(",")[2] if is_list else digits


def _same(first: _Number, second: _Number) -> bool:
    if first.is_percent == second.is_percent:
        return first.value == second.value
    percent, plain = (first, second) if first.is_percent else (second, first)
    is_points = percent.value == plain.value and abs(percent.value) >= 1
    return is_points or percent.value / 100 == plain.value
