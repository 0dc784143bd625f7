from __future__ import annotations

import re
from collections import Counter

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ccpo_env import debate_v0, think_solve_v0, verify, vote_v0
from ccpo_env.tasks.splits import in_split
from ccpo_env.types import Message
from scripts.tiny.chains import (
    FILLER,
    Chain,
    Thought,
    as_messages,
    draw,
    draw_statement,
    draw_thought,
)
from scripts.tiny.demonstrations import (
    HABITS,
    LESSON,
    Mix,
    believed_answer,
    draw_demonstration,
    prompt_text,
    thought_messages,
)
from scripts.tiny.ratings import (
    RATED_STYLES,
    deserved_tenths,
    draw_rating,
    draw_rollout,
)

CHAIN = Chain(47, (("+", 5), ("*", 3), ("-", 9)))  # 47, 2, 6, 7 modulo 10
SHORT = Chain(47, (("+", 5),))
MIXES = pytest.mark.parametrize("mix", [LESSON, HABITS], ids=["lesson", "habits"])


@pytest.fixture
def rng() -> np.random.Generator:
    return np.random.default_rng(0)


def test_draw_takes_each_name_as_often_as_its_rate_says(rng):
    drawn = Counter(draw({"a": 0.5, "b": 0.0, "c": 1.5}, rng) for _ in range(4000))
    assert set(drawn) == {"a", "c"}
    assert drawn["c"] / 4000 == pytest.approx(0.75, abs=0.03)


@pytest.mark.parametrize(
    ("chain", "style", "thought"),
    [
        (CHAIN, "full", Thought("47+5=2;2*3=6", "full", 7)),
        (CHAIN, "filler", Thought(FILLER, "filler", None)),
        (SHORT, "full", Thought("47=7", "full", 2)),
        (SHORT, "partial", Thought("47=7", "full", 2)),
    ],
)
def test_draw_thought_of_a_style(chain, style, thought, rng):
    assert draw_thought(chain, style, rng) == thought


def test_draw_thought_partial_stops_early(rng):
    drawn = {draw_thought(CHAIN, "partial", rng) for _ in range(40)}
    assert drawn == {Thought("47=7", "partial", None), Thought("47+5=2", "partial", None)}


def test_draw_thought_wrong_goes_on_from_one_other_digit(rng):
    drawn = [draw_thought(CHAIN, "wrong", rng) for _ in range(100)]
    assert {thought.answer for thought in drawn} == set(range(10)) - {7}
    for thought in drawn:
        first, last = thought.text.split(";")
        assert re.fullmatch(r"[^7]\+5=\d", first)
        assert (int(first[0]) + 5) % 10 == int(first[-1]) == int(last[0])
        assert (int(last[-1]) - 9) % 10 == thought.answer


@pytest.mark.parametrize(
    ("chain", "style", "statement"),
    [
        (CHAIN, "full", (r"47+5=2;2*3=6;6-9=7 \boxed{7}", 7)),
        (SHORT, "full", (r"47+5=2 \boxed{2}", 2)),
        (SHORT, "guess", (r"\boxed{2}", 2)),
        (CHAIN, "follow", (r"\boxed{4}", 4)),
    ],
)
def test_draw_statement_of_a_style(chain, style, statement, rng):
    assert draw_statement(chain, style, rng, latest=4) == statement


def test_draw_statement_guesses_any_digit_if_there_are_more_operations(rng):
    assert {draw_statement(CHAIN, "guess", rng)[1] for _ in range(200)} == set(range(10))


@pytest.mark.parametrize("style", ["full", "wrong", "guess", "follow"])
def test_draw_statement_states_the_answer_it_returns(style, rng):
    for _ in range(20):
        text, answer = draw_statement(CHAIN, style, rng, latest=3)
        assert verify(text, str(answer)).status == "correct"


@pytest.mark.parametrize(
    ("styles", "answer"),
    [(["full"], 7), (["full", "filler"], 7), (["wrong", "full"], 7), (["filler"], 7)],
)
def test_believed_answer_follows_from_the_latest_useful_thought(styles, answer, rng):
    assert believed_answer(CHAIN, [draw_thought(CHAIN, style, rng) for style in styles]) == answer


def test_believed_answer_is_wrong_after_a_wrong_thought(rng):
    thoughts = [draw_thought(CHAIN, style, rng) for style in ("full", "wrong", "filler")]
    assert believed_answer(CHAIN, thoughts) == thoughts[1].answer != 7


