"""An episode as text that a person can read."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from ccpo_env.text import valid_unicode
from ccpo_env.types import Message, Task, Verdict


def transcript(
    task: Task, messages: Sequence[Message], removed: Iterable[str], verdict: Verdict | None
) -> str:
    """Return the question, who said what, and the verdict if there is one."""
    lines = [f"Task {task.id}", task.question, ""]
    lines += [f"({agent} is removed)" for agent in sorted(removed)]
    for message in messages:
        lines += [f"{message.agent}:", f"  {message.text}"]
    if verdict is not None:
        reward = "not measured" if verdict.reward is None else f"reward {verdict.reward:+.0f}"
        lines.append(f"=> {verdict.status}, {reward} (answer {verdict.answer}, gold {task.answer})")
    return valid_unicode("\n".join(lines))
