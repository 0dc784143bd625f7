"""The candidates of a pilot: every allocator, optimizer and size that its measurements allow."""

from __future__ import annotations

from collections.abc import Hashable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import chain, product
from typing import Any, TypeAlias

import numpy as np

from baselines.advise.efficiency import Candidate
from baselines.advise.expectation import advantages_of, shares_of
from baselines.advise.pilot_data import PilotData, batches, subsampled, task_gradients
from baselines.common.types import FloatArray
from baselines.credit import ALLOCATORS, read_allocator_args
from baselines.credit.outcomes import GroupBatch
from baselines.credit.registry import Allocator
from baselines.credit.removals import stages
from baselines.credit.turns import speakers_of
from baselines.optimizers import OPTIMIZERS, PolicyOptimizer
from baselines.train.credit_stage import DIFFER_AT_EQUAL_REWARD

REFERENCE = "shared"
"""The allocator that every other is compared with."""
PLAIN = "policy gradient"
"""Expectation of the gradient of the shared reward without any normalisation."""
Arguments: TypeAlias = tuple[tuple[str, str], ...]
"""Hyperparameters of an allocator by name, as texts."""
ALTERNATIVES: Mapping[str, Sequence[Arguments]] = {"branch": ((("after", "last"),),)}
"""Hyperparameters of an allocator that are compared besides its defaults."""
_TOLERANCE = 1e-9


@dataclass(frozen=True, slots=True, order=True)
class Variant:
    """A combination of credit, optimizer and sizes.

    Args:
        allocator: Name of the allocator.
        optimizer: Name of the optimizer.
        group_size: Rollouts per task, G.
        num_samples: Replays or continuations of each kind, M; 0 for credit without any.
        arguments: Hyperparameters of the allocator that differ from its defaults, with values.
    """

    allocator: str
    optimizer: str
    group_size: int
    num_samples: int = 0
    arguments: Arguments = ()

    @property
    def credit(self) -> str:
        """The allocator and its hyperparameters, as words."""
        return " ".join((self.allocator, *chain.from_iterable(self.arguments)))

    @property
    def reference(self) -> Variant:
        """The shared reward with the same optimizer and group size."""
        return Variant(REFERENCE, self.optimizer, self.group_size)


