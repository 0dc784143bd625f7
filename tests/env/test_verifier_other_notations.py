"""Notations of data sets, sets with points, constants of integration, series and long lists."""

from __future__ import annotations

import pytest

from ccpo_env.verifiers import verify

DATA_SETS = [
    (r"\arcsin\left(\frac{10}{13}\right)", "np.arcsin(10/13)", True),
    (r"\sin^{-1}(10/13)", "np.arcsin(10/13)", True),
    (r"\arccos\left(\frac{10}{13}\right)", "np.arcsin(10/13)", False),
    (r"\arcsin\frac{10}{13}", "math.asin(10/13)", True),
    (r"\frac{\pi}{3}", "np.pi/3", True),
    (r"\sqrt{2}", "np.sqrt(2)", True),
    ("e^2", "np.exp(2)", True),
    (r"\frac{1}{3}", "Rational(1, 3)", True),
    ("120", "math.factorial(5)", True),
    (r"\log_{10} 5", "np.log10(5)", True),
    ("10", "math.comb(5,2)", True),
    ("[1,2,3]", "np.array([1, 2, 3])", True),
    (r"760\text{ boxes}", "760 (boxes of medicine)", True),
    ("760", "760 (boxes of medicine)", True),
    ("9", "9 (apples)", True),
    (r"9\text{ apples}", "9 (apples)", True),
    ("9 (apples)", "9", True),
    (r"9\text{ oranges}", "9 (apples)", False),
    ("8", "9 (apples)", False),
    (r"9 (\text{cm})", r"9 \text{ cm}", True),
    ("6.5 (kg)", "6.5", True),
    ("9 (mod 11)", "9 (mod 12)", False),
    ("3{,}5", "3.5", True),
    ("0{,}25", "0.25", True),
    ("3{,}14", "3.14", True),
    ("1{,}000", "1", False),
    ("1{,}000", "1000", True),
]

POINTS = [
    (r"x=1\text{ or }x>2", r"\{1\}\cup(2,\infty)", True),
    ("x>2, x=1", r"\{1\}\cup(2,\infty)", True),
    (r"x<0 \text{ or } x=1", r"(-\infty,0)\cup\{1\}", True),
    (r"(-\infty,0)\cup\{1\}", r"x<0 \text{ or } x=1", True),
    (r"x=1 \text{ or } x<0", r"x<0 \text{ or } x=1", True),
    (r"x < 0 \lor x = 1", r"x<0 \text{ or } x=1", True),
    (r"\{x \mid x<0 \text{ or } x=1\}", r"x<0 \text{ or } x=1", True),
    (r"x \in (-\infty,0) \text{ or } x=1", r"x<0 \text{ or } x=1", True),
    (r"x \in (-\infty,0)\cup\{1\}", r"x<0 \text{ or } x=1", True),
    (r"x\le -2 \text{ or } x=0 \text{ or } x\geq 2", r"(-\infty,-2]\cup\{0\}\cup[2,\infty)", True),
    (r"x<0 \text{ or } x=2", r"x<0 \text{ or } x=1", False),
    (r"x<0 \text{ and } x=1", r"x<0 \text{ or } x=1", False),
    (r"x\le 0 \text{ or } x=1", r"x<0 \text{ or } x=1", False),
    ("x<0", r"x<0 \text{ or } x=1", False),
    ("x=1", r"x<0 \text{ or } x=1", False),
    ("[2,2]", r"\{2\}", True),
    ("(2,2)", r"\{2\}", False),
    ("[2,2]", r"\{3\}", False),
    (r"x=1 \text{ or } x=2", r"\{1,2\}", True),
    ("2:14", "1:7", True),
    ("7:1", "1:7", False),
    ("4:60", "2:30", False),
    (r"x=1 \text{ and } x=3", r"\{1,2\}", False),
    (r"x=1 \text{ and } x=2", r"\{1,2\}", True),
    (r"x>1 \text{ and } x<2", "(1,2)", True),
    (r"x\le 1, x\ne 0", r"(-\infty,0)\cup(0,1]", True),
]

