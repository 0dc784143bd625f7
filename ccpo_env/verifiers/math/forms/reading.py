"""An answer, parsed lazily and at most once in each form that a comparison needs."""

from __future__ import annotations

import re
from functools import cached_property, lru_cache

from ccpo_env.verifiers.math.forms.normalize import MAX_CHARS, clean, unwrapped, written_form
from ccpo_env.verifiers.math.forms.regions import read_region
from ccpo_env.verifiers.math.forms.structure import (
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
from ccpo_env.verifiers.math.forms.units import Unit, split_unit
from ccpo_env.verifiers.math.syntax.expression import parse_expression
from ccpo_env.verifiers.math.syntax.quantity import Quantity, has_long_number, parse_number
from ccpo_env.verifiers.math.syntax.tree import Node
from ccpo_env.verifiers.math.values.intervals import Region

GOLD_CACHE_SIZE = 4096
"""Number of cached readings of gold answers."""
MAX_NESTED = 8
"""Deepest nesting of brackets that are parsed as tuples, sets and lists."""

_RATIO = re.compile(r"\d+(?:\s*:\s*\d+)+", re.ASCII)
_REGION_SIGN = re.compile(r"[<>\[\]]|\\(?:leq|geq|neq|in|cup|infty|mathbb|setminus)(?![a-z])|real")


class Reading:
    """A cleaned answer and its interpretations: number, measure, list, set, matrix, relation, ….

    An interpretation that does not apply is None. Each property is computed on first access and
    cached, so a reading can be compared with many answers and from many threads.

    Args:
        text: A cleaned answer; see `normalize.clean`.
        depth: Number of enclosing brackets already removed.
    """

    def __init__(self, text: str, depth: int = 0) -> None:
        self.text = text
        self._depth = depth

    @cached_property
    def form(self) -> str:
        """The normal form, compared character by character."""
        return written_form(self.text, is_part=self._depth > 0)

    @cached_property
    def region(self) -> Region | None:
        """The set of real numbers described by an interval or an inequality."""
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
        """The readings of the parts of a tuple, a set or a list."""
        return tuple(self._inner(item) for item in self.parts.items)

    @cached_property
    def sides(self) -> tuple[Reading, ...]:
        """The readings between equals signs; only the reading itself if there is none."""
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
        """Whether it is words instead of mathematics."""
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
    """Return the reading of an answer, or None if it is too long to be parsed."""
    if len(text) > MAX_CHARS or has_long_number(text):
        return None
    return Reading(clean(text))


@lru_cache(maxsize=GOLD_CACHE_SIZE)
def read_gold(text: str) -> Reading | None:
    """Return the cached reading of a gold answer, which a group of rollouts shares."""
    return read(text)
