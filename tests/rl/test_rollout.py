from __future__ import annotations

import time

import numpy as np
import pytest

from baselines.policies.base import Prompt, Sampling
from baselines.rollouts.costs import CostTracker
from baselines.rollouts.rollout import RolloutRequest
from baselines.rollouts.runner import RolloutRunner
from ccpo_env import debate_v0, think_solve_v0, vote_v0
from ccpo_env.env import TeamAnswerEnv
from ccpo_env.types import Message, PromptTemplate, Task, Topology, Turn, Verdict
from tests.rl.teams import NO_THINKER, PAIR, TASK, RecordingPolicy, judge, runner_of

NO_SOLVER = frozenset({"solver_0"})
OTHER = Task("t/1", "3+4", "7")
MIXTURE = (
    RolloutRequest(TASK, NO_THINKER),
    RolloutRequest(TASK),
    RolloutRequest(OTHER, NO_SOLVER),
    RolloutRequest(OTHER),
    RolloutRequest(OTHER, NO_THINKER),
)
"""Episodes with all agents and without either, of two tasks."""


@pytest.fixture
def rng() -> np.random.Generator:
    return np.random.default_rng(0)


def prompts_of_env(request: RolloutRequest, actions: dict[str, str]) -> dict[str, Prompt]:
    """What each agent reads when the environment is played by hand."""
    env = think_solve_v0(tasks=[TASK, OTHER], verifier=judge)
    options = {"task": request.task, "removed": request.removed, "prefix": request.prefix}
    env.reset(seed=3, options=options)
    prompts = {}
    for agent in env.agent_iter():
        observation, _, terminated, truncated, info = env.last()
        if terminated or truncated:
            env.step(None)
            continue
        prompts[agent] = Prompt(observation["prompt"], tuple(info["messages"]))
        env.step(actions[agent])
    return prompts


def test_play_returns_one_rollout_per_request_in_order(rng):
    policy = RecordingPolicy(lambda prompt: "2" if "1+1" in prompt else "7")
    rollouts = runner_of(policy, policy).play(MIXTURE, rng=rng)
    assert [r.request for r in rollouts] == list(MIXTURE)
    spoke = [[message.agent for message in r.messages] for r in rollouts]
    assert spoke == [["solver_0"], [*PAIR], ["thinker_0"], [*PAIR], ["solver_0"]]
    assert [r.verdict.answer for r in rollouts] == ["2", "2", "7", "7", "7"]
    said = [[completion.text for completion in r.completions] for r in rollouts]
    assert said == [[message.text for message in r.messages] for r in rollouts]


def test_play_completes_each_speaker_of_all_episodes_in_one_call(rng):
    thinker, solver = RecordingPolicy(["a thought"]), RecordingPolicy(["2"])
    runner_of(thinker, solver).play(MIXTURE, rng=rng)
    assert [len(call) for call in thinker.calls] == [3]  # those whose thinker is not removed
    assert [len(call) for call in solver.calls] == [4]  # with a thought and without, together


def test_play_completes_each_thinker_of_a_chain_in_one_call(rng):
    thinker, solver = RecordingPolicy(["a thought"]), RecordingPolicy(["2"])
    removals = ({"thinker_0"}, {"thinker_1"}, {"thinker_0", "thinker_1"}, set())
    requests = [RolloutRequest(TASK, frozenset(removed)) for removed in removals]
    runner_of(thinker, solver, num_thinkers=2).play(requests, rng=rng)
    assert [len(call) for call in thinker.calls] == [2, 2]
    assert [len(call) for call in solver.calls] == [4]


def test_play_prompts_with_what_the_environment_shows(rng):
    actions = {"thinker_0": "a thought", "solver_0": "2"}
    thinker, solver = RecordingPolicy([actions["thinker_0"]]), RecordingPolicy(["2"])
    runner_of(thinker, solver, tasks=[TASK, OTHER]).play(MIXTURE, rng=rng)
    by_hand = [prompts_of_env(request, actions) for request in MIXTURE]
    expected = [p["thinker_0"] for p in by_hand if "thinker_0" in p]
    assert thinker.calls == [expected]
    assert solver.calls == [[p["solver_0"] for p in by_hand if "solver_0" in p]]


def test_play_hides_the_thought_of_a_removed_thinker_from_the_solver(rng):
    solver = RecordingPolicy(["2"])
    requests = [RolloutRequest(TASK), RolloutRequest(TASK, NO_THINKER)]
    runner_of(RecordingPolicy(["a thought"]), solver).play(requests, rng=rng)
    ((with_thought, without),) = solver.calls
    assert "a thought" in with_thought.text
    assert "a thought" not in without.text
    assert "a thought" not in str(without.messages)


