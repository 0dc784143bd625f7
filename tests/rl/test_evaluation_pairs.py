"""Episodes with and without an agent are pairs: they differ by nothing that could be kept."""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import replace

import numpy as np
import pytest

from baselines.evaluate import command as evaluate
from baselines.evaluate.batches import EvaluationPlan, play_all
from baselines.evaluate.correctness import Correctness, correctness_of, joined
from baselines.evaluate.episode_journal import EPISODES_FILE, EpisodeJournal
from baselines.evaluate.episodes import Episode
from baselines.evaluate.evaluation import Evaluation
from baselines.evaluate.paths import (
    JOINT,
    TeamPath,
    control_paths,
    each_that_can_be_spared,
    num_shared,
    num_turns,
    without,
)
from baselines.policies.base import Completion, Sampling
from baselines.rollouts.runner import RolloutRunner
from ccpo_env import debate_v0, think_solve_v0, vote_v0
from ccpo_env.types import PromptTemplate, Task, Topology, Turn
from tests.rl.teams import judge, quietly, write_rows

TASKS = [Task(f"t/{number}", f"number {number}.", str(number % 3)) for number in range(8)]
NO_PROMPTS = PromptTemplate(dict.fromkeys(("plan", "work", "solve", "vote"), "r"), "h", "a")


class Drawing:
    """Says a digit that the generator draws, and counts what it was asked."""

    def __init__(self, num_digits: int = 3) -> None:
        self.num_asked = 0
        self._num_digits = num_digits

    def sample(self, prompts, *, sampling, rng):
        self.num_asked += len(prompts)
        return [
            Completion(str(digit)) for digit in rng.integers(self._num_digits, size=len(prompts))
        ]


class CountingJudge:
    """Judges, and counts how often."""

    def __init__(self) -> None:
        self.num_calls = 0

    def __call__(self, response, gold):
        self.num_calls += 1
        return judge(response, gold)


def runner_of(make, policy, *, verifier=judge, **sizes) -> RolloutRunner:
    env = make(tasks=TASKS, verifier=verifier, **sizes)
    roles = env.unwrapped.topology.roles
    return RolloutRunner(env, dict.fromkeys(roles, policy), dict.fromkeys(roles, Sampling()))


def played(runner: RolloutRunner, removals=None, **settings) -> list[Episode]:
    removals = each_that_can_be_spared(runner.topology) if removals is None else removals
    plan = EvaluationPlan(
        benchmarks={"some": TASKS}, removals=removals, **{"tasks_per_batch": 3, **settings}
    )
    return play_all(runner, plan)


def joint_of(episodes: list[Episode]) -> dict[tuple[str, int], Episode]:
    return {(e.task.id, e.sample): e for e in episodes if e.path == JOINT}


def plurality(answers: list[str]) -> str:
    """The most frequent answer; of equals the first that was given."""
    counts = Counter(answers)
    return max(answers, key=lambda answer: (counts[answer], -answers.index(answer)))


SETS = [
    frozenset({"voter_0"}),
    frozenset({"voter_4"}),
    frozenset({"voter_1", "voter_2", "voter_3"}),
]


def test_votes_without_a_voter_are_recounts_of_the_same_ballot():
    found = played(runner_of(vote_v0, Drawing(), num_voters=5), SETS, num_samples=3)
    joint = joint_of(found)
    others = [e for e in found if e.path != JOINT]
    assert len(others) == len(TASKS) * 3 * len(SETS)
    assert len({e.verdict for e in others}) > 2
    for episode in others:
        team = joint[episode.task.id, episode.sample]
        left = tuple(m for m in team.messages if m.agent not in episode.path.removed)
        assert episode.messages == left
        assert episode.num_shared == len(left)
        answer = plurality([m.text for m in left])
        assert episode.verdict.answer == answer
        assert episode.reward == (1.0 if answer == episode.task.answer else -1.0)


def test_votes_without_a_voter_cost_no_tokens_and_no_verification():
    costs = []
    for removals in ((), SETS):
        policy, verifier = Drawing(), CountingJudge()
        runner = runner_of(vote_v0, policy, verifier=verifier, num_voters=5)
        plan = EvaluationPlan(benchmarks={"some": TASKS}, removals=removals, num_samples=2)
        episodes = play_all(runner, plan, rng=np.random.default_rng(0))
        costs.append((policy.num_asked, verifier.num_calls, list(joint_of(episodes).values())))
    assert costs[0] == costs[1]
    assert costs[0][0] == len(TASKS) * 2 * 5


