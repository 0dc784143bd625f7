"""What stands around a letter: a term ("D-dimer", "C++"), a range ("A to C") or an answer."""
# ruff: noqa: RUF001 - letters and signs of other scripts

from __future__ import annotations

import re

from ccpo_env.verifiers.choice.words import words

_NOUNS = words(
    "cells?; lymphocytes?; lymphoma; fib; fibrillation; fib(?:er|re)s?; diff; difficile; dimers?",
    "natriuretic; peptides?; reactive; proteins?; waves?; virus(?:es)?; sections?; strings?; delta",
    "termin(?:al|us); programming; language; glucose; amino; xylose; chains?; antigens?; toxins?",
    "flat; sharp; major; minor; scans?; rings?; loops?; fragments?; kinase; compiler; syntax",
    "receptors?; vitamins?; bacteri(?:a|um); symptoms?; complex(?:es)?; hormones?; deficiency",
    "levels?; clef; bacill(?:i|us); strains?; allele; haplotype; coil",
    r"[a-z]+ (?:cells?|lymphocytes?|fib(?:er|re)s?|receptors?|kinase|antigens?)(?=\s*(?:$|[.\n]))",
)
_SPECIES = words(
    "diff(?:icile)?; albicans; tetani; botulinum; perfringens; cereus; anthracis; subtilis; coli",
    "fragilis; burgdorferi; pertussis; fumigatus; flavus; niger; baumannii; israelii; faecalis",
    "faecium; aureus; epidermidis; pneumoniae; pyogenes; agalactiae; jejuni; trachomatis; psittaci",
    "neoformans; immitis; gattii; glabrata; auris; freundii; diphtheriae; melitensis; abortus",
    "henselae; quintana; hominis; elegans; lumbricoides; duodenale; dermatitidis; granulosus",
    "melanogaster; influenzae; gondii; canis; fetus; suis; bovis; microti; malayi; sinensis",
    "krusei; parapsilosis; tropicalis; recurrentis; medinensis; latum; rerio; thaliana",
)
_LATIN = r"[a-z]{3,}(?:us|um|ii|i|ae|ans|ens|is)[.*_\s]*(?:$|\n)"
_WORD = re.compile(r"\W*([a-z]{2,})")
_TERM = re.compile(
    r"[-‐‑–](?!\s)(?!(?:because|since|as|the|it|is|this|which)\b)[a-z](?:[a-z]|-)"
    r"|'?\([a-z]\)|\([^()\n]{1,24}\)\s*=|\+\+|\+(?=\s*(?:$|[.,;!)\n]))|#(?![\w#])|°|/d[a-z]|/[A-Z]{2,}|-[A-Z]{3,}|\.[A-Z]\.(?=\s+[a-z])"
    rf"|\s+(?:{_NOUNS})|\.\s+(?:{_SPECIES})|\.\s+{_LATIN}"
    r"|,\s+(?:the\s+speed\s+of\s+light|day\s+of|as\s+in\b|an,\s+the\b)"
)
_NAME = re.compile(r"I,\s+[A-Z][a-z]+\s*[.!]?\s*$")
_NOT_APPLICABLE = re.compile(r"[nN]/[aA](?!\w)")
_RANGE = re.compile(
    r"(?:(?<![A-Za-z'])(?:[A-Z]|[a-z](?=\s))[)\]*_\"']*[ \t]*(?:all\s+the\s+way\s+)?"
    r"(?:up\s+)?(?:to|through|thru|till|until|bis|до|から|~|[-–—])"
    r"|\d\s+(?:to|through|until|bis)"
    r"|\b(?:up|down|way)\s+to)\s*[(\[*_\"']*(?:option\s+)?$"
)
_CHANGED = re.compile(r"\b(?:chang|switch|revis|mov|correct|updat)\w*\b[^.\n]*$", re.IGNORECASE)

_NAMED = re.compile(
    words(
        "option; choice; letter; answer; opción; opção; alternativa; letra; opzione; lettera",
        "lettre; réponse",
        "antwort; buchstabe; optie; letter; odpowiedź; opcja; možnost; вариант; ответ; пункт",
        "варіант; seçenek; pilihan; đáp án",
    )
    + r"|[选選]项|選択肢|선택지",
    re.IGNORECASE,
)
_REASON = re.compile(
    r"\s*(?:because|since|as it|is (?:right|correct|wrong|best|the answer"
    r"|the (?:right|correct|best)))\b"
)
_CASUAL = re.compile(
    r"\s+(?:i (?:think|guess|believe)|seems|looks|makes sense|fits|matches|probably|most likely"
    r"|for sure|cuz|cause|is|it is|definitely|obviously|clearly|imo|tbh)\b",
    re.IGNORECASE,
)


def is_part_of_term(text: str, start: int, end: int, own_text: str) -> bool:
    """Return whether a letter belongs to a term and names no option.

    Args:
        text: Plain text.
        start: Where the letter begins.
        end: Where it ends.
        own_text: The text of the option with this letter, whose words may follow.
    """
    if _NOT_APPLICABLE.match(text, start) or _NAME.match(text, start):
        return True
    if not _TERM.match(text, end):
        return False
    following = _WORD.match(text, end)
    return not (own_text and following and following[1] in own_text)


def ends_range(text: str, start: int) -> bool:
    """Return whether the answer that begins at a place is the end of a range: "from A to C"."""
    before = text[max(start - 24, 0) : start]
    return bool(_RANGE.search(before)) and not _CHANGED.search(text[max(start - 48, 0) : start])


def is_named(text: str, start: int) -> bool:
    """Return whether a word such as "option" stands right before a place."""
    last_word = text[max(start - 24, 0) : start].split()[-1:]
    return bool(last_word and _NAMED.fullmatch(last_word[0]))


def is_continued(text: str, end: int, *, is_weak: bool) -> bool:
    """Return whether the words after a small letter are said of an answer: "c i think".

    Args:
        text: Plain text.
        end: Where the letter ends.
        is_weak: Whether the letter is also a word, such as "a".
    """
    return bool(_REASON.match(text, end) or (not is_weak and _CASUAL.match(text, end)))
