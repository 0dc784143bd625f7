"""The advantages in the loss of verl's own trainer path; only its server and queue are stand-ins.

To run it, see docs/integrations.md: verl needs an environment of its own.
"""

from __future__ import annotations

import asyncio
import copy
import importlib.util
import subprocess
import sys
import tomllib

import numpy as np
import pytest
import torch

from baselines.policies.base import Prompt, Sampling
from baselines.policies.registry import load_policy
from ccpo_env import load_tasks
from tests.rl.launching import ROOT
from tests.rl.test_verl_data import FITS

needs_verl = pytest.mark.skipif(
    importlib.util.find_spec("verl") is None,
    reason="verl is not installed: it needs an environment of its own, see docs/integrations.md",
)
pytestmark = [pytest.mark.interpreters, pytest.mark.filterwarnings("ignore")]  # those of verl
SETTINGS = {"allocator": "branch", "branch_samples": 2, "group_size": 4, "optimizer": "grpo"}
LENGTH = 16
MATH = {"question": "1+1", "answer": "2"}


class Server:
    """verl's client of its servers, with a model in this process behind it."""

    def __init__(self, policy):
        self.policy = policy
        self.rng = np.random.default_rng(0)
        self.parameters = []

    async def generate(self, request_id, *, prompt_ids, sampling_params):
        from verl.workers.rollout.replica import TokenOutput

        self.parameters.append(sampling_params)
        text = self.policy.tokenizer.decode(prompt_ids)
        sampling = Sampling(max_tokens=sampling_params["max_tokens"])
        (said,) = self.policy.sample([Prompt(text)], sampling=sampling, rng=self.rng)
        oldest = len(self.parameters)
        return TokenOutput(
            token_ids=list(said.token_ids),
            log_probs=list(said.logprobs),
            extra_fields={"min_global_steps": oldest, "max_global_steps": oldest + 2},
        )


def config_of(settings):
    from omegaconf import OmegaConf

    rollout = {"prompt_length": 400, "response_length": LENGTH}
    contents = {"actor_rollout_ref": {"rollout": rollout}, "data": {}, "ccpo": settings}
    return OmegaConf.create(contents)


def loop_of(config, policy):
    from verl.experimental.agent_loop.agent_loop import DictConfigWrap

    from baselines.integrations.verl import TeamAgentLoop

    return TeamAgentLoop(
        trainer_config=DictConfigWrap(config),
        server_manager=Server(policy),
        tokenizer=policy.tokenizer,
        processor=None,
        dataset_cls=None,
        data_config=DictConfigWrap(config.data),
    )


def played(settings, monkeypatch, num_tasks=3):
    """The groups that were played, and what verl would put into its queue, row by row."""
    import verl.trainer.ppo.v1.agent_loop_tq as adapter

    from baselines.train.credit_stage import CreditStage

    groups, rows, keys = [], [], []
    play = CreditStage.play

    def recorded(self, *args, **kwargs):
        found = play(self, *args, **kwargs)
        groups.extend(found)
        return found

    async def put(*, keys: list, fields, tags, **_):
        names.extend(keys)
        rows.extend({**fields[place], "tag": tag} for place, tag in enumerate(tags))

    names = keys
    monkeypatch.setattr(CreditStage, "play", recorded)
    monkeypatch.setattr(adapter.tq, "async_kv_batch_put", put)
    worker_class = adapter.AgentLoopWorkerTQ.__ray_metadata__.modified_class
    worker = worker_class.__new__(worker_class)
    worker.__dict__ |= {
        "reward_loop_worker_handles": None,
        "processor": None,
        "distillation_enabled": False,
        "config": config_of(settings),
        "_compute_multi_modal_inputs": lambda *_: {},
        "_compute_teacher_logprobs": _nothing,
        "_compute_position_ids": lambda ids, *_: torch.arange(ids.shape[1])[None],
    }
    policy = load_policy("tiny")

    async def session(number, task):
        info = {"question": task.question, "answer": task.answer, "index": number}
        given = {"extra_info": info, "uid": f"u{number}", "session_id": 0, "global_steps": 1}
        loop = loop_of(config_of(settings), policy)
        outputs = await loop.run({"temperature": 1.0, "logprobs": True}, **given)
        await worker._agent_loop_postprocess(outputs, False, **given)

    async def all_of_them():
        tasks = load_tasks("arithmetic", split="train")[:num_tasks]
        for number, task in enumerate(tasks):
            await session(number, task)

    asyncio.run(all_of_them())
    return groups, rows, keys


async def _nothing(*_, **__):
    return None


@pytest.fixture
def played_rows(monkeypatch):
    return played(SETTINGS, monkeypatch)


