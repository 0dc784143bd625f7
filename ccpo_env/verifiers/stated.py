"""Find the short answer that a response states: boxes, tags, "Answer: ...", "It was ..."."""
# ruff: noqa: RUF001 - letters and signs of other scripts

from __future__ import annotations

import re
from itertools import zip_longest

from ccpo_env.verifiers.extract import closed_boxes, extract_boxed, without_thinking
from ccpo_env.verifiers.plain import plain
from ccpo_env.verifiers.superscripts import outside_numbers

MAX_SHORT_WORDS = 30
"""Words of a response that counts as an answer as a whole if it announces none."""
MAX_READ_CHARS = 16_384
"""Characters at the end of a response in which an answer is searched, box or not."""
MAX_PLAIN_CHARS = 2_048
"""Longest content of a box that is freed of styles; compatibility characters can grow 18-fold."""

_END = re.compile(
    r"<\|(?:im_end|eot_id|eom_id|endoftext|end_of_text|end|return|eos)\|>|<end_of_turn>|<eos>"
    r"|<｜end▁of▁sentence｜>|</s>\s{0,8}\Z"
)
_TAG = re.compile(r"[<\[](/?)(?:answer|final_answer|short_answer)[>\]]", re.IGNORECASE)
_JSON = re.compile(
    r"""["'](?:final_|short_)?answer["']\s?:\s?["'\[]{1,3}(?P<answer>(?:[^"\\\n]|\\.){0,500}?)["']\s?[\],}]""",
    re.IGNORECASE,
)
_NOUN = (
    r"(?:ans(?:wer)?|response|réponse|respuesta|resposta|risposta|antwort|antwoord|ответ|відповідь|odpowiedź|"
    r"odpověď|svar(?:et)?|vastaus|răspuns(?:ul)?|válasz|cevap|jawaban(?:nya)?|απάντηση|ה?תשובה|答案|"
    r"答え|回答|正解|解答|정답|답변|답|الإجابة|الجواب|उत्तर|जवाब|คำตอบ|đáp án)"
    r"(?:\s(?:finale?|correct[ae]?|corretta|correta|exact[ae]?|final))?(?:\s\([^()\n]{1,30}\))?"
)
_LEAD = (
    r"(?:^[\W_]{0,8}|[.!?]\s|\b(?:the|my|our|final|short|correct|right|best|exact|la|die|das|a|het|"
    r"η|bonne|correcta|richtige|juiste)\s)"
)
_IS = (
    r"\b(?:is|was|would\sbe|should\sbe|must\sbe|ist|lautet|est|es|é|è|jest|to|är|er|je|on|este|"
    r"adalah|là|είναι|היא|הוא)\b:?"
)
_HEAD = re.compile(
    rf"(?<![A-Za-z]){_NOUN}[*_`\"'\s]{{0,8}}(?:[:：=]|->|[→⇒]|[-–—](?=\s)|是|为|為|は|은|는|هي|هو|"
    r"है|คือ|(?<=\s)(?=[^\n:]{1,200}\sहै))"
    rf"|{_LEAD}{_NOUN}(?:\sto\s[^.:\n]{{0,160}}?|,\s\w{{1,12}},)?[*_`\"'\s]{{0,8}}{_IS}"
    r"|^[>*_ -]{0,8}A[*_]{0,2}[:：]"
    r"|^[#>*_ ]{0,8}(?:(?:the|my|final|short|correct)\s){0,2}answer[*_ ]{0,4}$"
    r"|####",
    re.IGNORECASE | re.MULTILINE,
)
_COMMENT = re.compile(
    r"(?:correct|supported|based|found|given|stated|in the (?:passage|text|context))\b",
    re.IGNORECASE,
)
_STOP = re.compile(
    r"(?<=[^\s.]{2}[.!?])(?<!\b(?:St|Mr|Ms|Dr|Mt|Ft|Lt)\.)(?<!\b(?:Mrs|Gen|Col|Sgt|Rev)\.)"
    r"(?<!\bProf\.)\s(?=[A-Z\"'(])|[。！？।]|(?<=\.[A-Z]\.)\s(?=(?:It|This|The|He|She|They)\s)|(?<=^yes),\s|(?<=^Yes),\s|(?<=^no),\s|(?<=^No),\s"
    r"|,?\s(?:because|since)\s"
    r"|,\s(?:which|who|as|not|and not|sorry|no|wait|or rather)\b"
)
_WITHDRAWN = re.compile(
    r"(?:^|[\n.!?,;…-])\s?(?:wait|hmm+|oops|sorry|or|alternatively|scratch that|correction|"
    r"my mistake|on second thought|no(?=[,.!]|\swait)|actually,?\s(?:it|no|the|that|i))\b"
    r"|\b(?:that|this|it|which)(?:['’]s|\sis|\swas)\s"
    r"(?:wrong|incorrect|false|not (?:right|correct)|a mistake)\b(?!\sthat)"
    r"|\bi\s(?:was wrong|meant?)\b|等等|不对|不對|错了|間違|아니",
    re.IGNORECASE,
)
_CORRECTED = re.compile(
    r"\b(?:it(?:['’]s|\s(?:is|was|should be|must be))|i meant?|make that|or rather|correction:?"
    r"|(?:no,?\s)?wait,?(?:\sno,?)?)\s",
    re.IGNORECASE,
)
_HEDGE = r"(?:(?:so|thus|hence|therefore|well|i think|i believe|i would say),?\s){0,2}"
_IT_IS = re.compile(
    rf"{_HEDGE}(?:it|this|that|he|she|they|these|those)"
    r"(?:['’]s|\s(?:is|was|are|were|would be|must be|should be))\s"
    r"|c['’](?:est|était)\s|es\s(?:ist|war)\s|это\s",
    re.IGNORECASE,
)
_IS_THE_ANSWER = re.compile(
    rf"{_HEDGE}(?P<answer>[^\n]{{1,400}}?)\s(?:is|was)\s(?:the|my)\s"
    r"(?:final\s|correct\s|right\s|best\s)?answer\W{0,4}\Z",
    re.IGNORECASE,
)
_ADVERB = re.compile(
    r"(?:probably|in fact|(?:most )?likely|definitely|clearly|simply|indeed|therefore|thus)\s",
    re.IGNORECASE,
)
_COPULA = re.compile(r"(?:です|でした|である|だ|입니다|이다|이에요|예요|\sहै|\sथा)[\W_]{0,4}\Z")
_NEGATED = re.compile(r"(?:\b(?:not|never|cannot be|neither|nor)|n['’]t)[\s$*_:]{0,6}\Z", re.I)
_DENIED = re.compile(
    r"(?:\bdoubt|(?:\bnot|n['’]t)(?:\s(?:think|believe|say|true|the case))?|\bfalse|\buntrue|"
    r"\bwrong|\bunlikely|\bwhether|\bif)(?:\sthat)?\s\Z",
    re.IGNORECASE,
)
_AROUND = "*_`\"'“”‘’ \n"


