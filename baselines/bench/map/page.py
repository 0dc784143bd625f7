"""The generated parts of docs/when_credit_pays.md."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

from baselines.bench.map.checks import POINTS, Check
from baselines.bench.map.figure import EACH_NAMES
from baselines.bench.map.slices import Found, name_of

PART = re.compile(r"(<!-- map (\w+): .*?-->\n).*?(<!-- end of map -->)", re.DOTALL)
PAGE = "when_credit_pays.md"
SKELETON = "# When credit pays\n\n" + "\n".join(
    f"<!-- map {name}: written by ccpo bench map -->\n<!-- end of map -->\n"
    for name in ("summary", "chains", "settings", "votes", "checks", "cost")
)
"""A page of the generated parts alone, where there is none to fill."""
SHARES = (0.0, 0.1, 0.3, 0.5, 1.0)
"""Ends of the ranges of the share of the reward's variance between tasks in the summary."""
MIN_COSINE = 0.9
"""Cosine with the exact gradient below which credit is marked as biased."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Results:
    """What the page shows.

    Args:
        found: Efficiencies of all cells.
        checks: Results of the points, those that were measured.
        seconds: Time that the cells took.
        num_workers: Number of processes that computed them.
    """

    found: tuple[Found, ...]
    checks: tuple[Check, ...]
    seconds: float
    num_workers: int

    def region(self, *names: str) -> list[Found]:
        """Return the efficiencies of some regions."""
        return [one for one in self.found if one.region in names]


def filled(page: str, results: Results) -> str:
    """Return a page with its parts written anew; other text is unchanged."""

    def part(match: re.Match[str]) -> str:
        return f"{match[1]}\n{PARTS[match[2]](results)}\n\n{match[3]}"

    return PART.sub(part, page)


def summary(results: Results) -> str:
    """Return what was found, a line per region, each with the range of its efficiencies."""
    own = results.region("need", "reliability", "interaction", "team")
    each = [one for one in own if one.credit.allocator in (*EACH_NAMES, "regression")]
    after_last = [one for one in own if one.credit.allocator == "last_branch"]
    paying = [one for one in each if one.efficiency > 1.0]
    below = [one for one in each if one.efficiency <= 1.0]
    votes = [one for one in results.region("voters", "skill") if one.credit.allocator != "oracle"]
    lines = [
        f"- **Votes.** {_ranges(one for one in votes)}.",
        f"- **Chains, credit that tells thinkers apart, replays at full price.** {len(below)} of "
        f"{len(each)} cells are at most 1, {_range(below)}. Above 1: {_where(paying)}.",
        f"- **Chains, more answers to the same messages.** branch after last, with the best M: "
        f"{_by_thinkers(one for one in after_last if one.region != 'team')}. If the solver is "
        f"trained as well: {_by_thinkers(one for one in after_last if one.region == 'team')}.",
        f"- **Chains, cheap replays.** {_break_even(results)}.",
        f"- **No group mean, tasks of different difficulty.** leave_one_out is at "
        f"{_range(results.region('whitened'))} of the shared reward with the same baseline, and at "
        f"{_range(results.region('whitened, group mean'))} of the shared reward with a group mean.",
        f"- **Shared reward without a group mean.** reinforce_pp with G = 1, by the share of the "
        f"reward's variance that lies between tasks. {_without_group_mean(results)}.",
        f"- **Headroom in chains.** {_headroom(results)}.",
        f"- **Training.** {_agreement(results.checks)}",
    ]
    return "\n".join(lines)


def chains(results: Results) -> str:
    """Return a table of the chains: the range of each credit, by number of thinkers."""
    own = results.region("need", "reliability", "team", "interaction")
    counts = sorted({one.y for one in own}, key=str)
    heads = ["credit", *(f"K = {count}" for count in counts), "smallest cosine"]
    rows = []
    for name in dict.fromkeys(map(name_of, own)):
        named = [one for one in own if name_of(one) == name]
        cells = [_range([one for one in named if one.y == count]) for count in counts]
        rows.append([f"`{name}`", *cells, _cosine(named)])
    return _table(heads, rows)


def settings(results: Results) -> str:
    """Return a table of the shared reward by baseline and group size, for kinds of tasks."""
    own = results.region("group size")
    shares = {one.y: f"{float(one.x):.0%}" for one in results.region("spread")}
    sizes = sorted({int(one.x) for one in own})
    heads = ["tasks", "variance between them", "baseline", *(f"G = {size}" for size in sizes)]
    rows = []
    for label in dict.fromkeys(one.y for one in own):
        for optimizer in ("grpo", "reinforce_pp"):
            line = {
                int(one.x): f"{one.efficiency:.2f}"
                for one in own
                if one.y == label and one.credit.optimizer == optimizer
            }
            cells = [line.get(size, "") for size in sizes]
            rows.append([str(label), shares.get(label, ""), f"`{optimizer}`", *cells])
    return _table(heads, rows)


def votes(results: Results) -> str:
    """Return a table of the votes, by number of voters and by skill."""
    own = results.region("voters", "skill")
    columns = [("voters", x) for x in _xs(own, "voters")] + [
        ("skill", x) for x in _xs(own, "skill")
    ]
    heads = ["credit", *(_vote_head(region, x) for region, x in columns), "smallest cosine"]
    rows = []
    for name in dict.fromkeys(map(name_of, own)):
        named = [one for one in own if name_of(one) == name]
        line = {(one.region, one.x): f"{one.efficiency:.2f}" for one in named}
        cells = [line.get(column, "not enumerated") for column in columns]
        rows.append([f"`{name}`", *cells, _cosine(named)])
    return _table(heads, rows)


def checks(results: Results) -> str:
    """Return a table of the points: efficiencies, difference in training, agreement."""
    heads = [
        "", "game", "credit", "against", "efficiency at the start", "half way",
        "difference of the area", "map and training",
    ]  # fmt: skip
    rows = [
        [
            str(check.key.point + 1),
            POINTS[check.key.point].name,
            POINTS[check.key.point].credit.label,
            POINTS[check.key.point].reference.label,
            f"{check.start:.2f}",
            f"{check.middle:.2f}",
            check.difference.text("+.4f"),
            check.verdict,
        ]
        for check in results.checks
    ]
    num_seeds = sorted({check.key.num_seeds for check in results.checks})
    seeds = " or ".join(map(str, num_seeds)) or "no"
    return f"{_agreement(results.checks)} Each with {seeds} seeds.\n\n{_table(heads, rows)}"


def cost(results: Results) -> str:
    """Return how long the parts of the map took."""
    trained = sum(check.seconds for check in results.checks)
    return (
        f"{len(results.found)} cells took {results.seconds:.0f} seconds with "
        f"{results.num_workers} processes at a time; the {len(results.checks)} training checks "
        f"{trained:.0f} seconds, summed over the processes."
    )


PARTS: Mapping[str, Callable[[Results], str]] = {
    "summary": summary,
    "chains": chains,
    "settings": settings,
    "votes": votes,
    "checks": checks,
    "cost": cost,
}
"""Parts of the page by name."""


def _by_thinkers(given: Iterable[Found]) -> str:
    """Return, for each number of thinkers, the range over games of the best efficiency."""
    parts, found = [], list(given)
    for count in dict.fromkeys(one.y for one in found):
        best: dict[tuple[str, float | str], Found] = {}
        for one in sorted(found, key=lambda one: one.efficiency):
            if one.y == count:
                best[one.region, one.x] = one
        parts.append(f"K = {count}: {_range(best.values())}")
    return "; ".join(parts) or "not measured"


def _headroom(results: Results) -> str:
    """Return the efficiency of the oracle by number of thinkers, for the most reliable solvers."""
    own = [one for one in results.region("reliability") if one.credit.allocator == "oracle"]
    parts = []
    for count in dict.fromkeys(one.y for one in own):
        named = [one for one in own if one.y == count]
        values = ", ".join(f"{_short(one.efficiency)} at {one.x}" for one in named[-3:])
        parts.append(f"K = {count}: {values}")
    return "Exact values would be at, by reliability of the solver: " + "; ".join(parts)


def _range(found: Iterable[Found]) -> str:
    values = sorted(one.efficiency for one in found)
    if not values:
        return "not measured"
    low, high = (_short(value) for value in (values[0], values[-1]))
    return low if low == high else f"{low} to {high}"


def _short(value: float) -> str:
    return f"{value:.2f}" if value < 10.0 else f"{value:,.0f}"


def _ranges(found: Iterable[Found]) -> str:
    by_name: dict[str, list[Found]] = {}
    for one in found:
        by_name.setdefault(name_of(one), []).append(one)
    return "; ".join(f"{name} {_range(own)}" for name, own in by_name.items())


def _where(found: Sequence[Found]) -> str:
    if not found:
        return "none"
    return ", ".join(
        f"{name_of(one)} with K = {one.y} and {one.region} {one.x} ({one.efficiency:.2f})"
        for one in found
    )


def _break_even(results: Results) -> str:
    """Return, for each number of thinkers, the largest cost at which a credit is above 1."""
    own = [
        one
        for one in results.region("replay cost")
        if one.credit.replay_cost > 0.0 and one.credit.allocator in EACH_NAMES
    ]
    parts = []
    for count in dict.fromkeys(one.y for one in own):
        paying = [one for one in own if one.y == count and one.efficiency > 1.0]
        if not paying:
            parts.append(f"K = {count}: at no cost that was computed")
            continue
        best = max(paying, key=lambda one: (one.credit.replay_cost, one.efficiency))
        parts.append(
            f"K = {count}: up to a cost of {best.credit.replay_cost:g} ({name_of(best)}, "
            f"{best.efficiency:.2f})"
        )
    return "leave_one_out or branch is above 1 at these costs of a replayed message. " + "; ".join(
        parts
    )


def _without_group_mean(results: Results) -> str:
    """Return the range of reinforce_pp with G = 1, by thinkers and the tasks' spread."""
    own, parts = results.region("spread"), []
    for count in dict.fromkeys(str(one.y).split(",")[0] for one in own):
        named = [one for one in own if str(one.y).startswith(f"{count},")]
        ranges = [
            f"{_range(within)} at {low:.0%} to {high:.0%}"
            for low, high in pairwise(SHARES)
            if (within := [one for one in named if low <= float(one.x) < high])
        ]
        parts.append(f"{count}: {', '.join(ranges)}")
    return "; ".join(parts) or "not measured"


def _agreement(checks: Sequence[Check]) -> str:
    if not checks:
        return "No point was trained."
    verdicts = [check.verdict for check in checks]
    text = f"Training agrees with the map at {verdicts.count('agrees')} of {len(checks)} points"
    for verdict, words in (("cannot tell", "cannot tell at"), ("disagrees", "disagrees at")):
        points = [str(c.key.point + 1) for c in checks if c.verdict == verdict]
        text += f", {words} point {', '.join(points)}" if points else ""
    return f"{text}."


def _xs(found: Sequence[Found], region: str) -> list[float | str]:
    return list(dict.fromkeys(one.x for one in found if one.region == region))


def _vote_head(region: str, x: float | str) -> str:
    return f"{x} voters" if region == "voters" else f"5 voters, skill {x}"


def _cosine(found: Sequence[Found]) -> str:
    smallest = min(one.cosine for one in found)
    return f"{smallest:.2f}" + (" (biased)" if smallest < MIN_COSINE else "")


def _table(heads: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    rule = ["---"] * len(heads)
    return "\n".join(f"| {' | '.join(row)} |" for row in (heads, rule, *rows))
