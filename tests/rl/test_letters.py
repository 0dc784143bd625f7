"""Letters of multiple-choice answers as categories, and their exact probabilities."""

from __future__ import annotations

import re
from functools import lru_cache

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from transformers import AutoTokenizer

from baselines.credit import GroupOutcomes, regression_credit
from baselines.policies.base import Completion, Sampling
from baselines.policies.registry import POLICIES, load_policy
from baselines.rollouts.categories import by_answer, with_categories
from baselines.rollouts.costs import CostTracker
from baselines.rollouts.groups import Group
from baselines.rollouts.letters import (
    sampled_options,
    text_before_letters,
    with_letters,
    with_rest,
)
from baselines.rollouts.rollout import Rollout, RolloutRequest
from baselines.rollouts.runner import RolloutRunner, next_prompt
from baselines.train.measurements import with_measurements
from ccpo_env import think_solve_v0, vote_v0
from ccpo_env.types import Message, Task, Verdict

TASK = Task("q", "Which one?", "B", choices=("3", "7", "1", "9"))
SAMPLES = 4000


def words_of(text: str) -> tuple[int, ...]:
    """Token ids of a text, with one token for each word and each other character."""
    return tuple(int.from_bytes(word.encode(), "big") for word in re.findall(r"\w+|\W", text))


def categories_of(texts, prefix: str):
    """Categories of messages that consist of whole words, with four options."""
    said = [Completion(text, token_ids=words_of(text)) for text in texts]
    return sampled_options(said, [words_of(prefix + letter) for letter in "ABCD"])


@pytest.mark.parametrize(
    ("texts", "prefix", "categories"),
    [
        ([r"\boxed{C}", r"\boxed{A}"], r"\boxed{", [2, 0]),
        (["C", "A", "B."], "", [2, 0, 1]),
        (["The answer is (C).", "The answer is (D)"], "The answer is (", [2, 3]),
        (["7+1=8 \\boxed{C}", "7+1=8 \\boxed{A}"], "7+1=8 \\boxed{", [2, 0]),
        ([" **B**", " **C**\n"], " **", [1, 2]),
        # Another form, another letter than those of the options, and a longer word are "other".
        ([r"\boxed{C}", r"\boxed{A}", "It is B"], r"\boxed{", [2, 0, 4]),
        (["A", "C", "E"], "", [0, 2, 4]),
        (["A", "B", "Anna said so"], "", [0, 1, 4]),
        # The text after the letter plays no role once most messages end with it.
        (["C", "A", "B, because 7 is larger"], "", [2, 0, 1]),
    ],
)
def test_letters_of_a_common_form(texts, prefix, categories):
    found = text_before_letters(texts, 4)
    assert found == prefix
    assert categories_of(texts, found).tolist() == categories


@pytest.mark.parametrize(
    "texts",
    [
        ["thirteen", "no idea"],
        ["2+1=3 A", "2+2=4 B", "1+1=2 C"],  # a form of its own each
        ["E", "F"],
        ["", "   "],
        ["plan B", "xA"],
    ],
)
def test_messages_without_a_common_form_have_no_letters(texts):
    found = text_before_letters(texts, 4)
    assert found is None or categories_of(texts, found).max() == 4


@given(st.lists(st.lists(st.floats(0.0, 0.25), min_size=4, max_size=4), min_size=1, max_size=5))
def test_probabilities_with_the_rest_sum_to_one(chances):
    table = with_rest(np.array(chances))
    np.testing.assert_allclose(table.sum(axis=1), 1.0, rtol=0, atol=1e-12)
    np.testing.assert_allclose(table[:, :4], chances, rtol=0, atol=1e-12)


def test_rounding_above_one_leaves_nothing_for_the_rest():
    table = with_rest(np.array([[0.5000001, 0.5000001]]))
    np.testing.assert_allclose(table, [[0.5, 0.5, 0.0]], rtol=0, atol=1e-12)


@pytest.fixture(scope="module")
def policy():
    return load_policy("tiny_choice")


@lru_cache(maxsize=1)
def tokenizer():
    return AutoTokenizer.from_pretrained(POLICIES["tiny_choice"]())


def encode(text: str) -> list[int]:
    return tokenizer().encode(text)


def group_of(runner: RolloutRunner, letters: str, *, temperature: float = 1.0) -> Group:
    """A group whose agents that answer write these letters in a box; B is right."""
    topology = runner.topology
    is_vote = topology.decision == "majority"
    rollouts = []
    for letter in letters:
        said = [
            rf"\boxed{{{letter}}}" if is_vote or turn is topology.turns[-1] else "go step by step"
            for turn in topology.turns
        ]
        messages = tuple(
            Message(turn.speaker, text) for turn, text in zip(topology.turns, said, strict=True)
        )
        completions = tuple(
            Completion(text, token_ids=tuple(encode(text)), temperature=temperature)
            for text in said
        )
        verdict = Verdict("correct" if letter == "B" else "wrong", letter)
        rollouts.append(Rollout(RolloutRequest(TASK), messages, completions, verdict))
    features = np.zeros((len(letters), len(topology.turns)), dtype=np.int64)
    return Group(TASK, tuple(rollouts), {}, {}, features=features)