def batch_of(rows):
    from verl import DataProto

    def padded(name):
        return torch.nn.utils.rnn.pad_sequence([row[name] for row in rows], batch_first=True)

    tensors = {name: padded(name) for name in ("response_mask", "rm_scores", "rollout_log_probs")}
    data = DataProto.from_dict(tensors)
    data.batch["token_level_scores"] = data.batch["rm_scores"]
    data.batch["token_level_rewards"] = data.batch["rm_scores"]
    return data


@needs_verl
def test_advantages_in_the_loss_are_ours(played_rows):
    from verl.trainer.ppo.core_algos import get_policy_loss_fn
    from verl.trainer.ppo.v1.utils import compute_advantage_for_multi_trajectories
    from verl.workers.config import ActorConfig

    groups, rows, keys = played_rows
    expected = []
    for group in groups:
        # branch: the thinker's value is the mean of the continuations of its thought.
        values = group.branches["thinker_0"].mean(axis=1)
        credit = np.stack([values - values.mean(), group.rewards - values], axis=1)
        advantages = credit - credit.mean(axis=0)
        expected += [
            (completion.token_ids, advantage)
            for rollout, own in zip(group.rollouts, advantages, strict=True)
            for completion, advantage in zip(rollout.sampled, own, strict=True)
        ]
    assert len(rows) == len(expected) == 3 * 4 * 2
    assert len(set(keys)) == len(rows)
    data = compute_advantage_for_multi_trajectories(
        batch_of(rows), batch_keys=keys, adv_estimator="external_credit"
    )
    found = data.batch["advantages"]
    mask = data.batch["response_mask"].bool()
    for row, (token_ids, advantage), own, is_said in zip(rows, expected, found, mask, strict=True):
        assert tuple(row["responses"].tolist()) == token_ids
        np.testing.assert_allclose(own[is_said], advantage, rtol=1e-6, atol=1e-6)
        assert (own[~is_said] == 0).all()
    assert max(abs(advantage) for _, advantage in expected) > 0.5
    logprobs = data.batch["rollout_log_probs"].clone().requires_grad_()
    actor = ActorConfig(
        strategy="fsdp", ppo_micro_batch_size_per_gpu=1, clip_ratio=0.2, rollout_n=1
    )
    loss, *_ = get_policy_loss_fn("gspo")(
        old_log_prob=data.batch["rollout_log_probs"],
        log_prob=logprobs,
        advantages=found,
        response_mask=mask.float(),
        loss_agg_mode="seq-mean-token-mean",
        config=actor,
    )
    loss.backward()
    # Where nothing has moved, the gradient of a token is minus its advantage over the lengths.
    lengths = mask.sum(dim=1, keepdim=True)
    torch.testing.assert_close(
        logprobs.grad, -found * mask / lengths / len(rows), rtol=1e-4, atol=1e-6
    )


@needs_verl
def test_group_reward_is_what_verl_logs(played_rows):
    groups, rows, _ = played_rows
    per_group = [r["extra_fields"]["reward_extra_info"]["accuracy"] for r in rows[::8]]
    assert per_group == [float((group.rewards > 0).mean()) for group in groups]


@needs_verl
def test_rows_carry_the_oldest_and_newest_weights_that_answered(played_rows):
    """verl computes staleness from these tags at the end of each step."""
    _, rows, _ = played_rows
    sampled = 4 * 2 + 4 * SETTINGS["branch_samples"]  # of each task, which has a server of its own
    for row in rows:
        tag = row["tag"]
        assert (tag["min_global_steps"], tag["max_global_steps"]) == (1, sampled + 2)


@needs_verl
def test_stop_text_of_a_role_ends_its_completions():
    policy = load_policy("tiny")
    plain = asyncio.run(outputs_of(policy, SETTINGS))
    stop = policy.tokenizer.decode(plain[0].response_ids)[1:3]
    settings, server = {**SETTINGS, "role_stops": {"thinker": stop}}, Server(policy)
    outputs = asyncio.run(outputs_of(policy, settings, server=server))
    assert {tuple(given.get("stop", ())) for given in server.parameters} == {(), (stop,)}
    ended = [policy.tokenizer.decode(output.response_ids) for output in outputs[::2]]
    assert any(stop in text for text in ended)
    for output, text in zip(outputs[::2], ended, strict=True):
        assert stop not in policy.tokenizer.decode(output.response_ids[:-1]), text
        assert len(output.response_logprobs) == len(output.response_ids)
    assert any(stop in policy.tokenizer.decode(output.response_ids[:-1]) for output in plain)


async def outputs_of(policy, settings, info=MATH, server=None):
    loop = loop_of(config_of(settings), policy)  # takes the event loop that runs
    loop.server_manager = server or loop.server_manager
    return await loop.run({"temperature": 1.0, "logprobs": True}, extra_info=info)


