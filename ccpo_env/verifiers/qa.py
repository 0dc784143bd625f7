"""The verifier "qa": short answers in words, compared as the authors of SQuAD and HotpotQA do."""

from __future__ import annotations

import math
import re
import string
import unicodedata
from collections import Counter
from dataclasses import dataclass
from functools import lru_cache

from ccpo_env.types import Task, Verdict
from ccpo_env.verifiers.number_words import with_digits
from ccpo_env.verifiers.stated import stated_answers
from ccpo_env.verifiers.superscripts import outside_numbers

MAX_SURPLUS_CHARS = 1_000
"""Characters that an answer may have more than the longest gold answer; longer ones are wrong."""
MAX_FORM_CHARS = 2_048
"""Longest published form that the rules beyond the published ones are applied to."""
MAX_KEPT_CHARS = 512
"""Longest text whose form is cached."""
SPECIAL = frozenset({"yes", "no", "noanswer"})
"""Answers that share no token with others: their F1 is 0 or 1 (HotpotQA)."""

_ARTICLES = re.compile(r"\b(a|an|the)\b")
_PUNCTUATION = dict.fromkeys(map(ord, string.punctuation))


def normalized(text: str) -> str:
    """Return a text as the evaluation scripts of SQuAD and HotpotQA normalise it.

    Lower case, without ASCII punctuation, articles and surplus spaces.

    Source: SQuAD, arXiv:1606.05250, evaluate-v1.1.py; HotpotQA, arXiv:1809.09600.
    """
    lowered = text.lower().translate(_PUNCTUATION)
    return " ".join(_ARTICLES.sub(" ", lowered).split())


def canonical(text: str) -> str:
    """Return the form by which answers are compared; answers that `normalized` unites have one.

    Beyond it, compatibility characters are plain ones, signs of any script are punctuation, and an
    answer that is a number in English words is in digits. Of texts whose published form is longer
    than MAX_FORM_CHARS this is the form.
    """
    return (_kept_canonical if len(text) <= MAX_KEPT_CHARS else _canonical)(text)


def _canonical(text: str) -> str:
    published = found = normalized(text)
    if len(published) > MAX_FORM_CHARS:
        return published
    if not published.isascii():
        compatible = outside_numbers(_compatible, published).casefold()
        found = normalized("".join(c for c in compatible if not _is_sign(c)))
    # Signs alone are equal to themselves, not to nothing at all.
    return with_digits(found or published)


def _compatible(text: str) -> str:
    return unicodedata.normalize("NFKC", text)


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

    The answer is the last box, else what is stated last in an `<answer>` tag or after "Answer:" or
    "the answer is", else a whole response of at most 30 words. Only what follows the last
    `</think>` is read. An answer of over MAX_SURPLUS_CHARS characters more than the longest gold
    answer is wrong.

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
        golds, limit = self._golds(gold)
        forms = {canonical(own) for own in golds}
        whole = response.strip()
        if len(whole) <= limit and canonical(whole) in forms:
            return Verdict("correct", whole)
        readings = stated_answers(response)
        if not readings:
            return Verdict("no_answer")
        short = [own for own in readings if len(own) <= limit]
        right = next((own for own in short if canonical(own) in forms), None)
        if right is None and short and self.min_f1 is not None:
            scores = {own: max(token_f1(own, each) for each in golds) for own in short}
            best = max(short, key=lambda own: scores[own])
            right = best if scores[best] >= self.min_f1 else None
        return Verdict("wrong", readings[0]) if right is None else Verdict("correct", right)

    def f1(self, response: str, gold: str) -> float:
        """Return the token F1 of the answer of a response, the best over the gold answers.

        It is 0 for an answer of over MAX_SURPLUS_CHARS characters more than the longest of them.
        """
        golds, limit = self._golds(gold)
        readings = () if is_blank(response) else stated_answers(response)
        short = (own for own in readings if len(own) <= limit)
        return max((token_f1(own, each) for own in short for each in golds), default=0.0)

    def _golds(self, gold: str) -> tuple[tuple[str, ...], int]:
        """Return the gold answers that one stands for, and the longest length of an answer."""
        golds = self.golds if gold in self.golds else (gold,)
        return golds, max(map(len, golds)) + MAX_SURPLUS_CHARS

    def category(self, answer: str) -> str:
        """Return the category of an answer, as its verdict reports it: its canonical form."""
        return canonical(answer)


def is_blank(text: object) -> bool:
    """Return whether a value is not text, or blank; callers may ignore the annotations."""
    return not isinstance(text, str) or not text.strip()
