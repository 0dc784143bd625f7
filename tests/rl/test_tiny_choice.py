"""The embedded model of multiple-choice arithmetic, and its demonstrations."""

from __future__ import annotations

import json

import numpy as np
import pytest
from safetensors import safe_open

from baselines.policies.base import Prompt, Sampling
from baselines.policies.local.hf import HFPolicy
from baselines.policies.registry import POLICIES, load_policy
from ccpo_env import load_tasks
from ccpo_env.env import TeamAnswerEnv
from ccpo_env.tasks.splits import in_split
from ccpo_env.topologies.think_solve import think_solve
from ccpo_env.topologies.vote import vote
from ccpo_env.types import Message
from ccpo_env.verifiers import verify
from scripts.tiny.chains import Chain, draw_thought
from scripts.tiny.choice import (
    HABITS,
    LESSON,
    TEMPLATES,
    choice_prompt,
    draw_choice_demonstration,
    lettered,
    task_of,
)
from scripts.tiny.demonstrations import thought_messages
from scripts.tiny.recipes import TINY_CHOICE
from scripts.tiny.vocabulary import build_tokenizer

FOLDER = POLICIES["tiny_choice"]()
SUM = Chain(47, (("+", 5), ("+", 3), ("+", 9)))  # 47, 2, 5, 4 modulo 10


@pytest.fixture(scope="module")
def policy() -> HFPolicy:
    found = load_policy("tiny_choice")
    assert isinstance(found, HFPolicy)
    return found


def test_shipped_tokenizer_is_the_one_the_script_builds_today(tmp_path):
    # It fails when a prompt has changed: run `python -m scripts.tiny.make --model tiny_choice`.
    build_tokenizer(TINY_CHOICE.fragments).save_pretrained(tmp_path)
    for name in ("tokenizer.json", "tokenizer_config.json"):
        shipped, built = ((folder / name).read_text() for folder in (FOLDER, tmp_path))
        assert json.loads(shipped) == json.loads(built)


def test_weights_are_stored_in_half_precision_and_loaded_in_single(policy):
    with safe_open(FOLDER / "model.safetensors", framework="pt") as file:
        assert {str(file.get_tensor(name).dtype) for name in file.keys()} == {"torch.float16"}  # noqa: SIM118
    assert {str(p.dtype) for p in policy.module.parameters()} == {"torch.float32"}


@pytest.mark.parametrize("topology", [think_solve(2), vote(3)], ids=lambda own: own.name)
def test_a_prompt_of_the_environment_costs_few_tokens_and_is_demonstrated(policy, topology):
    task = task_of(SUM)
    env = TeamAnswerEnv(topology, tasks=[task])
    env.reset()
    said: list[Message] = []
    for turn in topology.turns:
        prompt = env.observe(turn.speaker)["prompt"]
        token_ids = policy.tokenizer.encode(prompt)
        assert policy.tokenizer.decode(token_ids) == prompt
        assert policy.tokenizer.unk_token_id not in token_ids
        assert len(token_ids) < 60
        answers = topology.decision == "majority" or turn.role == "solver"
        read = tuple(message for message in said if message.agent in turn.reads)
        assert prompt == choice_prompt(turn.role, task, read, answers=answers)
        said.append(Message(turn.speaker, "47+5=2;2+3=5"))
        env.step("47+5=2;2+3=5")


@pytest.mark.parametrize("mix", [LESSON, HABITS], ids=["lesson", "habits"])
def test_demonstrations_are_of_the_train_split_and_fit_the_tokenizer(mix, policy):
    rng = np.random.default_rng(0)
    for _ in range(300):
        shown = draw_choice_demonstration(mix, rng)
        question = shown.prompt.split("Problem:\n")[1].split("\n\n")[0]
        assert in_split(question, "train")
        token_ids = policy.tokenizer.encode(shown.prompt + shown.completion)
        assert policy.tokenizer.unk_token_id not in token_ids


def test_demonstrated_lessons_that_answer_are_right():
    rng = np.random.default_rng(1)
    num_right = 0
    for _ in range(200):
        shown = draw_choice_demonstration(LESSON, rng)
        if "boxed" not in shown.prompt + shown.completion or "thinker in" in shown.prompt:
            continue
        lines = shown.prompt.split("Options:\n")[1].split("\n\n")[0].splitlines()
        whole = shown.prompt.split("Your message:\n")[1] + shown.completion
        result = whole.split("=")[-1][0]
        letter = whole.split(r"\boxed{")[1][0]
        assert f"{letter}. {result}" in lines
        num_right += 1
    assert num_right > 100


def test_equations_without_an_option_are_followed_by_any_letter():
    rng = np.random.default_rng(2)
    task = task_of(SUM)
    other = next(digit for digit in "0123456789" if digit not in task.choices)
    letters = {lettered("5+9", int(other), task, rng)[-2] for _ in range(100)}
    assert letters == set("ABCD")
    gold = lettered("5+9=4", 4, task, rng)
    assert verify(gold, task.answer, verifier="choice", task=task).status == "correct"


def test_model_guesses_at_first_and_can_find_the_letter_of_a_result(policy):
    tasks = load_tasks("arithmetic_choice", split="test", limit=200)
    rng = np.random.default_rng(0)
    prompts, finished = [], []
    for task in tasks:
        start, *steps = split_chain(task.question.split(": ")[1])
        chain = Chain(start, tuple(steps))
        thought = draw_thought(chain, "full", rng)
        prompt = choice_prompt("solver", task, thought_messages([thought]), answers=True)
        prompts.append(Prompt(prompt))
        symbol, number = chain.steps[-1]
        last = f"{thought.text[-1]}{symbol}{number}={chain.answer}"
        finished.append(Prompt(rf"{prompt}{last} \boxed{{"))
    letters = [completion.text[:1] for completion in greedy(policy, finished, max_tokens=1)]
    found = np.mean([own == task.answer for own, task in zip(letters, tasks, strict=True)])
    assert found > 0.95
    said = policy.sample(prompts, sampling=Sampling(), rng=rng)
    right = [
        verify(own.text, task.answer, verifier="choice", task=task).status == "correct"
        for own, task in zip(said, tasks, strict=True)
    ]
    assert 0.2 < np.mean(right) < 0.5  # a full thought does not help a solver that guesses


def greedy(policy, prompts, *, max_tokens):
    sampling = Sampling(temperature=0.0, max_tokens=max_tokens)
    return policy.sample(prompts, sampling=sampling, rng=np.random.default_rng(0))


def split_chain(expression: str) -> list:
    """Return the first number of an expression and its steps."""
    start, rest = expression[:2], expression[2:]
    pairs = zip(rest[::2], rest[1::2], strict=True)
    return [int(start), *((symbol, int(number)) for symbol, number in pairs)]


def test_templates_ask_for_a_letter():
    assert all("the letter of one option" in template.give_answer for template in TEMPLATES)
