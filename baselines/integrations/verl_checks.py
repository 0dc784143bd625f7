"""What a launch of verl must be set to, where another value would train on wrong advantages."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from baselines.integrations.verl_settings import KEY, team_settings
from baselines.rollouts.team_env import taskless_env

AGENT_LOOP = "ccpo_team"
"""Name of the agent loop: actor_rollout_ref.rollout.agent.default_agent_loop."""
ESTIMATOR = "external_credit"
"""Name of the advantage estimator: algorithm.adv_estimator."""
ROLLOUT, ACTOR = "actor_rollout_ref.rollout", "actor_rollout_ref.actor"
WANTED: Mapping[str, tuple[object, str]] = {
    "algorithm.adv_estimator": (ESTIMATOR, "others take our advantages for rewards"),
    f"{ROLLOUT}.agent.default_agent_loop": (AGENT_LOOP, "others play no team"),
    f"{ROLLOUT}.n": (1, "a session plays a whole group"),
    "algorithm.use_kl_in_reward": (False, "rewards are advantages; use actor.use_kl_loss"),
    "algorithm.filter_groups.enable": (False, "rewards are advantages; use +ccpo.optimizer=dapo"),
    "trainer.val_before_train": (False, "rewards are advantages; use ccpo evaluate"),
}
"""Keys, the value of each that fits, and why no other does."""


def check_launch(config: Mapping[str, Any]) -> None:
    """Check the configuration of a launch.

    Args:
        config: The whole configuration of verl, as plain Python values.

    Raises:
        ValueError: If a key does not fit, or a setting of the team is invalid.
    """
    for key, (wanted, why) in WANTED.items():
        value = _at(config, key)
        if value != wanted:
            raise ValueError(
                f"{key} must be {_shown(wanted)} with a team's credit, because {why}, got "
                f"{_shown(value)}; pass {key}={_shown(wanted)}"
            )
    if _at(config, "trainer.test_freq") > 0:
        raise ValueError(
            f"trainer.test_freq must be -1 with a team's credit, because rewards are advantages, "
            f"got {_at(config, 'trainer.test_freq')}; validate with ccpo evaluate"
        )
    _check_sizes(config)


def _check_sizes(config: Mapping[str, Any]) -> None:
    team = team_settings(config.get(KEY) or {})
    turns = len(taskless_env(team).unwrapped.topology.turns)
    tasks, size = _at(config, "data.train_batch_size"), _at(config, f"{ACTOR}.ppo_mini_batch_size")
    rows = tasks * team.group_size * turns
    if rows % size:
        raise ValueError(
            f"{ACTOR}.ppo_mini_batch_size must divide the completions of a step, "
            f"data.train_batch_size x group_size x turns = {tasks} x {team.group_size} x {turns} = "
            f"{rows}, because verl pads to a multiple, got {size}; pass "
            f"{ACTOR}.ppo_mini_batch_size={rows}"
        )


def _at(config: Mapping[str, Any], key: str) -> Any:
    value: Any = config
    for name in key.split("."):
        value = value[name]
    return value


def _shown(value: object) -> str:
    """Return a value as a command line of verl has it."""
    return str(value).lower() if isinstance(value, bool) else str(value)
