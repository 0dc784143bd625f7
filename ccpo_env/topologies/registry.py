"""Topologies by name: one line each."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from ccpo_env.topologies.debate import debate
from ccpo_env.topologies.think_solve import think_solve
from ccpo_env.topologies.vote import vote
from ccpo_env.types import Topology

TOPOLOGIES: Mapping[str, Callable[..., Topology]] = {
    "debate": debate,
    "think_solve": think_solve,
    "vote": vote,
}
