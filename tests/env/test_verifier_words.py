"""Answers in words, with words around them, in other scripts and in other languages."""

from __future__ import annotations

import pytest

from ccpo_env.verifiers import verify
from ccpo_env.verifiers.math.golds import differs_in_a_name

WORDS = [
    ("The solutions are 1, 2", "1,2", True),
    (r"\text{The solutions are } x=1 \text{ and } x=2", "1,2", True),
    (
        r"\left(\frac{10}{13},\frac{1}{13}\right)",
        r"Solution is: $(x, y)=\left(\frac{10}{13}, \frac{1}{13}\right)$",
        True,
    ),
    (
        r"\left(\frac{1}{13},\frac{10}{13}\right)",
        r"Solution is: $(x, y)=\left(\frac{10}{13}, \frac{1}{13}\right)$",
        False,
    ),
    (r"\text{Solution set: } \{1,2\}", r"\{1,2\}", True),
    (r"\text{Alice is taller}", r"\text{Bob is taller}", False),
    (r"\text{The function is even}", r"\text{the function is even}", True),
    (r"\text{all points except }(1,2)", "(1,2)", False),
    (r"\text{There are no solutions}", "no solutions", True),
    (r"\text{no solution}", "no solutions", True),
    (r"\varnothing", "no solutions", True),
    ("0", "no solutions", False),
    (r"\{\}", r"\text{no solution}", True),
    (r"\text{None}", "no solution", True),
    (r"\text{No real solutions}", "no solution", True),
    (r"\text{no solution}", r"\text{no integer solutions}", True),
    (r"\text{no real solutions}", r"\text{no integer solutions}", False),
    (r"\text{The equation has no real solutions.}", r"\emptyset", True),
    (r"\text{one solution}", "no solution", False),
    (r"\text{infinitely many solutions}", "no solution", False),
    (r"\{0\}", "no solution", False),
    (r"\{\emptyset\}", "no solution", False),
    (r"x \in \emptyset", "no solution", True),
    (r"\text{DNE}", "does not exist", True),
    (r"\text{The limit does not exist}", "does not exist", True),
    (r"\infty", r"\text{does not exist}", False),
    (r"n \text{ is prime}", "n is prime", True),
    (r"\text{all primes}", "n is prime", True),
    (r"\text{all prime numbers } n", "n is prime", True),
    (r"\text{prime numbers}", r"\text{all primes}", True),
    (r"n \text{ is composite}", "n is prime", False),
    (r"n \text{ is not prime}", "n is prime", False),
    (r"n+1 \text{ is prime}", "n is prime", False),
    (r"p \text{ is prime}", "n is prime", False),
    (r"n \text{ is even}", r"\text{n is even}", True),
    (r"\text{all even integers}", "even integers", True),
    (r"\text{odd integers}", "even integers", False),
    ("2", "even integers", False),
    (r"\text{even}", "Even", True),
    (r"\text{all real numbers}", r"\mathbb{R}", True),
    (r"\text{All real } x", r"(-\infty,\infty)", True),
    (r"\text{all real numbers except }0", r"(-\infty,0)\cup(0,\infty)", True),
    (r"\text{all real numbers except } x=0", r"x\neq 0", True),
    (r"\text{All nonzero real numbers}", r"(-\infty,0)\cup(0,\infty)", True),
    (r"\mathbb{R}\text{ except }0", r"(-\infty,0)\cup(0,\infty)", True),
    (r"\text{All positive real numbers}", r"(0,\infty)", True),
    (r"x \text{ is any positive real number}", "x>0", True),
    (r"\text{all real numbers greater than }2", r"(2,\infty)", True),
    (r"\text{all real numbers } x \text{ such that } x\neq 2", r"(-\infty,2)\cup(2,\infty)", True),
    (r"\text{all real numbers except } 1 \text{ and } 2", r"\mathbb{R}\setminus\{1,2\}", True),
    (r"x \in \mathbb{R}, x \neq 0", r"\text{all real numbers except }0", True),
    (r"\mathbb{R}^+", r"\text{all positive real numbers}", True),
    (r"\text{all } x>2", "x>2", True),
    (r"\text{all real numbers except }1", r"(-\infty,0)\cup(0,\infty)", False),
    (r"\text{all real numbers}", r"(-\infty,0)\cup(0,\infty)", False),
    (r"\text{all nonnegative real numbers}", r"(0,\infty)", False),
    (r"\text{all positive integers}", r"(0,\infty)", False),
    (r"\text{all real numbers less than }2", r"(2,\infty)", False),
    (r"\text{all real numbers at least }2", r"(2,\infty)", False),
    (r"\text{all integers}", r"\mathbb{R}", False),
    (r"n \in \mathbb{Z}^+", r"\text{all positive integers}", True),
    (r"\text{positive integers}", r"\mathbb{Z}^{+}", True),
    (r"\text{all integers}", r"\mathbb{Z}", True),
    (r"\mathbb{Z}^+", r"\mathbb{Z}", False),
    (r"\mathbb{R}_{\ge 0}", r"[0,\infty)", True),
    (r"x\in\mathbb{R}_{>0}", "x>0", True),
    (r"\mathbb{R}^*", r"x\ne 0", True),
    (r"\mathbb{R}^+", r"[0,\infty)", False),
]

