"""Rollout servers that follow the policies of a run: vLLM, weights handed over in files."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit, urlunsplit

import numpy as np

from baselines.common.processes import SINGLE_PROCESS, ProcessGroup
from baselines.policies.base import Policy, TrainablePolicy
from baselines.policies.endpoint.address import EndpointConfig, parse_endpoint
from ccpo_env.types import Role

if TYPE_CHECKING:
    from baselines.policies.endpoint.client import EndpointClient
    from baselines.train.engines.served_policy import ServedPolicy

RELOAD = {"method": "reload_weights"}
"""What tells every worker of a vLLM server to read its weights again."""


@dataclass(frozen=True, slots=True)
class RolloutServer:
    """One server.

    Args:
        spec: As `parse_endpoint` takes it.
        folder: Where it was started from, by the name that it has on this machine.
    """

    spec: str
    folder: Path


class RolloutServers:
    """The servers of a run, one per set of weights that is trained.

    Args:
        servers: By role, or by "team" where one policy speaks for all.
        processes: Processes of the run. Each asks for its own rollouts; the first one hands the
            weights over.
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
        """Hand the weights over for the first time, and return who speaks for each role.

        Raises:
            ImportError: If the packages that reach a server are missing.
            ValueError: If a policy has no server or the other way round, or one cannot be reached.
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
        """Hand over the weights as they are now, and let nobody ask before they are there.

        Raises:
            EndpointError: If a server does not load them.
        """
        from baselines.train.engines.server_weights import save_untied

        if self._processes.rank == 0:
            for name, policy in self._trained.items():
                save_untied(policy, self._folders[name])
                reload_weights(self._configs[name])
        self._processes.all_gather([self._version])  # returns when all have come here
        self._version += 1
        for served in self._served.values():
            served.synced(self._version)


def reload_weights(config: EndpointConfig) -> None:
    """Make a vLLM server read its folder again and forget what it computed with the old weights.

    It must run with VLLM_SERVER_DEV_MODE=1, which is for private networks.

    Raises:
        EndpointError: If it cannot.
    """
    from baselines.policies.endpoint.client import RateLimiter, talk
    from baselines.policies.endpoint.usage import EndpointUsage

    async def reload(client: EndpointClient) -> None:
        await client.send("POST", "/collective_rpc", RELOAD, bytes)
        await client.send("POST", "/reset_prefix_cache", {}, bytes)

    rng = np.random.default_rng(0)
    talk(_control(config), [reload], rate_limiter=RateLimiter(), rng=rng, usage=EndpointUsage())


def _control(config: EndpointConfig) -> EndpointConfig:
    """Return where vLLM takes commands: at the root of the server, not below /v1."""
    scheme, host, *_ = urlsplit(config.url)
    return replace(config, url=urlunsplit((scheme, host, "", "", "")))


def read_servers(texts: Sequence[str], folder: Path, owner: str) -> dict[str, RolloutServer]:
    """Read ``[role=]endpoint:URL...`` texts.

    Args:
        texts: One per server; a single one without a role is that of owner.
        folder: Where the server of owner was started from; that of a role in its subfolder of that
            name.
        owner: "team", or what the policies of the run are called.

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
