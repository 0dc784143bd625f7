from __future__ import annotations

import io
import json
import re

import pytest

from baselines.evaluate.human_play import (
    PlayConfig,
    PlaySession,
    effect,
    main,
    of_run,
    printable,
    read_message,
)
from baselines.policies.base import Completion
from baselines.policies.scripted import ScriptedPolicy
from ccpo_env.env import TeamAnswerEnv
from ccpo_env.types import PromptTemplate, Task, Topology, Turn
from ccpo_env.wrapper import SnapshotWrapper
from tests.rl.warm import run_warm

TASK = Task("t/0", "What is 1+1?", "2")

LOAD = "baselines.policies.team.load_samplers"


@pytest.fixture
def team_that_says(monkeypatch):
    """Let the other agents say what a function makes of their prompt."""

    def let(reply):
        policy = ScriptedPolicy(reply)
        monkeypatch.setattr(LOAD, lambda _, roles: dict.fromkeys(roles, policy))

    return let


def played(said, **settings):
    write = io.StringIO()
    session = PlaySession(of_run(PlayConfig(**settings)))
    session.play(TASK, [0], read=io.StringIO(said), write=write)
    return write.getvalue()


def test_play_shows_the_prompt_the_verdict_and_the_team_without_the_person(team_that_says):
    team_that_says(lambda prompt: r"\boxed{2}" if "two ones" in prompt else r"\boxed{3}")
    shown = played("two ones\nmake two\n\n")
    prompt, with_person, without = (
        shown.index("You are a thinker"),
        shown.index("=> correct, reward +1 (answer 2, gold 2)"),
        shown.index("=> wrong, reward -1 (answer 3, gold 2)"),
    )
    assert prompt < with_person < without
    assert "  two ones\n  make two\n" in shown
    assert "(thinker_0 is removed)" in shown
    assert shown.endswith("You helped: without you the team was wrong.\n")


def test_play_as_the_solver_reads_the_thought_of_the_team(team_that_says):
    team_that_says(lambda _: r"I think of \boxed{5}")
    shown = played("\\boxed{2}\n\n", agent="solver_0")
    before, _, after = shown.partition("--- you are solver_0")
    assert "--- thinker_0 speaks" in before
    assert "I think of" in after.partition("(an empty line")[0]  # in the prompt
    assert shown.endswith("You helped: without you the team was wrong.\n")


def test_play_lets_the_policy_of_the_turn_speak_when_an_agent_has_two_roles(monkeypatch):
    turns = (
        Turn("member_0", "planner", ()),
        Turn("member_1", "critic", ("member_0",)),
        Turn("member_0", "solver", ("member_0", "member_1")),
    )
    prompts = PromptTemplate(dict.fromkeys(("planner", "critic", "solver"), "You."), "On.", "End.")
    env = SnapshotWrapper(TeamAnswerEnv(Topology("plan", turns, prompts), tasks=[("-", "-")]))
    says = {"planner": "the plan", "critic": "an objection", "solver": r"\boxed{2}"}
    monkeypatch.setattr("baselines.evaluate.human_play.taskless_env", lambda *_: env)
    monkeypatch.setattr(
        LOAD, lambda _, roles: {role: ScriptedPolicy(lambda _, r=role: says[r]) for role in roles}
    )
    shown = played("mine\n\n", agent="member_1")
    together, _, _ = shown.partition("Without member_1:")
    assert re.findall(r"member_\d:\n  (.*)", together) == ["the plan", "mine", r"\boxed{2}"]
    assert "=> correct, reward +1 (answer 2, gold 2)" in together


def test_play_keeps_what_was_said_before_the_person(team_that_says):
    said = iter(["first", "second", r"\boxed{2}", "third", r"\boxed{2}"])
    team_that_says(lambda _: next(said))
    shown = played("mine\n\n", agent="thinker_1", num_thinkers=3)
    # thinker_0 says "first" once; without thinker_1 only those after it speak again.
    assert shown.count("  first\n") == 2
    assert (shown.count("  second\n"), shown.count("  third\n")) == (1, 1)
    assert next(said, None) is None


def test_play_debate_asks_once_a_round(team_that_says):
    team_that_says(lambda _: r"\boxed{3}")
    shown = played("a\n\n\\boxed{2}\n\n", topology="debate", agent="debater_1")
    assert shown.count("--- you are debater_1") == 2
    assert "=> correct" in shown


@pytest.mark.parametrize(
    ("others", "said", "effect"),
    [
        ((2, 3), 2, "You helped: without you the team was wrong."),
        ((2, 3), 3, "You hurt: without you the team was right."),
        ((2, 2), 7, "The team was right with and without you."),
        ((3, 3), 2, "The team was wrong with and without you."),
    ],
)
def test_play_vote_recounts_the_ballots_without_the_person(team_that_says, others, said, effect):
    if effect.startswith("You helped"):
        others = others[::-1]  # a tie is won by the first
    replies = iter([rf"\boxed{{{number}}}" for number in others])
    team_that_says(lambda _: next(replies))
    shown = played(f"\\boxed{{{said}}}\n\n", topology="vote", agent="voter_1")
    whole, _, without = shown.partition("Without voter_1:\n")
    assert next(replies, None) is None  # nobody is asked again
    for number in others:
        assert rf"\boxed{{{number}}}" in whole
        assert rf"\boxed{{{number}}}" in without
    assert "voter_1:" not in without
    assert "(voter_1 is removed)" in without
    assert shown.endswith(f"{effect}\n")


