"""Own-answer credit: its formula, and what is measured for it in a vote and in a debate."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from baselines.credit import GroupOutcomes, own_answer_credit
from baselines.rollouts.costs import CostTracker
from baselines.rollouts.groups import Group
from baselines.rollouts.own_answers import answers_in_every_turn, with_own_rewards
from ccpo_env.topologies.debate import debate
from ccpo_env.topologies.think_solve import think_solve
from ccpo_env.topologies.vote import vote
from ccpo_env.voting import count_votes
from tests.rl.teams import TASK, judge, rollout

VOTERS = ("voter_0", "voter_1", "voter_2")
DEBATERS = ("debater_0", "debater_1", "debater_0", "debater_1")


def test_credit_is_the_own_reward_and_a_part_of_the_team_reward():
    own = [[1, -1], [-1, -1]]
    group = GroupOutcomes(("debater_0", "debater_1"), [1, -1], own_rewards=own)
    assert own_answer_credit(group).tolist() == own
    assert own_answer_credit(group, team_weight=0.5).tolist() == [[1.5, -0.5], [-1.5, -1.5]]


@pytest.mark.parametrize("own", [[[1.0, 2.0]], [[1.0, float("nan")]], [[1.0]], [1.0, -1.0]])
def test_own_rewards_are_checked(own):
    with pytest.raises(ValueError, match=r"^own_rewards must"):
        GroupOutcomes(("debater_0", "debater_1"), [1], own_rewards=own)


def test_team_weight_is_checked():
    group = GroupOutcomes(("debater_0",), [1, -1], own_rewards=[[1], [-1]])
    with pytest.raises(ValueError, match=r"^team_weight must lie in \[0, 1\], got 2"):
        own_answer_credit(group, team_weight=2)


def group_of(*rollouts) -> Group:
    return Group(TASK, rollouts, {}, {})


def votes(*texts: str):
    cast = count_votes(texts, TASK.answer, judge)
    return replace(rollout(cast.verdict().status, texts=texts, agents=VOTERS), ballot=cast)


def test_vote_is_recounted_without_everybody_else_and_calls_no_verifier():
    def refuse(*_: str):
        raise AssertionError("the ballots are known")

    group, costs = group_of(votes("2", "3", "3"), votes("", "2", "2")), CostTracker()
    (found,) = with_own_rewards([group], vote(3), refuse, costs=costs)
    assert found.own_rewards.tolist() == [[1, -1, -1], [-1, 1, 1]]
    assert costs.verifier_calls == 0
    # The same as the removal of everybody else.
    alone = np.eye(3, dtype=bool)
    recounts = [own.ballot.rewards(alone).tolist() for own in group.rollouts]
    assert found.own_rewards.tolist() == recounts


def debated(*texts: str):
    return rollout(judge(texts[-1], TASK.answer).status, texts=texts, agents=DEBATERS)


def test_every_message_of_a_debate_is_verified_once_and_the_last_is_known():
    asked = []

    def asking(response: str, gold: str):
        asked.append(response)
        return judge(response, gold)

    group, costs = group_of(debated("2", "3", "2", "3"), debated("4", "3", "", "2")), CostTracker()
    (found,) = with_own_rewards([group], debate(2, 2), asking, costs=costs)
    assert found.own_rewards.tolist() == [[1, -1, 1, -1], [-1, -1, -1, 1]]
    assert asked == ["2", "3", "4", ""]  # each text once
    assert costs.verified["own_answer"] == costs.verifier_calls == 4
    assert found.is_complete


def test_message_that_was_not_measured_is_no_signal():
    # "?" is a timeout: it counts as the mean of the turn's others, here (1 - 1) / 2.
    group = group_of(
        debated("?", "2", "2", "2"), debated("2", "2", "2", "2"), debated("3", "2", "2", "2")
    )
    (found,) = with_own_rewards([group], debate(2, 2), judge, costs=CostTracker())
    assert found.own_rewards[:, 0].tolist() == [0, 1, -1]
    assert found.is_complete
    (found,) = with_own_rewards(
        [group_of(debated("?", "2", "2", "2"))], debate(2, 2), judge, costs=CostTracker()
    )
    assert not found.is_complete


def test_group_without_rollouts_stays_as_it_is():
    empty = group_of()
    assert with_own_rewards([empty], debate(2, 2), judge, costs=CostTracker()) == [empty]


def test_only_the_last_speaker_of_a_chain_answers():
    assert answers_in_every_turn(vote(3))
    assert answers_in_every_turn(debate(2, 2))
    assert not answers_in_every_turn(think_solve(1))
