"""Files of a run, written whole or not at all."""

from __future__ import annotations

import json
from pathlib import Path
from tempfile import TemporaryFile

from ccpo_env.text import valid_unicode

CONFIG_FILE = "config.json"
"""In the folder of a run."""


def make_folder(path: Path) -> None:
    """Make a folder for the results, with its parents, unless it is there.

    Raises:
        ValueError: If that cannot be done, or nothing can be written into it.
    """
    try:
        path.mkdir(parents=True, exist_ok=True)
        with TemporaryFile(dir=path):
            pass
    except OSError as error:
        raise ValueError(
            f"out_dir must be a folder that can be written, got {path} ({error.strerror}); "
            f"pass another --out-dir"
        ) from None


def write_text(path: Path, text: str) -> None:
    """Write a file next to its place, then move it there; lone surrogates become U+FFFD."""
    part = path.with_name(f"{path.name}.part")
    part.write_text(valid_unicode(text), encoding="utf-8")
    part.replace(path)


def write_json(path: Path, value: object) -> None:
    """Write a value as JSON; NaN is an error."""
    write_text(path, json.dumps(value, indent=2, allow_nan=False, ensure_ascii=False) + "\n")
