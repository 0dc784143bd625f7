"""Environment constructors by name and version."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from ccpo_env.env import DEFAULT_MAX_CHARS, TeamAnswerEnv
from ccpo_env.factory import EnvFactory, SimultaneousFactory
from ccpo_env.signal import DEFAULT_MIX, Difficulty, SignalEnv
from ccpo_env.topologies.debate import debate
from ccpo_env.topologies.think_solve import think_solve
from ccpo_env.topologies.vote import vote
from ccpo_env.types import PromptTemplate, TaskInput, Verifier
from ccpo_env.verifiers.auto import AUTO


@EnvFactory
def think_solve_v0(
    tasks: TaskInput = "arithmetic",
    num_thinkers: int = 1,
    verifier: str | Verifier = AUTO,
    render_mode: str | None = None,
    *,
    removed: Iterable[str] = (),
    prompts: PromptTemplate | None = None,
    strip_leaks: bool = True,
    max_chars: int = DEFAULT_MAX_CHARS,
) -> TeamAnswerEnv:
    """Make a chain of K thinkers and one solver: thinker_0 … thinker_{K-1}, solver_0.

    Each agent reads the problem and all earlier messages; the solver's answer decides the reward.
    See `TeamAnswerEnv` for observation, action, reward and options.

    Args:
        tasks: A registered name, a .jsonl or .parquet path, or a sequence of Task or
            (question, answer).
        num_thinkers: K, at least 1.
        verifier: A name from VERIFIERS, such as "math", or a callable
            ``(response, gold) -> Verdict``; "auto": the one that the tasks need.
        render_mode: None, "ansi", "human" or "rgb_array".
        removed: Agents removed in every episode, unless the options of reset say otherwise.
        prompts: The instructions of the roles; None: those of `ccpo_env.prompts`.
        strip_leaks: Whether answers that a thinker states are hidden from those after it.
        max_chars: Longest question and message, in characters.
    """
    return TeamAnswerEnv(
        think_solve(num_thinkers),
        tasks=tasks,
        verifier=verifier,
        render_mode=render_mode,
        removed=removed,
        prompts=prompts,
        strip_leaks=strip_leaks,
        max_chars=max_chars,
    )


@SimultaneousFactory
def vote_v0(
    tasks: TaskInput = "arithmetic",
    num_voters: int = 3,
    verifier: str | Verifier = AUTO,
    render_mode: str | None = None,
    *,
    removed: Iterable[str] = (),
    prompts: PromptTemplate | None = None,
    max_chars: int = DEFAULT_MAX_CHARS,
    max_cycles: int = 1,
) -> TeamAnswerEnv:
    """Make a vote of N independent solvers: voter_0 … voter_{N-1}.

    No voter reads another; the answer with the most votes decides the reward. Answers are equal if
    the verifier accepts them as equal, a tie is won by the answer given first, and voters without
    an answer abstain; see `ccpo_env.voting`. See `TeamAnswerEnv` for the rest. The voters can act
    at once: ``vote_v0.parallel_env(...)`` takes the same arguments.

    Args:
        tasks: A registered name, a .jsonl or .parquet path, or a sequence of Task or
            (question, answer).
        num_voters: N, at least 1.
        verifier: A name from VERIFIERS, such as "math", or a callable
            ``(response, gold) -> Verdict``; "auto": the one that the tasks need.
        render_mode: None, "ansi", "human" or "rgb_array".
        removed: Agents removed in every episode, unless the options of reset say otherwise.
        prompts: The instructions of the roles; None: those of the topology.
        max_chars: Longest question and message, in characters.
        max_cycles: Number of votes of each voter, at least 1; all of them are counted.
    """
    return TeamAnswerEnv(
        vote(num_voters, max_cycles),
        tasks=tasks,
        verifier=verifier,
        render_mode=render_mode,
        removed=removed,
        prompts=prompts,
        max_chars=max_chars,
    )


@EnvFactory
def debate_v0(
    tasks: TaskInput = "arithmetic",
    num_debaters: int = 2,
    num_rounds: int = 2,
    verifier: str | Verifier = AUTO,
    render_mode: str | None = None,
    *,
    removed: Iterable[str] = (),
    prompts: PromptTemplate | None = None,
    max_chars: int = DEFAULT_MAX_CHARS,
) -> TeamAnswerEnv:
    """Make a debate of N debaters in R rounds: debater_0 … debater_{N-1}, in turn.

    Each reads all earlier messages; the last speaker's answer decides the reward. See
    `TeamAnswerEnv` for the rest.

    Args:
        tasks: A registered name, a .jsonl or .parquet path, or a sequence of Task or
            (question, answer).
        num_debaters: N, at least 1.
        num_rounds: R, at least 1.
        verifier: A name from VERIFIERS, such as "math", or a callable
            ``(response, gold) -> Verdict``; "auto": the one that the tasks need.
        render_mode: None, "ansi", "human" or "rgb_array".
        removed: Agents removed in every episode, unless the options of reset say otherwise.
        prompts: The instructions of the roles; None: those of the topology.
        max_chars: Longest question and message, in characters.
    """
    return TeamAnswerEnv(
        debate(num_debaters, num_rounds),
        tasks=tasks,
        verifier=verifier,
        render_mode=render_mode,
        removed=removed,
        prompts=prompts,
        max_chars=max_chars,
    )


@EnvFactory
def signal_v0(
    num_answers: int = 4,
    num_symbols: int = 2,
    alphabet_size: int = 3,
    mix: Mapping[Difficulty, float] = DEFAULT_MIX,
    render_mode: str | None = None,
    *,
    removed: Iterable[str] = (),
    shared_action_space: bool = False,
    numeric_infos: bool = False,
) -> SignalEnv:
    """Make Think→Solve in symbols: thinker_0 sends K of them, solver_0 picks one of N answers.

    See `SignalEnv` for observation, action, reward and options.

    Args:
        num_answers: N, at least 2.
        num_symbols: K, at least 1.
        alphabet_size: Number of symbols, silence included.
        mix: Probability of easy, hard and hopeless episodes.
        render_mode: None, "ansi", "human" or "rgb_array".
        removed: Agents removed in every episode, unless the options of reset say otherwise.
        shared_action_space: Whether both agents have the same action space, ``Discrete(S ** K)``.
        numeric_infos: Whether infos hold numbers instead of names.
    """
    return SignalEnv(
        num_answers=num_answers,
        num_symbols=num_symbols,
        alphabet_size=alphabet_size,
        mix=mix,
        removed=removed,
        shared_action_space=shared_action_space,
        numeric_infos=numeric_infos,
        render_mode=render_mode,
    )
