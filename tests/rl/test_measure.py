from __future__ import annotations

from collections import Counter
from dataclasses import replace

import numpy as np
import pytest

from baselines.credit import ALLOCATORS, GroupOutcomes
from baselines.optimizers import OPTIMIZERS
from baselines.rollouts.costs import CostTracker
from baselines.rollouts.groups import Group
from baselines.train.logging import step_times
from baselines.train.logging.step_metrics import (
    cost_metrics,
    credit_metrics,
    rating_metrics,
    rollout_metrics,
)
from tests.rl.strategies import measured_group
from tests.rl.teams import NO_THINKER, PAIR, TASK, rollout


def group_of(joint, without=(), *, num_unmeasured=0) -> Group:
    removed = {NO_THINKER: np.array(without, dtype=float)} if without else {}
    num_played = len(joint) + len(without) + num_unmeasured
    failures = Counter(late=num_unmeasured)
    return Group(TASK, tuple(joint), removed, {}, num_played=num_played, failures=failures)


def measured(outcomes, allocator="counterfactual", optimizer="grpo", **arguments):
    credit = [ALLOCATORS[allocator](group, **arguments) for group in outcomes]
    advantages = OPTIMIZERS[optimizer].advantage(credit)
    return credit_metrics(outcomes, credit, advantages, PAIR, OPTIMIZERS[optimizer])


def outcomes_of(team: list[float], without: list[float] | None) -> GroupOutcomes:
    return GroupOutcomes(PAIR, team, None if without is None else {"thinker_0": without})


def test_rollout_metrics_are_rates_over_measured_rollouts():
    groups = [
        group_of([rollout("correct"), rollout("wrong")], [1.0, -1.0]),
        group_of([rollout("no_answer"), rollout("correct")], [-1.0], num_unmeasured=3),
        group_of([rollout("correct"), rollout("correct")]),  # nothing removed
    ]
    metrics = rollout_metrics(groups, 2, PAIR)
    assert metrics["accuracy/joint"] == 4 / 6
    assert metrics["accuracy/solo"] == pytest.approx(1 / 3)
    assert metrics["rollout/no_answer_rate"] == 1 / 6
    assert metrics["rollout/unmeasured_rate"] == 3 / 12
    assert metrics["rollout/groups"] == 2
    assert metrics["rollout/removed_groups"] == 2


def test_rollout_metrics_mean_length_leaves_removed_out():
    texts = [("four", "22"), ("eighteen", "2")]
    groups = [group_of([rollout("correct", texts=t) for t in texts], [-1.0])]
    metrics = rollout_metrics(groups, 1, PAIR)
    assert metrics["rollout/thinker_0/tokens"] == (4 + 8) / 2
    assert metrics["rollout/solver_0/tokens"] == (2 + 1) / 2


def test_rollout_metrics_are_null_when_nothing_was_measured():
    metrics = rollout_metrics([group_of([], num_unmeasured=5)], 0, PAIR)
    assert metrics["accuracy/joint"] is None
    assert metrics["accuracy/solo"] is None
    assert metrics["rollout/thinker_0/tokens"] is None
    assert metrics["rollout/unmeasured_rate"] == 1.0
    assert metrics["rollout/groups"] == 0


def rated(shares_of_thinker: list[float], valid: list[list[bool]]) -> GroupOutcomes:
    """Two right rollouts and two wrong ones of a team that fails without its thinker."""
    row = np.array(shares_of_thinker)
    ratings = np.stack([np.stack([row, 1.0 - row])] * 2)
    removed = {"thinker_0": [-1.0]}
    return GroupOutcomes(
        PAIR, [1, 1, -1, -1], removed, ratings=ratings, rating_valid=np.array(valid)
    )


