from __future__ import annotations

from baselines.rollouts.costs import CostTracker


def test_a_cost_is_counted_by_purpose_and_what_is_not_named_is_not_counted():
    costs = CostTracker()
    costs.count("joint", tokens_generated=5)
    costs.count("joint", tokens_read=7)
    costs.count("removed", verifier_calls=2)
    costs.count("category", verifier_calls=3)
    assert dict(costs.generated) == {"joint": 5, "removed": 0, "category": 0}
    assert dict(costs.read) == {"joint": 7, "removed": 0, "category": 0}
    assert dict(costs.verified) == {"joint": 0, "removed": 2, "category": 3}
    assert (costs.tokens_generated, costs.verifier_calls) == (5, 5)


def test_a_new_tracker_has_cost_nothing():
    costs = CostTracker()
    assert (costs.tokens_generated, costs.verifier_calls, costs.forward_passes) == (0, 0, 0)
    assert costs.generate_s == costs.rate_s == costs.verify_s == costs.environment_s == 0.0


def test_processes_add_their_costs_and_share_their_time():
    first = CostTracker(
        forward_passes=2, generate_s=1.0, rate_s=4.0, verify_s=3.0, environment_s=0.5
    )
    second = CostTracker(
        forward_passes=5, generate_s=2.0, rate_s=1.0, verify_s=1.0, environment_s=0.75
    )
    first.count("joint", tokens_generated=5, tokens_read=1, verifier_calls=1)
    second.count("joint", tokens_generated=2, tokens_read=10, verifier_calls=20)
    total = CostTracker.total([first, second])
    assert (total.generated["joint"], total.read["joint"], total.verified["joint"]) == (7, 11, 21)
    assert total.forward_passes == 7
    assert (total.generate_s, total.rate_s) == (2.0, 4.0)
    assert (total.verify_s, total.environment_s) == (3.0, 0.75)
