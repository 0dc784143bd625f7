"""Record rollouts with their credit in rollouts.jsonl, which `ccpo explore` reads."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from itertools import accumulate
from typing import TypedDict

import numpy as np

from baselines.common.rollout_file import (
    DIGITS,
    RecordedGroup,
    RecordedReplays,
    clip,
    clip_length,
)
from baselines.common.types import FloatArray
from baselines.credit.turns import Team, columns_of
from baselines.rollouts.groups import Group
from baselines.rollouts.rollout import Replays
from ccpo_env.prompts import question_with_options
from ccpo_env.types import Message, Verdict
from ccpo_env.voting import Ballot

FULL_STEPS = 128
"""Number of first steps that are all recorded by default: more than a first run has."""
MAX_ANSWER_CHARS = 500
MAX_CHARS = 200_000
"""Characters of the texts of a step: the file of a long run with long messages stays bounded."""


class _Texts(TypedDict):
    task_id: str
    question: str
    gold: str
    messages: list[list[str]]
    replays: list[RecordedReplays]


class _Version(TypedDict, total=False):
    version: int


class _Votes(TypedDict, total=False):
    votes: list[list[str | None]]
    recounts: dict[str, list[float]]


def is_recorded(step: int, every: int | None) -> bool:
    """Return whether the rollouts of a step are recorded.

    Args:
        step: Number of the step, from 1.
        every: Steps between recorded steps; 0: none. None: each of the first 128 steps, every
            second one up to 256, every fourth one up to 512, and so on, so that the file grows
            with the logarithm of the number of steps. That depends on no later step, so a resumed
            run records the same steps.
    """
    if every is None:
        every = 1 << max(0, ((step - 1) // FULL_STEPS).bit_length())
    return every > 0 and (step - 1) % every == 0


def recorded_groups(
    step: int,
    groups: Sequence[Group],
    teams: Sequence[Team],
    credit: Sequence[FloatArray],
    advantages: Sequence[FloatArray],
    shared_advantages: Sequence[FloatArray],
    *,
    max_rollouts: int,
) -> list[RecordedGroup]:
    """Return the first groups of a step, with their rollouts, as JSON values.

    Args:
        step: Number of the step.
        groups: The groups that received credit, at least one.
        teams: Agents and turns of each group.
        credit: Credit of each turn in each rollout, (G, T) per group.
        advantages: Advantages, of the same shapes.
        shared_advantages: Advantages under shared credit, of the same shapes.
        max_rollouts: Number of rollouts, at most; whole groups are returned, and at least one.

    Note: The texts of a step have at most MAX_CHARS characters. If a single group has more, the
        middle of its longest texts is left out.
    """
    num_groups = _num_that_fit(groups, max_rollouts)
    arrays = [_rounded(values[:num_groups]) for values in (credit, advantages, shared_advantages)]
    return [
        {
            "step": step,
            **_texts_of(group),
            "turns": list(columns_of(team)),
            "answers": [_answer(own.verdict) for own in group.rollouts],
            "rewards": group.rewards.tolist(),
            "credit": own_credit,
            "advantage": own_advantages,
            "shared_advantage": shared,
            **_version(group),
            **_votes(group, team.agents),
        }
        for group, team, own_credit, own_advantages, shared in zip(
            groups[:num_groups], teams[:num_groups], *arrays, strict=True
        )
    ]


def _num_that_fit(groups: Sequence[Group], max_rollouts: int) -> int:
    rollouts = chars = 0
    for place, group in enumerate(groups):
        rollouts += len(group.rollouts)
        chars += sum(_lengths(group))
        if place and (rollouts > max_rollouts or chars > MAX_CHARS):
            return place
    return len(groups)


def _texts_of(group: Group) -> _Texts:
    lengths = _lengths(group)
    longest = clip_length(lengths, MAX_CHARS) if sum(lengths) > MAX_CHARS else None
    return {
        "task_id": group.task.id,
        "question": _text(question_with_options(group.task), longest),
        "gold": _text(group.task.answer, MAX_ANSWER_CHARS),
        "messages": [_texts(own.messages, longest) for own in group.rollouts],
        "replays": [_replays(own, longest) for own in group.replays],
    }


def _rounded(arrays: Sequence[FloatArray]) -> list[list[list[float]]]:
    """Return arrays of equal width as nested lists, rounded in one call."""
    rows = np.concatenate(arrays).round(DIGITS).tolist()
    ends = list(accumulate(map(len, arrays)))
    return [rows[start:end] for start, end in zip([0, *ends], ends, strict=False)]


def _lengths(group: Group) -> list[int]:
    spoken = [own.messages for own in group.rollouts]
    spoken += [messages for own in group.replays for messages in own.messages]
    lengths = [len(message.text) for messages in spoken for message in messages]
    return [len(question_with_options(group.task)), *lengths]


def _text(text: str, longest: int | None) -> str:
    return text if longest is None or len(text) <= longest else clip(text, longest)


def _texts(messages: Sequence[Message], longest: int | None) -> list[str]:
    return [_text(message.text, longest) for message in messages]


def _answer(verdict: Verdict) -> str | None:
    return None if verdict.answer is None else _text(verdict.answer, MAX_ANSWER_CHARS)


def _replays(own: Replays, longest: int | None) -> RecordedReplays:
    return {
        "without": sorted(own.removed),
        "rollout": own.rollout,
        "kept": list(own.kept),
        "speakers": [message.agent for message in max(own.messages, key=len)],
        "messages": [_texts(messages, longest) for messages in own.messages],
        "answers": [_answer(verdict) for verdict in own.verdicts],
        "rewards": list(own.rewards),
    }


def _version(group: Group) -> _Version:
    return {} if group.version is None else {"version": group.version}


def _votes(group: Group, agents: Sequence[str]) -> _Votes:
    """Return the answers of the voters and the recounts, if the team votes."""
    ballots = [own.ballot for own in group.rollouts if own.ballot is not None]
    if not ballots:
        return {}
    votes = [[None if c < 0 else own.answers[c] for c in own.clusters] for own in ballots]
    recounts = np.array([_recounts(own.clusters, own.correct) for own in ballots])  # (G, T)
    return {"votes": votes, "recounts": dict(zip(agents, recounts.T.tolist(), strict=True))}


@lru_cache(maxsize=1024)
def _recounts(clusters: tuple[int, ...], correct: int | None) -> tuple[float, ...]:
    """Return the reward of a vote without each voter; ballots of equal clusters share it."""
    ballot = Ballot(clusters, (None,) * len(clusters), correct)
    verdicts = [ballot.verdict([voter]) for voter in range(len(clusters))]
    return tuple([1.0 if verdict.status == "correct" else -1.0 for verdict in verdicts])