@dataclass(slots=True, eq=False)
class Candidates:
    """Makes the candidates of a pilot; credit is allocated once for all optimizers.

    Args:
        data: The pilot, with sketches.
    """

    data: PilotData
    _credit: dict[Variant, list[FloatArray]] = field(default_factory=dict)
    _advantages: dict[Variant, tuple[FloatArray, bool]] = field(default_factory=dict)
    _batches: list[tuple[list[int], GroupBatch]] = field(init=False)

    def __post_init__(self) -> None:
        """Batch the groups once."""
        self._batches = batches(self.data.outcomes)

    def variants(
        self, allocators: Sequence[str], optimizers: Sequence[str], group_sizes: Sequence[int]
    ) -> Iterator[Variant]:
        """Yield the combinations that the measurements of the pilot allow.

        Args:
            allocators: Names of allocators; those that need more than was measured are left out.
            optimizers: Names of optimizers.
            group_sizes: Rollouts per task, at most those of the pilot.
        """
        measured = [name for name in allocators if self._is_measured(ALLOCATORS[name])]
        for optimizer in optimizers:
            for size in group_sizes:
                if size < OPTIMIZERS[optimizer].min_group_size:
                    continue
                for allocator in measured:
                    counts = self._sample_counts(ALLOCATORS[allocator])
                    for arguments, samples in product(_arguments_of(allocator), counts):
                        variant = Variant(allocator, optimizer, size, samples, arguments)
                        if self._accepts(variant):
                            yield variant

    def advantages(self, variant: Variant) -> tuple[FloatArray, bool]:
        """Return the advantages of each subsample, (K, N, G, T), and whether they are unbiased.

        K = group size of the pilot // group size of the variant.
        """
        if variant in self._advantages:
            return self._advantages[variant]
        optimizer, parts, unbiased = self._optimizer(variant.optimizer), [], True
        shares = shares_of(
            optimizer,
            variant.credit,
            variant.group_size,
            self.data.num_tokens.shape[2],
            variant.num_samples,
        )
        for part, credit in zip(self._parts(variant), self._allocated(variant), strict=True):
            found = advantages_of(
                optimizer,
                credit,
                self.data.num_tokens[:, part],
                shares=shares,
                max_tokens=self.data.max_tokens,
                is_kept=self._kept(variant, optimizer, part),
            )
            parts.append(found.values)
            unbiased &= found.is_unbiased
        self._advantages[variant] = np.stack(parts), unbiased
        return self._advantages[variant]

    def candidate(self, variant: Variant) -> Candidate:
        """Return the gradients and tokens of a variant.

        An advantage that is that of the reference times one factor per turn is divided by it, so
        that the two are compared by noise and tokens alone.
        """
        values, is_unbiased = self.advantages(variant)
        expectation: Hashable = PLAIN if is_unbiased else None
        factors = None if is_unbiased else self.factors(variant)
        if factors is not None:
            values = values / factors
            expectation = PLAIN if self.advantages(variant.reference)[1] else variant.reference
        return Candidate(
            gradients=np.stack(
                [
                    self._gradients(own, part)
                    for own, part in zip(values, self._parts(variant), strict=True)
                ]
            ),
            num_tokens=self.tokens(variant),
            expectation=expectation,
        )

    def factors(self, variant: Variant) -> FloatArray | None:
        """Return by which factor of each turn its advantages are those of the reference, (T,).

        None if they are not, or a factor is not positive.
        """
        values, shared = (self.advantages(own)[0] for own in (variant, variant.reference))
        return _factors(values, shared)

    def unbiased(self) -> FloatArray:
        """Return the estimate of the true gradient of each task, (N, P).

        The shared reward minus the mean of the other rollouts of the group.
        """
        rewards = np.array([own.team_rewards for own in self.data.outcomes])  # (N, G)
        size = rewards.shape[1]
        centred = (rewards - rewards.mean(axis=1, keepdims=True)) * (size / (size - 1.0))
        advantages = np.repeat(centred[:, :, None], self.data.num_tokens.shape[2], axis=2)
        return self._gradients(advantages, slice(None))

    def tokens(self, variant: Variant) -> FloatArray:
        """Return the tokens sampled per task for a variant, (N,)."""
        return self.team_tokens(variant) + self.extra_tokens(variant)

    def team_tokens(self, variant: Variant) -> FloatArray:
        """Return the tokens of the rollouts of the team, (N,)."""
        per_rollout: FloatArray = self.data.num_tokens.sum(axis=2).mean(axis=1)
        return variant.group_size * per_rollout

    def extra_tokens(self, variant: Variant) -> FloatArray:
        """Return the tokens of replays, continuations and ratings per task, (N,)."""
        data, needs = self.data, ALLOCATORS[variant.allocator].needs
        size, samples = variant.group_size, variant.num_samples
        total = np.zeros(len(data.outcomes))
        if "removed_rewards" in needs:
            entries = data.outcomes[0].removed_rewards or {}
            for removed in self._removals(ALLOCATORS[variant.allocator]):
                times = size if entries[removed].ndim == 2 else 1
                total = total + times * samples * data.removed_tokens[removed]
        if "branch_rewards" in needs:
            branches = list(data.branch_tokens.values())
            for tokens in branches[-1:] if ("after", "last") in variant.arguments else branches:
                total = total + size * samples * tokens
        if "ratings" in needs:
            total = total + size * data.rating_tokens
        return total

    def _gradients(self, advantages: FloatArray, part: slice) -> FloatArray:
        assert self.data.sketches is not None
        found = task_gradients(self.data.sketches[:, part], advantages, self.data.weights_of)
        flat: FloatArray = found.reshape(len(found), -1).astype(np.float64)
        return flat

    def _parts(self, variant: Variant) -> list[slice]:
        size = variant.group_size
        return [
            slice(first, first + size) for first in range(0, self.data.group_size - size + 1, size)
        ]

    def _optimizer(self, name: str) -> PolicyOptimizer:
        return OPTIMIZERS[name].for_team(speakers_of(self.data.outcomes[0]), self.data.roles)

    def _allocated(self, variant: Variant) -> list[FloatArray]:
        """Return the credit of each subsample, (N, G, T)."""
        key = replace(variant, optimizer="")
        if key not in self._credit:
            arguments, samples = self._arguments(variant), variant.num_samples
            self._credit[key] = [
                self._credit_of(variant, part, samples or self.data.num_samples, arguments)
                for part in self._parts(variant)
            ]
        return self._credit[key]

    def _arguments(self, variant: Variant) -> dict[str, Any]:
        """Return the keywords of the allocator."""
        allocator = ALLOCATORS[variant.allocator]
        known: dict[str, Any] = {"reads": self.data.reads}
        if allocator.new_state is not None:  # as after a first step with these tasks
            known["state"] = allocator.new_state().updated(self.data.outcomes)
        taken = {name: known[name] for name in known if name in allocator.inputs}
        return taken | read_allocator_args(variant.allocator, dict(variant.arguments))

    def _accepts(self, variant: Variant) -> bool:
        """Return whether the allocator accepts groups of this size; some refuse one rollout."""
        try:
            self._allocated(variant)
        except ValueError:
            return False
        return True

    def _credit_of(
        self, variant: Variant, part: slice, samples: int, arguments: dict[str, Any]
    ) -> FloatArray:
        credit = np.empty(self.data.num_tokens[:, part].shape)
        for where, batch in self._batches:
            found = ALLOCATORS[variant.allocator].credit(
                subsampled(batch, part, samples), **arguments
            )
            credit[where] = found
        return credit

    def _kept(self, variant: Variant, optimizer: PolicyOptimizer, part: slice) -> list[bool]:
        """Return whether a run would train on each group, as `CreditStage.why_unusable` says."""
        if ALLOCATORS[variant.allocator].needs & DIFFER_AT_EQUAL_REWARD:
            return [True] * len(self.data.outcomes)
        return [optimizer.keeps(own.team_rewards[part]) for own in self.data.outcomes]

    def _is_measured(self, allocator: Allocator) -> bool:
        first = self.data.outcomes[0]
        if any(getattr(first, need) is None for need in allocator.needs):
            return False
        known = set(first.removed_rewards or {})
        return "removed_rewards" not in allocator.needs or set(self._removals(allocator)) <= known

    def _removals(self, allocator: Allocator) -> tuple[frozenset[str], ...]:
        first = self.data.outcomes[0]
        if allocator.samples_orders and first.orders is not None:
            return stages(first.agents, first.orders)
        return allocator.removals(first.agents)

    def _sample_counts(self, allocator: Allocator) -> list[int]:
        """Return the numbers of replays or continuations to compare: those of the pilot, and 1."""
        if not allocator.needs & {"removed_rewards", "branch_rewards"}:
            return [0]
        return list(dict.fromkeys((self.data.num_samples, 1)))


def _arguments_of(allocator: str) -> Sequence[Arguments]:
    """Return the hyperparameters of an allocator to compare, its defaults first."""
    return ((), *ALTERNATIVES.get(allocator, ()))


def _factors(values: FloatArray, shared: FloatArray) -> FloatArray | None:
    """Return the positive factor of each turn by which values are those of shared; else None."""
    products = (values * shared).sum(axis=(0, 1, 2))
    squares = (shared**2).sum(axis=(0, 1, 2))
    if not (products > 0.0).all():
        return None
    factors: FloatArray = products / squares
    largest = max(1.0, float(np.abs(values).max()))
    is_multiple = np.abs(values - factors * shared).max() <= _TOLERANCE * largest
    return factors if is_multiple else None
