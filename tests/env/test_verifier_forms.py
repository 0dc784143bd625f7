"""The forms in which models write one value: what is equal, and the near miss that stays wrong."""

from __future__ import annotations

import pytest

from ccpo_env.verifiers import verify

# kind: answers and gold answers that are equal, and answers that are not
PAIRS = {
    "plain powers": [
        ("x^10", "x^{10}", "x^11"),
        ("2^10-1", "1023", "2^1-1"),
        ("3*10^12", r"3\times10^{12}", "3*10^11"),
        ("3x10^-12", r"3\times10^{-12}", "3x10^12"),
        ("x^2.5", r"x^2\sqrt{x}", "x^2"),
        ("x^{10}y^12", "x^10y^{12}", "x^{10}y^13"),
        ("10^-12", "10^{-12}", "10^-1"),
    ],
    "plain subscripts": [
        ("a_10=5", "5", "a_10=6"),
        ("255_16", "255_{16}", "255_12"),
        (r"\log_10 1000", "3", r"\log_100 1000"),
        (r"\log_28", "3", r"\log_27"),
        ("b_12^n", "2^n b_1", "2^n b_2"),
        ("{}_{10}C_3", "120", "2^{10}C_3"),
        ("C(10,3)", "120", "C(10,4)"),
    ],
    "plain functions": [
        ("sin^2(x)", r"\sin^2 x", "sin(x^2)"),
        ("2 sin x cos x", r"\sin 2x", "sin x cos x"),
        ("ln 2", r"\ln2", "ln 3"),
        ("log_2(8)", "3", "log_2(9)"),
    ],
    "styles": [
        (r"\mathbf{2^{32}}", "2^{32}", r"\mathbf{2^{31}}"),
        (r"\mathrm{x^{2}+1}", "x^2+1", r"\mathrm{x^{2}-1}"),
        (r"\underline{\underline{2^{10}}}", "1024", r"\underline{\underline{2^{11}}}"),
        (r"\textbf{$\frac{1}{2}$}", r"\frac12", r"\textbf{$\frac{1}{3}$}"),
        (r"x=\mathbf{2^{32}}", "2^{32}", r"x=\mathbf{2^{3}}2"),
        (r"\mathbf{x+1}\cdot 2^{n}", r"(x+1)2^n", r"x+2^{n}"),
        (r"\mathbf{2^{5}}\text{ cm}", r"32\text{ cm}", r"\mathbf{2^{5}}\text{ m}"),
        (r"5\,\mathrm{m/s^2}", r"5\text{ m/s}^2", r"5\,\mathrm{m/s}"),
        (r"\mathbf{v}_1+1", r"1+\mathbf{v}_1", r"\mathbf{v}_2+1"),
        (r"\textbf{Alice, Bob}", r"\text{Alice, Bob}", r"\textbf{Alice, Carl}"),
        (r"\textbf{(B)}\ 2^{5}", "B", r"\textbf{(C)}\ 2^{5}"),
    ],
    "options": [
        (r"\textbf{(B)}\ 5", "5", r"\textbf{(B)}\ 6"),
        (r"\textbf{(B) } \frac{1}{2}", "0.5", r"\textbf{(B) } \frac{1}{3}"),
        (r"\text{(B)}\ 5", "5", r"\text{(B)}\ 6"),
        ("B. 5", "5", "B. 0.5"),
        ("B) 5", "5", "5) B"),
        (r"\text{Option B: }5", "5", r"\text{Option 5: }B"),
        ("(A) (1,2)", "(1,2)", "(A) (2,1)"),
        (r"5 \textbf{ (B)}", "5", r"6 \textbf{ (B)}"),
        ("5", r"\textbf{(B)}\ 5", "6"),
        ("B", r"\textbf{(B)}\ 5", "C"),
        ("(B) 5", r"\textbf{(B)}\ 5", "(C) 5"),
        ("(B) 5", r"\textbf{(B)}\ 5", "(B) 6"),
        ("(A) (1,2)", r"\textbf{(A)}\ (1,2)", "(A) (1,4)"),
        ("1-i", r"C. 1-\mathrm{i}", "1+i"),
        ("C", r"C. 1-\mathrm{i}", "B"),
        ("(D) 12", r"(D) 12 \text{ square units}", "(A) 12, (D) 12"),
        ("5(C)", "5C", "(C) 5"),
        (r"(\text{B})\ 5", "5", r"(\text{B})\ 6"),
        ("D. 12 units", r"(D) 12 \text{ square units}", r"(D) 10 \text{ square units}"),
        ("A, B and D", "ABD", "A, B and C"),
    ],
    "nouns": [
        ("10 apples", "10", "10 dozen"),
        ("7 ways", "7", "7 million"),
        (r"\text{7 ways}", "7", r"\text{7 or 8 ways}"),
        ("42 ordered pairs", "42", "42 percent of 10"),
        ("10 million", "10000000", "10"),
        ("10 dozen", "120", "10"),
        ("10 dozen", "10 dozen", "10"),
        ("2 apples", "2", "2 thirds"),
        ("2 apples", "2", "2 squared"),
        ("2 men", "2", "2 xyz"),
        ("2 men", "2", "2 pi"),
        ("10", "10 apples", "10 pears"),
        ("10 red apples", r"10\text{ apples}", r"10\text{ red pears}"),
        ("1 child", "1 children", "1 adult"),
        ("4 cherries", "4 cherry", "4 berries"),
        ("760 boxes", "760 (boxes of medicine)", "760 bottles"),
        ("twenty-five dollars", "25", "twenty-four dollars"),
        ("three apples", "3", "three quarters"),
        ("5 \u00c4pfel", "5", "5 Millionen"),
        (r"2\sqrt3 units", r"2\sqrt3", r"2\sqrt3 x"),
    ],
    "units without text": [
        (r"9.8\frac{m}{s^2}", r"9.8\text{ m/s}^2", r"9.8\frac{m}{s}"),
        (r"60\frac{km}{h}", "60 kilometers per hour", r"60\frac{m}{s}"),
        ("9.8 m/s^2", "9.8", "8.9 m/s^2"),
        ("8.314 J/(mol K)", r"8.314\text{ J mol}^{-1}\text{K}^{-1}", "8.314 J/mol"),
        (r"576\pi\text{ m}^2", r"576\pi\;m^{2}", r"576\pi\text{ m}"),
        (r"576\pi", r"576\pi\;m^{2}", r"575\pi"),
        (r"5\,m", r"5\text{ m}", r"5\,g"),
        ("5 m", "5", "5m"),
        ("2 m", "2m", "2"),
        ("2 s m", "2 m s", "2"),
        ("0.60", "0.60 J K$^{-1}$", "0.60 J"),
        ("5 USD", r"\$5", "5 EUR"),
        (r"\$5\text{ dollars}", r"\$5", r"\$5\text{ cents}"),
        ("45 per cent", r"45\%", "45 cents"),
        (r"5 N\cdot m", r"5\text{ Nm}", r"5\text{ nm}"),
        (r"4200\text{ J/(kg K)}", r"4200\text{ J kg}^{-1}\text{K}^{-1}", r"4200\text{ J/kg}"),
        ("5^{th}", "5", "5^{h}"),
        (r"\SI{5}{\kilo\meter\per\hour}", r"5\text{ km/h}", r"\SI{5}{\meter\per\hour}"),
    ],
    "powers of units": [
        (r"5\text{ dm}^2", r"5\text{ square decimeters}", r"5\text{ dm}^3"),
        (r"5\text{ furlongs}^2", r"5\text{ furlongs}^2", r"5\text{ furlongs}^3"),
        ("12 square units", r"12\text{ units}^2", "12 cubic units"),
        ("12 square units", r"12\text{ cm}^2", r"12\text{ cm}^3"),
        (r"5\text{ MW}", r"5\text{ megawatts}", r"5\text{ mW}"),
    ],
    "systems": [
        (r"\begin{cases}x=2\\y=3\end{cases}", "(2,3)", r"\begin{cases}x=3\\y=2\end{cases}"),
        (
            r"\left\{\begin{array}{rcl}x&=&2,\\y&=&3.\end{array}\right.",
            "(2,3)",
            r"\left\{\begin{array}{rcl}x&=&2\\y&=&4\end{array}\right.",
        ),
        (r"\begin{aligned}x&=2\\y&=3\end{aligned}", "(x,y)=(2,3)", r"x=2 \\ y=4"),
        (r"\begin{aligned}x&=2+3\\&=5\end{aligned}", "5", r"\begin{aligned}x&=2+3\end{aligned},6"),
        (r"x=2 \quad y=3", "(2,3)", r"x=3 \quad y=2"),
        ("y=3, x=2", "(2,3)", "y=2, x=3"),
        (r"\begin{cases}x=2\\x=5\end{cases}", "2, 5", r"\begin{cases}x=2\\x=6\end{cases}"),
        (r"\begin{cases}x>1\\x\le3\end{cases}", "(1,3]", r"\begin{cases}x>1\\x<3\end{cases}"),
        (
            r"\begin{cases}x-y=1\\x+y=3\end{cases}",
            r"\begin{cases}x+y=3\\x-y=1\end{cases}",
            r"\begin{cases}x-y=1\\x+y=4\end{cases}",
        ),
        (
            r"\begin{cases}x=1\\y=2\end{cases} \text{ or } \begin{cases}x=3\\y=4\end{cases}",
            "(1,2),(3,4)",
            r"\begin{cases}x=1\\y=2\end{cases} \text{ or } \begin{cases}x=4\\y=3\end{cases}",
        ),
        ("(x,y,z)=(2t+1,4t,t)", "[x=2t+1, y=4t, z=t]", "(x,y,z)=(2t-1,4t,t)"),
        (r"(a,b)\in\{(1,8),(2,7)\}", "(1,8), (2,7)", r"(a,b)\in\{(8,1),(2,7)\}"),
        ("x=2, y=3", r"\begin{pmatrix}2\\3\end{pmatrix}", "x=3, y=2"),
        (r"\{(1,2)\}", "(1,2)", r"\{(2,1)\}"),
    ],
    "functions in pieces": [
        (
            r"\begin{cases}-x & x\le0\\ x & x>0\end{cases}",
            r"f(x)=\begin{cases}x,&x>0\\-x,&x\le0\end{cases}",
            r"\begin{cases}-x & x\le1\\ x & x>1\end{cases}",
        ),
        (
            r"\begin{cases}x & \text{if } x\ge0\\ -x & \text{otherwise}\end{cases}",
            "|x|",
            r"\begin{cases}x & \text{if } x\ge0\\ x & \text{otherwise}\end{cases}",
        ),
        (
            r"\left\{\begin{array}{ll}2x, & x<1\\ 2, & 1\le x\le3\end{array}\right.",
            r"\begin{cases}2x & x\le1\\ 2 & 1<x\le3\end{cases}",
            r"\begin{cases}2x & x\le1\\ 2 & 1<x<3\end{cases}",
        ),
        (
            r"\begin{cases}1 & n \text{ is even}\\ -1 & n \text{ is odd}\end{cases}",
            r"\begin{cases}1, & n\equiv0\pmod2\\ -1, & \text{otherwise}\end{cases}",
            r"\begin{cases}1 & n \text{ is odd}\\ -1 & n \text{ is even}\end{cases}",
        ),
        (
            r"\begin{cases}3, & n=1\\ 2n, & n\ge2\end{cases}",
            r"\begin{cases}2n & n\ge2\\ 3 & n=1\end{cases}",
            r"\begin{cases}3 & n=2\\ 2n & n\ge2\end{cases}",
        ),
        (
            r"\begin{cases}x & x>1\\ -x & x\le1\end{cases}",
            r"\begin{cases}-x & x\le1\\ x & x>1\end{cases}",
            r"\begin{cases}x & x>1\\ -x & x\le7\end{cases}",
        ),
        (
            r"\begin{cases}ax & x>b\\ 0 & x\le b\end{cases}",
            r"\begin{cases}0, & \text{if } x\le b\\ ax, & \text{if } x>b\end{cases}",
            r"\begin{cases}ax & x>c\\ 0 & x\le c\end{cases}",
        ),
    ],
    "domains": [
        (r"\frac{\sqrt{ab}}{b}", r"\sqrt{\frac{a}{b}}", r"\frac{\sqrt{ab}}{a}"),
        (r"\frac{\sqrt m}{m}", r"\sqrt{\frac1m}", r"\sqrt m"),
        (r"3x\sqrt{2x}", r"\sqrt{18x^3}", r"3\sqrt{2x}"),
        (r"x\sqrt[4]{x}", r"\sqrt[4]{x^5}", r"\sqrt[4]{x}"),
        (r"2\ln x", r"\ln x^2", r"3\ln x"),
        (r"\ln(1+x)-\ln(1-x)", r"\ln\frac{1+x}{1-x}", r"\ln(1+x)+\ln(1-x)"),
        ("|x|", r"\sqrt{x^2}", "x"),
        ("|x-5|", r"\sqrt{x^2-10x+25}", "5-x"),
        (r"|a|\sqrt b", r"\sqrt{a^2b}", r"a\sqrt b"),
        (r"\sqrt{(x-2)(x-3)}", r"\sqrt{x-2}\sqrt{x-3}", r"\sqrt{x-2}+\sqrt{x-3}"),
        (r"\frac{x}{\sqrt{1-x^2}}", r"\tan(\arcsin x)", r"\frac{x}{1-x^2}"),
        ("(-1)^n", r"\cos(n\pi)", "(-1)^{n+1}"),
    ],
    "sets with a parameter": [
        (
            r"\{3k \mid k\in\mathbb Z\}",
            r"\{x|x=3k,k\in\mathbb{Z}\}",
            r"\{3k+1 \mid k\in\mathbb Z\}",
        ),
        (r"x=3n+6, n\in\mathbb{Z}", r"\{x|x=3k,k\in\mathbb{Z}\}", r"x=6n, n\in\mathbb{Z}"),
        ("3k", r"\{x|x=3k,k\in\mathbb{Z}\}", "3"),
        (
            r"x=\frac{\pi}{4}+n\pi \text{ for any integer } n",
            r"x=k\pi-\frac{3\pi}{4}\ (k\in\mathbb{Z})",
            r"x=\frac{\pi}{4}+2n\pi \text{ for any integer } n",
        ),
        (
            r"x=\pm\frac{\pi}{3}+2k\pi, k\in\mathbb{Z}",
            r"\frac{\pi}{3}+2n\pi, -\frac{\pi}{3}+2n\pi, n\in\mathbb{Z}",
            r"x=\frac{\pi}{3}+2k\pi, k\in\mathbb{Z}",
        ),
        (
            r"x=\frac{k\pi}{2}, k\in\mathbb{Z}",
            r"x=k\pi \text{ or } x=\frac{\pi}{2}+k\pi, k\in\mathbb{Z}",
            r"x=\frac{k\pi}{3}, k\in\mathbb{Z}",
        ),
        (
            r"\{2^n \mid n\in\mathbb{N}\}",
            r"\{x \mid x=2^n, n\in\mathbb{N}\}",
            r"\{2^n \mid n\in\mathbb{Z}\}",
        ),
        (r"f(x)=cx, c\in\mathbb{R}", "f(x)=cx", r"f(x)=c+x, c\in\mathbb{R}"),
    ],
    "basis vectors": [
        (r"\vec{i}+2\vec{j}", r"\hat{i}+2\hat{j}", r"2\vec{i}+\vec{j}"),
        ("i+2j", r"\mathbf{i}+2\mathbf{j}", "3i"),
        (r"\hat{\imath}+2\hat{\jmath}", r"\mathbf{i}+2\mathbf{j}", r"3\hat{\imath}"),
        ("(1,2)", r"\mathbf{i}+2\mathbf{j}", "(2,1)"),
        (r"\mathbf{i}+2\mathbf{j}-\mathbf{k}", r"\langle1,2,-1\rangle", r"\mathbf{i}+2\mathbf{j}"),
    ],
    "derivatives": [
        (
            r"L\frac{d^2v_o}{dt^2}+v_o=v_i",
            r"\frac{d^{2} v_{o}}{d t^{2}}+\frac{v_{o}}{L}=\frac{v_{i}}{L}",
            r"L\frac{d^2v_i}{dt^2}+v_o=v_i",
        ),
    ],
    "products without a sign": [
        ("2^3 3^2", "72", "2^3 3^3"),
        ("2^{3}3^{2}5", "360", "2^{3}3^{2}7"),
        ("(n-1) 2^{n}", "n2^n-2^n", "(n-1) 3^{n}"),
        (r"\frac{1}{n}4\cos x", r"\frac{4\cos x}{n}", r"\frac{4}{n}+\cos x"),
        (r"3\,2^{n-1}", r"3\cdot2^{n-1}", "6^{n-1}"),
        ("(x+1)3", "3x+3", "x+3"),
        ("6", "6", "2 3"),
        ("10", "10", "(2) 5"),
        (r"\frac32", "1.5", r"\frac12 3"),
        ("4000", "4000", "4 000^2"),
    ],
}


@pytest.mark.parametrize(
    ("answer", "gold", "near_miss"),
    [pytest.param(*pair, id=f"{kind}-{pair[0]}") for kind in PAIRS for pair in PAIRS[kind]],
)
def test_verify_accepts_the_form_and_refuses_its_near_miss(
    answer: str, gold: str, near_miss: str
) -> None:
    assert verify(f"\\boxed{{{answer}}}", gold).status == "correct"
    assert verify(f"\\boxed{{{near_miss}}}", gold).status == "wrong"


@pytest.mark.parametrize("text", ["B." * 999, "(B) " * 999 + "5", "5" + " (B)" * 999])
def test_options_are_not_nested(text: str) -> None:
    assert verify(f"\\boxed{{{text}}}", "5").status == "wrong"
