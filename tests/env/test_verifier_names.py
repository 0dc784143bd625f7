"""Names of quantities: two equations that name different ones are not equal."""

from __future__ import annotations

import pytest

from ccpo_env.verifiers import verify
from ccpo_env.verifiers.math.compare.typed import same_typed
from ccpo_env.verifiers.math.forms.reading import read

NAMES = [
    (r"\angle B=30^\circ", r"\angle A=30^\circ", False),
    (r"\angle ABC=30^\circ", r"\angle ACB=30^\circ", False),
    (r"\angle AOB=120^\circ", r"\angle ACB=120^\circ", False),
    (r"\triangle ABC=12", r"\triangle ABD=12", False),
    (r"\triangle BCA=12", r"\triangle ABC=12", True),
    ("[CBA]=12", "[ABC]=12", True),
    ("[ABC]=12", r"\triangle ABC=12", True),
    ("[ABD]=12", "[ABC]=12", False),
    ("[ABCD]=12", "[ABDC]=12", False),
    ("[BCDA]=12", "[ABCD]=12", True),
    (r"S_{\triangle ABC}=12", r"S_{\triangle ABD}=12", False),
    (r"|A\cup B|=12", r"|A\cap B|=12", False),
    (r"|B\cup A|=12", r"|A\cup B|=12", True),
    (r"A\setminus B=\{3\}", r"A\cap B=\{3\}", False),
    (r"A\cup B=\{3\}", r"A\cap B=\{3\}", False),
    (r"B\cup A=\{3\}", r"A\cup B=\{3\}", True),
    (r"B\setminus A=\{3\}", r"A\setminus B=\{3\}", False),
    (r"A\cup B=\mathbb{R}", r"A\cap B=\mathbb{R}", False),
    (r"P(A|B)=\frac13", r"P(B|A)=\frac13", False),
    (r"P(A\mid B)=\frac13", r"P(A|B)=\frac13", True),
    (r"\Pr(A|B)=\frac13", r"P(A|B)=\frac13", True),
    (r"\mathbb{P}(A\cap B)=\frac13", r"P(B\cap A)=\frac13", True),
    (r"P(A)=\frac13", r"P(B)=\frac13", False),
    (r"P(A\cap B)=\frac13", r"P(A\cup B)=\frac13", False),
    (r"P(X<2)=\frac13", r"P(X>2)=\frac13", False),
    (r"P(X\le2)=\frac13", r"P(X\ge2)=\frac13", False),
    (r"P(X\le2)=\frac13", r"P(X<2)=\frac13", False),
    ("P(Z>1.5)=0.07", "P(Z<1.5)=0.07", False),
    ("P(A')=0.07", "P(A)=0.07", False),
    (r"\|u+v\|=5", r"\|u-v\|=5", False),
    (r"\|v+u\|=5", r"\|u+v\|=5", True),
    (r"\|\mathbf{u}\|=5", r"\|u\|=5", True),
    (r"\|v\|=5", r"\|u\|=5", False),
    (r"\vec a\cdot\vec b=6", r"\vec a\times\vec b=6", False),
    (r"\vec b\cdot\vec a=6", r"\vec a\cdot\vec b=6", True),
    (r"\vec b\cdot\vec c=6", r"\vec a\cdot\vec b=6", False),
    (r"\max f=4", r"\min f=4", False),
    (r"\max f=4", r"\max g=4", False),
    (r"\max=10,\min=3", r"\max=3,\min=10", False),
    (r"\min=3,\max=10", r"\max=10,\min=3", True),
    (r"\min=3", r"\max=3", False),
    (r"\sup S=1", r"\inf S=1", False),
    (r"\deg f=3", r"\deg g=3", False),
    (r"\dim U=3", r"\dim V=3", False),
    (r"\text{mean}=5", r"\text{median}=5", False),
    (r"\text{median}=5", r"\text{mode}=5", False),
    (r"\text{mean}=5,\text{median}=4", r"\text{mean}=4,\text{median}=5", False),
    (r"\text{Mean}=5", r"\text{mean}=5", True),
    (r"\text{Area of the triangle}=5", r"\text{Area}=5", True),
    (r"\text{perimeter}=5", r"\text{area}=5", False),
    ("AB:BC=2:3", "BC:AB=2:3", False),
    ("BC:AB=3:2", "AB:BC=2:3", True),
    ("AB:CD=2:3", "AB:BC=2:3", False),
    ("|AB|=5", "AB=5", True),
    ("BA=5", "AB=5", True),
    (r"\overline{AB}=5", "AB=5", True),
    ("|AC|=5", "AB=5", False),
    ("AC=5", "AB=5", False),
    (r"m\angle A=30^\circ", r"\angle A=30^\circ", True),
    (r"\angle CBA=30^\circ", r"\angle ABC=30^\circ", True),
    (r"\angle A=30^\circ", r"A=30^\circ", True),
    (r"\angle B=30^\circ", r"A=30^\circ", False),
    (r"A=30^\circ", r"\angle A=30^\circ", True),
    ("S=12", r"\triangle ABC=12", True),
    (r"\text{Area}=12", "[ABC]=12", True),
    (r"x=30^\circ", r"\angle A=30^\circ", True),
    ("E[X]=5", "E[Y]=5", False),
    ("E[X]=5", r"\operatorname{Var}(X)=5", False),
    ("E(X)=5", "E[X]=5", True),
    (r"\mathbb{E}[X]=5", "E[X]=5", True),
    ("2x-6=0", "x-3=0", True),
    ("2x^2-18=0", "x^2-9=0", True),
    ("2x^2+18=0", "x^2+9=0", True),
    ("-x^2-7=0", "x^2+7=0", True),
    (r"\frac{x^2}{4}+1=0", "x^2+4=0", True),
    ("x^2+2x+5=0", "2x^2+4x+10=0", True),
    ("4x^2+2=0", "2x^2+1=0", True),
    ("0=x^2+4", "x^2+4=0", True),
    ("-4=x^2", "x^2+4=0", True),
    ("x^2=-4", "2x^2+8=0", True),
    ("x^2+4=0", "x^2+1=0", False),
    ("2x^2+4=0", "x^2+4=0", False),
    ("x^2+x+4=0", "x^2+4=0", False),
    ("x^4+4=0", "x^2+4=0", False),
    ("x^2+2x+5=0", "x^2+2x+7=0", False),
    ("x^2+2x+1=0", "x+1=0", False),
    ("2x-6=0", "x-4=0", False),
    ("x^3=0", "x=0", False),
    ("f(3)=41", "f(3)=42", False),
    ("f(2)=7", "f(3)=7", False),
    ("f(x)=2x+3", "y=2x+3", True),
    (r"\log_2 8=4", r"\log_2 8=3", False),
    ("0x=0", "x=5", False),
    ("2x+2y=0", "x+y=0", True),
    (r"\gcd(a,b)=7", r"\text{lcm}(a,b)=7", False),
    ("|a+b|=5", "|a-b|=5", False),
    ("m-n=42", "m+n=42", False),
    (r"\sin A=\frac12", r"\cos A=\frac12", False),
    (r"\sin A=\frac12", r"\sin B=\frac12", False),
    (r"\overline{x}=3", r"\overline{y}=3", False),
    (r"\mu=3", r"\sigma=3", False),
    (r"\hat{p}=3", r"\bar{p}=3", False),
    ("d(A,B)=5", "d(A,C)=5", False),
    ("R(5,5)=42", "R(4,5)=42", False),
    ("A^{-1}=4", "A^T=4", False),
    ("a_1=4", "a_2=4", False),
    (r"\frac{AB}{CD}=2", r"\frac{CD}{AB}=2", False),
    (r"AB\parallel CD", r"AB\perp CD", False),
]


