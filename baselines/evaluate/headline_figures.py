"""The figures of an evaluation: accuracies, and what each agent adds, with intervals."""

from __future__ import annotations

from matplotlib import style

from baselines.evaluate.headline import gains_of
from baselines.evaluate.paths import TeamPath
from baselines.evaluate.summary import Summary
from baselines.evaluate.tables import verdict_text
from baselines.pages.dots import Dot, dots
from baselines.pages.svg import SETTINGS, Plot, short


def figures(summary: Summary) -> list[Plot]:
    """Draw accuracy with and without each agent, and the paired differences, with intervals."""
    accuracy = [
        Dot(_label(row.path), row.estimate)
        for row in summary.rows
        if row.quantity == "accuracy" and row.estimate is not None
    ]
    gains = [
        Dot(_gain_label(row.path), row.estimate, note=verdict_text(row))
        for row in gains_of(summary)
        if row.estimate is not None
    ]
    drawn = []
    with style.context(SETTINGS, after_reset=True):  # independent of the user's matplotlib settings
        if accuracy:
            meaning = "Mean rate of correct samples, with 95 % intervals over tasks."
            random = next((own for own in summary.guesses if own.name == "random_guess"), None)
            guess = None if random is None else random.value
            if guess is not None:
                meaning += f" The dashed line at {guess:.3f} is what a random guess scores."
            drawn.append(dots("Accuracy", meaning, accuracy, xlabel="accuracy", reference=guess))
        if gains:
            meaning = (
                "Accuracy of the whole team minus that without the agent, or with another message "
                "in place of its own, paired by task, with 95 % intervals."
            )
            drawn.append(
                dots(
                    "What each agent adds",
                    meaning,
                    gains,
                    xlabel="accuracy added",
                    spec="+.3f",
                    has_zero=True,
                )
            )
    return drawn


def _label(path: TeamPath) -> str:
    who = short("+".join(path.agents), 18)
    return {
        "joint": "whole team",
        "without": f"without {who}",
        "empty": f"empty message\nof {who}",
        "shuffled": f"message of {who}\nfrom another task",
    }[path.kind]


def _gain_label(path: TeamPath) -> str:
    who = short("+".join(path.agents), 18)
    return {
        "without": who,
        "empty": f"message of {who},\nover an empty one",
        "shuffled": f"message of {who}, over\none from another task",
    }[path.kind]
