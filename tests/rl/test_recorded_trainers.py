"""Credit inside rLLM and prime-rl, against the parts of them that were recorded."""

from __future__ import annotations

import asyncio
import importlib
import sys

import numpy as np
import pytest

from baselines.integrations.task_rows import columns_of
from ccpo_env import Task
from tests.rl import recorded_trainers as recorded

SUMS = [Task("s/1", "1+1", "2"), Task("s/2", "1+2", "3")]
TEAM = {"allocator": "leave_one_out", "optimizer": "dr_grpo", "removed_samples": 1, "group_size": 4}


@pytest.fixture
def adapter(monkeypatch, request):
    """An adapter, imported with a stand-in for its trainer."""
    for name, module in recorded.modules(request.param).items():
        monkeypatch.setitem(sys.modules, name, module)
    name = f"baselines.integrations.{request.param}"
    monkeypatch.delitem(sys.modules, name, raising=False)
    yield importlib.import_module(name)
    sys.modules.pop(name, None)


class Engine:
    """A team that is right where the thinker gave its hint, as it does every other time."""

    def __init__(self, is_silent=False):
        self.asked, self.given, self.is_silent = 0, [], is_silent

    async def get_model_response(self, messages, **given):
        self.given.append(given)
        if self.is_silent:
            return recorded.ModelOutput("", [], finish_reason="length")
        prompt = messages[-1]["content"]
        if "boxed" in messages[0]["content"] + prompt:
            answer = 2 if "1+1" in prompt else 3
            said = f"\\boxed{{{answer}}}" if "Look closely." in prompt else "No idea."
        else:
            self.asked += 1
            said = "Look closely." if self.asked % 2 else "No idea."
        return recorded.ModelOutput(said, [3, 4], [1], [-1.0, -2.0], content=said)


def episodes_of(adapter, engine, **settings):
    workflow = adapter.TeamWorkflow(engine, None, **{"team": TEAM, **settings})

    async def play():
        return [
            await workflow.run(columns_of(task), f"{number}:0", validate=False)
            for number, task in enumerate(SUMS)
        ]

    return asyncio.run(play())


@pytest.mark.parametrize("adapter", ["rllm"], indirect=True)
def test_rllm_gets_the_credit_of_each_role_by_its_estimator(adapter):
    engine = Engine()
    episodes = episodes_of(adapter, engine)
    assert [e.metrics["accuracy"] for e in episodes] == [0.5, 0.5]
    assert {given["max_tokens"] for given in engine.given} == {1024}
    estimators = {"thinker": adapter.ESTIMATOR, "solver": "grpo"}
    found = recorded.credited_steps(episodes, estimators)
    # Alone the solver fails: a hint adds 2 to the reward of -1 and no hint 0, minus the mean of 1.
    right = [t.reward > 0 for e in episodes for t in e.trajectories if t.name == "thinker"]
    np.testing.assert_allclose(found["thinker"], np.where(right, 1.0, -1.0))
    np.testing.assert_allclose(found["solver"], np.where(right, 1.0, -1.0))
    first = episodes[0].trajectories[0]
    assert first.metadata["agent"] == "thinker_0"
    (step,) = first.steps
    assert (step.prompt_ids, step.response_ids, step.logprobs) == ([1], [3, 4], [-1.0, -2.0])
    assert step.chat_completions[-1] == {"role": "assistant", "content": "Look closely."}


@pytest.mark.parametrize("adapter", ["rllm"], indirect=True)
def test_rllm_gets_precomputed_credit_for_each_token(adapter):
    episodes = episodes_of(adapter, Engine(), is_precomputed=True, max_tokens=7)
    found = recorded.credited_steps(episodes, {}, is_precomputed=True)
    assert found["thinker"] == [[1.0, 1.0], [-1.0, -1.0]] * 4


@pytest.mark.parametrize("adapter", ["rllm"], indirect=True)
def test_rllm_gets_nothing_of_what_was_not_measured(adapter):
    for episode in episodes_of(adapter, Engine(is_silent=True)):
        assert (episode.trajectories, episode.is_correct) == ([], False)
    group = recorded.TrajectoryGroup(
        [recorded.Trajectory(name="solver", task=None, steps=[], reward=1.0)], "t:solver"
    )
    with pytest.raises(ValueError, match="got 1 of 1 without in group 't:solver'; play them with"):
        adapter.external_credit([np.ones(1)], None, traj_groups=[group])


@pytest.mark.parametrize("adapter", ["rllm"], indirect=True)
def test_rllm_decides_what_is_its_own(adapter):
    with pytest.raises(ValueError, match="got policy, which rLLM decides; set model"):
        adapter.TeamWorkflow(Engine(), None, team={**TEAM, "policy": "tiny"})


@pytest.mark.parametrize("adapter", ["prime_rl"], indirect=True)
def test_prime_rl_gets_the_recorded_credit_for_each_sampled_token(adapter):
    prompt, said = recorded.Node([False] * 3), recorded.Node([False, True, True])
    credited = recorded.Trace([prompt, said], {"advantage": -0.5})
    alone = recorded.Trace([recorded.Node([True])], {})
    frozen = recorded.Trace(
        [recorded.Node([True])], {"advantage": 2.0}, recorded.Agent(trainable=False)
    )
    algorithm = adapter.CreditAlgorithm(None, None)
    assert algorithm.action_loss_type == "rl"
    asyncio.run(algorithm.score_group([recorded.TeamEpisode([credited, alone, frozen])]))
    assert (prompt.advantages, said.advantages) == (None, [-0.5, -0.5])
    assert alone.nodes[0].advantages is frozen.nodes[0].advantages is None
    asyncio.run(algorithm.score_group([]))


@pytest.mark.parametrize("adapter", ["prime_rl"], indirect=True)
@pytest.mark.parametrize(
    ("info", "message"),
    [({}, "got none in 1; set env.group_size"), ({"advantage": float("nan")}, "finite, got nan")],
)
def test_prime_rl_is_not_given_what_is_no_credit(adapter, info, message):
    episode = recorded.TeamEpisode([recorded.Trace([recorded.Node([True])], info)])
    with pytest.raises(ValueError, match=message):
        asyncio.run(adapter.CreditAlgorithm(None, None).score_group([episode]))


@pytest.mark.parametrize("package", ["rllm", "prime_rl"])
def test_adapter_says_what_it_needs(monkeypatch, package):
    monkeypatch.setitem(sys.modules, package, None)
    monkeypatch.delitem(sys.modules, f"baselines.integrations.{package}", raising=False)
    with pytest.raises(ImportError, match=r"see docs/integrations\.md"):
        importlib.import_module(f"baselines.integrations.{package}")
