"""A vote: nobody reads anybody, everybody answers."""

from __future__ import annotations

import pytest

from ccpo_env import vote_v0
from ccpo_env.topologies.vote import vote


def test_voters_speak_in_order_and_read_nobody() -> None:
    assert vote(4).agents == ("voter_0", "voter_1", "voter_2", "voter_3")
    env = vote_v0([("q", "1")], verifier="exact")
    env.reset()
    first = env.observe("voter_0")
    for _ in range(2):
        env.step(r"\boxed{1}")
        assert env.observe(env.agent_selection) == first
    env.restore(env.snapshot())
    env.step("none")
    assert set(env.rewards.values()) == {1.0}
    assert [info["leak"] for info in env.infos.values()] == [0, 0, 0]


def test_vote_needs_a_voter() -> None:
    with pytest.raises(ValueError, match="num_voters must be >= 1, got 0; try num_voters=3"):
        vote(0)
    assert vote(1).agents == ("voter_0",)
