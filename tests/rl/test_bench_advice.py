"""Advice against training: pairs, order and sides, by hand."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

import pytest

from baselines.advise.efficiency import Efficiency
from baselines.advise.settings import AdviseConfig
from baselines.bench.advice import command
from baselines.bench.advice.agreement import Agreement, agreement, side_of
from baselines.bench.advice.areas import Gain, different_pairs, read_gains

TABLE = """| optimizer | allocator | its gain over shared |
|---|---|---|
| grpo | shared |  |
| grpo | branch | -0.108 [-0.116, -0.099] |
| grpo | shapley | +0.041 [0.033, 0.050] |
| rloo | shared |  |
| rloo | c3 | too few evaluations |
"""
SIZE = ("--group-size", "4")


def efficiency(value: float | None, width: float = 0.1) -> Efficiency:
    ends = (None, None) if value is None else (value - width, value + width)
    return Efficiency(
        value=value, low=ends[0], high=ends[1], signal=0.0, signal_error=0.0, noise=1.0
    )


def test_table_of_an_experiment_is_read(tmp_path: Path) -> None:
    path = tmp_path / "table.md"
    path.write_text(TABLE, encoding="utf-8")
    found = read_gains(path)
    assert found["rloo"] == {"shared": Gain(0.0, 0.0)}
    assert found["grpo"]["shapley"].value == 0.041
    assert found["grpo"]["shapley"].half_width == pytest.approx(0.0085)
    for content in (b"text", b"\xff"):
        path.write_bytes(content)
        with pytest.raises(ValueError, match="without the column 'optimizer'"):
            read_gains(path)


@pytest.mark.parametrize("name", ["missing.md", "."])
def test_table_that_is_no_file_is_refused(
    tmp_path: Path, name: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as stopped:
        command.main(["--table", str(tmp_path / name)])
    assert stopped.value.code == 2
    said = capsys.readouterr().err
    assert f"table must be a file that exists, got {tmp_path / name}; pass the table.md" in said


def test_pairs_differ_beyond_both_intervals_and_the_better_is_first() -> None:
    gains = {"shared": Gain(0.0, 0.0), "a": Gain(0.05, 0.03), "b": Gain(0.01, 0.02)}
    # a - b = .04 against hypot(.03, .02) = .036; b - shared = .01 against .02.
    assert list(different_pairs(gains)) == [("a", "shared"), ("a", "b")]


def test_order_and_sides_of_a_pilot() -> None:
    gains = {
        "shared": Gain(0.0, 0.0),
        "up": Gain(0.2, 0.1),
        "down": Gain(-0.2, 0.1),
        "lost": Gain(0.5, 0.1),
    }
    found = {"up": efficiency(0.8), "down": efficiency(0.5), "lost": efficiency(None)}
    own = agreement(found, gains)
    # Pairs: up > shared, shared > down, up > down, and lost before all three.
    assert (own.pairs, own.measured) == (6, 3)
    assert own.wrong == (("up", "shared"),)
    assert (own.sides, own.wrong_sides) == (2, ("up",))
    assert own.right_share == pytest.approx(2 / 3)
    assert own.plus(own).pairs == 12
    assert Agreement().right_share is None


@pytest.mark.parametrize(("value", "side"), [(0.5, -1), (0.95, 0), (1.5, 1), (None, 0)])
def test_side_needs_an_interval_without_one(value: float | None, side: int) -> None:
    assert side_of(efficiency(value)) == side


def test_command_prints_and_writes_the_agreement(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    seeds: list[int] = []

    def pilot(config: AdviseConfig, gains: Mapping[str, object]) -> command.Found:
        assert list(gains) == ["grpo", "rloo"]
        seeds.append(config.seed)
        return {"grpo": {"branch": efficiency(0.4), "shapley": efficiency(0.9)}, "rloo": {}}

    monkeypatch.setattr(command, "efficiencies", pilot)
    table = tmp_path / "table.md"
    table.write_text(TABLE, encoding="utf-8")
    words = ["--table", str(table), "--pilots", "2", "--seed", "3", "--out-dir", str(tmp_path)]
    assert command.main([*words, "--topology", "vote", "--num-voters", "3", *SIZE]) == 0
    assert seeds == [3, 4]
    said = capsys.readouterr().out
    # In each pilot shared > branch and shapley > branch are right, shapley > shared is wrong.
    assert "told apart 6, measured by the pilots 6, in the right order 4 (not: shapley > sh" in said
    assert "gain excludes 0: 2, on the same side 2" in said
    team = "--topology vote --num-voters 3 --group-size 4"
    assert f"Piloted: --policy tiny --tasks arithmetic {team}\n" in said
    assert f"must be the team of {table}, which" in said
    result = json.loads((tmp_path / command.RESULT_FILE).read_text(encoding="utf-8"))
    assert result["piloted"].endswith(team)
    written = result["optimizers"]
    assert written["grpo"]["right_share"] == pytest.approx(2 / 3)
    assert written["rloo"]["right_share"] is None
    assert written["grpo"]["pilots"][0]["branch"]["value"] == 0.4
