"""The page of advice, advice.html."""

from __future__ import annotations

from pathlib import Path

from matplotlib import style

from baselines.advise.advice import Advice
from baselines.advise.commands import in_lines, repeat_command, train_command
from baselines.advise.missing import missing_rows
from baselines.advise.pilot import Played
from baselines.advise.rows import Row
from baselines.advise.settings import AdviseConfig
from baselines.advise.tables import all_rows_grid, grids, shown_rows
from baselines.advise.wording import (
    recommendation,
    source_text,
    warnings,
)
from baselines.common.stats import Estimate
from baselines.common.wording import plural
from baselines.pages.dots import Dot, dots
from baselines.pages.page import PARTS, render
from baselines.pages.svg import SETTINGS, Plot

TEMPLATE = Path(__file__).parent / "advice.html.jinja"


def advice_page(config: AdviseConfig, advice: Advice, played: Played) -> str:
    """Return the page, which loads no resources."""
    repeat = repeat_command(config, advice)
    return render(
        TEMPLATE,
        scripts=[PARTS / "sort.js"],
        recommendation=recommendation(advice),
        command=in_lines(train_command(config, advice)),
        repeat=None if repeat is None else in_lines(repeat),
        missing=missing_rows(config, advice, played),
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
    shown = [row for row in rows if row.efficiency.low]
    if not shown:
        return []
    total = len(advice.credit_rows) - 1
    meaning = (
        f"The {len(shown)} of {plural(total, 'credit')} of the first table with a positive "
        f"efficiency in this pilot, all with {reference.optimizer} and groups of "
        f"{reference.group_size}, and with the most replays where they need any. 1 is the "
        f"shared reward: at 2 credit needs half of its tokens for the same signal-to-noise "
        f"ratio of the gradient, at ½ twice as many. 95 % intervals of each alone."
    )
    own = [Dot(row.variant.credit, _estimate(row)) for row in shown]
    label = "efficiency, logarithmic"
    with style.context(SETTINGS, after_reset=True):  # independent of the user's matplotlib settings
        return [dots("Efficiency of credit", meaning, own, xlabel=label, spec=".2f", is_ratio=True)]


def _estimate(row: Row) -> Estimate:
    found = row.efficiency
    assert found.value is not None
    assert found.low is not None
    assert found.high is not None
    return Estimate(found.value, found.low, found.high, num_units=1)
