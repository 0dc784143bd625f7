"""What an agent reads, word for word, and how little a removed agent changes."""

from __future__ import annotations

import pickle
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ccpo_env import Message, PromptTemplate, Task, think_solve_v0
from ccpo_env.content.quoting import quoted
from ccpo_env.env import TeamAnswerEnv
from ccpo_env.prompts import (
    AS_A_LETTER,
    AS_A_PHRASE,
    AS_CODE,
    ROLE_INSTRUCTIONS,
    THINK_SOLVE,
    chat_messages,
    plain_text,
    problem_text,
    with_answer_form,
    without_answer_request,
)
from ccpo_env.topologies.registry import TOPOLOGIES

messages = st.lists(st.builds(Message, st.sampled_from(["thinker_0", "thinker_1"]), st.text()))


def test_prompt_of_a_solver_word_for_word() -> None:
    env = think_solve_v0(tasks=[("What is {x} + 1?", "2")], verifier="exact")
    env.reset()
    env.step("Add {0} and {agent}.")
    assert env.observe("solver_0")["prompt"] == (
        "You are the solver in a team that answers a problem one after the other. Use the "
        "messages of your teammates, if there are any, as guidance. You speak last: solve the "
        "problem and end with the final answer in \\boxed{}.\n"
        "\n"
        "Problem:\n"
        "What is {x} + 1?\n"
        "\n"
        "Message of thinker_0:\n"
        "Add {0} and {agent}.\n"
        "\n"
        "Your message:\n"
    )


def test_prompt_of_a_thinker_word_for_word() -> None:
    env = think_solve_v0(tasks=[("What is 1 + 1?", "2")], verifier="exact")
    env.reset()
    assert env.observe("thinker_0")["prompt"] == (
        "You are a thinker in a team that answers a problem one after the other. Write the key "
        "ideas and steps that help the next agent. Do not state the final answer.\n"
        "\n"
        "Problem:\n"
        "What is 1 + 1?\n"
        "\n"
        "Your message:\n"
    )


def test_passages_and_options_stand_below_the_question_in_letters() -> None:
    text = problem_text(
        "Which city?",
        [Message("reader_0", "Look at the second.")],
        context=("Rome is old.", "Paris is\nlarge."),
        choices=("Rome", "Paris"),
    )
    assert text == (
        "Problem:\n"
        "Which city?\n"
        "\n"
        "Passage 1:\n"
        "Rome is old.\n"
        "\n"
        "Passage 2:\n"
        "Paris is\n"
        "large.\n"
        "\n"
        "Options:\n"
        "A. Rome\n"
        "B. Paris\n"
        "\n"
        "Message of reader_0:\n"
        "Look at the second."
    )


def test_more_options_than_letters_are_refused() -> None:
    assert problem_text("q", [], choices=["x"] * 26).endswith("\nZ. x")
    with pytest.raises(ValueError, match="choices of a Task must be at most 26, got 27; leave out"):
        problem_text("q", [], choices=["x"] * 27)


@pytest.mark.parametrize("form", [AS_A_LETTER, AS_A_PHRASE, AS_CODE])
def test_answer_form_takes_the_place_of_the_box_once(form: str) -> None:
    asked = with_answer_form(THINK_SOLVE, form).give_answer
    assert asked == f"You speak last: solve the problem and end with the final answer {form}."


def test_all_agents_read_options_and_those_that_read_the_context_passages() -> None:
    task = Task("t", "Which?", "B", choices=("Rome", "Paris"), context=("A passage.",))
    options, passage = "\n\nOptions:\nA. Rome\nB. Paris", "\n\nPassage 1:\nA passage."
    for name, make in TOPOLOGIES.items():
        env = TeamAnswerEnv(make(), tasks=[task], verifier="exact")
        env.reset()
        for turn in env.topology.turns:
            prompt = env.observe(turn.speaker)["prompt"]
            assert prompt.count(options) == 1, name
            assert (passage in prompt) == turn.reads_context
            assert prompt == plain_text(
                *[message["content"] for message in env.infos[turn.speaker]["messages"]]
            )
            env.step("text")


