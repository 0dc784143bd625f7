"""Write the generated parts of the documentation.

These are the tables of metrics and hyperparameters, the trees of folders and modules, the figures
of the architecture and the environments, the audit of all methods, and the tables of results from
docs/results/ (see `scripts/measure_results.py`).
"""

from __future__ import annotations

import ast
import json
import re
import runpy
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from baselines.bench.map import command as bench_map
from baselines.bench.map.page import filled
from baselines.common.hyperparameters import Hyperparameter
from baselines.common.metrics import METRICS
from baselines.credit import ALLOCATORS
from baselines.optimizers import OPTIMIZERS
from scripts.audit_tables import audit_tables

ROOT = Path(__file__).parent.parent
METRICS_PAGE = ROOT / "docs" / "metrics.md"
README = ROOT / "README.md"
MODULES_PAGE = ROOT / "docs" / "modules.md"
CREDIT_PAGE = ROOT / "docs" / "credit.md"
OPTIMIZERS_PAGE = ROOT / "docs" / "optimizers.md"
RESULTS_PAGE = ROOT / "docs" / "results.md"
MAP_PAGE = ROOT / "docs" / "when_credit_pays.md"
RESULTS = ROOT / "docs" / "results"
CREDIT_TABLE = re.compile(
    r"(<!-- credit bench: .*?-->\n).*?(<!-- end of credit bench -->)", re.DOTALL
)
HYPERPARAMETERS = re.compile(
    r"(<!-- hyperparameters: .*?-->\n).*?(<!-- end of hyperparameters -->)", re.DOTALL
)
BASELINES_PAGE = ROOT / "docs" / "baselines.md"
AUDIT = re.compile(r"(<!-- audit: .*?-->\n).*?(<!-- end of audit -->)", re.DOTALL)
FREE_RIDING_PAGE = ROOT / "docs" / "free_riding.md"
SUMMARY = re.compile(r"(<!-- results: .*?-->\n).*?(<!-- end of results -->)", re.DOTALL)
RESULT = re.compile(r"(<!-- result (\w+): .*?-->\n).*?(<!-- end of result -->)", re.DOTALL)
TREE = re.compile(r"(<!-- tree: .*?-->\n).*?(<!-- end of tree -->)", re.DOTALL)
OTHER_FOLDERS = {
    "tests/": "Tests: env/ for ccpo_env, rl/ for baselines.",
    "notebooks/": "Tutorial notebooks, one topic each.",
    "docs/": "The documentation.",
    "scripts/": "Generate this tree, the tables of the docs, the figures and the site.",
}
WIDTH = 32
REFERENCE = "shared"
"""Prefix of the names of shared credit."""
LEVEL = 0.05
NUMBER = r"[-+]?\d+\.\d+"
INTERVAL = re.compile(rf"({NUMBER}) \[({NUMBER}), ({NUMBER})\]")


@dataclass(frozen=True, slots=True)
class Shown:
    """Columns of a table that are shown.

    Args:
        result: Name of the table in docs/results/.
        team: Short description of the team; {} is replaced by the first column.
        quantity: Heading of the column of the quantity.
        place: Index among the columns with this heading.
        gain: Index of the column with the difference to shared credit.
        p_value: Index of the column with its p-value; None if it is part of the difference.
    """

    result: str
    team: str
    quantity: str
    gain: int
    p_value: int | None = None


AREA = "mean accuracy over training"
PRIORITY = (
    {"allocator", "credit"},
    {"its gain over shared"},
    {"p"},
    {AREA, "seeds needed"},
    {"contribution / ceiling at the end", "difference to shared", "mean over training"},
)
"""Headings of the columns of results that a page shows first."""
SHOWN = (
    Shown("think_solve", "embedded, Think→Solve, `{}`", AREA, gain=8, p_value=9),
    Shown("vote", "embedded, vote of five, `{}`", AREA, gain=8, p_value=9),
    Shown("free_riding", "signal game, PPO, {}", "contribution / ceiling at the end", gain=7),
)


def metrics_page() -> str:
    """Return docs/metrics.md."""
    rows = [f"| `{name}` | {meaning} |" for name, meaning in METRICS.items()]
    return "\n".join(
        [
            "# Metrics",
            "",
            "All metrics that training logs, with their meaning and unit. `metrics.jsonl` in the",
            "folder of a run has one JSON object per step; trackers (`--tracker`) log the same",
            "names. A metric that was not measured in a step is null. `eval/` metrics are logged",
            "in steps that evaluate (`--eval-every`). [How to read a run](howto/read_a_run.md)",
            "lists what to look at first.",
            "",
            "| name | meaning |",
            "|---|---|",
            *rows,
            "",
        ]
    )


