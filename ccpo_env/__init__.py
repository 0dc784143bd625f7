"""A team of language models answers a question; any agent can be removed, any moment replayed."""

from pettingzoo import register

from ccpo_env.environments import think_solve_v0
from ccpo_env.episode import EpisodeState
from ccpo_env.prompts import PromptTemplate
from ccpo_env.tasks import load_tasks
from ccpo_env.types import Message, Task, Verdict
from ccpo_env.verifiers import verify

__version__ = "0.1.0"

__all__ = [
    "EpisodeState",
    "Message",
    "PromptTemplate",
    "Task",
    "Verdict",
    "load_tasks",
    "think_solve_v0",
    "verify",
]

register("aec", "ccpo_env/think_solve-v0", entry_point=think_solve_v0)
