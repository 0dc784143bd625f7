"""Each rule of the typed comparison: what is equal by it, and the near miss that stays wrong."""

from __future__ import annotations

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ccpo_env.verifiers import extract_boxed, verify
from ccpo_env.verifiers.math import verifier as math_verifier
from ccpo_env.verifiers.math.compare.typed import same_typed
from ccpo_env.verifiers.math.forms.reading import Reading
from ccpo_env.verifiers.math.forms.regions import read_region
from ccpo_env.verifiers.math.forms.units import NO_UNIT, split_unit
from ccpo_env.verifiers.math.syntax.expression import parse_expression
from ccpo_env.verifiers.math.text.notation import to_latex

MATRIX = r"\begin{{pmatrix}} a & b \\ c & {} \end{{pmatrix}}"
# rule: an answer and a gold answer that are equal, and an answer that is not
RULES = {
    "degrees": (r"150\text{ degrees}", r"150^\circ", r"150\text{ radians}"),
    "money": (r"3.60\text{ dollars}", r"\$3.60", r"3.60\text{ cents}"),
    "money signs": ("\u20ac5", "5 euros", r"\$5"),
    "time of day": (r"5\text{ a.m.}", "$5am$", r"5\text{ pm}"),
    "powers of units": (r"8\text{ square centimeters}", r"8\text{ cm}^2", r"8\text{ cm}^3"),
    "rates": (r"5\text{ m/s}", r"5\text{ meters per second}", r"5\text{ km/h}"),
    "more words": (r"7\text{ distinct integers}", r"7\text{ integers}", r"7\text{ cm}"),
    "no unit": ("7", r"7\text{ cm}", r"7\text{ or more}"),
    "scale": (r"5\text{ million}", "5000000", "5"),
    "percent": (r"\frac12\%", "0.005", "0.5"),
    "percent of a fraction": ("0.005", r"\frac12\%", r"\frac12"),
    "imaginary unit": (r"-3 + 8 \cdot i", "-3+8i", r"-3 - 8 \cdot i"),
    "engineer's imaginary unit": ("18+10j", "18+10i", "18+11j"),
    "square of i": ("i^2", "-1", "1"),
    "polar": (r"2e^{i\pi/3}", r"1+\sqrt{3}i", r"2e^{-i\pi/3}"),
    "python": ("4*pi*R**3/3", r"\frac43 \pi R^3", "4*pi*R**2/3"),
    "python roots": ("2*sqrt(3 + sqrt(5))", r"2\sqrt{3+\sqrt5}", "2*sqrt(3 + sqrt(6))"),
    "roman letters": (r"\frac{1}{\mathrm{e}}", "e^{-1}", "e"),
    "Unicode": ("3\u221a5 \u2212 \u00bd", r"3\sqrt{5}-\frac12", "3\u221a6 \u2212 \u00bd"),
    "superscripts": ("x\u00b9\u00b2", "x^{12}", "x\u00b9\u00b3"),
    "repeating decimals": (r"0.1\overline{6}", r"\frac16", "0.16"),
    "bases": ("(22)_{6}", "22_6", "(22)_{7}"),
    "choice": (r"\text{(A) }42", r"\text{(A)}", r"\text{(B) }42"),
    "choice of a lettered gold": ("B", "B. Paris", "C"),
    "one choice": ("A", r"\textbf{(A)}", "(A) or (B)"),
    "words": ("Softball, Tag", r"\text{Softball, Tag}", "Tag, Softball"),
    "powers of powers": ("2^{10^3}", "2^{1000}", "2^{1001}"),
    "exact numbers": ("1+2^{-200}", "2^{-200}+1", "1"),
    "odd roots": (r"\sqrt[3]{-8}", "-2", "2"),
    "functions": (r"\sin(2x)", r"2\sin x\cos x", r"\sin x\cos x"),
    "logarithms": (r"\log_2 8", "3", r"\log_3 8"),
    "capitals": ("3R^2", r"3 \cdot R^2", "3r^2"),
    "matrices of letters": (
        MATRIX.format("d"),
        MATRIX.format("d").replace("pm", "bm"),
        MATRIX.format("e"),
    ),
    "matrix sizes": (
        r"\left(\begin{array}{c}1\\2\\\end{array}\right)",
        r"\begin{pmatrix}1\\2\end{pmatrix}",
        r"\begin{pmatrix}1&2\end{pmatrix}",
    ),
    "lists": (r"5 \text{ or } 9", "9, 5", "5, 9, 1"),
    "plus or minus": ("-3, 3", r"\pm 3", "3"),
    "lists of tuples": ("(3,4), (1,2)", r"\{(1,2),(3,4)\}", "(4,3), (1,2)"),
    "tuples": ("(1/2, 2)", "(0.5, 2)", "(2, 0.5)"),
    "inequalities": (r"-2 \leq x < 3", "[-2, 3)", "-2 < x < 3"),
    "set builder": (r"\{x \mid x > 3\}", r"(3, \infty)", r"\{x \mid x < 3\}"),
    "all reals": (r"(-\infty, \infty)", r"\mathbb{R}", r"(0, \infty)"),
    "labels": (r"\text{Area} = 6\sqrt{2}", r"6\sqrt2", r"\text{Area} = 6\sqrt{3}"),
    "chains": ("x = 2+3 = 5", "5", "x = 2+3 = 6"),
    "order of a chain": ("x=2=y", "y=x=2", "x=3=y"),
    "equations": ("2y = 4x + 6", "y = 2x + 3", "2y = 4x + 3"),
    "right side": ("z = 1 - 2x", "2x + z = 1", "1"),
    "ratios": ("1{:}4", "1:4", "4:1"),
    "scaled ratios": ("2:8", "1:4", "2:9"),
    "ratios in words": (r"3\text{ to }5", "3:5", r"5\text{ to }3"),
    "times are no ratios": ("2:30", "2:30", "4:60"),
    "digit groups": (r"\frac{1,000}{3}", r"\frac{1000}{3}", r"\frac{1,00}{3}"),
    "groups with thin spaces": (r"11,\! 111,\! 111", "11111111", "11, 111, 111"),
    "mixed numbers": ("5 5/7", r"\frac{40}{7}", "5 7/5"),
    "number words": (r"\text{forty-two}", "42", r"\text{forty-three}"),
    "other fractions": (r"{3 \over 4}", r"\sfrac{3}{4}", r"{4 \over 3}"),
    "fraction slash": ("3\u20444", "0.75", "4\u20443"),
    "rounded sign": (r"\approx 8.24", "8.24", r"\approx 8.25"),
    "value before its rounding": (r"\frac23 \approx 0.67", r"\frac23", r"0.67 \approx \frac23"),
    "dotted decimals": (r"0.\dot{3}", r"\frac13", "0.3"),
    "trailing signs": ("2013,", "2013;", "2013, 1"),
    "money in words": (r"\text{Rs. } 500", "500", r"\text{Rs. } 5000"),
    "currencies": ("\u00a320", r"20\text{ pounds}", "\u20ac20"),
    "compound units": (
        r"60\ \frac{\text{km}}{\text{h}}",
        r"60\text{ km/h}",
        r"60\ \frac{\text{h}}{\text{km}}",
    ),
    "capital prefixes": (r"45\text{ mm}", r"45\text{ millimeters}", r"45\text{ Mm}"),
    "degrees in functions": (r"\sin 18^\circ", r"\frac{\sqrt5-1}{4}", r"\sin 18"),
    "inverse functions": (r"\tan^{-1}(1)", r"\frac{\pi}{4}", r"\frac{1}{\tan 1}"),
    "logarithms without a base": (r"\log 100", "2", r"\log_3 100"),
    "one logarithm": (r"\log x", r"\ln x", r"\log_2 x"),
    "factorials of letters": (r"(n+1)!", r"(n+1)\cdot n!", r"(n+2)\cdot n!"),
    "binomials": (r"{}_{10}C_3", r"\binom{10}{3}", r"{}_{10}C_4"),
    "binomials of letters": (r"\binom{n}{2}", r"\frac{n(n-1)}{2}", r"\frac{n(n+1)}{2}"),
    "double factorials": ("7!!", "105", "7!"),
    "absolute values": (r"|x-1|", "|1-x|", "x-1"),
    "floors": (r"\lfloor 7/2 \rfloor", "3", r"\lceil 7/2 \rceil"),
    "choices of numbers": (r"\gcd(12,18)", "6", r"\max(12,18)"),
    "sets of choices": (r"\min\{3,7\}", "3", r"\max\{3,7\}"),
    "cis": (
        r"64 \operatorname{cis} 120^\circ",
        r"-32+32i\sqrt3",
        r"64 \operatorname{cis} 60^\circ",
    ),
    "conjugates": (r"\overline{3+4i}", "3-4i", "3+4i"),
    "unknown functions": ("f(-x+4)", "f(4-x)", "f(x-4)"),
    "derivatives": (r"\frac{dx}{dt} = kx-a", r"kx-a=\frac{d x}{d t}", r"\frac{dy}{dt}=kx-a"),
    "derivatives for labels": (r"\frac{dy}{dx}=2x", "2x", r"\frac{dy}{dx}=3x"),
    "accents": (r"\vec{a}+\vec{b}", r"\vec b+\vec a", r"\vec{a}+b"),
    "bases in words": (r"33 \text{ base } 4", "33_4", r"33 \text{ base } 5"),
    "bases with letters": (r"1bf_{16}", "1BF_{16}", "1BE_{16}"),
    "absent base": ("20412", "20412_5", "20413"),
    "linked signs": (r"3 \mp 2\sqrt2", r"3 \pm 2\sqrt2", r"-3 \mp 2\sqrt2"),
    "free signs": (r"\pm 1 \pm \sqrt2", r"1+\sqrt2, 1-\sqrt2, -1+\sqrt2, -1-\sqrt2", r"\pm 1"),
    "unions of sets": (r"\{1,2\}\cup\{3\}", r"\{1,2,3\}", r"\{1,2\}\cup\{4\}"),
    "members of sets": (r"x \in \{5,-11\}", "-11, 5", r"x \in \{5,11\}"),
    "lettered lists": ("E, B", r"\text{B,E}", "A, B"),
    "dots": (r"1, 2, \ldots, n", r"1,2,\dots,n", "1, 2, n"),
    "labelled points": ("x=1, y=2", "(1,2)", "x=2, y=1"),
    "points with labels": ("x=1, y=2", "(x,y)=(1,2)", "y=1, x=2"),
    "named points": ("P(5,-5)", "(5,-5)", "P(-5,5)"),
    "vectors": (r"\langle 1,2\rangle", "(1,2)", r"\langle 2,1\rangle"),
    "columns": (r"\begin{pmatrix}1\\2\end{pmatrix}", "(1,2)", "[1,2]"),
    "factors of matrices": (
        r"\frac12\begin{pmatrix}2\\4\end{pmatrix}",
        r"\begin{bmatrix}1\\2\end{bmatrix}",
        r"\begin{pmatrix}2\\4\end{pmatrix}",
    ),
    "determinants": (
        r"\begin{vmatrix}1&2\\3&4\end{vmatrix}",
        r"\begin{vmatrix}1&2\\3&4\end{vmatrix}",
        r"\begin{pmatrix}1&2\\3&4\end{pmatrix}",
    ),
    "labelled matrices": (
        r"\mathbf{A}^{-1} = \begin{pmatrix}1\\2\end{pmatrix}",
        r"\begin{pmatrix}1\\2\end{pmatrix}",
        r"\mathbf{A}^{-1} = \begin{pmatrix}2\\1\end{pmatrix}",
    ),
    "touching intervals": (r"(0,1]\cup(1,2)", "(0,2)", r"(0,1)\cup(1,2)"),
    "excluded points": (r"x \neq 2", r"(-\infty,2)\cup(2,\infty)", r"x \neq 3"),
    "reals without points": (r"\mathbb{R}\setminus\{1,2\}", r"x \neq 1, 2", r"x \neq 1"),
    "alternatives": (r"x<-2 \text{ or } x>3", r"(-\infty,-2)\cup(3,\infty)", "x<-2"),
    "conditions": (r"x>1 \text{ and } x<3", "(1,3)", "(1,3]"),
    "bounded moduli": ("|x|<3", "(-3,3)", r"|x| \leq 3"),
    "symbolic ends": ("(a, b+1)", "a<x<1+b", "(a, b-1)"),
    "inequalities in two letters": ("x+y<3", "6>2x+2y", "x+y>3"),
    "solved equations": (r"r=4\sin\theta", r"r = 4\sin(\theta)", r"r=4\cos\theta"),
    "other letters": ("k=1", "k = 1", "m=1"),
    "bare right side": ("2x+z=1", "z=1-2x", "1"),
    "value of an equation": ("x=1", "1", "2x+z=1"),
    "equal values": (r"0.56 = 56\%", r"56\%", r"5.6 = 56\%"),
    "functions for labels": ("f(x)=2x+3", "y=2x+3", "f(x)=2x-3"),
    "congruences": (r"n\equiv 13 \pmod 9", r"n \equiv 4\ (\text{mod } 9)", r"n\equiv 4 \pmod 8"),
    "unfinished sums": (r"\sum_{k=1}^{4} k", "10", r"\sum_{k=1}^{5} k"),
    "unfinished integrals": (r"\int_0^1 x \, dx", r"\frac12", r"\int_0^2 x \, dx"),
    "empty sets": (r"\{\}", r"\emptyset", r"\{0\}"),
    "words for symbols": (r"\text{infinity}", r"\infty", r"-\infty"),
    "no limit": (r"\text{does not exist}", r"\text{DNE}", "0"),
    "options": (r"\text{Option D}", "D", r"\text{Option C}"),
    "contents of choices": (r"\text{B: the mitral valve}", "B", r"\text{A: the mitral valve}"),
    "quotes": ("\u201cAugust\u201d", r"\text{August}", r"\text{April}"),
    "ordinals": (r"4^{\text{th}}", "4", r"5^{\text{th}}"),
    "sizes of type": (r"{\Large 42}", r"\textcolor[rgb]{1,0,0}{42}", r"{\Large 43}"),
    "boxes in boxes": (r"\colorbox{yellow}{\framebox{42}}", r"\fbox{42}", r"\fbox{43}"),
    "invisible text": (r"\hphantom{1}42 \tag{1}", "42", "142"),
    "styled mathematics": (r"\mathbf{\frac{3}{7}}", r"\text{$\frac37$}", r"\mathbf{\frac{7}{3}}"),
    "markdown": ("**42**", "42", "**43**"),
}