CONSTANTS = [
    (r"\frac{x^3}{3}+c", r"\frac13x^3+C", True),
    (r"\frac{x^3}{3}+K", r"\frac13x^3+C", True),
    (r"\frac{x^3}{3}+C_1", r"\frac13x^3+C", True),
    (r"\frac{x^3}{3}+D", r"\frac13x^3+C", True),
    (r"\frac{x^3}{3}+\text{const}", r"\frac13x^3+C", True),
    (r"\frac{x^3}{3}+\text{constant}", r"\frac13x^3+C", True),
    (r"\frac{x^3}{3}+\mathrm{const.}", r"\frac13x^3+C", True),
    (r"k+\frac{x^3}{3}", r"\frac13x^3+C", True),
    (r"\frac{x^3+3C}{3}", r"\frac13x^3+C", True),
    (
        r"2\left(\sin\sqrt{x}-\sqrt{x}\cos\sqrt{x}\right)+c",
        r"$2 \sin (\sqrt{x})-2 \sqrt{x} \cos (\sqrt{x})+C$",
        True,
    ),
    (r"\ln|x|+c", r"\ln |x|+C", True),
    (r"\sin^2 x + C", r"-\cos^2 x + C", True),
    (r"\frac{(x+1)^2}{2}+C", r"\frac{x^2}{2}+x+C", True),
    ("Ce^{x}", "ce^x", True),
    ("ke^{x}", "Ce^x", True),
    ("Ae^{x}", "Ce^x", True),
    ("y = Ke^{-2x}", "y = Ce^{-2x}", True),
    ("c_1e^x+c_2e^{-x}", "C_1 e^{x}+C_2 e^{-x}", True),
    ("Ae^x+Be^{-x}", "C_1 e^{x}+C_2 e^{-x}", True),
    ("c_2e^x+c_1e^{-x}", "C_1 e^{x}+C_2 e^{-x}", True),
    (r"A\cos x+B\sin x", r"c_1\cos x+c_2\sin x", True),
    (r"\frac{C}{x^3}", r"y=\frac{c}{x^3}", True),
    (r"\frac{1}{3}e^t+Ce^{-2t}", r"\frac{e^{t}} {3}+c e^{-2 t}", True),
    ("F(x)=x^2+k", "x^2+C", True),
    (r"\frac{x^3}{3}", r"\frac13x^3+C", False),
    ("x^3+C", r"\frac13x^3+C", False),
    (r"\frac{x^2}{2}+C", r"\frac13x^3+C", False),
    (r"\frac{x^3}{3}+x", r"\frac13x^3+C", False),
    (r"\frac{x^3}{3}+Cx", r"\frac13x^3+C", False),
    (r"\frac{t^3}{3}+C", r"\frac13x^3+C", False),
    (r"\frac{x^3}{3}+5", r"\frac13x^3+C", False),
    (r"\frac{x^3}{3}+x+C", r"\frac13x^3+C", False),
    ("Ce^{2x}", "ce^x", False),
    ("e^x+C", "Ce^x", False),
    ("ax+d", "ax+c", False),
    ("a+b", "a+c", False),
    ("2k", "2c", False),
    ("kx", "cx", False),
    ("mk^2", "mc^2", False),
    ("C_1 e^{x}", "C_1 e^{x}+C_2 e^{-x}", False),
    ("c_1e^x+c_1e^{-x}", "C_1 e^{x}+C_2 e^{-x}", False),
    ("a^2+b^2+C^2", "a^2+b^2+c^2", False),
    ("2C", "2c", False),
    ("x^2+bx+k", "x^2+bx+c", False),
    (r"\frac12 cx^2", r"\frac12 kx^2", False),
    ("A+B", "C+D", False),
    ("x+y+k", "x+y+z", False),
    (r"\sin x + C", r"\cos x + C", False),
]

