"""What happens where no rollout can be measured, because a server or a verifier fails."""

from __future__ import annotations

import threading
from collections import Counter
from dataclasses import replace

import pytest
import torch

from baselines.advise.command import main as advise
from baselines.common.errors import RolloutError, StorageError, WorkerError
from baselines.common.jsonl import read_rows
from baselines.common.processes import SINGLE_PROCESS, AccelerateGroup, in_all
from baselines.evaluate.command import main as evaluate
from baselines.evaluate.episodes import Episode, expect_measured
from baselines.evaluate.paths import JOINT
from baselines.experiment.runs import RunKey, run_once
from baselines.policies.base import Completion
from baselines.rollouts.failures import failures_of, nothing_measured
from baselines.rollouts.groups import Group
from baselines.rollouts.groups import expect_measured as expect_rollouts
from baselines.rollouts.runner import RolloutRunner
from baselines.train.command import main as train
from baselines.train.config import TrainConfig
from baselines.train.gather import play_rounds
from baselines.train.logging.trackers import NoTracker
from baselines.train.trainer import Trainer
from ccpo_env.types import Verdict
from tests.rl.fake_server import FakeServer
from tests.rl.teams import TASK, rollout, write_tasks

DOWN = Verdict("error", detail="the judge is  out of memory.\n")
FEW = {"steps": 3, "tasks_per_step": 2, "group_size": 2, "num_eval_tasks": 2, "eval_every": 0}


@pytest.fixture(scope="module")
def tasks(tmp_path_factory):
    return str(write_tasks(tmp_path_factory.mktemp("tasks") / "tasks.jsonl"))


class Outage:
    """Leaves no episode measured while it lasts, or none of the whole team."""

    def __init__(self, monkeypatch, *, only_team=False):
        self.lasts = False
        play = RolloutRunner.play

        def play_with_outage(runner, requests, **named):
            return [
                replace(own, verdict=DOWN)
                if self.lasts and not (only_team and own.request.removed)
                else own
                for own in play(runner, requests, **named)
            ]

        monkeypatch.setattr(RolloutRunner, "play", play_with_outage)


def run(trainer, *, on_step=lambda _row: None):
    return trainer.run(
        on_step=on_step,
        on_warning=lambda _warning: None,
        should_stop=lambda: False,
        tracker=NoTracker(trainer.run_dir),
    )


def weights(trainer):
    models = [policy.module for policy in trainer.saved_policies().values()]
    return torch.cat([p.detach().flatten() for m in models for p in m.parameters()])


def metrics_of(trainer):
    rows = read_rows(trainer.run_dir / "metrics.jsonl")
    return [{k: v for k, v in row.items() if not k.startswith("time/")} for row in rows]


def test_the_most_frequent_reason_is_counted_and_on_one_line():
    verdicts = [Verdict("correct"), Verdict("no_answer"), DOWN, Verdict("timeout"), DOWN]
    failures = failures_of(verdicts)
    assert failures == {
        "the judge is out of memory": 2,
        "the verifier says 'timeout' and not why": 1,
    }
    assert str(nothing_measured("step 3", failures, 5)) == (
        "step 3 must measure at least one episode of the whole team, got none, with 3 of 5 "
        "episodes not measured; the reason of 2 of them: the judge is out of memory; "
        "check the server or the verifier"
    )


@pytest.mark.parametrize(
    ("num_measured", "num_failed", "stops"), [(0, 2, True), (1, 1, False), (2, 0, False)]
)
def test_only_failures_alone_stop(num_measured, num_failed, stops):
    measured = [rollout("wrong")] * num_measured
    failures = Counter(late=num_failed)
    group = Group(TASK, tuple(measured), {}, {}, num_played=2, failures=failures)
    verdicts = [Verdict("wrong")] * num_measured + [DOWN] * num_failed
    episodes = [Episode("tasks", TASK, 0, JOINT, (), verdict) for verdict in verdicts]
    for expect, found in ((expect_rollouts, [group]), (expect_measured, episodes)):
        if not stops:
            expect(found, "it")
            continue
        with pytest.raises(RolloutError, match=r"^it must measure .* 2 of 2 episodes"):
            expect(found, "it")


