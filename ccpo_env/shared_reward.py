"""Base class of the team environments: one shared reward at the end."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any, Generic, Literal, TypeVar, overload

import numpy as np
import numpy.typing as npt
from gymnasium import spaces
from pettingzoo import AECEnv

from ccpo_env.picture import picture
from ccpo_env.reset_options import check_removed

ObsT = TypeVar("ObsT")
ActT = TypeVar("ActT")
StateT = TypeVar("StateT")

RENDER_MODES = ("ansi", "human", "rgb_array")


class SharedRewardEnv(AECEnv[str, ObsT, ActT], Generic[ObsT, ActT, StateT]):
    """Base class of environments that give every agent the same reward, once, at the end.

    Args:
        agents: All agents, in the order in which they first act.
        removed: Agents removed in every episode, unless the options of reset say otherwise.
        render_mode: None, "ansi" (`render` returns the episode as text), "human" (prints it) or
            "rgb_array" (returns a picture of it).
    """

    metadata: dict[str, Any] = {  # noqa: RUF012  PettingZoo wants a plain class attribute
        "render_modes": list(RENDER_MODES),
        "is_parallelizable": False,
        "render_fps": 1,
    }

    def __init__(
        self, agents: Sequence[str], *, removed: Iterable[str], render_mode: str | None
    ) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        if render_mode is not None and render_mode not in RENDER_MODES:
            raise ValueError(
                f"render_mode must be one of {list(RENDER_MODES)} or None, got {render_mode!r}; "
                f"pass render_mode='ansi'"
            )
        self.render_mode = render_mode
        self.possible_agents = list(agents)
        self._default_removed = check_removed(removed, self.possible_agents)
        self.observation_spaces: dict[str, spaces.Space[Any]] = {}
        self.action_spaces: dict[str, spaces.Space[Any]] = {}

    def observation_space(self, agent: str) -> spaces.Space[Any]:
        """Return the agent's observation space, the same object on every call."""
        return self.observation_spaces[agent]

    def action_space(self, agent: str) -> spaces.Space[Any]:
        """Return the agent's action space, the same object on every call."""
        return self.action_spaces[agent]

    def close(self) -> None:
        """Do nothing: the environment holds no resources."""

    def render(self) -> str | npt.NDArray[np.uint8] | None:
        """Return the episode as text or as a picture, or print it, as the render mode says.

        Raises:
            ImportError: If a picture is wanted and the package pillow is not installed.
        """
        if self.render_mode is None:
            return None
        text = self._as_text()
        if self.render_mode == "ansi":
            return text
        if self.render_mode == "rgb_array":
            return picture(text)
        print(text)
        return None

    def snapshot(self) -> StateT:
        """Return the exact state of the episode; its type depends on the environment."""
        raise AssertionError("subclasses must implement snapshot()")

    def restore(self, state: StateT) -> None:
        """Return to a snapshot."""
        raise AssertionError("subclasses must implement restore()")

    if TYPE_CHECKING:  # PettingZoo's methods, for those who check types without its annotations

        def step(self, action: ActT | None) -> None:
            """Take the acting agent's turn; after the end, pass None for each agent."""

        def observe(self, agent: str) -> ObsT:
            """Return an agent's observation."""

        @overload  # type: ignore[override]  # without an observation only if asked for none
        def last(
            self, observe: Literal[True] = True
        ) -> tuple[ObsT, float, bool, bool, dict[str, Any]]: ...
        @overload
        def last(self, observe: bool) -> tuple[ObsT | None, float, bool, bool, dict[str, Any]]: ...
        def last(self, observe: bool = True) -> tuple[Any, float, bool, bool, dict[str, Any]]:
            """Return observation, reward, termination, truncation and info of the acting agent."""

    def _as_text(self) -> str:
        raise AssertionError("subclasses must implement _as_text()")

    def _start(self, removed: frozenset[str], infos: dict[str, dict[str, Any]]) -> None:
        """Reset PettingZoo's attributes for an episode without the removed agents."""
        self.removed = removed
        self.agents = [agent for agent in self.possible_agents if agent not in removed]
        self.rewards = dict.fromkeys(self.agents, 0.0)
        self._cumulative_rewards = dict.fromkeys(self.agents, 0.0)
        self.terminations = dict.fromkeys(self.agents, False)
        self.truncations = dict.fromkeys(self.agents, False)
        self.infos = infos
        self.agent_selection = self.agents[0]
        # PettingZoo leaves it set when an episode is abandoned between two dead steps.
        self._skip_agent_selection = None  # type: ignore[assignment]

    def _end_episode(self, reward: float | None, **info: Any) -> None:
        """End the episode: terminated with a reward, truncated without one."""
        for agent in self.agents:
            self.rewards[agent] = self._cumulative_rewards[agent] = reward or 0.0
            self.terminations[agent] = reward is not None
            self.truncations[agent] = reward is None
            # A new dict, so that the one that last() has returned does not change.
            self.infos[agent] = {**self.infos[agent], **info}
        self.agent_selection = self.agents[0]

    @property
    def _num_left(self) -> int:
        """Number of agents that have taken their final step since the end of the episode."""
        return len(self.possible_agents) - len(self.removed) - len(self.agents)

    def _take_dead_steps(self, num_agents: int) -> None:
        for _ in range(num_agents):
            self._was_dead_step(None)  # type: ignore[arg-type]


def snapshot_before_reset() -> RuntimeError:
    """Return the error for a snapshot before the first reset."""
    return RuntimeError(
        "snapshot() must follow reset(), got no episode yet; call env.reset() first"
    )
