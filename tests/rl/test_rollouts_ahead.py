"""Rollouts one step ahead: servers play the next step while the policies are updated."""

from __future__ import annotations

import copy
import json
import threading
from collections import Counter
from dataclasses import fields, is_dataclass, replace
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from baselines.common.errors import RolloutError
from baselines.common.processes import SINGLE_PROCESS
from baselines.common.rollout_file import read_rollouts
from baselines.policies.base import Completion
from baselines.policies.endpoint.vllm_control import DIGESTS_PATH
from baselines.policies.registry import load_policy
from baselines.rollouts.costs import CostTracker
from baselines.rollouts.groups import Group
from baselines.rollouts.rollout import Replays, Rollout, RolloutRequest
from baselines.rollouts.stored_groups import from_text, to_text
from baselines.train import team_policies
from baselines.train.config import TrainConfig
from baselines.train.engines.config import EnginesConfig
from baselines.train.engines.rollout_servers import RolloutServer, RolloutServers
from baselines.train.engines.server_weights import save_untied
from baselines.train.engines.sync_guard import StaleServerError
from baselines.train.logging.trackers import open_tracker
from baselines.train.playing import StepPlayer
from baselines.train.rollouts_ahead import RolloutsAhead
from baselines.train.team_policies import TeamPolicies
from baselines.train.trainer import Trainer
from baselines.train.update.forward import score
from ccpo_env.types import Message, Task, Verdict
from ccpo_env.voting import Ballot
from tests.rl.fake_vllm import PATHS, FakeVLLM
from tests.rl.teams import write_tasks

PATIENCE_S = 60
"""Only a test that fails waits as long."""
CORRECTED = {"old_logprobs": "recompute", "tis_cap": 2.0}


@pytest.fixture(scope="module")
def config(tmp_path_factory):
    tasks = write_tasks(tmp_path_factory.mktemp("tasks") / "t.jsonl", num_train=20, num_test=4)
    return TrainConfig(
        weights="shared",
        tasks=str(tasks),
        steps=4,
        tasks_per_step=2,
        group_size=3,
        removed_samples=1,
        num_eval_tasks=1,
        eval_every=2,
        checkpoint_every=2,
        max_tokens=4,
        learning_rate=1e-2,
        **CORRECTED,
    )


@pytest.fixture(scope="module")
def started(tmp_path_factory):
    folder = tmp_path_factory.mktemp("server") / "served"
    save_untied(load_policy("tiny"), folder)
    with FakeVLLM(folder) as running:
        yield running


@pytest.fixture
def server(started):
    yield started
    started.fault, started.is_stale, started.paths = None, False, PATHS


@pytest.fixture(scope="module")
def whole(config, started, tmp_path_factory):
    """The folder of a run that nothing has interrupted."""
    run_dir = tmp_path_factory.mktemp("whole")
    train(trainer_of(config, started, run_dir))
    return run_dir


def trainer_of(config, server, run_dir, *, is_ahead=True, processes=SINGLE_PROCESS):
    spec = server.spec(api="completions", retries=0)
    team = {"team": RolloutServer(spec, server.folder)}
    servers = RolloutServers(team, processes=processes)
    run_dir.mkdir(exist_ok=True)
    return Trainer(config, run_dir, servers=servers, is_ahead=is_ahead, processes=processes)


def train(trainer, *, stop_after=None):
    rows, warnings = [], []
    trainer.run(
        on_step=rows.append,
        on_warning=warnings.append,
        should_stop=lambda: trainer.steps_done == stop_after,
        tracker=open_tracker("none", trainer.run_dir),
    )
    return rows


def timeless(run_dir):
    lines = (run_dir / "metrics.jsonl").read_text(encoding="utf-8").splitlines()
    rows = [json.loads(line) for line in lines]
    return [{k: v for k, v in row.items() if not k.startswith("time/")} for row in rows]


