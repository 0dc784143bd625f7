"""The names in the grammar of expressions; no other name is accepted."""

from __future__ import annotations

FUNCTIONS = frozenset(
    "sin cos tan cot sec csc sinh cosh tanh coth arcsin arccos arctan arccot "  # noqa: SIM905
    "arsinh arcosh artanh ln log exp cis".split()
)
"""Functions of one argument."""
INVERSES = {
    **{"sin": "arcsin", "cos": "arccos", "tan": "arctan", "cot": "arccot"},
    **{"sinh": "arsinh", "cosh": "arcosh", "tanh": "artanh"},
}
r"""Inverse functions, written as `\sin^{-1}`."""
CHOICES = frozenset({"max", "min", "gcd", "lcm"})
"""Functions of a list of numbers."""
GREEK = frozenset(
    "alpha beta gamma delta epsilon varepsilon zeta eta theta vartheta kappa lambda mu nu xi rho "  # noqa: SIM905
    "sigma tau phi varphi chi psi omega Gamma Delta Theta Lambda Sigma Phi Psi Omega pi ell hbar"
    "".split()
)
"""Macros that are symbols."""
EVALUATED = FUNCTIONS | frozenset(
    "int iint iiint oint sum prod lim limsup liminf sup inf max min gcd lcm det begin text mathrm "  # noqa: SIM905
    "operatorname mathbf mathit lfloor lceil mod bmod pmod".split()
)
"""Macros that math-verify may evaluate where the grammar does not."""
ACCENTS = frozenset(
    "dot ddot hat bar vec tilde overline overrightarrow widehat mathbf mathcal mathbb mathsf "  # noqa: SIM905
    "mathrm text mathit".split()
)
"""Macros that turn a symbol into another symbol."""
