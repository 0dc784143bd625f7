from __future__ import annotations

import re

import numpy as np
import pytest
from rich.console import Console

from baselines import bench
from baselines.bench import environment_speed, measuring, sampler_speed, verifier_speed
from baselines.bench.measuring import Case
from tests.rl.teams import quietly

MAKERS = (
    environment_speed.environment_cases,
    verifier_speed.verifier_cases,
    sampler_speed.sampler_cases,
)


@pytest.fixture(autouse=True)
def _little_work(monkeypatch):
    monkeypatch.setattr(environment_speed, "NUM_EPISODES", 3)
    monkeypatch.setattr(sampler_speed, "NUM_PROMPTS", 4)
    monkeypatch.setattr(sampler_speed, "MAX_NEW_TOKENS", 5)


@pytest.mark.parametrize("make_cases", MAKERS)
def test_cases_count_their_work_alike(make_cases):
    cases = make_cases()
    units = [case.run() for case in cases]
    assert len({case.name for case in cases}) == len(cases) >= 2
    assert min(units) > 0
    if make_cases is not sampler_speed.sampler_cases:  # completions differ in length
        assert len(set(units)) == 1


def test_measure_warms_up_and_measures_every_case_equally_often():
    runs = []
    cases = [Case(name, lambda name=name: runs.append(name) or 10) for name in ("ours", "theirs")]
    rates = measuring.measure(cases, 4, np.random.default_rng(0))
    assert runs[:2] == ["ours", "theirs"]
    assert sorted(runs) == ["ours"] * 5 + ["theirs"] * 5
    assert [len(rates[name]) for name in ("ours", "theirs")] == [4, 4]
    assert min(min(values) for values in rates.values()) > 0


def test_ratio_table_compares_medians_with_the_first_case():
    rates = {"reference": [100.0, 300.0, 200.0], "ours": [500.0, 500.0, 5000.0]}
    table = measuring.ratio_table("Things", rates)
    columns = {str(column.header): list(column.cells) for column in table.columns}
    assert columns == {
        "case": ["reference", "ours"],
        "median": ["200", "500"],
        "quartiles": ["150 to 250", "500 to 2,750"],
        "ratio": ["1.00", "2.50"],
    }
    assert Console(width=100).render_str(str(table.title)).plain == "Things per second"


def test_bench_prints_a_table_for_each_part():
    code, printed = quietly(bench.main, "--repeats", "1", "--live-episodes", "1000")
    assert code == 0
    for name in ("bare AECEnv", "think_solve_v0.raw_env", "math-verify", "ccpo sampler"):
        assert name in printed


def test_bench_refuses_no_repeats(capsys):
    code, _ = quietly(bench.main, "--repeats", "0")
    message = "error: repeats must be >= 1, got 0; pass --repeats 1 or more\n"
    assert (code, capsys.readouterr().err) == (2, message)


@pytest.mark.parametrize("name", ["environment", "verifier", "sampler"])
def test_bench_of_speed_runs_alone(name):
    few = ("--live-episodes", "1000") if name == "environment" else ()
    code, printed = quietly(bench.main, name, "--repeats", "1", *few)
    assert code == 0
    assert printed.count("per second") == 1


@pytest.mark.parametrize("name", bench.BENCHES)
def test_every_bench_has_help(name):
    code, printed = quietly(bench.main, name, "--help")
    assert code == 0
    assert f"usage: ccpo bench {name}" in printed


def test_help_of_all_benches_fits_the_terminal_and_breaks_no_name(monkeypatch):
    monkeypatch.setenv("COLUMNS", "80")
    code, printed = quietly(bench.main, "--help")
    assert code == 0
    assert max(map(len, printed.splitlines())) <= 80
    assert set(bench.BENCHES) <= set(re.findall(r"\w+", printed))


def test_bench_refuses_an_unknown_name(capsys):
    code, _ = quietly(bench.main, "verifer")
    assert code == 2
    assert "unknown bench 'verifer'; " in capsys.readouterr().err


def test_help_lists_the_benches():
    code, printed = quietly(bench.main, "--help")
    assert code == 0
    assert all(name in "".join(printed.split()) for name in bench.BENCHES)  # one may be wrapped
