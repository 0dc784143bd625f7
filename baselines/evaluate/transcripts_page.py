"""The page of an evaluation: its conclusions, tables that can be sorted, and all transcripts."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from baselines.evaluate.episodes import Episode
from baselines.evaluate.paths import first_turn
from baselines.evaluate.tables import Grid
from baselines.pages.page import PARTS, render
from baselines.pages.svg import Plot
from ccpo_env.prompts import question_with_options
from ccpo_env.types import Task, Topology

TEMPLATE = Path(__file__).parent / "transcripts.html.jinja"
SCRIPT = TEMPLATE.with_name("transcripts.js")


def evaluation_page(
    title: str,
    episodes: Sequence[Episode],
    *,
    topology: Topology,
    conclusions: Sequence[str] = (),
    figures: Sequence[Plot] = (),
    grids: Sequence[Grid] = (),
    notes: Sequence[str] = (),
) -> str:
    """Return the page: conclusions, figures, tables, and all transcripts with filters and search.

    Args:
        title: Title of the page.
        episodes: At least one; for each benchmark ordered by path, the whole team first.
        topology: Topology of the team.
        conclusions: Sentences below the title.
        figures: Figures above the tables.
        grids: Tables above the transcripts.
        notes: What the reader must know to read the conclusions.

    Returns:
        HTML. Text from models appears only inside JSON, which the script of the page displays as
        text; its content security policy blocks every other script.
    """
    return render(
        TEMPLATE,
        scripts=[PARTS / "sort.js", SCRIPT],
        data=page_data(episodes, topology),
        title=title,
        conclusions=conclusions,
        figures=figures,
        grids=grids,
        notes=notes,
    )


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
        "question": question_with_options(task),
        "passages": list(task.context),
        "gold": " / ".join((task.answer, *task.answers)),
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
