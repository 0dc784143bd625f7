"""Advantage estimators: from the credit of a training step to its advantages.

Each function takes a list of (G, A) credit arrays, one per group of the step, because some
normalise across groups. Groups may differ in size: unmeasured rollouts have been dropped.
Each agent (column) is normalised separately; where an agent speaks more than once, each turn is a
column.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import numpy.typing as npt

from baselines.common.checks import expect_shape
from baselines.common.types import FloatArray

IntArray = npt.NDArray[np.integer]

Z_SCORE_EPSILON = 1e-6
"""As in verl (TRL: 1e-4); far below any relevant difference in credit."""

WHITEN_EPSILON = 1e-8
"""Added to the variance, as verl and OpenRLHF do."""


def no_baseline(credit: Sequence[FloatArray]) -> list[FloatArray]:
    """Return the credit unchanged; groups of one rollout are allowed.

    Args:
        credit: The groups of one step, each of shape (G, A) with G >= 1.
    """
    expect_groups(credit, min_group_size=1)
    return [group.astype(np.float64) for group in credit]


def group_mean(credit: Sequence[FloatArray]) -> list[FloatArray]:
    """Subtract from each agent's credit its mean over the group.

    advantage[g, a] = credit[g, a] - mean over g of credit[g, a]

    Args:
        credit: The groups of one step, each of shape (G, A) with G >= 2.

    Returns:
        Advantages, a list of the same shapes. They sum to zero per group and agent.

    Raises:
        ValueError: If a group has fewer than two rollouts: its mean is the rollout itself.

    Note: If all credit in a group is equal, the result is exactly 0, without rounding error.

    Source: GRPO, arXiv:2402.03300, section 4.1.2, without the division by the standard deviation.
    """
    expect_groups(credit, min_group_size=2)
    return _by_shape(credit, _centred)


def group_z_score(
    credit: Sequence[FloatArray], *, epsilon: float = Z_SCORE_EPSILON
) -> list[FloatArray]:
    """Divide the result of `group_mean` by the standard deviation over the group.

    advantage[g, a] = (credit[g, a] - mean[a]) / (std[a] + epsilon)
    std[a]^2        = sum over g of (credit[g, a] - mean[a])^2 / (G - 1)

    Args:
        credit: The groups of one step, each of shape (G, A) with G >= 2.
        epsilon: Added to the standard deviation.

    Raises:
        ValueError: If a group has fewer than two rollouts.

    Note: If all credit in a group is equal, the result is exactly 0. Tiny differences are scaled
        up to the size of a reward.

    Source: GRPO, arXiv:2402.03300, section 4.1.2; the unbiased standard deviation of TRL and verl.
    """

    def scaled(groups: FloatArray) -> FloatArray:
        centred = _centred(groups)
        scores: FloatArray = centred / (centred.std(axis=1, ddof=1, keepdims=True) + epsilon)
        return scores

    expect_groups(credit, min_group_size=2)
    return _by_shape(credit, scaled)


def group_relative(credit: Sequence[FloatArray], *, std: bool = False) -> list[FloatArray]:
    """Return `group_z_score` if std is True, else `group_mean`."""
    return group_z_score(credit) if std else group_mean(credit)


def leave_one_out(credit: Sequence[FloatArray]) -> list[FloatArray]:
    """Subtract from each agent's credit the mean of the other rollouts of its group.

    advantage[g, a] = credit[g, a] - mean over h != g of credit[h, a]

    Args:
        credit: The groups of one step, each of shape (G, A) with G >= 2.

    Raises:
        ValueError: If a group has fewer than two rollouts.

    Note: Equals `group_mean` times G / (G - 1): the same direction per group, a different weight.

    Source: RLOO, arXiv:2402.14740, section 3.3; Kool et al. 2019.
    """
    return [group * (len(group) / (len(group) - 1)) for group in group_mean(credit)]


def whiten(
    values: Sequence[FloatArray],
    num_tokens: Sequence[IntArray] | None = None,
    *,
    epsilon: float = WHITEN_EPSILON,
) -> list[FloatArray]:
    """Shift and scale each agent's values to mean 0 and variance 1 over the tokens of the step.

    advantage[g, a] = (x[g, a] - mean[a]) / sqrt(var[a] + epsilon)
    mean[a]         = sum of n * x / N        n: num_tokens[g, a], N: their sum over all groups
    var[a]          = sum of n * (x - mean[a])^2 / (N - 1)

    Args:
        values: One value per completion, the groups of one step, each of shape (G, A).
        num_tokens: Number of completion tokens of each value, of the same shapes, >= 0. None:
            each completion has weight 1.
        epsilon: Added to the variance.

    Returns:
        Advantages, a list of the same shapes.

    Raises:
        ValueError: If the shapes disagree or a count is negative.

    Note: Equal values, or a single token, give exactly 0. A completion without tokens has weight
        0, but gets a value.

    Source: REINFORCE++, arXiv:2501.03262, section 3.2; the unbiased variance of verl.
    """
    expect_groups(values, min_group_size=1)
    counts = _token_counts(values, num_tokens)
    if not values:
        return []
    pooled = np.concatenate(values)  # (sum of G, A)
    weights = np.concatenate(counts).astype(np.float64)
    white = np.column_stack(
        [_whiten(column, weights[:, a], epsilon) for a, column in enumerate(pooled.T)]
    )
    return _like(white, values)


def token_returns(
    credit: Sequence[FloatArray],
    num_tokens: Sequence[IntArray],
    kl: Sequence[FloatArray] | None = None,
    *,
    gamma: float = 1.0,
    kl_weight: float = 0.0,
) -> list[FloatArray]:
    """Return the discounted return from each token on, with a KL penalty on every token.

    reward[g, a, t] = credit[g, a] * (t is the last token) - kl_weight * kl[g, a, t]
    return[g, a, t] = reward[g, a, t] + gamma * return[g, a, t + 1]

    Args:
        credit: The groups of one step, each of shape (G, A).
        num_tokens: Completion tokens of each agent, of the same shapes, >= 0.
        kl: log policy - log reference of each token, each of shape (G, A, T), nats; values
            beyond num_tokens are ignored. None: no penalty.
        gamma: Discount per token, in [0, 1].
        kl_weight: Penalty per nat, in units of reward, >= 0.

    Returns:
        Returns, each of shape (G, A, T), where T is the longest in the group (or the T of kl), 0
        beyond num_tokens.

    Raises:
        ValueError: If the shapes disagree, or kl has fewer tokens than num_tokens.

    Source: REINFORCE++, arXiv:2501.03262, eq. (4) and (5).
    """
    expect_groups(credit, min_group_size=1)
    counts = _token_counts(credit, num_tokens)
    penalties = kl if kl is not None else [np.zeros((*n.shape, _longest(n))) for n in counts]
    if len(penalties) != len(credit):
        raise ValueError(
            f"kl must hold one array per group, got {len(penalties)} for {len(credit)} groups; "
            f"score every group of the step"
        )
    return [
        _returns(*group, gamma=gamma, kl_weight=kl_weight)
        for group in zip(credit, counts, penalties, strict=True)
    ]


def whiten_tokens(
    values: Sequence[FloatArray],
    num_tokens: Sequence[IntArray],
    *,
    epsilon: float = WHITEN_EPSILON,
) -> list[FloatArray]:
    """Apply `whiten` to values per token.

    Args:
        values: Each of shape (G, A, T); values beyond num_tokens are ignored.
        num_tokens: Each of shape (G, A).
        epsilon: Added to the variance.

    Returns:
        Each of shape (G, A, T), 0 beyond num_tokens; mean 0 and variance 1 per agent over the
        tokens of the step.
    """
    num_agents = values[0].shape[1] if values else 0
    masks = [_is_token(n, group.shape[2]) for group, n in zip(values, num_tokens, strict=True)]
    white = [np.zeros(group.shape) for group in values]
    for a in range(num_agents):
        pooled = np.concatenate(
            [group[:, a][mask[:, a]] for group, mask in zip(values, masks, strict=True)]
        )
        if pooled.size:
            flat = _whiten(pooled, np.ones(pooled.size), epsilon)
            ends = np.cumsum([mask[:, a].sum() for mask in masks])[:-1]
            for group, mask, part in zip(white, masks, np.split(flat, ends), strict=True):
                group[:, a][mask[:, a]] = part
    return white


def on_tokens(advantages: Sequence[FloatArray], num_tokens: Sequence[IntArray]) -> list[FloatArray]:
    """Repeat the value of each completion on all its tokens.

    Args:
        advantages: Each of shape (G, A).
        num_tokens: Each of shape (G, A).

    Returns:
        Each of shape (G, A, T), where T is the longest in the group, 0 beyond num_tokens.
    """
    return [
        np.where(_is_token(n, _longest(n)), group[:, :, None], 0.0)
        for group, n in zip(advantages, num_tokens, strict=True)
    ]


def _centred(groups: FloatArray) -> FloatArray:
    """Return N groups of one shape, (N, G, A), minus their means."""
    # Shifting by the first rollout changes no difference, and makes equal credit exactly 0.
    offsets = groups - groups[:, :1]
    centred: FloatArray = offsets - offsets.mean(axis=1, keepdims=True)
    return centred


def _by_shape(
    groups: Sequence[FloatArray], compute: Callable[[FloatArray], FloatArray]
) -> list[FloatArray]:
    """Apply a function of (N, G, A) to all groups, those of one shape at once."""
    alike: dict[tuple[int, ...], list[int]] = {}
    for place, group in enumerate(groups):
        alike.setdefault(group.shape, []).append(place)
    computed: dict[int, FloatArray] = {}
    for shape, places in alike.items():
        stacked = np.concatenate([groups[place] for place in places]).reshape(-1, *shape)
        computed.update(zip(places, compute(stacked), strict=True))
    return [computed[place] for place in range(len(groups))]


def _returns(
    credit: FloatArray, num_tokens: IntArray, kl: FloatArray, *, gamma: float, kl_weight: float
) -> FloatArray:
    longest = _longest(num_tokens)
    expect_shape("kl", kl, (*credit.shape, "T"), remedy="give one value per token and agent")
    if kl.shape[2] < longest:
        raise ValueError(
            f"kl must cover all {longest} tokens, got {kl.shape[2]}; score every token"
        )
    is_token = _is_token(num_tokens, kl.shape[2])  # (G, A, T)
    rewards = -kl_weight * np.where(is_token, kl, 0.0)
    rewards += credit[:, :, None] * (np.arange(kl.shape[2]) == num_tokens[:, :, None] - 1)
    returns = np.zeros_like(rewards)
    running = np.zeros(credit.shape)
    for t in reversed(range(kl.shape[2])):  # loops over the longest completion, not all tokens
        running = rewards[:, :, t] + gamma * running
        returns[:, :, t] = running
    return returns


def _whiten(values: FloatArray, weights: FloatArray, epsilon: float) -> FloatArray:
    total = weights.sum()
    if total <= 1:
        return np.zeros_like(values)
    # Shifting by one of them changes no difference, and makes equal values exactly 0.
    offsets = values - values[np.argmax(weights > 0)]
    centred = offsets - (weights @ offsets) / total
    variance = (weights @ centred**2) / (total - 1)
    white: FloatArray = centred / np.sqrt(variance + epsilon)
    return white


def _is_token(num_tokens: IntArray, width: int) -> npt.NDArray[np.bool_]:
    return np.asarray(np.arange(width) < num_tokens[:, :, None])  # (G, A, T)


def _longest(num_tokens: IntArray) -> int:
    return max(1, int(num_tokens.max()))


def _like(pooled: FloatArray, groups: Sequence[FloatArray]) -> list[FloatArray]:
    return np.split(pooled, np.cumsum([len(group) for group in groups])[:-1])


def _token_counts(
    values: Sequence[FloatArray], num_tokens: Sequence[IntArray] | None
) -> list[IntArray]:
    if num_tokens is None:
        return [np.ones(group.shape, dtype=np.int64) for group in values]
    if len(num_tokens) != len(values):
        raise ValueError(
            f"num_tokens must hold one array per group, got {len(num_tokens)} for {len(values)} "
            f"groups; count the tokens of every group of the step"
        )
    for index, (group, counts) in enumerate(zip(values, num_tokens, strict=True)):
        expect_shape(
            f"num_tokens of group {index}", counts, group.shape, remedy="count each completion"
        )
        if (counts < 0).any():
            raise ValueError(
                f"num_tokens must be >= 0, got {counts.min()} in group {index}; count the tokens"
            )
    return list(num_tokens)


def columns_of(
    credit: Sequence[FloatArray], owners: Sequence[str] | None, name: str
) -> dict[str, list[int]]:
    """Return the columns of each owner, by its name.

    Args:
        credit: The groups of one step, all with the same number of columns.
        owners: Owner of each column, such as its agent. None: every column has its own.
        name: What the owners are, for the error message.

    Raises:
        ValueError: If owners does not name each column.
    """
    num_columns = credit[0].shape[1] if credit else 0
    names = [f"#{column}" for column in range(num_columns)] if owners is None else owners
    if credit and len(names) != num_columns:
        raise ValueError(
            f"{name} must name each of {num_columns} columns of credit, got {len(names)}; pass "
            f"one name per column, or None"
        )
    columns: dict[str, list[int]] = {}
    for column, owner in enumerate(names):
        columns.setdefault(owner, []).append(column)
    return columns if credit else {}


def expect_groups(credit: Sequence[FloatArray], *, min_group_size: int) -> None:
    """Raise ValueError unless each group has shape (G, A) with G >= min_group_size."""
    for index, group in enumerate(credit):
        if group.ndim != 2 or not group.size:
            name = f"credit of group {index}"
            expect_shape(name, group, ("G", "A"), remedy="give each agent a column")
        if len(group) < min_group_size:
            raise ValueError(
                f"group_size must be >= {min_group_size}, got 1 rollout in group {index}; "
                f"raise --group-size, or drop a group whose other rollouts were not measured"
            )
