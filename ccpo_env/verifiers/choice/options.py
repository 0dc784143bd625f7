"""The options of one task: letters and texts, and the answer that a text states at a place."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache
from string import ascii_uppercase

from ccpo_env.verifiers.plain import plain
from ccpo_env.verifiers.choice.words import (
    ALPHABETIC,
    AND,
    BECAUSE,
    IN_ORDER,
    IS,
    LABEL,
    LOOK_ALIKES,
    MAYBE,
    NOT,
    THEREFORE,
    words,
)

MAX_OPTION_CHARS = 4096
"""Longest text that is compared with whole options."""
MAX_MEMBERS = 30
"""Largest number of joined answers that are read."""
LEAST_LETTERS = 10
"""Letters that may be an option if the options are not known: A to J, or up to the gold answer."""

_LATIN = {**LOOK_ALIKES, **IN_ORDER}
_DECORATION = r"""\s,•·▪●○◦*_`"'()\[\]<>=:#|>（）【】「」『』〔〕《》〈〉\-–—→⇒.👉✅✓✔☑"""
_STEP = re.compile(rf"[{_DECORATION}]++|{LABEL}|{THEREFORE}", re.IGNORECASE)
MAX_STEPS = 24
"""Largest number of words and signs before an answer that are skipped."""
_OPEN_SHORT = re.compile(r"[\s*_`\"'(\[<（【「『〔《〈👉✅✓✔☑]*+")
_CLOSE = re.compile(r"[*_`\"')\]>】」』〕》〉]*+")
_SINGLE = re.compile(
    rf"(?:(?<![{ALPHABETIC}])(?<![A-Za-z]')(?P<plain>[A-Za-z]|[{''.join(LOOK_ALIKES)}БГДбгдΓΔ])"
    rf"|(?<!\w)(?P<series>[{''.join(IN_ORDER)}])(?!\w))(?![{ALPHABETIC}])(?!'(?!d[ıi]r|t[ıi]r)[A-Za-z])"
)
_GAP = re.compile(r"[ .:]*\n?[ *_(\[#>\-•]*")
_PLURAL = re.compile(r"[\s*_)\]]*(?:are|were|sont|sind|son|são|sono)\b")
_RUN = re.compile(rf"(?<![{ALPHABETIC}])[A-Z]{{2,12}}(?![{ALPHABETIC}])(?!')")
_JOINT = re.compile(rf"\s*[(\[]?\s*(?:{AND}\s*)+(?:{MAYBE}\s*)*", re.IGNORECASE)
_NOTHING = re.compile(
    r"(?:です|だ|である|입니다|이다|번|选项|项)?[\s*_`\"'()\[\]<>.,;:!。！，；：…|/\\#=\-–—]*"
)
_WEAK = frozenset("AIOEYUaioeyuСАВКУОИЯсавкуоия")  # noqa: RUF001
"""Letters that are also words of some language."""
_END = re.compile(
    r"\s*(?:$|[\n.,;:!?。！？，；：、…)\]\"'*|}<>/&+–—#_`\[】」』〕》〉✅✓✔☑]|-\s|\()|\s?[\u0590-\u1fff\u3040-\uffdc]"
)
_ARTICLE_USE = re.compile(r"\s+[a-z\u00df-\u00ff]")
_NAMED = re.compile(
    words(
        "option; choice; letter; answer; opción; opção; alternativa; letra; opzione; lettera; lettre; réponse"
    )
    + "|"
    + words(
        "antwort; buchstabe; optie; letter; odpowiedź; opcja; možnost; вариант; ответ; пункт; варіант; seçenek; pilihan; đáp án"
    )
    + r"|[选選]项|選択肢|선택지",
    re.IGNORECASE,
)
_BECAUSE = re.compile(rf"\s*(?:{BECAUSE})", re.IGNORECASE)
_LABELLED = re.compile(r"\s*[).:、．\]]|\s*[-–—]\s")
_IS_WRONG = re.compile(
    rf"[\s*_`\"')\]]*(?:\([^()\n]{{0,80}}\))?[\s,*_]*(?:which|that)?\s*(?:{IS})\s*[^\n.,;:!?。！？，；]{{0,30}}?(?:{NOT})",
    re.IGNORECASE,
)
_IS_WRONG_AFTER = re.compile(
    r"[\s*_`\"')\]]*(?:选项|選項|は|が|가|이|은|는|を|的)?\s*(?:不是|不对|不對|不正确|错误|錯|是错|是错误|是不|除外"
    r"|ではな|ではあり|じゃな|じゃあり|不正解|誤り|間違|以外|아니|아닌|아닙|틀|오답|제외|不选|नहीं|गलत|को छोड़|değil|hariç|yanlış)"
    r"|(?:は|が|가|이|은|는)[^.,、，\n]{1,10}(?:아니|아닙|ない|ません|틀)"
    r"|\s*\^\s*(?:c\b|\\complement)"
    r"|[\s*_`\"')\]]*(?:cannot|can't|isn't|wasn't|doesn't|does not|couldn't|won't|fails|ain't)\b"
    r"|[\s*_`\"')\]:,–—\-.…?!]*(?:no|not|nope|is wrong|wrong|is incorrect|incorrect|false|excluded|is excluded"
    r"|eliminated|ruled out|definitely not|certainly not)[\s.!*)]*(?:$|\n)",
    re.IGNORECASE,
)


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
        pattern = _texts_pattern(self.letters, self.texts)
        found = pattern.match(text, place) if pattern else None
        if found is None or found.lastgroup is None:
            return None
        return tuple(found.lastgroup.lstrip("_")), found.end()

    def member_at(self, text: str, place: int) -> tuple[tuple[str, ...], int] | None:
        """Return the letters of the option stated at a place, and its end; None if there is none.

        A letter counts with the text of its option; with that of another one, both count.
        """
        named = self.text_at(text, place)
        single = _SINGLE.match(text, place)
        if named and (single is None or self._is_text(single, named[1])):
            end = _CLOSE.match(text, named[1]).end()  # type: ignore[union-attr]
            behind = re.compile(r"\s*[(\[]\s*(?:option\s*)?([A-Za-z])\s*[)\]]").match(text, end)
            if behind:
                return tuple(dict.fromkeys((*named[0], behind[1].upper()))), behind.end()
            return named[0], end
        if single is None:
            run = _RUN.match(text, place)
            if run and set(run[0]) <= set(self.letters) and len(set(run[0])) == len(run[0]):
                return tuple(run[0]), run.end()
            return None
        if not self._is_letter(text, single):
            return None
        own = single["plain"] or single["series"]
        letter = _LATIN.get(own, own).upper()
        end = _CLOSE.match(text, single.end()).end()  # type: ignore[union-attr]
        behind_place = re.compile(r"[\s*_`\"'.:)\]、,=(–—-]*").match(text, end).end()  # type: ignore[union-attr]
        after = self.text_at(text, behind_place) if "\n" not in text[end:behind_place] else None
        if after and (
            letter in after[0] or not re.fullmatch(r"[A-Za-z]", text[behind_place : after[1]])
        ):
            merged = (letter,) if letter in after[0] else (letter, *after[0])
            return tuple(dict.fromkeys(merged)), _CLOSE.match(text, after[1]).end()  # type: ignore[union-attr]
        return (letter,), end

    def _is_text(self, single: re.Match[str], end: int) -> bool:
        """Return whether the text of an option begins with a letter and is more than one."""
        own = single[0]
        return end > single.end() + 1 or _LATIN.get(own, own).upper() not in self.letters

    def _is_letter(self, text: str, single: re.Match[str]) -> bool:
        """Return whether a single letter names an option and is not a word such as "a" or "I"."""
        own, before = single[0], text[max(single.start() - 1, 0) : single.start()]
        if before and before in "([（【「『〔<*`\"'":
            return True
        if _END.match(text, single.end()):
            return True
        last_word = text[max(single.start() - 24, 0) : single.start()].split()[-1:]
        if last_word and own.isupper() and _NAMED.fullmatch(last_word[0]):
            return True
        if own in _WEAK or own.islower():
            named = self.text_at(text, single.end() + len(_blank(text, single.end())))
            if named and _LATIN.get(own, own).upper() in named[0]:
                return own.isupper()
            if own.islower():
                return bool(re.compile(r"\s*(?:because|since|as it)\b").match(text, single.end()))
            return bool(_BECAUSE.match(text, single.end())) or self.joined_at(text, single.end())
        return True

    def _start(self, text: str, place: int) -> int:
        """Return where an answer begins behind the words and signs that may precede it.

        The text of an option may begin with such a word: "right heart failure".
        """
        for _ in range(MAX_STEPS):
            step = _STEP.match(text, place)
            if step is None or step.end() == place or self.text_at(text, place):
                break
            place = step.end()
        return place

    def letters_of_text(self, text: str) -> tuple[str, ...]:
        """Return the letters of the options whose text this is, apart from case and full stop."""
        if len(text) > MAX_OPTION_CHARS or not self.texts:
            return ()
        own = _option_text(text)
        if len(own) == 1 and own.upper() in self.letters:
            return ()
        return tuple(
            letter for letter, other in zip(self.letters, self.texts, strict=False) if other == own
        )

    def joined_at(self, text: str, place: int) -> bool:
        """Return whether another answer is joined at a place."""
        joint = _JOINT.match(text, place)
        return joint is not None and bool(_SINGLE.match(text, joint.end()))

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
        if is_whole and (letters := self.letters_of_text(text[place:])):
            return Statement(letters, place, len(text))
        start = self._start(text, place) if opening else _OPEN_SHORT.match(text, place).end()  # type: ignore[union-attr]
        member = self.member_at(text, start)
        if member is None:
            return None
        letters, end = list(member[0]), member[1]
        for _ in range(MAX_MEMBERS):
            following = self._joined(text, end)
            if following is None:
                break
            letters += following[0]
            end = following[1]
        if is_whole and _NOTHING.fullmatch(text, end) is None:
            return None
        return Statement(tuple(dict.fromkeys(letters)), start, end)

    def _joined(self, text: str, place: int) -> tuple[tuple[str, ...], int] | None:
        """Return the next answer of a list, unless it is called wrong there."""
        joint = _JOINT.match(text, place)
        if joint is None:
            gap = _GAP.match(text, place).end()  # type: ignore[union-attr]
            single = _SINGLE.match(text, gap) if gap > place else None
            if single is None or not single[0].isupper():
                return None
            is_labelled = bool(_LABELLED.match(text, single.end()))
            if "\n" in text[place:gap]:
                if is_labelled == self._is_bare_line(text, place):
                    return None
            if not (is_labelled or self._ends(text, single)):
                return None
        else:
            gap = joint.end()
            gap = re.compile(r"[*_`\"'(\[]*").match(text, gap).end()  # type: ignore[union-attr]
        member = self.member_at(text, gap)
        single = _SINGLE.match(text, gap)
        if member is None and single and single[0].isupper():
            is_article = _ARTICLE_USE.match(text, single.end())
            member = None if is_article else ((single[0],), single.end())
        if member is None or (
            is_called_wrong(text, member[1]) and not _PLURAL.match(text, member[1])
        ):
            return None
        return member

    def _is_bare_line(self, text: str, end: int) -> bool:
        """Return whether the line that ends at a place is one letter only."""
        line = text[text.rfind("\n", 0, end) + 1 : end]
        return len(re.sub(r"[^\w]", "", line)) == 1

    def _ends(self, text: str, single: re.Match[str]) -> bool:
        return single[0].isupper() and bool(
            re.compile(r"\s*(?:$|\n|[A-Z](?![\w]))").match(text, single.end())
        )


