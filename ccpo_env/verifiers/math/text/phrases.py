r"""Read answers in words: no solution, all real numbers except 0, n is prime.

A phrase that names a set of numbers is rewritten as LaTeX; properties are compared by meaning.
"""

from __future__ import annotations

import re

EMPTY = r"\emptyset"
MAX_PHRASE = 200
"""Longest phrase that is read, in characters."""

_FLAGS = re.IGNORECASE | re.ASCII
_FILLER = (
    r"(?:(?:there|so|hence|thus|therefore|the|this|that|given|equations?|systems?|inequality|it|we|"
    r"they|has|have|is|are|exists?|admits?|such that)[\s,]+)*"
)
_KIND = r"(?:real(?:-valued)?|such|valid|possible|feasible|admissible|suitable|finite)"
_NARROW = (
    r"(?:(?:non-?)?(?:positive|negative|trivial|zero)|integer|integral|natural|rational|prime"
    r"|complex)"
)
_NO_SOLUTION = re.compile(
    rf"{_FILLER}(?:no|not any|not have any)\s+(?P<kinds>(?:(?:{_KIND}|{_NARROW}|and)\s+)*)"
    r"(?:solutions?|roots?|answers?|values?|zeros?|numbers?|integers?|functions?|pairs?|triples?|"
    r"polynomials?|points?|primes?|(?<=such )[a-z]+)"
    r"(?:\s+(?:of|for|to|in|exists?|works?|satisf(?:y|ies)|the|[a-z]|equation|system|inequality|problem|reals?|numbers?))*"
    r"\s*(?:\(?\\emptyset\s*\)?)?",
    _FLAGS,
)
_IS_KIND = re.compile(rf"real|{_NARROW}")
_NO_KIND = re.compile(r"no (?P<kind>[a-z -]+) solution")
_INFINITE = r"\text{infinitely many}"
_MISSING = r"\text{does not exist}"
_MEANINGS = {
    **dict.fromkeys(
        (
            "none",
            "inconsistent",
            "system is inconsistent",
            "ø",
            "empty",
            "empty set",
            "null set",
            "void set",
            "none exist",
            "solution set is empty",
        ),
        EMPTY,
    ),
    **dict.fromkeys(
        (
            "infinitely many",
            "infinitely many solutions",
            "infinite solutions",
            "infinite number of solutions",
            "infinite number",
        ),
        _INFINITE,
    ),
    **dict.fromkeys(
        (
            "dne",
            "doesn't exist",
            "do not exist",
            "not exist",
            "limit does not exist",
            "limit doesn't exist",
            "nonexistent",
        ),
        _MISSING,
    ),
    **dict.fromkeys(("not defined", "is undefined", "is not defined"), r"\text{undefined}"),
    **dict.fromkeys(
        (
            "无解",
            "没有解",
            "无实数解",
            "无实根",
            "空集",
            "解なし",
            "keine lösung",
            "keine lösungen",
            "pas de solution",
            "aucune solution",
            "нет решений",
            "sin solución",
            "no hay solución",
            "nessuna soluzione",
            "sem solução",
        ),
        EMPTY,
    ),
}
_ARTICLE = re.compile(r"(?:the|an?|there (?:are|is)|it has|has|have)\s+", _FLAGS)

