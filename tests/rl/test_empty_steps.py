from __future__ import annotations

import pytest

from baselines.train.logging.empty_steps import EmptySteps

FEW, EQUAL = "too few measured rollouts", "equal rewards, which dapo drops"


def test_empty_steps_warns_of_the_first_the_tenth_and_the_hundredth():
    empty = EmptySteps()
    warned = [step for step in range(1, 1201) if empty.warning(step, [FEW])]
    assert warned == [1, 10, 100, 1000]
    assert empty.count == 1200


def test_empty_steps_counts_groups_by_reason_the_most_frequent_first():
    empty = EmptySteps()
    assert empty.warning(7, [FEW, EQUAL, EQUAL]) == (
        f"step 7 trained on nothing, as no group of rollouts can be used: 2 with {EQUAL}, "
        f"1 with {FEW} (1 such step so far)"
    )


def test_empty_steps_counts_on_from_a_checkpoint():
    empty = EmptySteps(9)
    assert empty.warning(40, [FEW]) == (
        f"step 40 trained on nothing, as no group of rollouts can be used: 1 with {FEW} "
        f"(10 such steps so far)"
    )
    assert empty.warning(41, [FEW]) is None
    assert empty.count == 11


@pytest.mark.parametrize("reasons", [[None], [FEW, None], [None, None, EQUAL]])
def test_a_step_with_a_usable_group_is_not_empty(reasons):
    empty = EmptySteps()
    assert empty.warning(1, reasons) is None
    assert empty.count == 0
    assert empty.warning(2, iter([FEW]))  # the first that is
