"""When a pilot can measure an efficiency, and how many tasks would do otherwise.

Each rule returns the factor by which a pilot must grow: 0 if this one does.
"""

from __future__ import annotations

import math

MIN_SIGNAL_Z = 3.0
"""Standard errors that a projection must be above 0 for its ratio to be reported."""
STATED_SIGNAL_Z = 4.5
"""Standard errors at which a true projection is stated to be measurable; gives tasks needed."""
MAX_LOG_ERROR = 0.5
"""Largest standard error of a logarithm of an efficiency that is reported."""
MAX_LOG_DISTANCE = math.log(1e6)
"""Largest distance of an end of an interval from the logarithm that is reported."""
MIN_TASKS = 8
"""Fewest tasks of a pilot."""
MIN_EFFECTIVE_TASKS = 8.0
"""Fewest effective tasks of a noise: fewer hold nearly all of it, and so no error can be seen."""
MIN_TASKS_OF_MULTIPLE = 3.0
"""Fewest effective tasks of a multiple of the reference: in fewer, credit is one by chance."""
STATED_EFFECTIVE_TASKS = 12.0
"""True effective tasks of a typical pilot at which a noise is stated to be measurable."""
MIN_SHARE_FINITE = 0.5
"""Share of the resamples that must have a finite error, else a row is not measurable."""
NOTHING_SEEN = 10.0
"""Growth of a pilot in which nothing was seen."""


def growth_for_signal(z: float) -> float:
    """Return the growth for a projection of z standard errors: where noise dominates, z ~ N."""
    return 0.0 if z >= MIN_SIGNAL_Z else STATED_SIGNAL_Z / max(z, 0.25)


def growth_for_tasks(effective_tasks: float, *, is_multiple: bool) -> float:
    """Return the growth for a noise of so many effective tasks."""
    least = MIN_TASKS_OF_MULTIPLE if is_multiple else MIN_EFFECTIVE_TASKS
    if effective_tasks >= least:
        return 0.0
    return min(NOTHING_SEEN, least / max(effective_tasks, 1e-9))


def growth_for_error(log_error: float) -> float:
    """Return the growth for a standard error of the logarithm; not finite if nothing was seen."""
    if log_error <= MAX_LOG_ERROR:
        return 0.0
    return (log_error / MAX_LOG_ERROR) ** 2 if math.isfinite(log_error) else NOTHING_SEEN


def growth_for_distance(log_distance: float) -> float:
    """Return the growth for an interval that ends so far from the logarithm."""
    if log_distance <= MAX_LOG_DISTANCE:  # larger if the errors of some resamples are almost 0
        return 0.0
    return min(NOTHING_SEEN, (log_distance / MAX_LOG_DISTANCE) ** 2)
