"""vLLM rollout servers whose weights are synchronized with a run through files."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit, urlunsplit

import numpy as np

from baselines.common.errors import RolloutError
from baselines.common.processes import SINGLE_PROCESS, ProcessGroup, in_all
from baselines.policies.base import Policy, TrainablePolicy
from baselines.policies.endpoint.address import EndpointConfig, parse_endpoint
from ccpo_env.types import Role

if TYPE_CHECKING:
    from baselines.policies.endpoint.client import EndpointClient
    from baselines.train.engines.served_policy import ServedPolicy

RELOAD = {"method": "reload_weights"}
"""Request that makes every worker of a vLLM server reload its weights."""


@dataclass(frozen=True, slots=True)
class RolloutServer:
    """One rollout server.

    Args:
        spec: Endpoint spec, see `parse_endpoint`.
        folder: Path on this machine of the model folder that the server was started from.
    """

    spec: str
    folder: Path


class RolloutServers:
    """The rollout servers of a run, one per trained policy.

    Args:
        servers: By role, or under "team" for a policy shared by all roles.
        processes: Processes of the run. Each requests its own rollouts; rank 0 transfers the
            weights.
    """

    def __init__(
        self, servers: Mapping[str, RolloutServer], *, processes: ProcessGroup = SINGLE_PROCESS
    ) -> None:
        self._configs = {name: parse_endpoint(server.spec) for name, server in servers.items()}
        self._folders = {name: server.folder for name, server in servers.items()}
        self._processes = processes
        self._trained: dict[str, TrainablePolicy] = {}
        self._served: dict[str, ServedPolicy] = {}
        self._version = -1

    def follow(
        self, policies: Mapping[str, TrainablePolicy], roles: Sequence[Role]
    ) -> dict[Role, Policy]:
        """Connect, transfer the initial weights, and return the served policy of each role.

        Raises:
            ImportError: If the packages for endpoints are missing.
            ValueError: If policies and servers do not match, or a server cannot be reached.
        """
        from baselines.policies.endpoint.policy import EndpointPolicy
        from baselines.train.engines.served_policy import ServedPolicy

        if set(policies) != set(self._configs):
            raise ValueError(
                f"rollout servers must be those of {', '.join(sorted(policies))}, got "
                f"{', '.join(sorted(self._configs))}; pass one for each"
            )
        self._trained = dict(policies)
        self._served = {
            name: ServedPolicy(EndpointPolicy.connect(config), policies[name])
            for name, config in self._configs.items()
        }
        self.sync()
        only = next(iter(self._served.values()))
        return {role: self._served.get(role, only) for role in roles}

    def sync(self) -> None:
        """Transfer the current weights; returns in all processes when they are loaded.

        Raises:
            RolloutError: In all processes, if a server does not load them.
        """
        in_all(self._processes, self._transfer)
        self._version += 1
        for served in self._served.values():
            served.synced(self._version)

    @property
    def is_checked(self) -> bool:
        """Whether every server was compared with its trained policy since the last sync."""
        return all(served.is_checked for served in self._served.values())

    def probe(self) -> None:
        """Compare the servers that have sampled before with their policies, in this process.

        Raises:
            RolloutError: If one does not sample from the trained weights.
        """
        for served in self._served.values():
            served.probe()

    def _transfer(self) -> None:
        """Write and load the weights of all servers, in the process of rank 0 alone."""
        from baselines.policies.endpoint.client import EndpointError
        from baselines.train.engines.server_weights import save_untied

        if self._processes.rank != 0:
            return
        for name, policy in self._trained.items():
            save_untied(policy, self._folders[name])
            try:
                reload_weights(self._configs[name])
            except EndpointError as error:
                raise RolloutError(
                    f"a rollout server must load the new weights, got from that of {name}: "
                    f"{error}; check that it runs, with VLLM_SERVER_DEV_MODE=1"
                ) from error


def reload_weights(config: EndpointConfig) -> None:
    """Make a vLLM server reload its folder and reset its prefix cache.

    The server must run with VLLM_SERVER_DEV_MODE=1, which is for private networks.

    Raises:
        EndpointError: If a request fails.
    """
    from baselines.policies.endpoint.client import RateLimiter, talk
    from baselines.policies.endpoint.usage import EndpointUsage

    async def reload(client: EndpointClient) -> None:
        await client.send("POST", "/collective_rpc", RELOAD, bytes)
        await client.send("POST", "/reset_prefix_cache", {}, bytes)

    rng = np.random.default_rng(0)
    talk(_control(config), [reload], rate_limiter=RateLimiter(), rng=rng, usage=EndpointUsage())


def _control(config: EndpointConfig) -> EndpointConfig:
    """Return the config for vLLM's control requests: at the server's root, not below /v1."""
    scheme, host, *_ = urlsplit(config.url)
    return replace(config, url=urlunsplit((scheme, host, "", "", "")))


def read_servers(texts: Sequence[str], folder: Path, owner: str) -> dict[str, RolloutServer]:
    """Parse ``[role=]endpoint:URL...`` texts.

    Args:
        texts: One per server; a single one without a role is that of owner.
        folder: Folder that the server of owner was started from; subfolders of it for roles.
        owner: Name of the policy of a server without a role, such as "team".

    Raises:
        ValueError: If a text names no server, or a role twice.
    """
    servers: dict[str, RolloutServer] = {}
    for text in texts:
        role, is_named, spec = text.partition("=endpoint:")
        name = role if is_named else owner
        spec = f"endpoint:{spec}" if is_named else text
        if not spec.startswith("endpoint:") or name in servers:
            raise ValueError(
                f"rollouts must be [ROLE=]endpoint:URL, each role once, got {text!r}; pass e.g. "
                f"thinker=endpoint:http://127.0.0.1:8130/v1#policy"
            )
        servers[name] = RolloutServer(spec, folder / name if is_named else folder)
    return servers
