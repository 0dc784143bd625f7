"""MkDocs hooks: pages from the root of the repository, and links that work within the site."""

from __future__ import annotations

import posixpath
import re
from typing import Any

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files

ROOT_PAGES = {"CONTRIBUTING.md": "contributing.md", "CHANGELOG.md": "changelog.md"}
"""Files in the root that are pages of the site."""
PAGES = {**ROOT_PAGES, "README.md": "index.md"}
LINK = re.compile(r"\[([^\]]*)\]\((?!https?://|#)([^)#\s]+)(#[^)\s]*)?\)")
FENCE = re.compile(r"(^```.*?^```$)", re.DOTALL | re.MULTILINE)


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add the pages from the root."""
    root = posixpath.dirname(config.config_file_path)
    for name, page in ROOT_PAGES.items():
        with open(posixpath.join(root, name), encoding="utf-8") as file:
            text = for_site(file.read(), source=name, page=page)
        files.append(File.generated(config, page, content=text))
    return files


def on_page_markdown(markdown: str, page: Any, **_: object) -> str:
    """Convert the links of a page to links within the site."""
    source = page.file.src_uri
    if source in ROOT_PAGES.values():
        return markdown
    return for_site(markdown, source=f"docs/{source}", page=source)


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
    else:
        return f"`{path}`"  # a source file, not a page of the site
    return f"[{label}]({posixpath.relpath(inside, posixpath.dirname(page) or '.')}{anchor})"
