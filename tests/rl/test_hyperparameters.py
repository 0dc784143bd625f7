"""Hyperparameters as keyword-only parameters and as fields: declared, read, checked."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Annotated, Literal

import numpy as np
import numpy.typing as npt
import pytest

from baselines.common.hyperparameters import (
    Range,
    check_fields,
    check_values,
    checked,
    declared,
    read_hyperparameters,
)


@checked
def method(
    data: float,
    *,
    weight: Annotated[float, Range(0.0)] = 0.2,
    count: Annotated[int, Range(1, 9)] = 2,
    rate: Annotated[float | None, Range(0.0, 1.0, open_low=True, open_high=True)] = None,
    mode: Literal["event", "margin"] = "event",
    is_fast: bool = False,
    label: str = "Plain",
    offset: float = 0.0,
    features: npt.ArrayLike | None = None,
    history: list[int] | None = None,
) -> float:
    """Return something.

    Args:
        data: An input.
        weight: Size of the bonus, in units of
            reward. 0 means none.
        mode: What is measured.

    Returns:
        rate: not an argument.
    """
    del count, rate, mode, is_fast, label, offset, features, history
    return weight * data


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """Settings.

    Args:
        decay: Weight of the past.
    """

    decay: Annotated[float, Range(0.0, 1.0, open_high=True)] = 0.9

    def __post_init__(self) -> None:
        check_fields(self)


def test_numbers_switches_texts_and_choices_are_hyperparameters_and_other_types_are_inputs():
    assert list(declared(method)) == [
        *("weight", "count", "rate", "mode", "is_fast", "label", "offset")
    ]
    assert list(declared(Settings)) == ["decay"]


def test_defaults_types_and_choices_are_those_of_the_signature():
    found = declared(method)
    assert found["weight"].default == 0.2
    assert [one.kind for one in found.values()] == [float, int, float, str, bool, str, float]
    assert found["mode"].choices == ("event", "margin")
    assert {name for name, one in found.items() if one.optional} == {"rate"}


def test_meaning_is_the_first_sentence_of_the_docstring():
    meanings = {name: one.meaning for name, one in declared(method).items()}
    assert meanings["weight"] == "Size of the bonus, in units of reward"
    assert meanings["mode"] == "What is measured"
    assert meanings["rate"] == ""
    assert declared(Settings)["decay"].meaning == "Weight of the past"
    assert declared(checked(lambda *, x=1.0: x)) == {}  # no type, so no hyperparameter


def test_values_and_defaults_in_words():
    assert [(one.values, one.default_text) for one in declared(method).values()] == [
        ("a number >= 0", "0.2"),
        ("a whole number in [1, 9]", "2"),
        ("a number in (0, 1) or none", "none"),
        ("event, margin", "event"),
        ("true or false", "false"),
        ("a text", "Plain"),
        ("a number", "0.0"),
    ]
    assert str(Range(0.0, open_low=True)) == "> 0"


@pytest.mark.parametrize(
    ("name", "text", "value"),
    [
        ("weight", "0", 0.0),
        ("weight", "1e-3", 0.001),
        ("count", "9", 9),
        ("rate", "None", None),
        ("rate", "0.5", 0.5),
        ("mode", "margin", "margin"),
        ("is_fast", "True", True),
        ("is_fast", "false", False),
        ("label", "none", "none"),
        ("offset", "-3", -3.0),
    ],
)
def test_text_is_read_as_the_declared_type(name, text, value):
    found = declared(method)[name].read(text)
    assert found == value
    assert type(found) is type(value)


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("weight", "-1", r"^weight must be >= 0, got -1.0; leave it out for the default, 0.2$"),
        ("weight", "inf", r"^weight must be >= 0 and finite, got inf; leave it out"),
        ("weight", "nan", r"^weight must be >= 0, got nan; leave it out"),
        ("weight", "none", r"^weight must be a number, got 'none'; leave it out"),
        ("weight", "", r"^weight must be a number, got ''; leave it out"),
        ("count", "2.5", r"^count must be a whole number, got '2.5'; leave it out for"),
        ("count", "10", r"^count must lie in \[1, 9\], got 10; leave it out for the default, 2$"),
        ("rate", "0", r"^rate must lie in \(0, 1\), got 0.0; leave it out for the default, none$"),
        ("rate", "1", r"^rate must lie in \(0, 1\), got 1.0"),
        ("mode", "margn", r"mode .*'margn'.* did you mean 'margin'\?"),
        ("is_fast", "yes", r"^is_fast must be true or false, got 'yes'; .*, false$"),
        ("offset", "-inf", r"^offset must be finite.*, got -inf"),
    ],
)
def test_text_that_is_no_valid_value_is_refused(name, text, message):
    with pytest.raises(ValueError, match=message):
        declared(method)[name].read(text)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        *[("weight", "1"), ("weight", True), ("weight", None), ("weight", np.ones(2))],
        *[("count", 2.0), ("is_fast", 1), ("label", 2)],
        *[("mode", None), ("mode", 1), ("mode", np.ones(2))],
    ],
)
def test_checked_refuses_values_of_another_type(name, value):
    with pytest.raises(ValueError, match=name):
        method(1.0, **{name: value})


def test_checked_passes_numpy_numbers_and_inputs_on():
    assert method(2.0, weight=np.float32(0.5), count=np.int64(3), features=[[0]]) == 1.0
    assert method(2.0, rate=None, history=[-1], is_fast=True) == 0.4


def test_checked_keeps_name_docstring_and_signature_and_python_refuses_unknown_names():
    assert method.__name__ == "method"
    assert "Return something." in (method.__doc__ or "")
    with pytest.raises(TypeError, match="unexpected keyword argument 'wieght'"):
        method(1.0, wieght=1.0)


@pytest.mark.parametrize("decay", [1.0, -0.1, math.nan, "0.5"])
def test_fields_of_a_dataclass_are_checked(decay):
    with pytest.raises(ValueError, match=r"^decay must .*; leave it out for the default, 0.9$"):
        Settings(decay=decay)
    assert Settings(decay=0.0).decay == 0.0


def test_values_by_name_are_read_and_checked():
    known = declared(method)
    assert read_hyperparameters("m", known, {"weight": "1", "count": "3"}) == {
        "weight": 1.0,
        "count": 3,
    }
    check_values("m", known, {"weight": 1.0})
    with pytest.raises(ValueError, match=r"^count must lie in"):
        check_values("m", known, {"count": 0})


@pytest.mark.parametrize(
    ("known", "message"),
    [
        ("method", "^unknown hyperparameter 'wieght' of allocator 'm'; available: count, .*"),
        ("method", r"weight; did you mean 'weight'\?$"),
        ("none", "^unknown hyperparameter 'wieght' of allocator 'm'; available: none$"),
    ],
)
def test_unknown_names_are_refused_with_the_nearest_one(known, message):
    available = declared(method) if known == "method" else {}
    for read in (read_hyperparameters, check_values):
        with pytest.raises(ValueError, match=message):
            read("allocator 'm'", available, {"wieght": "1"})
