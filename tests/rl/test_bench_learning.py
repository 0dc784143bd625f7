from __future__ import annotations

import json
from dataclasses import replace

import pytest

from baselines.bench import learning
from baselines.bench.learning import Cell, LearningConfig, cells, main, markdown, train_cell
from baselines.credit import ALLOCATORS
from baselines.experiment.runs import RunKey, RunResult
from baselines.optimizers import OPTIMIZERS
from baselines.train.config import TrainConfig
from tests.rl.teams import quietly


def result(seed: int, *joint: float) -> RunResult:
    curve = tuple((100 * place, value, 0.3) for place, value in enumerate(joint))
    return RunResult(RunKey("shared", "grpo", seed), 30, 100, 9, curve)


def test_cells_cover_every_optimizer_other_topologies_and_reversed_credit():
    found = cells(LearningConfig())
    grid = ("shared", "counterfactual", "branch")
    for optimizer in OPTIMIZERS:
        mine = {cell.allocator for cell in found if cell.optimizer == optimizer}
        assert mine >= {*grid, *(f"reversed {allocator}" for allocator in grid)}
    assert {cell.topology for cell in found} == {"think_solve", "vote", "debate"}
    assert {cell.num_thinkers for cell in found} == {1, 2}
    assert len({cell.label for cell in found}) == len(found)


def test_cells_of_a_part_and_their_seeds(monkeypatch, tmp_path):
    asked = []

    def sweep(_run, keys, *_, **__):
        asked.extend(keys)
        return iter(())

    monkeypatch.setattr(learning, "run_sweep", sweep)
    config = LearningConfig(num_seeds=2, num_topology_seeds=3, out_dir=tmp_path)
    list(learning.run_cells(config, cells(config)))
    seeds = {}
    for key in asked:
        seeds.setdefault(key.team, []).append(key.seed)
    known = {cell.label: cell for cell in cells(config)}
    assert len(asked) == len(set(asked))
    for team, own in seeds.items():
        assert own == list(range(3 if known[team].part == "topologies" else 2))
    parts = [cells(replace(config, parts=(part,))) for part in learning.PARTS]
    assert [cell for part in parts for cell in part] == cells(config)
    assert all(parts)


def test_teams_are_trained_with_the_default_settings(monkeypatch):
    asked = []
    monkeypatch.setattr(learning, "run_once", lambda *given, **_: asked.append(given))
    train_cell(Cell("a", "shared"), 0, LearningConfig().steps)
    ((config, _, _),) = asked
    # But for checkpoints, which nobody reads.
    assert config == TrainConfig(checkpoint_every=config.checkpoint_every)


def test_markdown_counts_the_runs_that_did_as_they_should():
    rising = [result(0, 0.3, 0.95), result(1, 0.5, 0.95), result(2, 0.3, 0.89)]
    falling = [result(0, 0.3, 0.1), result(1, 0.3, 0.1, 0.31), result(2, 0.3, 0.31, 0.1)]
    found = {Cell("a", "shared"): rising, Cell("b", "reversed shared"): falling}
    _, _, first, second = markdown(found).splitlines()
    assert first.endswith("| 1 of 3 |")  # one starts too high, one ends too low
    assert second.endswith("| 1 of 3 |")  # two rise, one of them only for a while


@pytest.mark.parametrize("allocator", ["shared", "counterfactual", "branch"])
def test_reversed_credit_is_the_negative_and_is_gone_afterwards(allocator, monkeypatch):
    name, before, seen = f"reversed {allocator}", dict(ALLOCATORS), []

    def look(*_, **__):
        seen.append(ALLOCATORS[name])
        return result(0, 0.3, 0.1)

    monkeypatch.setattr(learning, "run_once", look)
    train_cell(Cell("b", name), seed=0, steps=80)
    (paid,) = seen
    assert paid.needs == before[allocator].needs
    assert dict(ALLOCATORS) == before


def test_team_that_is_paid_for_failing_is_trained(monkeypatch):
    monkeypatch.setattr(learning, "REVERSED_STEPS", 1)
    assert train_cell(Cell("b", "reversed shared"), seed=0, steps=80).steps == 1


FEW = (
    *("--allocators", "shared", "--optimizers", "grpo", "--num-seeds", 1),
    *("--num-topology-seeds", 1, "--num-workers", 1),
)


@pytest.mark.usefixtures("warm_pools")
def test_command_writes_the_table_and_goes_on_where_it_stopped(tmp_path, monkeypatch):
    flags = (*FEW, "--steps", 1, "--out-dir", tmp_path)
    monkeypatch.setattr(learning, "cells", lambda _: [Cell("one", "shared"), Cell("two", "shared")])
    code, printed = quietly(main, *flags)
    assert code == 0
    table = (tmp_path / "learning.md").read_text(encoding="utf-8")
    assert table in printed
    assert table.count("| 1 |") == 2  # steps
    path = tmp_path / "learning.jsonl"
    one, two = path.read_text(encoding="utf-8").splitlines(keepends=True)
    assert {json.loads(line)["team"] for line in (one, two)} == {"one", "two"}

    # Interrupted while the second was written: it is run again, the first is not.
    path.write_text(one + two[:50], encoding="utf-8")
    asked = []

    def train_and_count(cell, *settings):
        asked.append(cell.label)
        return train_cell(cell, *settings)

    monkeypatch.setattr(learning, "train_cell", train_and_count)
    assert quietly(main, *flags)[0] == 0
    assert asked == [json.loads(two)["team"]]
    assert (tmp_path / "learning.md").read_text(encoding="utf-8") == table
    again = path.read_text(encoding="utf-8").splitlines(keepends=True)
    assert again[0] == one
    assert json.loads(again[1])["result"]["curve"] == json.loads(two)["result"]["curve"]

    # Of other settings nothing is taken.
    asked.clear()
    assert quietly(main, *flags, "--good-enough", 0.9)[0] == 0
    assert len(asked) == 2


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        (("--allocators", "sharde"), "did you mean 'shared'"),
        (("--optimizers", "grop"), "did you mean 'grpo'"),
        (("--num-seeds", 0), "num_seeds must be >= 1"),
        (("--parts", "gird"), "did you mean 'grid'"),
    ],
)
def test_command_refuses_bad_flags(flags, message, tmp_path, capsys):
    assert quietly(main, *flags, "--out-dir", tmp_path)[0] == 2
    assert message in capsys.readouterr().err
