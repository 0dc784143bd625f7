"""The environments by name and version."""

from __future__ import annotations

from collections.abc import Iterable

from ccpo_env.env import DEFAULT_MAX_CHARS, TeamAnswerEnv
from ccpo_env.factory import EnvFactory
from ccpo_env.prompts import PromptTemplate
from ccpo_env.topologies.think_solve import think_solve
from ccpo_env.types import TaskInput, Verifier


@EnvFactory
def think_solve_v0(
    tasks: TaskInput = "arithmetic",
    num_thinkers: int = 1,
    verifier: str | Verifier = "math",
    render_mode: str | None = None,
    *,
    removed: Iterable[str] = (),
    prompts: PromptTemplate | None = None,
    max_chars: int = DEFAULT_MAX_CHARS,
) -> TeamAnswerEnv:
    """Make a chain of K thinkers and one solver: thinker_0 … thinker_{K-1}, solver_0.

    Each agent reads the problem and what was said before it; the solver's answer pays the team.
    See `TeamAnswerEnv` for observation, action, reward and options.

    Args:
        tasks: A registered name, a .jsonl or .parquet path, or a sequence of Task or
            (question, answer).
        num_thinkers: K, at least 1.
        verifier: "math", "exact", or a callable ``(response, gold) -> Verdict``.
        render_mode: None, "ansi" or "human".
        removed: Agents removed in every episode whose options do not say otherwise.
        prompts: The instructions of the roles; None: those of `ccpo_env.prompts`.
        max_chars: Longest question and message, in characters.
    """
    return TeamAnswerEnv(
        think_solve(num_thinkers),
        tasks=tasks,
        verifier=verifier,
        render_mode=render_mode,
        removed=removed,
        prompts=prompts,
        max_chars=max_chars,
    )
