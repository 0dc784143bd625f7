"""The site: it builds without a warning, its links and anchors exist, and it leaves nothing out."""

from __future__ import annotations

import ast
import base64
import os
import re
import subprocess
import sys
import threading
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from importlib.util import find_spec
from pathlib import Path

import pytest
import yaml

from baselines.credit import ALLOCATORS
from baselines.optimizers import OPTIMIZERS
from ccpo_env import __version__
from ccpo_env.topologies.registry import TOPOLOGIES
from tests.rl.test_report_browser import browser, violations  # noqa: F401  (a fixture)

pytestmark = pytest.mark.first
ROOT = Path(__file__).parent.parent
DOCS = ROOT / "docs"
PAGES = sorted([*ROOT.glob("*.md"), *DOCS.glob("**/*.md")])
FENCE = re.compile(r"^```.*?^```", re.DOTALL | re.MULTILINE)
CODE = re.compile(r"`[^`\n]*`")
LINK = re.compile(r"\[[^\]]*\]\((?!https?://)([^)\s#]*)(?:#([^)\s]+))?\)")
HEADING = re.compile(r"^#+ +(.+?) *$", re.MULTILINE)
ARXIV = re.compile(r"arXiv:([\w-]+/\d{7}|\d{4}\.\d{4,5})")
SITE_PACKAGES = (
    *("mkdocs", "material", "mkdocstrings", "mkdocstrings_handlers"),
    *("latex2mathml", "nbconvert"),
)


def prose(page: Path) -> str:
    return FENCE.sub("", page.read_text(encoding="utf-8"))


