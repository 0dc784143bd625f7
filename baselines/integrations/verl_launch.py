"""Checks a launch of verl before its first step; verl imports this module by its name.

That is ``actor_rollout_ref.rollout.agent.agent_loop_manager_class``.
"""

from __future__ import annotations

from typing import Any

try:
    from verl.trainer.ppo.v1 import AgentLoopManagerTQ
except ImportError as error:
    raise ImportError(
        f"the launch of verl must have verl installed, got {error}; see docs/integrations.md"
    ) from error

from baselines.integrations.verl_checks import check_launch


class TeamLoopManager(AgentLoopManagerTQ):  # type: ignore[misc]  # verl is not annotated
    """verl's manager of agent loops, of a launch that `check_launch` accepts.

    Raises:
        ValueError: If it does not.
    """

    def __init__(self, config: Any, *given: Any, **named: Any) -> None:
        from omegaconf import OmegaConf

        plain: Any = OmegaConf.to_container(config, resolve=True)
        check_launch(plain)
        super().__init__(config, *given, **named)
