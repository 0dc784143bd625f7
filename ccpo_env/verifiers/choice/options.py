"""The options of one task, and the answer that a text states at a place."""
# ruff: noqa: RUF001 - letters and signs of other scripts

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache
from string import ascii_uppercase

from ccpo_env.verifiers.choice.joining import JOINT, SINGLE, UNKNOWN, joined_member
from ccpo_env.verifiers.choice.option_texts import (
    elided,
    is_in_passing,
    letters_named,
    option_text,
    texts_pattern,
    without_zeros,
)
from ccpo_env.verifiers.choice.terms import (
    ends_range,
    is_continued,
    is_named,
    is_part_of_term,
)
from ccpo_env.verifiers.choice.words import (
    ALPHABETIC,
    BECAUSE,
    LABEL,
    THEREFORE,
    letter_of,
)

MAX_OPTION_CHARS = 4096
"""Longest text that is compared with whole options."""
MAX_MEMBERS = 30
"""Largest number of joined answers that are read."""
MAX_STEPS = 24
"""Largest number of words and signs before an answer that are skipped."""
LEAST_LETTERS = 10
"""Letters that may be an option if the options are not known: A to J, or up to the gold answer."""
_DECORATION = r"""\s,•·▪●○◦*_`"'()\[\]<>=:#|>（）【】「」『』〔〕《》〈〉\-–—→⇒.👉✅✓✔☑"""
_STEP = re.compile(rf"[{_DECORATION}]++|{LABEL}|{THEREFORE}", re.IGNORECASE)
_OPEN_SHORT = re.compile(r"[\s*_`\"'(\[<（【「『〔《〈👉✅✓✔☑]*+")
_CLOSE = re.compile(r"[*_`\"')\]>】」』〕》〉]*+")
_CLOSE_TEXT = re.compile(r"(?:[.!?]?[*_`\"')\]>】」』〕》〉]++)?")
_RUN = re.compile(rf"(?<![{ALPHABETIC}])[A-Z]{{2,12}}(?![{ALPHABETIC}])(?!')")
_NOTHING = re.compile(
    r"(?:です|だ|である|입니다|이다|번|选项|项)?[\s*_`\"'()\[\]<>.,;:!。！，、；：…|/\\#=\-–—]*"
)
_WEAK = frozenset("AIOEYUaioeyuСАВКУОИЯсавкуоия")
"""Letters that are also words of some language."""
_END = re.compile(
    r"\s*(?:$|[\n.,;:!?。！？，；：、…)\]\"'*|}<>/&+–—#_`\[】」』〕》〉✅✓✔☑]|-\s|\()"
    r"|\s?[\u0590-\u1fff\u3040-\uffdc]"
)
_BECAUSE = re.compile(rf"\s*(?:{BECAUSE})", re.IGNORECASE)
_NO_NOUN = re.compile(r"\s+(?:and|or|over|with|wins|the)\b")
_LETTER_BEHIND = re.compile(r"\s*[(\[]\s*(?:option\s*)?([A-Za-z])\s*[)\]]")
_LETTER_BEHIND_NOUN = re.compile(
    r"(?:\s+[a-z][\w'-]+){1,2}\s*[(\[]\s*(?:(?i:option|choice|answer)\s*)?([A-Z])\s*[)\]]"
)
"""What follows a shortened text: "competitive inhibition (option A)"."""
_HEAD = re.compile(r"(?s)(.*?)(\s\S*|(?<=\d)[°%])?$")
_BEFORE_TEXT = re.compile(r"[\s*_`\"'.:)\]、,=(–—-]*")


@dataclass(frozen=True, slots=True)
class Statement:
    """An answer that is stated at a place.

    Args:
        letters: The different letters of its options; "?" stands for an unknown answer.
        start: Where its first letter or text begins.
        end: Where it ends.
    """

    letters: tuple[str, ...]
    start: int
    end: int