def test_rollout_metrics_estimate_entropy_by_the_mean_surprise_of_tokens():
    played = rollout("correct", texts=("abc", "2"))
    spoken = [
        replace(completion, logprobs=logprobs)
        for completion, logprobs in zip(played.sampled, [(-1.0, -2.0, -3.0), (-0.5,)], strict=True)
    ]
    again = [replace(c, logprobs=(0.0,) * len(c.token_ids)) for c in played.sampled]
    groups = [group_of([replace(played, completions=tuple(own)) for own in (spoken, again)])]
    metrics = rollout_metrics(groups, 1, PAIR)
    assert metrics["rollout/thinker_0/neg_logprob"] == 6.0 / 6  # over all tokens
    assert metrics["rollout/solver_0/neg_logprob"] == 0.5 / 2
    unknown = rollout_metrics([group_of([rollout("correct")])], 1, PAIR)
    assert unknown["rollout/solver_0/neg_logprob"] is None  # an endpoint without log-probabilities


def test_mean_surprise_estimates_the_entropy_of_the_policy():
    rng = np.random.default_rng(2)
    p = np.array([0.6, 0.3, 0.1])
    drawn = rng.choice(3, 20_000, p=p)
    played = rollout("correct", texts=("a", "2"))
    said = replace(played.sampled[0], logprobs=tuple(np.log(p[drawn]).tolist()))
    groups = [group_of([replace(played, completions=(said, played.sampled[1]))])]
    found = rollout_metrics(groups, 1, PAIR)["rollout/thinker_0/neg_logprob"]
    assert found == pytest.approx(-(p * np.log(p)).sum(), abs=0.02)


def test_advantage_variance_is_the_total_less_the_variance_between_tasks():
    rng = np.random.default_rng(3)
    outcomes = [measured_group(rng, num_agents=2) for _ in range(20)]
    advantages = [
        rng.normal(k, 1.0 + k, (*group.team_rewards.shape, 2)) for k, group in enumerate(outcomes)
    ]
    metrics = credit_metrics(outcomes, advantages, advantages, PAIR, OPTIMIZERS["grpo"])
    sizes = np.array([len(own) for own in advantages])
    for column, agent in enumerate(PAIR):
        values = np.concatenate([own[:, column] for own in advantages])
        means = np.array([own[:, column].mean() for own in advantages])
        between = (sizes * (means - values.mean()) ** 2).sum() / sizes.sum()
        assert metrics[f"credit/{agent}/advantage_variance"] == pytest.approx(
            values.var() - between
        )


def test_advantage_variance_adds_up_the_turns_of_an_agent():
    turns = ("thinker_0#1", "solver_0#1", "thinker_0#2")
    group = GroupOutcomes(PAIR, [1.0, -1.0], turns=turns)
    advantages = np.array([[1.0, 5.0, 2.0], [-1.0, 5.0, 0.0]])  # deviations 1, 0 and 1
    metrics = credit_metrics([group], [advantages], [advantages], PAIR, OPTIMIZERS["grpo"])
    assert metrics["credit/thinker_0/advantage_variance"] == 2.0
    assert metrics["credit/solver_0/advantage_variance"] == 0.0


def test_rating_metrics_compare_shares_with_what_removal_changes():
    every = [[True] * 4] * 2
    # Without the thinker the two right rollouts would be wrong; the wrong ones stay wrong.
    for shares, calibration in (([0.9, 0.9, 0.1, 0.1], 1.0), ([0.2, 0.2, 0.8, 0.8], -1.0)):
        metrics = rating_metrics([rated(shares, every)], PAIR)
        assert metrics["rating/thinker_0/calibration"] == pytest.approx(calibration)
        assert metrics["rating/thinker_0/valid_rate"] == 1.0
        assert metrics["rating/solver_0/calibration"] is None  # never removed


def test_rating_metrics_leave_out_what_could_not_be_read():
    valid = [[True, False, True, True], [True, False, False, True]]
    metrics = rating_metrics([rated([0.9, 0.1, 0.1, 0.1], valid)], PAIR)
    assert metrics["rating/thinker_0/valid_rate"] == 3 / 4
    assert metrics["rating/solver_0/valid_rate"] == 2 / 4
    assert metrics["rating/thinker_0/calibration"] == pytest.approx(1.0)
    assert rating_metrics([rated([0.9, np.nan, 0.1, 0.1], valid)], PAIR) == metrics


