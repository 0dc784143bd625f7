"""Messages for unknown names."""

from __future__ import annotations

import pytest

from ccpo_env.errors import unknown_name


@pytest.mark.parametrize(
    ("name", "of", "message"),
    [
        ("ppo", "", "unknown optimizer 'ppo'; available: gspo, rloo"),
        ("rlo", "", "unknown optimizer 'rlo'; available: gspo, rloo; did you mean 'rloo'?"),
        (3, "a run", "unknown optimizer 3 of a run; available: gspo, rloo"),
    ],
)
def test_unknown_name_lists_the_available_names_in_order(
    name: object, of: str, message: str
) -> None:
    assert str(unknown_name("optimizer", name, ["rloo", "gspo"], of=of)) == message


def test_unknown_name_says_none_where_nothing_is_available() -> None:
    assert str(unknown_name("optimizer", "rloo", [])) == "unknown optimizer 'rloo'; available: none"
