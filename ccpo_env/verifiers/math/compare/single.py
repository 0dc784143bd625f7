"""Compare two single values: words, numbers, measures, ratios, expressions."""

from __future__ import annotations

import re

from ccpo_env.verifiers.math.compare.integrals import same_integral
from ccpo_env.verifiers.math.compare.integration import same_up_to_constants
from ccpo_env.verifiers.math.compare.ratios import same_ratio
from ccpo_env.verifiers.math.forms.normalize import letter_of, same_form, unwrapped
from ccpo_env.verifiers.math.forms.reading import Reading
from ccpo_env.verifiers.math.syntax.quantity import same_number
from ccpo_env.verifiers.math.syntax.tree import Node, free_symbols, number
from ccpo_env.verifiers.math.syntax.vocabulary import EVALUATED
from ccpo_env.verifiers.math.text.phrases import EMPTY, is_empty, same_property
from ccpo_env.verifiers.math.values.equality import has_value, same_value

_INFINITY = re.compile(r"([+-]?)\s*\\infty|\\text\s*\{\s*\\infty\s*\}")
_QUALIFIED = re.compile(
    r"\d\s*\\text\s*\{[^{}]*\b(?:or|more|less|fewer|least|most|not|than|only|except|if)\b[^{}]*\}\s*$"
)
_SLIP = re.compile(r"\d+(?: +\d+)+|\d+\s*\\frac\s*(?:\{\d+\}|\d)\s*(?:\{\d+\}|\d)", re.ASCII)
_MACRO = re.compile(r"\\([A-Za-z]+)")
_LETTER_UNITS = frozenset({"m", "g", "s", "h", "l"})
_PHRASE = re.compile(r"[A-Za-z]{2} [A-Za-z]|[A-Za-z] [A-Za-z]{2}|[A-Za-z]{5}")  # not abc
_RATE = re.compile(r"\\frac\s*\{\s*(?:d|\\partial)(?![A-Za-z])")


def same_single(answer: Reading, gold: Reading) -> bool | None:
    """Return whether two values are equal, or None if undecided."""
    if same_form(answer.text, gold.text, answer.form, gold.form):
        return True
    if not answer.text or not gold.text:
        return False
    if is_other_choice(answer, gold) or ("\\ldots" in answer.text) != ("\\ldots" in gold.text):
        return False
    infinite = _INFINITY.fullmatch(answer.text), _INFINITY.fullmatch(gold.text)
    if infinite[0] or infinite[1]:
        return _same_infinity(answer, gold, infinite)
    if bool(_QUALIFIED.search(answer.text)) != bool(_QUALIFIED.search(gold.text)):
        return False
    if (equal := same_integral(answer, gold)) is not None:
        return equal
    equal = _same_measure(answer, gold)
    if equal is False and (answer.measure[1] or gold.measure[1]) and _are_same_trees(answer, gold):
        return True  # `5 m` and `5m`: a symbol, not a unit
    if equal is False and answer.measure[1].powers and not gold.measure[1]:
        return _is_written_in_letters(answer, gold)
    return equal


def _same_measure(answer: Reading, gold: Reading) -> bool | None:
    """Compare two values with or without units."""
    (value, unit), (target, gold_unit) = answer.measure, gold.measure
    if not unit.agrees_with(gold_unit) or (gold_unit.is_symbol and not unit):
        return False
    if unit.is_percent != gold_unit.is_percent:
        return _same_percent(value, target) if unit.is_percent else _same_percent(target, value)
    if same_form(value.text, target.text, value.form, target.form):
        return True
    if (equal := same_ratio(value, target, is_time=bool(unit or gold_unit))) is not None:
        return equal
    return _same_value(value, target)


def _is_written_in_letters(answer: Reading, gold: Reading) -> bool:
    r"""Return whether a gold answer is a measure without a space: `12\text{ m}^2` and `12m^2`."""
    value, unit = answer.measure
    tree = _tree(value)
    if unit.words or tree is None or gold.tree is None:
        return False
    for name, power in sorted(unit.powers):
        if name not in _LETTER_UNITS:
            return False
        tree = Node("*", (tree, Node("^", (Node("symbol", symbol=name), number(power)))))
    return same_value(tree, gold.tree) is True


