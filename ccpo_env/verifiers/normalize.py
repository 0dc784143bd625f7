"""Bring two answers to one form: what never changes the meaning of LaTeX is taken away."""

from __future__ import annotations

import re

from ccpo_env.verifiers.notation import to_latex
from ccpo_env.verifiers.rules import rewrite, rule

MAX_CHARS = 4096
"""Longest answer that is read as anything but characters."""

_NOT = r"(?<!\\)\\"  # a backslash that is not the second half of a row break
_FUNCTIONS = (
    "arcsin arccos arctan arccot sinh cosh tanh coth sin cos tan cot csc log ln exp cis gcd lcm"
).replace(" ", "|")
_SYNONYMS = {
    "le": "leq",
    "leqslant": "leq",
    "leqq": "leq",
    "ge": "geq",
    "geqslant": "geq",
    "geqq": "geq",
    "ne": "neq",
    "lbrace": "{",
    "rbrace": "}",
    "ast": "cdot",
    "bullet": "cdot",
    "dots": "ldots",
    "cdots": "ldots",
    "dotsc": "ldots",
    "textdollar": "$",
    "textpercent": "%",
    "percent": "%",
    "infin": "infty",
    "imath": "mathrm{i}",
    "jmath": "mathrm{j}",
    "varnothing": "emptyset",
    "varepsilon": "epsilon",
    "vartheta": "theta",
    "varphi": "phi",
    "lor": "text{ or }",
    "vee": "text{ or }",
    "land": "text{ and }",
    "wedge": "text{ and }",
    "arcsinh": "operatorname{arsinh}",
}
_PLAIN_SYNONYMS = {
    "lvert": "|",
    "rvert": "|",
    "vert": "|",
    "mid": "|",
    "lt": "<",
    "gt": ">",
    "lparen": "(",
    "rparen": ")",
    "lbrack": "[",
    "rbrack": "]",
    "colon": ":",
    "dollar": "\\$",
    "pounds": "\u00a3",
    "textsterling": "\u00a3",
    "euro": "\u20ac",
    "texteuro": "\u20ac",
    "yen": "\u00a5",
    "textyen": "\u00a5",
    "degree": "^{\\circ}",
    "degrees": "^{\\circ}",
    "textdegree": "^{\\circ}",
    "prime": "'",
}


def _synonym(macro: re.Match[str]) -> str:
    name = macro[1]
    if name in _SYNONYMS:
        return "\\" + _SYNONYMS[name] + ("" if name.endswith("brace") else " ")
    return _PLAIN_SYNONYMS.get(name, macro[0])


