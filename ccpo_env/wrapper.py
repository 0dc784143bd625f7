"""PettingZoo's order checks around a team environment, with snapshots and a fast `last`."""

from __future__ import annotations

from typing import Any, Generic, TypeVar

from pettingzoo.utils.wrappers import OrderEnforcingWrapper

from ccpo_env.shared_reward import SharedRewardEnv

EnvT = TypeVar("EnvT", bound=SharedRewardEnv[Any, Any])


class SnapshotWrapper(OrderEnforcingWrapper[str, Any, Any], Generic[EnvT]):
    """Raises if an environment is stepped, observed or rendered before its first reset."""

    env: EnvT

    @property
    def unwrapped(self) -> EnvT:
        """The bare environment, also through other wrappers."""
        env: EnvT = self.env.unwrapped  # type: ignore[assignment]  # PettingZoo annotates AECEnv
        return env

    def last(self, observe: bool = True) -> tuple[Any, float, bool, bool, dict[str, Any]]:
        """Return observation, reward, termination, truncation and info of the acting agent."""
        if not self._has_reset:
            return super().last(observe)  # which raises PettingZoo's errors
        return self.env.last(observe)

    def snapshot(self) -> Any:
        """Return the exact state of the episode; see the environment's `snapshot`."""
        return self.unwrapped.snapshot()

    def restore(self, state: Any) -> None:
        """Return to a snapshot; no reset is needed before."""
        self.unwrapped.restore(state)
        self._has_reset = True
        self._has_updated = True
