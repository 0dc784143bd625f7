"""Workers may be killed, hang, or be forked away: no other call is lost, no process stays."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from ccpo_env.verifiers import verify
from ccpo_env.verifiers.worker import pool as pool_module
from ccpo_env.verifiers.worker import process as process_module
from ccpo_env.verifiers.worker.handle import WORKER_COMMAND
from ccpo_env.verifiers.worker.pool import WorkerPool
from ccpo_env.verifiers.worker.process import MAX_MEMORY_BYTES

pytestmark = pytest.mark.interpreters  # what workers run is covered here
ROOT = Path(__file__).resolve().parents[2]
needs_fork = pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")

# A worker that starts in no time and does what the answer says.
FAKE_WORKER = """
import json, os, sys, time

def send(id, status, detail=""):
    print(json.dumps({"id": id, "status": status, "detail": detail}), flush=True)

START
send(None, "ready")
num_calls = 0
for line in sys.stdin:
    request = json.loads(line)
    word, _, argument = request["answer"].partition(" ")
    if word == "die" or (word == "die_first" and not os.path.exists(argument)):
        if argument:
            open(argument, "x").close()
        os._exit(3)
    if word == "need_new" and num_calls:
        os._exit(3)
    num_calls += 1
    if word == "fail":
        send(request["id"], "died", "out of memory")
        continue
    if word == "sleep":
        time.sleep(float(argument))
    if word == "babble":
        print(argument, flush=True)
    if word == "confuse":
        request["id"] += 1
    is_equal = request["gold"] == request["answer"]
    send(request["id"], "correct" if is_equal else "wrong", str(os.getpid()))