@pytest.mark.parametrize(("answer", "gold", "equal"), NAMES)
def test_the_name_of_a_quantity_decides(answer: str, gold: str, equal: bool) -> None:
    readings = read(answer), read(gold)
    assert readings[0] is not None
    assert readings[1] is not None
    assert bool(same_typed(*readings)) is equal


ROUNDED = [
    (r"\pi\approx3.15", r"\pi\approx3.14", False),
    (r"\pi\approx3.1416", r"\pi\approx3.14", True),
    (r"\pi\approx3.15", r"\pi", False),
    (r"\pi\approx3.141", r"\pi", True),
    (r"\sqrt{10}\approx3.17", r"\sqrt{10}\approx3.16", False),
    (r"\sqrt{50}\approx7.08", r"\sqrt{50}\approx7.07", False),
    (r"\ln 3\approx1.2", r"\ln 3\approx1.1", False),
    (r"x=\sqrt{10}\approx3.17", r"x=\sqrt{10}\approx3.16", False),
    (r"x=\sqrt{10}\approx3.162", r"x=\sqrt{10}\approx3.16", True),
    (r"e\approx2.73", r"e\approx2.72", False),
    (r"-\sqrt2\approx-1.42", r"-\sqrt2\approx-1.41", False),
    (r"-\sqrt2\approx-1.41", r"-\sqrt2", True),
    (r"\sqrt2\approx 1", "1", False),
    (r"\frac23\approx0.67", r"\frac23", True),
    (r"\frac23\approx0.66", r"\frac23", True),
    (r"\frac23\approx0.68", r"\frac23", False),
    (r"\frac18\approx0.13", r"\frac18", True),
    (r"\frac18\approx0.12", r"\frac18", True),
    (r"2\pi\approx6.3\text{ cm}", "6.3", False),
]