def runner_of(policy, make=think_solve_v0) -> RolloutRunner:
    env = make(tasks=[TASK])
    roles = env.unwrapped.topology.roles
    return RolloutRunner(env, dict.fromkeys(roles, policy), dict.fromkeys(roles, Sampling()))


def solver_prompt(runner: RolloutRunner):
    return next_prompt(runner.conversation(TASK, ["go step by step"]))


@pytest.mark.parametrize("temperature", [1.0, 0.5])
def test_probabilities_equal_the_softmax_of_a_full_forward_pass(policy, temperature):
    runner = runner_of(policy)
    (found,) = with_letters(
        [group_of(runner, "ABBC", temperature=temperature)], runner, costs=CostTracker()
    )
    assert found.features[:, 1].tolist() == [0, 1, 1, 2]
    assert np.isnan(found.probabilities[:, 0]).all()
    prompt = encode(solver_prompt(runner).text)
    expected = []
    for letter in "ABCD":
        own = encode(rf"\boxed{{{letter}")
        with torch.no_grad():
            logits = policy.module(torch.tensor([prompt + own])).logits[0].double()
        logprobs = (logits / temperature).log_softmax(-1)
        places = range(len(prompt) - 1, len(prompt) + len(own) - 1)
        total = sum(logprobs[place, token] for place, token in zip(places, own, strict=True))
        expected.append(float(total.exp()))
    expected.append(1.0 - sum(expected))
    np.testing.assert_allclose(found.probabilities[:, 1], [expected] * 4, rtol=0, atol=1e-5)
    np.testing.assert_allclose(found.probabilities[:, 1].sum(axis=-1), 1.0, rtol=0, atol=1e-12)


def test_probabilities_are_the_frequencies_of_sampled_letters(policy):
    runner = runner_of(policy)
    (found,) = with_letters([group_of(runner, "ABBC")], runner, costs=CostTracker())
    prompts = [solver_prompt(runner)] * SAMPLES
    said = policy.sample(prompts, sampling=Sampling(), rng=np.random.default_rng(0))
    options = policy.option_tokens([rf"\boxed{{{letter}" for letter in "ABCD"])
    counts = np.bincount(sampled_options(said, options), minlength=5)
    expected = found.probabilities[0, 1]
    errors = np.sqrt(expected * (1 - expected) / SAMPLES)
    assert (np.abs(counts / SAMPLES - expected) < 4 * errors).all()


def test_voters_all_get_letters_and_one_forward_pass_scores_them(policy, monkeypatch):
    runner = runner_of(policy, vote_v0)
    passes = []
    forward = policy.module.forward
    monkeypatch.setattr(
        policy.module, "forward", lambda *own, **named: passes.append(1) or forward(*own, **named)
    )
    costs = CostTracker()
    groups = [group_of(runner, "ABCD"), group_of(runner, "BBBA")]
    found = with_letters(groups, runner, costs=costs)
    assert len(passes) == 1
    assert costs.read["category"] > 0
    assert all(not np.isnan(own.probabilities).any() for own in found)
    assert found[1].features.tolist() == [[1, 1, 1]] * 3 + [[0, 0, 0]]


@pytest.mark.parametrize("case", ["greedy", "equal rewards", "no options", "no scorer"])
def test_groups_keep_their_categories_where_probabilities_are_not_known(policy, case):
    scripted = object()
    runner = runner_of(scripted if case == "no scorer" else policy)
    group = group_of(
        runner,
        "BB" if case == "equal rewards" else "AB",
        temperature=0.0 if case == "greedy" else 1,
    )
    if case == "no options":
        group = Group(Task("q", "Which one?", "B"), group.rollouts, {}, {}, features=group.features)
    assert with_letters([group], runner, costs=CostTracker()) == [group]


def test_measurements_give_regression_the_expectation_over_the_letters(policy):
    runner = runner_of(policy)
    (found,) = with_measurements(
        [group_of(runner, "ABBC")],
        runner,
        {"features"},
        categorize=by_answer,
        micro_batch_tokens=1000,
        rng=np.random.default_rng(0),
        costs=CostTracker(),
    )
    outcomes = found.outcomes(runner.agents)
    credit = regression_credit(outcomes)
    sampled = GroupOutcomes(runner.agents, found.rewards, features=found.features)
    by_hand = regression_credit(sampled, probabilities=found.probabilities)
    np.testing.assert_array_equal(credit, by_hand)
    assert np.abs(credit[:, 1] - regression_credit(sampled)[:, 1]).max() > 1e-3


def test_categories_of_choice_answers_are_their_letters_however_they_are_written(policy):
    texts = ["I think that C is right: \\boxed{C}", "The answer is (c).", "B", "1"]
    runner = runner_of(policy)
    own = group_of(runner, "CCBC")
    rollouts = tuple(
        Rollout(r.request, (r.messages[0], Message("solver_0", text)), r.completions, r.verdict)
        for r, text in zip(own.rollouts, texts, strict=True)
    )
    group = Group(TASK, rollouts, {}, {})
    (found,) = with_categories([group], runner.verifier, by_answer, costs=CostTracker())
    first = found.features[:, 1]
    assert (first == first[0]).tolist() == [True, True, False, True]
