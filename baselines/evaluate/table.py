"""An evaluation as a table for the terminal."""

from __future__ import annotations

from rich.markup import escape
from rich.table import Table

from baselines.common.stats import Proportion
from baselines.evaluate.team_evaluation import Evaluation, label


def evaluation_table(evaluation: Evaluation, *, title: str) -> Table:
    """Return accuracy, help and hurt, each with its 95 % interval and its count."""
    table = Table(title=escape(title), title_justify="left")
    table.add_column("quantity")
    table.add_column("rate", justify="right")
    table.add_column("95 % interval")
    table.add_column("count", justify="right")
    _add(table, "accuracy, whole team", evaluation.accuracy())
    for removed in evaluation.removals:
        agents = label(removed)
        _add(table, f"accuracy without {agents}", evaluation.accuracy(removed))
        _add(table, f"{agents} helped", evaluation.help(removed))
        _add(table, f"{agents} hurt", evaluation.hurt(removed))
    table.caption = f"{evaluation.num_unmeasured} rollouts not measured"
    return table


def _add(table: Table, name: str, share: Proportion | None) -> None:
    if share is None:
        table.add_row(name, "not measured", "", "0 of 0")
        return
    interval = f"[{share.low:.3f}, {share.high:.3f}]"
    # rich reads square brackets as markup
    table.add_row(
        name,
        f"{share.value:.3f}",
        interval.replace("[", r"\["),
        f"{share.successes} of {share.num_units}",
    )
