"""Pack the groups of a run into compressed chunks, one per step, that a page decodes on demand."""

from __future__ import annotations

import base64
import json
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from baselines.common.rollout_file import (
    MIN_CHARS,
    PAGE_CHARS,
    RecordedGroup,
    RecordedReplays,
    clip,
    clip_length,
)
from baselines.explore.disagreement import Disagreement, disagreement
from ccpo_env.text import valid_unicode

MAX_ROLLOUTS = 40_000
"""Number of rollouts on a page, at most."""
PREVIEW_CHARS = 200
LEVEL = 6
Steps = Mapping[int, Sequence[RecordedGroup]]


@dataclass(frozen=True, slots=True)
class Packed:
    """The groups of a run, for the page.

    Args:
        index: A compressed table of all groups: what the list of tasks needs.
        chunks: The groups of each step, compressed, with the texts that no earlier step has.
        firsts: Number of the first text in each chunk.
        steps: Numbers of the steps.
        max_chars: Number of characters that longer texts were shortened to; None: none was.
        num_groups: Number of groups.
    """

    index: str
    chunks: list[str]
    firsts: list[int]
    steps: list[int]
    max_chars: int | None
    num_groups: int

    @property
    def num_bytes(self) -> int:
        """Number of bytes in the page."""
        return len(self.index) + sum(map(len, self.chunks))


