"""Numbers with their nouns, and notes that several pages and tables share."""

from __future__ import annotations

from collections.abc import Mapping, Sequence


def plural(number: int, thing: str) -> str:
    """Return a number with its noun, as in "1 step" and "2,000 steps"."""
    return f"{number:,} {thing}" if number == 1 else f"{number:,} {thing}s"


def named(names: Sequence[str], most: int) -> str:
    """Return names, or the first of them and the number of the others.

    They are separated by semicolons if one of them has a comma.
    """
    separator = "; " if any("," in name for name in names) else ", "
    more = f" and {len(names) - most} more" if len(names) > most else ""
    return separator.join(names[:most]) + more


def tie_note(removals: Sequence[str]) -> str | None:
    """Return why two of the removals from a vote of three are equal; None for other votes.

    Args:
        removals: The removals from a vote that were evaluated: names of voters.
    """
    if len(removals) != 3 or any("+" in removed for removed in removals):
        return None
    first, second, third = removals
    return (
        f"With two votes left, a tie goes to the first: without {second}, as without {third}, the "
        f"answer is the vote of {first} wherever it has one, so their rows are the same."
    )


def next_lines(commands: Mapping[str, str]) -> list[str]:
    """Return what the last lines of a command suggest to type next, from commands and purposes."""
    width = max(map(len, commands), default=0)
    return [f"next   {command.ljust(width)}  # {purpose}" for command, purpose in commands.items()]