LEAD_INS = [
    (r"\text{Answer}: 5", "5", True),
    (r"\textbf{Answer: 5}", "5", True),
    ("Answer: 5", "5", True),
    (r"\text{Answer: }5", "5", True),
    (r"\text{The answer is }42", "42", True),
    (r"\text{The final answer is: } 42", "42", True),
    ("=42", "42", True),
    ("= x+1", "x+1", True),
    (r"\therefore x = 42", "42", True),
    (r"\text{So } x = 42", "42", True),
    (r"\text{Thus, } 42", "42", True),
    (r"\text{the point }(1,2)", "(1,2)", True),
    ("the point (1,2)", "(1,2)", True),
    (r"\text{the ordered pair } (1,2)", "(1,2)", True),
    (r"\text{point } (1,2)", "(1,2)", True),
    (r"\text{minimum value: } 5", "5", True),
    (r"5 \text{ is the answer}", "5", True),
    (r"5 \quad \blacksquare", "5", True),
    (r"\text{Area: }6", "6", True),
    (r"\text{not the answer: }5", "5", False),
    (r"\text{The answer is not }5", "5", False),
    (r"\text{anything except: }5", "5", False),
    (r"\text{the opposite of the answer is }5", "5", False),
    (r"\text{at most: }5", "5", False),
    (r"\text{false: }5", "5", False),
    (r"\text{boys}:\text{girls}=2:3", "2:3", True),
]

SCRIPTS = [
    ("\uff12\uff15", "25", True),
    ("1.5\u200b", "1.5", True),
    ("x &lt; 3", "x<3", True),
    ("x &gt;= 3", r"x\geq3", True),
    ("5&nbsp;cm", r"5\text{ cm}", True),
    ("5\u5143", "5", True),
    ("3\\text{ \u548c }5", "3,5", True),
    ("x=3\\text{ \u6216 }x=5", "3,5", True),
    ("3\\text{ \u548c }6", "3,5", False),
    ("5\u7f8e\u5143", r"5\text{ yuan}", False),
    ("5\u4e07\u5143", "5", False),
    ("5\u4e07\u5143", "50000", True),
    ("5\u4e2a\u4ee5\u4e0a", "5", False),
    ("3 oder 5", "3,5", True),
    (r"3 \text{ et } 5", "3,5", True),
    ("5\u4e2a", "5", True),
    (
        "\u5145\u5206\u4e0d\u5fc5\u8981\u6761\u4ef6",
        "\u5fc5\u8981\u4e0d\u5145\u5206\u6761\u4ef6",
        False,
    ),
    (
        "\\text{\u5fc5\u8981\u4e0d\u5145\u5206\u6761\u4ef6}",
        "\u5fc5\u8981\u4e0d\u5145\u5206\u6761\u4ef6",
        True,
    ),
    ("10\\text{\u548c}11\\text{\u4e4b\u95f4}", "10\u548c11\u4e4b\u95f4", True),
    ("10\\text{\u548c}12\\text{\u4e4b\u95f4}", "10\u548c11\u4e4b\u95f4", False),
    ("\u65e0\u89e3", r"\text{no solution}", True),
]


@pytest.mark.parametrize(("answer", "gold", "equal"), WORDS)
def test_words_are_read_by_their_meaning(answer: str, gold: str, equal: bool) -> None:
    verdict = verify(rf"\boxed{{{answer}}}", gold)
    assert verdict.status == ("correct" if equal else "wrong")


@pytest.mark.parametrize(("answer", "gold", "equal"), LEAD_INS)
def test_words_that_announce_an_answer_are_left_out(answer: str, gold: str, equal: bool) -> None:
    verdict = verify(rf"\boxed{{{answer}}}", gold)
    assert verdict.status == ("correct" if equal else "wrong")


