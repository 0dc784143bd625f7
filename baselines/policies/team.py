"""Load the policies of a team: one model for every role, or the policies of an earlier run."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from baselines.common.metrics import METRICS_FILE
from baselines.policies.base import Policy, TrainablePolicy
from baselines.policies.checkpoints import (
    CHECKPOINTS,
    STATE_FILE,
    newest_checkpoint,
    read_checkpoint,
)
from baselines.policies.endpoint.address import is_endpoint
from baselines.policies.local.adapter_files import ADAPTER_FILE, base_name, full_name, is_adapter
from baselines.policies.local.lora import LoraBase, LoraPolicy, LoraSettings
from baselines.policies.registry import load_policy, load_sampler
from ccpo_env.types import Role

TEAM = "team"
"""Folder in a checkpoint, and name in metrics, of a policy shared by all roles."""

CONFIGS = ("config.json", ADAPTER_FILE)
"""Files of a model or an adapter, absent from a folder with one subfolder per role."""


def load_samplers(
    spec: str, roles: Sequence[Role], *, journal: Path | None = None
) -> dict[Role, Policy]:
    """Return a policy per role for sampling only; equal policies are one object.

    Args:
        spec: An endpoint, as for `load_sampler`, or anything that `load_team` accepts.
        roles: The roles of the team.
        journal: As for `load_sampler`.

    Raises:
        CheckpointError: If the checkpoint is corrupt.
        ValueError: If `load_team` rejects the spec, or the endpoint does not respond.
    """
    if is_endpoint(spec):
        return dict.fromkeys(roles, load_sampler(spec, journal=journal))
    return dict(load_team(spec, roles, own_copies=False))


def load_team(
    spec: str,
    roles: Sequence[Role],
    *,
    own_copies: bool,
    instead: Mapping[Role, str] | None = None,
    lora: LoraSettings | None = None,
    bases: dict[str, LoraBase] | None = None,
    shard: Callable[[TrainablePolicy], None] | None = None,
) -> dict[Role, TrainablePolicy]:
    """Return a policy per role.

    Args:
        spec: A run's folder (its newest checkpoint is taken), a checkpoint's folder, a folder with
            one for each role such as a run's ``model``, the folder of an adapter, or anything that
            `load_policy` accepts, as the initial policy of every role.
        roles: The roles of the team.
        own_copies: Whether each role gets its own weights even if they are initially equal;
            adapters are then merged into them.
        instead: Specs of roles with a different initial policy.
        lora: Each role gets its own adapter, a new one with these settings or its initial one;
            roles with the same base share the base. own_copies is then ignored.
        bases: Base models of adapters in memory, by name; they are not loaded again. Newly
            loaded base models are added to it.
        shard: Loads on the CPU, and shards each policy with weights of its own before the next one
            is loaded; the bases of adapters are left to the caller. None: not sharded.

    Raises:
        CheckpointError: If the checkpoint is corrupt.
        ImportError: If a package is missing; the message names it.
        ValueError: If the run has no checkpoint yet, the checkpoint lacks a role, or an adapter
            has a different rank than the settings.
    """
    specs = {role: (instead or {}).get(role, spec) for role in roles}
    teams = {source: _team_folder(source) for source in set(specs.values())}
    sources = {role: _folder_of(role, teams[s]) or s for role, s in specs.items()}
    bases = {} if bases is None else bases
    device = None if shard is None else "cpu"
    if lora is not None:
        return _adapters(sources, lora, bases, device)
    shard = shard or _leave_whole
    if own_copies:
        return {role: _own_copy(source, device, shard) for role, source in sources.items()}
    speakers = {source: role for role, source in reversed(sources.items())}
    adapters = {role: source for source, role in speakers.items() if is_adapter(source)}
    loaded = _adapters(adapters, None, bases, device)
    for source, role in speakers.items():
        base = bases.get(full_name(source))
        if base is not None:
            loaded[role] = LoraPolicy(base, None)
        elif role not in loaded:
            loaded[role] = load_policy(source, device=device)
            shard(loaded[role])
    return {role: loaded[speakers[source]] for role, source in sources.items()}


def _adapters(
    sources: Mapping[Role, str],
    lora: LoraSettings | None,
    bases: dict[str, LoraBase],
    device: str | None,
) -> dict[Role, TrainablePolicy]:
    """Return an adapter per role: the saved one of a folder, or a new one of a base model."""
    policies: dict[Role, TrainablePolicy] = {}
    for role, source in sources.items():
        name = full_name(base_name(source) if is_adapter(source) else source)
        if name not in bases:
            bases[name] = LoraBase.load(name, device=device)
        if is_adapter(source):
            adapter = role if role not in bases[name].adapters else f"{role}_at_start"
            policies[role] = bases[name].add_saved(adapter, Path(source), settings=lora)
        else:
            assert lora is not None
            policies[role] = bases[name].add(role, lora)
    return policies


def _own_copy(
    source: str, device: str | None, shard: Callable[[TrainablePolicy], None]
) -> TrainablePolicy:
    """Return a policy with independent weights, with its adapter merged."""
    if is_adapter(source):
        base = LoraBase.load(base_name(source), device=device)
        base.add_saved("merged", Path(source))
        policy: TrainablePolicy = base.merged("merged")
    else:
        policy = load_policy(source, device=device)
    shard(policy)
    return policy


def _leave_whole(policy: TrainablePolicy) -> None:
    """Leave the weights as they are."""


def _team_folder(spec: str) -> Path | None:
    """Return the folder of a spec that has one subfolder per role; None if it has none.

    A checkpoint is read, which verifies its checksums.
    """
    run = Path(spec)
    folder = newest_checkpoint(run / CHECKPOINTS) or run
    if folder == run and (run / METRICS_FILE).exists():
        raise ValueError(
            f"policy must hold a checkpoint if it is a run, got none in {run}; resume it with "
            f"--resume until it has saved one"
        )
    if (folder / STATE_FILE).exists():
        read_checkpoint(folder)
        return folder
    is_team = any((part / name).is_file() for part in folder.glob("*/") for name in CONFIGS)
    return folder if is_team and not any((folder / name).is_file() for name in CONFIGS) else None


def _folder_of(role: Role, team: Path | None) -> str | None:
    """Return the subfolder of a role, which may be shared by all roles."""
    if team is None:
        return None
    folder = next((f for f in (team / role, team / TEAM) if f.is_dir()), None)
    if folder is None:
        raise ValueError(
            f"policy must hold a folder for each role, got no {role!r} in {team}; "
            f"pass a run of a team with that role"
        )
    return str(folder)
