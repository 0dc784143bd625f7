"""Draw an episode of each environment: docs/environments/<environment>.svg.

`scripts/record_environments.py` records them. Their messages are played again in the environment
when they are drawn, so rewards and answers are the environment's.
"""

from __future__ import annotations

import json
import textwrap
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from html import escape
from pathlib import Path
from typing import Any

import ccpo_env
from ccpo_env.voting import count_votes

FOLDER = Path(__file__).resolve().parent.parent / "docs" / "environments"
RECORDED = FOLDER / "episodes.json"
"""An episode of each environment: task, messages, removed agent, and messages without it."""

REMOVED = {"think_solve": "thinker_0", "vote": "voter_0", "debate": "debater_0"}
"""The agent that is absent in the second column."""

WIDTH, MARGIN, GAP, LINE, PAD = 400, 10, 14, 15, 8
COLUMN = (WIDTH - 2 * MARGIN - GAP) // 2
CHARS, TASK_CHARS = 25, 52
"""Characters in a line of a message and of the task."""
STYLE = """
text{fill:#1f2328;font-size:12px}.h{font-weight:600}.s{fill:#59636e;font-size:11px}
.c{font:11px ui-monospace,Menlo,Consolas,monospace}.p{fill:#fff}.b{fill:#f3f6fa;stroke:#8899aa}
.x{fill:none;stroke:#8899aa;stroke-dasharray:4 3}.e{stroke:#57606a;stroke-width:1.4;fill:none}
.m{fill:#57606a}.y{fill:#d9f2e8;stroke:#00775a}.n{fill:#fde5d8;stroke:#b34700}
@media (prefers-color-scheme:dark){text{fill:#e6edf3}.s{fill:#9ea7b3}.p{fill:#0d1117}
.b{fill:#1c2430;stroke:#4d5a6b}.x{stroke:#8b949e}.e{stroke:#8b949e}.m{fill:#8b949e}
.y{fill:#0e3b2e;stroke:#3fbf95}.n{fill:#43210f;stroke:#e8823c}}
"""


@dataclass(frozen=True, slots=True)
class Block:
    """A box of a column.

    Args:
        title: The agent, or what is counted.
        lines: What it says, one string per line; none if the agent is absent.
        kind: CSS class of the box: "b" message, "x" absent, "y" correct, "n" wrong.
        is_read: Whether the block below it reads it, which an arrow shows.
    """

    title: str
    lines: tuple[str, ...] = ()
    kind: str = "b"
    is_read: bool = False

    @property
    def height(self) -> int:
        """Height in pixels."""
        return 2 * PAD + LINE * (1 + len(self.lines))


@dataclass(frozen=True, slots=True)
class Drawing:
    """What the picture of an environment shows.

    Args:
        name: Name of the environment.
        task: The task in words.
        removed: The agent that is absent in the second column.
        columns: Blocks of the episode, and of the episode without the agent.
    """

    name: str
    task: str
    removed: str
    columns: tuple[Sequence[Block], Sequence[Block]]

    def sentences(self) -> Iterator[str]:
        """Yield the episode in words."""
        yield f"Task: {self.task}."
        for head, blocks in zip(self._heads, self.columns, strict=True):
            said = ". ".join(" ".join([f"{block.title}:", *block.lines]) for block in blocks)
            yield f"{head}: {said}."

    @property
    def _heads(self) -> tuple[str, str]:
        return "whole team", f"without {self.removed}"

    def svg(self) -> str:
        """Return the picture."""
        task = textwrap.wrap(self.task, TASK_CHARS)
        top = MARGIN + 2 * PAD + LINE * (1 + len(task))
        parts = [_box(Block("task", tuple(task)), MARGIN, MARGIN, WIDTH - 2 * MARGIN)]
        rows = list(zip(*self.columns, strict=True))
        y = top + 2 * LINE + 4
        for column, head in enumerate(self._heads):
            parts.append(f'<text class="h" x="{_x(column)}" y="{y - 10}">{escape(head)}</text>')
        for row in rows:
            height = max(block.height for block in row)
            for column, block in enumerate(row):
                parts.append(_box(block, _x(column), y, COLUMN, height))
                if block.is_read:
                    middle = _x(column) + COLUMN // 2
                    d = f"M{middle} {y + height}V{y + height + GAP - 1}"
                    parts.append(f'<path class="e" marker-end="url(#a)" d="{d}"/>')
            y += height + GAP
        total = y - GAP + MARGIN
        return "\n".join(
            [
                f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {total}" '
                f'width="{WIDTH}" height="{total}" role="img" aria-labelledby="t d" '
                'font-family="system-ui, Segoe UI, Helvetica, Arial, sans-serif">',
                f'<title id="t">An episode of {self.name}, and without {self.removed}</title>',
                f'<desc id="d">{escape(" ".join(self.sentences()))}</desc>',
                f"<style>{STYLE}</style>",
                '<defs><marker id="a" viewBox="0 0 10 10" refX="9" refY="5" markerWidth="7" '
                'markerHeight="7" orient="auto"><path class="m" d="M0 0 10 5 0 10z"/></marker>'
                "</defs>",
                f'<rect class="p" width="{WIDTH}" height="{total}"/>',
                *parts,
                "</svg>\n",
            ]
        )