def tree(*, with_modules: bool) -> str:
    """Return one line per folder of the project and, with with_modules, per module."""
    lines = []
    for package in ("ccpo_env", "baselines"):
        lines += _folder(ROOT / package, 0, with_modules)
    lines += [f"{name:<{WIDTH}}{meaning}" for name, meaning in OTHER_FOLDERS.items()]
    return "\n".join(lines)


def readme(page: str) -> str:
    """Return the README with the current folders and results."""
    page = SUMMARY.sub(lambda match: f"{match[1]}\n{results_table()}\n{match[2]}", page)
    return _with_tree(page, tree(with_modules=False))


def modules_page(page: str) -> str:
    """Return docs/modules.md with the current modules."""
    return _with_tree(page, tree(with_modules=True))


def _with_tree(page: str, text: str) -> str:
    return TREE.sub(lambda match: f"{match[1]}```\n{text}\n```\n{match[2]}", page)


def credit_page(page: str) -> str:
    """Return docs/credit.md with the hyperparameters and results."""
    page = HYPERPARAMETERS.sub(lambda match: f"{match[1]}\n{allocator_table()}\n\n{match[2]}", page)
    return CREDIT_TABLE.sub(lambda match: f"{match[1]}{_credit_table()}\n{match[2]}", page)


def optimizers_page(page: str) -> str:
    """Return docs/optimizers.md with the hyperparameters."""
    return HYPERPARAMETERS.sub(lambda match: f"{match[1]}\n{optimizer_table()}\n\n{match[2]}", page)


def baselines_page(page: str) -> str:
    """Return docs/baselines.md with the audit of every allocator under every optimizer."""
    return AUDIT.sub(lambda match: f"{match[1]}\n{audit_tables()}\n\n{match[2]}", page)


def allocator_table() -> str:
    """Return a table with one row per hyperparameter of each allocator."""
    lines = [
        "| allocator | hyperparameter | values | default | meaning |",
        "|---|---|---|---|---|",
    ]
    for name, allocator in ALLOCATORS.items():
        for one in allocator.tunable.values():
            default = f"`{one.default_text}`"
            lines.append(
                f"| `{name}` | `{one.name}` | {_in_words(one)} | {default} | {one.meaning} |"
            )
    return "\n".join(lines)


def optimizer_table() -> str:
    """Return a table with one row per hyperparameter, and its default in each optimizer."""
    lines = ["| hyperparameter | values | default | meaning |", "|---|---|---|---|"]
    declared = {one.name: one for method in OPTIMIZERS.values() for one in method.tunable.values()}
    for name, one in declared.items():
        lines.append(f"| `{name}` | {_in_words(one)} | {_defaults(name)} | {one.meaning} |")
    return "\n".join(lines)


def _defaults(name: str) -> str:
    """Return the defaults of a hyperparameter, each with its optimizers."""
    owners: dict[str, list[str]] = {}
    for method in OPTIMIZERS.values():
        if name in method.tunable:
            owners.setdefault(method.tunable[name].default_text, []).append(method.name)
    if len(owners) == 1 and len(*owners.values()) == len(OPTIMIZERS):
        return f"`{next(iter(owners))}`"
    return "; ".join(f"`{default}`: {', '.join(names)}" for default, names in owners.items())


def _in_words(one: Hyperparameter) -> str:
    return ", ".join(f"`{choice}`" for choice in one.choices) or one.values


def results_page(page: str) -> str:
    """Return a page with its tables from docs/results/ filled in."""

    def table(match: re.Match[str]) -> str:
        text = shown_tables(RESULTS / f"{match[2]}.txt")
        return f"{match[1]}\n{text}\n{measured_when(match[2])}\n\n{match[3]}"

    return RESULT.sub(table, page)


def map_page(page: str) -> str:
    """Return docs/when_credit_pays.md with the results of ``ccpo bench map``."""
    return filled(page, bench_map.load(RESULTS))


def measured_when(name: str) -> str:
    """Return a sentence that names the commit that a result measured."""
    results = json.loads((RESULTS / "measured.json").read_text(encoding="utf-8"))
    found = results[name.removesuffix("_spread")]
    time = (
        f", in {found['minutes']} minutes on {found['cores']} cores" if "minutes" in found else ""
    )
    return f"Measured at commit `{found['commit']}` on {found['date']}{time}."


def shown_tables(path: Path) -> str:
    """Return a table of results as a page shows it: what is concluded first, one table per setting.

    A first column that several rows share, such as the optimizer, is the heading of a table of
    its own. The columns of PRIORITY come first, so that they are read without scrolling.
    """
    heads, *rows = read_table(path)
    settings = dict.fromkeys(row[0] for row in rows)
    is_split = 1 < len(settings) < len(rows)
    columns = sorted(range(is_split, len(heads)), key=lambda place: _priority(heads[place]))
    parts = []
    for setting in settings if is_split else [None]:
        if setting is not None:
            parts += [f"{heads[0]} **{setting}**", ""]
        own = [row for row in rows if setting in (None, row[0])]
        parts += [_line_of([row[place] for place in columns]) for row in (heads, *own)]
        parts.insert(len(parts) - len(own), "|" + "---|" * len(columns))
        parts.append("")
    return "\n".join(parts)