"""


HANG = "(a+b+c+d+f+g+h)^{60}"
"""An answer that takes minutes to compare."""

# How long a comparison may take is tested elsewhere: here a busy machine must lose no verdict.
PATIENT = """
from ccpo_env.verifiers.math import verifier
verifier.MAX_WORKER_S = verifier.MAX_UNFINISHED_S = 60.0
"""


def fake_command(start: str = "") -> tuple[str, ...]:
    return (sys.executable, "-S", "-c", FAKE_WORKER.replace("START", start))


def is_running(pid: int) -> bool:
    """Return whether a process runs; one that ended and waits to be collected does not."""
    stat = Path(f"/proc/{pid}/stat")
    if stat.parent.parent.joinpath("self").exists():
        try:
            return stat.read_text().rpartition(")")[2].split()[0] not in "ZX"
        except (FileNotFoundError, ProcessLookupError):
            return False
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


def wait_until_gone(pids: list[int], limit_s: float = 30.0) -> None:
    deadline = time.monotonic() + limit_s
    while any(map(is_running, pids)):
        assert time.monotonic() < deadline, f"still running: {list(filter(is_running, pids))}"
        time.sleep(0.05)


def wait_for_workers(pool: WorkerPool, count: int) -> list[int]:
    deadline = time.monotonic() + 30
    while len(pids := pool.pids) < count:
        assert time.monotonic() < deadline
        time.sleep(0.01)
    return pids


@pytest.fixture
def pool() -> Iterator[WorkerPool]:
    pool = WorkerPool(fake_command(), max_workers=4)
    yield pool
    pids = pool.pids
    pool.close()
    assert not any(map(is_running, pids))


def test_pool_starts_workers_only_when_needed_and_keeps_them(pool: WorkerPool) -> None:
    assert pool.pids == []
    first, second = (pool.compare("a", answer, timeout_s=60) for answer in "ab")
    assert (first[0], second[0]) == ("correct", "wrong")
    assert [int(first[1])] == [int(second[1])] == pool.pids


def test_pool_kills_a_worker_over_its_time_and_serves_the_next_call(pool: WorkerPool) -> None:
    pool.compare("a", "a", timeout_s=60)
    (pid,) = pool.pids
    outcome, detail = pool.compare("a", "sleep 600", timeout_s=0.03)
    assert outcome == "timeout"
    assert "must get 0.03 s of CPU time, got less within 0.3 s" in detail
    assert not is_running(pid)
    (successor,) = pool.pids  # started at once, so that the next call need not wait for it
    assert pool.compare("a", "a", timeout_s=60) == ("correct", str(successor))


@pytest.fixture(scope="module")
def math_pool() -> Iterator[WorkerPool]:
    """A pool with one worker that compares answers, which has started."""
    pool = WorkerPool(max_workers=1)
    assert pool.compare("1+x", "x+1", timeout_s=60)[0] == "correct"
    yield pool
    pool.close()


@needs_fork
def test_worker_outlives_a_comparison_that_computes_too_long(math_pool: WorkerPool) -> None:
    (pid,) = math_pool.pids
    assert math_pool.compare("1", HANG, timeout_s=60, max_cpu_s=0.1) == ("spent", "")
    assert math_pool.compare("1+x", "x+1", timeout_s=60) == ("correct", "")
    assert math_pool.pids == [pid]


@needs_fork
def test_pool_counts_what_a_worker_computes_and_not_how_long_it_stands_still(
    math_pool: WorkerPool,
) -> None:
    (pid,) = math_pool.pids
    os.killpg(pid, signal.SIGSTOP)  # others keep it from running for longer than its limit
    threading.Timer(1.0, os.killpg, (pid, signal.SIGCONT)).start()
    assert math_pool.compare("1+x", "x+2", timeout_s=0.5) == ("wrong", "")


@needs_fork
def test_pool_ends_a_call_whose_worker_stands_still_for_ten_times_its_limit() -> None:
    pool = WorkerPool(fake_command(), max_workers=1)
    pool.compare("a", "a", timeout_s=60)
    os.kill(pool.pids[0], signal.SIGSTOP)
    assert pool.compare("a", "a", timeout_s=0.05)[0] == "timeout"
    assert pool.compare("a", "a", timeout_s=60)[0] == "correct"
    pool.close()


def test_limit_is_one_of_wall_clock_time_where_that_of_cpu_time_cannot_be_set(
    pool: WorkerPool, monkeypatch: pytest.MonkeyPatch
) -> None:
    pool.compare("a", "a", timeout_s=60)
    monkeypatch.setattr(sys, "platform", "win32")
    outcome, detail = pool.compare("a", "sleep 600", timeout_s=600, max_cpu_s=0.3)
    assert outcome == "timeout"
    assert "within 0.3 s" in detail


@needs_fork
@pytest.mark.skipif(sys.platform != "linux", reason="children are found in /proc")
def test_close_ends_the_comparison_of_a_worker_with_it() -> None:
    pool = WorkerPool(max_workers=1)
    assert pool.compare("1+x", "x+1", timeout_s=60)[0] == "correct"
    (pid,) = pool.pids
    thread = threading.Thread(target=pool.compare, args=("1", HANG), kwargs={"timeout_s": 600})
    thread.start()
    children = Path(f"/proc/{pid}/task/{pid}/children")
    deadline = time.monotonic() + 30
    while not (forks := [int(fork) for fork in children.read_text().split()]):
        assert time.monotonic() < deadline
        time.sleep(0.01)
    pool.close()
    thread.join()
    wait_until_gone([pid, *forks])


def served(requests: list[dict[str, object]]) -> list[dict[str, object]]:
    """Return what a worker in this process replies to requests."""
    reads, writes = os.pipe()
    with os.fdopen(writes, "wb") as replies:
        lines = [json.dumps({"id": 7, "limit_s": 60, "cpu_limit_s": 60} | r) for r in requests]
        process_module.serve([line.encode() for line in lines], replies)
    with os.fdopen(reads, "rb") as replies:
        return [json.loads(line) for line in replies]


@needs_fork
def test_comparisons_do_not_depend_on_those_before_them(monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[str] = []

    def compare(_gold: str, answer: str) -> tuple[str, str]:
        seen.append(answer)
        if answer == "fail":
            raise MemoryError
        return "wrong", ",".join(seen)

    monkeypatch.setattr(process_module, "compare", compare)
    words = ["a", "fail", "b"]
    first, failed, second = served([{"gold": "g", "answer": word} for word in words])
    assert (first["detail"], second["detail"], seen) == ("a", "b", [])
    assert failed == {"id": 7, "status": "died", "detail": "the comparison ended with exit code 1"}


def test_worker_without_fork_compares_in_its_own_process(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(process_module, "CAN_FORK", False)
    monkeypatch.setattr(process_module, "compare", lambda *_: ("correct", f"{os.getpid()}"))
    monkeypatch.delattr(os, "fork", raising=False)
    (reply,) = served([{"gold": "g", "answer": "a"}])
    assert reply == {"id": 7, "status": "correct", "detail": f"{os.getpid()}"}


def test_pool_reports_an_error_when_a_comparison_fails_twice(pool: WorkerPool) -> None:
    outcome, detail = pool.compare("a", "fail", timeout_s=60)
    assert (outcome, detail) == (
        "error",
        "worker must reply, got none from 2 in a row: out of memory",
    )
    assert pool.compare("a", "a", timeout_s=60)[0] == "correct"


def test_worker_starts_in_the_background_once(pool: WorkerPool) -> None:
    pool.start_early()
    (pid,) = pool.pids
    pool.start_early()
    assert pool.compare("a", "a", timeout_s=60) == ("correct", str(pid))
    pool.close()
    pool.start_early()
    assert pool.pids == []


def test_no_worker_starts_in_the_background_in_a_child(
    pool: WorkerPool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pool_module, "parent_process", object)
    pool.start_early()
    assert pool.pids == []
    monkeypatch.undo()
    pool.disown_workers()  # as in a forked child
    pool.start_early()
    assert pool.pids == []


def test_call_reports_why_no_worker_could_start_in_the_background() -> None:
    broken = WorkerPool(("/no/such/program",), max_workers=1)
    broken.start_early()
    assert broken.compare("a", "a", timeout_s=60)[1].endswith("/no/such/program'")


def test_pool_does_not_count_the_start_of_a_worker_as_its_time() -> None:
    slow = WorkerPool(fake_command("time.sleep(1.5)"), max_workers=1)
    assert slow.compare("a", "a", timeout_s=1.4)[0] == "correct"
    slow.close()


@pytest.mark.parametrize(
    ("command", "reason"),
    [
        (fake_command("time.sleep(600)"), "did not start within 0.3 s"),
        (fake_command("send(None, 'error', 'no math'); sys.exit()"), "could not start: no math"),
        (fake_command("os._exit(3)"), "it ended"),
        (fake_command("print('[1]', flush=True)"), "replied b'[1]"),
        (("/no/such/program",), "/no/such/program"),
    ],
    ids=["silent", "refuses", "dies", "babbles", "missing"],
)
def test_pool_reports_an_error_when_no_worker_starts(command: tuple[str, ...], reason: str) -> None:
    start_limit_s = 0.3 if "time.sleep(600)" in command[-1] else 60
    broken = WorkerPool(command, max_workers=1, start_limit_s=start_limit_s)
    outcome, detail = broken.compare("a", "a", timeout_s=60)
    assert outcome == "error"
    assert reason in detail
    assert broken.pids == []
    broken.close()


@pytest.mark.parametrize("answer", ["die", "babble nonsense", "babble [1]", "confuse"])
def test_pool_reports_an_error_when_two_workers_fail_in_a_call(
    pool: WorkerPool, answer: str
) -> None:
    outcome, detail = pool.compare("a", answer, timeout_s=60)
    assert outcome == "error"
    assert detail.startswith("worker must reply")
    assert pool.pids == []
    assert pool.compare("a", "a", timeout_s=60)[0] == "correct"


def test_pool_tries_again_when_a_worker_dies_once(pool: WorkerPool, tmp_path: Path) -> None:
    answer = f"die_first {tmp_path / 'died'}"
    assert pool.compare(answer, answer, timeout_s=60)[0] == "correct"


def test_pool_tries_again_with_a_new_worker(pool: WorkerPool) -> None:
    with ThreadPoolExecutor(4) as threads:
        list(threads.map(lambda _: pool.compare("a", "sleep 0.3", timeout_s=60), range(4)))
    assert len(pool.pids) == 4
    assert pool.compare("need_new", "need_new", timeout_s=60)[0] == "correct"


def test_pool_replaces_a_worker_that_was_killed_while_idle(pool: WorkerPool) -> None:
    with ThreadPoolExecutor(4) as threads:
        list(threads.map(lambda _: pool.compare("a", "sleep 0.3", timeout_s=60), range(4)))
    killed = pool.pids
    assert len(killed) == 4
    for pid in killed:
        os.kill(pid, signal.SIGKILL)
    wait_until_gone(killed)
    assert pool.compare("a", "a", timeout_s=60)[0] == "correct"


def test_pool_loses_no_call_when_workers_are_killed_in_mid_call(pool: WorkerPool) -> None:
    with ThreadPoolExecutor(16) as threads:
        calls = [threads.submit(pool.compare, "a", "sleep 1", timeout_s=60) for _ in range(8)]
        for pid in wait_for_workers(pool, 4):
            os.kill(pid, signal.SIGKILL)
        assert [call.result()[0] for call in calls] == ["wrong"] * 8


def test_pool_gives_each_of_64_threads_its_own_reply(pool: WorkerPool) -> None:
    barrier = threading.Barrier(64)

    def call(number: int) -> list[str]:
        barrier.wait()
        answers = [f"{number}", f"{number + 1}"]
        return [pool.compare(f"{number}", answer, timeout_s=60)[0] for answer in answers]

    with ThreadPoolExecutor(64) as threads:
        assert list(threads.map(call, range(64))) == [["correct", "wrong"]] * 64
    assert 1 <= len(pool.pids) <= 4


def test_pool_replaces_a_worker_after_many_calls(
    pool: WorkerPool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pool_module, "MAX_CALLS", 3)
    pids = [pool.compare("a", "a", timeout_s=60)[1] for _ in range(7)]
    assert [pids.count(pid) for pid in dict.fromkeys(pids)] == [3, 3, 1]


def test_pool_drops_the_worker_of_an_interrupted_call(pool: WorkerPool) -> None:
    def interrupt() -> None:
        wait_for_workers(pool, 1)
        time.sleep(0.3)
        signal.pthread_kill(threading.main_thread().ident or 0, signal.SIGINT)

    thread = threading.Thread(target=interrupt)
    # A run in the background of a shell starts with interrupts ignored.
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        thread.start()
        with pytest.raises(KeyboardInterrupt):
            pool.compare("a", "sleep 600", timeout_s=60)
        thread.join()
    finally:
        signal.signal(signal.SIGINT, before)
    assert pool.pids == []
    assert pool.compare("a", "a", timeout_s=60)[0] == "correct"


def test_pool_close_ends_calls_and_workers() -> None:
    pool = WorkerPool(fake_command(), max_workers=2)
    with ThreadPoolExecutor(3) as threads:
        calls = [threads.submit(pool.compare, "a", "sleep 600", timeout_s=600) for _ in range(3)]
        pids = wait_for_workers(pool, 2)
        pool.close()
        assert [call.result()[0] for call in calls] == ["error"] * 3
    assert not any(map(is_running, pids))
    assert pool.compare("a", "a", timeout_s=60)[0] == "error"


def test_worker_ignores_an_interrupt_meant_for_its_parent(math_pool: WorkerPool) -> None:
    (pid,) = math_pool.pids
    os.kill(pid, signal.SIGINT)
    assert math_pool.compare("x+1", "1+x", timeout_s=60)[0] == "correct"
    assert math_pool.pids == [pid]


def test_worker_ends_itself_when_its_limit_passes_without_a_parent() -> None:
    worker = subprocess.Popen(WORKER_COMMAND, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    assert worker.stdin is not None
    assert worker.stdout is not None
    with worker:
        assert b"ready" in worker.stdout.readline()
        hang = {"id": 1, "gold": "1", "answer": HANG, "limit_s": 0.5, "cpu_limit_s": 60.0}
        worker.stdin.write(json.dumps(hang).encode() + b"\n")
        worker.stdin.close()
        assert f"exit code {-signal.SIGALRM}" in worker.stdout.read().decode()
        assert worker.wait(timeout=60) == 0


# Starts workers in no time, where it does not matter what they compare.
FAKE_POOL = f"""
from ccpo_env.verifiers.worker.pool import POOL
POOL._command = {fake_command()!r}
"""


def run_script(script: str) -> list[str]:
    """Run a script without a main guard, with warnings as errors, and return what it printed."""
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", script],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=280,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")
    return done.stdout.splitlines()


@needs_fork
def test_a_worker_starts_with_the_first_environment_and_not_in_children() -> None:
    script = """