@pytest.mark.usefixtures("patient_workers")
@pytest.mark.parametrize("rule", RULES)
def test_verify_follows_the_rule_and_refuses_its_near_miss(rule: str) -> None:
    answer, gold, near_miss = RULES[rule]
    assert verify(f"\\boxed{{{answer}}}", gold, timeout_s=60).status == "correct"
    assert verify(f"\\boxed{{{near_miss}}}", gold, timeout_s=60).status == "wrong"


@pytest.mark.parametrize(
    ("response", "answer"),
    [
        (r"\boxed{1},\boxed{2}", "1, 2"),
        (r"$\boxed{1}$, and $\boxed{2}$", "1, 2"),
        (r"\boxed{0} so \boxed{1}, \boxed{2}", "1, 2"),
        (r"$x=\boxed{1}$ or $x=\boxed{2}$", "1, 2"),
        (r"\boxed{1} \boxed{2}", "2"),
        (r"\boxed{1}, then \boxed{2}", "2"),
    ],
)
def test_extract_boxed_joins_boxes_that_are_one_list(response: str, answer: str) -> None:
    assert extract_boxed(response) == answer


@pytest.mark.parametrize(
    ("text", "value", "powers", "words"),
    [
        (r"8\text{ cm}^2", "8", {("cm", 2)}, set()),
        (r"8\text{ sq. cm}", "8", {("cm", 2)}, set()),
        (r"2\pi\text{ cm}", r"2\pi", {("cm", 1)}, set()),
        (r"90^{\circ}", "90", {("deg", 1)}, set()),
        (r"45^{\circ}\text{C}", "45", {("degC", 1)}, set()),
        (r"60\text{ miles per hour}", "60", {("mile", 1), ("hour", -1)}, set()),
        (r"60\text{ mph}", "60", {("mile", 1), ("hour", -1)}, set()),
        (r"9.8\frac{\text{m}}{\text{s}^2}", "9.8", {("m", 1), ("s", -2)}, set()),
        (r"9.8\mathrm{m s^{-2}}", "9.8", {("m", 1), ("s", -2)}, set()),
        (r"\$5\text{ per hour}", "5", {("$", 1), ("hour", -1)}, set()),
        (r"3\text{ red apples}", "3", set(), {"red", "apple"}),
        (r"5\text{ in}", "5", {("inch", 1)}, set()),
        (r"5\text{ ways in total}", "5", set(), {"way", "total"}),
    ],
)
def test_split_unit_returns_the_measure_and_its_unit(
    text: str, value: str, powers: set[tuple[str, int]], words: set[str]
) -> None:
    rest, unit = split_unit(text)
    assert (rest, unit.powers, unit.words) == (value, powers, words)