def anchors(page: Path) -> set[str]:
    """Return the anchors of a page's headings, as GitHub and the site both make them."""
    titles = (re.sub(r"[`*_]|\]\([^)]*\)|\[", "", title) for title in HEADING.findall(prose(page)))
    return {re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-") for title in titles}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_links_lead_to_files_and_headings(page):
    for target, anchor in LINK.findall(CODE.sub("", prose(page))):
        path = (page.parent / target).resolve() if target else page
        assert path.exists(), f"{page.name} links to {target}"
        assert path.is_relative_to(ROOT), f"{page.name} links out of the project to {target}"
        if anchor:
            assert anchor in anchors(path), f"{page.name} links to {target}#{anchor}"


def test_anchors_are_those_of_the_headings(tmp_path):
    page = tmp_path / "page.md"
    page.write_text("# An allocator\n```\n# no heading\n```\n## What it *needs*: `x_y`\n")
    assert anchors(page) == {"an-allocator", "what-it-needs-xy"}


needs_site = pytest.mark.skipif(
    any(find_spec(name) is None for name in SITE_PACKAGES),
    reason="needs what builds the site: pip install 'ccpo-env[docs]'",
)


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    """Return the folder of the site, built once."""
    folder = tmp_path_factory.mktemp("site")
    done = subprocess.run(
        [sys.executable, "-m", "mkdocs", "build", "--strict", "--site-dir", str(folder)],
        cwd=ROOT,
        env={**os.environ, "NO_MKDOCS_2_WARNING": "1"},
        capture_output=True,
        text=True,
        timeout=280,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert "WARNING" not in done.stderr
    return folder


def built(site: Path, page: str) -> str:
    return (site / page / "index.html").read_text(encoding="utf-8")


@pytest.mark.slow
@needs_site
def test_site_has_all_pages_and_loads_nothing_from_elsewhere(site):
    names = {path.parent.name for path in site.glob("**/index.html")}
    assert {"contributing", "changelog", "papers", "credit", "think_solve", "recipes"} <= names
    assert {path.stem for path in (ROOT / "notebooks").glob("*.ipynb")} <= names
    for name in ALLOCATORS:
        assert f"{name}_credit" in built(site, "reference/credit")
    for page in site.glob("**/index.html"):
        text = page.read_text(encoding="utf-8")
        loaded = re.findall(r'<(?:script|link|img|iframe)[^>]+(?:src|href)="(https?:[^"]+)"', text)
        assert loaded == []


@pytest.mark.slow
@needs_site
def test_notebooks_show_their_figures_and_outputs_in_the_site(site):
    page = built(site, "notebooks/03_train_a_team")
    (picture,) = re.findall(r'<img alt="Accuracy, length[^"]*" src="([^"]+)"', page)
    assert (site / "notebooks" / "03_train_a_team" / picture).resolve().stat().st_size > 10_000
    assert "whole team" in page
    assert (site / "notebooks" / "03_train_a_team.ipynb").exists()
    page = built(site, "notebooks/07_read_a_real_run")
    (framed,) = re.findall(r'<iframe src="([^"]+)"', page)
    assert (site / "notebooks" / "07_read_a_real_run" / framed).resolve().exists()
    assert f'href="{framed}"' in page


@pytest.mark.slow
@needs_site
@pytest.mark.parametrize("page", ["credit", "degeneracy", "optimizers"])
def test_formulas_are_drawn_without_scripts(site, page):
    text = built(site, page)
    assert '<math xmlns="http://www.w3.org/1998/Math/MathML"' in text
    assert "arithmatex" not in text
    assert not re.search(r"mathjax|katex", text, re.IGNORECASE)


SHOWN = ("", "credit", "environments", "howto/recipes", "notebooks/07_read_a_real_run", "results")
"""Pages with all kinds of parts: figures, code, formulas, cards, tables, frames."""


@pytest.fixture(scope="module")
def address(site):
    """Return the address at which the site is served."""
    handler = partial(QuietHandler, directory=site)
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


class QuietHandler(SimpleHTTPRequestHandler):
    """A handler that prints no requests."""

    def log_message(self, *_arguments):
        """Print nothing."""


@pytest.fixture
def opened(browser, address):  # noqa: F811
    """Open a page of the site; close it after the test."""
    pages = []

    def open_page(name, *, width, scheme="light"):
        page = browser.new_page(viewport={"width": width, "height": 900}, color_scheme=scheme)
        pages.append(page)
        page.goto(f"{address}/{name}{'/' if name else ''}")
        return page

    yield open_page
    for page in pages:
        page.close()


@pytest.mark.slow
@needs_site
@pytest.mark.parametrize(
    ("name", "width", "scheme"),
    [
        *((name, 390, "dark") for name in SHOWN),
        *((name, 1280, "light") for name in ("", "credit")),  # the theme is that of all pages
    ],
)
def test_pages_of_the_site_pass_axe_and_fit_the_screen(opened, name, width, scheme):
    page = opened(name, width=width, scheme=scheme)
    assert violations(page) == []
    assert page.evaluate("document.documentElement.scrollWidth") <= width


FIRST_COLUMNS = """() => {
  const table = [...document.querySelectorAll("table")].find((one) => /gain/.test(one.innerText));
  const box = table.closest(".md-typeset__scrollwrap");
  const heads = [...table.querySelectorAll("th")];
  const edge = Math.min(box.getBoundingClientRect().right, innerWidth);
  return {
    heads: heads.filter((head) => head.getBoundingClientRect().right <= edge)
                .map((head) => head.innerText),
    scrolls: box.scrollWidth > box.clientWidth,
    cue: getComputedStyle(box).backgroundImage,
    focusable: box.tabIndex,
  };
}"""


@pytest.mark.slow
@needs_site
@pytest.mark.parametrize("width", [1280, 390])
def test_results_show_gain_and_p_value_and_that_the_table_scrolls(opened, width):
    page = opened("results", width=width)
    page.wait_for_selector(".md-typeset__scrollwrap")
    found = page.evaluate(FIRST_COLUMNS)
    assert [head for head in found["heads"] if "gain" in head]
    assert "p" in found["heads"]
    if found["scrolls"]:
        assert "gradient" in found["cue"]
        assert found["focusable"] == 0


def pages_of(entry) -> list[str]:
    """Return the pages of an entry of the navigation, which may hold others."""
    if isinstance(entry, str):
        return [entry]
    return [page for part in entry for inner in part.values() for page in pages_of(inner)]


def test_site_lists_every_page():
    config = yaml.safe_load((ROOT / "mkdocs.yml").read_text(encoding="utf-8"))
    listed = pages_of(config["nav"])
    own = {str(page.relative_to(DOCS)) for page in DOCS.glob("**/*.md")}
    notebooks = {f"notebooks/{path.stem}.md" for path in (ROOT / "notebooks").glob("*.ipynb")}
    assert set(listed) == own | notebooks | {"contributing.md", "changelog.md"}
    assert len(set(listed)) == len(listed)


def rows_of_papers() -> list[str]:
    text = (DOCS / "papers.md").read_text(encoding="utf-8")
    return [line for line in text.splitlines() if line.startswith("|")]


def papers_in(path: Path) -> set[str]:
    """Return the arXiv numbers that a file gives as its sources."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    texts = [node.value for node in ast.walk(tree) if isinstance(node, ast.Constant)]
    sources = [
        text.partition("Source:")[2].partition("\n\n")[0]
        for text in texts
        if isinstance(text, str) and "Source:" in text
    ]
    return {number for source in sources for number in ARXIV.findall(source)}


METHODS = [
    *((f"baselines/credit/{name}.py", name) for name in ALLOCATORS),
    *((f"baselines/optimizers/{name}.py", name) for name in OPTIMIZERS),
    *((f"ccpo_env/topologies/{name}.py", name) for name in TOPOLOGIES),
]


@pytest.mark.parametrize(("file", "name"), METHODS, ids=[name for _, name in METHODS])
def test_papers_have_one_row_for_every_method_from_a_paper(file, name):
    rows = [row for row in rows_of_papers() if row.startswith(f"| `{name}` |")]
    assert len(rows) <= 1
    if not (ROOT / file).exists() or papers_in(ROOT / file):
        (row,) = rows
        assert "](../" in row


SOURCED = [
    path
    for folder in (
        "baselines/credit",
        "baselines/optimizers",
        "baselines/optimizers/losses",
        "baselines/bench/credit/games",
    )
    for path in sorted((ROOT / folder).glob("*.py"))
    if papers_in(path)
]


@pytest.mark.parametrize("path", SOURCED, ids=lambda path: path.stem)
def test_papers_name_what_the_docstrings_name(path):
    text = (DOCS / "papers.md").read_text(encoding="utf-8")
    rows = [row for row in rows_of_papers() if f"/{path.parent.name}/{path.name})" in row]
    named = {number for row in rows for number in ARXIV.findall(row)}
    if path.name == "optimizer.py":  # what all optimizers share
        named = set(ARXIV.findall(text))
    assert papers_in(path) - {"2603.21563"} <= named


def test_there_are_sourced_files():
    assert len(SOURCED) > 10


def test_citation_is_of_this_version():
    citation = yaml.safe_load((ROOT / "CITATION.cff").read_text(encoding="utf-8"))
    assert {"cff-version", "message", "title", "authors"} <= set(citation)
    assert citation["version"] == __version__
    assert citation["license"] == "MIT"


@needs_site
@pytest.mark.parametrize(
    ("markdown", "expected"),
    [
        ("[a](credit.md)", "[a](../credit.md)"),
        ("[a](../CONTRIBUTING.md#x)", "[a](../contributing.md#x)"),
        ("[a](../baselines/credit/branch.py)", "`baselines/credit/branch.py`"),
        ("[a](https://arxiv.org/x)", "[a](https://arxiv.org/x)"),
        ("[a](#x)", "[a](#x)"),
        ("```\n[a](../baselines/x.py)\n```\n", "```\n[a](../baselines/x.py)\n```\n"),
        ("![a](picture.png)", "![a](picture.png)"),
        ("[a](../notebooks/01_x.ipynb)", "[a](../notebooks/01_x.md)"),
    ],
)
def test_site_hook_keeps_links_within_the_site(markdown, expected):
    from scripts.site_hooks import for_site

    assert for_site(markdown, source="docs/page.md", page="sub/page.md") == expected


@needs_site
def test_formulas_are_mathml_and_other_text_is_unchanged():
    from scripts.site_hooks import on_page_content

    html = r'<p><span class="arithmatex">\(a &lt; b\)</span> and \(a\)</p>'
    found = on_page_content(html)
    assert found.startswith('<p><span class="formula"><math xmlns=')
    assert "<mo>&#x0003C;</mo>" in found or "<mo>&lt;</mo>" in found
    assert found.endswith(r"</math></span> and \(a\)</p>")
    block = on_page_content('<div class="arithmatex">\\[\nx\n\\]</div>')
    assert 'display="block"' in block


@needs_site
def test_outputs_of_a_notebook_are_fenced_and_figures_described(tmp_path):
    import nbformat

    from scripts.site_hooks import notebook_page

    pixel = base64.b64encode(b"\x89PNG of one dot").decode()
    outputs = [
        nbformat.v4.new_output("stream", text="a | b\n"),
        nbformat.v4.new_output(
            "display_data", {"image/png": pixel}, metadata={"image/png": {"alt": "One dot"}}
        ),
    ]
    cells = [nbformat.v4.new_code_cell("1", outputs=outputs)]
    path = tmp_path / "x.ipynb"
    nbformat.write(nbformat.v4.new_notebook(cells=cells), path)
    text, pictures = notebook_page(path)
    assert '```text title="Output"\na | b\n' in text
    ((name, picture),) = pictures.items()
    assert f"![One dot]({name})" in text
    assert picture.startswith(b"\x89PNG")
