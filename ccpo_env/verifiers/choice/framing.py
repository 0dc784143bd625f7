"""Sentences whose answer is not the response's own, and answers to questions for an exception."""
# ruff: noqa: RUF001 - letters and signs of other scripts

from __future__ import annotations

import re
from collections.abc import Callable

from ccpo_env.verifiers.choice.option_texts import texts_in
from ccpo_env.verifiers.choice.options import Options

_TO_THE_END = r"(?:(?!\s*\b(?:but|yet|however|though|so|whereas)\b)[^.,!?;\n])*"
_OTHERS = (
    r"(?:some|many|most(?=\s+(?:say|guess|choose|chose|pick|picked|think)\b)"
    r"|others|several|people|students|they|he|she|someone|somebody"
    r"|(?:one|you)\s+(?:might|may|could)"
    r"|(?:an?|the|my|another|some|many|most|other|our|one|several|few)\s+(?:\w+\s+)?"
    r"(?:student|friend|colleague|user|teacher|classmate|peer|candidate|examinee|trainee|reader"
    r"|test-?taker|roommate|brother|sister|neighbou?r|people|guy|forum|website|blog)s?)"
)
_SAY = (
    r"(?:say|says|said|think|thinks|thought|claims?|claimed|believes?|believed|argues?|argued"
    r"|suggests?|suggested|answers?|answered|chose|chooses?|picks?|picked|selects?|selected"
    r"|guess|guessed|assumes?|assumed|told|tells?|insists?|insisted|wrote|writes?|reports?|reported)"
)
_REPORTED = (
    rf"\b{_OTHERS}(?:\s+(?!should\b|must\b|ought\b|not\b)\w+){{0,2}}?\s+{_SAY}\b{_TO_THE_END}"
    r"|\bit\s+(?:is|was|has\s+been)\s+(?:\w+\s+)?"
    rf"(?:said|claimed|thought|believed|assumed|suggested|argued)\b{_TO_THE_END}"
    rf"|\b(?:previous|earlier|last|old|first|initial|original)\s+(?:answer|response|guess|choice)"
    rf"\s+(?:was|had\s+been)\b{_TO_THE_END}"
    r"|(?<![^.,;!?\n])[^.,;!?\n]{0,80}?\b(?:would|could|might)\s+be\s+[^.,;!?\n]{1,40}?\s+if\s+(?!(?:I|we|you)\b)[^.,;!?\n]*"
    rf"|\baccording\s+to\s+(?:an?|my|some|one|another|the)\s+(?:\w+\s+)?"
    rf"(?:student|friend|colleague|user|teacher|classmate|people|forum|website|blog)s?\b,?"
    rf"{_TO_THE_END}"
)
_SUPPOSED = (
    rf"\b(?:normally|usually|ordinarily|otherwise|typically),?\s+(?:I|we)(?:'d|\s+would)\b{_TO_THE_END}"
    r"|"
    r"\b(?:suppose|supposing|assume|assuming|imagine|pretend|hypothetically|what\s+if"
    r"|(?:let's|let\s+us)\s+(?:assume|suppose|imagine|pretend))\b[^.,;!?\n]*"
    r"|\b(?:let's|let\s+us)\s+say\b[^.,;!?\n]*\bfor\s+(?:a\s+moment|now|the\s+sake)\b[^.,;!?\n]*"
    r"|\bif\s+[^.,;!?\n]{0,60}?\b(?:answer|option|choice)\b[^.,;!?\n]{0,20}?\b(?:is|was|were|be)\b"
    r"(?:(?!\bthen\b)[^.,;!?\n])*"
    r"|\bif\s+(?!(?:I|we|you|one)\b)(?:[^.;!?\n]|\.\d){1,120}?"
    r"\b(?:were|had|was)\b(?:[^.;!?\n]|\.\d){0,120}?,\s*"
    rf"(?:then\s+)?[^.,;!?\n]{{0,40}}?\bwould\b{_TO_THE_END}"
    r"|\bif\s+[(*]*[A-Z][)*]*\s+(?:is|was|were)\b(?:(?!\bthen\b)[^.,;!?\n])*"
)
_NOT_ITS_OWN = re.compile(rf"{_REPORTED}|{_SUPPOSED}", re.IGNORECASE)
_IS = r"(?=\s+(?:is|was|would\s+be|must\s+be|has\s+to\s+be|should\s+be|seems\s+to\s+be)\s|:)"
_NOT = (
    r"(?:(?:is|are|was|were|do|does|did|can|could|should|would|will|has|have|must)(?:n't|\s+not"
    r"|\s+never)|never|cannot|can't|won't|lacks|fails)"
)
_WRONG = r"(?:false|wrong|untrue|incorrect|inaccurate)"
_RIGHT = r"(?:the\s+)?(?:correct|right|true|best|valid|fit|match|apply|work)"
_EXCEPTION = re.compile(
    r"\b(?:the|an?)\s+(?:\w+\s+){0,2}?(?:"
    r"(?:option|choice|answer|response)(?:\s+(?:that|which)\s+)"
    rf"(?!(?:\w+\s+)?{_NOT}\s+{_RIGHT}\b)(?:\w+\s+)?{_NOT}\b[^.,;:!?\n]{{1,60}}?"
    r"|(?!(?:option|choice|answer|response)\b)\w+"
    r"(?:\s+(?:of|among|on)\s+(?:these|those|them|the\s+\w+))?"
    rf"\s+(?:that|which|who)\s+(?:(?:\w+\s+)?{_NOT}\b[^.,;:!?\n]{{1,60}}?|is\s+{_WRONG})"
    r"|\w+\s+not\s+\w+(?:ing|ed)\b[^.,;:!?\n]{0,60}?"
    rf"|{_WRONG}\s+(?:statement|sentence|claim|assertion|pair|pairing|match|combination|fact|item)"
    rf"(?:\s+here)?){_IS}"
    rf"|\bwhat\s+{_NOT}\b[^.,;:!?\n]{{1,60}}?{_IS}"
    r"|(?:不|非|错误|錯誤)[^。，,;；\n答案选項]{0,20}的(?:说法|說法|药物|一项|叙述|描述)?(?=是\s*[(（]?[A-Z])",
    re.IGNORECASE,
)


def own_statements(text: str, options: Options) -> str:
    """Return a plain text in which only what the response itself states is left.

    Reports and suppositions ("some say the answer is C") become blanks. A noun with a negation in
    what a question asks for ("the one that is not an NSAID is C") becomes "The answer". The texts
    of options stay as they are.
    """

    def reworded(pattern: re.Pattern[str], shorter: Callable[[str], str], text: str) -> str:
        if pattern.search(text) is None:
            return text
        named = list(texts_in(text, options.letters, options.texts))

        def replaced(found: re.Match[str]) -> str:
            if any(start <= found.start() < end for _, start, end in named):
                return found[0]
            return shorter(found[0])

        return pattern.sub(replaced, text)

    text = reworded(_NOT_ITS_OWN, lambda own: " " * len(own), text)
    return reworded(_EXCEPTION, lambda _: "The answer", text)
