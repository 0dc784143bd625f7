"""MkDocs hooks: pages from outside docs/, links within the site, and formulas as MathML."""

from __future__ import annotations

import posixpath
import re
from html import unescape
from pathlib import Path
from typing import Any

from jinja2 import DictLoader
from latex2mathml.converter import convert
from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files
from nbconvert import MarkdownExporter

ROOT_PAGES = {"CONTRIBUTING.md": "contributing.md", "CHANGELOG.md": "changelog.md"}
"""Files in the root that are pages of the site."""
PAGES = {**ROOT_PAGES, "README.md": "index.md"}
LINK = re.compile(r"(?<!!)\[([^\]]*)\]\((?!https?://|#)([^)#\s]+)(#[^)\s]*)?\)")
NOTEBOOKS = "notebooks/"
FRAME = re.compile(r'(<iframe src=")(?!https?:|\{)')
"""A page beside a notebook that is framed in it. The notebook's page has a folder of its own."""
SEARCH = '<div class="md-search" data-md-component="search" role="dialog"'
DOWNLOAD = "\n\n---\n\n[Download this notebook]({})\n"
DISPLAY = {"span": "inline", "div": "block"}
FORMULA = re.compile(r'<(span|div) class="arithmatex">\\[(\[](.*?)\\[)\]]</\1>', re.DOTALL)
"""A formula in LaTeX, as pymdownx.arithmatex marks it: inline, or a block."""
NOTEBOOK_TEMPLATE = """
{%- extends 'markdown/index.md.j2' -%}
{% block stream %}
{{ fence }}text title="Output"
{{ output.text | strip_ansi }}
{{ fence }}
{% endblock stream %}
{% block data_text scoped %}
{{ fence }}text title="Output"
{{ output.data['text/plain'] | strip_ansi }}
{{ fence }}
{% endblock data_text %}
{% block data_png %}
![{{ output.metadata['image/png'].alt }}]({{ output.metadata.filenames['image/png'] | path2url }})
{% endblock data_png %}
""".replace("{{ fence }}", "```")
"""Of nbconvert; outputs are fenced text, and figures have their descriptions."""
FENCE = re.compile(r"(^```.*?^```$)", re.DOTALL | re.MULTILINE)


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add the pages from the root, and the notebooks with what they show."""
    root = Path(config.config_file_path).parent
    for name, page in ROOT_PAGES.items():
        text = for_site((root / name).read_text(encoding="utf-8"), source=name, page=page)
        files.append(File.generated(config, page, content=text))
    for path in sorted((root / NOTEBOOKS).glob("*.ipynb")):
        source = f"{NOTEBOOKS}{path.name}"
        page = source.replace(".ipynb", ".md")
        text, pictures = notebook_page(path)
        text = for_site(text, source=source, page=page) + DOWNLOAD.format(path.name)
        text = FRAME.sub(r"\1../", text)
        files.append(File.generated(config, page, content=text))
        files.append(File.generated(config, source, content=path.read_bytes()))
        for name, picture in pictures.items():
            files.append(File.generated(config, f"{NOTEBOOKS}{name}", content=picture))
    for path in sorted((root / NOTEBOOKS).glob("*/*.html")):
        source = path.relative_to(root).as_posix()
        files.append(File.generated(config, source, content=path.read_bytes()))
    return files


def on_page_markdown(markdown: str, page: Any, **_: object) -> str:
    """Convert the links of a page to links within the site."""
    source = page.file.src_uri
    if source in ROOT_PAGES.values() or source.startswith(NOTEBOOKS):
        return markdown
    return for_site(markdown, source=f"docs/{source}", page=source)


def on_page_content(html: str, **_: object) -> str:
    """Convert the formulas of a page to MathML, which browsers draw without a script."""
    return FORMULA.sub(_mathml, html)


def on_post_page(output: str, **_: object) -> str:
    """Give the theme's search dialog the name that it lacks."""
    return output.replace(SEARCH, f'{SEARCH} aria-label="Search"')


def _mathml(formula: re.Match[str]) -> str:
    tag, latex = formula[1], unescape(formula[2])
    return f'<{tag} class="formula">{convert(latex, display=DISPLAY[tag])}</{tag}>'


def notebook_page(path: Path) -> tuple[str, dict[str, bytes]]:
    """Return a notebook as Markdown, and its pictures by their names in the page."""
    exporter = MarkdownExporter(
        template_file="page.md.j2", extra_loaders=[DictLoader({"page.md.j2": NOTEBOOK_TEMPLATE})]
    )
    resources = {"unique_key": f"{path.stem}_figure", "output_files_dir": ""}
    text, found = exporter.from_filename(str(path), resources=resources)
    return text, dict(found["outputs"])


def for_site(markdown: str, *, source: str, page: str) -> str:
    """Return text with links to pages of the site, and other files as code.

    Args:
        markdown: The text; fenced code is unchanged.
        source: Path of its file, from the root of the project.
        page: Path of its page, from docs/.
    """
    parts = FENCE.split(markdown)
    parts[::2] = [
        LINK.sub(lambda link: _link(link, posixpath.dirname(source), page), part)
        for part in parts[::2]
    ]
    return "".join(parts)


def _link(link: re.Match[str], folder: str, page: str) -> str:
    label, target, anchor = link[1], link[2], link[3] or ""
    path = posixpath.normpath(posixpath.join(folder, target))
    if path.startswith("docs/"):
        inside = path.removeprefix("docs/")
    elif path in PAGES:
        inside = PAGES[path]
    elif path.startswith(NOTEBOOKS):
        inside = path.replace(".ipynb", ".md")
    else:
        return f"`{path}`"  # a source file, not a page of the site
    return f"[{label}]({posixpath.relpath(inside, posixpath.dirname(page) or '.')}{anchor})"
