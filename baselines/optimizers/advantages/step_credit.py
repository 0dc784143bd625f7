"""Credit of a training step: its groups, checked, and the columns of each agent or role."""

from __future__ import annotations

from collections.abc import Sequence

from baselines.common.checks import expect_shape
from baselines.common.types import FloatArray


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