def stated_answers(response: str) -> tuple[str, ...]:
    """Return the answer of a response, and how else its end may be read; empty without an answer.

    What is stated last counts. A stated sentence may go on after the answer: it is read whole, and
    up to its first stop. Of an answer that is withdrawn only the correction is read.
    """
    visible = without_thinking(response)
    if visible is None:
        return ()
    visible = next((part for part in _END.split(visible) if part.strip()), "").strip()
    lines = (" ".join(line.split()) for line in visible[-MAX_READ_CHARS:].splitlines())
    text = "\n".join(line for line in lines if line)
    boxes = closed_boxes(text, 1)
    withdrawn = ""
    if boxes:
        start, end, _ = boxes[-1]
        content = _plain(extract_boxed(text) or "")
        if not _WITHDRAWN.search(text, end):
            is_negated = _NEGATED.search(text[max(0, start - 30) : start])
            return (f"not {content}" if is_negated else content,) if content else ()
        withdrawn, text = text[start:], text[end:]
    if stated := _last_statement(text):
        return stated
    if withdrawn:
        return (_corrected(withdrawn) or withdrawn,)
    if len(visible) > MAX_READ_CHARS or len(visible.split(maxsplit=MAX_SHORT_WORDS)) > (
        MAX_SHORT_WORDS
    ):
        return ()
    return (visible, *_sentence(text)) if visible else ()


def _plain(content: str) -> str:
    return (content if len(content) > MAX_PLAIN_CHARS else outside_numbers(plain, content)).strip()


def _last_statement(text: str) -> tuple[str, ...]:
    """Return the readings of the last statement that is not a comment on the answer."""
    comment: tuple[str, ...] = ()
    limit = len(text)
    for begin, start, end in reversed(_statements(text)):
        if end is not None:
            stated, behind = _stripped(text[start:end]), text[end:limit]
            if stated and _WITHDRAWN.search(behind):
                stated = _stripped(_corrected(behind) or text[start:limit])
        else:
            stated = _readings(text[start:limit])
            if stated and _COMMENT.match(stated[0]):
                comment, stated = comment or stated, ()
            elif stated and _DENIED.search(text[max(0, begin - 40) : begin]):
                stated = (f"not {stated[-1]}",)
        if stated:
            return stated
        limit = begin
    return comment


def _statements(text: str) -> list[tuple[int, int, int | None]]:
    """Return where statements and their answers begin, and where those of tags and fields end."""
    found: list[tuple[int, int, int | None]] = [(*own.span(), None) for own in _HEAD.finditer(text)]
    tags = list(_TAG.finditer(text))
    for tag, after in zip_longest(tags, tags[1:]):
        if not tag[1]:
            found.append((*tag.span(), after.start() if after and after[1] else None))
    found += [(own.start(), *own.span("answer")) for own in _JSON.finditer(text)]
    kept: list[tuple[int, int, int | None]] = []
    covered = 0
    for begin, start, end in sorted(found, key=lambda own: own[0]):
        if begin >= covered:
            kept.append((begin, start, end))
            covered = start if end is None else end
    return kept


def _readings(text: str) -> tuple[str, ...]:
    """Return how a text that begins with an answer may be read: up to its stop, and its line."""
    text = text.lstrip(_AROUND)
    line = text.partition("\n")[0]
    short = _STOP.split(line, maxsplit=1)[0]
    if not line:
        return ()
    if _WITHDRAWN.search(text, max(0, len(short) - 1)):
        return _stripped(_corrected(text[len(short) :]) or text)
    bare = _COPULA.sub("", _ADVERB.sub("", short, count=1) if _ADVERB.match(short) else short)
    return tuple(dict.fromkeys((*_stripped(short), *_stripped(bare), *_stripped(line))))


def _corrected(text: str) -> str:
    """Return what a text that withdraws an answer says instead; empty if it says nothing."""
    found = list(_CORRECTED.finditer(text))
    return _STOP.split(text[found[-1].end() :].partition("\n")[0], maxsplit=1)[0] if found else ""


def _sentence(text: str) -> tuple[str, ...]:
    """Return the answer in a response that is one sentence: "It was X.", "X is the answer."."""
    if begin := _IT_IS.match(text):
        return _readings(text[begin.end() :])
    whole = _IS_THE_ANSWER.match(text)
    return _stripped(whole["answer"]) if whole else ()


def _stripped(text: str) -> tuple[str, ...]:
    stripped = text.strip(_AROUND)
    return (stripped,) if stripped else ()
