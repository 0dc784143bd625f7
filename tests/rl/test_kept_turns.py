"""Replays that keep messages have the distribution of replays from the first turn."""

from __future__ import annotations

import hashlib
from dataclasses import replace

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from baselines.optimizers import OPTIMIZERS
from baselines.policies.base import Completion, Sampling
from baselines.rollouts.costs import CostTracker
from baselines.rollouts.groups import play_groups
from baselines.rollouts.plan import Plan, first_kept_turns, kept_turns, turns_without
from baselines.rollouts.rollout import RolloutRequest
from baselines.rollouts.runner import RolloutRunner
from baselines.train.replay_samples import SampleMaker
from ccpo_env.env import TeamAnswerEnv
from ccpo_env.topologies.specialists import SPECIALTIES, specialists
from ccpo_env.types import PromptTemplate, Task, Topology, Turn, Verdict

TASK = Task("t/0", "1+1", "2")
PROMPTS = PromptTemplate(
    roles={"one": "You are one.", "two": "You are two."},
    hand_over="Hand over.",
    give_answer="Answer.",
)


def judge(response, _gold):
    return Verdict("correct" if int(response, 16) % 2 else "wrong", response)


class Noise:
    """Says what follows from the prompt and the noise of the call: common random numbers."""

    def __init__(self):
        self.num_asked = 0

    def sample(self, prompts, *, sampling, rng):
        self.num_asked += len(prompts)
        said = [hashlib.sha256(prompt.text.encode()).hexdigest()[:12] for prompt in prompts]
        return [Completion(text, (0,), (1, 2), (-1.0, -1.0)) for text in said]


def runner_of(topology, policy, verifier=judge):
    env = TeamAnswerEnv(topology, tasks=[TASK], verifier=verifier)
    roles = topology.roles
    return RolloutRunner(env, dict.fromkeys(roles, policy), dict.fromkeys(roles, Sampling()))


@st.composite
def teams(draw):
    """A topology in which anybody may read anybody, and who is removed from it."""
    agents = [f"agent_{n}" for n in range(draw(st.integers(2, 4)))]
    speakers = draw(st.lists(st.sampled_from(agents), min_size=2, max_size=6))
    known = sorted(set(speakers))
    if len(known) == 1:
        speakers, known = [*speakers, "other"], [*known, "other"]
    turns = tuple(
        Turn(speaker, draw(st.sampled_from(["one", "two"])), tuple(draw(reading(known))))
        for speaker in speakers
    )
    decision = draw(st.sampled_from(["last", "majority"]))
    secret = draw(st.booleans()) and decision == "last"
    topology = Topology("random", turns, PROMPTS, decision=decision, has_secret_answer=secret)
    removed = draw(st.sets(st.sampled_from(known), min_size=1, max_size=len(known) - 1))
    return topology, frozenset(removed)


def reading(known):
    return st.lists(st.sampled_from(known), unique=True, max_size=len(known))


@settings(max_examples=60, deadline=None)
@given(teams())
def test_what_is_kept_is_what_a_replay_from_the_first_turn_would_say(drawn):
    topology, removed = drawn
    kept, left = kept_turns(topology, removed), turns_without(topology, removed)
    policy = Noise()
    runner = runner_of(topology, policy)
    rng = np.random.default_rng(0)
    requests = [RolloutRequest(TASK), RolloutRequest(TASK, removed)]
    if kept:
        requests.append(RolloutRequest(TASK, removed, leader=0, kept=kept))
    team, whole, *replays = runner.play(requests, rng=rng)
    for replay in replays:
        # The same prompts lead to the same messages, so both are the same to the character.
        assert replay.messages == whole.messages
        assert replay.verdict == whole.verdict
        assert [own is None for own in replay.completions] == [turn in kept for turn in left]
    for place, turn in enumerate(left):
        # No message is sampled anew whose prompt is as it was.
        assert (whole.messages[place] == team.messages[turn]) == (turn in kept)
    first = first_kept_turns(topology, removed)
    assert first == tuple(left[: len(first)])
    assert policy.num_asked == len(topology.turns) + len(left) + len(replays) * (
        len(left) - len(kept)
    )


SPECIALIST = tuple(f"{role}_0" for role in SPECIALTIES)


def group_without(removals, **plan):
    policy = Noise()
    costs = CostTracker()
    (group,) = play_groups(
        runner_of(specialists(), policy),
        [TASK],
        Plan(group_size=2, removals=removals, num_removed=4, num_branches=3, **plan),
        rng=np.random.default_rng(0),
        costs=costs,
    )
    return group, costs


def test_a_specialist_is_removed_at_the_price_of_an_answer():
    each = tuple(frozenset({name}) for name in SPECIALIST)
    group, costs = group_without(each)
    assert {key: own.shape for key, own in group.removed.items()} == dict.fromkeys(each, (2, 3))
    # Two rollouts of four messages; then two times three answers without each, of two tokens.
    assert costs.generated["joint"] == 2 * 4 * 2
    assert costs.generated["removed"] == 3 * 2 * 3 * 2
    assert {own.kept for own in group.replays} == {(1, 2), (0, 2), (0, 1)}
    assert {len(said) for own in group.replays for said in own.messages} == {1}


def test_all_specialists_are_removed_once_for_the_task():
    everybody = frozenset(SPECIALIST)
    group, _ = group_without((everybody,))
    assert group.removed[everybody].shape == (4,)
    assert [(own.rollout, own.kept) for own in group.replays] == [(None, ())]


def test_only_what_was_sampled_without_an_agent_is_trained_on():
    group, _ = group_without((frozenset({"adder_0"}),), keep_completions=True)
    maker = SampleMaker(specialists(), np.ones(4), OPTIMIZERS["rloo"], [9] * 4)
    made = maker.samples([group], [np.zeros((2, 4))], ("subtracter", "solver"))
    assert {role: len(own) for role, own in made.items()} == {"subtracter": 2, "solver": 2 + 2 * 3}


def test_a_replay_after_a_leader_that_failed_fails_with_it():
    class Silent(Noise):
        def sample(self, prompts, *, sampling, rng):
            said = super().sample(prompts, sampling=sampling, rng=rng)
            return [
                replace(own, failure="no answer") if "only subtract" in prompt.text else own
                for own, prompt in zip(said, prompts, strict=True)
            ]

    runner = runner_of(specialists(), Silent())
    kept = kept_turns(specialists(), frozenset({"adder_0"}))
    requests = [
        RolloutRequest(TASK),
        RolloutRequest(TASK, frozenset({"adder_0"}), leader=0, kept=kept),
    ]
    team, without = runner.play(requests, rng=np.random.default_rng(0))
    assert (team.reward, without.reward) == (None, None)
    assert without.messages == ()
    assert "no answer" in without.verdict.detail