def _blank(text: str, place: int) -> str:
    return re.compile(r"[\s*_`\"'.:)\]–—-]*").match(text, place)[0]  # type: ignore[index]


def is_called_wrong(text: str, end: int) -> bool:
    """Return whether the words after an answer call it wrong."""
    return bool(_IS_WRONG.match(text, end) or _IS_WRONG_AFTER.match(text, end))


@lru_cache(maxsize=2048)
def options_of(choices: tuple[str, ...]) -> Options:
    """Return the options of a task, given their texts in order."""
    return Options(ascii_uppercase[: len(choices)], tuple(map(_option_text, choices)))


@lru_cache(maxsize=64)
def letters_up_to(letter: str) -> Options:
    """Return options without texts: at least LEAST_LETTERS, and up to a letter."""
    place = ascii_uppercase.find(letter) + 1
    return Options(ascii_uppercase[: max(place, LEAST_LETTERS)])


def _option_text(choice: str) -> str:
    return " ".join(plain(choice).lower().split()).strip(" .;,*_`\"'")


_TOKEN = re.compile(r"\w+|[^\w\s]")
_WITHOUT_SPACES = re.compile("[\u0e00-\u0eff\u1000-\u11ff\u1780-\u17ff\u3040-\u9fff\uac00-\ud7ff]")
"""Characters of scripts that set no spaces between words, or add endings to them."""
_OPTIONAL = frozenset("\"'`*_,.;:()[]!?")


