"""The regions of the map: which games, which credit, and the efficiency in each of them."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, dataclass, field, replace
from functools import partial
from itertools import product
from typing import Any

import numpy as np

from baselines.bench.map.group_laws import MAX_GROUPS, group_signal, num_groups
from baselines.bench.map.mixture import Mixture, chain_mixture, vote_mixture
from baselines.bench.map.signal import Signal, gradient_signal
from baselines.bench.map.training import BRANCHES, Credit

NEED, RELIABILITY, SKILL = 0.5, 0.9, 0.3
"""Settings of a chain where a region does not vary them: half of the tasks need the thoughts, the
solver follows them nine times in ten, and three messages in ten are useful before training."""

REFERENCE = Credit()
"""Shared reward with the mean of groups of 8, whose efficiency is 1."""

EACH = (
    Credit(allocator="leave_one_out"),
    Credit(allocator="branch", samples=1),
    Credit(allocator="branch", samples=2),
    Credit(allocator="branch", samples=4),
)
"""Credit of thinkers whose replays tell one thinker from another."""
LAST = tuple(Credit(allocator="last_branch", samples=samples) for samples in (1, 2, 4))
"""Credit of thinkers that averages more answers to the messages of a rollout."""
REPLAYED = (*EACH, *LAST, Credit(allocator="shapley"), Credit(allocator="counterfactual"))
"""Credit of thinkers that needs replays."""
ORACLE = Credit(allocator="oracle")
VOTES = tuple(
    Credit(allocator=name)
    for name in ("leave_one_out", "shapley", "banzhaf", "own_answer", "oracle")
)
"""Credit of voters; without replays, because a removal is a recount."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Cell:
    """One game and one credit.

    Args:
        region: Name of the region.
        x: Value of its first setting.
        y: Value of its second setting, which is a line or a row of its picture; None: none.
        make: Makes the game.
        credit: The credit.
        reference: The shared reward that it is compared with.
    """

    region: str
    x: float | str
    y: float | str | None
    make: Callable[[], Mixture]
    credit: Credit
    reference: Credit = field(default_factory=lambda: REFERENCE)


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """The efficiency of a cell, with its settings."""

    region: str
    x: float | str
    y: float | str | None
    credit: Credit
    efficiency: float
    cosine: float

    def to_json(self) -> dict[str, Any]:
        """Return the values, with five digits; of the credit, what differs from its defaults."""
        values = asdict(self)
        usual = asdict(Credit())
        values["credit"] = {k: v for k, v in values["credit"].items() if v != usual[k]}
        values["efficiency"] = float(f"{self.efficiency:.5g}")
        values["cosine"] = round(self.cosine, 4)
        return values

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> Found:
        """Return what `to_json` converted."""
        return cls(**{**values, "credit": Credit(**values["credit"])})


def name_of(found: Found) -> str:
    """Return the short name of a credit."""
    if found.credit.allocator in BRANCHES:
        return f"{BRANCHES[found.credit.allocator]}, M = {found.credit.samples}"
    if found.credit.allocator == "regression":
        return f"regression, G = {found.credit.group_size}"
    return found.credit.allocator


def cells(*, quick: bool = False) -> list[Cell]:
    """Return all cells of the map; with quick, one in seven."""
    found = [
        *(*_chains(), *_spreads(), *_groups(), *_credit_groups()),
        *(*_whitened(), *_costs(), *_votes()),
    ]
    return found[::7] if quick else found


def measure(cell: Cell) -> Found:
    """Return the exact efficiency of a cell."""
    mixture = cell.make()
    own, reference = signal_of(mixture, cell.credit), signal_of(mixture, cell.reference)
    return Found(
        region=cell.region,
        x=cell.x,
        y=cell.y,
        credit=cell.credit,
        efficiency=reference.cost / own.cost,
        cosine=own.cosine,
    )


def signal_of(mixture: Mixture, credit: Credit) -> Signal:
    """Return the exact moments of a credit's gradient."""
    if credit.allocator == "regression":
        return group_signal(
            mixture, "regression", optimizer=credit.optimizer, group_size=credit.group_size
        )
    return gradient_signal(mixture, **asdict(credit))


def _chains() -> Iterator[Cell]:
    """Yield chains by the number of thinkers, need, reliability and interaction."""
    for thinkers in (1, 2, 3, 4):
        for need in (0.05, 0.1, 0.2, 0.5, 1.0):
            yield from _each("need", need, thinkers, _chain(thinkers, need=need))
        for reliability in (0.55, 0.6, 0.7, 0.8, 0.9, 1.0):
            yield from _each(
                "reliability", reliability, thinkers, _chain(thinkers, reliability=reliability)
            )
        yield from _each("team", "all trained", thinkers, _chain(thinkers, trained="team"))
    for interaction in (-1.0, -0.5, 0.0, 0.5, 1.0):
        yield from _each("interaction", interaction, 3, _chain(3, interaction=interaction))
    yield from _each("interaction", "specialists", 3, _chain(3, specialists=True))


def _each(region: str, x: float | str, y: float, make: Callable[[], Mixture]) -> Iterator[Cell]:
    for credit in (*REPLAYED, ORACLE):
        yield Cell(region=region, x=x, y=y, make=make, credit=credit)
    for size in (8, 4):
        if num_groups(make(), size) <= MAX_GROUPS:
            regression, shared = (
                Credit(allocator=name, group_size=size) for name in ("regression", "shared")
            )
            yield Cell(region=region, x=x, y=y, make=make, credit=regression, reference=shared)
            return


