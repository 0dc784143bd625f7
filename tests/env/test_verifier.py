"""What the verifiers call correct, wrong, no answer, timeout and error."""

from __future__ import annotations

import copy
import pickle
import time
from decimal import Context, Decimal
from fractions import Fraction
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ccpo_env.types import Verdict, Verifier
from ccpo_env.verifiers import MathVerifier, exact, verify
from ccpo_env.verifiers.math import verifier as math_verifier
from ccpo_env.verifiers.math.forms.bounds import within_bounds
from ccpo_env.verifiers.math.forms.reading import GOLD_CACHE_SIZE, read_gold
from ccpo_env.verifiers.math.syntax.quantity import parse_number
from ccpo_env.verifiers.registry import resolve_verifier
from ccpo_env.verifiers.worker import pool as pool_module
from ccpo_env.verifiers.worker.process import compare

VERIFIERS = [exact, verify, MathVerifier(timeout_s=3.0)]
THROUGH_A_WORKER = settings(max_examples=20)


def boxed(answer: str) -> str:
    return f"The answer is $\\boxed{{{answer}}}$."


def same(answer: str, gold: str) -> bool:
    verdict = verify(boxed(answer), gold)
    assert verdict.status in ("correct", "wrong"), verdict
    return verdict.status == "correct"


@pytest.mark.parametrize("verifier", VERIFIERS)
@pytest.mark.parametrize(
    ("response", "gold", "verdict"),
    [
        (r"\boxed{42}", "42", Verdict("correct", "42")),
        (r"\boxed{42}", r"$\boxed{42}$", Verdict("correct", "42")),
        (r"\boxed{41}", "42", Verdict("wrong", "41")),
        ("42", "42", Verdict("no_answer")),
        ("", "42", Verdict("no_answer")),
        (r"\boxed{ }", "42", Verdict("no_answer")),
        (None, "42", Verdict("no_answer")),
        (42, "42", Verdict("no_answer")),
        (float("nan"), "42", Verdict("no_answer")),
        (rb"\boxed{42}", "42", Verdict("no_answer")),
        ({"text": r"\boxed{42}"}, "42", Verdict("no_answer")),
    ],
)
def test_verifier_returns_the_verdict_of_the_contract(
    verifier: Verifier, response: str, gold: str, verdict: Verdict
) -> None:
    assert verifier(response, gold) == verdict


@pytest.mark.parametrize("verifier", VERIFIERS)
@pytest.mark.parametrize("gold", [None, 42, b"42", "", "  "])
def test_verifier_reports_an_error_for_a_gold_that_is_no_text(
    verifier: Verifier, gold: str
) -> None:
    verdict = verifier(r"\boxed{42}", gold)
    assert (verdict.status, verdict.reward) == ("error", None)
    assert verdict.detail.startswith("gold must be text, got")


@pytest.mark.parametrize("verifier", VERIFIERS)
def test_verifier_survives_pickle_and_deepcopy(verifier: Verifier) -> None:
    verifier(r"\boxed{x + 1}", "1 + x")
    for again in (pickle.loads(pickle.dumps(verifier)), copy.deepcopy(verifier)):
        assert again == verifier
        assert again(r"\boxed{x + 1}", "x+1") == Verdict("correct", "x + 1")


@pytest.mark.parametrize("timeout_s", [0, -1, float("nan"), float("inf"), 1e300])
def test_verify_refuses_a_time_limit_that_is_none(timeout_s: float) -> None:
    with pytest.raises(ValueError, match="timeout_s must be"):
        verify(r"\boxed{1}", "1", timeout_s=timeout_s)
    with pytest.raises(ValueError, match="timeout_s must be"):
        MathVerifier(timeout_s=timeout_s)


