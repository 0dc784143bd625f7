"""Episodes played through a server that fails, and the evaluation from the command line."""

from __future__ import annotations

import json
import logging
import re

import numpy as np
import pytest

from baselines.evaluate import command as evaluate
from baselines.policies.base import Completion, Sampling
from baselines.policies.registry import load_sampler
from baselines.rollouts.costs import CostTracker
from baselines.rollouts.rollout import RolloutRequest
from baselines.rollouts.runner import RolloutRunner
from ccpo_env import think_solve_v0
from ccpo_env.types import Task
from tests.rl.fake_server import FakeServer, Request
from tests.rl.teams import NO_THINKER, TASK, judge, quietly, runner_of, write_rows

SECRET = "sk-Zx81-very-secret"
TASKS = [Task(f"t/{number}", f"{number}+{number}", str(2 * number)) for number in range(60)]
QUESTION = re.compile(r"(\d+)\+\1")


def calculate(request: Request) -> list[Completion]:
    """The right answer of a + a, to whoever asks."""
    (number,) = QUESTION.search(request.prompt.text + str(request.prompt.messages)).groups()
    text = rf"\boxed{{{2 * int(number)}}}" if "boxed" in str(request.body) else str(2 * int(number))
    return [Completion(text, (1,), (2, 3), (-0.5, -0.5))] * request.body["n"]


class Failing:
    """Leaves the prompts without a completion that hold a word."""

    def __init__(self, reply: str, word: str = "") -> None:
        self.reply, self.word = reply, word

    def sample(self, prompts, *, sampling, rng):
        return [
            Completion("", failure="no answer")
            if self.word and self.word in p.text
            else Completion(self.reply, (1,), (2,), (-1.0,))
            for p in prompts
        ]


def test_play_ends_an_episode_where_a_completion_failed_and_no_other():
    runner = runner_of(Failing("a thought", "1+1"), Failing("2"))
    other = Task("t/1", "3+4", "2")
    requests = [RolloutRequest(TASK), RolloutRequest(other), RolloutRequest(TASK, NO_THINKER)]
    costs = CostTracker()
    lost, played, alone = runner.play(requests, rng=np.random.default_rng(0), costs=costs)
    assert (lost.verdict.status, lost.reward) == ("error", None)
    assert lost.verdict.detail == "a turn was left without a completion: no answer"
    assert (lost.messages, lost.completions, lost.num_tokens) == ((), (), 0)
    assert played.reward == alone.reward == 1.0
    assert costs.verifier_calls == 2


def test_play_keeps_what_was_said_before_a_completion_failed():
    runner = runner_of(Failing("a thought"), Failing("2", "a thought"))
    (lost,) = runner.play([RolloutRequest(TASK)], rng=np.random.default_rng(0))
    assert lost.reward is None
    assert [m.text for m in lost.messages] == ["a thought"]
    assert [completion.text for completion in lost.completions] == ["a thought"]


@pytest.mark.parametrize("word", ["1+1", "a thought"])
def test_play_loses_a_follower_only_if_what_it_takes_over_is_lost(word):
    class Once(Failing):
        """Fails in its first call alone."""

        def sample(self, prompts, *, sampling, rng):
            said = super().sample(prompts[:1], sampling=sampling, rng=rng)
            return [*said, *[Completion(self.reply)] * (len(prompts) - 1)]

    runner = runner_of(Failing("a thought", word), Once("2", word))
    requests = [RolloutRequest(TASK), RolloutRequest(TASK, leader=0, kept=(0,))]
    leader, follower = runner.play(requests, rng=np.random.default_rng(0))
    assert leader.reward is None
    assert follower.reward == (None if word == "1+1" else 1.0)