_REALS = re.compile(
    r"(?:[a-z]\s+(?:is|are|can be|may be|in)\s+)?(?P<every>(?:(?:for|the|set|of|all|any|every|each|"
    r"an?|entire)\s+)*)(?P<sign>(?:positive|negative|non-?negative|non-?positive|non-?zero)\s+)?"
    r"(?P<noun>reals?(?:\s+(?:numbers?|values?|line))?|numbers?|values?|\\mathbb\s*\{R\}|(?=[a-z]\b))"
    r"(?:\s*(?:of\s+)?[a-z]\b)?(?P<tail>.*)",
    _FLAGS | re.DOTALL,
)
_INTEGERS = {
    "\\mathbb{z}": frozenset({"integer"}),
    **dict.fromkeys(
        ("\\mathbb{n}", "\\mathbb{z}^+", "\\mathbb{z}_+", "\\mathbb{z}_>0", "\\mathbb{n}^*"),
        frozenset({"integer", "positive"}),
    ),
}
_MEMBER = re.compile(r"(?:(?P<name>[a-z])\s*\\in\s*)?(?P<set>\\mathbb.*)", _FLAGS)
_SIGNED = {
    "": r"\mathbb{R}",
    "positive": r"(0,\infty)",
    "negative": r"(-\infty,0)",
    "nonnegative": r"[0,\infty)",
    "nonpositive": r"(-\infty,0]",
    "nonzero": r"\mathbb{R}\setminus\{0\}",
}
_EXCEPT = re.compile(
    r"[\s,(]*(?:except(?:\s+(?:for|when|at|where))?|other than|excluding|but not|but|besides|"
    r"apart from|(?:(?:that|which)\s+(?:is|are)\s+)?(?:not equal to|different from)|without|"
    r"(?:such that|with|where|and)?\s*(?:[a-z]\s*)?\\neq?)(?![A-Za-z])\s*(?P<points>.+?)\s*\)?",
    _FLAGS,
)
_BOUND = re.compile(
    r"[\s,]*(?:(?:that|which)\s+(?:is|are)\s+)?(?P<bound>(?:strictly\s+)?(?:greater|more|larger|less|"
    r"smaller)\s+than(?P<equal>\s+or\s+equal\s+to)?|at least|at most)\s*(?P<end>[^,]+)",
    _FLAGS,
)
_BETWEEN = re.compile(
    r"[\s,]*(?:strictly\s+)?(?:between|from)\s+(?P<low>.+?)\s+(?:and|to)\s+(?P<high>.+?)"
    r"(?:[\s,(]+(?P<ends>inclusive|exclusive)\)?)?",
    _FLAGS,
)
_RULE = re.compile(
    r"[\s,(]*(?:such that|with|where|satisfying|for which)?\s*"
    r"(?P<rule>(?:[a-z]\s*)?(?:<|>|\\leq?|\\geq?)(?![A-Za-z]).+?)\)?",
    _FLAGS,
)
_INTEGERS_WITH = re.compile(
    r"(?:for\s+)?(?:all|any|every)\s+(?:positive\s+|natural\s+)?(?:integers?|numbers?)\s+"
    r"(?:[kmnp]\s+)?(?:with\s+|such that\s+|where\s+)?"
    r"(?P<rule>[kmnp]\s*(?:<|>|\\[lg]eq?)(?![A-Za-z]).+)",
    _FLAGS,
)
_SPELLED = re.compile(r"\b(?:zero|one|two|three)\b", _FLAGS)
_DIGITS = {"zero": "0", "one": "1", "two": "2", "three": "3"}
_JOINT = re.compile(r"\s*(?:,\s*(?:and|or)\b|,|\band\b|\bor\b)\s*", _FLAGS)
_NAME = re.compile(r"[a-z]\s*=\s*", _FLAGS)

_ADJECTIVE = (
    r"(?:positive|negative|non-?negative|odd|even|primes?|composite|natural|whole|rational|irrational|"
    r"perfect squares?|perfect cubes?|multiples? of \d+|divisible by \d+|powers? of \d+)"
)
_PROPERTY = re.compile(
    r"(?:(?:if|when|whenever|iff|if and only if|for)\s+)?"
    r"(?:(?P<name>[a-z])\s+(?:is|are|must be|has to be)\s+)?"
    r"(?:(?:all|any|every|each|the|set|of|an?)\s+)*"
    rf"(?P<adjectives>{_ADJECTIVE}(?:(?:\s+|\s*,\s*)(?:and\s+)?{_ADJECTIVE})*)"
    r"(?:\s+(?P<noun>integers?|numbers?|values?))?(?:\s+(?:of\s+)?(?P<last>[a-z]))?"
    r"|(?:all\s+)?(?P<only>integers?)(?:\s+(?P<also>[a-z]))?"
    rf"|(?P<first>[a-z])\s+(?P<plain>{_ADJECTIVE})",
    _FLAGS,
)
_PLURAL = re.compile(r"(?<=prime)s|(?<=square)s|(?<=cube)s|(?<=multiple)s|(?<=power)s|-")


def phrase_as_latex(plain: str) -> str | None:
    r"""Return LaTeX with the meaning of a phrase, or None if it is not a known phrase.

    Args:
        plain: A text without macros around words: `all real numbers except 0`.
    """
    plain = " ".join(plain.split()).rstrip(".!")
    if len(plain) > MAX_PHRASE:
        return None
    lower = plain.casefold()
    meaning = _MEANINGS.get(lower) or _MEANINGS.get(_ARTICLE.sub("", lower, count=1))
    if meaning:
        return meaning
    if none := _NO_SOLUTION.fullmatch(plain):
        kinds = [kind for kind in none["kinds"].casefold().split() if _IS_KIND.fullmatch(kind)]
        return rf"\text{{no {' '.join(kinds)} solution}}" if kinds else EMPTY
    if integers := _INTEGERS_WITH.fullmatch(plain):
        return integers["rule"]
    reals = _REALS.fullmatch(plain)
    return _real_numbers(reals) if reals else None


