"""What ``ccpo compare`` prints: tables and sentences."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from rich.console import RenderableType

from baselines.compare.comparison import Comparison
from baselines.compare.methods import Method
from baselines.compare.narrative import conclusions, limits
from baselines.compare.tables import (
    comparison_grid,
    cost_grid,
    credit_grid,
    inputs_grid,
    settings_grid,
)


def printed(
    methods: Sequence[Method], found: Sequence[Comparison], *, path: str, seed: int
) -> Iterator[RenderableType]:
    """Yield the tables of a comparison, which fit 80 columns, and its sentences.

    Args:
        methods: What was compared.
        found: From `compare`.
        path: Path whose accuracy is compared.
        seed: Seed of the bootstrap.
    """
    grids = (
        inputs_grid(methods),
        settings_grid(methods),
        comparison_grid(found, path=path),
        credit_grid(methods, seed=seed),
        cost_grid(methods),
    )
    yield from (grid.for_terminal() for grid in grids if grid is not None)
    yield from conclusions(found)
    yield from limits(methods, found)
