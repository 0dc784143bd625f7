"""A self-contained HTML page with all transcripts of an evaluation."""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from baselines.evaluate.episodes import Episode
from baselines.evaluate.paths import first_turn
from baselines.evaluate.tables import Grid
from ccpo_env.text import valid_unicode
from ccpo_env.types import Task, Topology

FOLDER = Path(__file__).parent
TEMPLATE = "transcripts.html.jinja"
SCRIPT = "transcripts.js"
_UNSAFE = {"<": "\\u003c", "\u2028": "\\u2028", "\u2029": "\\u2029"}
"""Characters in JSON that could end a script or a line in it."""


def evaluation_page(
    title: str,
    episodes: Sequence[Episode],
    *,
    topology: Topology,
    grids: Sequence[Grid] = (),
    notes: Sequence[str] = (),
) -> str:
    """Return the page: tables, and all transcripts with filters and search.

    Args:
        title: Title of the page.
        episodes: At least one; for each benchmark ordered by path, the whole team first.
        topology: Topology of the team.
        grids: Tables above the transcripts.
        notes: Sentences below the title.

    Returns:
        HTML. Text from models appears only inside JSON, which the script of the page displays as
        text; its content security policy blocks every other script.
    """
    environment = Environment(
        loader=FileSystemLoader(FOLDER),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    script = (FOLDER / SCRIPT).read_text(encoding="utf-8")
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    page: str = environment.get_template(TEMPLATE).render(
        title=title,
        grids=grids,
        notes=notes,
        data=_script_text(page_data(episodes, topology)),
        script=script,
        script_hash=f"sha256-{digest}",
    )
    return page


def page_data(episodes: Sequence[Episode], topology: Topology) -> dict[str, Any]:
    """Return the data for the script: tasks, paths, and one entry per task and sample.

    Each entry has the episodes of all paths, in the order of the paths.
    """
    paths = list(dict.fromkeys(episode.path for episode in episodes))
    numbers: dict[tuple[str, str], int] = {}
    tasks: list[dict[str, Any]] = []
    items: dict[tuple[int, int], list[dict[str, Any]]] = {}
    several = len({episode.benchmark for episode in episodes}) > 1
    for episode in episodes:
        name = (episode.benchmark, episode.task.id)
        if name not in numbers:
            numbers[name] = len(tasks)
            groups = [episode.benchmark] if several else []
            tasks.append(_task_json(episode.task, groups))
        place = (numbers[name], episode.sample)
        items.setdefault(place, []).append(_episode_json(episode, topology))
    return {
        "paths": [path.label for path in paths],
        "num_samples": 1 + max(episode.sample for episode in episodes),
        "groups": sorted({group for task in tasks for group in task["groups"]}),
        "tasks": tasks,
        "items": [
            {"task": task, "sample": sample, "episodes": own}
            for (task, sample), own in sorted(items.items(), key=lambda entry: entry[0])
        ],
    }


def _task_json(task: Task, groups: Sequence[str]) -> dict[str, Any]:
    return {
        "id": task.id,
        "question": task.question,
        "gold": task.answer,
        "groups": [*groups, *(f"{name} {value}" for name, value in task.tags)],
    }


def _episode_json(episode: Episode, topology: Topology) -> dict[str, Any]:
    path = episode.path
    return {
        "messages": [[message.agent, message.text] for message in episode.messages],
        "num_shared": episode.num_shared,
        "num_given": 1 + first_turn(topology, path.agents[0]) if path.is_control else 0,
        "status": episode.verdict.status,
        "answer": episode.verdict.answer,
        "reward": episode.reward,
        "detail": episode.verdict.detail,
    }


def _script_text(value: object) -> str:
    """Return JSON that is safe between script tags."""
    text = valid_unicode(json.dumps(value, ensure_ascii=False, allow_nan=False))
    for character, escaped in _UNSAFE.items():
        text = text.replace(character, escaped)
    return text