def test_play_lets_the_role_of_each_turn_speak(monkeypatch):
    turns = (Turn("a", "plan", ()), Turn("b", "work", ("a",)), Turn("a", "solve", ("a", "b")))
    prompts = PromptTemplate(dict.fromkeys(("plan", "work", "solve"), "Go on."), "", "")
    topology = Topology("twice", turns, prompts)
    monkeypatch.setattr(
        "baselines.evaluate.human_play.taskless_env",
        lambda _: SnapshotWrapper(TeamAnswerEnv(topology, tasks=[("-", "-")])),
    )
    monkeypatch.setattr(
        LOAD, lambda _, roles: {role: ScriptedPolicy([rf"\boxed{{{role}}}"]) for role in roles}
    )
    shown = played("mine\n\n", agent="b")
    spoken = shown.partition("=> ")[0]
    assert spoken.index(r"\boxed{plan}") < spoken.index("mine") < spoken.index(r"\boxed{solve}")


def test_play_stops_where_the_input_ends(team_that_says):
    team_that_says(lambda _: "x")
    with pytest.raises(EOFError, match="the input ended before a message"):
        played("")


def test_play_stops_if_an_agent_does_not_answer(monkeypatch):
    class Silent:
        def sample(self, prompts, *, sampling, rng):
            return [Completion("", (), (), failure="no connection")]

    monkeypatch.setattr(LOAD, lambda _, roles: dict.fromkeys(roles, Silent()))
    with pytest.raises(EOFError, match="solver_0 returned no completion: no connection"):
        played("hint\n\n")


@pytest.mark.parametrize(
    ("typed", "expected"),
    [
        ("one\ntwo\n\nthree\n", "one\ntwo"),
        ("\n\none\n", "one"),
        ("one", "one"),
        ("one\r\ntwo\r\n\r\n", "one\ntwo"),
        (".\n", ""),
        ("one\n.\n\n", "one\n."),
        ("  indented\n\n", "  indented"),
    ],
)
def test_read_message_ends_at_an_empty_line(typed, expected):
    assert read_message(io.StringIO(typed), io.StringIO()) == expected


def test_read_message_leaves_the_rest_for_the_next_turn():
    typed = io.StringIO("one\n\ntwo\n\n")
    assert [read_message(typed, io.StringIO()) for _ in range(2)] == ["one", "two"]


@pytest.mark.parametrize(
    ("together", "without", "word"),
    [
        (1.0, -1.0, "helped"),
        (-1.0, 1.0, "hurt"),
        (1.0, 1.0, "right with and"),
        (-1.0, -1.0, "wrong"),
    ],
)
def test_effect_compares_the_two_episodes(together, without, word):
    assert word in effect(together, without)


@pytest.mark.parametrize("rewards", [(None, 1.0), (1.0, None), (None, None)])
def test_effect_of_an_unmeasured_episode_is_not_claimed(rewards):
    assert "could not be verified" in effect(*rewards)


def test_printable_text_cannot_move_the_cursor():
    assert printable("a\x1b[2J\n\tb\u202e\u2028é") == "a\\x1b[2J\n\tb\\u202e\\u2028é"


def test_play_without_flags_is_one_task_with_the_embedded_model():
    config = of_run(PlayConfig())
    assert (config.policy, config.tasks) == ("tiny", "arithmetic")
    assert (config.num_tasks, config.agent) == (1, None)
    assert (config.temperature, config.max_tokens, config.seed) == (1.0, None, 0)


def test_play_takes_the_team_and_the_tasks_of_a_run(tmp_path):
    saved = {"topology": "debate", "num_debaters": 3, "tasks": "math"}
    (tmp_path / "config.json").write_text(json.dumps(saved), encoding="utf-8")
    config = of_run(PlayConfig(policy=str(tmp_path), num_rounds=1))
    team = (config.topology, config.num_debaters, config.num_rounds, config.tasks)
    assert team == ("debate", 3, 1, "math")


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--agent", "solver_1"], "did you mean 'solver_0'?"),
        (["--topology", "chain"], "topology"),
        (["--num-tasks", "0"], "num_tasks must be >= 1"),
        (["--seed", "-1"], "seed must be >= 0"),
        (["--tasks", "no_such.jsonl"], "no_such.jsonl"),
    ],
)
def test_play_explains_what_it_cannot_play(arguments, said, capsys):
    with pytest.raises(SystemExit) as error:
        main(arguments)
    assert error.value.code == 2
    assert said in capsys.readouterr().err


def test_play_reads_a_pipe_and_repeats_itself():
    flags = ("--num-tasks", 3, "--seed", 1)
    typed = "think of the last digit\n\n.\n"
    runs = [run_warm("baselines.play", *flags, stdin=typed).stdout for _ in range(2)]
    assert runs[0] == runs[1]
    assert runs[0].count("--- you are thinker_0") == 3
    assert runs[0].count("\nWithout thinker_0:\n") == 2
    assert runs[0].endswith("stopped: the input ended before a message\n")