@pytest.mark.parametrize(
    "text", [r"7\text{ or more}", r"\text{no solution}", "5m", r"\sin 30^{\circ}", r"+\text{ cm}"]
)
def test_split_unit_leaves_what_is_no_measure(text: str) -> None:
    assert split_unit(text) == (text, NO_UNIT)


@pytest.mark.parametrize("text", ["api", "spinach", "exp", "sin", "cosine", "infinitely"])
def test_to_latex_leaves_words_alone(text: str) -> None:
    assert to_latex(text) == text


@pytest.mark.parametrize(
    "text", ["x < y + 1 < z", "1 < x > 0", "x < 1, y < 2", "1 < 2", "x = 1", "(1, 2), (3, 4)", "x"]
)
def test_read_region_leaves_other_relations_alone(text: str) -> None:
    assert read_region(text) is None


@pytest.mark.parametrize(
    "text",
    [
        "",
        "1 2",
        "x2",
        "f(,)",
        r"\sin^{-1}",
        r"\max(1)",
        r"\overline -y",
        "\u2460",
        ".",
        "x^2^3",
        r"2\frac{3}{2}",
        "a,b",
        "(" * 65 + "1" + ")" * 65,
        r"\sin" * 900 + "x",
        r"\sqrt-" * 900 + "x",
        "x^" + "-" * 900 + "x",
        "x" * 4000,
        "5" + "!" * 4000,
        "1+" * 999,
    ],
)
def test_parse_expression_reads_nothing_doubtful_or_deep(text: str) -> None:
    assert parse_expression(text) is None