def _priority(head: str) -> int:
    """Return the rank of a column, 0 for the first."""
    places = (place for place, heads in enumerate(PRIORITY) if head in heads)
    return next(places, len(PRIORITY))


def _line_of(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cells)} |"


def results_table() -> str:
    """Return a table with one row per team: shared credit, best other credit, difference."""
    lines = [
        "| team | seeds | shared credit | best other credit | difference | result |",
        "|---|---|---|---|---|---|",
    ]
    for shown in SHOWN:
        heads, *rows = read_table(RESULTS / f"{shown.result}.txt")
        teams = dict.fromkeys(row[0] for row in rows)
        lines += [_row(shown, heads, [row for row in rows if row[0] == team]) for team in teams]
    return "\n".join(lines) + "\n"


def read_table(path: Path) -> list[list[str]]:
    """Return the cells of a Markdown table, headings first."""
    lines = path.read_text(encoding="utf-8").splitlines()
    cells = [[cell.strip() for cell in line[1:-1].split("|")] for line in lines if line]
    return [cells[0], *cells[2:]]


def _row(shown: Shown, heads: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    place = heads.index(shown.quantity)
    (shared,) = [row for row in rows if row[1].startswith(REFERENCE)]
    others = [row for row in rows if row is not shared]
    best = max(others, key=lambda row: float(row[place].split()[0]))
    gain = best[shown.gain]
    if shown.p_value is not None:
        p_value = best[shown.p_value]
        gain += f", p {p_value}" if p_value.startswith("<") else f", p = {p_value}"
    cells = (
        shown.team.format(shared[0]),
        shared[heads.index("seeds")],
        shared[place],
        f"{best[1]}: {best[place]}",
        gain,
        verdict(gain),
    )
    return f"| {' | '.join(cells)} |"


def verdict(gain: str) -> str:
    """Return whether a difference, with its interval and p-value, is significant.

    Raises:
        ValueError: If the text has no interval or no p-value.
    """
    interval, p_value = INTERVAL.search(gain), re.search(rf"p (<|=) ({NUMBER})", gain)
    if interval is None or p_value is None:
        raise ValueError(
            f"a difference must read 'X [L, H], p = P', got {gain!r}; measure the result again"
        )
    low, high = float(interval[2]), float(interval[3])
    is_sure = float(p_value[2]) < LEVEL or p_value[1] == "<"
    if is_sure and low > 0.0:
        return "better"
    return "worse" if is_sure and high < 0.0 else "inconclusive"


def _credit_table() -> str:
    games = json.loads((RESULTS / "credit.json").read_text(encoding="utf-8"))
    allocators = list(dict.fromkeys(name for found in games.values() for name in found))
    lines = [f"| allocator | {' | '.join(games)} |", f"|---|{'---|' * len(games)}"]
    for allocator in allocators:
        if allocator == "zero":
            continue
        cells = [_credit_cell(found.get(allocator, {})) for found in games.values()]
        lines.append(f"| {allocator} | {' | '.join(cells)} |")
    return "\n".join(["", *lines, "", measured_when("credit"), ""])


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
    if with_modules or depth == 0:
        for package in packages:
            lines += _folder(package, depth + 1, with_modules)
    return lines


def _line(name: str, path: Path, depth: int) -> str:
    docstring = ast.get_docstring(ast.parse(path.read_text(encoding="utf-8"))) or ""
    return f"{'  ' * depth + name:<{WIDTH}}{docstring.splitlines()[0]}"


PAGES = {
    CREDIT_PAGE: credit_page,
    OPTIMIZERS_PAGE: optimizers_page,
    BASELINES_PAGE: baselines_page,
    RESULTS_PAGE: results_page,
    MAP_PAGE: map_page,
    FREE_RIDING_PAGE: results_page,
    README: readme,
    MODULES_PAGE: modules_page,
}
"""Pages with generated parts, and the functions that write them."""


def write() -> None:
    """Write the generated parts of all pages."""
    METRICS_PAGE.write_text(metrics_page(), encoding="utf-8")
    for script in ("draw_architecture.py", "draw_environments.py"):
        runpy.run_path(str(ROOT / "scripts" / script), run_name="__main__")
    for path, written in PAGES.items():
        path.write_text(written(path.read_text(encoding="utf-8")), encoding="utf-8")


if __name__ == "__main__":
    write()