def pack(steps: Steps, speakers: Sequence[str], *, max_bytes: int) -> Packed:
    """Return the groups in at most a number of bytes.

    First the middle of long texts is left out, the longest first; then steps, and then groups of
    the steps that remain.

    Args:
        steps: Groups of each step, at least one.
        speakers: The agent of each turn.
        max_bytes: Size of the result, at most, if its smallest form fits.
    """
    most, chars = MAX_ROLLOUTS, PAGE_CHARS
    while True:
        kept = thinned(steps, most)
        lengths = [len(text) for text in _texts(kept)]
        longest = clip_length(lengths, chars)
        is_clipped = longest < max(lengths)
        packed = _packed(kept, speakers, longest if is_clipped else None)
        if packed.num_bytes <= max_bytes or most == 1:
            return packed
        if longest > MIN_CHARS:
            fitting = int(sum(min(n, longest) for n in lengths) * max_bytes / packed.num_bytes)
            chars = min(chars, int(0.95 * fitting))
        else:
            most = max(1, most // 2)


def thinned(steps: Steps, max_rollouts: int) -> dict[int, Sequence[RecordedGroup]]:
    """Return at most this many rollouts: evenly spaced steps, then the first groups of each.

    The first and the last step are kept, and at least one group of each step.
    """
    numbers, sizes = list(steps), {k: sum(map(_size, own)) for k, own in steps.items()}
    kept = numbers
    while len(kept) > 2 and sum(sizes[step] for step in kept) > max_rollouts:
        places = np.linspace(0, len(numbers) - 1, max(2, len(kept) * 3 // 4)).round().astype(int)
        kept = [numbers[place] for place in places.tolist()]
    share = max_rollouts // len(kept)
    return {step: steps[step][: _num_that_fit(steps[step], share)] for step in kept}


def _size(group: RecordedGroup) -> int:
    return len(group["rewards"])


def _num_that_fit(groups: Sequence[RecordedGroup], share: int) -> int:
    totals = np.cumsum([_size(group) for group in groups])
    return max(1, int((totals <= share).sum()))


def _texts(steps: Steps) -> set[str]:
    return {text for groups in steps.values() for group in groups for text in _texts_of(group)}


def _texts_of(group: RecordedGroup) -> list[str]:
    replayed = [text for own in group["replays"] for texts in own["messages"] for text in texts]
    return [group["question"], *replayed, *(text for texts in group["messages"] for text in texts)]


def _packed(steps: Steps, speakers: Sequence[str], longest: int | None) -> Packed:
    agents = list(dict.fromkeys(speakers))
    columns = {agent: [t for t, own in enumerate(speakers) if own == agent] for agent in agents}
    tasks, strings = _Tasks(), _Strings(longest)
    index = _Index()
    chunks, firsts = [], []
    for place, groups in enumerate(steps.values()):
        firsts.append(len(strings))
        compared = disagreement(groups, columns)
        index.add(place, groups, compared, [tasks.number(group) for group in groups])
        packer = _Packer(strings, tasks, agents)
        packed = [packer.group(group) for group in groups]
        chunks.append({"strings": strings.texts[firsts[-1] :], "groups": packed})
    return Packed(
        index=_compressed({**index.columns, "tasks": tasks.rows}),
        chunks=[_compressed(chunk) for chunk in chunks],
        firsts=firsts,
        steps=list(steps),
        max_chars=longest,
        num_groups=sum(map(len, steps.values())),
    )


@dataclass(slots=True)
class _Strings:
    """Texts, each stored once."""

    longest: int | None
    texts: list[str] = field(default_factory=list)
    _numbers: dict[str, int] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.texts)

    def number(self, text: str | None) -> int:
        """Return the place of a text; -1 for None."""
        if text is None:
            return -1
        shown = valid_unicode(text if self.longest is None else clip(text, self.longest))
        if shown not in self._numbers:
            self._numbers[shown] = len(self.texts)
            self.texts.append(shown)
        return self._numbers[shown]


@dataclass(slots=True)
class _Tasks:
    """Tasks, each with the beginning of its question."""

    rows: list[list[str]] = field(default_factory=list)
    _numbers: dict[tuple[str, str], int] = field(default_factory=dict)

    def number(self, group: RecordedGroup) -> int:
        key = (group["task_id"], group["question"])
        if key not in self._numbers:
            self._numbers[key] = len(self.rows)
            shown = [group["task_id"], group["question"][:PREVIEW_CHARS], group["gold"]]
            self.rows.append([valid_unicode(text) for text in shown])
        return self._numbers[key]


@dataclass(slots=True)
class _Index:
    """Columns of the list of tasks, one entry per group."""

    columns: dict[str, list[Any]] = field(
        default_factory=lambda: {
            **{name: [] for name in ("step", "place", "task", "right", "total")},
            **{name: [] for name in ("distance", "opposed", "slopes", "least")},
        }
    )

    def add(
        self,
        step: int,
        groups: Sequence[RecordedGroup],
        compared: Disagreement,
        tasks: Sequence[int],
    ) -> None:
        """Add the groups of a step; slopes and least have one entry per step."""
        columns = self.columns
        columns["step"] += [step] * len(groups)
        columns["place"] += range(len(groups))
        columns["task"] += tasks
        columns["right"] += [sum(r > 0 for r in group["rewards"]) for group in groups]
        columns["total"] += [len(group["rewards"]) for group in groups]
        columns["distance"] += compared.distances.round(4).tolist()
        columns["opposed"] += compared.num_opposed.tolist()
        columns["slopes"].append(compared.slopes.round(4).tolist())
        columns["least"].append(compared.least.tolist())


@dataclass(frozen=True, slots=True)
class _Packer:
    """Replaces texts and names by numbers."""

    strings: _Strings
    tasks: _Tasks
    agents: Sequence[str]

    def group(self, group: RecordedGroup) -> dict[str, Any]:
        number = self.strings.number
        packed = {
            "task": self.tasks.number(group),
            "question": number(group["question"]),
            "messages": [list(map(number, texts)) for texts in group["messages"]],
            "answers": list(map(number, group["answers"])),
            "rewards": [int(reward) for reward in group["rewards"]],
            "credit": group["credit"],
            "advantage": group["advantage"],
            "shared": group["shared_advantage"],
            "replays": [self.replays(own) for own in group["replays"]],
        }
        if "votes" in group:
            packed["votes"] = [list(map(number, votes)) for votes in group["votes"]]
            packed["recounts"] = [
                [int(reward) for reward in group["recounts"][agent]] for agent in self.agents
            ]
        return packed

    def replays(self, own: RecordedReplays) -> dict[str, Any]:
        number = self.strings.number
        return {
            "without": [self.agents.index(agent) for agent in own["without"]],
            "rollout": -1 if own["rollout"] is None else own["rollout"],
            "kept": own["kept"],
            "speakers": [self.agents.index(agent) for agent in own["speakers"]],
            "messages": [list(map(number, texts)) for texts in own["messages"]],
            "answers": list(map(number, own["answers"])),
            "rewards": [None if reward is None else int(reward) for reward in own["rewards"]],
        }


def _compressed(value: object) -> str:
    """Return JSON, deflated, in base64."""
    text = json.dumps(value, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    return base64.b64encode(zlib.compress(text.encode(), LEVEL)).decode()
