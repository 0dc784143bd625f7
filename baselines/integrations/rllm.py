"""Train a team with rLLM: a workflow that plays whole groups, and an estimator for each role.

Written against the recorded interface of rLLM, and never launched: its trainer is in no package
index. The advantage of a completion is in the metadata of its trajectory, from which the estimator
`ESTIMATOR` takes it; a role with another estimator is credited by that one, from the team's reward.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from baselines.common.types import FloatArray
from baselines.integrations.session_settings import OtherTrainer, team_settings
from baselines.integrations.sessions import play_group
from baselines.integrations.task_rows import task_of
from baselines.policies.base import Completion, Prompt, Sampling

try:
    from rllm.trainer.algorithms.advantage import register_rllm_adv_estimator
    from rllm.types import Episode, Step, Trajectory
    from rllm.workflows.workflow import Workflow
except ImportError as error:
    raise ImportError(
        f"the workflow for rLLM must have the package rllm installed, got {error}; see "
        f"docs/integrations.md"
    ) from error

ESTIMATOR = "external_credit"
"""Name of the estimator, for the roles in traj_group_adv_estimator_map."""
ADVANTAGE = "advantage"
"""Name of the advantage in the metadata of a trajectory."""
RLLM = OtherTrainer(
    name="rLLM",
    key="team",
    flag="team.",
    loss="rllm.algorithm",
    instead={"policy": "model.name", "temperature": "the sampling of rollout_engine"},
)


@register_rllm_adv_estimator(ESTIMATOR)  # type: ignore[untyped-decorator]  # not annotated
def external_credit(
    rewards: Sequence[FloatArray],
    algorithm_config: Any,  # noqa: ARG001  rLLM passes it
    *,
    traj_groups: Sequence[Any],
    **given: object,  # noqa: ARG001  rLLM passes all arguments
) -> tuple[list[FloatArray], list[FloatArray]]:
    """Return the advantages that the workflow has computed, twice, as rLLM asks for returns, too.

    Args:
        rewards: Rewards of the trajectories of each group, (N,) per group.
        algorithm_config: Ignored.
        traj_groups: The groups, aligned with rewards.
        **given: Ignored.

    Raises:
        ValueError: If a trajectory has no advantage.
    """
    found = []
    for group, own in zip(traj_groups, rewards, strict=True):
        values = [(each.metadata or {}).get(ADVANTAGE) for each in group.trajectories]
        if None in values or len(values) != len(own):
            raise ValueError(
                f"trajectories must have an advantage in their metadata, got "
                f"{values.count(None)} of {len(own)} without in group {group.group_id!r}; play "
                f"them with TeamWorkflow"
            )
        found.append(np.asarray(values, dtype=np.float64))
    return found, found


class TeamWorkflow(Workflow):  # type: ignore[misc]  # rLLM is not installed here
    """Plays the whole group of one task; every completion is a trajectory, named after its role.

    Args:
        rollout_engine: Samples, for all roles.
        *given: Of rLLM.
        team: Settings of the team and its credit, by name; see `session_settings.READ`.
        max_tokens: Length limit of completions, unless the team sets one.
        is_precomputed: Whether rllm.algorithm.use_precomputed_advantage is set: advantages are
            then written to the steps, and no role needs an estimator.
        **named: Of rLLM.

    Raises:
        ValueError: If a setting is invalid, or the credit needs groups of other sessions.
    """

    def __init__(
        self,
        rollout_engine: Any,
        *given: Any,
        team: Mapping[str, Any],
        max_tokens: int = 1024,
        is_precomputed: bool = False,
        **named: Any,
    ) -> None:
        super().__init__(rollout_engine, *given, **named)
        self._is_precomputed = is_precomputed
        self._config = team_settings(team, RLLM)
        self._max_tokens = max_tokens

    async def run(self, task: Mapping[str, Any], uid: str, **given: Any) -> Episode:
        """Return the group as one episode, without trajectories if too few were measured.

        Args:
            task: A row with the columns of `task_rows.columns_of`.
            uid: Of the session.
            **given: Passed to the engine.
        """
        self.reset(task, uid)
        outputs: dict[int, tuple[str, Prompt, Completion, Any]] = {}

        async def complete(role: str, prompt: Prompt, sampling: Sampling) -> Completion:
            stops = {} if sampling.stop is None else {"stop": [sampling.stop]}
            limit = sampling.max_tokens or self._max_tokens
            output = await self.rollout_engine.get_model_response(
                list(prompt.messages), **{**given, **stops, "max_tokens": limit}
            )
            completion = _completion(output)
            outputs[id(completion)] = role, prompt, completion, output
            return completion

        group = await play_group(
            self._config, task_of(task), complete, max_tokens=self._max_tokens, session=(uid,)
        )
        trajectories = []
        for row in group.rows:
            role, prompt, _, output = outputs[id(row.completion)]
            step = Step.from_model_output(output, messages=list(prompt.messages))
            if self._is_precomputed:
                step.advantage = [row.advantage] * len(step.response_ids)
            trajectories.append(
                Trajectory(
                    name=role,
                    task=task,
                    steps=[step],
                    reward=row.reward,
                    metadata={"agent": row.agent, ADVANTAGE: row.advantage},
                )
            )
        return Episode(
            id=uid,
            task=task,
            trajectories=trajectories,
            is_correct=group.accuracy > 0,
            metrics={"accuracy": group.accuracy},
        )


def _completion(output: Any) -> Completion:
    """Return what the engine has sampled: the text with its tokens, if it has any."""
    ids = tuple(output.completion_ids or ())
    if not ids:
        return Completion("", failure=f"rLLM's engine stopped: {output.finish_reason}")
    text = output.content if output.text is None else output.text
    return Completion(text or "", tuple(output.prompt_ids or ()), ids, tuple(output.logprobs or ()))
