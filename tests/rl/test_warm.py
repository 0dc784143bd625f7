from __future__ import annotations

import json
import os
import signal
import subprocess

import pytest

from tests.rl.warm import WarmProcess, launch_warm, run_warm

SLEEP = ("timeit", "-n", 1, "-r", 1, "-s", "import time", "time.sleep(60)")


def test_program_reads_its_input_and_says_how_it_ended():
    done = run_warm("json.tool", "--compact", stdin="[1,\n2]")
    assert (done.returncode, done.stdout, done.stderr) == (0, "[1,2]\n", "")
    done = run_warm("json.tool", stdin="[1")
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.startswith("Expecting ',' delimiter")


def test_program_has_a_folder_and_variables_of_its_own(tmp_path):
    code = "import json, os; print(json.dumps([os.getcwd(), os.environ['HUE']]))"
    program = ("timeit", "-n", 1, "-r", 1, code)
    done = WarmProcess(*program, cwd=tmp_path, variables={"HUE": "red"}).wait(60)
    assert json.loads(done.stdout.splitlines()[0]) == [str(tmp_path), "red"]
    assert "HUE" not in os.environ


def test_program_is_ended_by_a_signal_or_by_its_time():
    process = WarmProcess(*SLEEP)
    assert process.poll() is None
    process.send_signal(signal.SIGKILL)
    assert process.wait(60).returncode == -signal.SIGKILL
    with pytest.raises(subprocess.TimeoutExpired):
        WarmProcess(*SLEEP).wait(0.1)


def test_processes_of_one_launch_have_ranks():
    code = "import os; print(os.environ['RANK'], os.environ['WORLD_SIZE'])"
    ranks = launch_warm("timeit", "-n", 1, "-r", 1, code, num_processes=2)
    assert [done.stdout.splitlines()[0] for done in ranks] == ["0 2", "1 2"]