def weights_of(run_dir, step):
    return load_file(run_dir / "checkpoints" / f"step_{step:06d}" / "team" / "model.safetensors")


def assert_same_run(first, second, *, steps):
    assert timeless(first) == timeless(second)
    for name in ("rollouts.jsonl", "evaluations.jsonl"):
        assert (first / name).read_bytes() == (second / name).read_bytes()
    expected, found = weights_of(first, steps), weights_of(second, steps)
    assert all(torch.equal(expected[name], found[name]) for name in expected)


def test_the_next_step_is_played_while_a_step_is_updated(config, server, tmp_path, monkeypatch):
    """Each waits for the other, so that a run that takes turns would fail."""
    trainer = trainer_of(replace(config, eval_every=0, steps=3), server, tmp_path / "run")
    asked, updating = ([threading.Event() for _ in range(5)] for _ in range(2))
    playing, waited = [0], []
    answer, update, share = server.answer, TeamPolicies.update, StepPlayer.play_share
    command, asking = server.command, []

    def played(self, step, costs):
        playing[0] = step
        return share(self, step, costs)

    def answered(request):
        asked[playing[0]].set()
        if playing[0] > 1:
            waited.append(updating[playing[0] - 1].wait(PATIENCE_S))
        return answer(request)

    def updated(self, *given):
        step = trainer.steps_done + 1
        updating[step].set()
        if step < 3:
            waited.append(asked[step + 1].wait(PATIENCE_S))
        return update(self, *given)

    def commanded(path, body):
        if path != DIGESTS_PATH:
            asking.append(server._at_once)
        return command(path, body)

    monkeypatch.setattr(StepPlayer, "play_share", played)
    monkeypatch.setattr(server, "command", commanded)
    monkeypatch.setattr(server, "answer", answered)
    monkeypatch.setattr(TeamPolicies, "update", updated)
    rows = train(trainer)
    assert waited
    assert all(waited)
    assert {*asking} == {0}  # nobody samples while weights are handed over
    assert [row["rollout/staleness"] for row in rows] == [0, 1, 1]
    recorded = read_rollouts(tmp_path / "run" / "rollouts.jsonl")
    assert {(own["step"], own["version"]) for own in recorded} == {(1, 0), (2, 0), (3, 1)}


def test_samples_come_from_the_weights_of_one_update_before(config, server, tmp_path, monkeypatch):
    """The samples of a step score exactly with the weights before the last update."""
    trainer = trainer_of(replace(config, eval_every=0, steps=3), server, tmp_path / "run")
    old, gaps, versions = copy.deepcopy(trainer.saved_policies()["team"]), [], []
    update = TeamPolicies.update

    def updated(self, active, samples_of):
        samples = [sample for own in samples_of.values() for sample in own]
        completions = [sample.completion for sample in samples if sample.completion.token_ids]
        versions.append({sample.version for sample in samples})
        scored = score(old, completions, micro_batch_tokens=10_000)
        pairs = zip(scored, completions, strict=True)
        gaps.append(max(float(np.abs(own - c.logprobs).max()) for own, c in pairs))
        now = trainer.saved_policies()["team"].module.state_dict()
        old.module.load_state_dict(now)  # what the next step was sampled from, before its update
        return update(self, active, samples_of)

    monkeypatch.setattr(TeamPolicies, "update", updated)
    rows = train(trainer)
    assert max(gaps) < 1e-5
    assert versions == [{0}, {0}, {1}]
    mismatch = [row["update/team/mismatch_max"] for row in rows]
    assert mismatch[0] < 1e-5  # the first step is of the weights that it updates
    assert max(mismatch[1:]) > 1e-3


def test_resumed_run_equals_an_uninterrupted_one(config, server, whole, tmp_path):
    assert len(train(trainer_of(config, server, tmp_path), stop_after=1)) == 1
    rows = train(trainer_of(replace(config, resume="yes", out_dir=tmp_path), server, tmp_path))
    assert [row["rollout/staleness"] for row in rows] == [1, 1, 1]
    assert_same_run(whole, tmp_path, steps=4)


