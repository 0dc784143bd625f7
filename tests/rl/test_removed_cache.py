from __future__ import annotations

import json

import pytest
from scipy import stats

from baselines.rollouts.removed_cache import RemovedCache
from ccpo_env.types import Task
from tests.rl.teams import NO_THINKER, TASK

OTHER = Task("t/9", "2+2", "4")


def cache(decay: float = 0.5) -> RemovedCache:
    return RemovedCache(decay, {NO_THINKER: ["solver"]}.__getitem__)


def test_nothing_is_known_before_anything_was_measured():
    known = cache().estimate(TASK, NO_THINKER)
    assert (known.weight, known.reward) == (0.0, 0.0)


def test_estimate_is_the_posterior_of_jeffreys_prior():
    known = cache().add(TASK, NO_THINKER, [1.0, 1.0, 1.0, -1.0])
    posterior = stats.beta(3 + 0.5, 1 + 0.5)
    assert known.reward == pytest.approx(2 * posterior.mean() - 1)
    assert known.standard_deviation == pytest.approx(2 * posterior.std())
    assert cache().estimate(OTHER, NO_THINKER).weight == 0.0


def test_a_reward_between_wrong_and_right_counts_as_a_part_of_a_right_answer():
    known = cache().add(TASK, NO_THINKER, [-0.5, -0.5, 1.0])
    assert (known.right, known.wrong) == (1.5, 1.5)


def test_what_was_measured_is_worth_less_after_each_update_of_a_policy_that_was_left():
    known = cache(0.5)
    known.add(TASK, NO_THINKER, [1.0, -1.0, -1.0, -1.0])
    known.policy_updated("thinker")  # it was removed: nothing changes
    assert known.estimate(TASK, NO_THINKER).weight == 4.0
    known.policy_updated("solver")
    known.policy_updated("solver")
    assert known.estimate(TASK, NO_THINKER).weight == 1.0
    fresh = known.add(TASK, NO_THINKER, [1.0])
    assert (fresh.right, fresh.wrong) == (0.25 + 1.0, 0.75)


def test_state_survives_json_exactly():
    before = cache(0.9)
    before.add(TASK, NO_THINKER, [1.0, -1.0])
    before.policy_updated("solver")
    before.add(OTHER, NO_THINKER, [1.0])
    after = cache(0.9)
    after.load_json(json.loads(json.dumps(before.to_json())))
    for task in (TASK, OTHER):
        assert after.estimate(task, NO_THINKER) == before.estimate(task, NO_THINKER)
    assert after.to_json() == before.to_json()


@pytest.mark.parametrize("decay", [-0.1, 1.1])
def test_decay_out_of_range_is_refused(decay):
    with pytest.raises(ValueError, match="removed_cache_decay must be in"):
        cache(decay)
