"""The verifier "qa": short answers in words, compared as the authors of SQuAD and HotpotQA do."""
# ruff: noqa: RUF001 - letters and signs of other scripts

from __future__ import annotations

import math
import re
import string
import unicodedata
from collections import Counter
from dataclasses import dataclass
from functools import lru_cache

from ccpo_env.types import Task, Verdict
from ccpo_env.verifiers.extract import closed_boxes, without_thinking
from ccpo_env.verifiers.number_words import with_digits
from ccpo_env.verifiers.plain import plain

MAX_SHORT_WORDS = 30
"""Words of a response that counts as an answer as a whole if it announces none."""
MAX_READ_CHARS = 16_384
"""Characters at the end of a response in which an answer is searched, box or not."""
MAX_KEPT_CHARS = 512
"""Longest text whose form is cached."""
SPECIAL = frozenset({"yes", "no", "noanswer"})
"""Answers that share no token with others: their F1 is 0 or 1 (HotpotQA)."""

_ARTICLES = re.compile(r"\b(a|an|the)\b")
_PUNCTUATION = dict.fromkeys(map(ord, string.punctuation))
_TAG = re.compile(
    r"<(answer|final_answer|short_answer)>(?P<answer>.{0,2000}?)</\1>", re.DOTALL | re.IGNORECASE
)
_JSON = re.compile(
    r"""["'](?:final_|short_)?answer["']\s*:\s*["\[]+(?P<answer>(?:[^"\\\n]|\\.){0,2000})\"""",
    re.IGNORECASE,
)
_NOUN = (
    r"(?:answer|réponse|respuesta|resposta|risposta|antwort|antwoord|ответ|відповідь|odpowiedź|svar|"
    r"cevap|jawaban|答案|答え|回答|정답|답|الإجابة|الجواب|उत्तर|जवाब|คำตอบ|đáp án)"
)
_IS = r"\b(?:is|was|would be|should be|ist|lautet|est|es|é|è|jest|adalah|là)\b:?"
_ANNOUNCED = re.compile(
    rf"(?:(?<![A-Za-z]){_NOUN}[*_`\"'\s]{{0,8}}(?:[:：]|是|为|は|은|는|هي|هو|है|คือ)"
    r"|\b(?:the|my|our|final|short|correct|best|exact|la|die|a|het|bonne|correcta|correta)\s+"
    rf"{_NOUN}(?:\s+to\s+[^.:\n]{{0,160}}?)?[*_`\"'\s]{{0,8}}{_IS}"
    r"|####)(?P<answer>[*_`\s]{0,12}[^\n]{0,2000})",
    re.IGNORECASE,
)
_SENTENCE = re.compile(
    r"(?<=[^\s.]{2}[.!?])\s+(?=[A-Z\"'(])|[。！？]|,?\s+(?:because|since)\s|,\s+(?:which|who|as)\s"
)
_AROUND = "*_`\"' \n\t"


def normalized(text: str) -> str:
    """Return a text as the evaluation scripts of SQuAD and HotpotQA normalise it.

    Lower case, without ASCII punctuation, articles and surplus spaces.

    Source: SQuAD, arXiv:1606.05250, evaluate-v1.1.py; HotpotQA, arXiv:1809.09600.
    """
    lowered = text.lower().translate(_PUNCTUATION)
    return " ".join(_ARTICLES.sub(" ", lowered).split())


def canonical(text: str) -> str:
    """Return the form by which answers are compared; answers that `normalized` unites have one.

    Beyond it, compatibility characters are plain ones, signs of any script are punctuation, and
    numbers in English words are digits.
    """
    return (_kept_canonical if len(text) <= MAX_KEPT_CHARS else _canonical)(text)


def _canonical(text: str) -> str:
    found = normalized(text)
    if not found.isascii():
        compatible = unicodedata.normalize("NFKC", found).casefold()
        found = normalized("".join(c for c in compatible if not _is_sign(c)))
    # "The" and "A" are articles only, and would be equal to nothing at all.
    return with_digits(found) or text.strip().lower()


_kept_canonical = lru_cache(maxsize=16_384)(_canonical)


def _is_sign(character: str) -> bool:
    return unicodedata.category(character)[0] == "P" or unicodedata.category(character) == "Cf"


def token_f1(prediction: str, gold: str) -> float:
    """Return the F1 of the tokens of a prediction and a gold answer, in [0, 1].

    precision = common / tokens of the prediction; recall = common / tokens of the gold answer;
    f1 = 2 * precision * recall / (precision + recall), 0 without a common token.

    Note: "yes", "no" and "noanswer" have an F1 of 0 with every other answer.

    Source: HotpotQA, arXiv:1809.09600, hotpot_evaluate_v1.py; SQuAD lacks the rule of the note.
    """
    first, second = normalized(prediction), normalized(gold)
    if first != second and not SPECIAL.isdisjoint((first, second)):
        return 0.0
    tokens, gold_tokens = first.split(), second.split()
    num_common = sum((Counter(tokens) & Counter(gold_tokens)).values())
    if num_common == 0:
        return 0.0
    precision, recall = num_common / len(tokens), num_common / len(gold_tokens)
    return 2 * precision * recall / (precision + recall)