def test_a_voter_helps_only_where_it_is_right_and_hurts_only_where_it_is_wrong():
    found = played(runner_of(vote_v0, Drawing(4), num_voters=3), num_samples=20)
    joint = joint_of(found)
    effects = Counter()
    for episode in (e for e in found if e.path != JOINT):
        team = joint[episode.task.id, episode.sample]
        (voter,) = episode.path.agents
        own = next(m.text for m in team.messages if m.agent == voter) == episode.task.answer
        effects[team.reward, episode.reward, own] += 1
    assert effects[1.0, -1.0, True] > 20
    assert effects[-1.0, 1.0, False] > 20
    assert effects[1.0, -1.0, False] == effects[-1.0, 1.0, True] == 0


def test_help_and_hurt_of_a_voter_count_the_ballots_that_it_turns():
    found = played(runner_of(vote_v0, Drawing(), num_voters=3), num_samples=4)
    evaluation = Evaluation.of(found, verify=judge)
    joint = joint_of(found)
    for path in evaluation.removals:
        rewards = [(joint[e.task.id, e.sample].reward, e.reward) for e in found if e.path == path]
        counts = Counter(rewards)
        for quantity, pair in (("help", (1.0, -1.0)), ("hurt", (-1.0, 1.0))):
            row = evaluation.overall.find(quantity, path)
            assert (row.successes, row.total) == (counts[pair], len(rewards))
            assert row.estimate.value == pytest.approx(counts[pair] / len(rewards))
        gain = evaluation.overall.find("net_gain", path)
        assert gain.successes == counts[1.0, -1.0] - counts[-1.0, 1.0]
        assert gain.estimate.value == pytest.approx(np.mean(rewards, axis=0) @ [0.5, -0.5])


def test_a_failed_vote_is_not_recounted_and_played_again(tmp_path):
    class Failing(Drawing):
        def sample(self, prompts, **arguments):
            said = super().sample(prompts, **arguments)
            if self.num_asked > 2 * len(prompts):  # the last voter
                said[1] = Completion("", failure="no answer")
            return said

    def journal():
        return EpisodeJournal(tmp_path / EPISODES_FILE, {})

    plan = EvaluationPlan(benchmarks={"some": TASKS[:3]}, removals=[frozenset({"voter_2"})])
    broken = play_all(runner_of(vote_v0, Failing(), num_voters=3), plan, journal=journal())
    assert [e.reward is None for e in broken] == [False, True, False] * 2
    assert "no answer" in broken[-2].verdict.detail
    assert len(journal()) == 0
    policy = Drawing()
    whole = play_all(runner_of(vote_v0, policy, num_voters=3), plan, journal=journal())
    assert policy.num_asked == 9
    assert all(e.reward is not None for e in whole)
    known = play_all(runner_of(vote_v0, policy, num_voters=3), plan, journal=journal())
    assert known == whole  # the recounts and what they share are read from the journal as well
    assert policy.num_asked == 9


def test_a_voter_that_cannot_be_read_leaves_every_recount_unmeasured():
    class Unreadable:
        def sample(self, prompts, *, sampling, rng):
            return [Completion("?") for _ in prompts]

    found = played(runner_of(vote_v0, Unreadable(), num_voters=3))
    assert {e.verdict.status for e in found} == {"timeout"}


def test_a_journal_of_replayed_votes_is_not_resumed(tmp_path):
    EpisodeJournal(tmp_path / EPISODES_FILE, {})
    header = json.loads((tmp_path / EPISODES_FILE).read_text(encoding="utf-8"))
    assert header["version"] == 2
    before = json.dumps({**header, "version": 1}) + "\n"
    (tmp_path / EPISODES_FILE).write_text(before, encoding="utf-8")
    with pytest.raises(ValueError, match="must be a file that an evaluation of this version has"):
        EpisodeJournal(tmp_path / EPISODES_FILE, {})


