"""The documents: their code runs, their links lead somewhere, generated pages are up to date."""

from __future__ import annotations

import ast
import io
import re
from pathlib import Path

import pytest
from PIL import Image

from baselines.credit import ALLOCATORS
from baselines.optimizers import OPTIMIZERS
from scripts import photograph_report, write_docs

ROOT = Path(__file__).parent.parent
PAGES = sorted([*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md")])
PYTHON_BLOCK = re.compile(r"^```python\n(.*?)^```", re.DOTALL | re.MULTILINE)
FOREIGN_BLOCK = re.compile(r"^```py\n(.*?)^```", re.DOTALL | re.MULTILINE)
PRINTING_BLOCK = re.compile(
    r"^```python\n((?:(?!^```).)*?)^```\n\nIt prints:?\n\n```\n(.*?)^```", re.DOTALL | re.MULTILINE
)
OURS = ("baselines", "ccpo_env")
CODE_BLOCK = re.compile(r"^```.*?^```", re.DOTALL | re.MULTILINE)
LINK = re.compile(r"\]\((?!https?://)([^)#]+)")


def blocks() -> list[tuple[str, str]]:
    return [
        (f"{page.relative_to(ROOT)}-{number}", code)
        for page in PAGES
        for number, code in enumerate(PYTHON_BLOCK.findall(page.read_text(encoding="utf-8")))
    ]


@pytest.mark.parametrize(("name", "code"), blocks(), ids=lambda value: value.split("\n")[0])
def test_code_block_runs_and_prints_what_its_comment_says(name, code, capsys):
    exec(compile(code, name, "exec"), {})  # our own documents
    printed = capsys.readouterr().out
    for promise in re.findall(r"print\(.*\)  # ([-\d. ]+:|\[.*\])", code):
        assert promise.removesuffix(":") in printed


def printing_blocks() -> list[tuple[str, str, str]]:
    """Return the blocks after which the page says what they print, and that."""
    return [
        (str(page.relative_to(ROOT)), code, printed)
        for page in PAGES
        for code, printed in PRINTING_BLOCK.findall(page.read_text(encoding="utf-8"))
    ]


@pytest.mark.parametrize(("name", "code", "printed"), printing_blocks(), ids=lambda v: v[:20])
def test_code_block_prints_what_the_page_says(name, code, printed, capsys):
    exec(compile(code, name, "exec"), {})  # our own documents
    assert capsys.readouterr().out == printed


def test_some_page_says_what_its_code_prints():
    assert printing_blocks()


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_code_for_other_packages_imports_what_we_have(page):
    for code in FOREIGN_BLOCK.findall(page.read_text(encoding="utf-8")):
        for node in ast.walk(ast.parse(code)):
            if isinstance(node, ast.ImportFrom) and str(node.module).startswith(OURS):
                path = ROOT / str(node.module).replace(".", "/")
                file = path / "__init__.py" if path.is_dir() else path.with_suffix(".py")
                for alias in node.names:
                    assert re.search(rf"\b{alias.name}\b", file.read_text(encoding="utf-8"))


def test_readme_has_code_blocks():
    assert any(name.startswith("README.md") for name, _ in blocks())


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_lead_to_files(page):
    prose = CODE_BLOCK.sub("", page.read_text(encoding="utf-8"))
    for target in LINK.findall(prose):
        assert (page.parent / target).exists(), f"{page.name} links to {target}"


def test_generated_parts_are_up_to_date():
    remedy = "run python scripts/write_docs.py"
    assert write_docs.METRICS_PAGE.read_text(encoding="utf-8") == write_docs.metrics_page(), remedy
    for path, written in write_docs.PAGES.items():
        page = path.read_text(encoding="utf-8")
        assert page == written(page), remedy


def test_page_of_baselines_has_a_row_and_an_audit_for_every_method():
    page = (ROOT / "docs" / "baselines.md").read_text(encoding="utf-8")
    by_hand, audits = page.split("<!-- audit: ")
    for name in (*ALLOCATORS, *OPTIMIZERS):
        assert by_hand.count(f"\n| `{name}` |") == 1
    for name in ALLOCATORS:
        assert audits.count(f"\n| `{name}` |") == 2  # a chain and a vote
    assert all(f"`{name}`" in audits for name in OPTIMIZERS)


def test_readme_shows_a_small_picture_of_a_run():
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    assert "](docs/report.png)" in readme
    assert 0 < photograph_report.PICTURE.stat().st_size < photograph_report.MAX_BYTES


def test_a_photograph_is_reduced_to_a_few_colors():
    written = io.BytesIO()
    Image.linear_gradient("L").convert("RGB").save(written, format="PNG")
    with Image.open(io.BytesIO(photograph_report.reduced(written.getvalue()))) as image:
        assert image.size == (256, 256)
        assert len(image.getcolors()) <= photograph_report.COLORS


def test_without_a_browser_the_photograph_says_what_to_install(monkeypatch, tmp_path):
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(FileNotFoundError, match="run make browser"):
        photograph_report.photographed(tmp_path / "report.html")
