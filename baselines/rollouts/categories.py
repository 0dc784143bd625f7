"""Categories of messages, which credit by regression estimates the effects of."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import replace
from importlib import import_module
from typing import TYPE_CHECKING, Protocol

import numpy as np
import numpy.typing as npt

from baselines.common.types import IntArray
from baselines.rollouts.costs import CostTracker
from baselines.rollouts.text_clusters import expect_encoder, numbered, text_clusters
from ccpo_env.errors import unknown_name
from ccpo_env.types import Task, Verdict, Verifier
from ccpo_env.verifiers.calling import WithCategories, call_verifier, category_of, verifier_of
from ccpo_env.voting import ABSTAINED, cluster_answers

if TYPE_CHECKING:
    from baselines.rollouts.groups import Group
    from baselines.rollouts.rollout import Rollout


class Categorize(Protocol):
    """Sorts the messages of one turn into categories."""

    def __call__(self, texts: Sequence[str], task: Task, verifier: Verifier, /) -> npt.ArrayLike:
        """Return the category of each message.

        Args:
            texts: The messages of one turn in the G rollouts of a task, without surrounding
                whitespace.
            task: The task.
            verifier: Compares a message with an answer.

        Returns:
            Integers, shape (G,); messages with the same one are in one category. Equal messages
            should be, and the order of the rollouts should not matter.
        """
        ...


def by_answer(texts: Sequence[str], task: Task, verifier: Verifier) -> IntArray:
    """Return categories by answer where a message has one, else by cluster of texts, shape (G,).

    Answers that the verifier finds equal are one category, as in a vote, and all that equal the
    gold answer are. A message that only states its answer to the next agent has one, too. The
    others, also those that the verifier failed to read, are sorted by `text_clusters`.
    """
    distinct, places = numbered(texts)
    verdicts = [call_verifier(verifier, text, task.answer) for text in distinct]
    ballot = cluster_answers(distinct, [_answered(own) for own in verdicts], verifier)
    categories = np.array(ballot.clusters, dtype=np.int64)[places]
    others = np.flatnonzero(categories == ABSTAINED)
    if others.size:
        clusters = text_clusters([texts[place] for place in others.tolist()])
        categories[others] = len(ballot.answers) + clusters
    return categories


def by_text(texts: Sequence[str], *_: object) -> IntArray:
    """Return a category per different text, shape (G,)."""
    return numbered(texts)[1]


CATEGORIES: Mapping[str, Categorize] = {"answer": by_answer, "text": by_text}
"""Ways to sort messages into categories, by name."""


def find_categorize(name: str) -> Categorize:
    """Return a way to sort messages into categories.

    Args:
        name: A name from CATEGORIES, or ``module:function`` for a function of one's own with the
            arguments of `Categorize`; modules in the working directory are found.

    Raises:
        ValueError: If the name is unknown, or does not lead to a function.
        ImportError: If the package wordllama is not installed, for "answer".
    """
    if name in CATEGORIES:
        if CATEGORIES[name] is by_answer:
            expect_encoder()
        return CATEGORIES[name]
    module, colon, function = name.partition(":")
    if not colon:
        raise unknown_name("message_categories", name, (*CATEGORIES, "module:function"))
    if os.getcwd() not in sys.path:
        sys.path.append(os.getcwd())
    try:
        found: object = getattr(import_module(module), function)
    except Exception as error:
        # Whatever the module raises is what is wrong with the setting.
        raise ValueError(
            f"message_categories must be a function that can be imported, got {name!r} and "
            f"{type(error).__name__}: {error}; pass module:function, or one of "
            f"{', '.join(CATEGORIES)}"
        ) from error
    if not callable(found):
        raise ValueError(
            f"message_categories must be a function, got {found!r} from {name!r}; "
            f"write it as (texts, task, verifier) -> integers"
        )
    return found


def categories_of(
    texts_by_turn: Sequence[Sequence[str]],
    task: Task,
    verifier: Verifier,
    categorize: Categorize,
) -> IntArray:
    """Return the category of each message of a group, integers from 0, shape (G, T).

    Args:
        texts_by_turn: For each of T turns, its messages in the G rollouts.
        task: The task.
        verifier: Compares a message with an answer.
        categorize: Sorts the messages of a turn.

    Raises:
        ValueError: If categorize does not return an integer for each message.
    """
    columns = [
        _checked(categorize([text.strip() for text in texts], task, verifier), len(texts))
        for texts in texts_by_turn
    ]
    return np.stack(columns, axis=-1)


def with_categories(
    groups: Sequence[Group], verifier: Verifier, categorize: Categorize, *, costs: CostTracker
) -> list[Group]:
    """Return the groups with the category of each message, as `message_categories` finds them.

    A group without rollouts stays as it is.
    """
    return [
        replace(
            group,
            features=message_categories(
                group.task, group.rollouts, verifier, categorize, costs=costs
            ),
        )
        if group.rollouts
        else group
        for group in groups
    ]


def message_categories(
    task: Task,
    rollouts: Sequence[Rollout],
    verifier: Verifier,
    categorize: Categorize,
    *,
    costs: CostTracker,
) -> IntArray:
    """Return the category of each message in the rollouts of a task, shape (G, T).

    Args:
        task: The task.
        rollouts: Its G rollouts, at least one.
        verifier: Verifier of the environment.
        categorize: Sorts the messages of a turn.
        costs: Accumulates the cost: each call of the verifier, and the time.

    Note: If all rewards are equal, no message has an effect, and all are one category. The
        verdict on a team's answer is known; it is not verified again.
    """
    texts_by_turn = [
        [message.text for message in turn]
        for turn in zip(*(rollout.messages for rollout in rollouts), strict=True)
    ]
    if len({rollout.reward for rollout in rollouts}) == 1:
        return np.zeros((len(rollouts), len(texts_by_turn)), dtype=np.int64)
    known = {
        rollout.messages[-1].text.strip(): rollout.verdict
        for rollout in rollouts
        if rollout.ballot is None  # else the verdict is on the answer of the majority
    }

    own_verifier = verifier_of(verifier, task)

    def verify(text: str, gold: str) -> Verdict:
        if gold == task.answer and text in known:
            return known[text]
        costs.count("category", verifier_calls=1)
        return own_verifier(text, gold)

    started = time.perf_counter()
    category = category_of(own_verifier)
    compare = verify if category is None else WithCategories(verify, category)
    categories = categories_of(texts_by_turn, task, compare, categorize)
    costs.verify_s += time.perf_counter() - started
    return categories


def _answered(verdict: Verdict) -> Verdict:
    """Return a verdict, but "no_answer" if it is wrong without an answer.

    A verifier that reports no answers, such as a judge, may call any message wrong.
    """
    is_opinion = verdict.status == "wrong" and verdict.answer is None
    return Verdict("no_answer") if is_opinion else verdict


def _checked(categories: npt.ArrayLike, num_texts: int) -> IntArray:
    array = np.asarray(categories)
    if array.shape != (num_texts,) or array.dtype.kind not in "iu":
        raise ValueError(
            f"message_categories must give each message of a turn one integer, shape "
            f"({num_texts},), got {array.dtype} of shape {array.shape}; return a list with one "
            f"integer per text"
        )
    return np.unique(array, return_inverse=True)[1].astype(np.int64)
