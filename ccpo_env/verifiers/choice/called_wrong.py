"""Words after an answer that call it wrong."""
# ruff: noqa: RUF001 - letters and signs of other scripts

from __future__ import annotations

import re

from ccpo_env.verifiers.choice.negations import NOT
from ccpo_env.verifiers.choice.words import IS, RIGHT, words

_BEFORE_VERB = (
    r"[ \t*_`\"')\]]*(?:\([^()\n]{0,80}\))?[ \t,*_–—-]*"
    r"(?:(?:which|that)\b[^\n.,;]{0,80},[ \t]*)?(?:which|that)?[ \t]*"
)
_WITHOUT_REASON = (
    r"(?:(?!\b(?:because|since|and|but|given|as\s+(?:it|they|the)|weil|porque|car|puisque)\b)"
    r"[^\n.,;:!?。！？，；])"
)
_NOT_LAST = (
    "नहीं|नय|নয়|নয়|değil|olamaz|yanlış|아니|아닌|아닙|ない|ません|違い|違う|نیست"
    r"|\bnicht\b|\bscheidet\b|\bniet\b"
)
"""Negations that may stand behind the words that they negate."""
_IS_WRONG = re.compile(
    rf"{_BEFORE_VERB}(?:{IS})\s*{_WITHOUT_REASON}{{0,30}}?(?:{NOT})", re.IGNORECASE
)
_IS_WRONG_AFTER = re.compile(
    r"[\s*_`\"')\]]*(?:[选選]?[项項]|は|が|가|이|은|는|を|的)?\s*(?:不是|不对|不對|不正确|错误|錯|是错|是错误|是不|除外"
    r"|ではな|ではあり|じゃな|じゃあり|不正解|誤り|間違|以外|아니|아닌|아닙|틀|오답|제외|不选"
    r"|नहीं|गलत|को छोड़|değil|hariç|yanlış)"
    r"|(?:は|が|가|이|은|는)[^.,、，。\n]{1,10}(?:아니|아닙|ない|ません|틀)"
    rf"|{_WITHOUT_REASON}{{0,40}}?(?:{_NOT_LAST})"
    r"|[\s,;*_)]*(?:unless|if not|if it is not|if it isn't)\b"
    r"|[\s*_`\"')\]]*(?:is|are|was|were|must be)\s+(?:also\s+|therefore\s+|clearly\s+)?out\b"
    r"|\s*\^\s*(?:c\b|\\complement)"
    r"|[\s*_`\"')\]]*is\s+the\s+(?:one|only)\s+(?:option\s+|one\s+)?(?:that|which)\s+(?:can|must)\s+be"
    r"\s+(?:\w+\s+)?(?:excluded|ruled\s+out|eliminated|rejected)\b"
    r"|[\s*_`\"')\]]*(?:is|was)\s+[a-z]+\s+and\s+(?:cannot|can't|is\s+not|isn't)\b"
    r"|[\s*_`\"')\]]*(?:cannot|can't|isn't|wasn't|doesn't|does not|couldn't|won't|fails|ain't)\b",
    re.IGNORECASE,
)
_WRONG_AT_THE_END = re.compile(
    r"[\s*_`\"')\]:,–—\-.…?!(]*(?:no|not|nope|is wrong|wrong|is incorrect|incorrect|false"
    r"|excluded|is excluded|no way"
    r"|eliminated|ruled out|definitely not|certainly not|is not|isn't)[\s.!*)]*(?:$|\n)",
    re.IGNORECASE,
)
_NO_ANSWER = words(
    "wrong; incorrect; false; untrue; invalid; inaccurate; mistaken; excluded; eliminated; out",
    "rejected; discarded; dismissed; ruled out; distractor; trap; decoy; mistake; error; refuted",
    "impossible; implausible; falsch; ausgeschlossen; faux; fausse; incorrecte; incorrecta",
    "incorrecto; errada; incorreta; sbagliata; errata; fout; błędna; неверно; неправильно; yanlış",
    r"unlikely(?!\s+to\s+(?!be)); unlikely to be (?:right|correct); less likely; least likely",
)
_ANSWER_AFTER_NOT = (
    (rf"(?:{RIGHT}|" + words("it; chosen; selected; picked; choice; option; response; in question"))
    + r")(?!\s*(?:-|ventric|atri|heart|side|upper|lower|lung|hand|arm|leg|hemi"
    r"|without|unless|when|for\b))"
)
_TEXT_IS_WRONG = re.compile(
    rf"{_BEFORE_VERB}(?:(?:{IS})\s*{_WITHOUT_REASON}{{0,15}}?(?:{_NO_ANSWER})"
    rf"|{_WITHOUT_REASON}{{0,30}}?(?:{NOT}){_WITHOUT_REASON}{{0,25}}?{_ANSWER_AFTER_NOT}"
    rf"|{_WITHOUT_REASON}{{0,20}}?(?:{RIGHT}){_WITHOUT_REASON}{{0,12}}?(?:{_NOT_LAST})"
    r"|是?(?:错|錯|不对|不對|不正确|誤り|間違)|(?:は|が)?(?:誤り|間違)|[은는이가]?\s*(?:틀|오답)|गलत"
    r"|[\s,;*_)]*(?:unless|if not|if it is not|if it isn't)\b)",
    re.IGNORECASE,
)
_TEXT_BEHIND = re.compile(
    r"(?<!\w)(?!(?:option|choice|answer|letter|statement|is|be|the|so)\b)\w[\w'-]+[*_\"'`.]*"
    r"(?<![^\x00-\x7f][A-Za-z])(?:\s*[(\[](?:option\s*)?[A-Za-z][)\]])?[\s*_`\"')\]>】」』〕》〉]*$"
    r"|(?<!\w)[A-Z][.):]\s+\w[\w :-]{2,30}\s\w$",
    re.IGNORECASE,
)


def is_called_wrong(text: str, end: int) -> bool:
    """Return whether the words after an answer call it wrong.

    Behind a letter any negation does. Behind the text of an option only one of being right does:
    "C. Paracetamol is not an NSAID" explains C, "C. Paracetamol is not correct" rejects it.
    """
    if _WRONG_AT_THE_END.match(text, end):
        return True
    if _TEXT_BEHIND.search(text[max(end - 40, 0) : end]):
        return bool(_TEXT_IS_WRONG.match(text, end))
    return bool(_IS_WRONG.match(text, end) or _IS_WRONG_AFTER.match(text, end))
