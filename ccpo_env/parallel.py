"""A team whose agents act at once, as a PettingZoo environment of simultaneous actions."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt
from gymnasium import spaces
from pettingzoo import ParallelEnv

from ccpo_env.cycles import is_simultaneous
from ccpo_env.env import TeamAnswerEnv
from ccpo_env.episode import EpisodeState
from ccpo_env.errors import unknown_name
from ccpo_env.prompts import chat_messages
from ccpo_env.types import Observation


class ParallelTeamEnv(ParallelEnv[str, Observation, str]):
    """The episodes of a team environment, with the actions of a whole cycle in each step.

    Observation, Action, Reward, Termination, Truncation, Versions: those of the team environment;
        the same messages lead to the same rewards. ``infos[agent]["messages"]`` is filled for
        every agent that acts next.
    Options: ``task`` and ``removed`` of the team environment; ``prefix`` messages of whole cycles.

    Args:
        env: The team environment; only this object may reset and step it.

    Raises:
        ValueError: If an agent of the team reads another one of the same cycle.
    """

    def __init__(self, env: TeamAnswerEnv) -> None:
        if not is_simultaneous(env.topology.turns):
            raise ValueError(
                f"agents of a parallel environment must act without reading each other in a "
                f"cycle, got the topology {env.topology.name!r}; use the AEC environment"
            )
        self._env = env
        self.metadata = env.metadata
        self.render_mode = env.render_mode
        self.possible_agents = list(env.possible_agents)
        self.agents: list[str] = []
        self.observation_spaces = env.observation_spaces
        self.action_spaces = env.action_spaces

    def observation_space(self, agent: str) -> spaces.Space[Observation]:
        """Return the agent's observation space, the same object on every call."""
        return self.observation_spaces[agent]

    def action_space(self, agent: str) -> spaces.Space[str]:
        """Return the agent's action space, the same object on every call."""
        return self.action_spaces[agent]

    def reset(
        self, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[dict[str, Observation], dict[str, dict[str, Any]]]:
        """Start an episode.

        Raises:
            ValueError: If a prefix ends within a cycle, or as the team environment's `reset` does.
        """
        env = copy.copy(self._env)  # a reset replaces what an episode modifies
        env.reset(seed=seed, options=options)
        self._show(env)
        return self._observations(env.agents), env.infos

    def step(
        self, actions: Mapping[str, str]
    ) -> tuple[
        dict[str, Observation],
        dict[str, float],
        dict[str, bool],
        dict[str, bool],
        dict[str, dict[str, Any]],
    ]:
        """Take a turn of every agent; nothing changes if an action is refused.

        Args:
            actions: The message of each agent in `agents`; none after the end.

        Raises:
            ValueError: If an agent has no action, or an action has no agent.
            TypeError: If an action is not text.
        """
        for agent in actions:
            if agent not in self.agents:
                raise unknown_name("agent", agent, self.agents, of="actions")
        missing = [agent for agent in self.agents if agent not in actions]
        if missing:
            raise ValueError(
                f"actions must hold a message of every agent, got none of {missing}; pass '' for "
                f"an agent that says nothing"
            )
        agents, env = self.agents, self._env.fork()
        for agent in agents:
            env.step(actions[agent])
        self._show(env)
        return (
            self._observations(agents),
            {agent: env.rewards[agent] for agent in agents},
            {agent: env.terminations[agent] for agent in agents},
            {agent: env.truncations[agent] for agent in agents},
            {agent: env.infos[agent] for agent in agents},
        )

    def render(self) -> str | npt.NDArray[np.uint8] | None:
        """Render the team environment."""
        return self._env.render()

    def close(self) -> None:
        """Do nothing: the environment holds no resources."""

    def snapshot(self) -> EpisodeState:
        """Return the exact state of the episode and of the stream of tasks.

        Returns:
            The snapshot of the team environment between two cycles, which it can restore as well.

        Raises:
            RuntimeError: Before the first reset.
        """
        return self._env.snapshot()

    def restore(self, state: EpisodeState) -> None:
        """Return to a snapshot of this environment, or of the team environment between cycles.

        Raises:
            ValueError: If the snapshot is of another topology, or was taken within a cycle.
        """
        env = copy.copy(self._env)
        env.restore(state)
        self._show(env)

    def _observations(self, agents: list[str]) -> dict[str, Observation]:
        return {agent: self._env.observe(agent) for agent in agents}

    def _show(self, env: TeamAnswerEnv) -> None:
        """Go on with an environment whose episode is over or before a cycle."""
        if env.verdict is not None:
            self._env, self.agents = env, []
            return
        agents = list(env.agents)
        if env.agent_selection != agents[0]:
            raise ValueError(
                f"an episode must go on before a cycle of {agents}, got "
                f"{len(env.messages)} messages; pass a prefix or a snapshot of whole cycles"
            )
        for agent in agents:
            turn = env._conversation.turn_of(agent)
            assert turn is not None
            env.infos[agent]["messages"] = chat_messages(*env._conversation.prompt_parts(turn))
        self._env, self.agents = env, agents
