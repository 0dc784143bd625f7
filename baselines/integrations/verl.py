"""Train a team with verl: an agent loop that plays whole groups and passes on advantages.

verl finds this module by the entry point group ``verl.plugins`` and imports it in every worker. It
copies the reward of the last output of a session to all of its outputs, so each session plays the
whole group of a task, and the advantage of each output is passed in its rm_scores.
"""

from __future__ import annotations

import logging
from bisect import bisect_left
from collections.abc import Callable, Mapping, Sequence
from functools import cached_property
from typing import TYPE_CHECKING, Any
from uuid import uuid4

from baselines.integrations.advantage_log import log_advantages
from baselines.integrations.credited import CreditedRow
from baselines.integrations.sessions import play_group
from baselines.integrations.task_rows import task_of
from baselines.integrations.verl_checks import AGENT_LOOP, ESTIMATOR
from baselines.integrations.verl_settings import settings_in, team_settings
from baselines.policies.base import Completion, Prompt, Sampling
from baselines.policies.local.prompt_reader import PromptReader
from ccpo_env.types import Role

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

logger = logging.getLogger(__name__)
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

    The task is the row's extra_info, see `task_of`. Settings are those of `team_settings` under the
    key ccpo of verl's config; all roles share the weights.
    """

    async def run(self, sampling_params: dict[str, Any], **row: Any) -> list[CreditedOutput]:
        """Return the outputs of a group, empty if too few rollouts were measured."""
        servers, task = _Servers(self, sampling_params), task_of(row["extra_info"])
        group = await play_group(
            team_settings(settings_in(self.config)),
            task,
            servers.complete,
            max_tokens=self.rollout_config.response_length,
            session=(row.get("global_steps"), row.get("session_id")),
        )
        if not group.rows:
            reason = servers.failure or "its measured rollouts are too few, or of equal reward"
            logger.warning("task %r has no advantages in this step: %s", task.id, reason)
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
        # Of the whole group, because verl copies it from the last output to all.
        shared = {"reward_extra_info": {"accuracy": group.accuracy}, **servers.versions}
        return [_output(each, shared) for each in group.rows]

    def encode(self, prompt: Prompt) -> list[int]:
        """Return the token ids of a prompt, cut to verl's limit."""
        (ids,) = self._reader.read([prompt])
        capped: list[int] = self._cap_text_prompt_length(list(ids))
        return capped

    @cached_property
    def _reader(self) -> PromptReader:
        return PromptReader(self.tokenizer, self.apply_chat_template_kwargs)


class _Servers:
    """Samples from verl's servers, and remembers the versions of their weights."""

    def __init__(self, owner: TeamAgentLoop, parameters: Mapping[str, Any]) -> None:
        self._owner = owner
        self._parameters = parameters
        self._versions: list[int] = []
        self.failure: str | None = None

    @property
    def versions(self) -> dict[str, int]:
        """Oldest and newest weights that answered, as verl names them.

        Those of all answers together, because the advantage of each completion depends on all.
        """
        if not self._versions:
            return {}
        return {
            "min_global_steps": min(self._versions),
            "max_global_steps": max(self._versions),
        }

    async def complete(self, role: Role, prompt: Prompt, sampling: Sampling) -> Completion:
        """Return the completion of a prompt, at verl's temperature."""
        owner = self._owner
        most = owner.rollout_config.response_length
        prompt_ids = owner.encode(prompt)
        length = min(sampling.max_tokens or most, most)
        parameters = {**self._parameters, "max_tokens": length}
        if sampling.stop is not None:
            parameters["stop"] = [sampling.stop]
        output = await owner.server_manager.generate(
            request_id=uuid4().hex, prompt_ids=prompt_ids, sampling_params=parameters
        )
        self._remember(output.extra_fields)
        ids = tuple(output.token_ids[:length])
        if output.stop_reason == "aborted" or not ids:
            self.failure = f"verl's server stopped: {output.stop_reason}"
            return Completion("", failure=self.failure)
        if sampling.stop is not None:
            ids = cut_after(ids, sampling.stop, self._decode)
        logprobs = tuple(output.log_probs[: len(ids)]) if output.log_probs else ()
        return Completion(
            self._decode(ids),
            tuple(prompt_ids),
            ids,
            logprobs,
            temperature=self._parameters.get("temperature", 1.0),
            max_tokens=length,
        )

    def _decode(self, ids: Sequence[int]) -> str:
        text: str = self._owner.tokenizer.decode(
            list(ids), skip_special_tokens=True, clean_up_tokenization_spaces=False
        )
        return text

    def _remember(self, fields: Mapping[str, Any]) -> None:
        given = (fields.get("min_global_steps"), fields.get("max_global_steps"))
        self._versions += [version for version in given if version is not None]


def cut_after(
    ids: tuple[int, ...], stop: str, decode: Callable[[Sequence[int]], str]
) -> tuple[int, ...]:
    """Return the tokens up to the one that completes a stop text; all, if none does.

    Servers end a completion there, but some take further tokens along, and some know no stop texts.
    """
    if stop not in decode(ids):
        return ids
    end = bisect_left(range(len(ids)), True, key=lambda place: stop in decode(ids[: place + 1]))
    return ids[: end + 1]


def _output(row: CreditedRow, shared: Mapping[str, Any]) -> CreditedOutput:
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
        extra_fields={**shared, "turn_scores": [], "tool_rewards": []},
    )
