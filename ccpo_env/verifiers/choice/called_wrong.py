"""Words after an answer that call it wrong."""
# ruff: noqa: RUF001 - letters and signs of other scripts

from __future__ import annotations

import re

from ccpo_env.verifiers.choice.words import IS, NOT

_IS_WRONG = re.compile(
    rf"[\s*_`\"')\]]*(?:\([^()\n]{{0,80}}\))?[\s,*_]*(?:which|that)?\s*(?:{IS})\s*[^\n.,;:!?。！？，；]{{0,30}}?(?:{NOT})",
    re.IGNORECASE,
)
_IS_WRONG_AFTER = re.compile(
    r"[\s*_`\"')\]]*(?:选项|選項|は|が|가|이|은|는|を|的)?\s*(?:不是|不对|不對|不正确|错误|錯|是错|是错误|是不|除外"
    r"|ではな|ではあり|じゃな|じゃあり|不正解|誤り|間違|以外|아니|아닌|아닙|틀|오답|제외|不选"
    r"|नहीं|गलत|को छोड़|değil|hariç|yanlış)"
    r"|(?:は|が|가|이|은|는)[^.,、，\n]{1,10}(?:아니|아닙|ない|ません|틀)"
    r"|[\s,;*_)]*(?:unless|if not|if it is not|if it isn't)\b"
    r"|\s*\^\s*(?:c\b|\\complement)"
    r"|[\s*_`\"')\]]*(?:cannot|can't|isn't|wasn't|doesn't|does not|couldn't|won't|fails|ain't)\b"
    r"|[\s*_`\"')\]:,–—\-.…?!(]*(?:no|not|nope|is wrong|wrong|is incorrect|incorrect|false"
    r"|excluded|is excluded|no way"
    r"|eliminated|ruled out|definitely not|certainly not)[\s.!*)]*(?:$|\n)",
    re.IGNORECASE,
)


def is_called_wrong(text: str, end: int) -> bool:
    """Return whether the words after an answer call it wrong."""
    return bool(_IS_WRONG.match(text, end) or _IS_WRONG_AFTER.match(text, end))
