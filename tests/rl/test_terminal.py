"""Texts of models, tasks and servers, on a terminal and in files that are shown on one."""

from __future__ import annotations

import json
import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.table import Table

from baselines.common.errors import print_message
from baselines.common.files import read_json, write_json, write_text
from baselines.common.terminal import Terminal
from ccpo_env.text import printable, without_controls

TEXTS = {
    "\x1b[2J": "\\x1b[2J",
    "[bold red]x[/]": "[bold red]x[/]",
    ":smile:": ":smile:",
    "\ud800": "\ufffd",
    "a\x9bb": "a\\x9bb",
    "\u202eabc": "\\u202eabc",
}
"""Texts, and what a terminal shows of them."""


def printed(tmp_path, *values, **settings):
    with (tmp_path / "out").open("w", encoding="utf-8") as stream:
        Terminal(file=stream, width=60, **settings).print(*values)
    return (tmp_path / "out").read_text(encoding="utf-8")


@pytest.mark.parametrize("text", TEXTS)
def test_terminal_shows_a_text_and_does_not_obey_it(tmp_path, text):
    table = Table("level", title=text, caption=text)
    table.add_row(text)
    for shown in (text, table):
        found = printed(tmp_path, shown)
        assert TEXTS[text] in found
        assert found.replace("\n", "").isprintable()


def test_terminal_has_colours_all_the_same(tmp_path):
    found = printed(tmp_path, "a\x1b[2J", style="red", force_terminal=True, color_system="standard")
    assert found == "\x1b[31ma\\x1b[2J\x1b[0m\n"


def test_message_shows_a_text_and_does_not_obey_it(capsys):
    print_message("error", "x must be y, got \x1b[2J\u202e\ud800")
    assert capsys.readouterr().err == "error: x must be y, got \\x1b[2J\\u202e\ufffd\n"


def test_text_file_holds_no_controls(tmp_path):
    write_text(tmp_path / "a.md", "| \x1b[2J | \ud800 |\r\n\t\x9b\x7f")
    data = (tmp_path / "a.md").read_bytes().decode()
    assert data == "| \\u001b[2J | \ufffd |\r\n\t\\u009b\\u007f"


@given(st.text(max_size=20))
def test_escapes_leave_what_json_holds(text):
    dumped = json.dumps([text], ensure_ascii=False)
    assert json.loads(without_controls(dumped)) == [text]


@given(st.text(st.characters(codec=None), max_size=20))
def test_printable_text_holds_what_can_be_seen_and_nothing_else(text):
    shown = printable(text)
    shown.encode()
    assert all(c.isprintable() or c in "\n\t" or c.isspace() for c in shown if not is_unassigned(c))
    assert printable(shown) == shown


def is_unassigned(char):
    return unicodedata.category(char) in ("Cn", "Co")


def test_json_file_is_read_as_it_was_written(tmp_path):
    write_json(tmp_path / "a.json", {"level\x1b\x9b": "\x7f"})
    assert read_json(tmp_path / "a.json") == {"level\x1b\x9b": "\x7f"}
