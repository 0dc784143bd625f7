"""Train a team with verl: an agent loop that plays whole groups and passes on advantages.

verl finds this module by the entry point group ``verl.plugins`` and imports it in every worker. It
copies the reward of the last output of a session to all of its outputs, so each session plays the
whole group of a task, and the advantage of each output is passed in its rm_scores.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from functools import cached_property
from typing import TYPE_CHECKING, Any
from uuid import uuid4

import numpy as np

from baselines.credit import ALLOCATORS
from baselines.integrations.advantage_log import log_advantages
from baselines.integrations.credited import CreditedRollouts, CreditedRow
from baselines.optimizers import OPTIMIZERS
from baselines.policies.base import Completion, Prompt, Sampling
from baselines.policies.local.prompt_reader import PromptReader
from baselines.train.config import TrainConfig
from baselines.train.config_file import with_settings
from ccpo_env.types import Task

try:
    from verl.experimental.agent_loop.agent_loop import (
        AgentLoopBase,
        AgentLoopMetrics,
        AgentLoopOutput,
        register,
    )
    from verl.trainer.ppo.core_algos import register_adv_est
except ImportError as error:
    raise ImportError(
        f"the verl plugin must have verl 0.9.1 installed with all that it imports, got {error}; "
        f"pip install --no-deps verl==0.9.1 in a separate environment, see docs/integrations.md"
    ) from error

if TYPE_CHECKING:
    import torch

AGENT_LOOP = "ccpo_team"
"""Name of the agent loop: actor_rollout_ref.rollout.agent.default_agent_loop."""
ESTIMATOR = "external_credit"
"""Name of the advantage estimator: algorithm.adv_estimator."""
SETTINGS_KEY = "ccpo"
"""Key of the team's settings in verl's config: ``+ccpo.allocator=branch``."""
LOG_KEY = "ccpo_advantage_log"
"""Key of the file for all advantages: ``+ccpo_advantage_log=/data/advantages.jsonl``."""


@register_adv_est(ESTIMATOR)  # type: ignore[untyped-decorator]  # verl is not annotated
def external_credit(
    token_level_rewards: torch.Tensor,
    response_mask: torch.Tensor,
    config: Any = None,
    **given: object,  # noqa: ARG001  verl passes all arguments
) -> tuple[torch.Tensor, torch.Tensor]:
    """Return the advantages that the agent loop has stored in the rewards.

    advantage[b, t] = mask[b, t] * sum over t of token_level_rewards[b, t]

    Args:
        token_level_rewards: The advantage of each row, on its last token, shape (B, T).
        response_mask: 1 where the policy chose the token, shape (B, T).
        config: verl's algorithm config.
        **given: Ignored.

    Returns:
        Advantages and returns, which are the same, shape (B, T).

    Raises:
        ValueError: If verl subtracts a KL penalty from the rewards, which are advantages here.
    """
    if config is not None and config.get("use_kl_in_reward", False):
        raise ValueError(
            "use_kl_in_reward must be False with external_credit, whose rewards are advantages, "
            "got True; use actor.use_kl_loss instead"
        )
    advantages = token_level_rewards.sum(dim=-1, keepdim=True) * response_mask
    return advantages, advantages


class CreditedOutput(AgentLoopOutput):  # type: ignore[misc]  # verl is not annotated
    """One completion with its own advantage."""

    advantage: float

    def as_dict(self) -> dict[str, Any]:
        """Return verl's fields, with the advantage in place of the reward."""
        import torch

        fields: dict[str, Any] = super().as_dict()
        fields.pop("advantage")
        fields["rm_scores"] = torch.zeros(len(self.response_ids), dtype=torch.float32)
        fields["rm_scores"][-1] = self.advantage
        return fields


@register(AGENT_LOOP)
class TeamAgentLoop(AgentLoopBase):  # type: ignore[misc]
    """Plays the whole group of one task; every completion is one output.

    The task is the row's extra_info: question, answer, and index as its id. Settings are those of
    `TrainConfig` under the key ccpo of verl's config; weights are shared.
    """

    async def run(self, sampling_params: dict[str, Any], **row: Any) -> list[CreditedOutput]:
        """Return the outputs of a group, empty if too few rollouts were measured."""
        loop = asyncio.get_running_loop()
        policy = _ServerPolicy(self, sampling_params, loop)
        task = task_of(row["extra_info"])
        rollouts = CreditedRollouts(
            team_settings(self.config.get(SETTINGS_KEY) or {}),
            policy,
            [task],
            max_tokens=self.rollout_config.response_length,
        )
        rng = np.random.default_rng(0)  # the server draws
        (group,) = await loop.run_in_executor(None, lambda: rollouts.play([task], rng=rng))
        if group.rows and (path := self.config.get(LOG_KEY)):
            log_advantages(
                path,
                uid=[row.get("uid", uuid4().hex)] * len(group.rows),
                role=[each.agent for each in group.rows],
                reward=[each.reward for each in group.rows],
                advantage=[each.advantage for each in group.rows],
                step=row.get("global_steps"),
                num_tokens=[len(each.completion.token_ids) for each in group.rows],
            )
        accuracy = float(np.mean([row.reward > 0 for row in group.rows])) if group.rows else 0.0
        return [_output(row, accuracy) for row in group.rows]

    def encode(self, prompt: Prompt) -> list[int]:
        """Return the token ids of a prompt, cut to verl's limit."""
        (ids,) = self._reader.read([prompt])
        capped: list[int] = self._cap_text_prompt_length(list(ids))
        return capped

    @cached_property
    def _reader(self) -> PromptReader:
        return PromptReader(self.tokenizer, self.apply_chat_template_kwargs)


