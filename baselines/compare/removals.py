"""What each agent adds: how much accuracy a team loses without it."""

from __future__ import annotations

import numpy as np

from baselines.common.evaluation_file import JOINT, paired_rates
from baselines.common.stats import MIN_RUNS, Estimate, mean_over_seeds, paired_difference
from baselines.compare.methods import Method, Run

_STREAM = 3


def lost_without(method: Method, *, seed: int = 0) -> dict[str, Estimate]:
    """Return the accuracy that each agent adds at the end: the team's minus that without it.

    Args:
        method: Its runs are averaged if there are several.
        seed: Seed of the bootstrap.

    Returns:
        Estimates by the name of the removed agent, or agents joined by a plus: over the tasks of
        one run, or over the seeds of several.
    """
    names = dict.fromkeys(path for run in method.runs for path in run.without)
    found = {}
    for path in names:
        runs = [run for run in method.runs if run.without.get(path)]
        estimate = _over_seeds(runs, path) if len(runs) >= MIN_RUNS else _of(runs[0], path, seed)
        if estimate is not None:
            found[path.removeprefix("without ")] = estimate
    return found


def _of(run: Run, path: str, seed: int) -> Estimate | None:
    alone = run.without[path]
    tasks = [task for task in alone if task in run.team]
    if not tasks:
        return None
    counts = [run.num_samples.get(own, {}) for own in (path, JOINT)]
    one, two = (np.array([own.get(task, 1) for task in tasks], dtype=np.int64) for own in counts)
    return paired_difference(
        [alone[task] for task in tasks],
        [run.team[task] for task in tasks],
        rng=np.random.default_rng([seed, _STREAM]),
        num_samples=(one, two),
    )


def _over_seeds(runs: list[Run], path: str) -> Estimate | None:
    pairs = [paired_rates(run.without[path], run.team) for run in runs]
    values = [float((team - alone).mean()) for alone, team in pairs if len(team)]
    if len(values) < MIN_RUNS:
        return None
    return mean_over_seeds(np.array(values), bounds=(-1.0, 1.0))