@pytest.mark.parametrize(("answer", "gold", "equal"), SCRIPTS)
def test_other_scripts_and_languages_are_read(answer: str, gold: str, equal: bool) -> None:
    verdict = verify(rf"\boxed{{{answer}}}", gold)
    assert verdict.status == ("correct" if equal else "wrong")


@pytest.mark.parametrize(
    ("response", "gold", "equal"),
    [
        (r"Die Antwort ist $\boxed{3,5}$.", "3.5", True),
        ("La r\u00e9ponse est $\\boxed{3,5}$.", "3.5", True),
        (r"La respuesta es $\boxed{0,25}$.", r"\frac14", True),
        ("\u041e\u0442\u0432\u0435\u0442: \\boxed{3,5}", "3.5", True),
        ("Die L\u00f6sung lautet \\boxed{1.234,5}", "1234.5", True),
        (r"Die Antwort ist \boxed{3,5}.", "3,5", True),
        (r"The answer is $\boxed{3,5}$.", "3.5", False),
        (r"Die Antwort ist $\boxed{3,6}$.", "3.5", False),
        (r"The results are $\boxed{(1,5; 2,5)}$.", "(1.5, 2.5)", False),
        ("Das Ergebnis ist $\\boxed{(1,5; 2,5)}$.", "(1.5, 2.5)", True),
    ],
)
def test_commas_are_decimal_in_the_languages_that_write_them(
    response: str, gold: str, equal: bool
) -> None:
    assert (verify(response, gold).status == "correct") == equal


MORE = [
    (r"^{12}\text{C}", r"^{12}\text{C}", True),
    (r"\{x|x=3k+1,k\in \mathbb{Z}\}", r"\{x|x=3k,k\in \mathbb{Z}\}", False),
    (r"\text{CaCO}_4", r"\text{CaCO}_3", False),
    (r"\text{approximately }5", "5", False),
    ("\u5145\u5206\u5fc5\u8981\u6761\u4ef6", "\u5fc5\u8981\u4e0d\u5145\u5206\u6761\u4ef6", False),
    ("\u5bf9", "\u9519", False),
    ("\u0414\u0430", "\u041d\u0435\u0442", False),
    ("5", "\u5fc5\u8981\u4e0d\u5145\u5206\u6761\u4ef6", False),
    ("5 \u00c4pfel", "5", True),
    ("5 Tausend", "5", False),
    ("5 \u0442\u044b\u0441\u044f\u0447", "5", False),
    ("5\\text{ \u044f\u0431\u043b\u043e\u043a}", "5", True),
    ("6\\text{ \u044f\u0431\u043b\u043e\u043a}", "5", False),
    ("5\u500d", "5", False),
    ("5\u4e2a\u82f9\u679c", "5", True),
    ("5\u4e2a\u4ee5\u4e0a", "5", False),
    ("5\u5206\u4e4b1", "5", False),
    ("\u7b54\u6848\uff1a5", "5", True),
    ("5\u3002", "5", True),
    ("x=5\uff0cy=3", "(5,3)", True),
    (r"\text{Final Answer: } 5", "5", True),
    (r"\boxed{5}", "5", True),
    (r"x \text{ is } 5", "5", True),
    (r"x \text{ equals } 5", "5", True),
    (r"\text{No solution.}", r"\text{No solution}", True),
    (r"\text{There is no such } x", "no solution", True),
    (r"\text{no such triangle exists}", "no solution", True),
    (r"\text{No real number } x \text{ satisfies the equation}", "no solution", True),
    (r"\text{The system is inconsistent}", "no solution", True),
    (r"\text{inconsistent}", "no solution", True),
    (r"\emptyset \text{ (no solution)}", "no solution", True),
    (r"\text{No solution } (\emptyset)", "no solution", True),
    ("\\text{\u00d8}", "no solution", True),
    (r"S=\emptyset", "no solution", True),
    (r"\text{does not exist}", r"\text{The limit does not exist}", True),
    (r"\text{undefined}", r"\text{Undefined}", True),
    (r"\text{True}", "true", True),
    (r"\text{Yes.}", "Yes", True),
    (r"\text{Yes}", "No", False),
    (r"\text{all real numbers, except }0", r"x\ne 0", True),
    (r"\text{any real number except } 0", r"x\ne 0", True),
    (r"\text{every real number except zero}", r"x\ne 0", True),
    (r"\text{all reals but } 0", r"x\ne 0", True),
    (r"\{x \in \mathbb{R} : x \neq 0\}", r"x \ne 0", True),
    (r"\{x \mid x \neq 0\}", r"\text{all real numbers except }0", True),
    (r"x\in\mathbb{R}\setminus\{0\}", r"\text{all real numbers except }0", True),
    (r"\text{all positive reals}", "x > 0", True),
    (r"\text{positive real numbers}", r"\{x\mid x>0\}", True),
    (r"\text{the set of positive real numbers}", r"(0,\infty)", True),
    (r"\text{all real numbers } x > 0", r"(0,\infty)", True),
    (r"\text{all real } x \text{ with } x>0", r"(0,\infty)", True),
    (r"\text{no positive real numbers}", r"(0,\infty)", False),
    (r"\text{some real numbers}", r"\mathbb{R}", False),
    (r"\text{not all real numbers}", r"\mathbb{R}", False),
    (r"\text{all real numbers except 0 and 1}", r"x\ne 0", False),
]


