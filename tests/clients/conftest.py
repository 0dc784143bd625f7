"""Cells of the table of clients: a client and an environment, for which all tests must pass."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

RECORD = "CCPO_CELLS"
"""Environment variable with the file in which the outcome of each cell is written."""
OUTCOMES = pytest.StashKey[dict[str, dict[str, bool]]]()
TASKS = [("1+1", "2"), ("2+3", "5")]


def each_environment(*names: str) -> pytest.MarkDecorator:
    """Return what runs a test for each environment, its argument `name`, in a cell of its own."""
    marked = [pytest.param(name, marks=pytest.mark.environment(name)) for name in names]
    return pytest.mark.parametrize("name", marked)


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", "client(name): the client that the tests of a module use")
    config.addinivalue_line("markers", "environment(*names): environments that a test gives to it")
    config.stash[OUTCOMES] = {}


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Iterator[None]:
    report: Any = yield
    client = item.get_closest_marker("client")
    environments = item.get_closest_marker("environment")
    if client and environments and (report.when == "call" or not report.passed):
        cells = item.config.stash[OUTCOMES].setdefault(client.args[0], {})
        for name in environments.args:
            cells[name] = cells.get(name, True) and report.passed
    return report


def pytest_sessionfinish(session: pytest.Session) -> None:
    if RECORD in os.environ:
        outcomes = json.dumps(session.config.stash[OUTCOMES])
        Path(os.environ[RECORD]).write_text(outcomes, encoding="utf-8")


@pytest.fixture
def text() -> dict[str, Any]:
    """Arguments of an environment in text that needs neither files nor workers."""
    return {"tasks": TASKS, "verifier": "exact"}
