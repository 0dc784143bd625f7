from __future__ import annotations

import json
import math
from dataclasses import replace

import numpy as np
import pytest
from rich.console import Console
from scipy import stats

from baselines import bench
from baselines.bench.credit.command import MIN_WIDTH, CreditConfig, play_seed, run
from baselines.bench.credit.credit_tables import COLUMNS, GameResult, as_json, credit_table
from baselines.bench.credit.figure import PANELS, credit_figure
from baselines.bench.credit.games.registry import GAMES
from baselines.credit import ALLOCATORS
from tests.rl.teams import quietly

QUICK = ("--games", "think_solve", "bandit_4", "--seeds", "2", "--groups", "16")


def test_bench_writes_tables_numbers_and_a_picture(tmp_path):
    code, printed = quietly(bench.main, "credit", *QUICK, "--workers", 1, "--out-dir", tmp_path)
    assert code == 0
    unknown = {"own_rewards", "influence", "values"}  # of these games
    measured = [name for name, own in ALLOCATORS.items() if not own.needs & unknown]
    assert all(f"\n {name} " in printed or f"\n{name} " in printed for name in measured)
    saved = json.loads((tmp_path / "credit.json").read_text(encoding="utf-8"))
    row = saved["games"]["think_solve"]["allocators"]["branch"]
    assert row["skill"]["value"] == pytest.approx(np.mean(row["skill"]["per_seed"]))
    assert len(row["skill"]["per_seed"]) == 2
    page = (tmp_path / "credit.md").read_text(encoding="utf-8")
    assert page.count("| branch |") == 6
    assert (tmp_path / "credit.png").read_bytes().startswith(b"\x89PNG")


@pytest.mark.slow
def test_quick_plays_every_game():
    code, printed = quietly(bench.main, "credit", "--quick", "--groups", 8, "--workers", 1)
    assert code == 0
    assert all(f"{name}: {game.meaning}" in printed for name, game in GAMES.items())
    assert printed.count("3 seeds; true advantages are exact") == len(GAMES) - 1


def test_processes_change_nothing():
    config = CreditConfig(games=("think_solve",), seeds=2, groups=16)
    alone, together = ([*run(replace(config, workers=count))] for count in (1, 2))
    assert repr(alone) == repr(together)


def test_seeds_differ():
    config = CreditConfig(games=("vote_5",), groups=16)
    (one, _), (two, _), (again, _) = (play_seed((config, "vote_5", seed)) for seed in (0, 1, 0))
    assert one["shared"]["skill"] != two["shared"]["skill"]
    assert repr(one) == repr(again)


def test_quick_plays_less():
    config = CreditConfig(quick=True)
    assert config.num_seeds == 3
    played = {name: 2 * config.num_pairs(name) for name in GAMES}
    assert played["bandit_16"] == 96 / 8
    assert played["vote_5"] == 256 / 8
    assert CreditConfig(quick=True, groups=6).num_pairs("tiny") == 3


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        (("--games", "bandit_5"), "did you mean 'bandit_4'?"),
        (("--seeds", "1"), "seeds must be >= 2 because an interval needs two, got 1"),
        (("--groups", "1"), "groups must be >= 2 because groups are played in pairs, got 1"),
        (("--samples", "0"), "samples must be >= 1, got 0"),
        (("--workers", "0"), "workers must be >= 1, got 0"),
        (("--rating-noise", "-1"), "rating_noise must be a number above 0, got -1.0"),
    ],
)
def test_bench_refuses_bad_flags(flags, message, capsys):
    code, _ = quietly(bench.main, "credit", *flags)
    assert code == 2
    assert message in capsys.readouterr().err


def result_of(**quantities):
    row = {name: 0.25 for name in (*COLUMNS, "tokens", "verifier_calls", "skill/agent_0")}
    row |= {"budget": 1.0, "cosine_shared": 0.5, **quantities}
    return GameResult(
        game="think_solve", meaning="a test", scores=[{"shared": row}] * 2, reliability=[1.0, 1.0]
    )


def test_table_says_what_was_not_measured():
    table = credit_table(result_of(spearman=math.nan))
    cells = {str(column.header): next(iter(column.cells)) for column in table.columns}
    assert cells["rank corr."] == "\N{EN DASH}"
    assert cells["skill"] == "0.25 ±0.00"
    assert "true advantages are exact; budget of an update: 1 tokens" in str(table.caption)


def test_means_over_seeds_leave_out_the_seeds_that_measured_nothing():
    values = [1.0, 2.0, 4.0, math.nan]
    per_seed = [{"shared": {"skill": value, "slope": math.nan}} for value in values]
    per_seed[0]["shared"]["slope"] = 3.0
    made = GameResult(game="tiny", meaning="a test", scores=per_seed, reliability=[1.0] * 4)
    found = made.estimate("shared", "skill")
    expected = stats.ttest_1samp(values[:3], 0.0).confidence_interval(0.95)
    assert (found.value, found.low, found.high) == pytest.approx((7 / 3, *expected))
    assert found.num_units == 3
    assert made.estimate("shared", "slope") is None  # one seed has no interval
    assert made.mean("shared", "slope") == 3.0
    assert math.isnan(result_of(skill=math.nan).mean("shared", "skill"))


def test_json_has_null_for_what_was_not_measured():
    made = as_json([result_of(spearman=math.nan)], CreditConfig())
    row = made["games"]["think_solve"]["allocators"]["shared"]
    assert row["spearman"] == {"value": None, "low": None, "high": None, "per_seed": [None] * 2}
    assert row["skill"] | {"per_seed": None} == {
        "value": 0.25,
        "low": 0.25,
        "high": 0.25,
        "num_units": 2,
        "per_seed": None,
    }


def test_figure_has_a_panel_per_quantity_and_an_arrow_for_what_is_outside():
    figure = credit_figure([result_of(skill=-14.0, cosine=math.nan)])
    assert len(figure.axes) == len(PANELS)
    texts = [[text.get_text() for text in axes.texts] for axes in figure.axes]
    assert texts == [["-14.0"], [], ["no exact gradient"]]


def test_tables_fit_the_width_they_ask_for():
    wide = result_of(**dict.fromkeys(COLUMNS, -14.13))
    console = Console(width=MIN_WIDTH, record=True, quiet=True)
    assert console.measure(credit_table(wide)).maximum <= MIN_WIDTH