import os
from ccpo_env import think_solve_v0, verify
think_solve_v0(verifier="exact")
assert POOL.pids == []
for verifier in ("math", verify):
    think_solve_v0(verifier=verifier)
    (pid,) = POOL.pids
if not os.fork():  # before the worker is ready
    think_solve_v0()
    assert POOL.pids == []
    assert POOL.compare("a", "a", timeout_s=60)[0] == "correct"
    (own,) = POOL.pids
    assert own != pid
    os._exit(0)
assert os.wait()[1] == 0
assert POOL.compare("a", "a", timeout_s=60) == ("correct", str(pid))
assert POOL.pids == [pid]
print(pid)
"""
    (line,) = run_script(FAKE_POOL + script)
    wait_until_gone([int(line)])


def test_interpreter_exit_leaves_no_worker() -> None:
    script = """
from concurrent.futures import ThreadPoolExecutor
from ccpo_env.verifiers import verify
from ccpo_env.verifiers.worker.pool import POOL
with ThreadPoolExecutor(2) as threads:
    answers = ["\\\\sum_{k=1}^{4} k", "\\\\sum __import__('os').system('echo printed')"] * 2
    verdicts = threads.map(lambda answer: verify(f"\\\\boxed{{{answer}}}", "10"), answers)
    assert [verdict.reward for verdict in verdicts] == [1.0, -1.0] * 2