@pytest.mark.no_cover
@pytest.mark.filterwarnings("ignore:the endpoint .* unanswered")
def test_episodes_through_faults_finish_or_are_not_measured():
    rng = np.random.default_rng(0)
    kinds = ("429", "500", "reset", "truncated", "slow")

    def fault(request):
        (number,) = QUESTION.search(str(request.body)).groups()
        if number.endswith("7"):
            return "500"
        return kinds[rng.integers(len(kinds))] if rng.random() < 0.2 else None

    with FakeServer(calculate, fault=fault) as server:
        policy = load_sampler(server.spec(retries=8, concurrency=64, read_timeout_s=0.5))
        env = think_solve_v0(tasks=TASKS, verifier=judge_boxed)
        runner = RolloutRunner(
            env,
            dict.fromkeys(("thinker", "solver"), policy),
            dict.fromkeys(("thinker", "solver"), Sampling()),
        )
        requests = [
            RolloutRequest(task, removed) for task in TASKS for removed in (frozenset(), NO_THINKER)
        ]
        rollouts = runner.play(requests, rng=np.random.default_rng(0))
    assert len(rollouts) == 2 * len(TASKS)
    for rollout in rollouts:
        is_lost = rollout.request.task.question.endswith("7")
        assert rollout.reward == (None if is_lost else 1.0)
        assert rollout.verdict.status == ("error" if is_lost else "correct")


def judge_boxed(response, gold):
    return judge(response.removeprefix(r"\boxed{").removesuffix("}"), gold)


@pytest.fixture
def tasks(tmp_path):
    return write_rows(tmp_path / "tasks.jsonl", [(t.question, t.answer) for t in TASKS[:12]])


def run(spec, tasks, out_dir):
    return quietly(
        evaluate.main,
        "--policy",
        spec,
        "--tasks",
        tasks,
        "--out-dir",
        out_dir,
        "--tasks-per-batch",
        5,
    )


@pytest.mark.filterwarnings("ignore:the endpoint .* unanswered")
def test_evaluate_through_an_endpoint_resumes_and_shows_no_key(
    tasks, tmp_path, monkeypatch, caplog
):
    monkeypatch.setenv("LAB_KEY", SECRET)
    caplog.set_level(logging.DEBUG)
    out_dir = tmp_path / "out"
    with FakeServer(calculate) as server:
        server.fault = lambda request: "401" if "7+7" in str(request.body) else None
        spec = server.spec(key_env="LAB_KEY", completion_price=1000)
        code, printed = run(spec, tasks, out_dir)
        assert code == 0
        first = json.loads((out_dir / "evaluation.json").read_text(encoding="utf-8"))
        first_transcripts = (out_dir / "transcripts.jsonl").read_text(encoding="utf-8")
        num_asked = len(server.requests)
        server.fault = None
        code, printed_again = run(spec, tasks, out_dir)
        second = json.loads((out_dir / "evaluation.json").read_text(encoding="utf-8"))
    assert first["joint"] == {"successes": 11, "total": 11}
    assert (first["unmeasured"], second["unmeasured"]) == (2, 0)
    assert second["joint"] == {"successes": 12, "total": 12}
    # The thinker, the solver with its thought and the solver alone, of the task that was lost.
    assert len(server.requests) - num_asked == 3
    assert all("7+7" in str(request.body) for request in server.requests[num_asked:])
    assert "2 failed" in printed
    assert "3 requests (0 of them retries)" in printed_again
    assert second["endpoints"][0]["total_cost"] == pytest.approx(36 * 2 * 1000 / 1e6)
    assert first_transcripts.count("HTTP 401: ") == first_transcripts.count("Bearer [key]") == 2
    written = "".join(path.read_text(encoding="utf-8") for path in out_dir.iterdir())
    for output in (printed, printed_again, first_transcripts, written, caplog.text):
        assert SECRET not in output


def test_evaluate_names_a_server_that_does_not_run(tasks, tmp_path, capsys):
    with FakeServer(calculate) as server:
        spec = server.spec(retries=0)
    assert run(spec, tasks, tmp_path / "out")[0] == 2
    error = capsys.readouterr().err
    assert error.startswith("error: an endpoint must list its models, got ConnectError")
    assert error.count("\n") == 1
