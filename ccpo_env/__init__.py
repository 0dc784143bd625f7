"""Multi-agent environments in which a team of language models answers a question."""

from collections.abc import Callable
from typing import Any

import gymnasium
import pettingzoo
from gymnasium.envs.registration import registry as gymnasium_registry
from pettingzoo import AECEnv
from pettingzoo.env_registry.registration import aec_registry, parallel_registry

from ccpo_env.batch.batched_env import BatchedTeamEnv
from ccpo_env.batch.turn import AgentTurn, BatchTurn
from ccpo_env.environments import debate_v0, signal_v0, think_solve_v0, vote_v0
from ccpo_env.episode import EpisodeState
from ccpo_env.signal import SignalTask
from ccpo_env.tasks import load_tasks
from ccpo_env.types import Message, PromptTemplate, Task, Verdict
from ccpo_env.verifiers import MathVerifier, verify, verify_many

__version__ = "0.1.0"

__all__ = [
    "AgentTurn",
    "BatchTurn",
    "BatchedTeamEnv",
    "EpisodeState",
    "MathVerifier",
    "Message",
    "PromptTemplate",
    "SignalTask",
    "Task",
    "Verdict",
    "debate_v0",
    "load_tasks",
    "signal_v0",
    "think_solve_v0",
    "verify",
    "verify_many",
    "vote_v0",
]

_TEAMS: dict[str, Callable[..., AECEnv[str, Any, Any]]] = {
    "ccpo_env/debate-v0": debate_v0,
    "ccpo_env/signal-v0": signal_v0,
    "ccpo_env/think_solve-v0": think_solve_v0,
    "ccpo_env/vote-v0": vote_v0,
}
_VIEWS = {
    "ccpo_env/Signal-v0": "ccpo_env.views:signal_view",
    "ccpo_env/ThinkSolve-v0": "ccpo_env.views:think_solve_view",
}
for _name, _make in _TEAMS.items():
    if _name not in aec_registry:  # importing the package anew must not warn
        pettingzoo.register("aec", _name, entry_point=_make)
if "ccpo_env/vote-v0" not in parallel_registry:
    pettingzoo.register("parallel", "ccpo_env/vote-v0", entry_point=vote_v0.parallel_env)
for _name, _entry_point in _VIEWS.items():
    if _name not in gymnasium_registry:
        gymnasium.register(_name, entry_point=_entry_point)