def test_run_that_is_killed_goes_on_from_its_checkpoint(
    config, server, whole, tmp_path, monkeypatch
):
    """In the middle of an update, after a checkpoint, while the next step is being played."""
    killed = trainer_of(config, server, tmp_path)
    update = TeamPolicies.update

    def interrupted(self, *given):
        if killed.steps_done == 2:
            raise KeyboardInterrupt
        return update(self, *given)

    with monkeypatch.context() as patch:
        patch.setattr(TeamPolicies, "update", interrupted)
        with pytest.raises(KeyboardInterrupt):
            train(killed)
    killed._ahead.settle()  # another process would have ended with its thread
    train(trainer_of(replace(config, resume="yes", out_dir=tmp_path), server, tmp_path))
    assert_same_run(whole, tmp_path, steps=4)


def test_error_while_playing_ahead_ends_the_run_after_its_step(config, server, tmp_path):
    """The step that is being updated is finished and saved, without rollouts of the next one."""
    config = replace(config, eval_every=0, steps=3, checkpoint_every=100)
    trainer = trainer_of(config, server, tmp_path / "run")
    share = trainer._player.play_share

    def failing(step, costs):
        server.fault = "400" if step == 3 else None
        return share(step, costs)

    trainer._player.play_share = failing
    error = pytest.raises(RolloutError, match=r"step 3 .*400")
    with pytest.warns(UserWarning, match="unanswered"), error:
        train(trainer)
    assert trainer.steps_done == 2
    (folder,) = (tmp_path / "run" / "checkpoints").iterdir()
    state = json.loads((folder / "state.json").read_text(encoding="utf-8"))
    assert (folder.name, state["state"]["rollouts_ahead"]) == ("step_000002", None)
    server.fault = None
    resumed = replace(config, resume="yes", out_dir=tmp_path / "run")
    (row,) = train(trainer_of(resumed, server, tmp_path / "run"))
    assert row["rollout/staleness"] == 0  # played anew


def test_server_that_dies_at_a_transfer_leaves_its_rollouts_to_the_resumed_run(
    config, server, whole, tmp_path, monkeypatch
):
    dying = trainer_of(config, server, tmp_path)

    def refused():
        raise RolloutError("a rollout server must load the new weights, got 500")

    def sync(sync=dying._servers.sync):
        return refused() if dying.steps_done == 3 else sync()

    monkeypatch.setattr(dying._servers, "sync", sync)
    with pytest.raises(RolloutError, match="must load the new weights"):
        train(dying)
    train(trainer_of(replace(config, resume="yes", out_dir=tmp_path), server, tmp_path))
    assert_same_run(whole, tmp_path, steps=4)


def test_stale_server_is_found_before_its_samples_are_used(config, server, tmp_path):
    """By its log-probabilities, of a server that cannot report its weights."""
    server.paths = [path for path in PATHS if path != DIGESTS_PATH]
    trainer = trainer_of(replace(config, eval_every=0), server, tmp_path)
    share = trainer._player.play_share

    def stale(step, costs):
        server.is_stale = step == 2
        return share(step, costs)

    trainer._player.play_share = stale
    with pytest.raises(StaleServerError, match="nats apart"):
        train(trainer)
    assert trainer.steps_done == 1
    contents = json.loads((tmp_path / "checkpoints" / "step_000001" / "state.json").read_text())
    (groups,), _, _ = from_text(contents["state"]["rollouts_ahead"])
    assert {group.version for group in groups} == {0}  # of step 2; those of step 3 are dropped