def test_math_verifier_passes_its_time_limit_on(monkeypatch: pytest.MonkeyPatch) -> None:
    limits = []

    def compare_never(_gold: str, _answer: str, **given: float) -> tuple[str, str]:
        limits.append((given["timeout_s"], given["max_cpu_s"]))
        return "timeout", "too late"

    monkeypatch.setattr(math_verifier.POOL, "compare", compare_never)
    answer, gold = r"\boxed{\lfloor x \rceil}", r"\lceil x \rfloor"
    assert MathVerifier(timeout_s=0.25)(answer, gold).status == "timeout"
    assert resolve_verifier("math")(answer, gold).reward is None
    assert verify(r"\boxed{\int_0^{\infty} \lfloor x \rceil}", gold).status == "timeout"
    upper_bounds = (math_verifier.MAX_WORKER_S, math_verifier.MAX_UNFINISHED_S)
    assert limits == [(0.25, upper_bounds[0]), (5.0, upper_bounds[0]), (5.0, upper_bounds[1])]


def test_read_gold_parses_a_gold_answer_once_and_keeps_few() -> None:
    gold = read_gold("x^2+11")
    assert gold is not None
    assert gold.tree is gold.tree
    assert same("11+x^2", "x^2+11")
    assert read_gold("x^2+11") is gold
    assert read_gold.cache_info().maxsize == GOLD_CACHE_SIZE


@pytest.mark.parametrize(
    ("answer", "gold"),
    [
        (r"\dfrac{1}{2}", r"\frac12"),
        (r"\left( 1,\, 2 \right)", "(1,2)"),
        (r"\text{Monday}", "monday"),
        ("Monday.", r"\text{Monday}"),
        ("(C)", r"\text{C}"),
        ("x^{2}", "x^2"),
        ("50\\%", "50%"),
        ("\u2212\u03c0 ", r"-\pi"),
        ("x\u00b2 \u2264 3", r"x^2 \leq 3"),
    ],
)
def test_exact_ignores_style(answer: str, gold: str) -> None:
    assert exact(boxed(answer), gold).status == "correct"


@pytest.mark.parametrize(
    ("answer", "gold"),
    [
        ("0.5", r"\frac12"),
        ("1 2", "12"),
        ("3 1/2", "31/2"),
        ("X + 1", "x + 1"),
        ("x^{12}", "x^1 2"),
        ("(1,2)", "[1,2]"),
        ("not so", "notso"),
    ],
)
def test_exact_keeps_what_changes_the_meaning(answer: str, gold: str) -> None:
    assert exact(boxed(answer), gold).status == "wrong"


@pytest.mark.parametrize(
    ("answer", "gold"),
    [
        ("007", "7"),
        ("+7", "7"),
        ("1,234,567", "1234567"),
        (r"1\,234", "1234"),
        ("1{,}234.50", "1234.5"),
        (".5", r"\frac{1}{2}"),
        ("2/4", r"\frac12"),
        (r"-\frac{1}{2}", r"\frac{-1}{2}"),
        (r"3\frac{1}{2}", "7/2"),
        (r"1.5 \times 10^{3}", "1500"),
        (r"1.5 \cdot 10^{-3}", "0.0015"),
        ("4.5e33", r"4.5\times10^{33}"),
        (r"50\%", "50"),
        (r"50\%", "0.5"),
        (r"\$3.50", "3.5"),
        ("90", r"90^\circ"),
        (r"90^{\circ}", r"90\degree"),
        ("4343_6", "4343_{6}"),
        ("1" * 200, "1" * 200 + ".0"),
    ],
)
def test_verify_reads_numbers_exactly(answer: str, gold: str) -> None:
    assert same(answer, gold)
    assert same(gold, answer)


@pytest.mark.parametrize(
    ("answer", "gold"),
    [
        ("0.333", r"\frac13"),
        ("0.3333333333333333", "1/3"),
        ("50", "0.5"),
        ("0.5", "50"),
        (r"5\%", "50"),
        (r"90^\circ", r"90\%"),
        (r"90^\circ", "0.9"),
        ("17_8", "17_{10}"),
        ("1,23", "123"),
        (r"3\frac{1}{2}", r"\frac{3}{2}"),
        ("1/0", "1"),
        ("1" * 200, "1" * 199 + "2"),
        (r"10^{-20}", r"2 \times 10^{-20}"),
    ],
)
def test_verify_tells_near_numbers_apart(answer: str, gold: str) -> None:
    assert not same(answer, gold)
    assert not same(gold, answer)


