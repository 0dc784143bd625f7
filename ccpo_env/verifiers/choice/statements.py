"""Find the closing statement of a response."""
# ruff: noqa: RUF001 - letters and signs of other scripts

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import replace
from itertools import islice

from ccpo_env.verifiers.choice.beside import answers_beside
from ccpo_env.verifiers.choice.called_wrong import is_called_wrong
from ccpo_env.verifiers.choice.denied import unless_denied
from ccpo_env.verifiers.choice.joining import LIST_ENDED, PLURAL
from ccpo_env.verifiers.choice.judging import (
    ANSWER_NOUN,
    CLAUSE_START,
    COPULA_CUE,
    CORRECTED,
    DISBELIEF,
    MAX_WINDOW,
    NEGATION,
    NO_DOUBT,
    SENTENCE_END,
    Found,
    clause_start,
    contrast_after,
    first_and_last,
    judged,
    lower,
    negated_at,
    occurs,
    sentence_start,
)
from ccpo_env.verifiers.choice.labelled import labelled
from ccpo_env.verifiers.choice.last_statement import last_statement
from ccpo_env.verifiers.choice.lone import REPLY_NUMBER, is_listed, lone_answer
from ccpo_env.verifiers.choice.named_best import named_best
from ccpo_env.verifiers.choice.option_texts import texts_in
from ccpo_env.verifiers.choice.options import Options, Statement, is_variable
from ccpo_env.verifiers.choice.taken_back import is_dismissed, is_taken_back
from ccpo_env.verifiers.choice.words import CHOOSE, IS, RIGHT, THEREFORE, words

MAX_PLACES = 12
"""Places behind one announcement at which an answer may begin."""
_CHOOSE = re.compile(rf"{CHOOSE}|{THEREFORE}")
_IS_RIGHT = re.compile(rf"\s*[:–—-]?[^\n.,;:!?。！？；，]{{0,60}}?(?:{RIGHT})", re.IGNORECASE)
_ARE_ALL = re.compile(r"(?<![a-z]{2})[\s*_)]*(?:are|were)\s+(?:all|both)\b", re.IGNORECASE)
_CLAUSE = re.compile(
    r"(?:^|[.,;:!?\n。，；：！？]|\b(?:that|and|but|so|[Mm]ak(?:es?|ing)|rate|wählen)\b)\s*"
)
_IN_A_LIST = re.compile(r"[\s(*]?[A-Z],")
_LINK = re.compile(
    rf"[\s*_)\]]*(?:,\s*)?(?:{IS}|best|holds|является|it is|to be|as the"
    r"|the (?:answer|correct|right|best|only|most)|を選"
    r"|[를을] 선택|صحیح|درست|هو|هي|是|为|が|は|가|이"
    r"|은|는"
    r"|ही|है|选项|選項|विकल्प|[-–—:✅✓✔☑])"
    rf"|\s*(?:सही|صحيح|верно|正确|正解|정답|benar|doğru|đúng|richtig|stimmt|correct)",
    re.IGNORECASE,
)
_HYPOTHETICAL = re.compile(
    words(
        "if; suppose; assuming; whether; unless; wenn; falls; si; se; если; als; gdyby; ob",
        "could; might; should",
    )
    + "|如果|若|假如|もし|만약|إذا كان|अगर|यदि",
    re.IGNORECASE,
)
_DIRECT = re.compile(
    words(
        "answers?; ans; sol; antwort; réponse; reponse; respuesta; resposta; risposta; antwoord",
        "odpowiedź; ответ; svar; svaret; vastaus; cevap; yanıt; jawaban; verdict; guess",
        "gabarito; đáp án",
    )
    + "|答案|答え?|正解|정답|답|الإجابة|الاجابة|الجواب|பதில்|விடை|సమాధానం|উত্তর|उत्तर|जवाब|คำตอบ"
    "|ตอบ|תשובה|应选|應選|故选|故選|پاسخ",
    re.IGNORECASE,
)
_DESCRIBED = re.compile(r"(?:option|choice|statement)\s+[(*]*[A-Z][)*]*\s+is\s", re.IGNORECASE)
_OTHER_CLAUSE = re.compile(r";|,\s*unlike\b", re.IGNORECASE)
_QUESTION = re.compile(r"[\s*_)\]\"']{0,5}\?")
_TAG_QUESTION = re.compile(r"[^\n.!]{0,40}\?")
_LETTER_BEFORE = re.compile(r"(?<![A-Za-z])[A-Z][*_)\]]*,?\s*$")
_SINGULAR = re.compile(r"[\s*_)]*(?:is|was|seems|fits|wins|has|works)\b")
_WOULD = re.compile(r"\b(?:would|could|might)\b", re.IGNORECASE)
_IF = re.compile(
    r"[^\n.;]{0,40}?\b(?:if|unless|provided|when)\b(?!\s+(?:I|we|you)\b)", re.IGNORECASE
)
_IF_BEFORE = re.compile(
    r"\b(?:if|unless)\b(?!\s+(?:anything|so|I|we|you)\b)[^.!?]*$", re.IGNORECASE
)
_SIGNS = " \n*_#:\"'`>-=[("
_BELOW = re.compile(r"[^\n]*[:：*]\s*\n[\s*_#`(\[\"'>-]*(?:[A-Za-z ]{0,20})?")
_LATIN_LETTER = re.compile(r"[A-Za-z]")
_STOP = re.compile(r"[\s*_)\]\"'`]*(?:$|[\n.,;(]|because|since)")
_HEADING = re.compile(r"[\s*_#:\"'`>\-=]*\n")
_FIRST_PERSON = re.compile(
    r"(?:I|we|let|my)\b|我|ฉัน|أختار|elijo|escolho|je|ich|scelgo|выбираю|wybieram", re.IGNORECASE
)
_VERB_LAST = re.compile(r"[\s*_)\]\"']*(?:है|हैं|হয়|হবে|است|'?[dt][ıi]r\b|şıkkı|seçeneği)")
_SAID_OF_IT = re.compile(r"[\s*_)]*(?:is|was|are|has|does|would)\b(?!\s+(?:it|the answer)\b)")
_TAKEN_BACK = re.compile(
    r"\s*[,:;.…—–]+\s*|\s-+\s|(?<=actually)\s+|(?<=rather)\s+|(?<=mean)\s+|(?<=meant)\s+"
    r"|(?<=[^\x00-\x7f])\s*"
)