@dataclass(frozen=True, slots=True)
class QaVerifier:
    r"""The verifier "qa": compares a short answer in words with one or several gold answers.

    The answer is the last box, else what an `<answer>` tag holds, else what follows the last
    "Answer:" or "the answer is", else a whole response of at most MAX_SHORT_WORDS words. Only what
    follows the last `</think>` is read.

    Args:
        min_f1: Least token F1 with a gold answer that is correct, in (0, 1]; None: answers must be
            equal.
        golds: Gold answers of the task, each as right as the first.

    Raises:
        ValueError: If min_f1 is not in (0, 1].
    """

    min_f1: float | None = None
    golds: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if self.min_f1 is not None and not (math.isfinite(self.min_f1) and 0 < self.min_f1 <= 1):
            raise ValueError(
                f"min_f1 must be in (0, 1], got {self.min_f1}; leave it out for equal answers only"
            )

    def for_task(self, task: Task) -> QaVerifier:
        """Return the verifier of the answers to one task, which knows all its gold answers."""
        return QaVerifier(self.min_f1, (task.answer, *task.answers))

    def __call__(self, response: str, gold: str) -> Verdict:
        """Return whether the answer of a response is a gold answer.

        Args:
            response: Full response of a model.
            gold: The gold answer. That of the task stands for all gold answers of the task.

        Returns:
            "correct", "wrong" or "no_answer"; "error" if the gold answer is blank.
        """
        if is_blank(gold):
            return Verdict("error", detail=f"gold must be text, got {gold!r}; check the task")
        if is_blank(response):
            return Verdict("no_answer")
        golds = self.golds if gold in self.golds else (gold,)
        forms = {canonical(own) for own in golds}
        if canonical(response) in forms:
            return Verdict("correct", response.strip())
        readings = stated_answers(response)
        if not readings:
            return Verdict("no_answer")
        right = next((own for own in readings if canonical(own) in forms), None)
        if right is None and self.min_f1 is not None:
            scores = {own: max(token_f1(own, each) for each in golds) for own in readings}
            best = max(readings, key=lambda own: scores[own])
            right = best if scores[best] >= self.min_f1 else None
        return Verdict("wrong", readings[0]) if right is None else Verdict("correct", right)

    def f1(self, response: str, gold: str) -> float:
        """Return the token F1 of the answer of a response, the best over the gold answers."""
        golds = self.golds if gold in self.golds else (gold,)
        readings = () if is_blank(response) else stated_answers(response)
        return max((token_f1(own, each) for own in readings for each in golds), default=0.0)

    def category(self, answer: str) -> str:
        """Return the category of an answer, as its verdict reports it: its canonical form."""
        return canonical(answer)


def is_blank(text: object) -> bool:
    """Return whether a value is not text, or blank; callers may ignore the annotations."""
    return not isinstance(text, str) or not text.strip()


def stated_answers(response: str) -> tuple[str, ...]:
    """Return the answer of a response, and how else its end may be read; empty without an answer.

    A stated sentence may go on after the answer: it is read whole, and up to its first stop.
    """
    visible = without_thinking(response)
    if visible is None or not visible.strip():
        return ()
    boxes = closed_boxes(visible, 1)
    if boxes:
        content = plain(boxes[-1][2]).strip()
        return (content,) if content else ()
    tail = visible[-MAX_READ_CHARS:]
    quoted = [*_TAG.finditer(tail), *_JSON.finditer(tail)]
    enclosed = max(quoted, key=lambda own: own.start(), default=None)
    behind = [*_ANNOUNCED.finditer(tail, enclosed.end() if enclosed else 0)]
    announced = behind[-1] if behind else None
    if announced is None and enclosed is not None:
        return _stripped(enclosed["answer"])
    if announced is not None:
        stated = announced["answer"].strip(_AROUND)
        if not stated:
            following = tail[announced.end() :].strip()
            stated = following.partition("\n")[0].strip(_AROUND)
        if stated:
            short = _SENTENCE.split(stated, maxsplit=1)[0]
            return tuple(dict.fromkeys((*_stripped(short), *_stripped(stated))))
    if len(visible.split(maxsplit=MAX_SHORT_WORDS)) <= MAX_SHORT_WORDS:
        return (visible.strip(),)
    return ()


def _stripped(text: str) -> tuple[str, ...]:
    stripped = text.strip(_AROUND)
    return (stripped,) if stripped else ()
