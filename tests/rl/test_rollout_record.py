from __future__ import annotations

import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from baselines.common.jsonl import append_rows
from baselines.common.rollout_file import clip, clip_length, read_rollouts
from baselines.credit import GroupOutcomes
from baselines.policies.base import Sampling
from baselines.rollouts.costs import CostTracker
from baselines.rollouts.groups import Group, play_groups
from baselines.rollouts.plan import Plan
from baselines.rollouts.runner import RolloutRunner
from baselines.train.logging.rollout_record import MAX_CHARS, is_recorded, recorded_groups
from ccpo_env import vote_v0
from ccpo_env.types import Task
from tests.rl.teams import NO_THINKER, PAIR, TASK, RecordingPolicy, judge, rollout, runner_of


def played(answers, plan, *, num_thinkers=1, tasks=(TASK,)) -> list[Group]:
    thinker = RecordingPolicy([f"thought {n}" for n in range(40)])
    runner = runner_of(thinker, RecordingPolicy(answers), num_thinkers=num_thinkers)
    return play_groups(runner, tasks, plan, rng=np.random.default_rng(0), costs=CostTracker())


def recorded(groups, *, step=1, max_rollouts=96, team=None):
    teams = [team or GroupOutcomes(PAIR, group.rewards) for group in groups]
    numbers = [
        np.repeat(group.rewards[:, None], len(teams[0].turns or teams[0].agents), axis=1)
        for group in groups
    ]
    halves, quarters = [own / 2 for own in numbers], [own / 4 for own in numbers]
    return recorded_groups(
        step, groups, teams, numbers, halves, quarters, max_rollouts=max_rollouts
    )


def test_recorded_group_by_hand_with_a_removal_measured_once():
    plan = Plan(group_size=2, removals=(NO_THINKER,), num_removed=3)
    (row,) = recorded(played(["2", "9", "?", "", "2"], plan), step=7)
    assert row == {
        "step": 7,
        "task_id": "t/0",
        "question": "1+1",
        "gold": "2",
        "turns": ["thinker_0", "solver_0"],
        "messages": [["thought 0", "2"], ["thought 1", "9"]],
        "answers": ["2", "9"],
        "rewards": [1.0, -1.0],
        "credit": [[1.0, 1.0], [-1.0, -1.0]],
        "advantage": [[0.5, 0.5], [-0.5, -0.5]],
        "shared_advantage": [[0.25, 0.25], [-0.25, -0.25]],
        "replays": [
            {
                "without": ["thinker_0"],
                "rollout": None,
                "kept": [],
                "speakers": ["solver_0"],
                "messages": [["?"], [""], ["2"]],
                "answers": [None, None, "2"],
                "rewards": [None, -1.0, 1.0],
            }
        ],
    }


def test_recorded_replays_follow_their_rollout_when_another_is_dropped():
    removed = frozenset({"thinker_1"})
    plan = Plan(group_size=2, removals=(removed,), branches=("thinker_0",), num_branches=1)
    # Two teams, the first of which is not measured; then what follows each.
    (group,) = played(["?", "2", "5", "6", "7", "8"], plan, num_thinkers=2)
    assert [(own.removed, own.rollout, own.kept) for own in group.replays] == [
        (removed, 0, (0,)),
        (frozenset(), 0, (0,)),
    ]
    trio = GroupOutcomes(("thinker_0", "thinker_1", "solver_0"), group.rewards)
    (row,) = recorded([group], team=trio)
    assert [own["speakers"] for own in row["replays"]] == [["solver_0"], ["thinker_1", "solver_0"]]
    assert row["replays"][0]["without"] == ["thinker_1"]
    assert row["replays"][1]["without"] == []
    assert len(row["messages"]) == 1


def test_recorded_vote_has_each_answer_and_the_recounts():
    voters = tuple(f"voter_{k}" for k in range(3))
    env = vote_v0(tasks=(TASK,), num_voters=3, verifier=judge)
    # Turn by turn: the first voter's answers in both rollouts, then the second's, the third's.
    policy = RecordingPolicy(["9", "2", "2", "", "2", "8"])
    runner = RolloutRunner(env, {"voter": policy}, {"voter": Sampling()})
    plan = Plan(group_size=2)
    groups = play_groups(runner, (TASK,), plan, rng=np.random.default_rng(0), costs=CostTracker())
    (row,) = recorded(groups, team=GroupOutcomes(voters, groups[0].rewards))
    assert row["votes"] == [["9", "2", "2"], ["2", None, "8"]]
    assert row["rewards"] == [1.0, 1.0]
    # Without a right vote in the first rollout there is a tie, which the first vote, 9, wins.
    assert row["recounts"] == {
        "voter_0": [1.0, -1.0],
        "voter_1": [-1.0, 1.0],
        "voter_2": [-1.0, 1.0],
    }


def test_recorded_groups_are_whole_and_at_least_one():
    groups = [Group(TASK, (rollout("correct"),) * 3, {}, {}) for _ in range(4)]
    assert [len(recorded(groups, max_rollouts=most)) for most in (1, 3, 5, 6, 12, 99)] == [
        *(1, 1, 1, 2, 4, 4)
    ]


def test_recorded_texts_of_a_step_are_bounded():
    long = rollout("wrong", texts=("x" * 3 * MAX_CHARS, "9"))
    groups = [Group(Task("t/0", "q", "2"), (long, rollout("correct")), {}, {})] * 2
    rows = recorded(groups)
    assert len(rows) == 1
    (thought, answer), short = rows[0]["messages"]
    assert answer == "9"
    assert short == ["a thought", "2"]
    assert MAX_CHARS * 0.99 < len(thought) < MAX_CHARS * 1.001
    assert f"[{3 * MAX_CHARS - thought.count('x'):,} characters left out]" in thought


@pytest.mark.parametrize(
    ("every", "steps"),
    [(None, [*range(1, 129), 129, 131]), (0, []), (60, [1, 61, 121])],
)
def test_recorded_steps_of_the_first(every, steps):
    assert [step for step in range(1, 133) if is_recorded(step, every)] == steps


def test_recorded_steps_grow_with_the_logarithm_of_the_steps():
    counts = [sum(is_recorded(k, None) for k in range(1, n + 1)) for n in (128, 256, 512, 4096)]
    assert counts == [128, 192, 256, 448]


@given(st.lists(st.integers(0, 50)), st.integers(0, 200))
def test_clip_length_is_the_largest_that_fits(lengths, total):
    longest = clip_length(lengths, total)
    assert sum(min(n, longest) for n in lengths) <= total or longest == 0
    assert longest == max(lengths, default=0) or (sum(min(n, longest + 1) for n in lengths) > total)


@given(st.text(max_size=40), st.integers(0, 45))
def test_clip_keeps_the_beginning_and_the_end(text, most):
    clipped = clip(text, most)
    if len(text) <= most:
        assert clipped == text
    else:
        tail = most // 3
        assert clipped.startswith(text[: most - tail])
        assert clipped.endswith(text[len(text) - tail :])
        assert f"[{len(text) - most:,} characters left out]" in clipped


def test_read_rollouts_of_a_run_that_is_writing(tmp_path):
    path = tmp_path / "rollouts.jsonl"
    assert read_rollouts(path) == []
    rows = recorded([Group(TASK, (rollout("correct", texts=("\ud800 é", "2")),), {}, {})] * 2)
    append_rows(path, rows)
    line = json.dumps(rows[0])
    for length in (1, len(line) // 2, len(line)):
        half_written = tmp_path / f"{length}.jsonl"
        half_written.write_bytes(path.read_bytes() + line[:length].encode())
        assert read_rollouts(half_written) == rows
