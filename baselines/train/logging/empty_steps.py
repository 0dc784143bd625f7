"""Count the steps that train on nothing, and warn of them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass


@dataclass(slots=True)
class EmptySteps:
    """Steps without a usable group, whose policies are not updated.

    Args:
        count: Number of such steps so far.
    """

    count: int = 0

    def warning(self, step: int, reasons: Iterable[str | None]) -> str | None:
        """Process a step; return a warning for the 1st, 10th, 100th … step without usable groups.

        Args:
            step: Number of the step.
            reasons: Why each group that was played is not usable; None for a usable one.
        """
        found = Counter(reasons)
        if None in found:
            return None
        self.count += 1
        if self.count != 10 ** (len(str(self.count)) - 1):
            return None
        each = ", ".join(f"{number} with {reason}" for reason, number in found.most_common())
        return (
            f"step {step} trained on nothing, as no group of rollouts can be used: {each} "
            f"({self.count} such step{'s' if self.count > 1 else ''} so far)"
        )