SERIES = [
    (r"\sum_{k=0}^{\infty}\frac{x^k}{k!}", r"\sum_{n=0}^\infty \frac{x^n}{n!}", True),
    (r"\sum_{n=1}^{\infty}\frac{x^{n-1}}{(n-1)!}", r"\sum_{n=0}^\infty \frac{x^n}{n!}", True),
    (r"\sum\limits_{m=0}^{\infty}\frac{x^m}{m!}", r"\sum_{n=0}^\infty \frac{x^n}{n!}", True),
    (r"\sum_{k\ge0}\frac{x^k}{k!}", r"\sum_{n=0}^\infty \frac{x^n}{n!}", True),
    (r"2\sum_{k=0}^{\infty}x^{2k}", r"\sum_{n=0}^\infty 2x^{2n}", True),
    (r"1+\sum_{k=1}^{\infty}(-1)^k x^{2k}", r"1+\sum_{n=1}^\infty (-1)^n x^{2n}", True),
    (
        r"\sum_{n=1}^{\infty}(-1)^{n-1}\frac{x^n}{n}",
        r"\sum_{k=0}^{\infty}\frac{(-1)^k x^{k+1}}{k+1}",
        True,
    ),
    (r"f(x)=\sum_{k=0}^{\infty}\frac{x^k}{k!}", r"\sum_{n=0}^\infty \frac{x^n}{n!}", True),
    (r"\sum_{i=1}^{n} i^2", r"\sum_{k=1}^{n} k^2", True),
    (r"\prod_{i=1}^{n} (2i-1)", r"\prod_{k=1}^{n}(2k-1)", True),
    (r"\sum_{k=1}^{\infty}\frac{x^k}{k!}", r"\sum_{n=0}^\infty \frac{x^n}{n!}", False),
    (r"\sum_{k=0}^{\infty}\frac{x^k}{k}", r"\sum_{n=0}^\infty \frac{x^n}{n!}", False),
    (r"\sum_{k=0}^{\infty}\frac{x^{2k}}{k!}", r"\sum_{n=0}^\infty \frac{x^n}{n!}", False),
    (r"\sum_{i=1}^{n+1} i^2", r"\sum_{k=1}^{n} k^2", False),
    ("(2n-1)!!", r"\frac{(2n)!}{2^n n!}", True),
    ("15!!/3", r"\frac{15!!}{3}", True),
    ("(2n)!!", "2^n n!", True),
    ("(2n-1)!!", "(2n-1)!", False),
    ("(2n)!!", "2^n n", False),
    ("(2n+1)!!", "(2n+1)(2n-1)!!", True),
    ("(n!)!", "n!!", False),
]

BASES = [
    (r"\vec{i}+2\vec{j}", r"\hat{i}+2\hat{j}", True),
    (r"\mathbf{i}+2\mathbf{j}", r"\hat{i}+2\hat{j}", True),
    (r"\mathbf i+2\mathbf j", r"2\mathbf{j}+\mathbf{i}", True),
    (r"\hat{\imath}+2\hat{\jmath}", r"\mathbf{i}+2\mathbf{j}", True),
    (r"\hat{\mathbf{i}}+2\hat{\mathbf{j}}", r"\mathbf{i}+2\mathbf{j}", True),
    (r"\mathbf{\hat i}+2\mathbf{\hat j}", r"\mathbf{i}+2\mathbf{j}", True),
    (r"\boldsymbol{i}+2\boldsymbol{j}", r"\mathbf{i}+2\mathbf{j}", True),
    ("i+2j", r"\mathbf{i}+2\mathbf{j}", True),
    ("(1,2)", r"\mathbf{i}+2\mathbf{j}", True),
    (r"\langle 1,2\rangle", r"\mathbf{i}+2\mathbf{j}", True),
    (r"\begin{pmatrix}1\\2\end{pmatrix}", r"\mathbf{i}+2\mathbf{j}", True),
    (r"\mathbf{i}+2\mathbf{j}", "(1,2)", True),
    (r"3\mathbf{i}-\mathbf{k}", r"\langle 3,0,-1\rangle", True),
    (r"\frac{1}{2}\mathbf{i}+t^2\mathbf{j}", r"\frac{\mathbf{i}}{2}+t^2\mathbf{j}", True),
    (r"\mathbf{v}=\mathbf{i}+2\mathbf{j}", r"\mathbf{i}+2\mathbf{j}", True),
    (r"3\hat{i}", r"3\mathbf{i}", True),
    (r"\mathbf{i}-2\mathbf{j}", r"\mathbf{i}+2\mathbf{j}", False),
    (r"2\mathbf{i}+\mathbf{j}", r"\mathbf{i}+2\mathbf{j}", False),
    ("(2,1)", r"\mathbf{i}+2\mathbf{j}", False),
    ("(1,2,3)", r"\mathbf{i}+2\mathbf{j}", False),
    (r"\mathbf{i}+2\mathbf{k}", r"\mathbf{i}+2\mathbf{j}", False),
    (r"\mathbf{i}+2\mathbf{j}", "1+2i", False),
    ("3", r"\mathbf{i}+2\mathbf{j}", False),
    (r"\sqrt{5}", r"\mathbf{i}+2\mathbf{j}", False),
    (r"\mathbf{i}+2", r"\mathbf{i}+2\mathbf{j}", False),
    ("1-i", r"1-\mathbf{i}", True),
]