print(*POOL.pids)
"""
    (line,) = run_script(PATIENT + script)
    assert line
    wait_until_gone([int(pid) for pid in line.split()])


def test_interpreter_exit_ends_a_call_that_still_runs() -> None:
    script = """
import threading, time
sleep = dict(gold="a", answer="sleep 900", timeout_s=900)
threading.Thread(target=POOL.compare, kwargs=sleep, daemon=True).start()
while not POOL.pids:
    time.sleep(0.01)
print(*POOL.pids)
"""
    (line,) = run_script(FAKE_POOL + script)
    wait_until_gone([int(pid) for pid in line.split()])


@needs_fork
def test_killed_parent_leaves_no_worker_though_a_forked_child_lives_on() -> None:
    script = """
import os, time
from ccpo_env.verifiers import verify
from ccpo_env.verifiers.worker.pool import POOL
verify(r"\\boxed{\\sum_{k=1}^{4} k}", "10")
if child := os.fork():
    print(child, *POOL.pids, flush=True)
time.sleep(600)
"""
    command = [sys.executable, "-c", PATIENT + script]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE) as parent:
        assert parent.stdout is not None
        child, *pids = (int(pid) for pid in parent.stdout.readline().split())
        assert pids
        assert all(map(is_running, pids))
        parent.kill()
        try:
            wait_until_gone(pids)
            assert is_running(child)
        finally:
            os.kill(child, signal.SIGKILL)


@needs_fork
def test_forked_child_starts_its_own_workers() -> None:
    script = """
