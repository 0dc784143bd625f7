"""The pictures of the environments: what they show was played, and they are up to date."""

from __future__ import annotations

import json
from xml.etree import ElementTree

import pytest

import ccpo_env
from scripts import draw_environments
from scripts.draw_environments import Block, Drawing

RECORDED = json.loads(draw_environments.RECORDED.read_text(encoding="utf-8"))
DRAWINGS = draw_environments.drawings(RECORDED)
SVG = "{http://www.w3.org/2000/svg}"


def test_every_environment_has_a_picture():
    names = {name.removesuffix("_v0") for name in vars(ccpo_env) if name.endswith("_v0")}
    assert set(DRAWINGS) == names
    page = (draw_environments.FOLDER / "README.md").read_text(encoding="utf-8")
    for name in names:
        assert f"]({name}.svg)" in page


@pytest.mark.parametrize("name", DRAWINGS)
def test_picture_is_up_to_date(name):
    written = (draw_environments.FOLDER / f"{name}.svg").read_text(encoding="utf-8")
    assert written == DRAWINGS[name].svg(), "run python scripts/draw_environments.py"


@pytest.mark.parametrize("name", DRAWINGS)
def test_the_absent_agent_decides_the_reward(name):
    whole, without = DRAWINGS[name].columns
    assert (whole[-1].title, without[-1].title) == ("✓ correct", "✗ wrong")
    assert whole[-1].lines[1] == "reward +1"
    assert without[-1].lines[1] == "reward -1"
    assert f"{DRAWINGS[name].removed} is absent" in [block.title for block in without]


@pytest.mark.parametrize("name", DRAWINGS)
def test_lines_fit_their_box_and_the_description_has_all_of_them(name):
    root = ElementTree.fromstring(DRAWINGS[name].svg())
    description = root.findtext(f"{SVG}desc")
    for block in (*DRAWINGS[name].columns[0], *DRAWINGS[name].columns[1]):
        assert all(len(line) <= draw_environments.CHARS for line in block.lines)
        assert all(line in description for line in block.lines)


def test_votes_are_counted():
    blocks = dict(zip(("whole", "without"), DRAWINGS["vote"].columns, strict=True))
    assert blocks["whole"][-2].lines == ("4: 2 of 3", "3: 1 of 3")
    assert blocks["without"][-2].lines == ("3: 1 of 2", "4: 1 of 2", "a tie: the first wins")


def test_messages_are_text_in_the_picture():
    block = Block("thinker_0", ("1 < 2 & <script>",))
    svg = Drawing("x", "a < b", "thinker_0", ([block], [block])).svg()
    assert "<script>" not in svg
    shown = [text.text for text in ElementTree.fromstring(svg).iter(f"{SVG}text")]
    assert shown.count("1 < 2 & <script>") == 2
    assert "a < b" in shown
