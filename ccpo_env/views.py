"""A team as a single-agent Gymnasium environment; the teammates are functions."""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping
from typing import Any

import gymnasium

from ccpo_env.environments import think_solve_v0
from ccpo_env.errors import unknown_name
from ccpo_env.shared_reward import RENDER_MODES, SharedRewardEnv
from ccpo_env.signal import SignalEnv

Partner = Callable[[Any], Any]
"""Maps a teammate's observation to its action."""


class AgentView(gymnasium.Env[Any, Any]):
    """Single-agent view of an episode: teammates act between the agent's turns.

    Observation, Action: the agent's own.
    Reward: the team's.
    Termination, Truncation: the episode's.
    Options: those of the environment.
    Versions: v0.

    Args:
        env: The team environment; only this view may reset and step it.
        role: The agent to control, such as "solver_0".
        partners: A function for each teammate that is not removed.

    Raises:
        ValueError: If the role or a partner is not an agent of the team.
    """

    metadata: dict[str, Any] = {"render_modes": list(RENDER_MODES), "render_fps": 1}  # noqa: RUF012

    def __init__(
        self, env: SharedRewardEnv[Any, Any, Any], *, role: str, partners: Mapping[str, Partner]
    ) -> None:
        for agent in (role, *partners):
            if agent not in env.possible_agents:
                raise unknown_name("role", agent, env.possible_agents)
        self._env = env
        self._role = role
        self._partners = dict(partners)
        self.observation_space = env.observation_space(role)
        self.action_space = env.action_space(role)
        self.render_mode = env.render_mode

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[Any, dict[str, Any]]:
        """Start an episode and play teammates until this agent's turn.

        Raises:
            ValueError: If the options remove this agent, or a teammate has no partner.
        """
        super().reset(seed=seed)
        self._env.reset(seed=seed, options=options)
        if self._role not in self._env.agents:
            raise ValueError(
                f"removed must not hold the view's own agent, got {self._role!r}; remove a teammate"
            )
        self._play_partners()
        return self._env.observe(self._role), self._info()

    def step(self, action: Any) -> tuple[Any, float, bool, bool, dict[str, Any]]:
        """Act, and play teammates until this agent's next turn or the end."""
        self._env.step(action)
        self._play_partners()
        is_over = self._env.terminations[self._role] or self._env.truncations[self._role]
        reward = float(self._env.rewards[self._role]) if is_over else 0.0
        return (
            self._env.observe(self._role),
            reward,
            bool(self._env.terminations[self._role]),
            bool(self._env.truncations[self._role]),
            self._info(),
        )

    def render(self) -> Any:
        """Render the team environment."""
        return self._env.render()

    def _play_partners(self) -> None:
        while not any(self._env.terminations.values()) and not any(self._env.truncations.values()):
            agent = self._env.agent_selection
            if agent == self._role:
                return
            if agent not in self._partners:
                raise ValueError(
                    f"partners must hold a function for each teammate that is not removed, got "
                    f"none for {agent!r}; pass partners={{{agent!r}: lambda observation: ...}}"
                )
            self._env.step(self._partners[agent](self._env.observe(agent)))

    def _info(self) -> dict[str, Any]:
        return copy.deepcopy(self._env.infos[self._role])


def think_solve_view(
    role: str = "solver_0",
    partners: Mapping[str, Partner] | None = None,
    render_mode: str | None = None,
    **settings: Any,
) -> AgentView:
    """Make ``gymnasium.make("ccpo_env/ThinkSolve-v0", role=..., partners=...)``.

    Args:
        role: The agent to control.
        partners: Functions from a teammate's observation to its text. None: empty messages.
        render_mode: None, "ansi", "human" or "rgb_array".
        **settings: Arguments of `think_solve_v0`.
    """
    env = think_solve_v0.raw_env(render_mode=render_mode, **settings)
    silent = {agent: _empty_message for agent in env.possible_agents if agent != role}
    return AgentView(env, role=role, partners=silent if partners is None else partners)


def signal_view(
    role: str = "thinker_0",
    partners: Mapping[str, Partner] | None = None,
    render_mode: str | None = None,
    **settings: Any,
) -> AgentView:
    """Make ``gymnasium.make("ccpo_env/Signal-v0", role=..., partners=...)``.

    Args:
        role: "thinker_0" or "solver_0".
        partners: A function from the teammate's observation to its action. None: a thinker that
            encodes the second number, or a solver that decodes it.
        render_mode: None, "ansi", "human" or "rgb_array".
        **settings: Arguments of `SignalEnv`.
    """
    env = SignalEnv(render_mode=render_mode, **settings)
    experts = {"thinker_0": env.expert_symbols, "solver_0": env.expert_answer}
    chosen = {agent: expert for agent, expert in experts.items() if agent != role}
    return AgentView(env, role=role, partners=chosen if partners is None else partners)


for _make in (think_solve_view, signal_view):
    vars(_make)["metadata"] = AgentView.metadata  # gymnasium.make reads the render modes there


def _empty_message(_observation: Any) -> str:
    return ""
