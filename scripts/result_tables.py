"""The tables of results in the documentation, from docs/results/."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

RESULTS = Path(__file__).parent.parent / "docs" / "results"
REFERENCE = "shared"
"""Prefix of the names of shared credit."""
LEVEL = 0.05
NUMBER = r"[-+]?\d+\.\d+"
INTERVAL = re.compile(rf"({NUMBER}) \[({NUMBER}), ({NUMBER})\]")


@dataclass(frozen=True, slots=True)
class Shown:
    """Columns of a table that are shown.

    Args:
        result: Name of the table in docs/results/.
        team: Short description of the team; {} is replaced by the first column.
        quantity: Heading of the column of the quantity.
        gain: Index of the column with the difference to shared credit.
        p_value: Index of the column with its p-value; None if it is part of the difference.
    """

    result: str
    team: str
    quantity: str
    gain: int
    p_value: int | None = None


AREA = "mean accuracy over training"
PRIORITY = (
    {"allocator", "credit"},
    {"its gain over shared"},
    {"p"},
    {AREA, "seeds needed"},
    {"contribution / ceiling at the end", "difference to shared", "mean over training"},
)
"""Headings of the columns of results that a page shows first."""
SHOWN = (
    Shown("think_solve", "embedded, Think→Solve, `{}`", AREA, gain=8, p_value=9),
    Shown("vote", "embedded, vote of five, `{}`", AREA, gain=8, p_value=9),
    Shown("mixed_vote", "embedded, ten voters of different skill, `{}`", AREA, gain=8, p_value=9),
    Shown("rare", "embedded, thinker rarely needed, `{}`", AREA, gain=8, p_value=9),
    Shown("specialists", "embedded, three specialists, `{}`", AREA, gain=8, p_value=9),
    Shown("free_riding", "signal game, PPO, {}", "contribution / ceiling at the end", gain=7),
)


def shown_result(name: str) -> str:
    """Return a result as a page shows it: its tables, and the commit that they measured."""
    return f"{shown_tables(RESULTS / f'{name}.txt')}\n{measured_when(name)}"


def measured_when(name: str) -> str:
    """Return a sentence that names the commit that a result measured."""
    results = json.loads((RESULTS / "measured.json").read_text(encoding="utf-8"))
    found = results[name.removesuffix("_spread")]
    time = (
        f", in {found['minutes']} minutes on {found['cores']} cores" if "minutes" in found else ""
    )
    return f"Measured at commit `{found['commit']}` on {found['date']}{time}."


def shown_tables(path: Path) -> str:
    """Return a table of results as a page shows it: what is concluded first, one table per setting.

    A first column that several rows share, such as the optimizer, is the heading of a table of
    its own. The columns of PRIORITY come first, so that they are read without scrolling.
    """
    heads, *rows = read_table(path)
    settings = dict.fromkeys(row[0] for row in rows)
    is_split = 1 < len(settings) < len(rows)
    columns = sorted(range(is_split, len(heads)), key=lambda place: _priority(heads[place]))
    parts = []
    for setting in settings if is_split else [None]:
        if setting is not None:
            parts += [f"{heads[0]} **{setting}**", ""]
        own = [row for row in rows if setting in (None, row[0])]
        parts += [_line_of([row[place] for place in columns]) for row in (heads, *own)]
        parts.insert(len(parts) - len(own), "|" + "---|" * len(columns))
        parts.append("")
    return "\n".join(parts)


def _priority(head: str) -> int:
    """Return the rank of a column, 0 for the first."""
    places = (place for place, heads in enumerate(PRIORITY) if head in heads)
    return next(places, len(PRIORITY))


def _line_of(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cells)} |"


def results_table() -> str:
    """Return a table with one row per team: shared credit, best other credit, difference."""
    lines = [
        "| team | seeds | shared credit | best other credit | difference | result |",
        "|---|---|---|---|---|---|",
    ]
    for shown in SHOWN:
        heads, *rows = read_table(RESULTS / f"{shown.result}.txt")
        teams = dict.fromkeys(row[0] for row in rows)
        lines += [_row(shown, heads, [row for row in rows if row[0] == team]) for team in teams]
    return "\n".join(lines) + "\n"


def read_table(path: Path) -> list[list[str]]:
    """Return the cells of a Markdown table, headings first."""
    lines = path.read_text(encoding="utf-8").splitlines()
    cells = [[cell.strip() for cell in line[1:-1].split("|")] for line in lines if line]
    return [cells[0], *cells[2:]]


def _row(shown: Shown, heads: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    place = heads.index(shown.quantity)
    (shared,) = [row for row in rows if row[1].startswith(REFERENCE)]
    others = [row for row in rows if row is not shared]
    best = max(others, key=lambda row: float(row[place].split()[0]))
    gain = best[shown.gain]
    if shown.p_value is not None:
        p_value = best[shown.p_value]
        gain += f", p {p_value}" if p_value.startswith("<") else f", p = {p_value}"
    cells = (
        shown.team.format(shared[0]),
        shared[heads.index("seeds")],
        shared[place],
        f"{best[1]}: {best[place]}",
        gain,
        verdict(gain),
    )
    return f"| {' | '.join(cells)} |"


def verdict(gain: str) -> str:
    """Return whether a difference, with its interval and p-value, is significant.

    Raises:
        ValueError: If the text has no interval or no p-value.
    """
    interval, p_value = INTERVAL.search(gain), re.search(rf"p (<|=) ({NUMBER})", gain)
    if interval is None or p_value is None:
        raise ValueError(
            f"a difference must read 'X [L, H], p = P', got {gain!r}; measure the result again"
        )
    low, high = float(interval[2]), float(interval[3])
    is_sure = float(p_value[2]) < LEVEL or p_value[1] == "<"
    if is_sure and low > 0.0:
        return "better"
    return "worse" if is_sure and high < 0.0 else "inconclusive"


def credit_table() -> str:
    """Return a table with one row per allocator: what was measured in each game."""
    games = json.loads((RESULTS / "credit.json").read_text(encoding="utf-8"))
    allocators = list(dict.fromkeys(name for found in games.values() for name in found))
    lines = [f"| allocator | {' | '.join(games)} |", f"|---|{'---|' * len(games)}"]
    for allocator in allocators:
        if allocator == "zero":
            continue
        cells = [_credit_cell(found.get(allocator, {})) for found in games.values()]
        lines.append(f"| {allocator} | {' | '.join(cells)} |")
    return "\n".join(["", *lines, "", measured_when("credit"), ""])


def _credit_cell(values: dict[str, list[float]]) -> str:
    if not values:
        return "not measured"
    shown = [f"{values[name][0]:+.2f}" for name in ("skill", "spearman", "gain") if name in values]
    return " / ".join(shown)
