"""The formulas that advantages are compared with: those of OPTIMIZERS, and their common variants.

Trainers differ in the divisor of a variance (G - 1 in TRL and verl, G in NumPy), in what is added
to a standard deviation (1e-4 in TRL, 1e-6 in verl), in whether the rows of several agents are
normalised together, and in whether the deviation is that of the group or of the step.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from functools import partial
from itertools import product
from typing import TypeAlias

import numpy as np

from baselines.audit.rows import Rows, numbered
from baselines.common.types import FloatArray, IntArray
from baselines.optimizers import OPTIMIZERS, PolicyOptimizer

Settings: TypeAlias = Mapping[str, str | float | bool]
Values: TypeAlias = Callable[[FloatArray], FloatArray]

SCOPE = "normalised_over"
"""Setting that says which rows of a group are normalised together."""
APART, TURNS, AGENTS = "each agent and turn", "all turns of an agent", "all agents of a group"

EPSILONS = (1e-6, 1e-8, 1e-5, 1e-4, 1e-3)
"""What trainers add to the standard deviation of a group."""
STEP_EPSILONS = (1e-4, 1e-8, 1e-6)
"""What they add to that of a step, TRL's first."""


@dataclass(frozen=True, slots=True)
class Formula:
    """One way to compute advantages.

    Args:
        names: Registered names whose advantage it is, the first one is canonical; none: it is no
            registered method.
        text: What it does, in words.
        settings: Where it differs from the registered default of the first name.
        values: Credit of each row, (n,), to its advantage, (n,), NaN where it has none.
        is_registered: Whether these are exactly the advantages of OPTIMIZERS.
        pools_turns: Whether the method itself normalises all turns of an agent together.
    """

    names: tuple[str, ...]
    text: str
    settings: Settings
    values: Values
    is_registered: bool = False
    pools_turns: bool = False

    @property
    def is_own_scope(self) -> bool:
        """Whether rows are normalised together as the registered method does it."""
        return SCOPE not in self.settings


@dataclass(frozen=True, slots=True, eq=False)
class Units:
    """The rows that are normalised together.

    Args:
        unit: Unit of each row, (n,), numbered from 0, sorted by batch.
        batch: Batch of each row, a step, (n,), numbered from 0.
        column: Rows that have a running mean of their own, across steps, (n,), numbered from 0.
        sizes: Rows in each unit.
        batch_sizes: Rows in each batch.
    """

    unit: IntArray
    batch: IntArray
    column: IntArray
    sizes: IntArray
    batch_sizes: IntArray

    def centred(self, values: FloatArray) -> FloatArray:
        """Return the values minus the mean of their unit."""
        sums = np.bincount(self.unit, values, len(self.sizes))
        centred: FloatArray = values - (sums / self.sizes)[self.unit]
        return centred

    def z_scores(self, ddof: int, epsilon: float, values: FloatArray) -> FloatArray:
        """Return the centred values over the deviation of their unit; NaN in units of one row."""
        centred = self.centred(values)
        squares = np.bincount(self.unit, centred * centred, len(self.sizes))
        deviation = np.sqrt(squares / np.maximum(self.sizes - ddof, 1))[self.unit]
        return self._only_groups(centred / (deviation + epsilon))

    def batch_scaled(self, ddof: int, epsilon: float, values: FloatArray) -> FloatArray:
        """Return the centred values over the deviation of the batch; NaN in units of one row."""
        deviation = self.batch_deviation(values, ddof)
        return self._only_groups(self.centred(values) / (deviation + epsilon))

    def whitened(self, ddof: int, epsilon: float, values: FloatArray) -> FloatArray:
        """Return the values minus the mean of their batch, over its deviation."""
        deviation = self.batch_deviation(values, ddof)
        white: FloatArray = self.batch_centred(values) / (deviation + epsilon)
        return white

    def leave_one_out(self, values: FloatArray) -> FloatArray:
        """Return the values minus the mean of the others of their unit."""
        sizes = self.sizes[self.unit]
        compared: FloatArray = self.centred(values) * sizes / np.maximum(sizes - 1, 1)
        return compared

    def batch_centred(self, values: FloatArray) -> FloatArray:
        """Return the values minus the mean of their batch."""
        sums = np.bincount(self.batch, values, len(self.batch_sizes))
        centred: FloatArray = values - (sums / self.batch_sizes)[self.batch]
        return centred

    def batch_deviation(self, values: FloatArray, ddof: int) -> FloatArray:
        """Return the standard deviation of the batch of each row."""
        centred = self.batch_centred(values)
        squares = np.bincount(self.batch, centred * centred, len(self.batch_sizes))
        deviation: FloatArray = np.sqrt(squares / np.maximum(self.batch_sizes - ddof, 1))
        return deviation[self.batch]

    def _only_groups(self, values: FloatArray) -> FloatArray:
        """Return the values, NaN in units of one row, which have no baseline."""
        return np.where(self.sizes[self.unit] > 1, values, np.nan)