def _x(column: int) -> int:
    return MARGIN + column * (COLUMN + GAP)


def _box(block: Block, x: int, y: int, width: int, height: int | None = None) -> str:
    lines = "".join(
        f'<text class="c" xml:space="preserve" x="{x + PAD}" '
        f'y="{y + PAD + 11 + LINE * (number + 1)}">{escape(line)}</text>'
        for number, line in enumerate(block.lines)
    )
    return (
        f'<rect class="{block.kind}" x="{x}" y="{y}" width="{width}" '
        f'height="{height or block.height}" rx="6"/>'
        f'<text class="{"s" if block.kind == "x" else "h"}" x="{x + PAD}" y="{y + PAD + 11}">'
        f"{escape(block.title)}</text>{lines}"
    )


def drawings(recorded: Mapping[str, Any]) -> dict[str, Drawing]:
    """Return what to draw of each environment, played from the recorded messages."""
    return {
        name: (_signal if name == "signal" else _text)(name, episode)
        for name, episode in recorded.items()
    }


def _text(name: str, episode: Mapping[str, Any]) -> Drawing:
    question, answer = episode["task"]
    env = getattr(ccpo_env, f"{name}_v0")(tasks=[(question, answer)])
    columns = []
    for removed, messages in _twice(episode):
        env.reset(options={"task": 0, "removed": removed})
        blocks, said = [], iter(messages)
        for turn in env.unwrapped.topology.turns:
            if turn.speaker in removed:
                blocks.append(_absent(turn.speaker))
                continue
            message = next(said)
            env.step(message)
            lines = tuple(textwrap.wrap(message, CHARS))
            blocks.append(Block(turn.speaker, lines, is_read=name != "vote"))
        if name == "vote":
            blocks.append(_count(messages, answer))
        verdict = env.infos[env.possible_agents[-1]]["verdict"]
        columns.append([*blocks, _verdict(verdict.reward, verdict.answer)])
    first, second = columns
    task = f"{question}. The answer is {answer}."
    return Drawing(name, task, episode["removed"], (first, second))


def _signal(name: str, episode: Mapping[str, Any]) -> Drawing:
    first, second, difficulty = episode["task"]
    env = ccpo_env.signal_v0()
    task = ccpo_env.SignalTask(first, second, difficulty)
    columns = []
    for removed, actions in _twice(episode):
        env.reset(options={"task": task, "removed": removed})
        *symbols, answer = actions
        for action in actions:
            env.step(action)
        sent = " ".join(map(str, symbols[0])) if symbols else "nothing"
        seen = (f"sees {first} and {second}", f"sends {sent}")
        solver = Block("solver_0", (f"sees {first}, reads {sent}", f"answers {answer}"), "b", True)
        thinker = Block("thinker_0", seen, is_read=True) if symbols else _absent("thinker_0")
        columns.append([thinker, solver, _verdict(env.rewards["solver_0"], answer)])
    left, right = columns
    words = f"{first} + {second} modulo 4. The second number is hidden from the solver."
    return Drawing(name, words, episode["removed"], (left, right))


def _twice(episode: Mapping[str, Any]) -> Iterator[tuple[list[str], Sequence[Any]]]:
    """Yield who is absent and what is said, of the episode and of that without an agent."""
    yield [], episode["messages"]
    yield [episode["removed"]], episode["without"]


def _absent(agent: str) -> Block:
    return Block(f"{agent} is absent", kind="x")


def _count(messages: Sequence[str], answer: str) -> Block:
    ballot = count_votes(messages, answer, ccpo_env.verify)
    votes = [ballot.clusters.count(number) for number in range(len(ballot.answers))]
    lines = [
        f"{text}: {n} of {len(messages)}" for text, n in zip(ballot.answers, votes, strict=True)
    ]
    lines += ["a tie: the first wins"] * (votes.count(max(votes)) > 1)
    return Block("votes", tuple(lines), is_read=True)


def _verdict(reward: float, answer: object) -> Block:
    title = "✓ correct" if reward > 0 else "✗ wrong"
    return Block(title, (f"answer {answer}", f"reward {reward:+.0f}"), "y" if reward > 0 else "n")


def main() -> None:
    """Draw the recorded episodes."""
    recorded = json.loads(RECORDED.read_text(encoding="utf-8"))
    for name, drawing in drawings(recorded).items():
        (FOLDER / f"{name}.svg").write_text(drawing.svg(), encoding="utf-8")


if __name__ == "__main__":
    main()