def test_rating_metrics_count_a_rollout_that_one_rater_could_be_read_of():
    shares, valid = [0.9, 0.2, 0.5, 0.1], [[True, False, True, True], [True] * 4]
    metrics = rating_metrics([rated(shares, valid)], PAIR)
    expected = np.corrcoef(shares, [1.0, 1.0, 0.0, 0.0])[0, 1]
    assert metrics["rating/thinker_0/calibration"] == pytest.approx(expected)


def test_rating_metrics_are_null_when_nobody_rated():
    assert set(rating_metrics([outcomes_of([1, -1], [-1])], PAIR).values()) == {None}


def test_credit_metrics_help_and_hurt_by_hand():
    outcomes = [
        outcomes_of([1, 1, 1, -1], [-1, -1, 1, -1]),  # mostly wrong alone: 3 helped
        outcomes_of([1, -1, -1, -1], [1, 1, 1, -1]),  # mostly right alone: 3 hurt
        outcomes_of([1, -1], [1, -1]),  # as often right as wrong: neither
    ]
    metrics = measured(outcomes)
    assert metrics["credit/help_rate"] == 3 / 10
    assert metrics["credit/hurt_rate"] == 3 / 10


def test_credit_metrics_help_and_hurt_compare_a_rollout_with_its_own_replays():
    removed = {
        "thinker_0": [[-1, -1, 1], [1, 1, 1], [1, 1, -1], [-1, -1, -1]],  # helped, -, hurt, -
        "solver_0": [[1], [-1], [-1], [-1]],  # -, helped, -, -: as in the recount of a vote
    }
    metrics = measured([GroupOutcomes(PAIR, [1, 1, -1, -1], removed)])
    assert metrics["credit/help_rate"] == 2 / 8
    assert metrics["credit/hurt_rate"] == 1 / 8


def test_credit_metrics_help_and_hurt_are_null_when_nobody_was_removed():
    metrics = measured([outcomes_of([1, -1], None)], "shared")
    assert metrics["credit/help_rate"] is None
    assert metrics["credit/hurt_rate"] is None
    assert metrics["credit/thinker_0/slope_vs_shared"] == 1.0


def test_credit_metrics_pool_the_rollouts_of_all_groups():
    outcomes = [outcomes_of([1, -1], [-1]), outcomes_of([1, 1, 1], [1])]
    metrics = measured(outcomes, weight=0.5)
    # credit of the thinker: 1.5 (helped), -1; 1, 1, 1 (b > 0 and R > 0: no bonus)
    credit = np.array([1.5, -1.0, 1.0, 1.0, 1.0])
    assert metrics["credit/thinker_0/mean"] == pytest.approx(credit.mean())
    assert metrics["credit/thinker_0/std"] == pytest.approx(credit.std())
    assert metrics["credit/solver_0/mean"] == pytest.approx(3 / 5)
    # the second group has no signal; in the first the advantage is 1.25 against 1
    assert metrics["credit/thinker_0/slope_vs_shared"] == pytest.approx(1.25)
    assert metrics["credit/thinker_0/signal_rate"] == 0.5


def test_credit_metrics_are_null_without_signal():
    metrics = measured([outcomes_of([1, 1], [-1])])
    assert metrics["credit/thinker_0/slope_vs_shared"] is None
    assert metrics["credit/thinker_0/correlation_vs_shared"] is None
    assert metrics["credit/thinker_0/signal_rate"] == 0.0


def test_credit_metrics_are_null_when_no_group_was_usable():
    metrics = measured([])
    assert set(metrics.values()) == {None}
    assert set(metrics) == set(measured([outcomes_of([1, -1], [-1])]))