def test_an_agent_with_several_turns_has_a_completion_for_each(rng):
    debater = RecordingPolicy(["2", "3", "2", "2"])
    env = debate_v0(tasks=[TASK], verifier=judge)
    runner = RolloutRunner(env, {"debater": debater}, {"debater": Sampling()})
    (rollout,) = runner.play([RolloutRequest(TASK)], rng=rng)
    assert [message.agent for message in rollout.messages] == ["debater_0", "debater_1"] * 2
    assert [completion.text for completion in rollout.completions] == ["2", "3", "2", "2"]
    assert len(debater.calls) == 4


ROLES = ("planner", "critic", "writer")
REVISION = Topology(
    "revision",
    (
        Turn("author", "planner", ()),
        Turn("reader", "critic", ("author",)),
        Turn("author", "writer", ("author", "reader")),
    ),
    PromptTemplate(dict.fromkeys(ROLES, "You write."), "Hand it over.", "Answer."),
)
"""The author plans in one role, and writes in another one what it planned."""


class AskedPolicy(RecordingPolicy):
    """Remembers also how it was asked to sample."""

    def __init__(self, replies):
        super().__init__(replies)
        self.samplings = []

    def sample(self, prompts, *, sampling, rng):
        self.samplings.append(sampling)
        return super().sample(prompts, sampling=sampling, rng=rng)


def revision() -> tuple[RolloutRunner, dict[str, AskedPolicy]]:
    policies = {
        "planner": AskedPolicy(["a plan"]),
        "critic": AskedPolicy(["a doubt"]),
        "writer": AskedPolicy(["2"]),
    }
    sampling = {role: Sampling(max_tokens=n) for n, role in enumerate(ROLES, 1)}
    return RolloutRunner(
        TeamAnswerEnv(REVISION, tasks=[TASK], verifier=judge), policies, sampling
    ), (policies)


def test_the_role_of_a_turn_decides_the_policy_of_an_agent(rng):
    runner, policies = revision()
    (rollout,) = runner.play([RolloutRequest(TASK)], rng=rng)
    assert [(m.agent, m.text) for m in rollout.messages] == [
        ("author", "a plan"),
        ("reader", "a doubt"),
        ("author", "2"),
    ]
    assert [len(policy.calls) for policy in policies.values()] == [1, 1, 1]
    limits = [policy.samplings[0].max_tokens for policy in policies.values()]
    assert limits == [1, 2, 3]
    assert rollout.reward == 1.0


def test_runner_names_the_roles_of_turns_and_of_agents():
    runner, policies = revision()
    assert runner.agents == ("author", "reader")
    assert runner.role_of == {"author#1": "planner", "reader#1": "critic", "author#2": "writer"}
    assert list(runner.role_of) == ["author#1", "reader#1", "author#2"]
    assert runner.roles_of("author") == ("planner", "writer")
    assert runner.roles_of("reader") == ("critic",)
    assert runner.policy_of("author") is policies["writer"]  # its last word
    assert runner.policy_of("reader") is policies["critic"]
    debaters = RolloutRunner(debate_v0(tasks=[TASK]), {"debater": None}, {"debater": Sampling()})
    assert debaters.roles_of("debater_1") == ("debater",)


def test_episodes_in_other_turns_of_an_agent_are_played_by_the_policies_of_those_turns(rng):
    runner, policies = revision()
    requests = [
        RolloutRequest(TASK, prefix=("my plan", "my doubt")),
        RolloutRequest(TASK),
        RolloutRequest(TASK, frozenset({"reader"}), prefix=("our plan",)),
    ]
    rollouts = runner.play(requests, rng=rng)
    assert [[m.text for m in rollout.messages] for rollout in rollouts] == [
        ["my plan", "my doubt", "2"],
        ["a plan", "a doubt", "2"],
        ["our plan", "2"],
    ]
    # All that the author has to say comes before the reader: the plan first, as in the team.
    assert [len(call) for call in policies["planner"].calls] == [1]
    assert [len(call) for call in policies["writer"].calls] == [2, 1]
    assert [len(call) for call in policies["critic"].calls] == [1]
    (waited, removed), (fresh,) = policies["writer"].calls
    assert "my doubt" in waited.text
    assert "doubt" not in removed.text
    assert "a doubt" in fresh.text