PAIRS = [
    ("(99,100)", "(99, 100)", True),
    ("(2,100)", "(2, 100)", True),
    (r"\{1,200\}", r"\{1, 200\}", True),
    ("(1,100),(2,200)", "(1, 100), (2, 200)", True),
    ("(0,100)", "(0, 100)", True),
    ("(2,100)", r"(2, \frac{200}{2})", True),
    ("(2,100)", "2100", False),
    ("2,100", "(2, 101)", False),
    ("2,100", "2100", True),
    (r"\$2,100", "2100", True),
    ("(1,000, 2)", "(1000, 2)", True),
    (r"\{100, 200\}", r"\{100,200\}", True),
    ("(3,200),(4,500)", "(4, 500), (3, 200)", True),
]


@pytest.mark.parametrize(("answer", "gold", "equal"), DATA_SETS)
def test_notations_of_data_sets_are_read(answer: str, gold: str, equal: bool) -> None:
    verdict = verify(rf"\boxed{{{answer}}}", gold)
    assert verdict.status == ("correct" if equal else "wrong")


@pytest.mark.parametrize(("answer", "gold", "equal"), POINTS)
def test_unions_of_intervals_and_points(answer: str, gold: str, equal: bool) -> None:
    verdict = verify(rf"\boxed{{{answer}}}", gold)
    assert verdict.status == ("correct" if equal else "wrong")


@pytest.mark.parametrize(("answer", "gold", "equal"), CONSTANTS)
def test_constants_of_integration_may_have_any_name(answer: str, gold: str, equal: bool) -> None:
    verdict = verify(rf"\boxed{{{answer}}}", gold)
    assert verdict.status == ("correct" if equal else "wrong")


@pytest.mark.parametrize(("answer", "gold", "equal"), SERIES)
def test_series_with_another_index(answer: str, gold: str, equal: bool) -> None:
    verdict = verify(rf"\boxed{{{answer}}}", gold)
    assert verdict.status == ("correct" if equal else "wrong")


@pytest.mark.parametrize(("answer", "gold", "equal"), BASES)
def test_basis_vectors_in_any_style(answer: str, gold: str, equal: bool) -> None:
    verdict = verify(rf"\boxed{{{answer}}}", gold)
    assert verdict.status == ("correct" if equal else "wrong")


@pytest.mark.parametrize(("answer", "gold", "equal"), PAIRS)
def test_a_pair_is_not_a_number_with_grouped_digits(answer: str, gold: str, equal: bool) -> None:
    verdict = verify(rf"\boxed{{{answer}}}", gold)
    assert verdict.status == ("correct" if equal else "wrong")


ROOTS = [rf"\sqrt{{{4 * number}}}" for number in range(2, 102)]
LONG = [
    ([*range(100, 0, -1)], [*range(1, 101)], True),
    ([*range(1, 100), 101], [*range(1, 101)], False),
    ([*range(1, 100)], [*range(1, 101)], False),
    (ROOTS[::-1], [rf"2\sqrt{{{number}}}" for number in range(2, 102)], True),
    ([*ROOTS[:-1], "3"], [rf"2\sqrt{{{number}}}" for number in range(2, 102)], False),
    (
        [f"({n},{n + 1})" for n in range(99, 0, -1)],
        [f"({n}, {n + 1})" for n in range(1, 100)],
        True,
    ),
    ([f"({n},{n})" for n in range(1, 100)], [f"({n}, {n + 1})" for n in range(1, 100)], False),
    ([rf"\frac{{1}}{{{n}}}" for n in range(80, 1, -1)], [f"1/{n}" for n in range(2, 81)], True),
]


