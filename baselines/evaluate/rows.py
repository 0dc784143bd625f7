"""One quantity of an evaluation on one path, with its label and its verdict."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from baselines.common.stats import ALPHA, Estimate, PairedDifference
from baselines.evaluate.paths import TeamPath
from baselines.evaluate.scores import Score

Quantity = Literal["accuracy", "pass", "majority", "help", "hurt", "net_gain"] | Score
Verdict = Literal["helps", "hurts", "inconclusive"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One quantity on one path.

    Args:
        quantity: Name of the quantity; help, hurt and net_gain compare the whole team with the
            path.
        path: The path.
        k: The k in avg@k, pass@k and maj@k.
        estimate: Mean and interval, of a net gain a PairedDifference; None if nothing was measured.
        successes: Samples, or pairs of samples, that succeeded; None for a score that is no
            count of successes, such as a token F1, or of which some are shared in ties.
        total: Samples, or pairs, that were measured.
        adjusted: Of a net gain, its p-value adjusted by Holm's method over all that are tested;
            None for other quantities, and for the tasks of a tag, which are not tested.
    """

    quantity: Quantity
    path: TeamPath
    k: int
    estimate: Estimate | None
    successes: int | None = 0
    total: int = 0
    adjusted: float | None = None

    @property
    def verdict(self) -> Verdict | None:
        """Whether the message or the agent helps or hurts the team; None if it is not tested."""
        if self.adjusted is None or self.estimate is None:
            return None
        if self.adjusted < ALPHA and self.estimate.is_above(0.0):
            return "helps"
        if self.adjusted < ALPHA and self.estimate.is_below(0.0):
            return "hurts"
        return "inconclusive"

    @property
    def text(self) -> str:
        """Label in tables."""
        who = _TEAM[self.path.kind].format("+".join(self.path.agents))
        match self.quantity:
            case "accuracy":
                return f"accuracy{who}" + (f" (avg@{self.k})" if self.k > 1 else "")
            case "pass" | "majority":
                return f"{'pass' if self.quantity == 'pass' else 'maj'}@{self.k}{who}"
            case "token_f1" | "test_share" | "no_answer" | "option_accuracy" | "option_probability":
                return f"{_SCORES[self.quantity]}{who}"
            case "net_gain":
                return _GAIN[self.path.kind].format("+".join(self.path.agents))
        preposition = "with" if self.quantity == "help" else "without"
        return f"right only {preposition} {'+'.join(self.path.agents)}"

    def to_json(self) -> dict[str, Any]:
        """Return JSON values; null where nothing was measured."""
        found = self.estimate
        test = {}
        if isinstance(found, PairedDifference):
            test = {
                "test": found.test,
                "p_value": found.p_value,
                "p_value_holm": self.adjusted,
                "verdict": self.verdict,
            }
        return {
            "quantity": self.quantity,
            "path": self.path.label,
            "k": self.k,
            "value": None if found is None else found.value,
            "low": None if found is None else found.low,
            "high": None if found is None else found.high,
            "num_tasks": 0 if found is None else found.num_units,
            "successes": self.successes,
            "total": self.total,
            **test,
        }


_TEAM = {
    "joint": ", whole team",
    "without": " without {}",
    "empty": ", empty message of {}",
    "shuffled": ", message of {} from another task",
}
_SCORES: Mapping[Score, str] = {
    "token_f1": "token F1",
    "test_share": "share of tests passed",
    "no_answer": "no readable answer",
    "option_accuracy": "most probable option is right",
    "option_probability": "probability of the gold option",
}
_GAIN = {
    "without": "net gain of {}",
    "empty": "net gain of {} over an empty message",
    "shuffled": "net gain of {} over a message from another task",
}
