"""Which part of a prompt and of a response is the program: read from syntax trees."""

from __future__ import annotations

import ast
import re
import textwrap
import warnings

_FENCED = re.compile(r"^ {0,3}```[^\n`]*\n(.*?)^ {0,3}```", re.DOTALL | re.MULTILINE)
_DEFINITIONS = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)


def parsed(source: str) -> ast.Module | None:
    """Return the syntax tree of a source text; None if it is no Python."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return ast.parse(source)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return None


def _compiles(source: str) -> bool:
    """Return whether a text is a program, in which nothing returns outside of a function."""
    tree = parsed(source)
    try:
        return tree is not None and compile(tree, "<program>", "exec") is not None
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return False


def code_of(question: str) -> str:
    """Return the code that a question gives: all of it, or its last fenced block; else nothing."""
    blocks: list[str] = _FENCED.findall(question)
    for text in (question, *reversed(blocks)):
        tree = parsed(text)
        if tree is not None and any(isinstance(node, _DEFINITIONS) for node in tree.body):
            return text
    return ""


def is_stub(node: ast.stmt) -> bool:
    """Return whether a function has no body but a docstring, imports, ``pass`` or ``...``."""
    if not isinstance(node, _DEFINITIONS):
        return False
    return all(
        isinstance(line, ast.Pass | ast.Import | ast.ImportFrom)
        or (isinstance(line, ast.Expr) and isinstance(line.value, ast.Constant))
        or (isinstance(line, ast.Raise) and "NotImplementedError" in ast.dump(line))
        for line in node.body
    )


def asked_for(question_code: str) -> str | None:
    """Return the name of the last function that a prompt leaves open, if there is one."""
    tree = parsed(question_code)
    stubs = [node.name for node in tree.body if is_stub(node)] if tree else []  # type: ignore[attr-defined]
    return stubs[-1] if stubs else None


def given(question_code: str) -> ast.Module:
    """Return what a prompt defines: its imports, constants and complete functions."""
    tree = parsed(question_code) or ast.Module([], [])
    return ast.Module([node for node in tree.body if not is_stub(node)], [])


def names_defined(tree: ast.Module) -> set[str]:
    """Return the names that the statements of a module may bind at its top level."""
    names: set[str] = set()
    for node in tree.body:
        parts = [node] if isinstance(node, _DEFINITIONS) else ast.walk(node)
        for part in parts:
            if isinstance(part, _DEFINITIONS):
                names.add(part.name)
            elif isinstance(part, ast.Name) and isinstance(part.ctx, ast.Store):
                names.add(part.id)
            elif isinstance(part, ast.alias):
                names.add((part.asname or part.name).partition(".")[0])
    return names


def readings(text: str, question_code: str, names: set[str]) -> tuple[list[str], bool]:
    """Return the source texts to run one after the other, and whether they define the names.

    They are what the prompt gives and the text, if the text defines the names; else the prompt
    with the text as the rest of its last function, with or without the indent of its first lines.

    Args:
        text: Code of a response.
        question_code: Code of the prompt; may be empty.
        names: What the tests call.
    """
    tree = parsed(text)
    alone = [ast.unparse(given(question_code)), text]
    if tree is not None and names <= names_defined(tree):
        return alone, True
    if question_code:
        for body in (text, f"    {text.lstrip()}", textwrap.indent(textwrap.dedent(text), "    ")):
            whole = f"{question_code.rstrip()}\n{body}"
            if _compiles(whole) and names <= names_defined(given(whole)):
                return [whole], True
    return alone, False