@pytest.mark.parametrize(
    "own",
    [
        {"allocator": "shared"},
        {"allocator": "counterfactual", "optimizer": "reinforce_pp", "removed_cache_decay": 0.9},
    ],
    ids=["everything", "the team alone"],
)
def test_a_run_that_was_stopped_by_failures_goes_on_as_if_there_had_been_none(
    tasks, tmp_path, monkeypatch, own
):
    outage = Outage(monkeypatch, only_team="removed_cache_decay" in own)
    config = TrainConfig(tasks=tasks, **FEW, **own)
    whole = Trainer(config, tmp_path / "whole")
    whole.run_dir.mkdir()
    run(whole)
    stopped = Trainer(config, tmp_path / "stopped")
    stopped.run_dir.mkdir()

    def begin_outage(_row):
        outage.lasts = True

    with pytest.raises(RolloutError, match=r"^step 2 must .*: the judge is out of memory; check"):
        run(stopped, on_step=begin_outage)
    assert [row["step"] for row in metrics_of(stopped)] == [1]
    assert [path.name for path in stopped.run_dir.glob("checkpoints/step_*")] == ["step_000001"]
    outage.lasts = False
    resumed = Trainer(replace(config, resume="yes", out_dir=stopped.run_dir), stopped.run_dir)
    assert resumed.steps_done == 1
    run(resumed)
    assert torch.equal(weights(resumed), weights(whole))
    assert metrics_of(resumed) == metrics_of(whole)


def test_train_says_why_it_stopped_and_how_to_go_on(tasks, tmp_path, monkeypatch, capsys):
    outage = Outage(monkeypatch)
    outage.lasts = True
    out_dir = tmp_path / "run"
    words = [f"--{name.replace('_', '-')}={value}" for name, value in FEW.items()]
    assert train([*words, "--tasks", tasks, "--out-dir", str(out_dir)]) == 1
    said = capsys.readouterr().err
    assert said.startswith("error: the evaluation on held-out tasks must measure at least one ")
    assert said.endswith(f"with --resume --out-dir {out_dir}\n")
    assert said.count("\n") == 1
    assert not list(out_dir.glob("*.html"))
    assert not (out_dir / "models").exists()


def test_an_experiment_names_the_run_whose_rollouts_all_fail(tasks, monkeypatch):
    outage = Outage(monkeypatch)
    outage.lasts = True
    config = TrainConfig(tasks=tasks, **FEW)
    with pytest.raises(RolloutError, match=r"the run of shared with grpo and seed 4; "):
        run_once(config, RunKey("shared", "grpo", 4), 100)


@pytest.mark.filterwarnings("ignore:the endpoint .* unanswered")
@pytest.mark.parametrize("command", [evaluate, advise])
def test_commands_stop_where_a_server_refuses_every_request(tasks, tmp_path, capsys, command):
    own = ["--limit", "3"] if command is evaluate else ["--groups", "8", "--group-size", "2"]
    reply = Completion(r"\boxed{1}", (1,), (2,), (-0.5,))
    with FakeServer(lambda request: [reply] * request.body["n"], fault="400") as server:
        words = ["--policy", server.spec(), "--tasks", tasks, *own, "--out-dir", str(tmp_path)]
        assert command(words) == 1
        said = capsys.readouterr().err
        server.fault = None
        assert command(words) == 0
    assert said.startswith("error: ")
    assert "a turn was left without a completion: HTTP 400: " in said
    assert said.count("\n") == 1


@pytest.mark.filterwarnings("ignore:the endpoint .* unanswered")
def test_an_evaluation_whose_verifier_failed_is_verified_again(tasks, tmp_path, monkeypatch):
    outage = Outage(monkeypatch)
    outage.lasts = True
    words = ["--policy", "tiny", "--tasks", tasks, "--limit", "3", "--out-dir", str(tmp_path)]
    assert evaluate(words) == 1
    outage.lasts = False
    assert evaluate(words) == 0


class Threads:
    """A process group of two threads."""

    world_size, mesh = 2, None

    def __init__(self, rank, shared):
        self.rank = rank
        self._said, self._barrier = shared

    def all_gather(self, values):
        self._said[self.rank] = list(values)
        self._barrier.wait(10)
        joined = [*self._said[0], *self._said[1]]
        self._barrier.wait(10)
        return joined


@pytest.mark.parametrize("kind", [RolloutError, StorageError])
def test_what_fails_in_one_process_is_raised_in_all_of_them_together(kind):
    shared = {}, threading.Barrier(2)
    raised = {}

    def play(share):
        if share == ["b"]:
            raise kind("a server failed")
        return []

    def take_part(rank):
        processes = Threads(rank, shared)
        try:
            play_rounds(["a", "b"], play, processes, is_usable=bool, size=2)
        except (RolloutError, StorageError) as error:
            raised[rank] = str(error)

    threads = [threading.Thread(target=take_part, args=(rank,)) for rank in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(20)
    assert raised == {0: "a server failed", 1: "a server failed"}
    assert in_all(SINGLE_PROCESS, lambda: 5) == 5


def test_a_process_whose_peer_has_ended_says_so():
    class Lonely:
        def gather_object(self, values):
            raise RuntimeError("[gloo] Connection closed by peer")

    group = AccelerateGroup.__new__(AccelerateGroup)
    group._send = Lonely()
    with pytest.raises(WorkerError, match="all processes of a run must go on together"):
        group.all_gather([1])