@pytest.mark.parametrize(("answer", "gold", "equal"), ROUNDED)
def test_a_rounded_value_is_one_of_the_exact_value(answer: str, gold: str, equal: bool) -> None:
    verdict = verify(rf"\boxed{{{answer}}}", gold)
    assert verdict.status == ("correct" if equal else "wrong")


SIGNS = [
    (r"p\land q", r"p\lor q", False),
    (r"p\land q", r"p\wedge q", True),
    (r"q\land p", r"p\land q", True),
    (r"p\to q", r"q\to p", False),
    (r"\lim_{x\to0^+}f(x)=2", r"\lim_{x\to0^-}f(x)=2", False),
    (r"a_n\sim n^2", r"a_n\sim n", False),
    (r"a_n\sim n^2", r"a_n \sim n^{2}", True),
    (r"f\circ g=x+1", r"g\circ f=x+1", False),
    (r"a\in B", r"a\notin B", False),
    (r"A\subset B", r"B\subset A", False),
    (r"A\subset B", r"A\supset B", False),
    (r"A\subseteq B", r"A\subset B", False),
    (r"AB\perp CD", r"AB\parallel CD", False),
    (r"p\iff q", r"p\implies q", False),
    (r"\lnot p", "p", False),
    (r"\forall x", r"\exists x", False),
    (r"p\lor q", r"p\oplus q", False),
    (r"3\,\mathrm{in.}\times5\,\mathrm{in.}", r"3 in. $\times$ 5 in.", True),
    (r"3\,\mathrm{in.}\times6\,\mathrm{in.}", r"3 in. $\times$ 5 in.", False),
    (r"x\doteq 4", r"x\doteq 3", False),
    (r"y\propto x^3", r"y\propto x^2", False),
    ("A:B=2:3", "A:B=3:2", False),
    ("A:B:C=3:2:1", "A:B:C=1:2:3", False),
    ("A:B=4:6", "A:B=2:3", True),
    ("A: x=5", "A", True),
    ("A:B", "B:A", False),
    ("2:3", "A:B=2:3", True),
    ("3:2", "A:B=2:3", False),
    ("B:C=2:3", "B:C=3:2", False),
]


@pytest.mark.parametrize(("answer", "gold", "equal"), SIGNS)
def test_another_sign_is_another_answer(answer: str, gold: str, equal: bool) -> None:
    verdict = verify(rf"\boxed{{{answer}}}", gold)
    assert verdict.status == ("correct" if equal else "wrong")