@needs_verl
@pytest.mark.parametrize(
    ("info", "text"),
    [
        ({"question": "Which?", "answer": "B", "choices": ["x", "y"]}, "(B) y"),
        ({"question": "Who?", "answer": "Ada", "answers": ["Lovelace"]}, "Lovelace"),
    ],
)
def test_verifier_is_the_one_that_the_task_needs(info, text):
    """The rewards of completions that all state a right answer, in the task's own form."""
    policy = load_policy("tiny")
    settings = {"allocator": "shared", "optimizer": "grpo", "group_size": 4}
    outputs = asyncio.run(outputs_of(policy, settings, info, Saying(policy.tokenizer, text)))
    assert [output.reward_score for output in outputs] == [1.0] * 8


class Saying:
    """verl's client of servers that all say the same."""

    def __init__(self, tokenizer, text, stop_reason="completed"):
        self.ids = tokenizer.encode(rf"\boxed{{{text}}}", add_special_tokens=False)
        self.stop_reason = stop_reason

    async def generate(self, request_id, **_):
        from verl.workers.rollout.replica import TokenOutput

        logprobs = [0.0] * len(self.ids)
        return TokenOutput(token_ids=self.ids, log_probs=logprobs, stop_reason=self.stop_reason)


@needs_verl
def test_group_without_advantages_is_reported(caplog):
    policy = load_policy("tiny")
    server = Saying(policy.tokenizer, "2", "aborted")
    assert asyncio.run(outputs_of(policy, SETTINGS, server=server)) == []
    said = "task '-' has no advantages in this step: verl's server stopped: aborted"
    assert said in caplog.messages


@needs_verl
def test_loop_passes_the_sampling_of_verl_on():
    policy = load_policy("tiny")
    loop_config = config_of({**SETTINGS, "max_tokens": 5})

    async def run():
        loop = loop_of(loop_config, policy)
        info = {"question": "1+1", "answer": "2"}
        return loop, await loop.run({"temperature": 0.7, "logprobs": True}, extra_info=info)

    loop, outputs = asyncio.run(run())
    assert all(len(output.response_ids) <= 5 for output in outputs)
    assert all(len(o.response_logprobs) == len(o.response_ids) for o in outputs)
    expected = {"temperature": 0.7, "logprobs": True, "max_tokens": 5}
    assert all(parameters == expected for parameters in loop.server_manager.parameters)


@needs_verl
@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"weights": "separate"}, "weights must be 'shared'"),
        ({"allocator": "critic"}, "must read hidden states"),
        ({"allocator": "influence"}, "a model in this process"),
        ({"optimizer_args": {"std": "perhaps"}}, "std"),
    ],
)
def test_settings_that_do_not_fit_are_refused(settings, message):
    with pytest.raises(ValueError, match=message):
        asyncio.run(outputs_of(load_policy("tiny"), {"optimizer": "grpo", **settings}))


@needs_verl
def test_launch_is_checked_before_its_first_step():
    from omegaconf import OmegaConf
    from verl.trainer.ppo.v1 import AgentLoopManagerTQ

    from baselines.integrations.verl_launch import TeamLoopManager

    config = OmegaConf.create(copy.deepcopy(FITS))
    config.actor_rollout_ref.model = {}
    assert isinstance(TeamLoopManager(config, llm_client=None), AgentLoopManagerTQ)
    config.algorithm.adv_estimator = "grpo"
    with pytest.raises(ValueError, match="pass algorithm"):
        TeamLoopManager(config, llm_client=None)


@needs_verl
def test_estimator_refuses_a_penalty_on_its_rewards():
    from baselines.integrations.verl import external_credit

    with pytest.raises(ValueError, match="use_kl_in_reward must be False"):
        external_credit(torch.ones(1, 2), torch.ones(1, 2), config={"use_kl_in_reward": True})


@needs_verl
def test_verl_finds_the_plugin_by_its_entry_point():
    code = (
        "import verl, verl.trainer.ppo.core_algos as algos\n"
        "from verl.experimental.agent_loop.agent_loop import _agent_loop_registry as loops\n"
        "print(algos.get_adv_estimator_fn('external_credit').__module__, loops['ccpo_team'])"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("baselines.integrations.verl ")
    assert "baselines.integrations.verl.TeamAgentLoop" in done.stdout


def test_entry_point_names_the_plugin():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    assert project["entry-points"]["verl.plugins"] == {"ccpo": "baselines.integrations.verl"}
    assert importlib.util.find_spec("baselines.integrations.verl") is not None


def test_plugin_says_what_to_install():
    code = "import sys; sys.modules['verl'] = None; import baselines.integrations.verl"
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 1
    error = done.stderr.strip().splitlines()[-1]
    assert error.startswith("ImportError: the verl plugin must have verl 0.9.1 installed")
    assert "pip install --no-deps verl==0.9.1" in error