def closing_statement(text: str, options: Options, *, announced: bool = False) -> Found | None:
    """Return the answer that a plain text states last, or None.

    Args:
        text: Plain text of a response without lists of options.
        options: The options of the task.
        announced: Whether only announced answers count, and no option that is just mentioned.
    """
    numbers = list(islice(REPLY_NUMBER.finditer(text), 2))
    if len(numbers) == 1 and numbers[0].start() == 0 and not options.text_at(text, 0):
        text = text[numbers[0].end() :]
    whole = options.statement_at(text, 0, is_whole=True)
    if whole is not None:
        return Found(whole.letters, 0, whole.end)
    readers = (_announced, _chosen, _called_right, labelled)
    found = sorted(
        (own for read in readers for own in read(text, options)),
        key=lambda own: (own.start, own.end),
    )
    readings: tuple[Callable[[], Found | None], ...] = (
        lambda: last_statement([own for own in found if own.strength == 2], text, options),
        lambda: last_statement(found, text, options),
        lambda: negated_at(text, 0, options),
        lambda: unless_denied(lone_answer(text, options), text, options),
        lambda: unless_denied(named_best(text, options), text, options),
    )
    negated: Found | None = None
    for read in readings[:3] if announced else readings:
        result = read()
        if result is not None and found and found[-1].start > result.start:
            shared = set(found[-1].letters) & set(result.letters)
            if set(found[-1].letters) > set(result.letters) or (shared and found[-1].is_negated):
                result = found[-1]  # "The answer is B. It may also be C, so B or C."
        if result is not None and not result.is_negated:
            if negated is not None and set(negated.letters) & set(result.letters):
                return negated
            if not is_taken_back(text, result.end) and not is_dismissed(
                text, result.end, result.letters
            ):
                return result.beside(answers_beside(text, result.end, options))
            result = replace(result, is_negated=True)
        negated = negated or result
    return negated


def _announced(text: str, options: Options) -> Iterator[Found]:
    """Yield what follows nouns such as "answer", with a verb or a sign between them."""
    for noun in first_and_last(ANSWER_NOUN.finditer(lower(text))):
        limit = _window_end(text, noun.end())
        window = noun.end(), limit
        cues = [
            *COPULA_CUE.finditer(lower(text), *window),
            *NEGATION.finditer(lower(text), *window),
        ]
        places = [noun.end(), *sorted({cue.end() for cue in cues})[:MAX_PLACES]]
        if text[noun.end() :].startswith("?"):
            places.insert(1, noun.end() + 1)
        negations = {cue.end() for cue in cues if cue.re is NEGATION}
        for place in places:
            statement = options.statement_at(text, place)
            if statement is None or not _is_near(text, noun.end(), limit, statement.start):
                continue
            if place in negations and CLAUSE_START.search(text, place, statement.start):
                continue
            gap = text[noun.start() : statement.start]
            if _OTHER_CLAUSE.search(gap) or _DESCRIBED.match(gap):
                continue
            if not _is_statement(text, noun, statement):
                continue
            if _HYPOTHETICAL.search(text[clause_start(text, noun.start()) : noun.start()]):
                break
            own = judged(text, noun.start(), statement)
            if own.is_negated and (other := contrast_after(text, statement, options)):
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


