"""Scores of episodes besides correctness: token F1, share of tests, likelihoods of options."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, TypeAlias

import numpy as np

from baselines.common.types import FloatArray
from baselines.evaluate.episodes import Episode
from baselines.evaluate.paths import JOINT
from baselines.policies.option_scorers import scorer_of
from baselines.rollouts.plan import answering_turns
from baselines.rollouts.runner import RolloutRunner
from ccpo_env.prompts import LETTERS
from ccpo_env.types import Task, Verifier
from ccpo_env.verifiers.code.verifier import CodeVerifier
from ccpo_env.verifiers.qa import QaVerifier, token_f1

Score = Literal["token_f1", "test_share", "no_answer", "option_accuracy", "option_probability"]
SampleKey: TypeAlias = tuple[str, str, int]
"""Name of the benchmark, id of the task and index of the sample."""
BEFORE_LETTER = r"\boxed{"
"""What the likelihood of an option is conditioned on, besides the prompt."""


@dataclass(frozen=True, slots=True)
class OptionLikelihood:
    """How a policy ranks the options of a task without writing anything of its own.

    Args:
        is_right: 1 if the gold option is the most probable, 0 if not; in a tie, divided by the
            number of the most probable ones.
        gold_probability: Probability of the gold option among the options.
    """

    is_right: float
    gold_probability: float


def f1_of(episode: Episode) -> float:
    """Return the token F1 of the team's answer, the best over the gold answers, in [0, 1].

    0 without an answer; NaN if it was not measured.
    """
    if episode.reward is None:
        return float("nan")
    answer = episode.verdict.answer
    golds = (episode.task.answer, *episode.task.answers)
    return 0.0 if answer is None else max(token_f1(answer, gold) for gold in golds)


def share_of(episode: Episode) -> float:
    """Return the share of the tests that the team's program passes; NaN if it was not measured."""
    if episode.reward is None:
        return float("nan")
    return 1.0 if episode.verdict.status == "correct" else episode.verdict.score or 0.0


def has_no_answer(episode: Episode) -> float:
    """Return 1 if the team's answer holds no readable option, 0 if it does; NaN: not measured."""
    if episode.reward is None:
        return float("nan")
    return float(episode.verdict.status == "no_answer")


def scores_of(
    episodes: Sequence[Episode],
    *,
    verify: Verifier,
    likelihoods: Mapping[SampleKey, OptionLikelihood] | None = None,
) -> dict[Score, FloatArray]:
    """Return the scores that are measured of episodes of one path.

    Args:
        episodes: E episodes.
        verify: The verifier; one of short answers has a token F1, one of programs that pays for a
            part of the tests their share. Where all tasks have options, also whether the answer
            holds none.
        likelihoods: Likelihoods of the options of samples of the whole team; None: not measured.

    Returns:
        Each of shape (E,), in [0, 1]; NaN where it was not measured.
    """
    found: dict[Score, FloatArray] = {}
    if isinstance(verify, QaVerifier):
        found["token_f1"] = np.array([f1_of(episode) for episode in episodes])
    if isinstance(verify, CodeVerifier) and verify.partial:
        found["test_share"] = np.array([share_of(episode) for episode in episodes])
    if all(episode.task.choices for episode in episodes):
        found["no_answer"] = np.array([has_no_answer(episode) for episode in episodes])
    if likelihoods and episodes[0].path == JOINT:
        keys = [(own.benchmark, own.task.id, own.sample) for own in episodes]
        unknown = OptionLikelihood(float("nan"), float("nan"))
        own = [likelihoods.get(key, unknown) for key in keys]
        found["option_accuracy"] = np.array([each.is_right for each in own])
        found["option_probability"] = np.array([each.gold_probability for each in own])
    return found


def expect_option_scorers(runner: RolloutRunner, tasks: Iterable[Task]) -> None:
    """Raise ValueError unless tasks have options and all policies that answer can score them."""
    if not any(task.choices for task in tasks):
        raise ValueError(
            "option_likelihood needs tasks with options, got none; leave out --option-likelihood"
        )
    for turn in answering_turns(runner.topology):
        scorer_of(runner.policies[runner.topology.turns[turn].role])


def option_likelihoods(
    runner: RolloutRunner, episodes: Sequence[Episode]
) -> dict[SampleKey, OptionLikelihood]:
    r"""Return the likelihoods of the options in the episodes of the whole team.

    p(letter) = softmax over the options of log p(\boxed{ + letter | prompt of the answering agent)

    The prompt is that of the episode, with the messages of the others; in a vote, the probabilities
    are means over the voters.

    Args:
        runner: The team that played the episodes.
        episodes: Any episodes; those of other paths, whose gold answer is not the letter of an
            option, and those without an answer are left out.

    Raises:
        ValueError: If a policy that answers cannot score options.
        EndpointError: If a server does not.
    """
    topology, turns = runner.topology, answering_turns(runner.topology)
    chosen = [own for own in episodes if own.path == JOINT and _has_gold_letter(own.task)]
    finished = [own for own in chosen if len(own.messages) == len(topology.turns)]
    totals = [np.zeros(len(own.task.choices)) for own in finished]
    for turn in turns:
        scorer = scorer_of(runner.policies[topology.turns[turn].role])
        for size in sorted({len(total) for total in totals}):
            rows = [row for row, total in enumerate(totals) if len(total) == size]
            of_size = [finished[row] for row in rows]
            prompts = [runner.prompt(own.task, _texts_before(own, turn)) for own in of_size]
            options = [BEFORE_LETTER + letter for letter in LETTERS[:size]]
            logprobs, _ = scorer.option_logprobs(prompts, options)
            for row, chances in zip(rows, softmax(logprobs), strict=True):
                totals[row] += chances / len(turns)
    keys = [(own.benchmark, own.task.id, own.sample) for own in finished]
    ranked = [
        _ranked(total, LETTERS.index(own.task.answer))
        for own, total in zip(finished, totals, strict=True)
    ]
    return dict(zip(keys, ranked, strict=True))


def softmax(logprobs: FloatArray) -> FloatArray:
    """Return probabilities that sum to 1 over the last dimension."""
    weights = np.exp(logprobs - logprobs.max(axis=-1, keepdims=True))
    chances: FloatArray = weights / weights.sum(axis=-1, keepdims=True)
    return chances


def _has_gold_letter(task: Task) -> bool:
    """Return whether the gold answer is the letter of an option."""
    return task.answer in tuple(LETTERS[: len(task.choices)])


def _ranked(chances: FloatArray, gold: int) -> OptionLikelihood:
    best = chances == chances.max()
    return OptionLikelihood(float(best[gold]) / int(best.sum()), float(chances[gold]))


def _texts_before(episode: Episode, turn: int) -> list[str]:
    return [message.text for message in episode.messages[:turn]]