def formulas(rows: Rows) -> Iterator[Formula]:
    """Yield all formulas for the rows of a dump, the simplest first.

    Where there are several agents, each formula is tried with their rows normalised apart, as in
    this package, and together, as in trainers that know of no agents; where an agent has several
    turns, with its turns apart and together.
    """
    scopes = dict(_scopes(rows))
    for label, units in scopes.items():
        for formula in (*_registered(units, rows.tokens), *_variants(units), *_unnamed(units)):
            own = TURNS if formula.pools_turns and TURNS in scopes else APART
            if label == own:
                yield formula
            elif label != APART:
                settings = {**formula.settings, SCOPE: label}
                text = f"{formula.text}, over {label}"
                yield replace(formula, text=text, settings=settings)


def _scopes(rows: Rows) -> Iterator[tuple[str, Units]]:
    """Yield which rows of a group are normalised together, each way that differs from others."""
    agents, zeros = rows.agent, np.zeros_like(rows.agent)
    found: list[tuple[IntArray, IntArray]] = []
    for label, agent, turn in (
        (APART, agents, rows.turn),
        (TURNS, agents, zeros),
        (AGENTS, zeros, zeros),
    ):
        batch = numbered(rows.step, agent, turn)
        unit = numbered(batch, rows.group)
        if not any(
            np.array_equal(unit, known) and np.array_equal(batch, of) for known, of in found
        ):
            found.append((unit, batch))
            column = numbered(agent, turn)
            yield label, Units(unit, batch, column, np.bincount(unit), np.bincount(batch))


def _registered(units: Units, tokens: FloatArray | None) -> Iterator[Formula]:
    """Yield the advantages of OPTIMIZERS; methods with the same advantage are one formula."""
    names: dict[object, list[str]] = {}
    methods: dict[object, tuple[PolicyOptimizer, Settings]] = {}
    for name, optimizer in OPTIMIZERS.items():
        for method, settings in _settings_of(optimizer):
            key = (method.baseline, method.whitens, *_arguments(method))
            names.setdefault(key, []).append(name)
            methods.setdefault(key, (method, settings))
    for alike, (method, settings) in methods.items():
        for weights in (None, tokens) if method.whitens and tokens is not None else (None,):
            is_weighed = weights is not None
            yield Formula(
                tuple(dict.fromkeys(names[alike])),
                _description(method) + (", weighed by tokens" if is_weighed else ""),
                {**settings, "weights": "tokens"} if is_weighed else settings,
                partial(_advantage, method, units, weights),
                is_registered=True,
                pools_turns=not {"agents", "roles"}.isdisjoint(_parameters(method)),
            )


def _settings_of(optimizer: PolicyOptimizer) -> Iterator[tuple[PolicyOptimizer, Settings]]:
    """Yield a method with its default settings; GRPO, as in papers, also with its deviation."""
    yield optimizer, {}
    if optimizer.name == "grpo":
        std = not optimizer.hyperparameters.std
        yield optimizer.with_hyperparameters(std=std), {"std": std}


def _parameters(method: PolicyOptimizer) -> tuple[str, ...]:
    return tuple(inspect.signature(method.baseline).parameters)


def _arguments(method: PolicyOptimizer) -> Iterator[object]:
    """Yield the hyperparameters of an advantage function."""
    for name in _parameters(method):
        yield getattr(method.hyperparameters, name, None)


