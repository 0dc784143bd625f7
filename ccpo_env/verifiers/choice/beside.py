"""Other answers that the words after an answer state beside it."""
# ruff: noqa: RUF001 - letters and signs of other scripts

from __future__ import annotations

import re

from ccpo_env.verifiers.choice.options import Options

MAX_BEHIND = 150
"""Characters behind an answer in which another one is searched."""
_ANSWER = r"(?:correct|right|valid|possible|good|acceptable|plausible|true|likely|second)"
_NOUN = r"(?:one|answer|option|choice|solution|possibility)"
_CUE = re.compile(
    r"\b(?:so\s+(?:is|does|would\s+be)|(?:just\s+)?as\s+(?:is|does|would\s+be|are)|likewise|ditto"
    rf"|another\s+(?:{_ANSWER}\s+)?(?:{_NOUN}\s+)?(?:is|would\s+be|could\s+be)"
    rf"|(?:the\s+)?(?:other|second|next)\s+(?:{_ANSWER}\s+)?(?:{_NOUN}\s*)?(?:is|would\s+be|being|:)"
    r"|same\s+(?:goes\s+)?for|(?:could|might|may|can)\s+(?:also|equally|as\s+well)\s+be|or\s+is\s+it|but\s+also|together\s+with|along\s+with|as\s+well\s+as|and\s+also|und\s+auch"
    r"|ebenso|y\s+también|et\s+aussi|e\s+anche|e\s+também)\s+",
    re.IGNORECASE,
)
_CLAUSE = re.compile(
    r"(?:[.,;!?\n–—]|(?<!\w)(?:and|but|und|et|y|though|although|while|yet|still|additionally"
    r"|moreover|furthermore|in\s+addition|besides)\b)\s*",
    re.IGNORECASE,
)
_TOO = re.compile(
    r"[\s*_)\]]*(?:(?:is|are|was|were|would|could|might|may|can|should|be|works?|fits?|holds|ist|wäre"
    r"|est|es|è|é|serait|sería)\s+)*(?:(?:just|also|the|an?|another|equally|as"
    rf"|{_ANSWER}|{_NOUN})\s+)*(?:(?:too|as\s+well)(?=\s*(?:$|[.,;!?\n)]))"
    r"|(?:also|equally|another|auch|ebenfalls|aussi|también|anche|também)"
    rf"(?=\s*(?:$|[.,;!?\n)]|(?:be\s+)?(?:the\s+|an?\s+)?(?:{_ANSWER}|{_NOUN}|works?|fits?"
    r"|richtig|korrekt|vraie?|juste|correct[aeo]?|corrett[ao]|cert[ao]|giust[ao])\b))"
    rf"|(?:is|would\s+be)\s+(?:the\s+|an?\s+)?(?:correct|right)(?:\s+{_NOUN})?"
    r"(?=\s*(?:$|[.,;!?\n)]))"
    rf"|(?:just\s+|equally\s+)?as\s+(?=(?:{_ANSWER})\b))",
    re.IGNORECASE,
)
_OTHER = re.compile(
    r"[\s*_)]*(?:is|would\s+be)\s+the\s+(?:other|second|next)\b(?!\s+choice)", re.IGNORECASE
)
_ORDINAL_OF = re.compile(
    r"[\s*_)]*(?:is|would\s+be)\s+the\s+(?:second|next)\s+"
    rf"(?!(?:{_ANSWER}|{_NOUN}|best|suitable|appropriate|effective|reasonable|useful"
    r"|pick|candidate|winner|to|of|in|on|for|and|or|but|that|which|because|as)\b)"
    r"[a-z]{3,}",
    re.IGNORECASE,
)
"""What describes the text of an option: "is the second planet"."""
_CONDITION = re.compile(r"\b(?:if|unless|when|had|were|in case)\b[^.!?\n]*$", re.IGNORECASE)


def answers_beside(text: str, end: int, options: Options) -> tuple[str, ...]:
    """Return the letters of the options that are stated beside an answer: "C. So is B."."""
    limit = min(end + MAX_BEHIND, len(text))
    letters: list[str] = []
    for cue in _CUE.finditer(text, end, limit):
        statement = options.statement_at(text, cue.end())
        if statement and options.ends_clause(text, statement.end):
            letters += statement.letters
    for clause in _CLAUSE.finditer(text, end, limit):
        if _CONDITION.search(text[end : clause.start()]):
            continue
        statement = options.statement_at(text, clause.end())
        if statement is None:
            continue
        is_text = len(text[statement.start : statement.end].strip(" *_()[].:")) > 1
        is_other = _OTHER.match(text, statement.end) and not (
            is_text and _ORDINAL_OF.match(text, statement.end)
        )
        if is_other or _TOO.match(text, statement.end):
            letters += statement.letters
    return tuple(dict.fromkeys(letters))