def _are_same_trees(answer: Reading, gold: Reading) -> bool:
    first, second = answer.tree, gold.tree
    return first is not None and second is not None and same_value(first, second) is True


def is_other_choice(answer: Reading, gold: Reading) -> bool:
    """Return whether the answers are choices with different letters."""
    for first, second in ((answer, gold), (gold, answer)):
        letter = letter_of(second.text)
        if len(first.form) == 1 and first.form.isalpha() and letter:
            return letter != first.form.casefold()
    return False


def _same_value(answer: Reading, gold: Reading) -> bool | None:
    if answer.number is not None and gold.number is not None:
        return same_number(answer.number, gold.number)
    is_based = bool((answer.number and answer.number.base) or (gold.number and gold.number.base))
    first, second = answer.tree, gold.tree
    are_words = all(each.is_words and _PHRASE.search(each.text) for each in (answer, gold))
    if first is not None and second is not None and not are_words:
        if not _has_only_symbols_of(first, second):
            return same_up_to_constants(first, second)
        equal = same_value(first, second)
        if not equal and same_up_to_constants(first, second):
            return True
        is_nothing = equal is None and not has_value(first) and has_value(second)
        return False if is_nothing else equal
    if is_based:
        return False
    equal = _same_words(answer, gold)
    return False if equal is None and gold.is_value and _is_malformed(answer.text) else equal


def _has_only_symbols_of(answer: Node, gold: Node) -> bool:
    """Return whether an answer has no symbols that the gold answer lacks, as in `x-x+5`.

    One such symbol is the engineers' imaginary unit j.
    """
    extra = free_symbols(answer) - free_symbols(gold)
    return not extra or (extra == {"j"} and "i" in gold.symbols())


def _is_malformed(text: str) -> bool:
    r"""Return whether a text that failed to parse has no macros that math-verify may evaluate.

    Functions are left to math-verify, such as the meaning of `\sin x/2`; `\foo 42` is wrong.
    """
    return EVALUATED.isdisjoint(_MACRO.findall(text)) and _RATE.search(text) is None


def _same_words(answer: Reading, gold: Reading) -> bool | None:
    """Compare words with words, and with other kinds of answers."""
    first, second = (unwrapped(reading.text).casefold().strip() for reading in (answer, gold))
    if first == second and (answer.is_words or gold.is_words or not first.isascii()):
        return True
    if (equal := same_property(first, second)) is not None:
        return equal
    if EMPTY in (first, second):
        other = gold if first == EMPTY else answer
        if other.is_words:
            return is_empty(first, second)
        return False if other.is_value else None
    if answer.is_words and gold.is_words:
        return False
    other = gold if answer.is_words else answer
    if "\\ldots" in (answer.text, gold.text) or _SLIP.fullmatch(answer.text):
        return False
    return False if (answer.is_words or gold.is_words) and other.is_value else None


def _same_infinity(
    answer: Reading, gold: Reading, infinite: tuple[re.Match[str] | None, re.Match[str] | None]
) -> bool | None:
    if infinite[0] and infinite[1]:
        return (infinite[0][1] == "-") == (infinite[1][1] == "-")
    finite = gold if infinite[0] else answer
    is_other = finite.is_value or finite.is_words or finite.text == "\\emptyset"
    return False if is_other else None


def _same_percent(marked: Reading, bare: Reading) -> bool | None:
    """Return whether a percentage is a number.

    50 % equals both 50 and 0.5, but without a percent sign a factor of 100 matters. Below 1 % the
    sign cannot be omitted: 0.5 % is not 0.5.
    """
    trees = _tree(marked), _tree(bare)
    if trees[0] is None or trees[1] is None:
        return False if bare.is_words or marked.is_words else None
    if same_value(trees[0], Node("*", (number(100), trees[1]))):
        return True
    if bare.number is None or marked.number is None or marked.number.base:
        return False if not trees[0].symbols() else None
    return marked.number.value == bare.number.value and abs(bare.number.value) >= 1


def _tree(reading: Reading) -> Node | None:
    """Return the tree of an expression, or of a number that only `parse_number` accepts."""
    plain = reading.number
    return number(plain.value) if plain is not None and not plain.base else reading.tree