@pytest.mark.parametrize(("answers", "golds", "equal"), LONG)
def test_sets_of_more_than_64_members(
    answers: list[object], golds: list[object], equal: bool
) -> None:
    first, second = (", ".join(map(str, items)) for items in (answers, golds))
    assert (verify(rf"\boxed{{{first}}}", second).status == "correct") == equal
    assert (verify(rf"\boxed{{\{{{first}\}}}}", second).status == "correct") == equal


def test_long_tuples_are_ordered() -> None:
    items = ", ".join(map(str, range(1, 101)))
    turned = ", ".join(map(str, range(100, 0, -1)))
    assert verify(rf"\boxed{{({items})}}", f"({items.replace(' ', '')})").status == "correct"
    assert verify(rf"\boxed{{({turned})}}", f"({items})").status == "wrong"


PYTHON = [
    ("[1,2]", "np.array([1., 2.])", True),
    (r"\frac{\sqrt3}{2}", "np.sqrt(3)/2", True),
    ("e", "np.e", True),
    (r"\infty", "np.inf", True),
    (r"\frac12", "sp.Rational(1,2)", True),
    (r"\ln 2", "np.log(2)", True),
    (r"\begin{pmatrix}1&2\\3&4\end{pmatrix}", "[[1,2],[3,4]]", True),
    (r"\begin{pmatrix}1&2\\3&4\end{pmatrix}", "np.array([[1, 2], [3, 4]])", True),
    (r"\begin{pmatrix}1&3\\2&4\end{pmatrix}", "[[1,2],[3,4]]", False),
    ("e^{-1}", "exp(-1)", True),
    (r"\arctan\frac34", "np.arctan(3/4)", True),
    (r"\arctan\frac34", "math.atan(3/4)", True),
    (r"\frac{\pi}{180}", "np.pi/180", True),
    ("x=3", "Solution is: $x=3$", True),
    ("3", "Solution: 3", True),
    ("3", "Answer: 3", True),
    ("x=3, y=2", "Solution is: $x=3, y=2$", True),
    ("|x|", "abs(x)", True),
    (r"9 \text{ apples}", "9 (apples)", True),
    (r"12\text{ cm}", "12 (cm)", True),
    (r"12\text{ m}", "12 (cm)", False),
    (r"3 \text{ hours}", "3 (hours)", True),
    (r"\{1,2\}", "{1, 2}", True),
    ("1/3", "Fraction(1, 3)", True),
    ("2^{10}", "2**10", True),
    ("2^{10}", "pow(2, 10)", True),
    (r"\text{True}", "True", True),
    (r"6.02\times10^{23}", "6.02E23", True),
    (r"\sin^2 x", "sin(x)**2", True),
    (r"\log_{10} 5", "log10(5)", True),
    (r"\sqrt[3]{5}", "np.cbrt(5)", True),
    ("|3-5|", "np.abs(-2)", True),
    (r"\arcsin\frac{10}{14}", "np.arcsin(10/13)", False),
    (r"\frac{1}{\sqrt{2}}", "1/np.sqrt(2)", True),
    (r"\sqrt{b^2-4ac}", "sqrt(b**2 - 4*a*c)", True),
    ("(x-1/2)(x+1/2)", "(x - 0.5)*(x + 0.5)", True),
    ("[[1,2],[3,4]]", "[[1, 2], [3, 4]]", True),
    ("[[1,2],[3,5]]", "[[1, 2], [3, 4]]", False),
    ("[1,2,3,4]", "[[1, 2], [3, 4]]", False),
]


@pytest.mark.parametrize(("answer", "gold", "equal"), PYTHON)
def test_notations_of_python_are_read(answer: str, gold: str, equal: bool) -> None:
    verdict = verify(rf"\boxed{{{answer}}}", gold)
    assert verdict.status == ("correct" if equal else "wrong")
