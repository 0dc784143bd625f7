"""Properties of the verifier that hold for any well-formed answer."""

from __future__ import annotations

import time
from fractions import Fraction

from hypothesis import assume, example, given, settings
from hypothesis import strategies as st

from ccpo_env.verifiers import verify
from ccpo_env.verifiers.math.compare.typed import same_typed
from ccpo_env.verifiers.math.forms.bounds import within_bounds
from ccpo_env.verifiers.math.forms.reading import read

integers = st.integers(-999, 999)
positives = st.integers(1, 99)
letters = st.sampled_from(["x", "y", "n", r"\theta", "a_1"])


@st.composite
def values(draw: st.DrawFn) -> str:
    """Draw the LaTeX of one value."""
    a, b, c = draw(integers), draw(positives), draw(positives)
    return draw(
        st.sampled_from(
            [
                f"{a}",
                f"{a}.{b}",
                rf"\frac{{{a}}}{{{b}}}",
                rf"{a}\sqrt{{{b}}}",
                rf"\frac{{{a}\pi}}{{{b}}}",
                rf"{a} + {b}i",
                rf"{a} \times 10^{{{c}}}",
                rf"{b}^{{{c}}}",
                rf"\log_{{{b + 1}}} {c}",
            ]
        )
    )


@st.composite
def expressions(draw: st.DrawFn) -> str:
    """Draw the LaTeX of a value or of an expression in one letter."""
    value, letter, power = draw(values()), draw(letters), draw(st.integers(2, 5))
    return draw(
        st.sampled_from(
            [
                value,
                rf"{letter}^{{{power}}} + {value}",
                rf"\sin({letter}) + {value}",
                rf"\frac{{{value}}}{{{letter} + {power}}}",
            ]
        )
    )


@st.composite
def answers(draw: st.DrawFn) -> str:
    """Draw an answer of any kind."""
    items = draw(st.lists(expressions(), min_size=2, max_size=4))
    inner = ", ".join(items)
    low, high = sorted((draw(integers), draw(integers)))
    cells = r" \\ ".join(items)
    return draw(
        st.sampled_from(
            [
                items[0],
                inner,
                f"({inner})",
                rf"\{{{inner}\}}",
                f"[{low}, {high + 1})",
                rf"(-\infty, {low}) \cup [{high + 1}, \infty)",
                rf"x \leq {low}",
                f"y = {items[0]}",
                rf"\begin{{pmatrix}} {cells} \end{{pmatrix}}",
                rf"{low}\text{{ cm}}^2",
                rf"{high}^\circ",
                rf"{high}\%",
                rf"\${high}.50",
                rf"\text{{answer {low}}}",
            ]
        )
    )


def same(answer: str, gold: str) -> bool:
    """Return what is decided without a worker; None, for undecided, fails the test."""
    first, second = read(answer), read(gold)
    assert first is not None
    assert second is not None
    equal = same_typed(first, second)
    assert equal is not None, (answer, gold)
    return equal


@given(answer=answers())
def test_verify_is_reflexive(answer: str) -> None:
    assert verify(f"\\boxed{{{answer}}}", answer).status == "correct"


@given(answer=answers())
def test_an_answer_equals_itself_in_other_type(answer: str) -> None:
    wide = answer.replace(" ", r"\, ").replace("(", r"\left(").replace(")", r"\right)")
    styled = rf"\displaystyle {{{answer}}} \quad"
    assert same(wide, answer)
    assert same(answer, wide)
    assert same(styled.replace(r"\frac", r"\dfrac"), answer)


@given(first=values(), second=values())
def test_values_are_compared_alike_in_both_directions(first: str, second: str) -> None:
    assert same(first, second) == same(second, first)


@given(
    items=st.lists(expressions(), min_size=2, max_size=5, unique=True),
    data=st.data(),
)
def test_lists_and_sets_have_no_order(items: list[str], data: st.DataObject) -> None:
    shuffled = data.draw(st.permutations(items))
    assert same(", ".join(shuffled), ", ".join(items))
    assert same(rf"\{{{', '.join(shuffled)}\}}", ", ".join(items))


@given(items=st.lists(integers, min_size=2, max_size=5), data=st.data())
def test_tuples_have_an_order(items: list[int], data: st.DataObject) -> None:
    shuffled = data.draw(st.permutations(items))
    texts = [f"({', '.join(map(str, order))})" for order in (shuffled, items)]
    assert same(*texts) == (shuffled == items)


@given(items=st.lists(integers, min_size=2, max_size=5, unique=True), extra=integers)
def test_one_more_or_one_less_solution_is_wrong(items: list[int], extra: int) -> None:
    gold = ", ".join(map(str, items))
    assert not same(", ".join(map(str, items[1:])), gold)
    assume(extra not in items)
    assert not same(f"{gold}, {extra}", gold)


@given(low=integers, width=positives, data=st.data())
def test_brackets_of_intervals_count(low: int, width: int, data: st.DataObject) -> None:
    brackets = st.tuples(st.sampled_from("(["), st.sampled_from(")]"))
    first, second = data.draw(brackets), data.draw(brackets)
    texts = [f"{opened}{low}, {low + width}{closed}" for opened, closed in (first, second)]
    assert same(*texts) == (first == second)