@pytest.mark.parametrize(("answer", "gold", "equal"), MORE)
def test_more_words_are_read_and_near_misses_are_not(answer: str, gold: str, equal: bool) -> None:
    verdict = verify(rf"\boxed{{{answer}}}", gold)
    assert verdict.status == ("correct" if equal else "wrong")


@pytest.mark.parametrize(
    ("answer", "gold", "differs"),
    [
        (r"x\mid y", r"y\mid x", True),
        (r"^{14}\text{C}", r"^{12}\text{C}", True),
        (r"^{12.0}\text{C}", r"^{12}\text{C}", False),
        (r"B\cup A", r"A\cup B", False),
        (r"A\cup C", r"A\cup B", True),
        (r"x\nmid y", r"x\mid y", False),
        (r"x\mid y+1", r"x\mid y", False),
    ],
)
def test_answers_that_differ_in_a_name(answer: str, gold: str, differs: bool) -> None:
    assert differs_in_a_name(answer, gold) == differs


VARIANTS = [
    ("12,34,567", "1234567", True),
    ("12,34,568", "1234567", False),
    ("1.234.567", "1234567", True),
    ("12,34,567", "12, 34, 567", True),
    ("1.234", "1234", False),
    (r"1\,234\,567", "1234567", True),
    ("&pi;/2", r"\frac{\pi}{2}", True),
    ("x&sup2;+1", "x^2+1", True),
    ("&radic;2", r"\sqrt2", True),
    ("&minus;5", "-5", True),
    ("5&deg;", r"5^\circ", True),
    ("x &le; 3", r"x\leq3", True),
    ("x &amp;lt; 3", "x<3", True),
    ("<b>5</b>", "5", True),
    ("2<sup>10</sup>", "1024", True),
    ("5 \u2705", "5", True),
    ("5 \u2713", "5", True),
    ("5\ufe0f\u20e3", "5", True),
    ("\u0665", "5", True),
    ("\u096b", "5", True),
    ("\ud835\udfd3", "5", True),
    ("\u2154", r"\frac23", True),
    ("5 \u20ac", "5", True),
    ("5\u20ac", r"5\text{ euros}", True),
    (r"\text{Total: }42", "42", True),
    (r"\text{Ans: }42", "42", True),
    ("ans: 42", "42", True),
    (r"\text{The number of ways is } 42", "42", True),
    (r"\text{Hence the answer is } 42", "42", True),
    (r"\text{We get } 42", "42", True),
    (r"\text{We do not get } 42", "42", False),
    (r"\text{The answer is greater than } 42", "42", False),
    (r"\text{The answer is at most } 42", "42", False),
    (r"\text{less than } 42", "42", False),
    (r"\text{about } 42", "42", False),
    (r"\text{the square of } 42", "42", False),
    (r"\text{the answer is not: } 42", "42", False),
    (r"\text{every number but }42", "42", False),
    (r"\text{divisible by } 42", "42", False),
    (r"\text{one less than: }42", "42", False),
    (r"\text{the negative of }: 42", "42", False),
    (r"\text{sum of digits}: 42 \text{ or } 43", "42", False),
    (r"\text{all integers } n\ge 2", r"n\ge 2", True),
    (r"\text{all positive integers } n \text{ such that } n \geq 2", r"n\ge 2", True),
    (r"\text{all integers } n\ge 3", r"n\ge 2", False),
]


@pytest.mark.parametrize(("answer", "gold", "equal"), VARIANTS)
def test_variants_of_an_answer_and_what_changes_it(answer: str, gold: str, equal: bool) -> None:
    verdict = verify(rf"\boxed{{{answer}}}", gold)
    assert verdict.status == ("correct" if equal else "wrong")
