"""vLLM rollout servers whose weights are synchronized with a run through files."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from baselines.common.errors import RolloutError
from baselines.common.processes import SINGLE_PROCESS, ProcessGroup, in_all
from baselines.policies.base import Policy, TrainablePolicy
from baselines.policies.endpoint.address import parse_endpoint
from baselines.policies.local.lora import LoraPolicy
from baselines.policies.team import TEAM
from baselines.train.engines.sync_guard import SyncGuard
from ccpo_env.types import Role

if TYPE_CHECKING:
    from baselines.policies.endpoint.policy import EndpointPolicy
    from baselines.policies.endpoint.vllm_control import ServerSettings, VLLMControl
    from baselines.train.engines.served_policy import ServedPolicy
    from baselines.train.engines.weight_transfer import WeightTransfer


@dataclass(frozen=True, slots=True)
class RolloutServer:
    """One rollout server.

    Args:
        spec: Endpoint spec, see `parse_endpoint`.
        folder: Path on this machine of the model folder that the server was started from; for an
            adapter, of the folder that its versions are written to.
    """

    spec: str
    folder: Path


class RolloutServers:
    """The rollout servers of a run: one per trained policy, or one for the adapters of all roles.

    Args:
        servers: By role, or under "team" for a policy shared by all roles, or for one server of all
            adapters.
        processes: Processes of the run. Each requests its own rollouts; rank 0 transfers the
            weights.
    """

    def __init__(
        self, servers: Mapping[str, RolloutServer], *, processes: ProcessGroup = SINGLE_PROCESS
    ) -> None:
        self._servers = dict(servers)
        self._processes = processes
        self._controls: dict[str, VLLMControl] = {}
        self._transfers: dict[str, WeightTransfer] = {}
        self._served: dict[str, ServedPolicy] = {}
        self._guards: dict[str, SyncGuard] = {}
        self._unchecked: set[str] = set()  # since the last sync
        self._version = self._written = -1
        self._restored: Mapping[str, Any] | None = None

    def follow(
        self, policies: Mapping[str, TrainablePolicy], roles: Sequence[Role]
    ) -> dict[Role, Policy]:
        """Connect, transfer the initial weights, and return the served policy of each role.

        Raises:
            ImportError: If the packages for endpoints are missing.
            ValueError: If policies and servers do not match, or a server cannot be reached or was
                started with other settings than the policies need.
            RolloutError: In all processes, if a server does not load the weights.
        """
        from baselines.train.engines.served_policy import ServedPolicy

        for name, server in _of_policies(self._servers, policies).items():
            endpoint, settings = self._connect(name, policies[name], server)
            self._served[name] = ServedPolicy(endpoint, policies[name], self._processes)
            is_float32 = settings.dtype == "float32"
            self._guards[name] = SyncGuard(num_guards=len(policies), is_float32=is_float32)
        if self._restored is not None:
            self._version = self._written = self._restored["version"] - 1
            for name, state in self._restored["guards"].items():
                self._guards[name].load_state_dict(state)
        self.sync()
        only = next(iter(self._served.values()))
        return {role: self._served.get(role, only) for role in roles}

    @property
    def version(self) -> int:
        """Number of the transfer that the servers sample from; 0 for the initial weights."""
        return self._version

    def write(self) -> None:
        """Write the current weights, which the next sync then only has to load.

        Nothing changes for the servers, which may be sampling.
        """
        self._written = self._version + 1
        if self._processes.mesh is None:
            in_all(self._processes, partial(self._in_first, self._write, self._written))
        else:
            self._write(self._written)  # gathered from all processes

    def sync(self) -> None:
        """Transfer the current weights; returns in all processes when they are loaded.

        Raises:
            RolloutError: In all processes, if a server does not load them.
        """
        if self._written == self._version:
            self.write()
        in_all(self._processes, partial(self._in_first, self._load, self._written))
        self._version = self._written
        self._unchecked = {*self._served}
        for name, served in self._served.items():
            served.synced(self._transfers[name].model(self._version))

    def check(self) -> None:
        """Compare the servers with the trained policies, in all processes together.

        The version that each server reports must be that of the last sync, and the first batch of
        each policy since then must have the log-probabilities of the trained policy. To be called
        after rollouts and before the policies change.

        Raises:
            StaleServerError: In all processes.
            RolloutError: In all processes, if a server does not respond.
        """
        in_all(self._processes, partial(self._in_first, self._verify, self._version))
        for name, served in self._served.items():
            rows = self._processes.all_gather(served.gaps())
            if rows:
                self._guards[name].check(rows, name=name, version=self._version)
                served.checked()
                self._unchecked.discard(name)

    @property
    def is_sampled(self) -> bool:
        """Whether this process has samples for `check`, or it is done."""
        return all(served.is_sampled for served in self._served.values())

    @property
    def is_checked(self) -> bool:
        """Whether `check` has had samples of all policies since the last sync; in all processes."""
        return not self._unchecked

    def probe(self) -> None:
        """Have samples for `check` of all policies that this process has sampled before.

        Raises:
            RolloutError: If a server returns no token ids or log-probabilities.
        """
        for served in self._served.values():
            served.probe()

    def state_dict(self) -> dict[str, Any]:
        """Return version and references of the checks, as JSON values."""
        guards = {name: guard.state_dict() for name, guard in self._guards.items()}
        return {"version": self._version, "guards": guards}

    def load_state_dict(self, state: Mapping[str, Any] | None) -> None:
        """Restore a state from `state_dict`, before `follow`; None: of a run without servers."""
        self._restored = state

    def _connect(
        self, name: str, policy: TrainablePolicy, server: RolloutServer
    ) -> tuple[EndpointPolicy, ServerSettings]:
        """Connect to the server of a policy, and check that it can serve it."""
        from baselines.policies.endpoint.client import EndpointError
        from baselines.policies.endpoint.policy import EndpointPolicy
        from baselines.policies.endpoint.vllm_control import VLLMControl
        from baselines.train.engines.weight_transfer import transfer_of

        config = parse_endpoint(server.spec)
        if config.journal is not None:  # its answers are of earlier weights
            raise ValueError(
                f"rollouts must be sampled anew, got journal={config.journal}; leave it out"
            )
        control = self._controls.setdefault(config.url, VLLMControl(config))
        transfer = self._transfers[name] = transfer_of(control, policy, server.folder, name)
        try:
            if isinstance(policy, LoraPolicy) and config.model is None:
                config = replace(config, model=next(iter(control.bases()), None))
            endpoint = EndpointPolicy.connect(config)
            settings = control.settings()
            transfer.expect_fit(settings)
        except EndpointError as error:
            raise ValueError(
                f"a rollout server must report its models and settings, got {error} from "
                f"{control.url}; check the URL and whether the server runs"
            ) from None
        return endpoint, settings

    def _in_first(self, call: Callable[[int], None], version: int) -> None:
        """Call a function with a version in the process of rank 0 alone.

        Raises:
            RolloutError: If a request fails.
        """
        from baselines.policies.endpoint.client import EndpointError

        if self._processes.rank != 0:
            return
        try:
            call(version)
        except EndpointError as error:
            raise RolloutError(
                f"a rollout server must load and report the weights of sync {version}, got "
                f"{error}; check that it runs"
            ) from error

    def _write(self, version: int) -> None:
        for transfer in self._transfers.values():
            transfer.write(version)

    def _load(self, version: int) -> None:
        for transfer in self._transfers.values():
            transfer.load(version)
        for control in self._controls.values():
            control.reset_cache()

    def _verify(self, version: int) -> None:
        for transfer in self._transfers.values():
            transfer.verify(version)


def _of_policies(
    servers: Mapping[str, RolloutServer], policies: Mapping[str, TrainablePolicy]
) -> dict[str, RolloutServer]:
    """Return the server of each policy: its own, or for adapters the one that serves all.

    Raises:
        ValueError: If policies and servers do not match.
    """
    is_lora = any(isinstance(policy, LoraPolicy) for policy in policies.values())
    if is_lora and set(servers) == {TEAM}:
        (shared,) = servers.values()
        return {name: replace(shared, folder=shared.folder / name) for name in policies}
    if set(policies) != set(servers):
        wanted = _spec_of(policies) + (", or one endpoint:URL for all roles" if is_lora else "")
        raise ValueError(
            f"rollouts must be {wanted}, got {_spec_of(servers)}; pass a server for each policy"
        )
    urls = [parse_endpoint(server.spec).url for server in servers.values()]
    if not is_lora and len(set(urls)) < len(urls):
        raise ValueError(
            f"policies with weights of their own must be served by one server each, got "
            f"{', '.join(urls)}; pass another URL for each, or --weights lora"
        )
    return dict(servers)


def _spec_of(names: Iterable[str]) -> str:
    return " ".join("endpoint:URL" if n == TEAM else f"{n}=endpoint:URL" for n in sorted(names))


def read_servers(texts: Sequence[str], folder: Path, owner: str) -> dict[str, RolloutServer]:
    """Parse ``[role=]endpoint:URL...`` texts.

    Args:
        texts: One per server; a single one without a role is that of owner.
        folder: Folder that the server of owner was started from, or for the versions of adapters;
            subfolders of it for roles.
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