@pytest.mark.parametrize(
    "text",
    ["", ".", "-", "--1", "1/0", r"2\frac{3}{2}", "1,23", "1e999", "1" * 257, "\u0661", "x"],
)
def test_parse_number_returns_none_for_anything_but_one_plain_number(text: str) -> None:
    assert parse_number(text) is None


@pytest.mark.parametrize(
    ("answer", "gold"),
    [
        ("x + 1", "1 + x"),
        ("(x+1)^2", "x^2 + 2x + 1"),
        (r"\frac{\sqrt{2}}{2}", r"\frac{1}{\sqrt{2}}"),
        (r"\frac{\pi}{2}", r"0.5\pi"),
        (r"\boldsymbol{\frac{1}{64}}", r"\frac{1}{64}"),
        (r"\textcolor{blue}{42}", "42"),
        ("2, 3", "3, 2"),
        (r"\{2, 3\}", r"\{3, 2\}"),
        (r"(0.5, 2)", r"(\frac12, 2)"),
        ("x = 5", "5"),
        (r"x \in [1, 2]", "[1, 2]"),
        (r"\left[1, \infty\right)", r"x \geq 1"),
        (r"x \geq 1", r"[1, \infty)"),
        (r"50\text{ percent}", r"50\%"),
        (
            r"\begin{pmatrix} 1 & 2 \\ 3 & 4 \end{pmatrix}",
            r"\begin{bmatrix}1&2\\3&4\end{bmatrix}",
        ),
    ],
)
def test_verify_knows_equal_mathematics(answer: str, gold: str) -> None:
    assert same(answer, gold)


@pytest.mark.parametrize(
    ("answer", "gold"),
    [
        ("x + 1", "x + 2"),
        ("3.14159265", r"\pi"),
        ("(0.3333333, 2)", r"(\frac13, 2)"),
        ("(2, 1)", "(1, 2)"),
        ("[1, 2)", "[1, 2]"),
        ("2", "2, 3"),
        ("2, 3, 4", "2, 3"),
        (r"\sqrt{2}", r"\sqrt{3}"),
        (r"\frac{1}{3 \cdot 2^{99}}", r"\frac{1}{3 \cdot 2^{98}}"),
        (r"10^{-20}\pi", r"2 \cdot 10^{-20}\pi"),
        (r"\frac{1}", "1"),
        ("&", "1"),
        (r"\text{no solution}", "1"),
    ],
)
def test_verify_knows_different_mathematics(answer: str, gold: str) -> None:
    assert not same(answer, gold)


@pytest.mark.parametrize(
    "answer",
    [
        r"& [42] &",
        r"?? [42] ??",
        r"\& $42$ \&",
        r"\text{final answer is [42]} \&",
        r"41 \text{ or } 42",
        r"42\text{ 43}",
        "41; 42",
        r"42 \neq 43",
    ],
)
def test_verify_takes_the_whole_box_for_the_answer(answer: str) -> None:
    assert not same(answer, "42")


def test_verify_reports_an_error_for_a_gold_that_cannot_be_read() -> None:
    verdict = verify(r"\boxed{x + 1}", r"\frac{1}{")
    assert (verdict.status, verdict.answer, verdict.reward) == ("error", "x + 1", None)
    assert "gold must be readable" in verdict.detail


@pytest.mark.parametrize("gold", ["9^{9^{9^9}}", "1" * 300, "x + " * 2000])
def test_verify_reports_an_error_for_a_gold_beyond_bounds(gold: str) -> None:
    verdict = verify(r"\boxed{7}", gold)
    assert verdict.status == "error"
    assert "gold must stay within bounds" in verdict.detail


HUGE = [
    "9^{9^{9^9}}",
    "9^{9^{9}}",
    "9^9^9",
    "x^{x^{x^{x}}}",
    "9**99999",
    "2^{1000001}",
    "99999!",
    "(10^{61}+9)!",
    "((((3!)!)!)!)!",
    "(a+b+c+d+e+f+g+h)^{40}",
    "(x+y+z)^{100000}",
    r"\sqrt{" * 65 + "2" + "}" * 65,
    "(" * 65 + "1+1" + ")" * 65,
    "1+" * 2500 + "1",
    "1" * 257,
    "-" * 1_000_000 + "1",
    "1," * 500_000 + "1",
    r"\begin{pmatrix}" + r"1\\" * 200_000 + r"1\end{pmatrix}",
]


