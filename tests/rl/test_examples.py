from __future__ import annotations

from itertools import product

import pytest

from baselines.credit import counterfactual_credit, leave_one_out_credit, shared_credit
from baselines.evaluate.batches import EvaluationPlan, play_all
from baselines.evaluate.episodes import Episode
from baselines.evaluate.evaluation import Evaluation
from baselines.evaluate.examples import episode_json, example_episodes
from baselines.evaluate.paths import JOINT, TeamPath, each_that_can_be_spared
from baselines.policies.base import Sampling
from baselines.rollouts.rollout import Rollout
from baselines.rollouts.runner import RolloutRunner
from ccpo_env import vote_v0
from ccpo_env.types import Task
from tests.rl.teams import NO_THINKER, PAIR, TASK, RecordingPolicy, judge, rollout

ALONE = TeamPath("without", ("thinker_0",))
TITLES = {
    ("correct", "wrong"): "thinker_0 helped",
    ("wrong", "correct"): "thinker_0 hurt",
    ("correct", "correct"): "right with and without thinker_0",
    ("wrong", "wrong"): "wrong with and without thinker_0",
}


def evaluation_of(*pairs: tuple[str, str]) -> Evaluation:
    """One task per pair of verdicts, with the whole team and without the thinker."""
    tasks = [Task(f"t/{number}", f"question {number}", "2") for number in range(len(pairs))]
    joint = [rollout(pair[0], task=task) for task, pair in zip(tasks, pairs, strict=True)]
    without = [
        rollout(pair[1], task=task, removed=NO_THINKER, texts=("", "3"))
        for task, pair in zip(tasks, pairs, strict=True)
    ]
    episodes = [episode_of(r) for r in joint] + [episode_of(r, ALONE) for r in without]
    return Evaluation.of(episodes, verify=judge)


def episode_of(played: Rollout, path: TeamPath = JOINT) -> Episode:
    return Episode.of(played, benchmark="b", sample=0, path=path)


@pytest.mark.parametrize("pair", list(product(("correct", "wrong", "no_answer"), repeat=2)))
def test_example_is_titled_by_what_the_thinker_did(pair):
    (example,) = example_episodes(evaluation_of(pair), PAIR)
    assert example["title"] == TITLES[tuple(s.replace("no_answer", "wrong") for s in pair)]


def test_examples_are_the_first_of_the_three_most_telling_kinds():
    pairs = [*reversed(TITLES), *TITLES]  # right and right stands at 1 and 6, and so on
    examples = example_episodes(evaluation_of(*pairs), PAIR)
    assert [e["title"] for e in examples] == list(TITLES.values())[:3]
    assert [e["task_id"] for e in examples] == ["t/3", "t/2", "t/1"]


def test_example_shows_both_episodes_of_one_task():
    (example,) = example_episodes(evaluation_of(("correct", "no_answer")), PAIR)
    with_thinker, without = example.pop("episodes")
    assert example == {
        "title": "thinker_0 helped",
        "task_id": "t/0",
        "question": "question 0",
        "gold": "2",
    }
    assert with_thinker == {
        "removed": [],
        "messages": [
            {"agent": "thinker_0", "text": "a thought"},
            {"agent": "solver_0", "text": "2"},
        ],
        "status": "correct",
        "answer": "2",
        "reward": 1.0,
        "credit": None,
    }
    assert (without["removed"], without["status"]) == (["thinker_0"], "no_answer")
    assert without["reward"] == -1.0


def test_example_shows_the_credit_of_the_whole_team():
    evaluation = evaluation_of(("correct", "wrong"))
    ((joint, without),) = [
        e["episodes"] for e in example_episodes(evaluation, PAIR, counterfactual_credit)
    ]
    assert joint["credit"] == {"thinker_0": pytest.approx(1.2), "solver_0": 1.0}
    assert without["credit"] is None