def test_episodes_in_other_turns_of_one_role_share_a_batch(rng):
    debater = RecordingPolicy(["2"])
    env = debate_v0(tasks=[TASK], verifier=judge)
    runner = RolloutRunner(env, {"debater": debater}, {"debater": Sampling()})
    prefix = ("first", "second")
    whole, late = runner.play([RolloutRequest(TASK), RolloutRequest(TASK, prefix=prefix)], rng=rng)
    # The first round of one is played with the second of the other, which then has ended.
    assert [len(call) for call in debater.calls] == [2, 2, 1, 1]
    assert [m.text for m in late.messages] == [*prefix, "2", "2"]
    assert [m.text for m in whole.messages] == ["2"] * 4


def test_play_goes_on_from_a_prefix_without_sampling_it(rng):
    thinker, solver = RecordingPolicy(["never"]), RecordingPolicy(["2"])
    request = RolloutRequest(TASK, prefix=("said before",))
    (replayed,) = runner_of(thinker, solver).play([request], rng=rng)
    assert thinker.calls == []
    assert "said before" in solver.calls[0][0].text
    assert replayed.messages == (Message("thinker_0", "said before"), Message("solver_0", "2"))
    assert replayed.completions[0] is None
    assert [completion.text for completion in replayed.sampled] == ["2"]
    assert replayed.num_tokens == 1


def test_play_counts_what_it_costs(rng):
    thinker, solver = RecordingPolicy(["four"]), RecordingPolicy(["22"])
    costs = CostTracker()
    costs.count("joint", tokens_generated=100)
    requests = [
        RolloutRequest(TASK),
        RolloutRequest(TASK),
        RolloutRequest(TASK, NO_THINKER),
        RolloutRequest(TASK, leader=0, kept=(0,)),
    ]
    rollouts = runner_of(thinker, solver).play(requests, rng=rng, costs=costs)
    # two whole teams of 4 + 2 tokens, a solver alone and one after a thought of 2; one answer each
    assert [r.num_tokens for r in rollouts] == [6, 6, 2, 2]
    assert costs.generated == {"joint": 100 + 12, "removed": 2, "branch": 2}
    assert costs.verified == {"joint": 2, "removed": 1, "branch": 1}
    assert (costs.tokens_generated, costs.verifier_calls) == (116, 4)
    assert costs.forward_passes == 4 + 2  # one batch of thoughts, one of answers
    assert costs.generate_s > 0.0


def test_play_tells_the_time_of_the_verifier_from_that_of_the_environment(rng):
    def sleep(_response: str, _gold: str) -> Verdict:
        time.sleep(0.1)
        return Verdict("correct")

    env = think_solve_v0(tasks=[TASK], verifier=sleep)
    policies = dict.fromkeys(("thinker", "solver"), RecordingPolicy(["2"]))
    costs = CostTracker()
    runner = RolloutRunner(env, policies, dict.fromkeys(policies, Sampling()))
    runner.play([RolloutRequest(TASK)], rng=rng, costs=costs)
    assert costs.verify_s >= 0.1 > costs.environment_s


def test_number_of_episodes_must_not_be_negative():
    with pytest.raises(ValueError, match=r"num_episodes must be >= 0, got -1; pass 0"):
        RolloutRequest(TASK, num_episodes=-1)


def test_play_repeats_what_is_requested_more_than_once():
    def play(requests):
        thinker, solver = RecordingPolicy(["a", "b"]), RecordingPolicy(["2", "3", "4"])
        played = runner_of(thinker, solver).play(requests, rng=np.random.default_rng(0))
        return [(r.request.removed, r.messages) for r in played]

    follower = RolloutRequest(TASK, leader=1, kept=(0,))
    alone = [RolloutRequest(TASK)] * 3 + [RolloutRequest(TASK, NO_THINKER)] + [follower] * 2
    together = [
        RolloutRequest(TASK, num_episodes=3),
        RolloutRequest(TASK, NO_THINKER),
        RolloutRequest(TASK, NO_THINKER, num_episodes=0),
        RolloutRequest(TASK, leader=1, kept=(0,), num_episodes=2),
    ]
    assert play(together) == play(alone)
    assert len(play(together)) == 6


def test_play_asks_the_verifier_about_each_episode_even_if_the_same_is_said(rng):
    verdicts = iter([Verdict("correct"), Verdict("wrong"), Verdict("wrong"), Verdict("correct")])
    env = think_solve_v0(tasks=[TASK], verifier=lambda _response, _gold: next(verdicts))
    policies = dict.fromkeys(("thinker", "solver"), RecordingPolicy(["2"]))
    runner = RolloutRunner(env, policies, dict.fromkeys(policies, Sampling()))
    rollouts = runner.play([RolloutRequest(TASK, num_episodes=4)], rng=rng)
    assert [r.reward for r in rollouts] == [1.0, -1.0, -1.0, 1.0]