import os, threading

def check():
    assert POOL.compare("a", "sleep 0.2", timeout_s=60)[0] == "wrong"

check()
threads = [threading.Thread(target=check) for _ in range(8)]  # calls run while we fork
for thread in threads:
    thread.start()
before = POOL.pids
child = os.fork()
if child == 0:
    assert POOL.pids == []
    check()
    print(*POOL.pids, flush=True)
    assert not set(POOL.pids) & set(before)
    os._exit(0)
assert os.waitpid(child, 0)[1] == 0
for thread in threads:
    thread.join()
check()
assert set(before) <= set(POOL.pids)
print(*POOL.pids)
"""
    lines = run_script(FAKE_POOL + script)
    assert len(lines) == 2
    wait_until_gone([int(pid) for line in lines for pid in line.split()])


@needs_fork
def test_multiprocessing_pool_can_verify() -> None:
    script = """
import multiprocessing

def check(answer):
    return POOL.compare("a", answer, timeout_s=60)[0]

check("a")
with multiprocessing.get_context("fork").Pool(2) as pool:
    assert pool.map(check, "abab") == ["correct", "wrong"] * 2
"""
    assert run_script(FAKE_POOL + script) == []


def test_64_threads_lose_no_call_while_workers_are_killed(pool: WorkerPool) -> None:
    barrier = threading.Barrier(64)

    def call(number: int) -> str:
        barrier.wait()
        return pool.compare(f"{number}", f"{number + number % 2}", timeout_s=60)[0]

    def kill_one() -> None:
        os.kill(wait_for_workers(pool, 1)[0], signal.SIGKILL)

    killer = threading.Thread(target=kill_one)
    with ThreadPoolExecutor(64) as threads:
        calls = [threads.submit(call, number) for number in range(64)]
        killer.start()
        outcomes = [call.result() for call in calls]
    killer.join()
    assert outcomes == ["correct", "wrong"] * 32


def test_spawned_processes_can_verify() -> None:
    script = """
import multiprocessing
from ccpo_env.verifiers import MathVerifier
if __name__ == "__main__":
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        pairs = [("\\\\boxed{\\\\sum_{k=1}^{4} k}", "\\\\sum_{n=1}^{4} n"), ("\\\\boxed{11}", "10")]
        verdicts = pool.starmap(MathVerifier(timeout_s=60), pairs)
    print(*(verdict.status for verdict in verdicts))
"""
    assert run_script(PATIENT + script) == ["correct wrong"]


@pytest.mark.usefixtures("patient_workers")
def test_verify_works_within_a_running_event_loop() -> None:
    async def play() -> tuple[str, str]:  # as in a notebook
        here = verify(r"\boxed{\sum_{k=1}^{4} k}", "10")
        there = await asyncio.to_thread(verify, r"\boxed{11}", "10")
        return here.status, there.status

    assert asyncio.run(play()) == ("correct", "wrong")


@pytest.mark.skipif(sys.platform != "linux", reason="limits are read from /proc")
def test_worker_has_a_memory_limit(math_pool: WorkerPool) -> None:
    (pid,) = math_pool.pids
    limits = Path(f"/proc/{pid}/limits").read_text().splitlines()
    (line,) = (line for line in limits if line.startswith("Max address space"))
    assert 0 < int(line.split()[3]) <= MAX_MEMORY_BYTES