class _ServerPolicy:
    """Samples from verl's servers, from a thread other than the event loop's."""

    def __init__(
        self,
        owner: TeamAgentLoop,
        parameters: Mapping[str, Any],
        loop: asyncio.AbstractEventLoop,
    ) -> None:
        self._owner = owner
        self._parameters = parameters
        self._loop = loop

    def sample(
        self, prompts: Sequence[Prompt], *, sampling: Sampling, rng: np.random.Generator
    ) -> list[Completion]:
        """Return one completion per prompt, at verl's temperature."""

        async def all_of_them() -> list[Completion]:
            return list(await asyncio.gather(*(self._one(p, sampling) for p in prompts)))

        return asyncio.run_coroutine_threadsafe(all_of_them(), self._loop).result()

    async def _one(self, prompt: Prompt, sampling: Sampling) -> Completion:
        owner = self._owner
        most = owner.rollout_config.response_length
        prompt_ids = owner.encode(prompt)
        length = min(sampling.max_tokens or most, most)
        output = await owner.server_manager.generate(
            request_id=uuid4().hex,
            prompt_ids=prompt_ids,
            sampling_params={**self._parameters, "max_tokens": length},
        )
        ids = tuple(output.token_ids[:length])
        if output.stop_reason == "aborted" or not ids:
            return Completion("", failure=f"verl's server stopped: {output.stop_reason}")
        text = owner.tokenizer.decode(list(ids), skip_special_tokens=True)
        logprobs = tuple(output.log_probs[:length]) if output.log_probs else ()
        return Completion(
            text,
            tuple(prompt_ids),
            ids,
            logprobs,
            temperature=self._parameters.get("temperature", 1.0),
            max_tokens=length,
        )


def team_settings(settings: Mapping[str, Any]) -> TrainConfig:
    """Return the settings of a team from verl's config.

    Raises:
        ValueError: If a setting is invalid, or the credit needs groups of other sessions.
    """
    given = {str(name): value for name, value in settings.items()}
    unknown = set(given) - set(TrainConfig.__dataclass_fields__)
    if unknown:
        raise ValueError(
            f"ccpo must hold settings of ccpo train, got {', '.join(sorted(unknown))}; see "
            f"ccpo train --help"
        )
    config = with_settings(TrainConfig(weights="shared"), given)
    config.check()
    if OPTIMIZERS[config.optimizer].whitens or ALLOCATORS[config.allocator].new_state:
        raise ValueError(
            f"credit must need one group alone in verl, whose sessions do not meet, got "
            f"{config.allocator!r} with {config.optimizer!r}; choose an optimizer that does not "
            f"whiten and an allocator that remembers nothing"
        )
    return config


def task_of(extra_info: Mapping[str, Any]) -> Task:
    """Return the task of a row.

    Raises:
        ValueError: If the row has none.
    """
    missing = {"question", "answer"} - set(extra_info)
    if missing:
        raise ValueError(
            f"extra_info must hold question and answer, got {sorted(extra_info)}; write the data "
            f"see docs/integrations.md"
        )
    index = str(extra_info.get("index", "-"))
    return Task(index, str(extra_info["question"]), str(extra_info["answer"]))


def _output(row: CreditedRow, accuracy: float) -> CreditedOutput:
    completion = row.completion
    return CreditedOutput(
        prompt_ids=list(completion.prompt_ids),
        response_ids=list(completion.token_ids),
        response_mask=[1] * len(completion.token_ids),
        response_logprobs=list(completion.logprobs) or None,
        reward_score=row.reward,  # otherwise verl calls its reward workers
        advantage=row.advantage,
        num_turns=2,
        metrics=AgentLoopMetrics(),
        # Of the whole group, because verl copies it from the last output to all.
        extra_fields={
            "reward_extra_info": {"accuracy": accuracy},
            "turn_scores": [],
            "tool_rewards": [],
        },
    )
