r"""Words of other languages in an answer: `3 和 5`, `5元`, `3 oder 5`, and decimal commas."""
# ruff: noqa: RUF001 - letters of other scripts

from __future__ import annotations

import re

from ccpo_env.verifiers.math.text.rules import rule

_AND = (
    "和 与 與 及 且 并且 以及 と および 及び かつ 및 와 과 그리고 и та і و "  # noqa: SIM905
    "und et y e en och og oraz i ja ve dan và".split()
)
_OR = "或 或者 或是 または 又は 또는 или або أو oder ou o of lub eller tai veya atau hoặc".split()  # noqa: SIM905
_JOINTS = dict.fromkeys(_AND, "and") | dict.fromkeys(_OR, "or")
_LONG = "|".join(sorted((w for w in _JOINTS if len(w) > 1 or not w.isascii()), key=len)[::-1])
_FOREIGN = "|".join(sorted((w for w in _JOINTS if not w[0].isascii()), key=len)[::-1])
_TEXT = r"\\(?:text(?:bf|it|rm|normal|sf)?|math(?:rm|bf)|mbox)\s*\{"


def _joint(match: re.Match[str]) -> str:
    word = next(filter(None, match.groups()))
    return f"\\text{{ {_JOINTS[word]} }}"


JOINTS = [
    # One letter, as the Spanish "y" and the number e, is a word only between two spaces.
    rule("\\text \\math \\mbox", rf"{_TEXT}(?:\s*,?\s*({_LONG})\s*|\s+([yeoi])\s+)\}}", _joint),
    rule(
        "und oder et ou lub eller y",
        r"(?<=[\d})\]])\s+(und|oder|et|ou|lub|eller|(?<=\d )y(?= \d))"
        r"\s+(?=[-\d(\[\\]|[A-Za-z]\s*=)",
        _joint,
    ),
]
"""Rules that translate conjunctions between the parts of a list."""
_FOREIGN_JOINT = re.compile(rf"(?<=[\dA-Za-z}})\]$])\s*({_FOREIGN})\s*(?=[-\d(\[\\A-Za-z$])")

_UNITS = {
    **{"平方": "square ", "立方": "cubic ", "每": " per ", "/": " / "},
    **{"毫米": "mm ", "厘米": "cm ", "公分": "cm ", "米": "m ", "千米": "km ", "公里": "km "},
    **{"毫克": "mg ", "克": "g ", "千克": "kg ", "公斤": "kg ", "吨": "tons "},
    **{"毫升": "ml ", "升": "liters ", "秒": "seconds ", "分钟": "minutes ", "分鐘": "minutes "},
    **{"时": "hours ", "公顷": "hectares "},
    **{"小时": "hours ", "小時": "hours ", "時間": "hours ", "시간": "hours ", "天": "days "},
    **{
        "日": "days ",
        "周": "weeks ",
        "个月": "months ",
        "年": "years ",
        "년": "years ",
        "岁": "years ",
    },
    **{"元": "yuan ", "人民币": "yuan ", "美元": "dollars ", "欧元": "euros ", "英镑": "pounds "},
    **{"日元": "yen ", "円": "yen ", "度": "degrees ", "도": "degrees ", "牛": "newtons "},
    **{"牛顿": "newtons ", "焦": "joules ", "焦耳": "joules ", "瓦": "watts ", "欧": "ohms "},
    **{"мм": "mm ", "см": "cm ", "м": "m ", "км": "km ", "г": "g ", "кг": "kg ", "с": "seconds "},
    **{"сек": "seconds ", "мин": "minutes ", "минут": "minutes ", "ч": "hours ", "час": "hours "},
    **{"часа": "hours ", "часов": "hours ", "дней": "days ", "градусов": "degrees "},
    **{"секунд": "seconds ", "рублей": "rubles ", "руб": "rubles "},
}
_SCALES = {"万": 4, "萬": 4, "만": 4, "亿": 8, "億": 8, "тысяч": 3, "тыс": 3, "млн": 6}
_COUNTERS = frozenset(  # measure words: "5个" is 5
    "个個人名位只隻本张張条條支枝块塊件台辆輛种種次场頭头棵株朵颗粒片座间間家袋盒箱瓶杯碗桶页題题項项步枚匹分"
    "개명마리권"
)
_QUANTIFIERS = frozenset("以上下多少半倍万萬亿億千百十左右约約之成折打双雙对對或不")
_LETTER = r"[^\x00-\x7f\W\d_]"
_RUN = re.compile(
    rf"(?:(?<=[\d}})$])|(?<=\\pi))\s*({_TEXT}\s*)?({_LETTER}(?:{_LETTER}|/)*)\.?(?(1)\s*\}})"
)