def _is_statement(text: str, noun: re.Match[str], statement: Statement) -> bool:
    """Return whether an answer behind a noun is stated: not a name, a question or a list."""
    gap = text[noun.end() : statement.start]
    if _QUESTION.match(text, statement.end):
        return False
    if "\n" in gap:
        is_heading = _HEADING.match(gap[gap.find("\n") - 1 :] or gap) or not gap.strip(_SIGNS)
        is_below = is_heading or _BELOW.fullmatch(gap)
        return bool(is_below) and not is_listed(text, statement.start)
    if occurs(COPULA_CUE, gap) or occurs(NEGATION, gap):
        return True
    if gap.strip(" *_").startswith("?") or gap.strip() == "a":
        return True
    if _VERB_LAST.match(text, statement.end):
        return True
    is_beside = not gap.strip(_SIGNS) or not _LATIN_LETTER.search(gap)
    return bool(_DIRECT.fullmatch(noun[0]) and is_beside and _STOP.match(text, statement.end))


def _chosen(text: str, options: Options) -> Iterator[Found]:
    """Yield what follows verbs such as "I choose", and words such as "therefore"."""
    named = [(start, end) for _, start, end in texts_in(text, options.letters, options.texts)]
    for verb in first_and_last(_CHOOSE.finditer(lower(text))):
        if any(start <= verb.start() and verb.end() <= end for start, end in named):
            continue  # "right heart failure"
        statement = options.statement_at(text, verb.end())
        if statement is None or "\n" in text[verb.end() : statement.start].strip(" "):
            continue
        if _QUESTION.match(text, statement.end) or is_variable(text, statement, options):
            continue
        if not options.ends_clause(text, statement.end):
            continue
        strength = 2 if _FIRST_PERSON.match(verb[0]) else 1
        own = judged(text, verb.start(), statement, strength=strength)
        yield replace(own, strength=2) if own.is_correction else own
    for taken_back in first_and_last(CORRECTED.finditer(lower(text))):
        gap = _TAKEN_BACK.match(lower(text), taken_back.end())
        statement = options.statement_at(text, gap.end()) if gap else None
        if statement is None or not options.ends_clause(text, statement.end):
            continue
        if "\n" in text[taken_back.end() : statement.start] or text[statement.end :][:1] == "?":
            continue
        if _SAID_OF_IT.match(text, statement.end):
            continue  # "Wait, B is a hormone"
        own = judged(text, statement.start, statement)
        yield replace(own, is_correction=True)


def _called_right(text: str, options: Options) -> Iterator[Found]:
    """Yield answers at the beginning of a clause that the words after them call right."""
    for clause in first_and_last(_CLAUSE.finditer(text)):
        statement = options.statement_at(text, clause.end())
        if statement is None or _is_in_a_list(text, clause, statement):
            continue
        link = _LINK.match(text, statement.end)
        if link is None:
            continue
        right = _ARE_ALL.match(text, statement.end) if statement.letters[1:] else None
        right = right or _IS_RIGHT.match(text, statement.end)
        if right is None or "\n" in text[statement.end : right.end()]:
            continue
        is_negated = occurs(NEGATION, NO_DOUBT.sub(" ", right[0].lower())) or is_called_wrong(
            text, statement.end
        )
        before = text[clause.end() : statement.start]
        sentence = text[sentence_start(text, clause.end()) : clause.end()]
        if DISBELIEF.search(NO_DOUBT.sub(" ", sentence.lower())):
            continue
        is_negated = is_negated or occurs(NEGATION, before)
        is_correction = occurs(CORRECTED, text[max(0, clause.end() - 30) : statement.start])
        if is_negated and not is_correction:
            continue
        if _TAG_QUESTION.match(text, right.end()) or (
            _WOULD.search(right[0])
            and (_IF.match(text, right.end()) or _IF_BEFORE.search(sentence))
        ):
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


def _is_in_a_list(text: str, clause: re.Match[str], statement: Statement) -> bool:
    """Return whether "and" or a comma before an answer belongs to a list with the answer."""
    if clause[0].startswith("and"):
        before = text[max(clause.start() - 12, 0) : clause.start()]
        return bool(PLURAL.match(text, statement.end) and _LETTER_BEFORE.search(before))
    return (
        clause[0].startswith(",")
        and _IN_A_LIST.match(text, max(clause.start() - 2, 0)) is not None
        and LIST_ENDED.search(text, max(clause.start() - 8, 0), clause.end()) is None
        and (_SINGULAR.match(text, statement.end) is None or bool(statement.letters[1:]))
    )


def _window_end(text: str, place: int) -> int:
    end = SENTENCE_END.search(text, place, place + MAX_WINDOW)
    return end.start() if end else min(place + MAX_WINDOW, len(text))
