"""PettingZoo's order checks around a team environment, with snapshots and a fast `last`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Generic, Literal, TypeVar, overload

from pettingzoo.utils.wrappers import OrderEnforcingWrapper

from ccpo_env.shared_reward import ActT, ObsT, SharedRewardEnv, StateT

EnvT_co = TypeVar("EnvT_co", bound=SharedRewardEnv[Any, Any, Any], covariant=True)


class SnapshotWrapper(OrderEnforcingWrapper[str, Any, Any], Generic[EnvT_co]):
    """Raises if an environment is stepped, observed or rendered before its first reset."""

    env: EnvT_co
    agents: list[str]
    possible_agents: list[str]
    agent_selection: str
    rewards: dict[str, float]
    terminations: dict[str, bool]
    truncations: dict[str, bool]
    infos: dict[str, dict[str, Any]]

    @property
    def unwrapped(self) -> EnvT_co:
        """The bare environment, also through other wrappers."""
        env: EnvT_co = self.env.unwrapped  # type: ignore[assignment]  # PettingZoo: AECEnv
        return env

    @overload  # type: ignore[override]  # without an observation only if asked for none
    def last(
        self: SnapshotWrapper[SharedRewardEnv[ObsT, ActT, StateT]], observe: Literal[True] = True
    ) -> tuple[ObsT, float, bool, bool, dict[str, Any]]: ...
    @overload
    def last(
        self: SnapshotWrapper[SharedRewardEnv[ObsT, ActT, StateT]], observe: bool
    ) -> tuple[ObsT | None, float, bool, bool, dict[str, Any]]: ...
    def last(self, observe: bool = True) -> tuple[Any, float, bool, bool, dict[str, Any]]:
        """Return observation, reward, termination, truncation and info of the acting agent."""
        if not self._has_reset:
            return super().last(observe)  # which raises PettingZoo's errors
        return self.env.last(observe)

    def snapshot(self: SnapshotWrapper[SharedRewardEnv[ObsT, ActT, StateT]]) -> StateT:
        """Return the exact state of the episode; see the environment's `snapshot`."""
        return self.unwrapped.snapshot()

    def restore(self: SnapshotWrapper[SharedRewardEnv[ObsT, ActT, StateT]], state: StateT) -> None:
        """Return to a snapshot; no reset is needed before."""
        self.unwrapped.restore(state)
        self._has_reset = True
        self._has_updated = True

    if TYPE_CHECKING:  # methods of PettingZoo's wrapper, with the types of the environment

        def reset(self, seed: int | None = None, options: dict[str, Any] | None = None) -> None:
            """Start an episode; see the environment."""

        def step(
            self: SnapshotWrapper[SharedRewardEnv[ObsT, ActT, StateT]], action: ActT | None
        ) -> None:
            """Take the acting agent's turn; after the end, pass None for each agent."""

        def observe(self: SnapshotWrapper[SharedRewardEnv[ObsT, ActT, StateT]], agent: str) -> ObsT:
            """Return an agent's observation."""
