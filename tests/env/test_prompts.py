"""What an agent reads, word for word, and how little a removed agent changes."""

from __future__ import annotations

import pickle
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ccpo_env import Message, PromptTemplate, think_solve_v0
from ccpo_env.prompts import (
    ROLE_INSTRUCTIONS,
    THINK_SOLVE,
    chat_messages,
    plain_text,
    problem_text,
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


@given(question=st.text(), spoken=messages, index=st.integers(0, 9), text=st.text())
def test_a_message_adds_its_block_and_nothing_else(
    question: str, spoken: list[Message], index: int, text: str
) -> None:
    before, after = spoken[:index], spoken[index:]
    without = problem_text(question, [*before, *after])
    start, rest = problem_text(question, before), without[len(problem_text(question, before)) :]
    message = Message("thinker_9", text)
    block = f"\n\nMessage of thinker_9:\n{text}"
    assert without.startswith(start)
    assert problem_text(question, [*before, message, *after]) == f"{start}{block}{rest}"


@given(question=st.text(), spoken=messages)
def test_problem_holds_question_and_texts_unchanged(question: str, spoken: list[Message]) -> None:
    text = problem_text(question, iter(spoken))
    assert text.startswith(f"Problem:\n{question}")
    assert all(message.text in text for message in spoken)


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
