"""Two evaluations side by side: who won where, with intervals and tests."""

from __future__ import annotations

import json

import numpy as np
import pytest

from baselines.common.stats import holm, mcnemar
from baselines.compare import command as script
from baselines.compare.command import Outcome, compare, comparison_grid, read_outcomes
from baselines.evaluate.summary import ALL
from tests.rl.teams import quietly


def outcomes(*rewards: tuple[float, ...], benchmark: str = "b") -> dict:
    return {(benchmark, f"t/{i}"): Outcome(f"q{i}", own) for i, own in enumerate(rewards)}


def coins(won: int, lost: int, same: int, **arguments) -> tuple[dict, dict]:
    """Two evaluations with one sample per task; the second won and lost so many tasks."""
    first = [(-1.0,)] * won + [(1.0,)] * lost + [(1.0,)] * same
    second = [(1.0,)] * won + [(-1.0,)] * lost + [(1.0,)] * same
    return outcomes(*first, **arguments), outcomes(*second, **arguments)


def test_compare_by_hand():
    first, second = coins(9, 2, 14)
    (found,) = compare({"a": first, "b": second})
    assert (found.name, found.benchmark, found.test) == ("b", "b", "McNemar")
    assert (found.only_reference, found.only_other) == (2, 9)
    assert found.reference.value == pytest.approx(16 / 25)
    assert found.other.value == pytest.approx(23 / 25)
    assert found.difference.value == pytest.approx(7 / 25)
    assert found.difference.low < 7 / 25 < found.difference.high
    # 2 of 11 coins or fewer, twice: 2 * (1 + 11 + 55) / 2048
    assert found.p_value == found.adjusted == pytest.approx(134 / 2048)


def test_compare_of_an_evaluation_with_itself_finds_nothing():
    first, _ = coins(3, 3, 4)
    (found,) = compare({"a": first, "b": first})
    assert (found.difference.value, found.p_value) == (0.0, 1.0)
    assert found.difference.low < 0.0 < found.difference.high


def test_compare_with_several_samples_flips_signs_of_tasks():
    rng = np.random.default_rng(0)
    first = [tuple(rng.choice([-1.0, 1.0], p=[0.7, 0.3], size=4)) for _ in range(60)]
    second = [tuple(rng.choice([-1.0, 1.0], p=[0.3, 0.7], size=4)) for _ in range(60)]
    (found,) = compare({"a": outcomes(*first), "b": outcomes(*second)})
    assert (found.test, found.only_other) == ("sign flip", None)
    assert found.p_value < 0.001
    assert found.difference.low > 0.2
    (swapped,) = compare({"b": outcomes(*second), "a": outcomes(*first)})
    assert swapped.difference.value == pytest.approx(-found.difference.value)


def test_compare_uses_only_tasks_that_both_measured():
    first, second = coins(5, 1, 10)
    del first["b", "t/0"], second["b", "t/15"]
    (found,) = compare({"a": first, "b": second})
    assert found.difference.num_units == 14
    assert (found.only_reference, found.only_other) == (1, 4)


def test_compare_adjusts_over_all_runs_and_benchmarks_and_all_together_apart():
    first, second = coins(9, 1, 10)
    other, third = coins(6, 3, 20, benchmark="c")
    found = compare({"a": {**first, **other}, "b": {**second, **third}, "d": {**second, **other}})
    names = [(own.name, own.benchmark) for own in found]
    assert names == [(name, group) for name in "bd" for group in ("b", "c", ALL)]
    parts = [own for own in found if own.benchmark != ALL]
    expected = [mcnemar(1, 9), mcnemar(3, 6), mcnemar(1, 9), 1.0]
    assert [own.p_value for own in parts] == pytest.approx(expected)
    assert [own.adjusted for own in parts] == pytest.approx(holm(expected))
    together = [own for own in found if own.benchmark == ALL]
    assert [own.p_value for own in together] == pytest.approx([mcnemar(4, 15), mcnemar(1, 9)])
    assert [own.adjusted for own in together] == pytest.approx(
        holm([own.p_value for own in together])
    )


def test_compare_refuses_other_tasks_and_other_questions():
    first, second = coins(1, 1, 1)
    with pytest.raises(ValueError, match="must share tasks, got none of a in b"):
        compare({"a": first, "b": outcomes((1.0,), benchmark="c")})
    second["b", "t/1"] = Outcome("another question", (1.0,))
    with pytest.raises(ValueError, match="must have one question, got two for 't/1' in a and b"):
        compare({"a": first, "b": second})