@given(question=st.text(), spoken=messages, index=st.integers(0, 9), text=st.text())
def test_a_message_adds_its_block_and_nothing_else(
    question: str, spoken: list[Message], index: int, text: str
) -> None:
    before, after = spoken[:index], spoken[index:]
    without = problem_text(question, [*before, *after])
    start, rest = problem_text(question, before), without[len(problem_text(question, before)) :]
    message = Message("thinker_9", text)
    block = f"\n\nMessage of thinker_9:\n{quoted(text)}"
    assert without.startswith(start)
    assert problem_text(question, [*before, message, *after]) == f"{start}{block}{rest}"


@given(instruction=st.text(), problem=st.text())
def test_chat_messages_and_plain_text_say_the_same(instruction: str, problem: str) -> None:
    system, user = chat_messages(instruction, problem)
    assert (system, user) == (
        {"role": "system", "content": instruction},
        {"role": "user", "content": problem},
    )
    assert plain_text(instruction, problem) == f"{instruction}\n\n{problem}\n\nYour message:\n"


@pytest.mark.parametrize("role", ROLE_INSTRUCTIONS)
def test_instruction_says_whether_to_hand_over_or_to_answer(role: str) -> None:
    prompts = replace(THINK_SOLVE, hand_over="HAND OVER", give_answer="ANSWER")
    assert prompts.instruction(role, answers=True) == f"{ROLE_INSTRUCTIONS[role]} ANSWER"
    assert prompts.instruction(role, answers=False) == f"{ROLE_INSTRUCTIONS[role]} HAND OVER"


@pytest.mark.parametrize("topology", TOPOLOGIES)
def test_default_template_instructs_every_role_of_a_topology(topology: str) -> None:
    made = TOPOLOGIES[topology]()
    for role in made.roles:
        assert "\\boxed{}" in made.prompts.instruction(role, answers=True)
        assert "\\boxed{}" not in made.prompts.instruction(role, answers=False)


def test_instruction_names_a_role_that_the_template_lacks() -> None:
    with pytest.raises(ValueError, match=r"got \['solver'\]; add an entry for 'thinker'"):
        replace(THINK_SOLVE, roles={"solver": "S"}).instruction("thinker", answers=False)


def test_env_reads_the_instructions_it_is_given() -> None:
    prompts = PromptTemplate(
        roles={"thinker": "T{}", "solver": "S%s"}, hand_over="hand", give_answer="answer"
    )
    env = think_solve_v0(tasks=[("q", "a")], verifier="exact", prompts=prompts)
    env.reset()
    assert env.observe("thinker_0")["prompt"].startswith("T{} hand\n\nProblem:\nq")
    env.step("text")
    assert env.infos["solver_0"]["messages"][0]["content"] == "S%s answer"


def test_template_can_be_pickled() -> None:
    prompts = replace(THINK_SOLVE, give_answer="answer")
    assert pickle.loads(pickle.dumps(prompts)) == prompts


@pytest.mark.parametrize(
    ("asked", "left"),
    [
        (r"Let's think step by step and output the final answer within \boxed{}.", ""),
        (r"Please put your answer in \boxed{}.", ""),
        (r"Present the answer in LaTeX format: \boxed{Your answer}", ""),
    ],
)
def test_request_for_a_box_is_taken_out(asked: str, left: str) -> None:
    assert without_answer_request(f"Find x. {asked}") == f"Find x.{left}"


@pytest.mark.parametrize(
    "question",
    [
        "Gifts are boxed. How many are there?",
        "A number is boxed in the corner. Write down the boxed number.",
        r"Which number goes in $\boxed{\phantom{0}}$?",
        "  def f(x):\n    ...\n",
    ],
)
def test_question_that_mentions_a_box_is_kept(question: str) -> None:
    assert without_answer_request(question) == question


def test_prompt_without_an_agent_lacks_its_block_and_nothing_else() -> None:
    env = think_solve_v0(tasks=[("q", "a")], num_thinkers=2, verifier="exact")
    env.reset(options={"prefix": ["one", "two"]})
    joint = env.observe("solver_0")["prompt"]
    env.reset(options={"prefix": ["two"], "removed": ["thinker_0"]})
    block = "\n\nMessage of thinker_0:\none"
    assert env.observe("solver_0")["prompt"] == joint.replace(block, "")