@pytest.mark.parametrize("pair", [("timeout", "correct"), ("correct", "error")])
def test_examples_leave_out_what_was_not_measured(pair):
    assert example_episodes(evaluation_of(pair), PAIR) == []


def test_examples_of_a_team_of_one_are_right_and_wrong():
    said = [
        rollout(status, agents=("voter_0",), texts=("2",), task=Task(status, "1+1", "2"))
        for status in ("wrong", "correct")
    ]
    evaluation = Evaluation.of([episode_of(played) for played in said], verify=judge)
    examples = example_episodes(evaluation, ("voter_0",), shared_credit)
    assert [example["title"] for example in examples] == ["right", "wrong"]
    assert [[e["credit"] for e in example["episodes"]] for example in examples] == [
        [{"voter_0": 1.0}],
        [{"voter_0": -1.0}],
    ]


VOTERS = ("voter_0", "voter_1", "voter_2")


def vote_of(*answers: str) -> Evaluation:
    """One task with gold answer 2 on which three voters answer, and its recounts without each."""
    policy = RecordingPolicy(answers)
    env = vote_v0(tasks=[TASK], num_voters=3, verifier=judge)
    runner = RolloutRunner(env, {"voter": policy}, {"voter": Sampling()})
    removals = each_that_can_be_spared(env.unwrapped.topology)
    plan = EvaluationPlan(benchmarks={"b": [TASK]}, removals=removals)
    return Evaluation.of(play_all(runner, plan), verify=judge)


@pytest.mark.parametrize(
    ("answers", "title"),
    [
        (("7", "2", "2"), "right with and without voter_0"),
        (("2", "7", "2"), "voter_0 helped"),  # without it a tie, and 7 was given first
        (("2", "2", "7"), "right with and without voter_0"),
        (("7", "2", "7"), "voter_0 hurt"),
        (("7", "7", "2"), "wrong with and without voter_0"),
    ],
)
def test_example_of_a_vote_recounts_its_ballot(answers, title):
    (example,) = example_episodes(vote_of(*answers), VOTERS)
    assert example["title"] == title
    joint, without = example["episodes"]
    assert [m["text"] for m in joint["messages"]] == list(answers)
    assert without["messages"] == joint["messages"][1:]


def test_example_of_a_vote_shows_credit_from_the_recounts_of_all_voters():
    found = []

    def credit_of(outcomes):
        found.append(outcomes)
        return leave_one_out_credit(outcomes)

    (example,) = example_episodes(vote_of("2", "7", "2"), VOTERS, credit_of)
    (outcomes,) = found
    removed = {next(iter(agents)): r.tolist() for agents, r in outcomes.removed_rewards.items()}
    # Measured on this ballot: 7 before 2, 2 and 2, 2 before 7.
    assert removed == {"voter_0": [[-1.0]], "voter_1": [[1.0]], "voter_2": [[1.0]]}
    assert example["episodes"][0]["credit"] == {"voter_0": 2.0, "voter_1": 0.0, "voter_2": 0.0}
    assert len(example["episodes"]) == 2


def test_credit_of_an_example_is_measured_on_its_task_where_nothing_is_shared():
    found = []

    def credit_of(outcomes):
        found.append(outcomes)
        return shared_credit(outcomes)

    example_episodes(evaluation_of(("correct", "wrong")), PAIR, credit_of)
    assert found[0].removed_rewards[NO_THINKER].tolist() == [-1.0]


def test_episode_names_removed_agents_in_one_order_whatever_the_hash_seed():
    names = tuple(f"agent_{number}" for number in range(9))
    episode = Episode("b", TASK, 0, TeamPath("without", names), (), judge("2", "2"))
    assert episode_json(episode)["removed"] == list(names)


def test_episode_keeps_hostile_text_as_it_is():
    attack = '</script><img onerror="x">\u2028 \\ud800'
    episode = episode_json(episode_of(rollout("wrong", texts=(attack, attack))))
    assert [m["text"] for m in episode["messages"]] == [attack, attack]
