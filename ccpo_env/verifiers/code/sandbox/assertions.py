"""A test program as single assertions, and what it calls: read from its syntax tree."""

from __future__ import annotations

import ast
import builtins
import symtable
import sys
from collections.abc import Iterator
from types import TracebackType

CHECK = "check"
"""Function that HumanEval's tests define, of the function under test."""
COUNTER = "__assertion__"
"""Name in the test program of what counts its assertions."""


def called_names(tests: str, given: set[str], gold: set[str]) -> set[str]:
    """Return the names of a test program that the program under test has to define.

    Args:
        tests: Source text.
        given: Names that the prompt defines.
        gold: Names that the gold program defines, which may hide built-in ones.
    """
    table = symtable.symtable(tests, "<tests>", "exec")
    own = {symbol.get_name() for symbol in table.get_symbols() if symbol.is_assigned()}
    own |= {symbol.get_name() for symbol in table.get_symbols() if symbol.is_imported()}
    known = own | (given - gold) | (set(dir(builtins)) - gold) | {"__name__"}
    return set(_globals_read(table)) - known - (modules_read(tests) - gold)


def _globals_read(table: symtable.SymbolTable) -> Iterator[str]:
    for symbol in table.get_symbols():
        if symbol.is_referenced() and (symbol.is_global() or table.get_type() == "module"):
            yield symbol.get_name()
    for inner in table.get_children():
        yield from _globals_read(inner)


def modules_read(tests: str) -> set[str]:
    """Return the standard modules whose attributes a test program may read without an import."""
    bases = (part.value for part in ast.walk(ast.parse(tests)) if isinstance(part, ast.Attribute))
    names = {base.id for base in bases if isinstance(base, ast.Name)}
    return names & set(sys.stdlib_module_names)


def calls_check(tree: ast.Module) -> bool:
    """Return whether a test program calls what it defines as ``check`` outside of functions."""
    lines = [node for node in tree.body if not isinstance(node, ast.FunctionDef | ast.ClassDef)]
    return any(
        isinstance(part, ast.Call) and isinstance(part.func, ast.Name) and part.func.id == CHECK
        for line in lines
        for part in ast.walk(line)
    )


def defines_check(tree: ast.Module) -> bool:
    """Return whether a test program defines ``check``."""
    return any(isinstance(node, ast.FunctionDef) and node.name == CHECK for node in tree.body)


class Marker(ast.NodeTransformer):
    """Puts each assertion into ``with __assertion__(number): ...``, except constant ones.

    Those within ``try`` are left alone: their failure may be what the tests expect.
    """

    def __init__(self) -> None:
        self.num_sites = 0

    def visit_Try(self, node: ast.Try) -> ast.Try:
        """Leave the body of ``try`` as it is."""
        return node

    def visit_Assert(self, node: ast.Assert) -> ast.stmt:
        """Mark an assertion by its number."""
        if isinstance(node.test, ast.Constant):
            return node
        number = ast.Constant(self.num_sites)
        self.num_sites += 1
        call = ast.Call(ast.Name(COUNTER, ast.Load()), [number], [])
        marked = ast.With([ast.withitem(call)], [node])
        return ast.fix_missing_locations(ast.copy_location(marked, node))


class Counts:
    """Which assertions of a test program were reached, and which of them failed.

    Args:
        goes_on: Whether the assertions after one that failed are run as well.
    """

    def __init__(self, *, goes_on: bool) -> None:
        self.reached: set[int] = set()
        self.failed: set[int] = set()
        self.goes_on = goes_on

    @property
    def num_passed(self) -> int:
        """Number of assertions that were reached and held every time."""
        return len(self.reached - self.failed)

    def site(self, number: int) -> _Site:
        """Return the context of an assertion."""
        return _Site(self, number)


class _Site:
    def __init__(self, counts: Counts, number: int) -> None:
        self._counts = counts
        self._number = number

    def __enter__(self) -> None:
        self._counts.reached.add(self._number)

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> bool:
        if error is not None:
            self._counts.failed.add(self._number)
        return self._counts.goes_on and isinstance(error, Exception)
