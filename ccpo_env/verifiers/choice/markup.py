"""Rewrite the markup of a response: HTML, struck text, tables of answers, boxes of other kinds."""

from __future__ import annotations

import re
from html import unescape

from ccpo_env.verifiers.choice.fields import fields_as_lines

_CONTROL = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f\ud800-\udfff]")
_BLOCK = re.compile(
    r"</?(?:p|li|ul|ol|h[1-6]|div|tr|table|tbody|thead|section|article|dl|dd|dt)"
    r"(?:\s[^<>]{0,80})?>"
)
_QUOTE_ENTITY = re.compile(r"&(?:quot|apos|[lr][sd]quo|[lr]aquo|#3[49]|#x2[27]);", re.IGNORECASE)
_CELL = re.compile(r"</?t[dh](?:\s[^<>]{0,80})?>")
_STRUCK = re.compile(
    r"~~(?=\S)[^~\n]{1,300}~~|<(s|del|strike)>[^<>]{1,300}</\1>"
    r"|\\sout\s?\{[^{}\n]{1,300}\}(?!\s?[})])",
    re.IGNORECASE,
)
_INSERTED = re.compile(r"</?(?:ins|mark)>", re.IGNORECASE)
_ANGLES = re.compile(r"<<\s*([A-Za-z])\s*>>|<([BISUP])>(?!.*</\2>)", re.DOTALL)
_WRONG_FIELD = re.compile(
    r"(?<!\w)(?:wrong|incorrect|false|not|bad|rejected|excluded|eliminated)_[a-z_]{1,20}(?=\s?[:=])",
    re.IGNORECASE,
)
_QUOTED = re.compile(r"(?<![\w'])'([A-Z])'(?![\w'])")
_OTHER_BOX = re.compile(
    r"\\(?:framebox|doublebox|ovalbox|colorbox\{\w{1,20}\})(?:\[[^\]]{0,20}\])*\s?\{"
)
_BOX_WITHOUT_SIGN = re.compile(r"(?<![\\\w])boxed\s?\{")
_BARE_BOX = re.compile(r"\\boxed\s+(?=([A-Za-z])(?![A-Za-z{]))[A-Za-z]")
_TABLE = re.compile(
    r"^[ ]*\|(?P<head>[^\n]*)\|[ ]*\n[ ]*\|[ :|-]+\|[ ]*\n"
    r"(?P<rows>(?:[ ]*\|[^\n]*\|[ ]*(?:\n|$))+)",
    re.MULTILINE,
)
_ANSWER_COLUMN = re.compile(
    r"(?:final|correct|my|your|the|best)?\s*(?:answer|choice|option chosen|pick|selection"
    r"|答案|antwort|réponse|respuesta|resposta|ответ)",
    re.IGNORECASE,
)


def without_markup(text: str) -> str:
    """Return a response whose answers stand in plain lines and boxes.

    Struck text is left out unless nothing else remains, blocks of HTML are lines, fields of
    objects in JSON and a table with one answer state it.
    """
    text = _CONTROL.sub("", text).replace("wer(s)", "wers").replace("ion(s)", "ions")
    if "boxed" in text:
        text = _BOX_WITHOUT_SIGN.sub(r"\\boxed{", text)
    if "&" in text:
        text = _QUOTE_ENTITY.sub(lambda own: unescape(own[0]), text)
    if "<" in text:
        text = _CELL.sub(" | ", _BLOCK.sub("\n", _INSERTED.sub(" ", text)))
        if text.count("<") < 64:
            text = _ANGLES.sub(lambda own: f"({own[1] or own[2]})", text)
    if "~~" in text or "<" in text or "\\sout" in text:
        kept = _STRUCK.sub(" ", text)
        if re.search(r"\w", re.sub(r"<[^<>]{0,80}>", "", kept)):
            text = kept
    if "'" in text:
        text = _QUOTED.sub(r'"\1"', text)
    if "\\" in text:
        text = _OTHER_BOX.sub(r"\\boxed{", text)
        text = _BARE_BOX.sub(lambda own: f"\\boxed{{{own[1]}}}", text)
    if "|" in text and "--" in text:
        text = _TABLE.sub(_row_as_line, text)
    return _WRONG_FIELD.sub(lambda own: own[0].replace("_", " "), fields_as_lines(text))


def _row_as_line(table: re.Match[str]) -> str:
    """Return the answer in the only row of a table with a column of answers."""
    heads = [own.strip(" *_") for own in table["head"].split("|")]
    columns = [place for place, own in enumerate(heads) if _ANSWER_COLUMN.fullmatch(own)]
    rows = [row.strip().strip("|").split("|") for row in table["rows"].strip().split("\n")]
    if len(columns) != 1 or len(rows) != 1 or len(rows[0]) <= columns[0]:
        return table[0]
    return f"\nAnswer: {rows[0][columns[0]].strip()}\n"
