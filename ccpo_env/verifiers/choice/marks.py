"""Marks and words that call an option of a list right or wrong."""
# ruff: noqa: RUF001 - letters and signs of other scripts

from __future__ import annotations

import re
from collections.abc import Sequence

from ccpo_env.verifiers.choice.judging import NEGATION, lower
from ccpo_env.verifiers.choice.words import LATIN, words

OPTION_LETTERS = "".join(own for own in LATIN if not own.islower())
"""Letters of other scripts that name an option."""
MARK_RIGHT = "[✓✔✅☑👍🟢]"
MARK_WRONG = "[✗✘❌✖❎×🔴👎]"
_MARKS = re.compile(f"{MARK_RIGHT}|{MARK_WRONG}")
SIGNS = re.compile(r"[\s*_`\"'.,:;()\[\]|?=–—\-→>]*")
_YES = words(
    "yes; correct; right; true; ja; richtig; oui; vrai; sí; verdadero; sim; correto; correcto",
    "certo; yep; sure",
    "vero; да; верно; правильно; evet; doğru; tak; đúng",
    "corretto; juist; goed; poprawne; prawda; rätt; benar; correcta; correcte",
)
_NO = words(
    "no; not; incorrect; wrong; false; nein; falsch; non; faux; falso; não; incorrecto; incorreto",
    "нет; неверно; неправильно; hayır; yanlış; nie; sai",
    "sbagliato; errado; onjuist; fout; niepoprawne; fałsz; fel; nej; salah; nope; niet",
)
VERDICT = re.compile(
    r"(?:(?:this|it|that) is |is )?"
    rf"(?:(?P<yes>{_YES}|{MARK_RIGHT}|正确|正確|对|正解|はい|맞|네|예|सही|صحيح)"
    rf"|(?P<no>{_NO}|{MARK_WRONG}|不正确|错误?|錯誤?|不对|不正解|いいえ|틀|아니|गलत|خطأ))",
    re.IGNORECASE,
)
_ENDS_VERDICT = re.compile(
    r"[\s*_)\]]*(?:answer|option|choice|one)?[\s*_)\]]*(?:$|[\n.,;:!|(–—]|-(?!\w)|because)"
)
_CALLED_RIGHT = re.compile(
    rf"{MARK_RIGHT}|\[[xX]\]|"
    + words(
        r"correct answer; right answer; best answer; correct option; correct choice; best choice",
        r"is correct; correct; is right; the answer; richtig; correcta; correcte; верно; correta",
        r"best option; right choice; my choice; my answer",
    )
    + "|正确|正確|正解|정답",
    re.IGNORECASE,
)
_CONDITION = re.compile(
    words("if; would; could; might; may; were; partly; partially; almost; only; unless; wenn; si"),
    re.IGNORECASE,
)
SENTENCE = re.compile(r"(?<=[.!?])\s+|(?<=[。！？])")


def said_of(right: Sequence[str]) -> str:
    """Return a sentence that states the options marked as right; empty if there are none."""
    return f"The answer is ({') and ('.join(right)})." if right else ""


def verdict_behind(rest: str) -> bool | None:
    """Return whether words behind an option call it right or wrong; None if they do neither."""
    signs = SIGNS.match(rest).end()  # type: ignore[union-attr]
    verdict = VERDICT.match(rest, signs)
    if verdict and _ENDS_VERDICT.match(rest, verdict.end()):
        return verdict["yes"] is not None
    marks = set(_MARKS.findall(rest))
    if len(marks) == 1:
        return re.fullmatch(MARK_RIGHT, marks.pop()) is not None
    for sentence in SENTENCE.split(rest):
        if NEGATION.search(lower(sentence)) or re.search(MARK_WRONG, sentence):
            return False
        if _CALLED_RIGHT.search(sentence) and not _CONDITION.search(sentence):
            return True
    return None
