"""Adapters of several roles whose rollouts a server plays one step ahead."""

from __future__ import annotations

from dataclasses import replace

import pytest

from baselines.policies.registry import load_policy
from baselines.train.config import TrainConfig
from baselines.train.engines.rollout_servers import RolloutServer, RolloutServers
from baselines.train.engines.server_weights import save_untied
from baselines.train.team_policies import TeamPolicies
from baselines.train.trainer import Trainer
from tests.rl.fake_vllm import FakeVLLM
from tests.rl.teams import write_tasks
from tests.rl.test_rollouts_ahead import CORRECTED, timeless, train


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    folder = tmp_path_factory.mktemp("models") / "base"
    save_untied(load_policy("tiny"), folder)
    return folder


# Raised in the thread of the fake server, where peft loads an adapter.
@pytest.mark.filterwarnings("ignore:`is_gradient_checkpointing` is deprecated:FutureWarning")
def test_the_thread_that_plays_changes_no_update_of_an_adapter(model, tmp_path, monkeypatch):
    tasks = write_tasks(tmp_path / "t.jsonl", num_train=20, num_test=2)
    config = TrainConfig(
        policy=str(model),
        weights="lora",
        tasks=str(tasks),
        steps=3,
        tasks_per_step=2,
        group_size=3,
        num_eval_tasks=1,
        eval_every=0,
        learning_rate=1e-2,
        **CORRECTED,
    )
    update = TeamPolicies.update

    def run(name, *, waits):
        folder = tmp_path / name
        folder.mkdir()
        with FakeVLLM(model) as server:
            spec = server.spec(api="completions", retries=0)
            servers = RolloutServers({"team": RolloutServer(spec, folder / "served")})
            trainer = Trainer(
                replace(config, out_dir=folder), folder, servers=servers, is_ahead=True
            )

            def once_played(crew, *given):
                if waits:
                    trainer._ahead.settle()  # nothing is played during an update
                return update(crew, *given)

            monkeypatch.setattr(TeamPolicies, "update", once_played)
            rows = train(trainer)
        assert [row["rollout/staleness"] for row in rows] == [0.0, 1.0, 1.0]
        assert any(row["update/thinker/grad_norm"] > 0 for row in rows)
        return timeless(folder)

    assert run("at_once", waits=False) == run("in_turns", waits=True)