@pytest.mark.parametrize(
    ("make", "sizes", "removed", "kept"),
    [
        (think_solve_v0, {"num_thinkers": 3}, {"thinker_0"}, 0),
        (think_solve_v0, {"num_thinkers": 3}, {"thinker_1"}, 1),
        (think_solve_v0, {"num_thinkers": 3}, {"thinker_2"}, 2),
        (think_solve_v0, {"num_thinkers": 3}, {"thinker_1", "thinker_2"}, 1),
        # The last thinker answers in place of the solver, so it speaks again.
        (think_solve_v0, {"num_thinkers": 3}, {"solver_0"}, 2),
        (think_solve_v0, {}, {"solver_0"}, 0),
        (debate_v0, {"num_debaters": 3}, {"debater_1"}, 1),
        (debate_v0, {"num_debaters": 3}, {"debater_2"}, 2),
        (vote_v0, {"num_voters": 4}, {"voter_0", "voter_2"}, 2),
    ],
)
def test_episodes_without_an_agent_keep_what_was_said_before_it(make, sizes, removed, kept):
    policy = Drawing(10**6)
    runner = runner_of(make, policy, **sizes)
    (path,) = without([frozenset(removed)])
    found = played(runner, [path.removed], num_samples=2)
    joint = joint_of(found)
    assert num_shared(runner.topology, path) == kept
    for episode in (e for e in found if e.path == path):
        team = joint[episode.task.id, episode.sample].messages
        left = [m for m in team if make is not vote_v0 or m.agent not in removed]
        assert list(episode.messages[:kept]) == left[:kept]
        assert len(episode.messages) == num_turns(runner.topology, path)
        assert not {m.text for m in episode.messages[kept:]} & {m.text for m in team}
        assert episode.num_shared == kept
    turns = len(runner.topology.turns) + num_turns(runner.topology, path) - kept
    assert policy.num_asked == len(TASKS) * 2 * turns


def test_an_episode_that_follows_a_failed_one_shares_what_there_is():
    class Silent:
        def sample(self, prompts, *, sampling, rng):
            return [Completion("", failure="no answer") for _ in prompts]

    found = played(runner_of(think_solve_v0, Silent(), num_thinkers=2), [frozenset({"thinker_1"})])
    assert {(e.messages, e.num_shared, e.verdict.status) for e in found} == {((), 0, "error")}


SIGNS = {"+": 1.0, "-": -1.0, "?": np.nan}
LATER = TeamPath("without", ("thinker_1",))


def rewards_of(words: str):
    return np.array([[SIGNS[sign] for sign in word] for word in words.split()])


def test_samples_that_share_messages_are_compared_one_by_one():
    joint, later = rewards_of("++-- +-?+ ----"), rewards_of("+-+- -?+- ++--")
    tasks = tuple(TASKS[:3])
    own = Correctness(tasks, {JOINT: joint, LATER: later}, {}, frozenset({LATER}))
    np.testing.assert_array_equal(own.pairs(LATER), [[1, 2, 0], [1, 0, 2], [4, 2, 4]])
    np.testing.assert_array_equal(own.helped(LATER), [1 / 4, 1, 0])
    np.testing.assert_array_equal(own.hurt(LATER), [1 / 4, 0, 1 / 2])
    np.testing.assert_array_equal(own.helped(LATER) - own.hurt(LATER), [0, 1, -1 / 2])
    free = replace(own, paired=frozenset())
    np.testing.assert_array_equal(
        free.pairs(LATER), [[2 * 2, 2 * 2, 0], [2 * 2, 1, 8], [16, 9, 16]]
    )
    np.testing.assert_array_equal(free.helped(LATER), [1 / 4, 4 / 9, 0])
    for one in (own, free):
        lost, gained, _ = one.sides(LATER)
        np.testing.assert_allclose(gained - lost, one.helped(LATER) - one.hurt(LATER))
    np.testing.assert_array_equal(own.sides(LATER)[2], [[4, 2, 4], [4, 2, 4]])
    np.testing.assert_array_equal(free.sides(LATER)[2], [[4, 3, 4], [4, 3, 4]])
    chosen = own.of(np.array([True, False, True]))
    np.testing.assert_array_equal(chosen.pairs(LATER), [[1, 0], [1, 2], [4, 4]])
    np.testing.assert_array_equal(joined([own, chosen]).helped(LATER), [1 / 4, 1, 0, 1 / 4, 0])


def test_a_path_without_measured_pairs_helps_nan():
    own = Correctness(
        tuple(TASKS[:1]), {JOINT: rewards_of("+?"), LATER: rewards_of("?+")}, {}, frozenset({LATER})
    )
    assert np.isnan([own.helped(LATER), own.hurt(LATER)]).all()


def test_correctness_pairs_the_paths_that_share_messages():
    runner = runner_of(think_solve_v0, Drawing(), num_thinkers=2)
    assert correctness_of(played(runner), verify=judge).paired == {LATER}
    runner = runner_of(vote_v0, Drawing(), num_voters=2)
    assert {path.agents for path in correctness_of(played(runner), verify=judge).paired} == {
        ("voter_0",),
        ("voter_1",),
    }