def test_credit_metrics_are_of_an_agent_over_all_its_turns():
    agents, turns = ("debater_0", "debater_1"), ("debater_0#1", "debater_1#1", "debater_0#2")
    branches = {"debater_0#1": [[0.5], [-0.5]], "debater_1#1": [[1], [-0.5]]}
    group = GroupOutcomes(agents, [1, -1], branch_rewards=branches, turns=turns)
    # Credit of the first debater: 0.5 and 0, -0.5 and -0.5; of the second 0.5 and 0.
    credit = [ALLOCATORS["branch"](group)]
    np.testing.assert_array_equal(credit[0], [[0.5, 0.5, 0.0], [-0.5, 0.0, -0.5]])
    advantages = OPTIMIZERS["dr_grpo"].advantage(credit)
    metrics = credit_metrics([group], credit, advantages, agents, OPTIMIZERS["dr_grpo"])
    first = np.array([0.5, -0.5, 0.0, -0.5])
    assert metrics["credit/debater_0/mean"] == pytest.approx(first.mean())
    assert metrics["credit/debater_0/std"] == pytest.approx(first.std())
    assert metrics["credit/debater_1/mean"] == pytest.approx(0.25)
    # Advantages 0.5, -0.5 and 0.25, -0.25 against 1, -1 in each turn.
    assert metrics["credit/debater_0/slope_vs_shared"] == pytest.approx(1.5 / 4)
    assert metrics["credit/debater_0/sign_agreement"] == 1.0
    assert {name.split("/")[1] for name in metrics} == {*agents, "help_rate", "hurt_rate"}


def test_rollout_metrics_count_the_tokens_of_all_turns_of_an_agent():
    agents = ("debater_0", "debater_1", "debater_0")
    said = rollout("correct", agents=agents, texts=("four", "x", "22"))
    metrics = rollout_metrics([group_of([said])], 1, agents[:2])
    assert metrics["rollout/debater_0/tokens"] == 3.0
    assert metrics["rollout/debater_1/tokens"] == 1.0


def spent() -> CostTracker:
    costs = CostTracker(forward_passes=9, generate_s=0.5, rate_s=3.0, verify_s=4.0)
    costs.environment_s = 5.0
    purposes = ("joint", "removed", "branch", "rating", "category")
    for place, purpose in enumerate(purposes):
        costs.count(
            purpose,
            tokens_generated=10**place,
            tokens_read=2 * 10**place,
            verifier_calls=3 * 10**place,
        )
    return costs


def test_cost_metrics_are_by_purpose():
    assert cost_metrics(spent()) == {
        "cost/tokens_generated": 11111,
        "cost/tokens_removed": 10,
        "cost/tokens_branch": 100,
        "cost/tokens_rating": 1000,
        "cost/tokens_read": 22222,
        "cost/tokens_read_rating": 2000,
        "cost/tokens_read_influence": 0,
        "cost/forward_passes": 9,
        "cost/verifier_calls": 33333,
    }


def test_step_times_are_those_of_the_parts(monkeypatch):
    now = iter([10.0, 11.0, 13.0, 17.0, 25.0])
    monkeypatch.setattr(step_times.time, "perf_counter", lambda: next(now))
    times = step_times.StepTimes()
    for part in ("play", "credit", "update"):
        times.end(part)
    assert times.metrics(spent()) == {
        "time/step_s": 15.0,
        "time/generate_s": 0.5,
        "time/rate_s": 3.0,
        "time/verify_s": 4.0,
        "time/environment_s": 5.0,
        "time/critic_s": 0.0,
        "time/credit_s": 2.0,
        "time/update_s": 4.0,
        "time/tokens_per_s": 22222.0,
    }


def test_step_times_of_a_step_that_generates_nothing_have_a_rate_of_zero():
    times = step_times.StepTimes()
    for part in ("credit", "update"):
        times.end(part)
    assert times.metrics(CostTracker())["time/tokens_per_s"] == 0.0