@pytest.mark.parametrize("prefix", [0, 1, 2, 3])
@pytest.mark.parametrize(
    ("env", "removed"),
    [
        (think_solve_v0(tasks=[(CHAIN.question, "7")], num_thinkers=3), []),
        (think_solve_v0(tasks=[(CHAIN.question, "7")], num_thinkers=4), ["solver_0"]),
        (vote_v0(tasks=[(CHAIN.question, "7")], num_voters=4), []),
        (debate_v0(tasks=[(CHAIN.question, "7")]), []),
    ],
    ids=["chain", "thinkers", "vote", "debate"],
)
def test_prompt_text_is_what_the_environment_builds(env, removed, prefix):
    said = ["47+5=2", "2*3=6", "8"][:prefix]
    env.reset(options={"task": 0, "prefix": said, "removed": removed})
    agent = env.agent_selection
    role = agent.rpartition("_")[0]
    reads = next(turn.reads for turn in env.unwrapped.topology.turns if turn.speaker == agent)
    read = [message for message in env.unwrapped.messages if message.agent in reads]
    answers = role == "voter" or prefix == 3
    prompt = prompt_text(role, CHAIN, read, answers=answers)
    assert prompt == env.observe(agent)["prompt"]


def test_messages_are_of_agents_in_order(rng):
    thoughts = [draw_thought(CHAIN, "full", rng), draw_thought(CHAIN, "filler", rng)]
    assert thought_messages(thoughts) == (
        Message("thinker_0", "47+5=2;2*3=6"),
        Message("thinker_1", FILLER),
    )
    assert as_messages("debater", ["a"], [1]) == (Message("debater_1", "a"),)


@MIXES
def test_demonstrations_are_of_the_train_split(mix: Mix, rng):
    prompts = [draw_demonstration(mix, rng).prompt for _ in range(300)]
    questions = [prompt.split("Problem:\n")[1].split("\n")[0] for prompt in prompts]
    assert all(in_split(question, "train") for question in questions)
    assert len(set(questions)) > 200


@MIXES
def test_demonstrations_are_of_every_role_and_of_ratings(mix: Mix, rng):
    instructions = Counter(draw_demonstration(mix, rng).prompt.split(". ")[0] for _ in range(600))
    beginnings = ("a thinker", "the solver", "one of several solvers", "a debater")
    for beginning in (*(f"You are {role}" for role in beginnings), "You judge"):
        assert sum(n for text, n in instructions.items() if text.startswith(beginning)) > 20


@MIXES
def test_kinds_and_styles_of_a_mix_have_rates_that_sum_to_one(mix: Mix):
    rates = (mix.kinds, mix.thinker_styles, mix.solver_styles, mix.other_styles)
    for named in (*rates, mix.statement_styles, mix.reply_styles):
        assert sum(named.values()) == pytest.approx(1.0)


@pytest.mark.parametrize(
    ("styles", "is_correct", "tenths"),
    [
        (["full"], True, [7.0, 3.0]),
        (["partial"], True, [5.0, 5.0]),
        (["filler"], True, [2.5, 7.5]),
        (["full"], False, [10 / 7, 60 / 7]),  # told enough: the solver slipped
        (["wrong"], False, [7.5, 2.5]),  # it believed what it read
        (["full", "wrong"], False, [10 / 9, 60 / 9, 20 / 9]),
    ],
)
def test_deserved_tenths_by_hand(styles, is_correct, tenths):
    assert deserved_tenths(styles, is_correct=is_correct) == pytest.approx(tenths)


@given(st.lists(st.sampled_from(sorted(RATED_STYLES)), min_size=1, max_size=4), st.booleans())
def test_deserved_tenths_sum_to_ten_and_equal_styles_deserve_the_same(styles, is_correct):
    tenths = deserved_tenths(styles, is_correct=is_correct)
    assert sum(tenths) == pytest.approx(10.0)
    assert all(share > 0 for share in tenths)
    assert len(set(zip(styles, tenths, strict=False))) == len(set(styles))


def test_draw_rollout_is_correct_exactly_if_the_solver_boxed_the_gold_answer(rng):
    outcomes = Counter()
    for _ in range(200):
        thoughts = [draw_thought(CHAIN, draw(RATED_STYLES, rng), rng)]
        rollout = draw_rollout(CHAIN, thoughts, rng)
        assert [message.agent for message in rollout.messages] == ["thinker_0", "solver_0"]
        verdict = verify(rollout.messages[-1].text, rollout.task.answer)
        assert rollout.is_correct == (verdict.status == "correct")
        outcomes[rollout.is_correct, thoughts[0].style] += 1
    assert set(outcomes) >= {(True, "full"), (False, "full"), (True, "filler"), (False, "wrong")}


def test_draw_rating_is_a_digit_and_noise_is_around_what_is_deserved():
    question = "How many tenths of the credit does thinker_0 deserve?"
    of_filler = {}
    for is_noisy in (False, True):
        rng = np.random.default_rng(0)
        drawn = [draw_rating(rng, is_noisy=is_noisy) for _ in range(1500)]
        assert {digit for _, digit in drawn} <= set("123456789")
        of_filler[is_noisy] = [
            int(digit)
            for prompt, digit in drawn
            if question in prompt and FILLER in prompt and "thinker_1" not in prompt
        ]
    assert set(of_filler[False]) == {2}  # 2.5, halves go to the even digit
    assert set(of_filler[True]) == {1, 2, 4}  # 0.5 to 4.5, and at least 1
