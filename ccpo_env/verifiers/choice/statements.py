"""Find the answer that a response states: its last box, else its closing statement."""

from __future__ import annotations

import re
from collections.abc import Iterator
from collections import deque
from dataclasses import dataclass, replace
from functools import lru_cache
from itertools import islice

from ccpo_env.verifiers.choice.options import Options, Statement, is_called_wrong
from ccpo_env.verifiers.choice.words import (
    ANSWER,
    BELIEVE,
    CHOOSE,
    COPULA,
    CORRECTION,
    IS,
    NOT,
    RIGHT,
    THEREFORE,
    YES_DOUBT,
    words,
)

MAX_WINDOW = 120
"""Longest distance, in characters, of an answer from the word that announces it."""

MAX_SENTENCE = 600
"""Longest sentence in which the text of an option is searched, in characters."""
MAX_CUES = 64
"""Largest number of announcements of one kind that are read: the first and the last ones."""
MAX_PLACES = 12
"""Places behind one announcement at which an answer may begin."""

_ANSWER = re.compile(ANSWER)
_COPULA = re.compile(COPULA)
_CHOOSE = re.compile(rf"{CHOOSE}|{THEREFORE}")
_NOT = re.compile(NOT)
_NO_DOUBT = re.compile(YES_DOUBT)
_DISBELIEF = re.compile(rf"(?:{NOT}).{{0,20}}?(?:{BELIEVE})", re.IGNORECASE)
_CORRECTION = re.compile(CORRECTION)
_IS_RIGHT = re.compile(rf"[^\n.,;:!?。！？；，]{{0,60}}?(?:{RIGHT})", re.IGNORECASE)
_CLAUSE = re.compile(r"(?:^|[.,;:!?\n。，；：！？]|\b(?:that|and|but|so)\b)\s*")
_LINK = re.compile(
    rf"[\s*_)\]]*(?:,\s*)?(?:{IS}|best|holds|является|it is|هو|هي|是|为|が|は|가|이|은|는|हی|है|选项|選項|विकल्प|[-–—:✅✓✔☑])|\s*(?:सही|صحيح|верно|正确|正解|정답|benar|doğru|đúng|richtig|correct)",
    re.IGNORECASE,
)
_SENTENCE_END = re.compile(r"[.!?](?=[)\]*]*(?:\s|$))|[。！？]|\n")
_CLAUSE_START = re.compile(r"[.,;:!?\n。，；：！？、]")
_CONTRAST = re.compile(
    r"[^\n.]{0,14}?(?:"
    + words(
        "but; rather; instead; sondern; sino; mais; mas; ma; maar; а; lecz; ale; utan; vaan; but rather"
    )
    + r"|而是|而选|ではなく|아니라|بل|बल्कि|→|->)[\s、，,]*|[;,]\s*",
    re.IGNORECASE,
)
_HYPOTHETICAL = re.compile(
    words(
        "if; suppose; assuming; whether; unless; wenn; falls; si; se; если; als; gdyby; ob; could; might; should"
    )
    + "|如果|若|假如|もし|만약|إذا كان|अगर|यदि",
    re.IGNORECASE,
)
_WRONG_KIND = re.compile(
    r"(?:不|别|勿|莫|不应该?|不能|不可以?|不要|不会|不宜|不该)$|(?:错误|不正确|不对|不正確|誤った|間違った|틀린|잘못된|خاطئة?|गलत)的?\s*$"
)
_DIRECT = re.compile(
    words(
        "answers?; ans; antwort; réponse; reponse; respuesta; resposta; risposta; antwoord; odpowiedź; ответ; svar; svaret; vastaus; cevap; yanıt; jawaban; verdict; guess; gabarito; đáp án"
    )
    + "|答案|答え?|正解|정답|답|الإجابة|الاجابة|الجواب|उत्तर|जवाब|คำตอบ|ตอบ|תשובה|应选|應選|故选|故選|পাসخ",
    re.IGNORECASE,
)
_ALSO = re.compile(
    r"(?:^|[.,;!(\n–—])[\s*_]*(?i:but|and|though|although|however|yet|still|or)?,?\s*"
    r"(?:(?i:option|choice|answer|letter)\s+)?[*_(\[]*(?P<letter>[A-Z])[*_)\]]*\s*"
    r"(?:(?:is|are|could|may|might|would|can|works?|seems?|fits?)\s+)*(?:be\s+)?"
    r"(?:also|too|equally|as well|another|possible|plausible|acceptable|just as)\b"
    r"(?!\s+(?:not|in|un|im|wrong|false|ruled|elim|but))",
)
_HEADING = re.compile(r"[\s*_#:\"'`>\-=]*\n")
_LABEL_LINE = re.compile(r"\s*[-*>•#\s]*[(\[*_]*([A-Z])[*_]*[).:\]、．]")
_LINE_TAIL = re.compile(r"[^\n]*")
_FIRST_PERSON = re.compile(
    r"(?:I|we|let|my)\b|我|ฉัน|أختار|elijo|escolho|je|ich|scelgo|выбираю|wybieram", re.IGNORECASE
)
_OPENING = re.compile(r"[\s*_`\"'(\[<]*")
_QUOTED_ANSWER = re.compile(
    r"(?:A:\s*(?=\([B-Z]\))|(?:(?:assistant|model|bot|ai)|(?:question|q|answer|a|no\.?)?\s?\d{1,3})\s?[:.)]\s+(?=\S))",
    re.IGNORECASE,
)
_BOLD = re.compile(r"\*\*([^*\n]{1,300})\*\*|__([^_\n]{1,300})__")
_LEAD = re.compile(r"[*_)\]\"'`]*\s*(?:[.):,;!\n–—]|-\s|$|because\b|since\b|\()")
_AS = re.compile(
    r"\s+(?:because|since|as|rather|instead|not|for sure|it is|I think|I believe|I guess|I suppose|probably|obviously|clearly)\b"
)
_MARK = re.compile(r"[✅✓✔☑👉]")
_BUT = re.compile(
    words("but; however; yet; aber; jedoch; mais; pero; mas; ma; però; maar; но; ale; though")
    + "|但|しかし|ただし|그러나|하지만|لكن|लेकिन",
    re.IGNORECASE,
)
_ALSO_FIRST = re.compile(
    r"[\s.,;:*_)\]–—-]*(?i:also|and also|likewise)[:,]?\s+[*_(\[]*(?P<letter>[A-Z])(?![A-Za-z])"
)
_COULD_ALSO = re.compile(
    r"[^.\n]{0,60}?\b(?:could|might|may|can)\s+(?:also|equally|as well)\s+be\s+(?:option\s+)?"
    r"[*(\[]*(?P<letter>[A-Z])(?![A-Za-z])"
)
_VERB_LAST = re.compile(r"[\s*_)\]\"']*(?:है|हैं|হয়|হবে|است|'?[dt][ıi]r\b|şıkkı)")
_TAKEN_BACK = re.compile(
    r"\s*[,:;.…—–]+\s*|\s-+\s|(?<=actually)\s+|(?<=rather)\s+|(?<=mean)\s+|(?<=meant)\s+|(?<=[^\x00-\x7f])\s*"
)
_WITHDRAWN = re.compile(
    r"[\s.,;:!?*_)\]–—-]*(?:no|wait|actually|oops|sorry|hmm|but)\b[^\n]{0,30}?\b(?:that|this|it)(?:'s| is| was)? (?:wrong|incorrect|not right|not it|a mistake|not correct|false)"
)
_PLAIN_GAP = re.compile(r"\w+")


