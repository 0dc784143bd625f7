"""Render self-contained HTML pages: one frame, scripts allowed by hash, data that stays data."""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Sequence
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from ccpo_env.text import valid_unicode

PARTS = Path(__file__).parent
"""Folder of page.html.jinja, the frame, and parts.html.jinja, macros for every page."""
_UNSAFE = {"<": "\\u003c", "\u2028": "\\u2028", "\u2029": "\\u2029"}
"""Characters in JSON that could end a script or a line in it."""


def render(
    template: Path, *, scripts: Sequence[Path] = (), data: object = None, **values: object
) -> str:
    """Return a page that loads no resources.

    Args:
        template: A jinja template that extends "page.html.jinja"; it may import macros of
            "parts.html.jinja" and of templates in its own folder.
        scripts: JavaScript files, run in this order after the page is parsed.
        data: JSON value that the scripts read from the element with the id "data". None: no data.
        values: Values that the template uses; all text in them is escaped.

    Returns:
        HTML. Its content security policy blocks every script but the given ones, so text of
        models, which appears only escaped or inside the data, is never run.

    Raises:
        ValueError: If the data contains a number that JSON does not have.
        jinja2.UndefinedError: If the template uses a value that is not given.
    """
    environment = Environment(
        loader=FileSystemLoader([template.parent, PARTS]),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    texts = [path.read_text(encoding="utf-8") for path in scripts]
    return environment.get_template(template.name).render(
        **values,
        page_policy=_policy(texts),
        page_scripts=[Markup(text) for text in texts],
        page_data=None if data is None else Markup(_script_text(data)),
    )


def _policy(scripts: Sequence[str]) -> str:
    digests = [hashlib.sha256(script.encode()).digest() for script in scripts]
    hashes = " ".join(f"'sha256-{base64.b64encode(digest).decode()}'" for digest in digests)
    policy = "default-src 'none'; style-src 'unsafe-inline'"
    return f"{policy}; script-src {hashes}" if hashes else policy


def _script_text(value: object) -> str:
    """Return JSON that is safe between script tags."""
    text = valid_unicode(
        json.dumps(value, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    )
    for character, escaped in _UNSAFE.items():
        text = text.replace(character, escaped)
    return text


def clip(text: str, max_chars: int) -> str:
    """Return the first characters of a text, with the number of those that are left out."""
    left_out = len(text) - max_chars
    return text if left_out <= 0 else f"{text[:max_chars]}… ({left_out} characters more)"


def setting_text(value: object) -> str:
    """Return the value of a setting, a JSON value, as tables show it."""
    if isinstance(value, dict):
        value = ", ".join(f"{name}={part}" for name, part in value.items()) or None
    elif isinstance(value, list):
        value = ", ".join(map(str, value)) or None
    return "default" if value is None else str(value)
