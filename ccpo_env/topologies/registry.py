"""Topologies by name: one line each."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from ccpo_env.topologies.debate import debate
from ccpo_env.topologies.mixed_vote import mixed_vote
from ccpo_env.topologies.plan_code_review import plan_code_review
from ccpo_env.topologies.reader_answerer import reader_answerer
from ccpo_env.topologies.specialists import specialists
from ccpo_env.topologies.think_solve import think_solve
from ccpo_env.topologies.vote import vote
from ccpo_env.types import Topology

TOPOLOGIES: Mapping[str, Callable[..., Topology]] = {
    "debate": debate,
    "mixed_vote": mixed_vote,
    "plan_code_review": plan_code_review,
    "reader_answerer": reader_answerer,
    "specialists": specialists,
    "think_solve": think_solve,
    "vote": vote,
}