@given(low=integers, width=positives)
def test_an_interval_equals_its_inequality(low: int, width: int) -> None:
    high = low + width
    assert same(rf"{low} < x \leq {high}", f"({low}, {high}]")
    assert same(rf"{high} \geq x > {low}", f"({low}, {high}]")
    assert not same(rf"{low} \leq x < {high}", f"({low}, {high}]")


@given(cut=integers, low=positives, high=positives)
def test_a_union_may_be_cut_anywhere(cut: int, low: int, high: int) -> None:
    whole = f"[{cut - low}, {cut + high}]"
    assert same(rf"[{cut - low}, {cut}] \cup [{cut}, {cut + high}]", whole)
    assert same(rf"[{cut}, {cut + high}] \cup [{cut - low}, {cut})", whole)
    assert not same(rf"[{cut - low}, {cut}) \cup ({cut}, {cut + high}]", whole)


@given(value=st.fractions(min_value=-50, max_value=50, max_denominator=99))
def test_a_factor_of_100_needs_a_percent_sign(value: Fraction) -> None:
    assume(value != 0)
    small, large = (f"{v.numerator}/{v.denominator}" for v in (value, 100 * value))
    assert not same(large, small)
    assert not same(small, large)
    assert same(rf"{large}\%", small)
    assert same(rf"{large}\%", rf"{large}\%")


@given(value=positives, change=positives)
def test_a_unit_may_be_missing_but_not_another(value: int, change: int) -> None:
    gold = rf"{value}\text{{ cm}}"
    assert same(f"{value}", gold)
    assert same(rf"{value}\mathrm{{\,centimeters}}", gold)
    assert not same(rf"{value}\text{{ m}}", gold)
    assert not same(rf"{value}\text{{ cm}}^2", gold)
    assert not same(rf"{value + change}\text{{ cm}}", gold)


@given(answer=expressions(), data=st.data())
def test_a_changed_digit_is_never_equal(answer: str, data: st.DataObject) -> None:
    places = [place for place, char in enumerate(answer) if char in "123456789"]
    assume(places)
    place = data.draw(st.sampled_from(places))
    digit = data.draw(st.sampled_from("123456789".replace(answer[place], "")))
    changed = answer[:place] + digit + answer[place + 1 :]
    first, second = read(changed), read(answer)
    assert first is not None
    assert second is not None
    if same_typed(first, second):
        # Unlike digits, values may agree: 0 times any root, 1 to any power, log_4 2 = log_9 3.
        assert first.tree is not None
        is_degenerate = any(mark in answer for mark in ("^", r"\log", r"\sqrt", "0", r"\frac"))
        assert is_degenerate, (changed, answer)


@given(a=integers, b=positives, c=positives, factor=st.integers(2, 9))
def test_equations_may_be_scaled_and_rearranged(a: int, b: int, c: int, factor: int) -> None:
    gold = f"y = {b}x + {c}"
    assert same(f"{factor}y = {factor * b}x + {factor * c}", gold)
    assert same(f"{b}x - y + {c} = 0", gold)
    assert same(f"{b}x + {c}", gold)
    assert not same(f"{factor}y = {b}x + {c}", gold)
    assert not same(f"{c}", gold)
    assert same(f"x = {a}", f"{a}")
    assert not same(f"{b}x + z = {a}", f"{a}")


LATEX = r"""
\frac \frac{1}{2} { } ( ) [ ] \{ \} , ; : = < > \leq \neq \in \cup \cap \setminus \mathbb{R} & \\
\text{ \text{cm} \text{or} and or x n i e \pi 1 12 0 . 3.5 1,000 ^ ^2 ^{ _ _2 _{ ! | \sqrt ' ** #
\sqrt{ \sqrt[3] \sin \log_2 \binom \infty - + * / \cdot \pm \mp % \% $ \$ ^\circ cm km/h \num am
\begin{pmatrix} \end{pmatrix} \equiv \pmod \left \, ~ \over \choose \min \gcd \overline \dot
\ldots \emptyset Yes (A) B. \lfloor \rfloor \langle \rangle \int \mathrm{
"""
PIECES = [*LATEX.split(), "\u20ac", "\u00b0", "\u221a", "\u00b2", "\u2460", "\u00bd", "\u4e2d", " "]


@settings(max_examples=300)
@given(pieces=st.lists(st.sampled_from(PIECES), max_size=30), gold=answers())
def test_no_text_raises(pieces: list[str], gold: str) -> None:
    text = "".join(pieces)
    first, second = read(text), read(gold)
    assert first is not None
    assert second is not None
    assert same_typed(first, second) in (True, False, None)
    assert same_typed(second, first) in (True, False, None)
    assert within_bounds(text) in (True, False)


@given(pieces=st.lists(st.sampled_from(PIECES), min_size=1, max_size=3), times=st.integers(9, 999))
@example(pieces=["=", r"\pm"], times=9)  # more signs than are taken apart
def test_no_repeated_text_is_slow(pieces: list[str], times: int) -> None:
    text = ("".join(pieces) * times)[:4000]
    start = time.thread_time()
    first, second = read(text), read("(1, 2]")
    assert first is None or second is None or same_typed(first, second) is not True
    assert time.thread_time() - start < 2.5  # milliseconds; a pattern that backtracks takes hours
