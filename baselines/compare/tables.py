"""Tables of a comparison, for the terminal and the page."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from baselines.common.evaluation_file import JOINT
from baselines.common.stats import Estimate, p_text
from baselines.common.wording import plural
from baselines.compare.comparison import Comparison
from baselines.compare.methods import PURPOSES, AgentCredit, Method, differing_settings
from baselines.compare.removals import lost_without
from baselines.evaluate.summary import ALL
from baselines.evaluate.tables import Grid
from baselines.pages.page import setting_text
from baselines.pages.series import duration
from baselines.report.wording import correlation

DASH = "\N{EN DASH}"
MAX_SETTING_CHARS = 60
_MEANINGS = {
    "mean credit": "over the steps of training, like the two after it",
    "share": "of the variance of the advantages within tasks",
    "correlation": "of its advantage with that of the shared reward",
    "accuracy it adds": "lost without it, in the last evaluation",
    "tokens": "all that were sampled, a mean over seeds like all numbers here",
    "removed": "of them without an agent",
    "continued": "of them in continuations",
    "ratings": "of them in ratings",
    "verified": "answers",
    "time": "without evaluations",
}
"""Of columns."""


def comparison_grid(found: Sequence[Comparison], *, path: str = JOINT) -> Grid:
    """Return one row per comparison: both accuracies, their difference and the verdict."""
    where = "" if path == JOINT else f" ({path})"
    references = list(dict.fromkeys(own.reference for own in found))
    title = f", compared with {references[0]}" if len(references) == 1 else ""
    rows = [
        (
            own.method if title else f"{own.method}, compared with {own.reference}",
            difference_text(own),
            verdict_text(own),
            when_text(own),
            f"{_accuracy(own.tested.reference)} → {_accuracy(own.tested.method)}",
        )
        for own in found
    ]
    meaning = "accuracy: reference → method; difference: with its 95 % interval"
    if any(", p " in verdict_text(own) for own in found):
        meaning += "; p: Holm's method"
    if any(not own.tested.is_measured for own in found):
        meaning += f"; {DASH}: not measured at these tokens"
    columns = ("method", "difference", "verdict", "when", "accuracy")
    return Grid(f"Held-out accuracy{where}{title}", columns, tuple(rows), meaning)


def _accuracy(estimate: Estimate | None) -> str:
    return DASH if estimate is None else f"{estimate.value:.3f}"


def difference_text(own: Comparison) -> str:
    """Return a difference with its interval; the interval alone where only it was measured."""
    text = own.tested.difference.text("+.3f")
    return text if own.tested.is_measured else text[text.index("[") :]


def num_pairs(own: Comparison) -> str:
    """Return how many pairs the difference is a mean of, as in "1 task" and "5 seeds"."""
    return plural(own.tested.difference.num_units, own.tested.unit.removesuffix("s"))


def p_bound(own: Comparison) -> str:
    """Return the p-value as an upper bound, as in "p <= 0.004"."""
    assert own.adjusted is not None
    return p_text(own.adjusted).replace(" = ", " <= ")


def when_text(own: Comparison) -> str:
    """Return when, and on what, two methods are compared."""
    size = num_pairs(own)
    match own.when:
        case "equal tokens":
            return f"equal tokens: {amount(own.tokens[0])}, {size}"
        case "end":
            before, after = map(amount, own.tokens)
            tokens = after if before == after else f"{before} → {after}"
            return f"end: {tokens} tokens, {size}"
    benchmark = "" if own.benchmark == ALL else f"{own.benchmark}, "
    return f"{benchmark}{size}"


def verdict_text(own: Comparison) -> str:
    """Return the verdict with its p-value, or why there is none."""
    if own.verdict is None:
        return own.reason
    assert own.adjusted is not None
    if own.tested.is_measured:
        return f"{own.verdict}, {p_text(own.adjusted)}"
    return own.verdict if own.verdict == "inconclusive" else f"{own.verdict}, {p_bound(own)}"


def inputs_grid(methods: Sequence[Method]) -> Grid:
    """Return one row per method: what was read."""
    rows = []
    for method in methods:
        seeds = ", ".join(map(str, method.by_seed)) or DASH
        folders = [run.folder for run in method.runs if run.folder is not None]
        shown = str(folders[0]) if folders else DASH
        more = f" and {len(folders) - 1} more" if len(folders) > 1 else ""
        states = list(dict.fromkeys(run.status for run in method.runs))
        kind = "training" if method.is_trained else "evaluation"
        rows.append((method.name, kind, seeds, states[0 if len(states) == 1 else -1], shown + more))
    return Grid("Compared", ("method", "kind", "seed", "status", "folder"), tuple(rows))


def credit_grid(methods: Sequence[Method], *, seed: int = 0) -> Grid | None:
    """Return one row per method and agent: its credit, and what the team loses without it."""
    rows: list[tuple[str, ...]] = []
    for method in methods:
        lost = lost_without(method, seed=seed)
        names = [name for run in method.runs for name in run.credit]
        for agent in dict.fromkeys([*names, *lost]):
            own = [run.credit[agent] for run in method.runs if agent in run.credit]
            rows.append(
                (
                    method.name,
                    agent,
                    *(_mean_text(own, field) for field in ("mean", "share")),
                    _mean_text(own, "correlation", correlation),
                    _estimate_text(lost.get(agent)),
                )
            )
    columns = ("method", "agent", "mean credit", "share", "correlation", "accuracy it adds")
    return _without_empty("What each agent adds", columns, rows)


def cost_grid(methods: Sequence[Method]) -> Grid | None:
    """Return one row per training method: tokens by purpose, answers verified, and time."""
    rows = []
    for method in methods:
        costs = [run.cost for run in method.runs if run.cost is not None]
        if not costs:
            continue
        mean = 1.0 / len(costs)
        parts = [mean * sum(own.tokens[purpose] for own in costs) for purpose in PURPOSES]
        rows.append(
            (
                method.name,
                amount(mean * sum(own.steps for own in costs)),
                amount(sum(parts)),
                *(amount(part) if part else DASH for part in parts[1:]),
                amount(mean * sum(own.verifier_calls for own in costs)),
                duration(mean * sum(own.seconds for own in costs)),
            )
        )
    names = ("method", "steps", "tokens", "removed", "continued", "ratings", "verified", "time")
    return _without_empty("Cost of training", names, rows)


def _without_empty(
    title: str, columns: Sequence[str], rows: Sequence[tuple[str, ...]]
) -> Grid | None:
    """Return a table without columns of dashes, with the meanings of the others; None if empty."""
    used = [i for i in range(len(columns)) if any(row[i] != DASH for row in rows)]
    names = [columns[i] for i in used]
    meanings = [f"{name}: {_MEANINGS[name]}" for name in names if name in _MEANINGS]
    cells = tuple(tuple(row[i] for i in used) for row in rows)
    return Grid(title, tuple(names), cells, "; ".join(meanings)) if used else None


def settings_grid(methods: Sequence[Method]) -> Grid | None:
    """Return one row per setting that differs; None if there is none."""
    rows = [
        (name, *(_short_setting(value) for value in values))
        for name, values in differing_settings(methods).items()
    ]
    columns = ("setting", *(method.name for method in methods))
    return Grid("Settings that differ", columns, tuple(rows)) if rows else None


def amount(number: float | None) -> str:
    """Return a count as in "950", "23.4k" or "1.2M"; a dash for None."""
    if number is None:
        return DASH
    if number < 10_000:
        return f"{number:,.0f}"
    return f"{number / 1e3:.1f}k" if number < 1e6 else f"{number / 1e6:.2f}M"


def _mean_text(
    credits: Sequence[AgentCredit], field: str, text: Callable[[float], str] | None = None
) -> str:
    """Return the mean over the seeds in which it was measured; `text` prints it."""
    values = [value for own in credits if (value := getattr(own, field)) is not None]
    if not values:
        return DASH
    mean, sign = sum(values) / len(values), "+" if field == "mean" else ""
    return text(mean) if text else f"{round(mean, 2) + 0.0:{sign}.2f}"


def _estimate_text(estimate: Estimate | None) -> str:
    return DASH if estimate is None else estimate.text("+.3f")


def _short_setting(value: object) -> str:
    text = setting_text(value)
    return text if len(text) <= MAX_SETTING_CHARS else f"{text[: MAX_SETTING_CHARS - 1]}…"