_STYLES = (
    r"m?left|m?right|middle|[bB]igg?[lrm]?|(?:display|text|script|scriptscript)style|(?:no)?limits"
    r"|boldsymbol|boldmath|bm|pmb|rm|bf|it|sf|tt|sc|(?:bf|md|rm|sf|tt)(?:series|family)|itshape|em"
    r"|tiny|(?:script|footnote|normal)size|small|[lL]arge|LARGE|[hH]uge|nonumber|(?:math)?strut"
    r"|ensuremath|smash|hfill|hfil|centering|num"
)
_CLEANING = [
    rule("\\\\\\", r"\\\\(?=\\)", r"\\\\ "),  # so that no macro seems to be half of a row break
    rule("boxed", _NOT + r"boxed\s*(?=\{)"),
    rule("\\left \\right", _NOT + r"(?:left|right)\s*\."),
    rule(
        "color",
        _NOT
        + r"(?:text|color)?(?:color|box)\s*(?:\[\w*\])?\s*\{[^{}]*\}(?=\s*[^\s])|"
        + _NOT
        + r"color\s*(?:red|blue|green)\b",
    ),
    rule("\\", _NOT + rf"(?:{_STYLES})(?![A-Za-z])"),
    rule(
        "\\hphantom \\vphantom \\phantom \\tag \\label",
        _NOT + r"(?:[hv]?phantom|tag\*?|label)\s*\{(?:[^{}]|\{[^{}]*\})*\}",
    ),
    rule("\\!", r"(?<=\d)\s*,\s*\\!\s*(?=\d)", ","),
    rule("{", r"(?<![A-Za-z])\{\s*([,:.])\s*\}", r"\1"),
    rule("\\hspace \\vspace \\mspace \\kern", _NOT + r"[hvm]space\*?\s*\{[^{}]*\}"),
    rule("\\cr", _NOT + r"cr(?![A-Za-z])", r"\\\\"),
    rule("\\\\", r"\\\\\s*\[[^\[\]]*\]", r"\\\\"),
    rule("\\hline", _NOT + r"hline(?![A-Za-z])"),
    rule("\\( \\) \\[ \\] \\!", _NOT + r"[()\[\]!]"),
    rule(
        "\\, \\; \\: \\  \\quad \\qquad \\enspace \\thinspace ~ \\space",
        _NOT + r"(?:[,;:>/]|q?quad(?![A-Za-z])|(?:en|thin|thick|med)?space(?![A-Za-z]))|~",
        " ",
    ),
    rule("\\", r"(?<!\\)\\(?=\s|$)", " "),
    rule("frac", _NOT + r"(?:[dtcsx]|nice|flat)frac(?![A-Za-z])", r"\\frac"),
    rule("binom", _NOT + r"[dt]binom(?![A-Za-z])", r"\\binom"),
    rule("choose", r"\{([^{}]*)\\choose(?![A-Za-z])([^{}]*)\}", r"\\binom{\1}{\2}"),
    rule(
        "C_ C^",
        r"(?:\{\s*\})?\s*[_^]\s*(?:\{\s*(\w+)\s*\}|(\w))\s*C\s*_\s*(?:\{\s*(\w+)\s*\}|(\w))",
        r"\\binom{\1\2}{\3\4}",
    ),
    rule(
        "over",
        r"\{([^{}]*(?:\{[^{}]*\}[^{}]*)*)\\over(?![A-Za-z])"
        r"([^{}]*(?:\{[^{}]*\}[^{}]*)*)\}",
        r"\\frac{\1}{\2}",
    ),
    rule("\\", _NOT + r"([A-Za-z]+)(?![A-Za-z])", _synonym),
    rule(
        "operatorname mathrm text",
        _NOT + rf"(?:operatorname\*?|mathrm|text)\s*\{{\s*({_FUNCTIONS})\s*\}}",
        r"\\\1 ",
    ),
    rule("operatorname", _NOT + r"operatorname\*?\s*\{\s*(max|min|sec)\s*\}", r"\\\1 "),
    rule("\\math", _NOT + r"math(?:rm|it|bf|sf)\s*\{\s*([eijd])\s*\}", r"{\1}"),
    rule("_", r"(?<![A-Za-z0-9.\\])[({]\s*(-?[0-9A-F]*[0-9][0-9A-F]*)\s*[)}]\s*_", r"\1_"),
    rule("\\{", r"\\\{\s*\\\}", r"\\emptyset "),
    rule(
        "\\R mathbb",
        r"\\(?:R(?![A-Za-z])|mathbb\s*R(?![A-Za-z])|mathbf\s*\{R\}|Reals)",
        r"\\mathbb{R}",
    ),
    rule("'", r"(?<=\d)'(?=\d{3}(?!\d))"),
    rule("'", r"\^\s*(?:\{\s*('+)\s*\}|('))", r"\1\2"),
    rule(
        "\\text",
        r"\\text(?:normal|sf|tt|sc|up|md)?\s*(?=\{)",
        r"\\text",
    ),
    rule(
        "{st {nd {rd {th",
        r"(?<=\d)\s*\^?\s*\{?\\(?:text|mathrm)\s*\{\s*(?:st|nd|rd|th)\s*\}\}?",
        r"\\text{th}",
    ),
    rule("\\text", r"^\s*\\text\s*\{\s*(?!not\b|no\b)[a-z]+\s*\}\s*(?=\([^()]*,)"),
    rule("\\text", r"\\text\s*\{\s*\}", " "),
    rule("\\text", r"\\text\s*\{\s*([:,.%]|\\%)\s*\}", r"\1"),
    rule("to", r"(?<=\d)\s*(?:\\text\s*\{\s*to\s*\}|\bto\b)\s*(?=\d)", ":"),
    rule("base", r"(?<=\d)\s*(?:\\text\s*\{\s*\(?base[ -]*(\w*)\)?\s*\}|base)\s*(\d*)", r"_{\1\2}"),
    rule("a.m p.m", r"\b([ap])\.\s*m\b\.?", r"\1m"),
    rule("cup cap", r"\\big(cup|cap)(?![A-Za-z])", r"\\\1"),
    rule("\\\\", r"(?:\\\\\s*)+$"),
    # Text behind a number is read as its unit, which a second number must not pass for.
    rule("\\text", _NOT + r"text\s*\{([^{}0-9]*[0-9][^{}]*)\}", r" \1 "),
]
_SPACE = re.compile(r"\s+")
_DELIMITER = re.compile(r"(?<!\\)\$")
_LEADING = re.compile(
    r"\s*(?:\\(?:text|mathrm|textbf)\s*\{[^{}]*(?:\banswer(?: is)?|\bis|:)\s*\}|\\therefore"
    r"|\\approx|\\implies|\\Rightarrow|\\sim|\\to(?![A-Za-z]))\s*(?=[^\s=.,])(?!:)"
)
_OUTER_MACRO = re.compile(
    r"(?:\\(?:text(?:bf|it|rm|sf|tt)?|math(?:rm|bf|it|sf|tt|normal)|[fm]?box|framebox|emph|underline))?\s*\{"
)


