"""One answer, read as far as a comparison asks, and each part of it once."""

from __future__ import annotations

import re
from functools import cached_property, lru_cache

from ccpo_env.verifiers.math.expression import parse_expression
from ccpo_env.verifiers.math.normalize import MAX_CHARS, clean, unwrapped, written_form
from ccpo_env.verifiers.math.quantity import Quantity, has_long_number, parse_number
from ccpo_env.verifiers.math.regions import Region, read_region
from ccpo_env.verifiers.math.structure import (
    EQUALS,
    RELATION,
    Matrix,
    Parts,
    is_sentence,
    read_matrix,
    split_parts,
    split_signs,
    split_top,
)
from ccpo_env.verifiers.math.tree import Node
from ccpo_env.verifiers.math.units import Unit, split_unit

GOLD_CACHE_SIZE = 4096
"""Gold answers whose readings are kept."""
MAX_NESTED = 8
"""Most brackets inside one another that are taken for tuples, sets and lists."""

_RATIO = re.compile(r"\d+(?:\s*:\s*\d+)+", re.ASCII)
_REGION_SIGN = re.compile(r"[<>\[\]]|\\(?:leq|geq|neq|in|cup|infty|mathbb|setminus)(?![a-z])|real")


class Reading:
    """A cleaned answer with what it may be: text, number, measure, list, set, matrix, relation.

    What it is not is None. Each property is computed when it is first asked for, and kept, so a
    reading may be compared with many answers and by many threads.

    Args:
        text: A cleaned answer; see `normalize.clean`.
        depth: Brackets that were taken away around it.
    """

    def __init__(self, text: str, depth: int = 0) -> None:
        self.text = text
        self._depth = depth

    @cached_property
    def form(self) -> str:
        """The text as it is compared letter by letter."""
        return written_form(self.text, is_part=self._depth > 0)

    @cached_property
    def region(self) -> Region | None:
        """The set of real numbers that an interval or an inequality is."""
        is_pair = self.text.startswith("(") and "," in self.text
        return read_region(self.text) if is_pair or _REGION_SIGN.search(self.text) else None

    @cached_property
    def matrix(self) -> Matrix | None:
        """The cells of a matrix."""
        return read_matrix(self.text)

    @cached_property
    def parts(self) -> Parts:
        """The brackets and the texts between the commas."""
        if self._depth >= MAX_NESTED:
            return Parts("", (self.text,), "")
        return split_parts(self.text)

    @cached_property
    def items(self) -> tuple[Reading, ...]:
        """The parts of a tuple, a set or a list, read."""
        return tuple(self._inner(item) for item in self.parts.items)

    @cached_property
    def sides(self) -> tuple[Reading, ...]:
        """What stands between equals signs; only the reading itself where there is none."""
        if "=" not in self.text:
            return (self,)
        sides = split_top(self.text, EQUALS)
        return tuple(self._inner(side) for side in sides) if len(sides) > 1 else (self,)

    @cached_property
    def relation(self) -> tuple[tuple[Reading, ...], tuple[str, ...]]:
        """The sides of equations and inequalities, and the signs between them."""
        sides, signs = split_signs(self.text, RELATION)
        return tuple(self._inner(side) for side in sides), tuple(signs)

    @cached_property
    def measure(self) -> tuple[Reading, Unit]:
        """The reading without its unit, and the unit."""
        value, unit = split_unit(self.text)
        return (self._inner(value) if value != self.text else self), unit

    @cached_property
    def number(self) -> Quantity | None:
        """The exact value of a plain number."""
        text = self.text
        if "\\" in text or "{" in text:
            text = unwrapped(text)
        return parse_number(text)

    @cached_property
    def tree(self) -> Node | None:
        """The tree of an expression."""
        tree = parse_expression(self.text)
        return tree if tree is not None or "\\" not in self.text else self._plain_tree()

    def _plain_tree(self) -> Node | None:
        plain = unwrapped(self.text)
        return parse_expression(plain) if plain != self.text and not self.is_words else None

    @cached_property
    def is_words(self) -> bool:
        """Whether it is words and no mathematics."""
        return self.number is None and is_sentence(self.text)

    @cached_property
    def is_value(self) -> bool:
        """Whether it is one number, expression or measure."""
        value = self.measure[0]
        return (
            value.number is not None
            or value.tree is not None
            or _RATIO.fullmatch(value.text) is not None
        )

    def _inner(self, text: str) -> Reading:
        return Reading(text.strip(), self._depth + 1)


def read(text: str) -> Reading | None:
    """Return the reading of an answer, or None if it is too long to be read."""
    if len(text) > MAX_CHARS or has_long_number(text):
        return None
    return Reading(clean(text))


@lru_cache(maxsize=GOLD_CACHE_SIZE)
def read_gold(text: str) -> Reading | None:
    """Return the reading of a gold answer, which is kept: a group of rollouts shares it."""
    return read(text)
