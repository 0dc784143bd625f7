from __future__ import annotations

import numpy as np
import pytest

from baselines.config import TrainConfig
from baselines.credit import ALLOCATORS, GroupOutcomes
from baselines.groups import Group
from baselines.measure import credit_metrics, degeneracy_warning, rollout_metrics
from baselines.optimizers import OPTIMIZERS
from tests.rl.teams import NO_THINKER, PAIR, TASK, rollout


def group_of(joint, without=(), *, num_unmeasured=0) -> Group:
    removed = tuple(rollout(s, removed=NO_THINKER, texts=("", "2")) for s in without)
    return Group(TASK, tuple(joint), {NO_THINKER: removed} if without else {}, num_unmeasured)


def measured(outcomes, allocator="counterfactual", optimizer="grpo", **knobs):
    credit = [ALLOCATORS[allocator](group, **knobs) for group in outcomes]
    advantages = OPTIMIZERS[optimizer].advantage(credit)
    return credit_metrics(outcomes, credit, advantages, PAIR, optimizer)


def outcomes_of(team: list[float], without: list[float] | None) -> GroupOutcomes:
    return GroupOutcomes(PAIR, team, None if without is None else {"thinker_0": without})


def test_rollout_metrics_are_rates_over_measured_rollouts():
    groups = [
        group_of([rollout("correct"), rollout("wrong")], ["correct", "wrong"]),
        group_of([rollout("no_answer"), rollout("correct")], ["wrong"], num_unmeasured=3),
    ]
    metrics = rollout_metrics(groups, PAIR)
    assert metrics["accuracy/joint"] == 2 / 4
    assert metrics["accuracy/solo"] == 1 / 3
    assert metrics["rollout/no_answer_rate"] == 1 / 4
    assert metrics["rollout/unmeasured_rate"] == 3 / 10
    assert metrics["rollout/groups"] == 2


def test_rollout_metrics_mean_length_leaves_removed_out():
    texts = [("four", "22"), ("eighteen", "2")]
    groups = [group_of([rollout("correct", texts=t) for t in texts], ["wrong"])]
    metrics = rollout_metrics(groups, PAIR)
    assert metrics["rollout/thinker_0/tokens"] == (4 + 8) / 2
    assert metrics["rollout/solver_0/tokens"] == (2 + 1) / 2


def test_rollout_metrics_are_null_when_nothing_was_measured():
    metrics = rollout_metrics([group_of([], num_unmeasured=5)], PAIR)
    assert metrics["accuracy/joint"] is None
    assert metrics["accuracy/solo"] is None
    assert metrics["rollout/thinker_0/tokens"] is None
    assert metrics["rollout/unmeasured_rate"] == 1.0
    assert metrics["rollout/groups"] == 0


def test_credit_metrics_help_and_hurt_by_hand():
    outcomes = [
        outcomes_of([1, 1, 1, -1], [-1, -1, 1, -1]),  # mostly wrong alone: 3 helped
        outcomes_of([1, -1, -1, -1], [1, 1, 1, -1]),  # mostly right alone: 3 hurt
        outcomes_of([1, -1], [1, -1]),  # as often right as wrong: neither
    ]
    metrics = measured(outcomes)
    assert metrics["credit/help_rate"] == 3 / 10
    assert metrics["credit/hurt_rate"] == 3 / 10


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


def test_degeneracy_warning_names_allocator_optimizer_and_slope():
    metrics = measured([outcomes_of([1, -1], [-1]), outcomes_of([1, -1, -1], [-1])], weight=0.4)
    (warning,) = degeneracy_warning(metrics, PAIR, TrainConfig())
    assert warning.startswith("counterfactual credit is cancelled by the group-centred advantage")
    assert "advantage of grpo" in warning
    assert "(slope thinker_0 1.200)" in warning
    assert "see docs/credit.md" in warning


@pytest.mark.parametrize(
    ("metrics", "config"),
    [
        (measured([outcomes_of([1, -1], None)], "shared"), TrainConfig(allocator="shared")),
        (measured([outcomes_of([1, 1], [-1])]), TrainConfig()),  # no signal: nothing to say
        (measured([]), TrainConfig()),
    ],
)
def test_degeneracy_warning_is_silent_when_it_has_nothing_to_say(metrics, config):
    assert degeneracy_warning(metrics, PAIR, config) == []


def test_degeneracy_warning_is_silent_when_credit_ranks_rollouts_anew():
    outcomes = GroupOutcomes(
        PAIR, [1, 1, -1, -1], {"thinker_0": [[-1, -1], [1, 1], [-1, 1], [1, 1]]}
    )
    metrics = measured([outcomes], baseline="rollout")
    assert metrics["credit/thinker_0/degenerate"] == 0.0
    assert degeneracy_warning(metrics, PAIR, TrainConfig()) == []
