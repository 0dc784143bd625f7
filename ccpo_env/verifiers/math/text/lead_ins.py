r"""Remove words around an answer: `\text{Answer}: 5`, `The solutions are 1, 2`, `= 42`."""

from __future__ import annotations

import re

MAX_LEAD_IN = 120
"""Longest text before an answer that is removed, in characters."""

_STYLE = r"\\(?:text(?:bf|it|rm|sf|normal)?|math(?:rm|bf)|mbox|emph|underline)\s*\{"
_SIGNS = re.compile(
    r"\s*(?:\\(?:therefore|approx|implies|Rightarrow|Longrightarrow|to)(?![A-Za-z])|=)\s*"
    r"(?=[^\s=.,])(?!:)"
)
_WORDS = re.compile(rf"\s*(?P<style>{_STYLE}\s*)?(?P<words>[A-Za-z][A-Za-z', \-]*)")
_COLON = re.compile(r"\s*(?P<before>\}?)\s*:(?!=)\s*(?P<behind>\}?)\s*")
_VERB = re.compile(
    r"(?P<subject>.*?[A-Za-z]),?\s+(?:is|are|equals?|be)\b(?:\s+(?:given by|equal to|either))?\s*",
    re.DOTALL,
)
_THEN = re.compile(
    r"(?P<subject>so|thus|hence|therefore|then|finally|we (?:get|have|find|obtain))(?:,\s*|\s+|$)",
    re.IGNORECASE,
)
_NAMED = re.compile(
    r"(?P<subject>(?:the\s+)?(?:ordered |unique |only )?"
    r"(?:point|pair|triple|vector|interval|set|vertex|cent(?:er|re)|coordinates|solution|answer|value|number|line|matrix)s?\s*)$",
    re.IGNORECASE,
)
_ANSWER = re.compile(r"\b(?:answers?|ans|solutions?|result|conclusion|so|thus)\b", re.IGNORECASE)
_WORD = re.compile(r"[a-z]{3}|^so$", re.IGNORECASE)
# Words that change what follows: "the opposite is: 5" is not 5.
_TURNING = re.compile(
    r"\b(?:not|no|nor|neither|never|cannot|except|without|false|wrong|incorrect|unequal|than|or|"
    r"at (?:least|most)|between|opposite|negation|negative|reciprocal|inverse|half|twice|double|"
    r"triple|times|percent|if|unless|approximately|about|nearly|almost|other|option|choice)\b|n't",
    re.IGNORECASE,
)
_MATHEMATICS = re.compile(r"[-+(\[$\d.]|\\(?!text|mbox)|[A-Za-z](?![A-Za-z])|(?:all|any|every)\b")
_END = re.compile(
    rf"[\s,.]*(?:{_STYLE}[\s,.]*)?(?:(?:is|as) (?:the|our|my) (?:final |correct |required )?"
    r"(?:answer|solution)|Q\.?E\.?D\.?)\s*\}?\s*$"
    r"|\s*\\(?:blacksquare|square|checkmark|qed|Box)\s*$|\s*[\u2705\u2713\u2714\u25a0\u220e]\s*$"
)
_ENDS = ("square", "mark", "qed", "Box", "QED", "\u2705", "\u2713", "\u2714", "\u25a0", "\u220e")


def without_lead_in(text: str) -> str:
    """Return an answer without the words and signs that only announce it."""
    if signs := _SIGNS.match(text):
        text = text[signs.end() :]
    if text.endswith(_ENDS) or "is the" in text or "E.D" in text:
        text = _END.sub("", text)
    match = _WORDS.match(text[:MAX_LEAD_IN])
    if match is None or not _WORD.search(match["words"]):
        return text
    words, end = match["words"], match.end()
    is_closed = match["style"] is None
    if colon := _COLON.match(text, end):
        subject, cut = words, colon.end()
        is_closed = is_closed or bool(colon["before"] or colon["behind"])
    elif said := _VERB.match(words) or _THEN.match(words) or _NAMED.match(words):
        subject, cut = said["subject"], match.start("words") + said.end()
        if said.end() == len(words) and not is_closed and text[end : end + 1] == "}":
            is_closed, cut = True, end + 1
    else:
        return text
    rest = text[cut:].lstrip()
    is_mathematics = _MATHEMATICS.match(rest) is not None
    if (
        not rest
        or rest.startswith("=")
        or _TURNING.search(subject)
        or not (is_mathematics or _ANSWER.search(subject))
    ):
        return text
    return rest if is_closed else f"{match['style']}{rest}"
