"""Write the parts of the documents that repeat what stands elsewhere.

These are the metrics, the tree of folders and that of modules, and the tables of what was measured,
which `scripts/keep_results.py` put into docs/results/.
"""

from __future__ import annotations

import ast
import json
import re
from pathlib import Path

from baselines.metrics import METRICS

ROOT = Path(__file__).parent.parent
METRICS_PAGE = ROOT / "docs" / "metrics.md"
README = ROOT / "README.md"
MODULES_PAGE = ROOT / "docs" / "modules.md"
CREDIT_PAGE = ROOT / "docs" / "credit.md"
RESULTS_PAGE = ROOT / "docs" / "results.md"
RESULTS = ROOT / "docs" / "results"
CREDIT_TABLE = re.compile(
    r"(<!-- credit bench: .*?-->\n).*?(<!-- end of credit bench -->)", re.DOTALL
)
RESULT = re.compile(r"(<!-- result (\w+): .*?-->\n).*?(<!-- end of result -->)", re.DOTALL)
TREE = re.compile(r"(<!-- tree: .*?-->\n).*?(<!-- end of tree -->)", re.DOTALL)
OTHER_FOLDERS = {
    "tests/": "Mirrors the packages: env/ and rl/.",
    "notebooks/": "One idea each, on the embedded tasks.",
    "docs/": "What this page links to.",
    "scripts/": "Write this tree, the tables of the documents and the site.",
}
WIDTH = 32


def metrics_page() -> str:
    """Return docs/metrics.md."""
    rows = [f"| `{name}` | {meaning} |" for name, meaning in METRICS.items()]
    return "\n".join(
        [
            "# Metrics",
            "",
            "One JSON object a step in `metrics.jsonl`; trackers get the same names. A metric that",
            "was not measured in a step is null. `eval/` metrics stand in steps that evaluate.",
            "",
            "| name | meaning |",
            "|---|---|",
            *rows,
            "",
        ]
    )


def tree(*, with_modules: bool) -> str:
    """Return one line for each folder of the project, and for each module if asked to."""
    lines = []
    for package in ("ccpo_env", "baselines"):
        lines += _folder(ROOT / package, 0, with_modules)
    lines += [f"{name:<{WIDTH}}{meaning}" for name, meaning in OTHER_FOLDERS.items()]
    return "\n".join(lines)


def readme(page: str) -> str:
    """Return the README with the folders as they are now."""
    return _with_tree(page, tree(with_modules=False))


def modules_page(page: str) -> str:
    """Return docs/modules.md with the modules as they are now."""
    return _with_tree(page, tree(with_modules=True))


def _with_tree(page: str, text: str) -> str:
    return TREE.sub(lambda match: f"{match[1]}```\n{text}\n```\n{match[2]}", page)


def credit_page(page: str) -> str:
    """Return docs/credit.md with what was measured."""
    return CREDIT_TABLE.sub(lambda match: f"{match[1]}{_credit_table()}\n{match[2]}", page)


def results_page(page: str) -> str:
    """Return docs/results.md with the tables of docs/results/."""

    def table(match: re.Match[str]) -> str:
        text = (RESULTS / f"{match[2]}.txt").read_text(encoding="utf-8")
        return f"{match[1]}\n{text}\n{match[3]}"

    return RESULT.sub(table, page)


def _credit_table() -> str:
    games = json.loads((RESULTS / "credit.json").read_text(encoding="utf-8"))
    allocators = list(dict.fromkeys(name for found in games.values() for name in found))
    lines = [f"| | {' | '.join(games)} |", f"|---|{'---|' * len(games)}"]
    for allocator in allocators:
        if allocator == "zero":
            continue
        cells = [_credit_cell(found.get(allocator, {})) for found in games.values()]
        lines.append(f"| {allocator} | {' | '.join(cells)} |")
    return "\n".join(["", *lines, ""])


def _credit_cell(values: dict[str, list[float]]) -> str:
    if not values:
        return "not measured"
    shown = [f"{values[name][0]:+.2f}" for name in ("skill", "spearman", "gain") if name in values]
    return " / ".join(shown)


def _folder(folder: Path, depth: int, with_modules: bool) -> list[str]:
    own = sorted(folder.glob("*.py")) if with_modules else []
    modules = [path for path in own if path.name != "__init__.py"]
    packages = [path.parent for path in sorted(folder.glob("*/__init__.py"))]
    lines = [_line(f"{folder.name}/", folder / "__init__.py", depth)]
    lines += [_line(path.name, path, depth + 1) for path in modules]
    for package in packages:
        lines += _folder(package, depth + 1, with_modules)
    return lines


def _line(name: str, path: Path, depth: int) -> str:
    docstring = ast.get_docstring(ast.parse(path.read_text(encoding="utf-8"))) or ""
    return f"{'  ' * depth + name:<{WIDTH}}{docstring.splitlines()[0]}"


PAGES = {
    CREDIT_PAGE: credit_page,
    RESULTS_PAGE: results_page,
    README: readme,
    MODULES_PAGE: modules_page,
}
"""Pages with generated parts, and what writes those."""

if __name__ == "__main__":
    METRICS_PAGE.write_text(metrics_page(), encoding="utf-8")
    for path, written in PAGES.items():
        path.write_text(written(path.read_text(encoding="utf-8")), encoding="utf-8")