def _real_numbers(reals: re.Match[str]) -> str | None:
    noun, every = reals["noun"].casefold(), reals["every"]
    is_named = noun.startswith(("real", "\\"))
    if not is_named and not re.search("all|any|every|each", every, re.IGNORECASE):
        return None
    sign = (reals["sign"] or "").casefold().strip().replace("-", "")
    tail = _SPELLED.sub(lambda word: _DIGITS[word[0].casefold()], reals["tail"]).strip()
    if not tail:
        return _SIGNED[sign] if is_named or sign else None
    if removed := _EXCEPT.fullmatch(tail):
        points = [_NAME.sub("", point) for point in _JOINT.split(_members(removed["points"]))]
        points = [part for point in points for part in _signed(point)]
        base = _SIGNED[sign]
        return rf"{base} \setminus \{{{','.join(points)}\}}" if all(points) else None
    if sign:
        return None
    if bound := _BOUND.fullmatch(tail):
        return _half_line(bound)
    if between := _BETWEEN.fullmatch(tail):
        ends = (between["ends"] or "").casefold()
        is_open = ends == "exclusive" or "strictly" in tail.casefold()
        if not ends and not is_open:
            return None
        low, high = between["low"], between["high"]
        return f"({low},{high})" if is_open else f"[{low},{high}]"
    rule = _RULE.fullmatch(tail)
    if rule is None:
        return None
    return rule["rule"] if rule["rule"][0].isalpha() else f"x {rule['rule']}"


def _members(text: str) -> str:
    """Return the text between the braces of a set; another text as it is."""
    return text.strip().removeprefix("\\{").removesuffix("\\}").strip()


def _signed(point: str) -> tuple[str, ...]:
    """Return a point, or the two that a sign of plus or minus stands for."""
    size = point.removeprefix("\\pm").strip()
    return (size, f"-{size}") if point.startswith("\\pm") else (point,)


def _half_line(bound: re.Match[str]) -> str:
    words, end = bound["bound"].casefold(), bound["end"].strip()
    is_closed = bound["equal"] is not None or words.startswith("at ")
    if any(word in words for word in ("greater", "more", "larger", "least")):
        return f"{'[' if is_closed else '('}{end},\\infty)"
    return f"(-\\infty,{end}{']' if is_closed else ')'}"


def is_empty(answer: str, gold: str) -> bool:
    """Return whether one of two phrases is the empty set and the other one says the same.

    "No solution" answers "no integer solutions", not the reverse; all solutions are real.
    """
    if EMPTY not in (answer, gold):
        return False
    none = _NO_KIND.fullmatch(gold if answer == EMPTY else answer)
    return none is not None and (answer == EMPTY or none["kind"] == "real")


def same_property(first: str, second: str) -> bool | None:
    """Return whether two phrases name one property of integers, or None if one names none.

    The variable may be omitted: "n is prime", "all primes", "prime numbers".
    """
    a, b = _property(first), _property(second)
    if a is None or b is None:
        return None
    return a[0] == b[0] and (a[1] == b[1] or not a[1] or not b[1])


def _property(text: str) -> tuple[frozenset[str], str] | None:
    if len(text) > MAX_PHRASE:
        return None
    if member := _MEMBER.fullmatch(text.strip()):
        sort = _INTEGERS.get(re.sub(r"[{ ]*([+*]|>0)[} ]*$", r"\1", member["set"]).replace(" ", ""))
        return None if sort is None else (sort, member["name"] or "")
    match = _PROPERTY.fullmatch(text.strip())
    if match is None:
        return None
    name = match["name"] or match["last"] or match["also"] or match["first"] or ""
    if only := match["only"]:
        return frozenset({only.casefold().removesuffix("s")}), name
    words = _PLURAL.sub("", (match["adjectives"] or match["plain"]).casefold())
    words = words.replace("divisible by", "multiple of").replace("natural", "positive")
    found = re.findall(_ADJECTIVE, words)
    # a positive number need not be an integer; an even, odd or prime one is
    are_integers = not {"positive", "negative", "nonnegative"}.issuperset(found)
    noun = (match["noun"] or "").casefold()
    is_counted = noun.startswith("integer") or "natural" in text.casefold()
    is_integer = "integer" if not are_integers and is_counted else ""
    return frozenset({*found, is_integer} - {""}), name
