"""Environment constructors that are plain callables with PettingZoo's attributes."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Generic, ParamSpec, TypeVar

from ccpo_env.env import TeamAnswerEnv
from ccpo_env.parallel import ParallelTeamEnv
from ccpo_env.shared_reward import SharedRewardEnv
from ccpo_env.wrapper import SnapshotWrapper

P = ParamSpec("P")
EnvT = TypeVar("EnvT", bound=SharedRewardEnv[Any, Any, Any])


class EnvFactory(Generic[P, EnvT]):
    """Makes environments: ``factory(...)`` and ``factory.env(...)`` wrapped, ``raw_env`` bare.

    Args:
        make: Returns the bare environment; its signature and docstring become the factory's.
    """

    def __init__(self, make: Callable[P, EnvT]) -> None:
        self.raw_env = make
        self.__name__ = make.__name__
        self.__qualname__ = make.__qualname__
        self.__module__ = make.__module__
        self.__doc__ = make.__doc__
        self.__wrapped__ = make
        make.__qualname__ = f"{make.__qualname__}.raw_env"  # pickle finds it by this name

    def __call__(self, *args: P.args, **kwargs: P.kwargs) -> SnapshotWrapper[EnvT]:
        """Return the environment behind PettingZoo's order checks."""
        return SnapshotWrapper(self.raw_env(*args, **kwargs))

    @property
    def env(self) -> EnvFactory[P, EnvT]:
        """The factory itself: PettingZoo's name for the wrapped constructor."""
        return self

    def __reduce__(self) -> str:
        return self.__name__

    def __repr__(self) -> str:
        return f"{self.__module__}.{self.__name__}"


class SimultaneousFactory(EnvFactory[P, TeamAnswerEnv]):
    """Makes environments of agents that can act at once: ``factory.parallel_env(...)`` as well."""

    def parallel_env(self, *args: P.args, **kwargs: P.kwargs) -> ParallelTeamEnv:
        """Return the environment as a PettingZoo ``ParallelEnv``: a step takes all actions."""
        return ParallelTeamEnv(self.raw_env(*args, **kwargs))
