"""Write the parts of the documents that repeat what the code says: metrics and the tree."""

from __future__ import annotations

import ast
import re
from pathlib import Path

from baselines.metrics import METRICS

ROOT = Path(__file__).parent.parent
METRICS_PAGE = ROOT / "docs" / "metrics.md"
README = ROOT / "README.md"
TREE = re.compile(r"(<!-- tree: .*?-->\n).*?(<!-- end of tree -->)", re.DOTALL)
OTHER_FOLDERS = {
    "tests/": "Mirrors the packages: env/ and rl/.",
    "notebooks/": "One idea each, on the embedded tasks.",
    "docs/": "What this page links to.",
    "scripts/": "Writes this tree and docs/metrics.md.",
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


def tree() -> str:
    """Return one line for each module and folder of the project."""
    lines = []
    for package in ("ccpo_env", "baselines"):
        lines += _folder(ROOT / package, depth=0)
    lines += [f"{name:<{WIDTH}}{meaning}" for name, meaning in OTHER_FOLDERS.items()]
    return "\n".join(lines)


def readme_with_tree(readme: str) -> str:
    """Return the README with the tree as it is now."""
    return TREE.sub(lambda match: f"{match[1]}```\n{tree()}\n```\n{match[2]}", readme)


def _folder(folder: Path, depth: int) -> list[str]:
    modules = [path for path in sorted(folder.glob("*.py")) if path.name != "__init__.py"]
    packages = [path.parent for path in sorted(folder.glob("*/__init__.py"))]
    lines = [_line(f"{folder.name}/", folder / "__init__.py", depth)]
    lines += [_line(path.name, path, depth + 1) for path in modules]
    for package in packages:
        lines += _folder(package, depth + 1)
    return lines


def _line(name: str, path: Path, depth: int) -> str:
    docstring = ast.get_docstring(ast.parse(path.read_text(encoding="utf-8"))) or ""
    return f"{'  ' * depth + name:<{WIDTH}}{docstring.splitlines()[0]}"


if __name__ == "__main__":
    METRICS_PAGE.write_text(metrics_page(), encoding="utf-8")
    README.write_text(readme_with_tree(README.read_text(encoding="utf-8")), encoding="utf-8")