def share_between_tasks(mixture: Mixture) -> float:
    """Return the share of the team reward's variance that lies between tasks, 0 to 1.

    share = Var(E[R | task]) / Var(R)      R = 1 or -1, so that Var(R) = 1 - E[R]²

    0 if all tasks are equally difficult, 1 if each is always or never solved.
    """
    values = np.array(
        [
            float(game.expected_reward(table))
            for game, table in zip(mixture.enumerated, mixture.tables(), strict=True)
        ]
    )
    mean = mixture.weights @ values
    return float(mixture.weights @ (values - mean) ** 2 / (1.0 - mean**2))


def _spreads() -> Iterator[Cell]:
    """Yield the shared reward without a group mean, by the spread of the tasks' difficulty."""
    credit = Credit(optimizer="reinforce_pp", group_size=1)
    kinds = product((0.05, 0.2, 0.5, 1.0), (0.0, 0.5), (0.1, SKILL, 0.7), (RELIABILITY, 1.0))
    for thinkers, (need, hopeless, skill, reliability) in product((1, 2, 3), kinds):
        if need == 1.0 and hopeless > 0.0:
            continue  # there are no others
        settings = {"need": need, "hopeless": hopeless, "skill": skill, "reliability": reliability}
        make = _chain(thinkers, **settings)
        label, share = _label(thinkers, **settings), round(share_between_tasks(make()), 3)
        yield Cell(region="spread", x=share, y=label, make=make, credit=credit)


def _groups() -> Iterator[Cell]:
    """Yield the shared reward by group size and baseline."""
    kinds: tuple[dict[str, float], ...] = (
        {"need": 1.0},
        {"skill": 0.7},
        {},
        {"skill": 0.1},
        {"hopeless": 0.5},
        {"need": 0.2, "hopeless": 0.5},
        {"need": 0.05, "hopeless": 0.5},
    )
    for thinkers, settings in product((1, 3), kinds):
        for size in (1, 2, 4, 8, 16):
            for optimizer in ("grpo", "reinforce_pp"):
                if size > 1 or optimizer == "reinforce_pp":
                    yield Cell(
                        region="group size",
                        x=size,
                        y=_label(thinkers, **settings),
                        make=_chain(thinkers, **settings),
                        credit=Credit(optimizer=optimizer, group_size=size),
                    )


def _label(
    thinkers: int,
    *,
    need: float = NEED,
    hopeless: float = 0.0,
    skill: float = SKILL,
    reliability: float = RELIABILITY,
) -> str:
    """Return the settings of a chain in words."""
    others = "half of the others hopeless" if hopeless else "the others solved"
    text = f"K = {thinkers}, need {need:g}" + ("" if need == 1.0 else f", {others}")
    text += f", skill {skill:g}"
    return text if reliability == RELIABILITY else f"{text}, reliability {reliability:g}"


def _credit_groups() -> Iterator[Cell]:
    """Yield credit by group size, against the shared reward with groups of this size."""
    for label, make, credits_ in (
        ("K = 1", _chain(1), (EACH[0], EACH[2])),
        ("K = 2", _chain(2), (EACH[0], EACH[2], LAST[1])),
        ("5 voters", _vote(5), (VOTES[0], VOTES[1], VOTES[3])),
    ):
        for size in (2, 4, 8, 16):
            for credit in credits_:
                yield Cell(
                    region="credit, group size",
                    x=size,
                    y=label,
                    make=make,
                    credit=replace(credit, group_size=size),
                    reference=Credit(group_size=size),
                )


def _whitened() -> Iterator[Cell]:
    """Yield difference rewards without a group mean, where tasks differ in difficulty."""
    credit = Credit(allocator="leave_one_out", optimizer="reinforce_pp", group_size=2)
    shared = Credit(optimizer="reinforce_pp", group_size=2)
    for thinkers, reliability in ((1, 1.0), (2, 1.0), (1, 0.9)):
        for need in (0.05, 0.1, 0.2, 0.5, 1.0):
            make = _chain(thinkers, need=need, reliability=reliability, hopeless=0.5)
            label = f"K = {thinkers}, reliability {reliability:g}"
            for region, reference in (("whitened", shared), ("whitened, group mean", REFERENCE)):
                yield Cell(
                    region=region, x=need, y=label, make=make, credit=credit, reference=reference
                )


def _costs() -> Iterator[Cell]:
    """Yield chains by the cost of a replayed message."""
    for thinkers in (1, 2, 3, 4):
        for cost in (0.0, 0.05, 0.1, 0.2, 0.35, 0.5, 1.0):
            for credit in (*EACH, LAST[1]):
                yield Cell(
                    region="replay cost",
                    x=cost,
                    y=thinkers,
                    make=_chain(thinkers),
                    credit=replace(credit, replay_cost=cost),
                )


def _votes() -> Iterator[Cell]:
    """Yield votes by the number of voters and their skill."""
    for voters in (3, 5, 7):
        for credit in VOTES:
            yield Cell(region="voters", x=voters, y=None, make=_vote(voters), credit=credit)
    for skill in (0.2, 0.35, 0.5, 0.65, 0.8):
        for credit in VOTES:
            yield Cell(region="skill", x=skill, y=5, make=_vote(5, skill=skill), credit=credit)
    regression, shared = (Credit(allocator=name, group_size=4) for name in ("regression", "shared"))
    yield Cell(region="voters", x=3, y=None, make=_vote(3), credit=regression, reference=shared)


def _chain(num_thinkers: int, **settings: Any) -> Callable[[], Mixture]:
    defaults: dict[str, Any] = {"need": NEED, "reliability": RELIABILITY, "skill": SKILL}
    return partial(chain_mixture, num_thinkers, **{**defaults, **settings})


def _vote(num_voters: int, *, skill: float = 0.4) -> Callable[[], Mixture]:
    return partial(vote_mixture, num_voters, skill=skill, spread=0.1)
