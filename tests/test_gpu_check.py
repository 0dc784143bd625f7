"""The check on one GPU, with small models on this machine."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from scripts.gpu_check import __main__ as check
from scripts.gpu_check.models import SHAPES, config_of, make_model
from scripts.gpu_check.parts import (
    MOST_IN_FLOAT32,
    PARTS,
    Setting,
    _reason,
    agreement,
    relative_gap,
)
from scripts.gpu_check.rows import LIMITS, Row
from scripts.model_sizes import counted

ROOT = Path(__file__).parent.parent
SCRIPT = ROOT / "scripts" / "gpu_check.sh"


@pytest.fixture
def setting(tmp_path):
    return Setting(is_tiny=True, folder=tmp_path)


@pytest.mark.parametrize(("size", "millions"), [("125m", 125), ("1b", 1100)])
def test_models_have_the_size_of_their_name(size, millions):
    assert counted(config_of(size)).parameters == pytest.approx(millions * 1e6, rel=0.01)
    assert size in SHAPES


def test_a_model_is_made_once_and_says_what_its_tokenizer_can_write(tmp_path):
    folder = make_model("tiny", tmp_path)
    before = (folder / "model.safetensors").stat().st_mtime_ns
    assert make_model("tiny", tmp_path) == folder
    assert (folder / "model.safetensors").stat().st_mtime_ns == before


def test_sampler_and_trainer_agree(setting):
    single, half = agreement(setting)
    assert single.is_good
    assert half.is_good
    assert "float32" in single.case
    assert "bfloat16" in half.case


def test_another_policy_than_the_sampler_is_noticed(setting, monkeypatch):
    from scripts.gpu_check import parts

    def scored_elsewhere(policy, rows, **options):
        with torch.no_grad():
            policy.module.lm_head.weight.mul_(1.01)
        return original(policy, rows, **options)

    original = parts.score
    monkeypatch.setattr(parts, "score", scored_elsewhere)
    single, _ = agreement(setting)
    assert not single.is_good
    assert float(re.search(r"largest (\S+) nats", single.measured)[1]) > MOST_IN_FLOAT32


def test_relative_gap_by_hand(tmp_path):
    for name, value in (("one", 3.0), ("other", 3.3)):
        (tmp_path / name / "solver").mkdir(parents=True)
        weights = {"a": torch.full((2,), value), "b": torch.full((2,), 4.0)}
        save_file(weights, tmp_path / name / "solver" / "model.safetensors")
    gap = relative_gap(tmp_path / "one", tmp_path / "other")
    assert gap == pytest.approx((2 * 0.3**2 / (2 * 9 + 2 * 16)) ** 0.5)
    assert relative_gap(tmp_path / "one", tmp_path / "one") == 0.0


def test_runs_without_the_same_weights_are_no_comparison(tmp_path):
    with pytest.raises(ValueError, match="same weights"):
        relative_gap(tmp_path, tmp_path)
    (tmp_path / "one").mkdir()
    save_file({"a": torch.ones(1)}, tmp_path / "one" / "model.safetensors")
    with pytest.raises(ValueError, match="same weights"):
        relative_gap(tmp_path / "one", tmp_path / "other")


@pytest.mark.parametrize(
    ("output", "reason"),
    [
        ("start\nerror: a flag must be known\nend\n", "error: a flag must be known"),
        ("start\nKilled\n\n", "Killed"),
        ("", "no output"),
    ],
)
def test_the_reason_of_a_failure_is_its_telling_line(output, reason):
    assert _reason(output) == reason


@pytest.mark.parametrize(
    ("limit", "reason"), [("0.02", "not done in 0 s"), ("1e-9", "no time was left")]
)
def test_a_part_without_time_is_ended_or_left_out(capsys, limit, reason):
    assert check.main(["--tiny", "--parts", "shard", "--limit", limit]) == 1
    assert f"| shard | failed | {reason} | **failed** |" in capsys.readouterr().out


def test_a_part_that_fails_leaves_its_reason(monkeypatch, capsys):
    monkeypatch.setattr(check, "MODULE", "scripts.no_such_module")
    assert check.main(["--tiny", "--parts", "agreement", "shard"]) == 1
    table = capsys.readouterr().out
    assert table.count("No module named scripts.no_such_module | **failed** |") == 2


def test_the_table_says_where_it_was_measured():
    found = {"resume": [Row("4 steps", "the same | bits"), Row("5 steps", "1", is_good=False)]}
    table = check._table(found, is_tiny=True)
    assert re.match(r"`scripts/gpu_check\.sh` on: .*models of a few thousand parameters", table)
    assert "| resume | 4 steps | the same \\| bits | ok |" in table
    assert "| resume | 5 steps | 1 | **failed** |" in table


def test_all_parts_together_take_less_than_eight_minutes():
    assert list(LIMITS) == list(PARTS)
    assert sum(LIMITS.values()) == check.LIMIT_S < 8 * 60


def test_the_script_runs_anywhere_and_refuses_unknown_parts(tmp_path):
    environment = {**os.environ, "PYTHON": sys.executable}
    done = subprocess.run(
        [str(SCRIPT), "--parts", "speed"],
        cwd=tmp_path,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 2
    assert "invalid choice: 'speed'" in done.stderr


@pytest.mark.skipif("CCPO_SLOW" not in os.environ, reason="trains a dozen times; CCPO_SLOW=1")
@pytest.mark.timeout(1800)
def test_the_whole_check_passes_with_small_models(capsys):
    assert check.main(["--tiny"]) == 0
    table = capsys.readouterr().out
    assert "**failed**" not in table
    assert table.count("\n| step-") == 4
    tokens = re.findall(r"\| step [\d.]+ s, (\d+) tokens, peak [\d.]+ GB \(", table)
    shared, credited = map(int, tokens[:2])
    assert credited > shared  # rollouts without the thinker were played