def test_without_it_a_run_does_as_before(config, server, tmp_path):
    """It hands over weights at once, and there is no word of it in its files."""
    before, config = server.num_reloads, replace(config, steps=1, eval_every=0)
    rows = train(trainer_of(config, server, tmp_path / "run", is_ahead=False))
    assert not {"rollout/staleness", "time/rollouts_s", "time/wait_s"} & {*rows[0]}
    assert server.num_reloads - before == 1 + 1  # at the start and after the update
    recorded = read_rollouts(tmp_path / "run" / "rollouts.jsonl")
    assert not any("version" in own for own in recorded)
    state = tmp_path / "run" / "checkpoints" / "step_000001" / "state.json"
    assert "rollouts_ahead" not in state.read_text(encoding="utf-8")


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"rollouts_ahead": 2}, "rollouts_ahead must be 0 or 1.*got 2; pass 1"),
        ({"rollouts_ahead": -1}, "rollouts_ahead must be 0 or 1"),
        ({"rollouts": (), "rollout_folder": None}, "rollouts_ahead must be 0 without a server"),
        ({"tis_cap": None}, "tis_cap must be given with rollouts_ahead.*--tis-cap 2"),
        ({"retrospect": 3}, "retrospect must be 0 with rollouts_ahead.*got 3; leave it out"),
        ({"removed_cache_decay": 0.5}, "removed_cache_decay must be 0 with rollouts_ahead"),
        ({"resample_rounds": 1}, "resample_rounds must be 0 with rollouts_ahead"),
        ({"allocator": "critic"}, "allocator must not have a critic with rollouts_ahead"),
    ],
)
def test_settings_that_it_does_not_work_with_are_refused_by_name(tmp_path, given, message):
    usual = {"rollouts_ahead": 1, "rollouts": ("endpoint:http://h/v1",), "rollout_folder": tmp_path}
    EnginesConfig(**usual, **CORRECTED).check()
    with pytest.raises(ValueError, match=message):
        EnginesConfig(**{**usual, **CORRECTED, **given}).check()


class Rank:
    """A process of two, played by a thread; others than that may not wait for the other one."""

    world_size, mesh = 2, None

    def __init__(self, rank, meeting, boxes):
        self.rank, self.meeting, self.boxes, self.calls = rank, meeting, boxes, 0

    def all_gather(self, values):
        assert threading.current_thread().name == f"rank {self.rank}"
        self.calls += 1
        self.boxes[self.rank, self.calls] = list(values)
        self.meeting.wait(PATIENCE_S)
        return [value for rank in range(2) for value in self.boxes[rank, self.calls]]

    def all_reduce_gradients(self, parameters):
        own = [p.grad if p.grad is not None else torch.zeros_like(p) for p in parameters]
        first, second = self.all_gather([own])
        for parameter, one, other in zip(parameters, first, second, strict=True):
            parameter.grad = one + other

    def broadcast_parameters(self, parameters):
        first, _ = self.all_gather([list(parameters)])
        for parameter, value in zip(parameters, first, strict=True):
            parameter.data.copy_(value.data)


