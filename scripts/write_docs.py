"""Write the generated parts of the documentation.

These are the tables of metrics and hyperparameters, the trees of folders and modules, the figures
of the architecture and the environments, the audit of all methods, the table of clients, the memory
of large models, and the tables of results from docs/results/ (see `scripts/measure_results.py`).
"""

from __future__ import annotations

import re
import runpy
from pathlib import Path

from baselines.bench.map import command as bench_map
from baselines.bench.map.page import filled
from baselines.common.metrics import METRICS
from scripts import check_clients, memory_table
from scripts.audit_tables import audit_tables
from scripts.hyperparameter_tables import allocator_table, optimizer_table
from scripts.module_tree import tree
from scripts.result_tables import RESULTS, credit_table, results_table, shown_result

ROOT = Path(__file__).parent.parent
METRICS_PAGE = ROOT / "docs" / "metrics.md"
README = ROOT / "README.md"
MODULES_PAGE = ROOT / "docs" / "modules.md"
CREDIT_PAGE = ROOT / "docs" / "credit.md"
OPTIMIZERS_PAGE = ROOT / "docs" / "optimizers.md"
RESULTS_PAGE = ROOT / "docs" / "results.md"
MAP_PAGE = ROOT / "docs" / "when_credit_pays.md"
CREDIT_TABLE = re.compile(
    r"(<!-- credit bench: .*?-->\n).*?(<!-- end of credit bench -->)", re.DOTALL
)
HYPERPARAMETERS = re.compile(
    r"(<!-- hyperparameters: .*?-->\n).*?(<!-- end of hyperparameters -->)", re.DOTALL
)
BASELINES_PAGE = ROOT / "docs" / "baselines.md"
AUDIT = re.compile(r"(<!-- audit: .*?-->\n).*?(<!-- end of audit -->)", re.DOTALL)
SCALING_PAGE = ROOT / "docs" / "scaling.md"
MEMORY = re.compile(r"(<!-- memory (\w+): .*?-->\n).*?(<!-- end of memory -->)", re.DOTALL)
FREE_RIDING_PAGE = ROOT / "docs" / "free_riding.md"
SUMMARY = re.compile(r"(<!-- results: .*?-->\n).*?(<!-- end of results -->)", re.DOTALL)
RESULT = re.compile(r"(<!-- result (\w+): .*?-->\n).*?(<!-- end of result -->)", re.DOTALL)
TREE = re.compile(r"(<!-- tree: .*?-->\n).*?(<!-- end of tree -->)", re.DOTALL)


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
    return CREDIT_TABLE.sub(lambda match: f"{match[1]}{credit_table()}\n{match[2]}", page)


def optimizers_page(page: str) -> str:
    """Return docs/optimizers.md with the hyperparameters."""
    return HYPERPARAMETERS.sub(lambda match: f"{match[1]}\n{optimizer_table()}\n\n{match[2]}", page)


def baselines_page(page: str) -> str:
    """Return docs/baselines.md with the audit of every allocator under every optimizer."""
    return AUDIT.sub(lambda match: f"{match[1]}\n{audit_tables()}\n\n{match[2]}", page)


def scaling_page(page: str) -> str:
    """Return docs/scaling.md with the memory of models and presets."""
    return MEMORY.sub(
        lambda match: f"{match[1]}\n{memory_table.TABLES[match[2]]()}\n\n{match[3]}", page
    )


def results_page(page: str) -> str:
    """Return a page with its tables from docs/results/ filled in."""
    return RESULT.sub(lambda match: f"{match[1]}\n{shown_result(match[2])}\n\n{match[3]}", page)


def map_page(page: str) -> str:
    """Return docs/when_credit_pays.md with the results of ``ccpo bench map``."""
    return filled(page, bench_map.load(RESULTS))


PAGES = {
    CREDIT_PAGE: credit_page,
    OPTIMIZERS_PAGE: optimizers_page,
    BASELINES_PAGE: baselines_page,
    RESULTS_PAGE: results_page,
    MAP_PAGE: map_page,
    FREE_RIDING_PAGE: results_page,
    SCALING_PAGE: scaling_page,
    check_clients.PAGE: check_clients.ecosystem_page,
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