def test_play_goes_on_from_a_leader_as_soon_as_it_has_spoken(rng):
    thinker, solver = RecordingPolicy(["one", "two"]), RecordingPolicy(["2", "3", "4", "5"])
    requests = [
        RolloutRequest(TASK),
        RolloutRequest(TASK),
        RolloutRequest(TASK, leader=1, kept=(0,)),
        RolloutRequest(TASK, leader=0, kept=(0,)),
    ]
    rollouts = runner_of(thinker, solver).play(requests, rng=rng)
    assert [len(call) for call in thinker.calls] == [2]
    assert [len(call) for call in solver.calls] == [4]  # all answers in one batch
    assert [[m.text for m in r.messages] for r in rollouts] == [
        ["one", "2"],
        ["two", "3"],
        ["two", "4"],
        ["one", "5"],
    ]
    assert [[c is None for c in r.completions] for r in rollouts[2:]] == [[True, False]] * 2
    assert [r.request for r in rollouts] == requests


def test_play_keeps_what_was_said_before_a_later_agent_that_is_removed(rng):
    thinker, solver = RecordingPolicy(["first", "second"]), RecordingPolicy(["2"])
    requests = [
        RolloutRequest(TASK),
        RolloutRequest(TASK, frozenset({"thinker_1"}), leader=0, kept=(0,)),
    ]
    whole, without = runner_of(thinker, solver, num_thinkers=2).play(requests, rng=rng)
    assert [m.text for m in whole.messages] == ["first", "second", "2"]
    assert [(m.agent, m.text) for m in without.messages] == [
        ("thinker_0", "first"),
        ("solver_0", "2"),
    ]


def test_a_vote_can_be_counted_without_each_voter(rng):
    env = vote_v0(tasks=[TASK], verifier=judge)
    runner = RolloutRunner(env, {"voter": RecordingPolicy(["2", "2", "5"])}, {"voter": Sampling()})
    (rollout,) = runner.play([RolloutRequest(TASK)], rng=rng)
    assert rollout.reward == 1.0
    without = [rollout.ballot.verdict([voter]).reward for voter in range(3)]
    # Without the first: 2 and 5, the earlier one wins; without the third: 2 and 2.
    assert without == [1.0, 1.0, 1.0]
    assert rollout.ballot.verdict([0, 1]).reward == -1.0


def test_play_keeps_a_rollout_that_was_not_measured(rng):
    solver = RecordingPolicy(["?", "2", "3", ""])
    runner = runner_of(RecordingPolicy(["a thought"]), solver)
    rollouts = runner.play([RolloutRequest(TASK)] * 4, rng=rng)
    assert [r.reward for r in rollouts] == [None, 1.0, -1.0, -1.0]
    assert [r.verdict.status for r in rollouts] == ["timeout", "correct", "wrong", "no_answer"]


def test_play_leaves_the_episode_of_its_environment_alone(rng):
    env = think_solve_v0(tasks=[TASK], verifier=judge)
    env.reset(seed=0)
    env.step("a thought")
    before = env.snapshot()
    policy = RecordingPolicy(["2"])
    runner = RolloutRunner(
        env, {"thinker": policy, "solver": policy}, dict.fromkeys(["thinker", "solver"], Sampling())
    )
    runner.play([RolloutRequest(OTHER)], rng=rng)
    assert env.snapshot() == before


def test_player_names_agents_and_roles_in_speaking_order():
    runner = runner_of(RecordingPolicy(["-"]), RecordingPolicy(["-"]), num_thinkers=2)
    assert runner.agents == ("thinker_0", "thinker_1", "solver_0")
    assert [runner.role_of[agent] for agent in runner.agents] == ["thinker", "thinker", "solver"]


def test_play_without_requests_plays_nothing(rng):
    policy = RecordingPolicy(["-"])
    assert runner_of(policy, policy).play([], rng=rng) == []
    assert policy.calls == []


def test_play_reads_once_what_rollouts_have_in_common_and_verifies_each(rng):
    asked = []

    def count(response, gold):
        asked.append(response)
        return judge(response, gold)

    thinker = RecordingPolicy(["the same thought"])
    solver = RecordingPolicy(["2"])
    env = think_solve_v0(tasks=[TASK], verifier=count)
    sampling = {"thinker": Sampling(), "solver": Sampling()}
    runner = RolloutRunner(env, {"thinker": thinker, "solver": solver}, sampling)
    rollouts = runner.play([RolloutRequest(TASK)] * 3, rng=rng)
    assert len({id(prompt) for prompt in thinker.calls[0]}) == 1
    assert len({id(prompt) for prompt in solver.calls[0]}) == 1
    assert asked == ["2"] * 3
    assert [r.verdict.status for r in rollouts] == ["correct"] * 3
