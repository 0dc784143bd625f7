"""How to measure a difference at equal tokens: commands that evaluate the runs there."""

from __future__ import annotations

import math
import shlex
from collections.abc import Iterator, Sequence

from baselines.common.files import CONFIG_FILE
from baselines.compare.comparison import Comparison
from baselines.compare.methods import Method, Run
from baselines.compare.moments import TOLERANCE, at_tokens
from baselines.compare.tables import amount

MAX_COMMANDS = 3
"""Most commands that the sentence lists."""


def how_to_measure(methods: Sequence[Method], found: Sequence[Comparison]) -> str | None:
    """Return the commands that measure the differences that were not; None if all were."""
    unmeasured = [own for own in found if not own.tested.is_measured]
    if not unmeasured:
        return None
    pairs = {
        name: own.tokens[0] or 0.0 for own in unmeasured for name in (own.reference, own.method)
    }
    missing = [
        (run, tokens)
        for method in methods
        if (tokens := pairs.get(method.name))
        for run in method.runs
        if (moment := at_tokens(run, tokens)) is None or not moment.is_measured
    ]
    commands = list(_commands(missing))
    more = len(missing) - MAX_COMMANDS
    text = "; ".join(commands[:MAX_COMMANDS]) + (f"; likewise {more} more" if more > 0 else "")
    return (
        f"To measure the difference at equal tokens, evaluate at them and compare the new folder: "
        f"{text}.{_too_long(missing)}"
    )


def _commands(missing: Sequence[tuple[Run, float]]) -> Iterator[str]:
    for run, tokens in missing:
        every = f"--eval-every-tokens {interval(run, tokens)}"
        if run.folder is None:
            yield f"ccpo train {every}"
            continue
        config, out = (
            shlex.quote(f"{run.folder}{end}") for end in (f"/{CONFIG_FILE}", "-measured")
        )
        yield f"ccpo train --config {config} {every} --out-dir {out}"


def interval(run: Run, tokens: float) -> int:
    """Return tokens between evaluations, one of which is at `tokens`, about as many as before."""
    before = [point for point in run.points if 0.0 < (point.tokens or 0.0) <= tokens]
    return math.ceil(tokens / max(1, len(before)))


def _too_long(missing: Sequence[tuple[Run, float]]) -> str:
    """Return a warning if a step samples so many tokens that the evaluation can still miss."""
    long = [
        run.cost.all_tokens / run.cost.steps
        for run, tokens in missing
        if run.cost is not None
        and run.cost.steps
        and run.cost.all_tokens / run.cost.steps > TOLERANCE * tokens
    ]
    if not long:
        return ""
    return (
        f" A step samples up to {amount(max(long))} tokens, by which an evaluation can miss them: "
        f"if it misses by more than {100 * TOLERANCE:.0f} %, train both for more steps."
    )
