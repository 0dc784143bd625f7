from __future__ import annotations

from baselines.bench.learning import Cell, LearningConfig, cells, main, markdown, train_cell
from baselines.credit import ALLOCATORS
from baselines.experiment.runs import RunKey, RunResult
from baselines.optimizers import OPTIMIZERS
from tests.rl.teams import quietly


def result(seed: int, before: float, after: float) -> RunResult:
    curve = ((0, before, 0.3), (100, after, 0.3))
    return RunResult(RunKey("shared", "grpo", seed), 30, 100, 9, curve)


def test_cells_cover_every_optimizer_other_topologies_and_reversed_credit():
    found = cells(LearningConfig())
    for optimizer in OPTIMIZERS:
        mine = {cell.allocator for cell in found if cell.optimizer == optimizer}
        assert mine >= {"shared", "counterfactual", "branch", "reversed shared"}
    assert {cell.topology for cell in found} == {"think_solve", "vote", "debate"}
    assert len({cell.label for cell in found}) == len(found)


def test_markdown_counts_the_runs_that_did_as_they_should():
    rising = [result(0, 0.3, 0.95), result(1, 0.5, 0.95), result(2, 0.3, 0.89)]
    falling = [result(0, 0.3, 0.1), result(1, 0.3, 0.31)]
    found = {Cell("a", "shared"): rising, Cell("b", "reversed shared"): falling}
    _, _, first, second = markdown(found).splitlines()
    assert first.endswith("| 1 of 3 |")  # one starts too high, one ends too low
    assert second.endswith("| 1 of 2 |")  # one rises


def test_reversed_credit_is_the_negative_and_is_gone_afterwards(monkeypatch):
    monkeypatch.setattr("baselines.bench.learning.REVERSED_STEPS", 1)
    before = dict(ALLOCATORS)
    found = train_cell(Cell("b", "reversed shared"), seed=0, steps=80)
    assert found.steps == 1
    assert dict(ALLOCATORS) == before


def test_command_writes_the_table(tmp_path):
    flags = ("--allocators", "shared", "--optimizers", "grpo", "--num-seeds", 1, "--steps", 1)
    code, printed = quietly(main, *flags, "--num-workers", 1, "--out-dir", tmp_path)
    assert code == 0
    table = (tmp_path / "learning.md").read_text(encoding="utf-8")
    assert table in printed
    assert "| grpo, shared | " in table