def clean(text: str) -> str:
    r"""Return LaTeX without what never changes its meaning.

    That is delimiters, `\left` and `\right`, sizes, colours, kinds of space, `\dfrac` for `\frac`,
    words in front of the answer, and one full stop at the end. Unicode signs and plain notation
    become macros.
    """
    text = to_latex(text)
    text = rewrite(text, _CLEANING)
    if "$" in text:
        text = _without_delimiters(text)
    text = _SPACE.sub(" ", text).strip().rstrip(" .,;")
    while (inner := _inner_group(text)) is not None:
        text = inner.strip().rstrip(" .,;")
    if leading := _LEADING.match(text):
        text = text[leading.end() :]
    return _without_rounding(text) if "\\approx" in text else text


def _without_rounding(text: str) -> str:
    r"""Return the exact value in front of `\approx`; a label in front of it is one all the same."""
    exact, _, rounded = text.partition("\\approx")
    is_value = re.search(r"\d|\\pi|\\sqrt", exact) is not None
    return exact.strip() if is_value else f"{exact}={rounded}"


def _inner_group(text: str) -> str | None:
    """Return what is inside a group that is the whole text, unless a macro makes it words."""
    opened = _OUTER_MACRO.match(text)
    if opened is None or not text.endswith("}"):
        return None
    inner = text[opened.end() : -1]
    depth = 0
    for brace in _BRACE.finditer(inner):
        depth += {"{": 1, "}": -1}.get(brace[0], 0)
        if depth < 0:
            return None
    is_plain = text.startswith("{") or "\\" in inner
    return inner if depth == 0 and not inner.endswith("\\") and is_plain else None


_BRACE = re.compile(r"\\[{}]|[{}]")


def _without_delimiters(text: str) -> str:
    """Take away dollar signs; a lone one in front of a number is money."""
    if len(_DELIMITER.findall(text)) == 1:
        text = re.sub(r"^(\s*-?\s*)\$(?=\s*[\d.])", r"\1\\$", text)
    return _DELIMITER.sub("", text)


_WRAPPER = re.compile(
    r"(?<!\\)\\(?:text(?:bf|it|rm|sl)?|math(?:rm|bf|it|sf|tt|normal)|[fmh]?box|framebox|emph"
    r"|underline|operatorname)"
    r"\s*\{([^{}]*)\}"
)
_LONE_TOKEN = re.compile(r"\{([A-Za-z0-9])\}")
_IDLE_SPACE = re.compile(r"(?<![A-Za-z0-9])\s+|\s+(?![A-Za-z0-9])")
_BRACKETED_LETTER = re.compile(r"[(\[]([A-Za-z])[)\]]|([A-Za-z])[)\]:,]")
# "(A) 42" and "B. Paris", not "(A) or (B)" and not the product "(A) + B"
_LETTERED = re.compile(
    r"(?:option|choice|answer)?\s*(?:\(([A-Z])\)|([A-Z])[).:]|(?<=\w )([A-Z])$)"
    r"(?:\s*(?!(?:or|and|not)\b)[\w\\-](?:(?!\([A-Z]\)|\s(?:or|and)\s).)*)?",
    re.IGNORECASE | re.DOTALL,
)
_WORDS = re.compile(r"[A-Za-z ]+")


def unwrapped(text: str) -> str:
    r"""Return a cleaned text without `\text{...}` and its kind around words."""
    while "\\" in text and _WRAPPER.search(text):
        text = _WRAPPER.sub(r"\1", text)
    return text


def written_form(cleaned: str) -> str:
    """Return the form in which two cleaned answers that are written the same way agree."""
    text = unwrapped(cleaned).replace("\\%", "%").strip("\"'`").removesuffix(".")
    text = _IDLE_SPACE.sub("", _LONE_TOKEN.sub(r"\1", text))
    bracketed = _BRACKETED_LETTER.fullmatch(text)
    text = (bracketed[1] or bracketed[2]) if bracketed else text
    return text.casefold() if _WORDS.fullmatch(text) else text


def letter_of(cleaned: str) -> str | None:
    """Return the letter of a choice that is written with its content, in lower case."""
    choice = _LETTERED.fullmatch(unwrapped(cleaned).strip())
    return next(filter(None, choice.groups())).casefold() if choice else None


def same_text(first: str, second: str) -> bool:
    """Return whether two answers are written the same way, up to style and spacing.

    Note: Upper and lower case differ, except in answers that are words or a single letter.
        Texts longer than MAX_CHARS must be equal character by character.
    """
    if max(len(first), len(second)) > MAX_CHARS:
        return first.strip() == second.strip()
    cleaned = clean(first), clean(second)
    return same_form(*cleaned, *map(written_form, cleaned))


def same_form(first: str, second: str, form: str, other: str) -> bool:
    """Return whether two cleaned answers have one form, or one is the letter of the other."""
    if form == other:
        return True
    return (len(form) == 1 and letter_of(second) == form.casefold()) or (
        len(other) == 1 and letter_of(first) == other.casefold()
    )