@pytest.mark.parametrize("answer", HUGE, ids=lambda answer: answer[:20])
def test_verify_calls_an_answer_beyond_bounds_wrong_without_reading_it(
    answer: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert not within_bounds(answer)
    monkeypatch.setattr(math_verifier.POOL, "compare", None)  # a worker would take a minute
    start = time.thread_time()
    verdict = verify(boxed(answer), "1", timeout_s=60)
    assert time.thread_time() - start < 10  # milliseconds
    assert verdict == Verdict("wrong", answer)
    assert verify(boxed(answer), answer).status == "correct"


@pytest.mark.parametrize(
    "answer",
    [
        "2^{2025}",
        r"\frac{1}{3 \cdot 2^{2006}}",
        "e^{-x^2}",
        "2^{2^n}",
        "(1+x)^{100}",
        r"(1+\sqrt{2})^{100}",
        r"\left(\frac{2}{3}\right)^{2000}",
        r"\frac{(2n)!}{(n!)^2}",
        "2019!",
        "x^{10}+x^{9}+x^{8}+1",
    ],
)
def test_within_bounds_lets_common_answers_pass(answer: str) -> None:
    assert within_bounds(answer)


def test_verify_reports_a_timeout_when_the_comparison_is_killed(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(pool_module, "WALL_RATIO", 1000)  # in tests that starve one another
    hard = r"\int_0^\infty \frac{\sin(x^{50})e^{-x^3}}{1+x^{77}} dx"
    verdict = verify(boxed(hard), r"\int_0^1 \sin(x^{50}) dx", timeout_s=0.3)
    assert (verdict.status, verdict.answer, verdict.reward) == ("timeout", hard, None)
    assert "within 0.3 s of CPU time, got no result; raise timeout_s up to 1.5" in verdict.detail
    assert same("x + 1", "1 + x")


def test_verify_runs_no_code_and_prints_nothing(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    canary = tmp_path / "canary"
    programs = [
        f"__import__('os').system('touch {canary}')",
        f"open('{canary}', 'w')",
        f"eval(\"open('{canary}','w')\")",
        f"x if open('{canary}','w') else x",
        "print(1)",
        "os._exit(0)",
        "raise SystemExit",
        "while True: pass",
        "$(touch {canary})",
        "`touch {canary}`",
    ]
    for program in programs:
        assert verify(boxed(program), "x + 1").status == "wrong"
    assert not canary.exists()
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize(
    "response",
    [
        "reasoning " * 100_000 + r"\boxed{42}",
        "\n" * 1_000_000 + r"\boxed{42}",
        r"\boxed{41} " * 100_000 + r"\boxed{42}",
        "\\boxed{" * 100_000 + r"\boxed{42}",
    ],
    ids=lambda response: response[:10],
)
@pytest.mark.parametrize("verifier", VERIFIERS)
def test_verifier_reads_a_long_response_fast(verifier: Verifier, response: str) -> None:
    start = time.thread_time()
    assert verifier(response, "42").status == "correct"
    assert time.thread_time() - start < 3.0  # about 0.1 s


plain_text = st.text(
    st.characters(exclude_characters="\\{}<>", exclude_categories=["Cs"]), min_size=1, max_size=50
).filter(str.strip)


@pytest.mark.parametrize("verifier", VERIFIERS)
@given(text=plain_text)
def test_verifier_accepts_the_gold_answer_itself(verifier: Verifier, text: str) -> None:
    assert verifier(f"\\boxed{{{text}}}", text).status == "correct"


@given(response=st.text() | st.binary() | st.integers() | st.floats() | st.none())
def test_exact_raises_for_no_response(response: str) -> None:
    assert exact(response, "1").status in ("correct", "wrong", "no_answer")


digits = st.text("0123456789", min_size=1, max_size=40)


@given(before=digits, digit=st.sampled_from("0123456789"), after=digits, data=st.data())
def test_verify_never_accepts_a_changed_digit(
    before: str, digit: str, after: str, data: st.DataObject
) -> None:
    other = data.draw(st.sampled_from("0123456789".replace(digit, "")))
    separator = data.draw(st.sampled_from(["", "."]))
    assert not same(f"{before}{digit}{separator}{after}", f"{before}{other}{separator}{after}")


@THROUGH_A_WORKER
@given(a=st.integers(2, 99), b=st.integers(2, 99), change=st.integers(1, 9))
def test_verify_never_accepts_a_changed_coefficient(a: int, b: int, change: int) -> None:
    assert not same(f"{a}x^2 + {b}x", f"{a}x^2 + {b + change}x")


@THROUGH_A_WORKER
@given(a=st.integers(1, 99), b=st.integers(1, 99))
def test_verify_accepts_reordered_terms(a: int, b: int) -> None:
    assert same(f"{a}x^2 + {b}y", f"{b}y + {a}x^2")


@given(top=st.integers(-999, 999), bottom=st.integers(1, 999))
def test_verify_accepts_a_decimal_only_if_nothing_was_rounded(top: int, bottom: int) -> None:
    decimal = Context(prec=20).divide(Decimal(top), Decimal(bottom))
    is_exact = Fraction(decimal) == Fraction(top, bottom)
    assert same(f"{decimal:f}", f"\\frac{{{top}}}{{{bottom}}}") == is_exact


@THROUGH_A_WORKER
@given(
    spaces=st.lists(
        st.sampled_from(["", " ", r"\,", r"\;", r"\quad ", r"\ ", "~"]), min_size=7, max_size=7
    ),
    sizes=st.sampled_from([("", ""), (r"\left", r"\right"), (r"\big", r"\big")]),
)
def test_verify_ignores_spacing_and_sizes(spaces: list[str], sizes: tuple[str, str]) -> None:
    parts = [sizes[0] + "(", r"\frac{1}{2}", ",", r"\sqrt{3}", "+", "x", sizes[1] + ")"]
    spaced = "".join(part + space for part, space in zip(parts, spaces, strict=True))
    assert same(spaced, r"(\frac12,\sqrt3+x)")


@pytest.mark.parametrize(
    ("gold", "answer", "status"),
    [
        ("x+1", "1+x", "correct"),
        ("x+1", "x+2", "wrong"),
        ("x+1", ")(", "wrong"),
        (r"-\infty", r"-(\infty)", "correct"),
        (r"\sin^2(3) + \cos^2(3) - 1", "0", "correct"),
        (r"10^{-20}\pi", r"\frac{\pi}{10^{20}}", "correct"),
        (r"10^{-20}\pi", r"2 \cdot 10^{-20}\pi", "wrong"),
        (r"-10^{-20}\pi", r"10^{-20}\pi", "wrong"),
        (r"10^{13}\pi", r"10^{13}\pi+1", "wrong"),
        ("0.123456789012345", "0.123456789012346", "wrong"),  # all the digits of a float
        ("0.1234567890123451", "0.1234567890123452", "correct"),
        (r"50\%", "0.5", "correct"),
        ("x>1", r"(1,\infty)", "correct"),
        ("x", "y", "wrong"),
        (")(", ")(", "correct"),  # texts, since neither can be parsed
        ("5", r"\{5\}", "correct"),
        ("{,}{", "x", "unreadable"),
        ("", "x", "unreadable"),
    ],
)
def test_compare_needs_no_process(gold: str, answer: str, status: str) -> None:
    assert compare(gold, answer)[0] == status


def test_verify_calls_an_integral_wrong_for_its_computing_and_not_for_waiting(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    hard = r"\int_0^\infty \frac{\sin(x^{50})e^{-x^3}}{1+x^{77}} dx"
    monkeypatch.setattr(pool_module, "WALL_RATIO", 1000)  # in tests that starve one another
    assert verify(boxed(hard), "1", timeout_s=0.3).status == "wrong"
    monkeypatch.setattr(pool_module, "WALL_RATIO", 0.001)
    assert verify(boxed(hard), "1", timeout_s=60).status == "timeout"
