r"""Letters of multiple-choice answers as categories, with their exact probabilities.

An agent that answers with a letter in a fixed form, such as ``\boxed{C}``, chooses among as many
categories as there are options. The network of a local policy gives the probability of each in one
forward pass, so that credit need not estimate them from the frequencies in a group.

Source: COSAC, arXiv:2604.17693, whose agents answer questions with four options; differs from it in
the category "other", which holds whatever else the policy may write, and its probability.
"""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from baselines.common.types import FloatArray, IntArray
from baselines.policies.base import Completion, OptionSampler, Prompt
from baselines.rollouts.costs import CostTracker
from baselines.rollouts.plan import answering_turns
from baselines.rollouts.runner import RolloutRunner
from ccpo_env.prompts import LETTERS

if TYPE_CHECKING:
    from baselines.rollouts.groups import Group
    from baselines.rollouts.rollout import Rollout

MIN_SHARE = 0.5
"""Smallest share of the messages of a turn that have the same form: with a form that few have, most
messages would be in the category "other", whose effect says little about each of them."""
_LAST_LETTER = re.compile(r"(.*?)(?<![^\W_])([A-Z])[\W_]*", re.DOTALL)


def text_before_letters(texts: Sequence[str], num_options: int) -> str | None:
    r"""Return what stands before the letter in most messages of a turn.

    Args:
        texts: The messages of one turn in the G rollouts of a task, such as ``\boxed{C}``.
        num_options: K, the number of options of the task.

    Returns:
        The most frequent text before the letter that ends a message; None if less than MIN_SHARE
        of the messages begin with this text and a letter.
    """
    letters = LETTERS[:num_options]
    found = [match for text in texts if (match := _LAST_LETTER.fullmatch(text))]
    prefixes = Counter(match[1] for match in found if match[2] in letters)
    if not prefixes:
        return None
    prefix = max(prefixes, key=lambda own: (prefixes[own], -len(own), own))
    begins = re.compile(rf"{re.escape(prefix)}[{letters}](?![^\W_])")
    num_common = sum(begins.match(text) is not None for text in texts)
    return prefix if num_common >= MIN_SHARE * len(texts) else None


def with_letters(
    groups: Sequence[Group], runner: RolloutRunner, *, costs: CostTracker
) -> list[Group]:
    """Return the groups with the letters of their answers as categories, where they are known.

    The category of an answer to a multiple-choice task is then its letter, or "other", and the
    probabilities are those with which the policy would have written each letter in the same form,
    at the temperature of sampling; "other" has the rest. A message belongs to the letter whose
    tokens it begins with.

    Args:
        groups: Groups with categories. A group keeps them in the turns that give no answer, whose
            policy cannot score options, whose messages have no common form (see
            `text_before_letters`), or that were decoded greedily; and in all turns without options
            or if all rewards are equal.
        runner: The team, whose policies score their own answers.
        costs: Accumulates the prompt tokens.
    """
    turns = answering_turns(runner.topology)
    pending: defaultdict[tuple[str, str, int, float], list[_Place]] = defaultdict(list)
    for number, group in enumerate(groups):
        if not group.task.choices or len(set(group.rewards.tolist())) < 2:
            continue
        for turn in turns:
            role, num_options = runner.topology.turns[turn].role, len(group.task.choices)
            policy = runner.policies[role]
            temperature, *others = {_temperature(rollout, turn) for rollout in group.rollouts}
            if not isinstance(policy, OptionSampler) or others or not temperature:
                continue
            texts = [rollout.messages[turn].text for rollout in group.rollouts]
            prefix = text_before_letters(texts, num_options)
            if prefix is None:
                continue
            options = [prefix + letter for letter in LETTERS[:num_options]]
            said = [rollout.completions[turn] for rollout in group.rollouts]
            categories = sampled_options(said, policy.option_tokens(options))
            key = (role, prefix, num_options, temperature)
            pending[key].append(_Place(number, turn, categories))
    changed: defaultdict[int, dict[int, tuple[IntArray, FloatArray]]] = defaultdict(dict)
    for (role, prefix, num_options, temperature), places in pending.items():
        policy = runner.policies[role]
        assert isinstance(policy, OptionSampler), "checked above"
        prompts = [_prompts(runner, groups[place.group], place.turn) for place in places]
        options = [prefix + letter for letter in LETTERS[:num_options]]
        logprobs, tokens_read = policy.option_logprobs(
            [prompt for own in prompts for prompt in own], options, temperature=temperature
        )
        costs.count("category", tokens_read=tokens_read)
        costs.forward_passes += 1
        ends = np.cumsum([len(own) for own in prompts])[:-1]
        for place, own in zip(places, np.split(with_rest(np.exp(logprobs)), ends), strict=True):
            changed[place.group][place.turn] = (place.categories, own)
    return [
        _replaced(group, changed[number]) if number in changed else group
        for number, group in enumerate(groups)
    ]


def sampled_options(
    completions: Sequence[Completion | None], options: Sequence[Sequence[int]]
) -> IntArray:
    """Return which of K options each completion begins with, token by token; K for none.

    These are the events whose probabilities are known: a text that begins with the same letter, as
    of a longer word, may consist of other tokens.
    """
    categories = np.full(len(completions), len(options), dtype=np.int64)
    for place, completion in enumerate(completions):
        for number, option in enumerate(options):
            if completion is not None and completion.token_ids[: len(option)] == tuple(option):
                categories[place] = number
    return categories


def with_rest(chances: FloatArray) -> FloatArray:
    """Return probabilities of K options, shape (N, K), followed by that of anything else, (N, K+1).

    They sum to 1, also where those of the options are above it by rounding.
    """
    rest = np.maximum(1.0 - chances.sum(axis=1, keepdims=True), 0.0)
    table = np.concatenate([chances, rest], axis=1)
    normalized: FloatArray = table / table.sum(axis=1, keepdims=True)
    return normalized


@dataclass(frozen=True, slots=True, eq=False)
class _Place:
    """A turn of a group whose letters are known."""

    group: int
    turn: int
    categories: IntArray


def _replaced(group: Group, changed: dict[int, tuple[IntArray, FloatArray]]) -> Group:
    """Return a group with the categories and probabilities of some turns."""
    assert group.features is not None, "categories are measured first"
    features = group.features.copy()
    num_categories = max(own.shape[1] for _, own in changed.values())
    probabilities = np.full((*features.shape, num_categories), np.nan)
    for turn, (categories, own) in changed.items():
        features[:, turn] = categories
        probabilities[:, turn, :] = own
    return replace(group, features=features, probabilities=probabilities)


def _prompts(runner: RolloutRunner, group: Group, turn: int) -> list[Prompt]:
    before = [[message.text for message in own.messages[:turn]] for own in group.rollouts]
    return [runner.prompt(group.task, texts) for texts in before]


def _temperature(rollout: Rollout, turn: int) -> float:
    """Return the temperature at which a message was sampled; 0 if it was given."""
    completion = rollout.completions[turn]
    return 0.0 if completion is None else completion.temperature
