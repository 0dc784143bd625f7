"""Credit assignment: the credit of each agent from the outcomes of a group of rollouts."""

from baselines.credit.audit import CreditAudit, audit, audit_advantages
from baselines.credit.banzhaf import banzhaf_credit
from baselines.credit.branch import branch_credit
from baselines.credit.c3 import c3_credit
from baselines.credit.counterfactual import counterfactual_credit
from baselines.credit.critic import critic_credit, generalized_advantages
from baselines.credit.hierarchical_grpo import hierarchical_grpo_credit
from baselines.credit.history import HistoryState, history_credit
from baselines.credit.influence import influence_credit
from baselines.credit.leave_one_out import leave_one_out_credit
from baselines.credit.outcomes import GroupBatch, GroupOutcomes
from baselines.credit.own_answer import own_answer_credit
from baselines.credit.registry import ALLOCATORS, Allocator, State, read_allocator_args
from baselines.credit.regression import additive_effects, regression_credit
from baselines.credit.self_evaluation import self_evaluation_credit
from baselines.credit.shapley import shapley_credit, shapley_with_error
from baselines.credit.shared import shared_credit

__all__ = [
    "ALLOCATORS",
    "Allocator",
    "CreditAudit",
    "GroupBatch",
    "GroupOutcomes",
    "HistoryState",
    "State",
    "additive_effects",
    "audit",
    "audit_advantages",
    "banzhaf_credit",
    "branch_credit",
    "c3_credit",
    "counterfactual_credit",
    "critic_credit",
    "generalized_advantages",
    "hierarchical_grpo_credit",
    "history_credit",
    "influence_credit",
    "leave_one_out_credit",
    "own_answer_credit",
    "read_allocator_args",
    "regression_credit",
    "self_evaluation_credit",
    "shapley_credit",
    "shapley_with_error",
    "shared_credit",
]