def in_two_processes(config, server, run_dir, *, stop_after=None):
    """The metrics of a run of two processes that two threads play, and the policies of both."""
    meeting, boxes, rows, policies = threading.Barrier(2), {}, {}, {}

    def work(rank):
        try:
            own = Rank(rank, meeting, boxes)
            trainer = trainer_of(config, server, run_dir, processes=own)
            rows[rank] = train(trainer, stop_after=stop_after)
            policies[rank] = trainer.saved_policies()["team"].module.state_dict()
        finally:
            if rank not in policies:
                meeting.abort()

    threads = [threading.Thread(target=work, args=(r,), name=f"rank {r}") for r in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return rows, policies


def test_processes_play_ahead_without_waiting_for_each_other(config, server, tmp_path, monkeypatch):
    lock, load = threading.Lock(), team_policies.load_team

    def loaded(*given, **named):
        with lock:  # while it loads a model, transformers replaces functions of all threads
            return load(*given, **named)

    monkeypatch.setattr(team_policies, "load_team", loaded)
    whole, parts = tmp_path / "whole", tmp_path / "parts"
    config = replace(config, eval_every=0, steps=3, checkpoint_every=100)
    rows, policies = in_two_processes(config, server, whole)
    assert [row["rollout/staleness"] for row in rows[0]] == [0, 1, 1]
    assert [row["rollout/groups"] for row in rows[0]] == [row["rollout/groups"] for row in rows[1]]
    assert all(torch.equal(policies[0][name], policies[1][name]) for name in policies[0])
    in_two_processes(config, server, parts, stop_after=1)
    in_two_processes(replace(config, resume="yes", out_dir=parts), server, parts)
    assert_same_run(whole, parts, steps=3)


def everything():
    """Groups with every field set, and all kinds of values."""
    task = Task("t", "2+2?", "4", tags=(("level", "5"),), choices=("3", "4"), answers=("four",))
    said = Completion("4", (1, 2), (3,), (-0.1,), temperature=0.7, max_tokens=6)
    messages = (Message("thinker_0", "\ud800 ünïcode"), Message("solver_0", "4"))
    verdict = Verdict("wrong", "3", score=0.1 + 0.2)
    ballot = Ballot((0, -1), ("4",), 0, Verdict("error", detail="why"))
    request = RolloutRequest(task, frozenset({"thinker_0"}), ("x",), 0, (0,), 2)
    played = Rollout(request, messages, (None, said), verdict, ballot)
    replays = Replays.of([played], None, keep_completions=True)
    return Group(
        task,
        (played,),
        {frozenset({"thinker_0"}): np.array([np.nan, -1.0])},
        {"thinker_0": np.zeros((0, 2))},
        turns=("thinker_0", "solver_0"),
        orders=((0, 1), (1, 0)),
        ratings=np.ones((1, 2, 1)),
        rating_valid=np.array([[True]]),
        features=np.array([[1, 2]]),
        probabilities=np.full((1, 2, 2), 0.1),
        own_rewards=np.array([[1.0, -1.0]]),
        influence=np.array([[1e-300, np.inf]]),
        states=np.zeros((1, 2, 3)),
        replays=(replays,),
        num_played=3,
        failures=Counter({"timeout": 2}),
        is_complete=False,
        version=7,
    )


def assert_equal(first, second):
    assert type(first) is type(second)
    if isinstance(first, np.ndarray):
        assert first.dtype == second.dtype
        np.testing.assert_array_equal(first, second, strict=True)
    elif isinstance(first, dict):
        assert [*first] == [*second]
        for key in first:
            assert_equal(first[key], second[key])
    elif isinstance(first, tuple):
        assert len(first) == len(second)
        for own, other in zip(first, second, strict=True):
            assert_equal(own, other)
    elif is_dataclass(first):
        for field in fields(first):
            assert_equal(getattr(first, field.name), getattr(second, field.name))
    else:
        assert first == second


def test_stored_groups_are_read_as_they_were():
    costs = CostTracker(Counter({"joint": 3}), generate_s=0.1)
    stored = ((everything(),), costs, None, 1.5)
    assert_equal(from_text(to_text(stored)), stored)
    assert all(getattr(everything(), field.name) is not None for field in fields(Group))


def test_nothing_else_can_be_stored():
    with pytest.raises(TypeError, match=r"must be of Group.*got <object"):
        to_text([object()])


@pytest.mark.parametrize("size", [1, 2, 3])
def test_rollouts_of_other_processes_are_dealt_out_anew(size):
    groups = [replace(everything(), num_played=number) for number in range(3)]
    text = to_text(([groups[:2], groups[2:]], CostTracker(), 1.0))
    ahead = RolloutsAhead(None, None, SimpleNamespace(world_size=size), last_step=9)
    ahead.resume(4, text)
    found = ahead._ready[5]
    assert [own.num_played for own in found.played] == [0, 1, 2]
    assert len(found.groups) == size
