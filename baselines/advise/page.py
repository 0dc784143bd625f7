"""The page of advice, advice.html."""

from __future__ import annotations

import math
from pathlib import Path

from baselines.advise.advice import Advice, Row
from baselines.advise.pilot import Played
from baselines.advise.settings import AdviseConfig
from baselines.advise.tables import all_rows_grid, grids, shown_rows
from baselines.advise.wording import (
    recommendation,
    source_text,
    train_command,
    warnings,
)
from baselines.common.stats import Estimate
from baselines.pages.dots import Dot, dots
from baselines.pages.page import PARTS, render
from baselines.pages.svg import Plot

TEMPLATE = Path(__file__).parent / "advice.html.jinja"


def advice_page(config: AdviseConfig, advice: Advice, played: Played) -> str:
    """Return the page, which loads no resources."""
    return render(
        TEMPLATE,
        scripts=[PARTS / "sort.js"],
        recommendation=recommendation(advice),
        command=train_command(config, advice),
        source=source_text(played),
        warnings=warnings(advice, played),
        figures=_figures(advice),
        grids=grids(advice),
        everything=all_rows_grid(advice),
        has_gradients=played.has_gradients,
    )


def _figures(advice: Advice) -> list[Plot]:
    """Return the efficiencies of the first table as a figure; none if nothing was measured."""
    reference = advice.reference
    rows = sorted(shown_rows(advice), key=lambda row: -(row.efficiency.value or 0.0))
    if not rows:
        return []
    return [
        dots(
            "Efficiency of credit, logarithm to base 2",
            f"Relative to the shared reward with {reference.optimizer} and groups of "
            f"{reference.group_size}, which is 0: at 1 credit needs half of its tokens for the "
            f"same signal-to-noise ratio of the gradient, at -1 twice as many. 95 % intervals.",
            [Dot(row.variant.allocator, _log2(row)) for row in rows if row.efficiency.low],
            xlabel="log2 of the efficiency",
            spec="+.2f",
            has_zero=True,
        )
    ]


def _log2(row: Row) -> Estimate:
    found = row.efficiency
    assert found.value is not None
    assert found.low is not None
    assert found.high is not None
    return Estimate(
        math.log2(found.value), math.log2(found.low), math.log2(found.high), num_units=1
    )