@lru_cache(maxsize=2048)
def _texts_pattern(letters: str, texts: tuple[str, ...]) -> re.Pattern[str] | None:
    """Return a pattern for the texts, the longest first; the group's name is their letters."""
    letters_of: dict[str, str] = {}
    for letter, text in zip(letters, texts, strict=False):
        if source := _source(text):
            letters_of[source] = letters_of.get(source, "") + letter
    if not letters_of:
        return None
    ordered = sorted(letters_of, key=len, reverse=True)
    return re.compile(
        "|".join(f"(?P<_{letters_of[source]}>{source})" for source in ordered), re.IGNORECASE
    )


def _source(text: str) -> str:
    """Return an expression for the text of an option, with flexible spaces and punctuation."""
    tokens = _TOKEN.findall(text)
    while len(tokens) > 1 and tokens[0] in {"the", "a", "an"} and len(tokens[1]) > 1:
        tokens = tokens[1:]
    while tokens and tokens[-1] in _OPTIONAL:
        tokens.pop()
    if not tokens:
        return ""
    parts = [r"(?:(?:the|an?)\s+)?" if tokens[0][0].isalpha() else ""]
    parts.append(_border(tokens[0][0], "<!"))
    for before, token in zip(["", *tokens], tokens, strict=False):
        if before and before[-1].isalnum() and token[0].isalnum():
            parts.append(r"[\s\-]+")
        elif before:
            parts.append(r"\s*")
        is_optional = token in _OPTIONAL and not (before[-1:].isdigit() and token in ".,:")
        if token == "-":
            parts.append(r"[\s\-–]*" if before.isalpha() else r"[\-–]")
        else:
            parts.append(f"{re.escape(token)}{'?' if is_optional else ''}")
    if tokens[-1][-1].isdigit():
        parts.append(r"(?![.,/^:]?\d|\s*[%^/+=]|\s*\*\s*\w)")
    if len(tokens[-1]) > 2 and tokens[-1].isascii() and tokens[-1].isalpha():
        parts.append("s?")
    parts.append(_border(tokens[-1][-1], "!"))
    return "".join(parts)


def _border(character: str, look: str) -> str:
    """Return the expression that no word may continue at the end of a text with a character."""
    if character.isdigit() and look == "<!":
        return rf"(?<![{ALPHABETIC}.^/+\-])"
    if re.match(f"[{ALPHABETIC}]", character):
        return rf"(?{look}[{ALPHABETIC}])" + (r"(?<![A-Za-z]-)" if look == "<!" else r"(?!-\w)")
    is_spaced = character.isalnum() and not _WITHOUT_SPACES.match(character)
    return rf"(?{look}\w)" if is_spaced else ""