@lru_cache(maxsize=8)
def _lower(text: str) -> str:
    """Return a text in lower case, with each character at its place."""
    lowered = text.lower()
    if len(lowered) == len(text):
        return lowered
    return "".join(own if len(own := character.lower()) == 1 else character for character in text)


def _found(pattern: re.Pattern[str], text: str) -> bool:
    """Return whether a pattern in lower case occurs in a text."""
    return pattern.search(_lower(text)) is not None


def _ends(matches: Iterator[re.Match[str]]) -> Iterator[re.Match[str]]:
    """Yield the first and the last of some matches, at most MAX_CUES."""
    yield from islice(matches, MAX_CUES // 4)
    yield from deque(matches, maxlen=MAX_CUES - MAX_CUES // 4)


@dataclass(frozen=True, slots=True)
class Found:
    """An answer that a response states somewhere.

    Args:
        letters: The letters of its options; "?" for anything that is no option.
        start: Where the words begin that announce it.
        end: Where it ends.
        is_negated: Whether it says what the answer is not.
        strength: 2: "the answer is C"; 1: "C is right", "so C".
        is_correction: Whether it takes back what was stated before.
    """

    letters: tuple[str, ...]
    start: int
    end: int
    is_negated: bool = False
    strength: int = 2
    is_correction: bool = False


def closing_statement(text: str, options: Options) -> Found | None:
    """Return the answer that a plain text states last, or None."""
    if (quoted := _QUOTED_ANSWER.match(text)) and not options.text_at(text, 0):
        text = text[quoted.end() :]
    whole = options.statement_at(text, 0, is_whole=True)
    if whole is not None:
        return Found(whole.letters, 0, whole.end)
    found = sorted(
        (*_announced(text, options), *_chosen(text, options), *_called_right(text, options)),
        key=lambda own: (own.start, own.end),
    )
    readings = (
        lambda: _last([own for own in found if own.strength == 2], text, options),
        lambda: _last(found, text, options),
        lambda: negated_at(text, 0, options),
        lambda: _lone(text, options),
    )
    negated: Found | None = None
    for read in readings:
        result = read()
        if result is not None and not result.is_negated:
            if negated is not None and set(negated.letters) & set(result.letters):
                return negated
            return result
        negated = negated or result
    return negated


def negated_at(text: str, place: int, options: Options) -> Found | None:
    """Return what "not A" or "not A but B" says at a place; None if nothing is negated there."""
    opened = _OPENING.match(text, place)
    if opened and options.text_at(text, opened.end()):
        return None
    negation = _NOT.match(_lower(text), opened.end() if opened else place)
    if negation is None:
        statement = options.statement_at(text, place)
        if statement is None or not is_called_wrong(text, statement.end):
            return None
    else:
        statement = options.statement_at(text, negation.end())
    if statement is None:
        return None
    negated = Found(statement.letters, place, statement.end, is_negated=True)
    return _contrast(text, statement, options) or negated


def judged(text: str, cue: int, statement: Statement, *, strength: int = 2) -> Found:
    """Return a statement with whether it is negated by the words around it.

    Args:
        text: Plain text.
        cue: Where the words begin that announce the answer.
        statement: The answer.
        strength: See `Found`.
    """
    clause = _clause_start(text, cue)
    before = _NO_DOUBT.sub(" ", text[clause:cue].lower())
    between = _NO_DOUBT.sub(" ", text[cue : statement.start].lower())
    last_words = " ".join(before.split()[-3:])
    is_negated = bool(
        _found(_NOT, between)
        or _found(_NOT, last_words)
        and not re.search(r"\bno\b[.,!]?$", last_words)
        and _adjacent_not(last_words)
        or _WRONG_KIND.search(before)
        or _DISBELIEF.search(before + text[cue : cue + 1])
        or is_called_wrong(text, statement.end)
    )
    letters = statement.letters
    for also in (
        _ALSO.search(text, statement.end, statement.end + 150),
        _COULD_ALSO.match(text, statement.end),
        _ALSO_FIRST.match(text, statement.end),
    ):
        if also and also["letter"] not in letters:
            letters = (*letters, also["letter"])
    sentence = text[_sentence_start(text, cue) : cue]
    return Found(
        letters,
        cue,
        statement.end,
        is_negated,
        strength,
        bool(_found(_CORRECTION, sentence[-60:])),
    )


def _adjacent_not(last_words: str) -> bool:
    """Return whether a negation among the last words belongs to the noun after them."""
    return bool(re.search(rf"(?:{NOT})(?:\s+\S+){{0,2}}$", last_words, re.IGNORECASE))


def _announced(text: str, options: Options) -> Iterator[Found]:
    """Yield what follows nouns such as "answer", with a verb or a sign between them."""
    for noun in _ends(_ANSWER.finditer(_lower(text))):
        limit = _window_end(text, noun.end())
        own = noun.end(), limit
        cues = [*_COPULA.finditer(_lower(text), *own), *_NOT.finditer(_lower(text), *own)]
        places = [noun.end(), *sorted({cue.end() for cue in cues})[:MAX_PLACES]]
        negations = {cue.end() for cue in cues if cue.re is _NOT}
        for place in places:
            statement = options.statement_at(text, place)
            if statement is None or not _is_near(text, noun.end(), limit, statement.start):
                continue
            if place in negations and _CLAUSE_START.search(text, place, statement.start):
                continue
            if not _is_statement(text, noun, statement, options):
                continue
            if _HYPOTHETICAL.search(text[_clause_start(text, noun.start()) : noun.start()]):
                break
            own = judged(text, noun.start(), statement)
            if own.is_negated and (other := _contrast(text, statement, options)):
                own = other
            yield own
            break


def _is_near(text: str, end: int, limit: int, start: int) -> bool:
    """Return whether an answer begins in the sentence of its noun, or in the lines after it."""
    if start <= limit:
        return True
    return start <= limit + MAX_WINDOW // 2 and (
        text[limit : limit + 1] == "\n" or not text[end:limit].strip()
    )


def _is_statement(text: str, noun: re.Match[str], statement: Statement, options: Options) -> bool:
    gap = text[noun.end() : statement.start]
    if re.match(r"[\s*_)\]\"']*\?", text[statement.end : statement.end + 6]):
        return False
    if "\n" in gap and (
        not _HEADING.match(gap[gap.find("\n") - 1 :] or gap) and gap.strip(" \n*_#:\"'`>-=[(")
    ):
        if not re.fullmatch(r"[^\n]*[:：*]\s*\n[\s*_#`(\[\"'>-]*(?:[A-Za-z ]{0,20})?", gap):
            return False
    if "\n" in gap and _is_listed(text, statement.start):
        return False
    if _found(_COPULA, gap) or "\n" in gap or _found(_NOT, gap):
        return True
    if _VERB_LAST.match(text, statement.end):
        return True
    return bool(
        _DIRECT.fullmatch(noun[0])
        and (gap.strip(" *_([\"'`") == "" or not re.search(r"[A-Za-z]", gap))
        and re.match(
            r"[\s*_)\]\"'`]*(?:$|[\n.,;(]|because|since)", text[statement.end : statement.end + 12]
        )
    )


def _chosen(text: str, options: Options) -> Iterator[Found]:
    """Yield what follows verbs such as "I choose", and words such as "therefore"."""
    for verb in _ends(_CHOOSE.finditer(_lower(text))):
        gap = re.compile(r"\s*[,:]?\s*").match(text, verb.end())
        statement = options.statement_at(text, gap.end() if gap else verb.end())
        if statement is None or "\n" in text[verb.end() : statement.start].strip(" "):
            continue
        if re.match(r"[\s*_)\]\"']*\?", text[statement.end : statement.end + 6]):
            continue
        if not _ends_clause(text, statement.end):
            continue
        strength = 2 if _FIRST_PERSON.match(verb[0]) else 1
        own = judged(text, verb.start(), statement, strength=strength)
        yield _raised(own)
    for taken_back in _ends(_CORRECTION.finditer(_lower(text))):
        gap = _TAKEN_BACK.match(_lower(text), taken_back.end())
        statement = options.statement_at(text, gap.end()) if gap else None
        if statement is None or not _ends_clause(text, statement.end):
            continue
        if "\n" in text[taken_back.end() : statement.start] or text[statement.end :][:1] == "?":
            continue
        own = judged(text, statement.start, statement)
        yield _raised(replace(own, is_correction=True))


def _raised(own: Found) -> Found:
    if not own.is_correction:
        return own
    return replace(own, strength=2)


def _ends_clause(text: str, place: int) -> bool:
    """Return whether a statement may end at a place, because no noun continues it."""
    from ccpo_env.verifiers.choice.options import _BECAUSE, _END

    return bool(_END.match(text, place) or _BECAUSE.match(text, place))


def _called_right(text: str, options: Options) -> Iterator[Found]:
    """Yield answers at the beginning of a clause that the words after them call right."""
    for clause in _ends(_CLAUSE.finditer(text)):
        statement = options.statement_at(text, clause.end())
        if statement is None:
            continue
        link = _LINK.match(text, statement.end)
        if link is None:
            continue
        right = _IS_RIGHT.match(text, statement.end)
        if right is None or re.search(r"\n", text[statement.end : right.end()]):
            continue
        is_negated = bool(_found(_NOT, _NO_DOUBT.sub(" ", right[0].lower()))) or is_called_wrong(
            text, statement.end
        )
        before = text[clause.end() : statement.start]
        is_negated = is_negated or bool(_found(_NOT, before))
        is_correction = bool(_found(_CORRECTION, text[max(0, clause.end() - 30) : statement.start]))
        if is_negated and not is_correction:
            continue
        if re.match(r"[^\n.!]{0,40}\?", text[right.end() : right.end() + 50]):
            continue
        if options.is_known and not set(statement.letters) <= set(options.letters):
            continue  # the name of a quantity
        yield Found(
            statement.letters,
            statement.start,
            right.end(),
            is_negated,
            2 if is_correction else 1,
            is_correction,
        )


def _contrast(text: str, statement: Statement, options: Options) -> Found | None:
    """Return the answer after "but" of "not A but B"."""
    contrast = _CONTRAST.match(text, statement.end)
    if contrast is None:
        return None
    other = options.statement_at(text, contrast.end())
    if other is None or is_called_wrong(text, other.end):
        return None
    return Found(other.letters, statement.start, other.end)


def _last(found: list[Found], text: str, options: Options) -> Found | None:
    """Return the statement that counts, with all that are stated beside it."""
    excluded: set[str] = set()
    place = len(found) - 1
    while place >= 0 and found[place].is_negated:
        excluded.update(found[place].letters)
        place -= 1
    if place < 0:
        return found[-1] if found else None
    own = found[place]
    if excluded & set(own.letters):
        return Found(own.letters, own.start, own.end, is_negated=True)
    if _WITHDRAWN.match(_lower(text), own.end):
        return replace(own, is_negated=True)
    letters = list(own.letters)
    following = own
    for other in reversed(found[:place]):
        if following.is_correction or other.is_negated:
            break
        gap = text[other.end : following.start]
        if (
            len(gap) > MAX_WINDOW
            or _found(_CORRECTION, gap)
            or _BUT.search(gap)
            or len(_PLAIN_GAP.findall(gap)) > 3
        ):
            break
        letters += other.letters
        following = other
    stated = {letter for other in found if not other.is_negated for letter in other.letters}
    is_corrected = any(other.is_correction for other in found)
    if not is_corrected and len(stated) > 2 and stated >= set(options.letters) and options.is_known:
        letters += sorted(stated)
    return Found(tuple(dict.fromkeys(letters)), own.start, own.end)


def _lone(text: str, options: Options) -> Found | None:
    """Return an answer that stands alone: a marked line, the last or first line, bold text."""
    lines = [line for line in re.finditer(r"[^\n]+", text) if line[0].strip(" *_-`#>")]
    if not lines:
        return None
    marked = [line for line in lines if _MARK.search(line[0])]
    if len(marked) == 1:
        place = _MARK.search(text, marked[0].start())
        for start in (marked[0].start(), place.end() if place else 0):
            statement = options.statement_at(text, start)
            if statement:
                return Found(statement.letters, start, statement.end)
    for line in (lines[-1], lines[0]):
        if _is_listed(text, line.start()):
            continue
        prefix = _QUOTED_ANSWER.match(line[0])
        statement = options.statement_at(line[0], prefix.end() if prefix else 0, is_whole=True)
        if statement is None and line is lines[0]:
            statement = options.statement_at(line[0], 0)
            if statement and not (
                _LEAD.match(line[0], statement.end) or _AS.match(line[0], statement.end)
            ):
                statement = None
        if statement:
            return judged(line[0], statement.start, statement)
    bold = [
        judged(text, span.start(), statement)
        for span in _ends(_BOLD.finditer(text))
        if options.statement_at(span[1] or span[2], 0, is_whole=True)
        and not _is_listed(text, text.rfind("\n", 0, span.start()) + 1)
        and (statement := options.statement_at(text, span.start()))
    ]
    if bold and len({own.letters for own in bold}) == 1:
        return bold[-1]
    return _mentioned(lines, options)


def _mentioned(lines: list[re.Match[str]], options: Options) -> Found | None:
    """Return the only option whose text the last line or the first one mentions."""
    if not options.is_known:
        return None
    for line in (lines[-1], lines[0]):
        sentences = [part for part in re.split(r"(?<=[.!?。！？])\s+", line[0]) if part.strip()]
        sentence = sentences[-1] if line is lines[-1] else sentences[0]
        if len(sentence) > MAX_SENTENCE:
            continue
        letters, place, others = [], 0, ""
        while place < len(sentence):
            named = options.text_at(sentence, place)
            if named and named[1] > place:
                letters += named[0]
                place = named[1]
                others += " "
            else:
                others += sentence[place]
                place += 1
        is_sure = not others.rstrip().endswith("?") and not _found(_NOT, others)
        if len(set(letters)) == 1 and is_sure:
            return Found((letters[0],), line.start(), line.end())
        if len(set(letters)) > 1:
            return None
    return None


def _is_listed(text: str, place: int) -> bool:
    """Return whether a line is one of several lines that begin with different letters."""
    start = text.rfind("\n", 0, place) + 1
    own = _LABEL_LINE.match(text, start)
    if own is None:
        return False
    end = text.find("\n", place)
    after = _LABEL_LINE.match(text, _skip_blank(text, end)) if end >= 0 else None
    before_end = len(text[:start].rstrip())
    before = _LABEL_LINE.match(text, text.rfind("\n", 0, before_end) + 1) if before_end else None
    return any(other and other[1] != own[1] for other in (after, before))


def _skip_blank(text: str, place: int) -> int:
    return len(text) - len(text[place:].lstrip()) if place >= 0 else len(text)


def _clause_start(text: str, place: int) -> int:
    start = max(place - MAX_WINDOW, 0)
    ends = [own.end() for own in _CLAUSE_START.finditer(text, start, place)]
    return ends[-1] if ends else start


def _sentence_start(text: str, place: int) -> int:
    start = max(place - MAX_WINDOW, 0)
    ends = [own.end() for own in _SENTENCE_END.finditer(text, start, place)]
    # A correction may be a sentence of its own: "No. The answer is C."
    return ends[-2] if len(ends) > 1 else start


def _window_end(text: str, place: int) -> int:
    end = _SENTENCE_END.search(text, place, place + MAX_WINDOW)
    return end.start() if end else min(place + MAX_WINDOW, len(text))