@dataclass(frozen=True, slots=True)
class Options:
    """The options of a task.

    Args:
        letters: Letters of the options, from A on.
        texts: Their plain texts, which may be none.
    """

    letters: str
    texts: tuple[str, ...] = ()

    @property
    def is_known(self) -> bool:
        """Whether the options are those of a task, not just letters."""
        return bool(self.texts)

    def text_at(self, text: str, place: int) -> tuple[tuple[str, ...], int] | None:
        """Return the letters of the longest option whose text begins at a place, and its end."""
        pattern = texts_pattern(self.letters, self.texts)
        found = pattern.match(text, place) if pattern else None
        if found is None or is_in_passing(text, found.start(), found.end()):
            return None
        letters = letters_named(found)
        own = self.texts[self.letters.index(letters[0])]
        shared = elided(text, found.start(), own, self.texts)
        return (*letters, *(self.letters[other] for other in shared)), found.end()

    def member_at(self, text: str, place: int) -> tuple[tuple[str, ...], int] | None:
        """Return the letters of the option stated at a place, and its end; None if there is none.

        A letter counts with the text of its option; with that of another one, both count.
        """
        named = self.text_at(text, place)
        single = SINGLE.match(text, place)
        if named and (single is None or self._is_text(single, named[1])):
            end = _CLOSE_TEXT.match(text, named[1]).end()  # type: ignore[union-attr]
            behind = _LETTER_BEHIND.match(text, end)
            noun = _LETTER_BEHIND_NOUN.match(text, end)
            if noun and noun[1] in named[0]:
                return named[0], noun.end()
            if behind:
                end = _CLOSE.match(text, behind.end()).end()  # type: ignore[union-attr]
                return tuple(dict.fromkeys((*named[0], behind[1].upper()))), end
            return named[0], end
        if single is None:
            run = _RUN.match(text, place)
            if run and set(run[0]) <= set(self.letters) and len(set(run[0])) == len(run[0]):
                return tuple(run[0]), run.end()
            return None
        letter = letter_of(single[0])
        number = self.letters.find(letter)
        own_text = self.texts[number] if 0 <= number < len(self.texts) else ""
        if not self._is_letter(text, single) or is_part_of_term(text, *single.span(), own_text):
            return None
        end = _CLOSE.match(text, single.end()).end()  # type: ignore[union-attr]
        behind_place = _BEFORE_TEXT.match(text, end).end()  # type: ignore[union-attr]
        after = self.text_at(text, behind_place) if "\n" not in text[end:behind_place] else None
        if after and (
            letter in after[0] or not self._is_lone_letter(text[behind_place : after[1]])
        ):
            merged = (letter,) if letter in after[0] else (letter, *after[0])
            return tuple(dict.fromkeys(merged)), _CLOSE.match(text, after[1]).end()  # type: ignore[union-attr]
        return (letter,), end

    def _is_lone_letter(self, text: str) -> bool:
        """Return whether the text of an option may be the letter of one, or the word "I"."""
        return len(text) == 1 and (text.isupper() or text.upper() in self.letters)

    def _is_text(self, single: re.Match[str], end: int) -> bool:
        """Return whether the text of an option begins with a letter and is more than one."""
        return end > single.end() + 1 or letter_of(single[0]) not in self.letters

    def _is_letter(self, text: str, single: re.Match[str]) -> bool:
        """Return whether a single letter names an option and is not a word such as "a" or "I"."""
        own, before = single[0], text[max(single.start() - 1, 0) : single.start()]
        if before and before in "([（【「『〔<*`\"'":
            return True
        if _END.match(text, single.end()):
            return True
        is_weak = own in _WEAK
        if (own.isupper() or not is_weak) and is_named(text, single.start()):
            return True
        if is_weak or own.islower():
            named = self.text_at(text, single.end() + len(_blank(text, single.end())))
            if named and letter_of(own) in named[0]:
                return own.isupper()
            if own.islower():
                return is_continued(text, single.end(), is_weak=is_weak)
            after = _BECAUSE.match(text, single.end()) or _NO_NOUN.match(text, single.end())
            return after is not None or self.joined_at(text, single.end())
        return True

    def _start(self, text: str, place: int) -> int:
        """Return where an answer begins behind the words and signs that may precede it.

        The text of an option may begin with such a word: "right heart failure".
        """
        for _ in range(MAX_STEPS):
            unknown = UNKNOWN.match(text, place)
            if unknown and self.text_at(text, unknown.end()):
                if unknown[0][0].upper() not in self.letters:
                    return unknown.end()
                break
            step = _STEP.match(text, place)
            if step is None or step.end() == place or self.text_at(text, place):
                break
            place = step.end()
        return place

    def letters_of_text(self, text: str) -> tuple[str, ...]:
        """Return the letters of the options whose text this is, apart from case and full stop."""
        if len(text) > MAX_OPTION_CHARS or not self.texts:
            return ()
        own = option_text(text)
        if len(own) == 1 and own.upper() in self.letters:
            return ()
        named = list(zip(self.letters, self.texts, strict=False))
        found = tuple(letter for letter, other in named if other == own)
        if not found:  # "nitrogen" for "nitrogen gas", where all options end in the same word
            heads = [_HEAD.match(other).groups() for other in self.texts]  # type: ignore[union-attr]
            if len({tail for _, tail in heads}) == 1:
                named_heads = zip(self.letters, heads, strict=False)
                found = tuple(letter for letter, (head, _) in named_heads if head == own)
        if found or not own[:1].isdigit():
            return found
        own = without_zeros(own)
        return tuple(letter for letter, other in named if without_zeros(other) == own)

    def ends_clause(self, text: str, place: int) -> bool:
        """Return whether an answer may end at a place, because no noun continues it."""
        return bool(_END.match(text, place) or _BECAUSE.match(text, place))

    def joined_at(self, text: str, place: int) -> bool:
        """Return whether another answer is joined at a place."""
        joint = JOINT.match(text, place)
        return joint is not None and bool(SINGLE.match(text, joint.end()))

    def statement_at(
        self, text: str, place: int, *, is_whole: bool = False, opening: bool = True
    ) -> Statement | None:
        """Return the answer stated at a place: an option, or several that are joined.

        Args:
            text: Plain text.
            place: Where the answer, or what may stand before it, begins.
            is_whole: Whether nothing else may follow.
            opening: Whether words such as "option" may stand before it.
        """
        letters = self.letters_of_text(text[place:]) if is_whole else ()
        if letters and not ends_range(text, place):
            return Statement(letters, place, len(text))
        start = self._start(text, place) if opening else _OPEN_SHORT.match(text, place).end()  # type: ignore[union-attr]
        member = self.member_at(text, start)
        if member is None or ends_range(text, start):
            return None
        joined, end = list(member[0]), member[1]
        for _ in range(MAX_MEMBERS):
            following = joined_member(self, text, end)
            if following is None:
                break
            joined += following[0]
            end = following[1]
        if is_whole and _NOTHING.fullmatch(text, end) is None:
            return None
        return Statement(tuple(dict.fromkeys(joined)), start, end)


def _blank(text: str, place: int) -> str:
    return _BEFORE_TEXT.match(text, place)[0]  # type: ignore[index]


@lru_cache(maxsize=2048)
def options_of(choices: tuple[str, ...]) -> Options:
    """Return the options of a task, given their texts in order."""
    return Options(ascii_uppercase[: len(choices)], tuple(map(option_text, choices)))


@lru_cache(maxsize=64)
def letters_up_to(letter: str) -> Options:
    """Return options without texts: at least LEAST_LETTERS, and up to a letter."""
    place = ascii_uppercase.find(letter) + 1
    return Options(ascii_uppercase[: max(place, LEAST_LETTERS)])


def is_variable(text: str, statement: Statement, options: Options) -> bool:
    """Return whether an answer is a letter beyond the options, as in "if P then Q; so Q"."""
    letter = statement.letters[0]
    if len(statement.letters) > 1 or letter in options.letters or not options.is_known:
        return False
    return len(re.findall(rf"(?<![A-Za-z]){re.escape(letter)}(?![A-Za-z])", text)) > 1
