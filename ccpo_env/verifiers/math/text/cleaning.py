"""Rewriting rules that remove LaTeX without mathematical meaning."""

from __future__ import annotations

import re

from ccpo_env.verifiers.math.text.rules import Rules, rule
from ccpo_env.verifiers.math.text.unit_names import LETTER_UNITS, NUMBER

_NOT = r"(?<!\\)\\"  # a backslash that is not the second half of a row break
_FUNCTIONS = (
    "arcsin arccos arctan arccot arsinh arcosh artanh sinh cosh tanh coth "
    "sin cos tan cot csc log ln exp cis gcd lcm"
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
    "arccosh": "operatorname{arcosh}",
    "arctanh": "operatorname{artanh}",
    "lg": "log_{10}",
}
_PLAIN_SYNONYMS = {
    "lvert": "|",
    "rvert": "|",
    "vert": "|",
    "lVert": "\\|",
    "rVert": "\\|",
    "Vert": "\\|",
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


def _measured(quantity: re.Match[str]) -> str:
    r"""Return a quantity of the package siunitx: `\SI{5}{\meter\per\second}`."""
    unit = _SPLIT_PREFIX.sub(r"\1", re.sub(r"\\([A-Za-z]+)", r" \1 ", quantity[2]))
    return f"{quantity[1]}\\text{{ {unit}}}"


_SPLIT_PREFIX = re.compile(r"\b(kilo|mega|centi|milli|micro|nano)\s+(?=[a-z])")
_STYLES = (
    r"m?left|m?right|middle|[bB]igg?[lrm]?|(?:display|text|script|scriptscript)style|(?:no)?limits"
    r"|boldsymbol|boldmath|bm|pmb|rm|bf|it|sf|tt|sc|(?:bf|md|rm|sf|tt)(?:series|family)|itshape|em"
    r"|tiny|(?:script|footnote|normal)size|small|[lL]arge|LARGE|[hH]uge|nonumber|(?:math)?strut"
    r"|ensuremath|smash|hfill|hfil|centering|num"
)
_PARTS_OF_REALS = {
    **dict.fromkeys(("+", ">0"), r"(0,\infty)"),
    **dict.fromkeys(("-", "<0"), r"(-\infty,0)"),
    **dict.fromkeys(("*", r"\neq0"), r"\mathbb{R}\setminus\{0\}"),
    r"\geq0": r"[0,\infty)",
    r"\leq0": r"(-\infty,0]",
}
CLEANING = Rules(
    rule(
        "\\begin",
        r"(?s)^\s*\\begin\s*\{(align|gather|equation|split|math)((?:ed|at)?)\*?\}"
        r"((?:(?!\\begin).)*)\\end\s*\{\1\2\*?\}\s*$",
        lambda environment: environment[3].replace("&", " "),
    ),
    rule("\\\\\\", r"\\\\(?=\\)", r"\\\\ "),  # so that no macro looks like half of a row break
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
    rule("\\cr \\newline", _NOT + r"(?:cr|newline)(?![A-Za-z])", r"\\\\"),
    rule("\\\\", r"\\\\\s*\[[^\[\]]*\]", r"\\\\"),
    rule("\\hline", _NOT + r"hline(?![A-Za-z])"),
    rule("\\( \\) \\[ \\] \\!", _NOT + r"[()\[\]!]"),
    rule(  # two equations side by side
        "=",
        rf"(=(?:(?!\\text|\\q?quad|\b(?:and|or)\b)[^=,;])*?[^=,;\s&\\])"
        rf"\s*(?:(?:{_NOT}(?:q?quad|[,;: ])|~)\s*)+(?=[A-Za-z](?:_\w)?\s*=)",
        r"\1, ",
    ),
    rule("=", r"(=\s*-?[\d./]+)\s+(?=[A-Za-z]\s*=)", r"\1, "),
    # a letter set apart from the number before it is a unit
    rule(
        "\\, \\; \\: \\  \\quad ~",
        rf"^(\s*\$?{NUMBER})(?:{_NOT}(?:[,;: ]|q?quad)|~)+\s*({LETTER_UNITS})(?=\s*\$?\s*\.?$)",
        r"\1\\text{ \2}",
    ),
    rule(
        "\\SI \\qty", _NOT + r"(?:SI|qty)\s*\{([^{}]*)\}\s*\{((?:[^{}]|\{[^{}]*\})*)\}", _measured
    ),
    rule(
        "\\, \\; \\: \\  \\quad \\qquad \\enspace \\thinspace ~ \\space",
        _NOT + r"(?:[,;:>/]|q?quad(?![A-Za-z])|(?:en|thin|thick|med)?space(?![A-Za-z]))|~",
        " ",
    ),
    rule("\\", r"(?<!\\)\\(?=\s|$)", " "),
    rule("\\not", _NOT + r"not\s*(?:=|\{\s*=\s*\})", r"\\neq "),
    rule("frac", _NOT + r"(?:[dtcsx]|nice|flat)frac(?![A-Za-z])", r"\\frac"),
    rule("binom", _NOT + r"[dt]binom(?![A-Za-z])", r"\\binom"),
    rule("choose", r"\{([^{}]*)\\choose(?![A-Za-z])([^{}]*)\}", r"\\binom{\1}{\2}"),
    rule(
        "C_ C^",
        r"(?:\{\s*\}\s*|(?<![\w)}])(?<![\w)}] ))[_^]\s*(?:\{\s*(\w+)\s*\}|(\w))"
        r"\s*C\s*_\s*(?:\{\s*(\w+)\s*\}|(\w))",
        r"\\binom{\1\2}{\3\4}",
    ),
    rule(
        "over",
        r"\{([^{}]*(?:\{[^{}]*\}[^{}]*)*)\\over(?![A-Za-z])"
        r"([^{}]*(?:\{[^{}]*\}[^{}]*)*)\}",
        r"\\frac{\1}{\2}",
    ),
    rule("over", r"^\s*(-?)\s*(\d+)\s*\\over(?![A-Za-z])\s*(\d+)\s*$", r"\1\\frac{\2}{\3}"),
    rule("\\", _NOT + r"([A-Za-z]+)(?![A-Za-z])", _synonym),
    rule(
        "operatorname mathrm text",
        _NOT + r"(?:operatorname\*?|mathrm|text)\s*\{\s*a(?:r|rc|rg)(sin|cos|tan)h\s*\}",
        r"\\ar\1h ",
    ),
    rule(
        "operatorname mathrm text",
        _NOT + rf"(?:operatorname\*?|mathrm|text)\s*\{{\s*({_FUNCTIONS})\s*\}}",
        r"\\\1 ",
    ),
    rule(
        "mod",
        _NOT + r"(?:(?:operatorname|mathrm|text|mbox)\s*\{\s*mod\s*\}|mod(?![A-Za-z]))",
        r"\\bmod ",
    ),
    rule("operatorname", _NOT + r"operatorname\*?\s*\{\s*(max|min|sec)\s*\}", r"\\\1 "),
    rule("\\math", _NOT + r"math(?:rm|it|bf|sf)\s*\{\s*([eijd])\s*\}", r"{\1}"),
    rule("_", r"(?<![A-Za-z0-9.\\])[({]\s*(-?[0-9A-F]*[0-9][0-9A-F]*)\s*[)}]\s*_", r"\1_"),
    rule("\\{", r"\\\{\s*\\\}", r"\\emptyset "),
    rule(  # {1,2} \cup {3}
        "\\cup \\cap",
        r"(?:(?<=^)|(?<=p )|(?<=p))\{([^{}\\]*)\}(?=\s*(?:\\c[ua]p|$))",
        r"\\{\1\\}",
    ),
    rule(
        "\\R mathbb",
        r"\\(?:R(?![A-Za-z])|mathbb\s*R(?![A-Za-z])|mathbf\s*\{R\}|Reals)",
        r"\\mathbb{R}",
    ),
    rule("\\mathbb", r"\\mathbb\s*([A-Z])(?![A-Za-z])", r"\\mathbb{\1}"),
    rule(
        "\\mathbb{R}",
        r"\\mathbb\{R\}\s*[_^]\s*(?:\{\s*([-+*]|(?:>|<|\\(?:n|[lg])eq)\s*0)\s*\}|([-+*]))",
        lambda part: _PARTS_OF_REALS[(part[1] or part[2]).replace(" ", "")],
    ),
    rule("'", r"(?<=\d)'(?=\d{3}(?!\d))"),
    rule("'", r"\^\s*(?:\{\s*('+)\s*\}|('))", r"\1\2"),
    rule(
        "\\text",
        r"\\text(?:normal|sf|tt|sc|up|md)?\s*(?=\{)",
        r"\\text",
    ),
    rule(
        "{st {nd {rd {th ^st ^nd ^rd ^th",
        r"(?<=\d)\s*(?:\^?\s*\{?\\(?:text|mathrm)\s*\{\s*(?:st|nd|rd|th)\s*\}\}?"
        r"|\^\s*\{?\s*(?:st|nd|rd|th)(?![A-Za-z])\s*\}?)",
        r"\\text{th}",
    ),
    rule(
        "and or",
        _NOT + r"(?:text(?:rm|bf|it)|mathrm|[mh]box)\s*\{(\s*,?\s*(?:and|or)\s*)\}",
        r"\\text{\1}",
    ),
    rule("\\text", r"^\s*\\text\s*\{\s*(?!not\b|no\b)[a-z]+\s*\}\s*(?=\([^()]*,)"),
    rule(
        "onst",
        r"(?<=[+-])\s*(?:\\(?:text|mathrm)\s*\{\s*)?[Cc]onst(?:ant|\.)?(?![A-Za-z])\s*\}?\.?",
        " C",
    ),
    rule(
        "\\text",
        r"(?<=[\w)}\]])\s*\\text\s*\{\s*(?:is|equals|is equal to)\s*\}\s*(?=[-+\d.(\[]|\\(?!text))",
        "=",
    ),
    rule("\\text", r"\\text\s*\{\s*\}", " "),
    rule("\\text", r"\\text\s*\{\s*([:,.%]|\\%)\s*\}", r"\1"),
    rule("to", r"(?<=\d)\s*(?:\\text\s*\{\s*to\s*\}|\bto\b)\s*(?=\d)", ":"),
    rule("base", r"(?<=\d)\s*(?:\\text\s*\{\s*\(?base[ -]*(\w*)\)?\s*\}|base)\s*(\d*)", r"_{\1\2}"),
    rule(
        "base",
        r"_\s*\{\s*\\text\s*\{\s*base\s*(?:\}\s*(\d+)\s*|(\d+)\s*\}\s*)\}",
        r"_{\1\2}",
    ),
    rule("a.m p.m", r"\b([ap])\.\s*m\b\.?", r"\1m"),
    rule("cup cap", r"\\big(cup|cap)(?![A-Za-z])", r"\\\1"),
    rule("\\\\", r"(?:\\\\\s*)+$"),
    rule(  # 9 (\text{cm}), 9 \text{(apples)}
        "\\text",
        r"(?<=[\d}])\s*(?:\(\s*\\text\s*\{|\\text\s*\{\s*\()\s*"
        r"(?!(?:mod|base|or|and|not|approx)\b)([A-Za-z][A-Za-z ]+)(?:\}\s*\)|\)\s*\})\s*$",
        r"\\text{ \1}",
    ),
    # Text after a number is read as its unit; a second number must not be mistaken for one.
    rule("\\text", _NOT + r"text\s*\{([^{}0-9]*[0-9][^{}]*)\}", r" \1 "),
)
"""Rules for `rules.rewrite`, in order: later rules rely on earlier ones."""
