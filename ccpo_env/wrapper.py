"""PettingZoo's order checks around a team environment, with snapshots and without detours."""

from __future__ import annotations

from typing import Any, Generic, TypeVar

from pettingzoo.utils.wrappers import OrderEnforcingWrapper

from ccpo_env.base import SharedRewardEnv

EnvT = TypeVar("EnvT", bound=SharedRewardEnv[Any, Any])


class SnapshotWrapper(OrderEnforcingWrapper[str, Any, Any], Generic[EnvT]):
    """A team environment that refuses to be stepped, read or rendered before its first reset."""

    env: EnvT

    @property
    def unwrapped(self) -> EnvT:
        """The environment itself, also if other wrappers stand in between."""
        env: EnvT = self.env.unwrapped  # type: ignore[assignment]  # PettingZoo annotates AECEnv
        return env

    def last(self, observe: bool = True) -> tuple[Any, float, bool, bool, dict[str, Any]]:
        """Return observation, reward, end and info of the agent whose turn it is."""
        if not self._has_reset:
            return super().last(observe)  # which raises what PettingZoo raises
        return self.env.last(observe)

    def snapshot(self) -> Any:
        """Return the exact state of the episode; see the environment's own `snapshot`."""
        return self.unwrapped.snapshot()

    def restore(self, state: Any) -> None:
        """Return to a snapshot, also before the first reset."""
        self.unwrapped.restore(state)
        self._has_reset = True
        self._has_updated = True
