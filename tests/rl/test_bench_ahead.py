"""The table of ``ccpo bench ahead``, from times that are known."""

from __future__ import annotations

import numpy as np
import pytest

from baselines.bench import ahead
from baselines.bench.ahead import StepTimes, finding


def row(step, update, credit=0.5, **more):
    return {"time/step_s": step, "time/update_s": update, "time/credit_s": credit, **more}


def test_times_are_read_from_metrics():
    in_turns = StepTimes.of([row(10.0, 3.5), row(12.0, 5.5)])
    assert in_turns.play.tolist() == [6.0, 6.0]
    assert in_turns.update.tolist() == [4.0, 6.0]
    one_ahead = StepTimes.of([row(7.0, 3.5, **{"time/rollouts_s": 6.5, "time/wait_s": 3.0})])
    assert (one_ahead.play.tolist(), one_ahead.step.tolist()) == ([6.5], [7.0])


@pytest.mark.parametrize(
    ("play", "update", "step", "speed_up", "ideal"),
    [(6.0, 4.0, 6.25, 1.6, 10 / 6), (5.0, 5.0, 6.25, 1.6, 2.0), (4.0, 8.0, 8.0, 1.5, 1.5)],
)
def test_speed_up_is_compared_with_what_hiding_the_shorter_part_gives(
    play, update, step, speed_up, ideal
):
    in_turns = StepTimes(*(np.full(6, value) for value in (play, update, play + update)))
    one_ahead = StepTimes(*(np.full(6, value) for value in (play, update, step)))
    found = finding(in_turns, one_ahead, np.random.default_rng(0), "tiny")
    table = {name: (value, interval) for name, value, interval in found.rows}
    expected = {
        "speed-up": speed_up,
        "ideal speed-up, (r + u) / max(r, u)": ideal,
        "speed-up / ideal": speed_up / ideal,
    }
    for name, value in expected.items():
        assert table[name] == (f"{value:.2f}", f"{value:.2f} to {value:.2f}")


def test_server_that_ends_is_reported_with_its_last_words(tmp_path, capsys):
    python = tmp_path / "python"
    python.write_text("#!/bin/sh\necho started\necho no module named vllm >&2\nexit 1\n")
    python.chmod(0o755)
    given = ["--server-python", str(python), "--policy", "tiny", "--steps", "3"]
    with pytest.raises(SystemExit) as ended:
        ahead.main(given)
    assert ended.value.code == 2
    message = capsys.readouterr().err
    assert "server_python must start vLLM, got 'no module named vllm'" in message
    assert message.count("\n") == 1


def test_server_python_must_exist(tmp_path, capsys):
    with pytest.raises(SystemExit):
        ahead.main(["--server-python", str(tmp_path / "missing")])
    assert "server_python must be the Python of an environment with vLLM" in capsys.readouterr().err