@pytest.mark.parametrize(
    "answer",
    [
        r"\int_0^\infty \frac{\sin(x^{50})e^{-x^3}}{1+x^{77}} dx",
        r"\sum_{k=1}^{10^9} \sin k",
        "x=" * 1500 + "1",
        "x^" * 1500 + "2",
        "x!" * 900,
        "((((9^9)^9)^9)^9)^9",
        "e^{e^{e^{e^9}}}",
        r"5000!\cdot" * 60 + "1",
        ",".join(["(1,2)"] * 700),
    ],
    ids=lambda answer: answer[:12],
)
def test_verify_calls_a_slow_answer_wrong_at_once(
    answer: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    limits, compare = [], math_verifier.POOL.compare

    def compare_and_tell(gold: str, answer: str, **own_limits: float) -> tuple[str, str]:
        limits.append(own_limits["max_cpu_s"])
        return compare(gold, answer, **own_limits)

    monkeypatch.setattr(math_verifier.POOL, "compare", compare_and_tell)
    start = time.thread_time()
    assert verify(f"\\boxed{{{answer}}}", r"\sqrt{2}", timeout_s=60).status == "wrong"
    assert time.thread_time() - start < 2.5  # of this process; a worker is killed at its limit
    assert sum(limits) <= math_verifier.MAX_WORKER_S


def test_same_typed_leaves_what_it_cannot_read() -> None:
    assert same_typed(Reading(r"\lfloor x \rceil"), Reading("x")) is None


@given(real=st.integers(-99, 99), imaginary=st.integers(-99, 99), change=st.integers(1, 9))
def test_verify_tells_complex_numbers_apart(real: int, imaginary: int, change: int) -> None:
    answer = rf"\boxed{{{imaginary} \cdot i + {real}}}"
    assert verify(answer, f"{real} + ({imaginary})i").status == "correct"
    assert verify(answer, f"{real} + ({imaginary + change})i").status == "wrong"


@given(a=st.integers(1, 999), b=st.integers(2, 99), change=st.integers(1, 9))
def test_verify_tells_roots_apart(a: int, b: int, change: int) -> None:
    answer = rf"\boxed{{{a}*sqrt({b})}}"
    assert verify(answer, rf"\sqrt{{{a * a * b}}}").status == "correct"
    assert verify(answer, rf"\sqrt{{{a * a * b + change}}}").status == "wrong"
