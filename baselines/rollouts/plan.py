"""The rollouts per task that credit assignment needs, besides those of the whole team."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass

from baselines.credit.outcomes import Orders
from baselines.credit.turns import repeated_turns
from ccpo_env.types import Topology


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What is played on each task.

    Args:
        group_size: Rollouts of the whole team, G.
        removals: Sets of agents to remove; empty if credit needs none.
        orders: Orders of joining the team whose stages the removals are; None if not sampled.
        num_removed: Rollouts per task for a per-task removal, M.
        branches: Names of the turns after which every rollout is continued with new samples.
        num_branches: Continuations per rollout, M; also of per-rollout removals, which keep the
            messages that the removal leaves as they were.
        rate: Whether the agents rate each other.
        skip_uniform_groups: Whether per-task removals are omitted for groups whose team rollouts
            all have the same reward.
        keep_completions: Whether the completions of removals and continuations are kept, so that
            they can be trained on.
    """

    group_size: int
    removals: tuple[frozenset[str], ...] = ()
    orders: Orders | None = None
    num_removed: int = 4
    branches: tuple[str, ...] = ()
    num_branches: int = 4
    rate: bool = False
    skip_uniform_groups: bool = False
    keep_completions: bool = False


def repeated_turn_names(topology: Topology) -> tuple[str, ...] | None:
    """Return the name ``<agent>#<n>`` of each turn; None if everybody speaks once."""
    return repeated_turns([turn.speaker for turn in topology.turns])


def turn_names(topology: Topology) -> tuple[str, ...]:
    """Return the name of each turn: ``<agent>#<n>``, or the agent if everybody speaks once."""
    return repeated_turn_names(topology) or topology.agents


def turns_of(topology: Topology, agents: Collection[str]) -> list[int]:
    """Return the positions of the turns of some agents."""
    return [place for place, turn in enumerate(topology.turns) if turn.speaker in agents]


def turns_without(topology: Topology, removed: Collection[str]) -> list[int]:
    """Return the positions of the turns that take place without some agents."""
    return [place for place, turn in enumerate(topology.turns) if turn.speaker not in removed]


def reads_of(topology: Topology) -> tuple[tuple[str, ...], ...]:
    """Return the names of the earlier turns that each turn reads."""
    names, turns = turn_names(topology), topology.turns
    return tuple(
        tuple(names[earlier] for earlier in range(place) if turns[earlier].speaker in turn.reads)
        for place, turn in enumerate(turns)
    )


def next_reader(topology: Topology, turn: int) -> int | None:
    """Return the position of the first later turn that reads the message of a turn, or None."""
    speaker = topology.turns[turn].speaker
    later = range(turn + 1, len(topology.turns))
    return next((place for place in later if speaker in topology.turns[place].reads), None)


def answering_turns(topology: Topology) -> list[int]:
    """Return the positions of the turns whose message is an answer of the team."""
    places = range(len(topology.turns))
    return list(places) if topology.decision == "majority" else [places[-1]]


def has_readers(topology: Topology) -> list[bool]:
    """Return for each turn whether a later one reads its message."""
    return [next_reader(topology, turn) is not None for turn in range(len(topology.turns))]


def nobody_reads(topology: Topology) -> bool:
    """Return whether no turn reads an earlier one, so that none influences another."""
    return not any(reads_of(topology))


def kept_turns(topology: Topology, removed: frozenset[str]) -> tuple[int, ...]:
    """Return the positions of the turns whose messages a removal leaves as they were.

    They are those of the other agents whose prompt stays the same to the character, whatever is
    said in the turns that are sampled anew: they read no removed agent and nothing that is sampled
    anew. If the last speaker is removed, another agent answers in its place, whose prompt differs.

    Note: Given the messages that are kept, which are distributed as they are without the agents,
        the others are sampled as they are without them. So a replay that keeps messages has the
        distribution of one from the first turn, and differs from its rollout only in what the
        removal changes.
    """
    turns = topology.turns
    last = max(place for place, turn in enumerate(turns) if turn.speaker not in removed)
    is_vote = topology.decision == "majority"
    kept: list[int] = []
    for place, turn in enumerate(turns):
        read = [earlier for earlier in range(place) if turns[earlier].speaker in turn.reads]
        is_instructed_anew = not is_vote and place == last != len(turns) - 1
        if turn.speaker not in removed and not is_instructed_anew and set(read) <= set(kept):
            kept.append(place)
    return tuple(kept)


def first_kept_turns(topology: Topology, removed: frozenset[str]) -> tuple[int, ...]:
    """Return those of `kept_turns` before the first turn that is sampled anew."""
    left, kept = turns_without(topology, removed), kept_turns(topology, removed)
    return tuple(kept[: next((n for n, turn in enumerate(left) if turn not in kept), len(left))])


def branching_turns(topology: Topology) -> tuple[str, ...]:
    """Return the names of the turns that have later ones, in speaking order.

    Empty if nobody reads anybody: later turns then do not depend on earlier ones.
    """
    return () if nobody_reads(topology) else turn_names(topology)[:-1]


def removals_are_recounts(topology: Topology) -> bool:
    """Return whether removals need no new rollouts: a vote is recounted without the agent."""
    return topology.decision == "majority" and nobody_reads(topology)


def per_task_removals(
    topology: Topology, removals: Sequence[frozenset[str]]
) -> list[frozenset[str]]:
    """Return the removals that are measured once per task, from the first turn."""
    if removals_are_recounts(topology):
        return []
    return [removed for removed in removals if not kept_turns(topology, removed)]


def per_rollout_removals(
    topology: Topology, removals: Sequence[frozenset[str]]
) -> list[frozenset[str]]:
    """Return the removals that are measured per rollout, which keep some of its messages."""
    if removals_are_recounts(topology):
        return []
    return [removed for removed in removals if kept_turns(topology, removed)]
