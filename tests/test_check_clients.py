"""The table of clients: every cell was tested and works, or says why there is no test."""

from __future__ import annotations

import importlib.util
import json
import sys

import pytest

from scripts import check_clients
from scripts.check_clients import CLIENTS, ENVIRONMENTS, RESULTS, file_of, table

RECORDED = json.loads(RESULTS.read_text(encoding="utf-8"))


@pytest.mark.parametrize("client", CLIENTS)
def test_every_cell_works_or_has_a_reason(client: str) -> None:
    cells, reasons = RECORDED[client]["cells"], CLIENTS[client].reasons or {}
    assert sorted([*cells, *reasons]) == sorted(ENVIRONMENTS)
    assert all(cells.values())
    assert all(reason.endswith(".") for reason in reasons.values())


def test_results_are_of_the_clients_that_have_tests() -> None:
    assert RECORDED.keys() == CLIENTS.keys()
    files = {file_of(client) for client in CLIENTS}
    assert files == set(check_clients.TESTS.glob("test_*.py"))


def test_table_shows_failures_and_numbers_reasons() -> None:
    one = {**RECORDED, "torchrl": {"version": "9", "cells": {"signal-v0": False}}}
    reasons = {name: "It cannot." for name in ENVIRONMENTS if name != "signal-v0"}
    with pytest.MonkeyPatch.context() as patch:
        client = check_clients.Client("torchrl", (), reasons)
        patch.setattr(check_clients, "CLIENTS", {"torchrl": client})
        head, _, row, *rest = table(one).split("\n")
    assert head.startswith("| client | `think_solve-v0`<br>AEC, text |")
    cells = ["[reason 1](#reasons)"] * len(ENVIRONMENTS)
    cells[list(ENVIRONMENTS).index("signal-v0")] = "fails"
    assert row == f"| torchrl 9 | {' | '.join(cells)} |"
    assert rest == ["", "### Reasons", "", "1. It cannot."]


def test_unknown_client_is_named(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit, match="2"):
        check_clients.main(["torch_rl"])
    assert "unknown clients ['torch_rl']; available: PettingZoo, Gym" in capsys.readouterr().err


def test_clients_of_this_interpreter_are_run_with_it(tmp_path) -> None:
    assert check_clients.environment_of("PettingZoo", tmp_path) == sys.executable
    assert not list(tmp_path.iterdir())


@pytest.mark.skipif(importlib.util.find_spec("verifiers") is not None, reason="it is installed")
def test_environment_for_verifiers_says_what_to_install() -> None:
    with pytest.raises(ImportError, match=r"package verifiers 0\.4 installed, got .*pip install"):
        importlib.import_module("baselines.integrations.verifiers_env")