def _description(method: PolicyOptimizer) -> str:
    centred = "reward minus group mean" if method.centres_on_group else "reward"
    if method.name == "rloo":
        centred = "reward minus the mean of the others"
    scaled = ", divided by the group's deviation" if method.hyperparameters.std else ""
    return centred + scaled + (", whitened over the step" if method.whitens else "")


def _advantage(
    method: PolicyOptimizer, units: Units, tokens: FloatArray | None, credit: FloatArray
) -> FloatArray:
    """Return the advantage of each row; NaN in units that are too small for the method."""
    result = np.full(len(credit), np.nan)
    usable = np.flatnonzero(units.sizes[units.unit] >= method.min_group_size)
    if method.whitens:
        together = units.batch[usable]
    elif method.centres_on_group:
        together = np.zeros_like(usable)
    else:  # a running mean
        together = units.column[usable]
    order = usable[np.lexsort((units.unit[usable], together))]  # rows of a unit in file order
    for part in np.split(order, _changes(np.sort(together))) if len(order) else ():
        changes = _changes(units.unit[part])
        groups = np.split(credit[part][:, None], changes)
        counts = None if tokens is None else np.split(tokens[part].astype(int)[:, None], changes)
        result[part] = np.concatenate(method.advantage(groups, counts))[:, 0]
    return result


def _changes(codes: IntArray) -> IntArray:
    """Return the places where codes, which are sorted, change."""
    return np.flatnonzero(np.diff(codes)) + 1


def _variants(units: Units) -> Iterator[Formula]:
    """Yield what other trainers compute under the names of OPTIMIZERS."""
    scaled = tuple(name for name, own in OPTIMIZERS.items() if _divides_by_deviation(own))
    for ddof, epsilon in product((1, 0), EPSILONS):
        yield Formula(
            scaled,
            f"reward minus group mean, divided by the group's deviation ({_divisor(ddof)}) + "
            f"{epsilon:g}",
            {"std": True, "ddof": ddof, "epsilon": epsilon},
            partial(units.z_scores, ddof, epsilon),
        )
    for ddof, epsilon in product((1, 0), STEP_EPSILONS):
        yield Formula(
            scaled[:1],
            f"reward minus group mean, divided by the step's deviation of rewards "
            f"({_divisor(ddof)}) + {epsilon:g}",
            {"std": "step", "ddof": ddof, "epsilon": epsilon},
            partial(units.batch_scaled, ddof, epsilon),
        )
    yield from _whitened(units)


def _whitened(units: Units) -> Iterator[Formula]:
    bases: tuple[tuple[str, str, Values], ...] = (
        ("reinforce_pp_baseline", "reward minus group mean", units.centred),
        ("reinforce_pp", "reward", lambda x: x),
        ("rloo", "reward minus the mean of the others", units.leave_one_out),
    )
    for (name, text, base), ddof, epsilon in product(bases, (1, 0), STEP_EPSILONS):

        def values(
            x: FloatArray, base: Values = base, ddof: int = ddof, epsilon: float = epsilon
        ) -> FloatArray:
            return units.whitened(ddof, epsilon, base(x))

        yield Formula(
            (name,),
            f"{text}, whitened over the step ({_divisor(ddof)}, + {epsilon:g})",
            {"whitened": True, "ddof": ddof, "epsilon": epsilon},
            values,
        )


def _unnamed(units: Units) -> Iterator[Formula]:
    """Yield formulas of no registered method, which are worth knowing."""
    yield Formula((), "the reward itself, without a baseline", {}, lambda x: x)
    yield Formula((), "the reward minus the mean of its step", {}, units.batch_centred)


def _divides_by_deviation(optimizer: PolicyOptimizer) -> bool:
    """Return whether a method divides by the group's deviation, as the GRPO of papers does."""
    same = optimizer.baseline is OPTIMIZERS["grpo"].baseline
    return optimizer.name == "grpo" or (same and optimizer.hyperparameters.std)


def _divisor(ddof: int) -> str:
    return "G - 1" if ddof else "G"