def write(folder, rewards, *, path="joint"):
    folder.mkdir()
    lines = [
        json.dumps(
            {"benchmark": "b", "task_id": f"t/{i}", "question": "q", "path": p, "reward": reward}
        )
        for p in dict.fromkeys((path, "joint"))
        for i, own in enumerate(rewards)
        for reward in own
    ]
    (folder / "transcripts.jsonl").write_text("\n".join([*lines, ""]), encoding="utf-8")
    return folder


def test_read_outcomes_leaves_out_what_was_not_measured(tmp_path):
    folder = write(tmp_path / "a", [(1.0, None), (None, None), (-1.0, 1.0)])
    found = read_outcomes(folder, "joint")
    assert {key: own.rewards for key, own in found.items()} == {
        ("b", "t/0"): (1.0,),
        ("b", "t/2"): (-1.0, 1.0),
    }


def test_command_prints_and_writes_the_comparison(tmp_path):
    first = write(tmp_path / "a", [(1.0,)] * 5 + [(-1.0,)] * 5)
    second = write(tmp_path / "b", [(1.0,)] * 9 + [(-1.0,)])
    code, printed = quietly(script.main, first, second, "--out-dir", tmp_path / "out")
    assert code == 0
    assert "compared with" in printed
    written = json.loads((tmp_path / "out" / "comparison.json").read_text(encoding="utf-8"))
    assert (written["reference"], written["path"]) == (str(first), "joint")
    (found,) = written["comparisons"]
    assert (found["name"], found["benchmark"], found["test"]) == (str(second), "b", "McNemar")
    assert (found["reference"]["value"], found["other"]["value"]) == (0.5, 0.9)
    assert found["p_value_holm"] == found["p_value"]
    assert (found["only_other"], found["only_reference"]) == (4, 0)
    assert found["p_value"] == pytest.approx(2 / 16)
    assert found["difference"]["low"] < 0.4 < found["difference"]["high"]
    page = (tmp_path / "out" / "comparison.md").read_text(encoding="utf-8")
    assert "0.900 [0.596, 0.982]" in page  # Wilson's interval of 9 of 10


def test_table_shows_each_comparison_in_a_row():
    first, second = coins(9, 2, 14)
    other, third = outcomes((1.0, -1.0), (1.0, 1.0)), outcomes((1.0, 1.0), (1.0, -1.0))
    rows = [
        row
        for pair in ({"a": first, "b": second}, {"a": other, "c": third})
        for row in comparison_grid(compare(pair), reference="a", path="without x").rows
    ]
    (name, benchmark, *accuracies, p_value, test), (*_, flipped) = rows
    assert (name, benchmark, test) == ("b", "b, 25 tasks", "McNemar, 9 won : 2 lost")
    assert [text.partition(" ")[0] for text in accuracies] == ["0.640", "0.920", "+0.280"]
    assert p_value == "0.0654 (0.0654)"
    assert flipped == "sign flip"
    grid = comparison_grid([], reference="a", path="without x")
    assert grid.title == "Accuracy (without x), compared with a"
    assert len(grid.columns) == len(rows[0])


def test_compare_resamples_by_the_seed():
    first, second = coins(9, 2, 14)
    found = [compare({"a": first, "b": second}, seed=seed) for seed in (0, 0, *range(1, 9))]
    assert found[0] == found[1]
    assert len({own.difference.low for (own,) in found}) > 1


@pytest.mark.parametrize(
    ("names", "flags", "message"),
    [
        (("a",), (), "folders must be at least 2, got 1"),
        (("a", "a"), (), "folders must be different"),
        (("a", "none"), (), "a folder must hold transcripts.jsonl of a finished evaluation"),
        (("a", "old"), (), "must be that of an evaluation of this version, got another file"),
        (("a", "b"), ("--path", "alone"), "path must be a path of the evaluation, got 'alone'"),
    ],
)
def test_command_refuses_what_it_cannot_compare(tmp_path, capsys, names, flags, message):
    write(tmp_path / "a", [(1.0,)])
    write(tmp_path / "b", [(1.0,)])
    (tmp_path / "old").mkdir()
    (tmp_path / "old" / "transcripts.jsonl").write_text('{"task_id": "t/0"}\n', encoding="utf-8")
    code, printed = quietly(script.main, *(tmp_path / name for name in names), *flags)
    assert (code, printed) == (2, "")
    assert message in capsys.readouterr().err
