"""The frame of all pages: nothing is loaded, only given scripts run, data stays data."""

from __future__ import annotations

import base64
import hashlib
import json
import re
from pathlib import Path

import pytest
from jinja2 import UndefinedError

import baselines.pages
from baselines.pages.page import clip, render, setting_text

TEMPLATE = """{% extends "page.html.jinja" %}
{% import "parts.html.jinja" as parts %}
{% block title %}T{% endblock %}
{% block header %}<h1>{{ heading }}</h1>{% endblock %}
{% block main %}{% call parts.scrolling("A table") %}{{ heading }}{% endcall %}{% endblock %}
"""
SCRIPTS = sorted(Path(baselines.pages.__file__).parents[1].rglob("*.js"))
ATTACK = "</script><script>alert(1)</script>\u2028<!--"


def page_of(folder, *, scripts=(), **given):
    template = folder / "own.html.jinja"
    template.write_text(TEMPLATE)
    files = []
    for number, text in enumerate(scripts):
        files.append(folder / f"{number}.js")
        files[-1].write_text(text)
    return render(template, scripts=files, **given)


def policy_of(page):
    return re.search(r'Content-Security-Policy" content="([^"]*)"', page)[1].replace("&#39;", "'")


def test_a_page_without_scripts_allows_none(tmp_path):
    page = page_of(tmp_path, heading=ATTACK)
    assert policy_of(page) == "default-src 'none'; style-src 'unsafe-inline'"
    assert "<script" not in page
    assert "&lt;/script&gt;" in page


def test_scripts_are_allowed_by_hash_and_in_order(tmp_path):
    texts = ["let first = 1 < 2;\n", 'console.log("ü");\n']
    page = page_of(tmp_path, scripts=texts, heading="")
    hashes = [base64.b64encode(hashlib.sha256(t.encode()).digest()).decode() for t in texts]
    assert policy_of(page).endswith(f"script-src 'sha256-{hashes[0]}' 'sha256-{hashes[1]}'")
    assert re.findall(r"<script>(.*?)</script>", page, re.DOTALL) == texts


def test_data_survives_the_page_and_cannot_end_it(tmp_path):
    page = page_of(tmp_path, data={"text": ATTACK, "numbers": [1, 2.5, None]}, heading="")
    found = re.findall(r'<script type="application/json" id="data">(.*?)</script>', page, re.DOTALL)
    assert json.loads(found[0]) == {"text": ATTACK, "numbers": [1, 2.5, None]}
    assert page.count("<script") == 1


def test_numbers_that_json_lacks_and_missing_values_are_refused(tmp_path):
    with pytest.raises(ValueError, match="not JSON compliant"):
        page_of(tmp_path, data=[float("nan")], heading="")
    with pytest.raises(UndefinedError, match="heading"):
        page_of(tmp_path)


def test_a_long_text_says_how_much_of_it_is_left_out():
    assert clip("abcdef", 6) == "abcdef"
    assert clip("abcdef", 4) == "abcd… (2 characters more)"


@pytest.mark.parametrize(
    ("value", "text"),
    [(None, "default"), ([], "default"), ({}, "default"), (False, "False"), ([1, 2], "1, 2")],
)
def test_settings_are_shown_as_text(value, text):
    assert setting_text(value) == text


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda path: path.name)
def test_script_takes_no_inherited_name_of_an_object_for_one_of_its_own(script):
    # "toString" in NAMES is true: a page whose address held it showed nothing.
    assert not re.findall(r"\bin [A-Z_]{2,}\b(?![^\n]*\*/)", script.read_text(encoding="utf-8"))
