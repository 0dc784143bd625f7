"""The trees of folders and modules, from the first lines of their docstrings."""

from __future__ import annotations

import ast
from pathlib import Path

ROOT = Path(__file__).parent.parent
OTHER_FOLDERS = {
    "tests/": "Tests: env/ for ccpo_env, rl/ for baselines.",
    "notebooks/": "Tutorial notebooks, one topic each.",
    "docs/": "The documentation.",
    "scripts/": "Generate this tree, the tables of the docs, the figures and the site.",
}
WIDTH = 32


def tree(*, with_modules: bool) -> str:
    """Return one line per folder of the project and, with with_modules, per module."""
    lines = []
    for package in ("ccpo_env", "baselines"):
        lines += _folder(ROOT / package, 0, with_modules)
    lines += [f"{name:<{WIDTH}}{meaning}" for name, meaning in OTHER_FOLDERS.items()]
    return "\n".join(lines)


def _folder(folder: Path, depth: int, with_modules: bool) -> list[str]:
    own = sorted(folder.glob("*.py")) if with_modules else []
    modules = [path for path in own if path.name != "__init__.py"]
    packages = [path.parent for path in sorted(folder.glob("*/__init__.py"))]
    lines = [_line(f"{folder.name}/", folder / "__init__.py", depth)]
    lines += [_line(path.name, path, depth + 1) for path in modules]
    if with_modules or depth == 0:
        for package in packages:
            lines += _folder(package, depth + 1, with_modules)
    return lines


def _line(name: str, path: Path, depth: int) -> str:
    docstring = ast.get_docstring(ast.parse(path.read_text(encoding="utf-8"))) or ""
    return f"{'  ' * depth + name:<{WIDTH}}{docstring.splitlines()[0]}"
