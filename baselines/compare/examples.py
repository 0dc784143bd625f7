"""Examples of tasks that one method solved and another did not."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from baselines.common.evaluation_file import TaskKey
from baselines.compare.methods import Method, Run
from baselines.evaluate.transcripts import Transcript, read_transcripts

MAX_EXAMPLES = 5
"""Most examples in each direction of a pair."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Example:
    """A task that one of two methods solved.

    Args:
        question: The question.
        gold: The gold answer; may be empty.
        task_id: Id of the task.
        reference: Episode of the reference.
        method: Episode of the method.
    """

    question: str
    gold: str
    task_id: str
    reference: Transcript
    method: Transcript


@dataclass(frozen=True, slots=True, kw_only=True)
class Differing:
    """Tasks that one of two methods solved and the other did not, in their last evaluations.

    Args:
        title: Which method solved them.
        reference: Name of the reference.
        method: Name of the other method.
        num_tasks: Number of such tasks.
        examples: Some of them, spread over all.
    """

    title: str
    reference: str
    method: str
    num_tasks: int
    examples: tuple[Example, ...]


def examples_of(methods: Sequence[Method], path: str) -> list[Differing]:
    """Return examples for each method and the reference, of their first common seed.

    Args:
        methods: The first is the reference.
        path: Path whose accuracy is compared.

    Returns:
        None of a method whose run has no transcripts: they are written at its end.
    """
    reference, *others = methods
    found = []
    for other in others:
        pair = _pair(reference, other)
        if pair is None:
            continue
        first, second = (_episodes(run, path) for run in pair)
        common = [key for key in first if key in second]
        for solved, failed, better in (
            (second, first, other.name),
            (first, second, reference.name),
        ):
            keys = [key for key in common if _is_right(solved[key]) and _is_wrong(failed[key])]
            if keys:
                worse = reference.name if better == other.name else other.name
                found.append(
                    Differing(
                        title=f"{better} right, {worse} wrong",
                        reference=reference.name,
                        method=other.name,
                        num_tasks=len(keys),
                        examples=tuple(_example(first[k], second[k]) for k in _some(keys)),
                    )
                )
    return found


def _pair(reference: Method, other: Method) -> tuple[Run, Run] | None:
    if len(reference.runs) == len(other.runs) == 1:
        return reference.runs[0], other.runs[0]
    first, second = reference.by_seed, other.by_seed
    seed = next((seed for seed in first if seed in second), None)
    return None if seed is None else (first[seed], second[seed])


def _episodes(run: Run, path: str) -> Mapping[TaskKey, Transcript]:
    """Return the first sample of each task; none of a run that has not reached its end."""
    if run.folder is None or run.status != "finished":
        return {}
    episodes = [own for own in read_transcripts(run.folder) if own.path == path and not own.sample]
    return {own.key: own for own in episodes}


def _some(keys: Sequence[TaskKey]) -> list[TaskKey]:
    step = max(1, len(keys) // MAX_EXAMPLES)
    return list(keys[::step][:MAX_EXAMPLES])


def _example(reference: Transcript, method: Transcript) -> Example:
    return Example(
        question=reference.question,
        gold=reference.gold,
        task_id=reference.task_id,
        reference=reference,
        method=method,
    )


def _is_right(episode: Transcript) -> bool:
    return episode.reward is not None and episode.reward > 0


def _is_wrong(episode: Transcript) -> bool:
    return episode.reward is not None and episode.reward < 0