_ANNOUNCED = re.compile(
    rf"\s*(?:{_TEXT}\s*)?(?!{_LETTER}*[不非除没無无])"
    rf"(?:(?:{_LETTER}|\s){{1,16}}?(?::|是|为|為|は)|(?:{_LETTER}|\s){{0,16}}?[选選]:?)"
    r"\s*\}?\s*(?=[-+\d\\(\[$A-Za-z])"
)


def from_languages(text: str) -> str:
    """Return a text with conjunctions, units and scales of other scripts written in English.

    Words before a colon, and the Chinese for "the answer is", are left out.
    """
    if announced := _ANNOUNCED.match(text):
        text = text[announced.end() :]
    text = _FOREIGN_JOINT.sub(_joint, text)
    return _RUN.sub(_measured, text)


def _measured(match: re.Match[str]) -> str:
    """Return what follows a number in English; a measure word is dropped."""
    run, scale = match[2], ""
    if power := next((p for word, p in _SCALES.items() if run.startswith(word)), 0):
        run = run[1:] if not run.startswith(("тыс", "млн")) else run.lstrip("тысячмлн")
        scale = f" \\times 10^{{{power}}}"
    unit, rest = "", run
    while rest and (name := next((n for n in (rest[:3], rest[:2], rest[:1]) if n in _UNITS), "")):
        unit, rest = unit + _UNITS[name], rest[len(name) :]
    if not rest:
        return scale + (f"\\text{{ {unit}}}" if unit else "")
    if run in _UNITS:
        return f"{scale}\\text{{ {_UNITS[run]}}}"
    if run[0] in _COUNTERS and not _QUANTIFIERS.intersection(run):
        return scale + (f"\\text{{ {run[1:]}}}" if run[1:] else "")
    return match[0]


_COMMA_WORDS = frozenset(
    # German, French, Spanish, Italian, Portuguese, Dutch, Polish, Swedish, Czech, Turkish, …
    "antwort lösung ergebnis beträgt réponse résultat solución respuesta resultado risposta "  # noqa: SIM905
    "soluzione risultato resposta solução antwoord oplossing odpowiedź rozwiązanie wynik svar "
    "svaret lösningen odpověď výsledek vastaus cevap sonuç válasz eredmény răspuns rezultatul "
    "jawaban odgovor rješenje".split()
)
_CYRILLIC_WORD = re.compile("[\u0400-\u04ff]{3}")
_WORD = re.compile(r"[^\W\d_]{4,}")
_DECIMAL_COMMA = re.compile(r"(?<![\d,.])(\d{1,3}(?:\.\d{3})+|\d+),(\d+)(?![\d,])")
_BRACED_COMMA = re.compile(r"(?<![\d,.}])(\d+)\{,\}(?!\d{3}(?!\d))(\d+)(?![\d,{])")
# 12,34,567 in India, 1.234.567 in Germany
_GROUPED = re.compile(r"(?<![\d,.])(?:\d{1,2}(?:,\d{2})+,\d{3}|\d{1,3}(?:\.\d{3}){2,})(?![\d,.])")
_MAX_READ = 4096  # characters of a response whose language is looked at, from the end


def with_decimal_points(answer: str, response: str) -> str | None:
    r"""Return an answer with points for decimal commas and without other groups, else None.

    A comma is decimal in `3{,}5`, and in `3,5` if the response is in a language that writes it so.
    Digits may be grouped as in `12,34,567` and `1.234.567`; other numbers with more commas are
    lists, unless semicolons separate them.
    """
    grouped = _GROUPED.sub(lambda number: re.sub("[.,]", "", number[0]), answer)
    if "," not in grouped:
        return grouped if grouped != answer else None
    pointed = _BRACED_COMMA.sub(r"\1.\2", grouped)
    if _DECIMAL_COMMA.search(pointed) and _writes_commas(response[-_MAX_READ:]):
        pointed = _DECIMAL_COMMA.sub(lambda n: f"{n[1].replace('.', '')}.{n[2]}", pointed)
    return pointed if pointed != answer else None


def _writes_commas(response: str) -> bool:
    if _CYRILLIC_WORD.search(response):
        return True
    return any(word.casefold() in _COMMA_WORDS for word in _WORD.findall(response))
