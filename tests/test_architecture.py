"""The picture of the rooms is that of the imports, and one training step stays in few rooms."""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from xml.etree import ElementTree

import pytest

from scripts import draw_architecture, trace_step
from scripts.draw_architecture import PLACES, layers, reduced, room_of
from tests.test_import_rules import FLOOR

ROOT = Path(__file__).parents[1]
MOST_ROOMS, MOST_SWITCHES = 9, 300


@pytest.fixture(autouse=True, scope="module")
def _parse_each_file_once() -> Iterator[None]:
    rooms_of = draw_architecture.imported_rooms
    with pytest.MonkeyPatch.context() as patch:
        once = cache(lambda path: tuple(rooms_of(path)))
        patch.setattr(draw_architecture, "imported_rooms", once)
        yield


def test_picture_is_up_to_date():
    drawn = draw_architecture.PICTURE.read_text(encoding="utf-8")
    assert drawn == draw_architecture.picture(), "run python scripts/write_docs.py"


def test_picture_names_every_room():
    root = ElementTree.fromstring(draw_architecture.picture())  # our own file
    texts = {element.text for element in root.iter() if element.tag.endswith("text")}
    rooms = {room for room in FLOOR if room not in ("__main__", "play")}
    assert rooms <= PLACES.keys() <= texts


def test_purposes_fit_their_boxes():
    purposes = [place.purpose for place in PLACES.values() if place.column is not None]
    assert max(map(len, purposes)) <= draw_architecture.MOST_CHARS


def test_rooms_are_drawn_above_what_they_import():
    graph = draw_architecture.import_graph(draw_architecture.sources())
    found = layers(graph)
    assert all(found[room] > found[other] for room, others in graph.items() for other in others)
    assert found[draw_architecture.ENVIRONMENT] == 0


def test_layers_by_hand():
    graph = {"top": {"left", "base"}, "left": {"base"}, "right": {"base"}, "base": set()}
    assert layers(graph) == {"base": 0, "left": 1, "right": 1, "top": 2}


def test_layers_refuses_a_circle():
    with pytest.raises(ValueError, match=r"must not import each other, got \['a', 'b'\]"):
        layers({"a": {"b"}, "b": {"a"}, "c": set()})


def test_reduced_leaves_out_what_a_longer_path_implies():
    graph = {"a": {"b", "c", "d"}, "b": {"c"}, "c": {"d"}, "d": set(), "e": {"d"}}
    assert reduced(graph) == {"a": {"b"}, "b": {"c"}, "c": {"d"}, "d": set(), "e": {"d"}}


@pytest.mark.parametrize(
    ("module", "room"),
    [
        ("ccpo_env.tasks.files", "ccpo_env"),
        ("baselines.credit.branch", "credit"),
        ("baselines.credit", "credit"),
        ("baselines.play", "ccpo"),
        ("baselines", "ccpo"),
    ],
)
def test_room_of_a_module(module, room):
    assert room_of(module) == room


def test_picture_refuses_a_room_without_a_place(monkeypatch):
    places = {room: place for room, place in PLACES.items() if room != "credit"}
    monkeypatch.setattr(draw_architecture, "PLACES", places)
    with pytest.raises(ValueError, match=r"PLACES must hold every room, got \['credit'\]"):
        draw_architecture.picture()


@pytest.mark.parametrize(
    ("file", "room"),
    [
        ("baselines/credit/branch.py", "credit"),
        ("baselines/train/update/updater.py", "train"),
        ("baselines/__init__.py", None),
        ("ccpo_env/verifiers/number.py", "ccpo_env"),
        ("tests/test_architecture.py", None),
    ],
)
def test_trace_knows_the_room_of_a_file(file, room):
    assert trace_step.room_of(str(ROOT / file)) == room


def test_one_training_step_stays_in_few_rooms():
    trace = trace_step.trace_step()
    assert len(trace.rooms) <= MOST_ROOMS
    assert 0 < trace.num_switches <= MOST_SWITCHES, trace_step.report(trace, 20)
    assert trace.by_rooms().total() == trace.by_functions().total() == trace.num_switches
    assert f"{trace.num_switches} room switches" in trace_step.report(trace, 0)
    assert {"train", "rollouts", "credit", "optimizers", "ccpo_env"} <= set(trace.rooms)
    page = (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8")
    listed = re.findall(r"^\d+\. \[.*?\]\(\.\./(.*?)\)", page, re.MULTILINE)
    assert len(listed) == len(set(listed)) >= 20
    assert {str(ROOT / file) for file in listed} <= trace.files.keys(), "the page lists idle files"