def test_controls_of_a_later_agent_are_paired_as_well():
    runner = runner_of(think_solve_v0, Drawing(), num_thinkers=2)
    found = correctness_of(played(runner, controls=True), verify=judge)
    labels = {path.label for path in found.paired}
    assert labels == {"without thinker_1", "empty thinker_1", "shuffled thinker_1"}


def test_a_vote_has_no_controls_because_nobody_reads_a_voter():
    topology = vote_v0(tasks=TASKS, num_voters=3).unwrapped.topology
    with pytest.raises(ValueError, match=r"and is read by another, got .*'voter_0'.* of vote"):
        control_paths(topology, each_that_can_be_spared(topology))


def test_a_control_needs_a_later_reader():
    turns = (Turn("a", "plan", ()), Turn("b", "work", ("a",)), Turn("c", "solve", ("b",)))
    topology = Topology("relay", turns, NO_PROMPTS)
    deaf = Topology("deaf", (turns[0], Turn("b", "work", ()), turns[2]), NO_PROMPTS)
    removals = [frozenset({agent}) for agent in "ab"]
    assert {p.agents for p in control_paths(topology, removals)} == {("a",), ("b",)}
    assert {p.agents for p in control_paths(deaf, removals)} == {("b",)}


@pytest.mark.parametrize(
    ("turns", "decision", "spared"),
    [
        # The planner also solves: as the only agent that ever has the role it cannot be spared.
        ([("a", "plan"), ("b", "work"), ("a", "solve")], "last", ["b"]),
        # The role of the last turn decides, not another one of its speaker.
        ([("a", "solve"), ("b", "work"), ("a", "plan")], "last", ["b"]),
        ([("a", "plan"), ("b", "plan"), ("a", "solve")], "last", ["b"]),
        ([("a", "plan"), ("b", "solve"), ("a", "solve")], "last", ["a", "b"]),
        ([("a", "solve"), ("b", "solve"), ("a", "plan")], "last", ["b"]),
        # The last to speak for the first time is not the last to speak.
        ([("a", "solve"), ("b", "work"), ("c", "work"), ("a", "solve")], "last", ["b", "c"]),
        # Every vote counts, whatever the role of its voter.
        ([("a", "plan"), ("b", "work"), ("c", "solve")], "majority", ["a", "b", "c"]),
        ([("a", "solve")], "last", []),
    ],
)
def test_the_role_of_the_last_turn_decides_who_can_be_spared(turns, decision, spared):
    topology = Topology(
        "t", tuple(Turn(*turn, ()) for turn in turns), NO_PROMPTS, decision=decision
    )
    assert each_that_can_be_spared(topology) == tuple(frozenset({agent}) for agent in spared)


def test_paths_name_removed_agents_in_one_order_whatever_the_hash_seed():
    names = [f"agent_{number}" for number in range(9)]
    (path,) = without([frozenset(names)])
    assert path.agents == tuple(names)
    assert path.label == "without " + "+".join(names)
    transcript = Episode("b", TASKS[0], 0, path, (), judge("1", "1")).transcript()
    assert transcript["removed"] == names


def test_evaluate_recounts_the_voters_it_is_told_to_remove(tmp_path):
    tasks = write_rows(tmp_path / "sums.jsonl", [(f"{n}+{n}", str(2 * n)) for n in range(5)])
    given = ("--policy", "tiny", "--tasks", tasks, "--topology", "vote", "--num-voters", 4)
    flags = ("--removed", "voter_3", "voter_1", "--out-dir", tmp_path / "out")
    assert quietly(evaluate.main, *given, *flags)[0] == 0
    lines = (tmp_path / "out" / "transcripts.jsonl").read_text(encoding="utf-8").splitlines()
    episodes = [json.loads(line) for line in lines]
    joint, removed = episodes[:5], episodes[5:]
    assert [e["removed"] for e in removed] == [["voter_1", "voter_3"]] * 5
    for team, left in zip(joint, removed, strict=True):
        assert left["messages"] == [team["messages"][0], team["messages"][2]]
        assert (team["num_shared"], left["num_shared"]) == (0, 2)


def test_evaluate_refuses_controls_of_a_vote(tmp_path, capsys):
    tasks = write_rows(tmp_path / "sums.jsonl", [("1+1", "2"), ("2+2", "4")])
    flags = ("--policy", "tiny", "--tasks", tasks, "--topology", "vote", "--controls")
    assert quietly(evaluate.main, *flags)[0] == 2
    assert "controls must replace the message of an agent" in capsys.readouterr().err
