"""Who earned the team reward: from what was measured on a group to each agent's credit."""

from baselines.credit.audit import CreditAudit, audit, audit_advantages
from baselines.credit.counterfactual import counterfactual_credit
from baselines.credit.outcomes import GroupOutcomes
from baselines.credit.registry import ALLOCATORS, Allocator
from baselines.credit.shared import shared_credit

__all__ = [
    "ALLOCATORS",
    "Allocator",
    "CreditAudit",
    "GroupOutcomes",
    "audit",
    "audit_advantages",
    "counterfactual_credit",
    "shared_credit",
]
