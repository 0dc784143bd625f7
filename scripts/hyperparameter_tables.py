"""The tables of hyperparameters in the documentation, from their declarations."""

from __future__ import annotations

from baselines.common.hyperparameters import Hyperparameter
from baselines.credit import ALLOCATORS
from baselines.optimizers import OPTIMIZERS


def allocator_table() -> str:
    """Return a table with one row per hyperparameter of each allocator."""
    lines = [
        "| allocator | hyperparameter | values | default | meaning |",
        "|---|---|---|---|---|",
    ]
    for name, allocator in ALLOCATORS.items():
        for one in allocator.tunable.values():
            default = f"`{one.default_text}`"
            lines.append(
                f"| `{name}` | `{one.name}` | {_in_words(one)} | {default} | {one.meaning} |"
            )
    return "\n".join(lines)


def optimizer_table() -> str:
    """Return a table with one row per hyperparameter, and its default in each optimizer."""
    lines = ["| hyperparameter | values | default | meaning |", "|---|---|---|---|"]
    declared = {one.name: one for method in OPTIMIZERS.values() for one in method.tunable.values()}
    for name, one in declared.items():
        lines.append(f"| `{name}` | {_in_words(one)} | {_defaults(name)} | {one.meaning} |")
    return "\n".join(lines)


def _defaults(name: str) -> str:
    """Return the defaults of a hyperparameter, each with its optimizers."""
    owners: dict[str, list[str]] = {}
    for method in OPTIMIZERS.values():
        if name in method.tunable:
            owners.setdefault(method.tunable[name].default_text, []).append(method.name)
    if len(owners) == 1 and len(*owners.values()) == len(OPTIMIZERS):
        return f"`{next(iter(owners))}`"
    return "; ".join(f"`{default}`: {', '.join(names)}" for default, names in owners.items())


def _in_words(one: Hyperparameter) -> str:
    return ", ".join(f"`{choice}`" for choice in one.choices) or one.values
