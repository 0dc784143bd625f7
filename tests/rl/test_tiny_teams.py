"""The embedded model of specialists and mixed votes, and its demonstrations."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Mapping

import numpy as np
import pytest
from safetensors import safe_open

from baselines.policies.base import Prompt, Sampling
from baselines.policies.local.hf import HFPolicy
from baselines.policies.registry import EMBEDDED, POLICIES, load_policy
from ccpo_env import load_tasks
from ccpo_env.env import TeamAnswerEnv
from ccpo_env.tasks.arithmetic import intermediate_values
from ccpo_env.tasks.splits import in_split
from ccpo_env.topologies.mixed_vote import MIXED_VOTE, NUM_VOTERS, mixed_vote
from ccpo_env.topologies.specialists import SPECIALISTS, SPECIALTIES, specialists
from ccpo_env.types import Message
from scripts.tiny import make
from scripts.tiny.chains import FILLER, Chain, boxed, draw_thought
from scripts.tiny.recipes import RECIPES, TINY_TEAMS, WarmStart
from scripts.tiny.teams import (
    HABITS,
    LESSON,
    SPECIALIST_OF,
    draw_nonsense,
    draw_team_demonstration,
    specialist_of,
    team_prompt,
)
from scripts.tiny.vocabulary import build_tokenizer

FOLDER = POLICIES["tiny_teams"]()
SUM = Chain(47, (("+", 5), ("+", 3), ("+", 9)))  # 47, 2, 5, 4 modulo 10
TEAMS = pytest.mark.parametrize("topology", [specialists(), mixed_vote()], ids=lambda t: t.name)


@pytest.fixture(scope="module")
def policy() -> HFPolicy:
    found = load_policy("tiny_teams")
    assert isinstance(found, HFPolicy)
    return found


@pytest.fixture
def rng() -> np.random.Generator:
    return np.random.default_rng(0)


def test_shipped_tokenizer_is_the_one_the_script_builds_today(tmp_path):
    # It fails when a prompt has changed: then run `python -m scripts.tiny.make --model tiny_teams`.
    build_tokenizer(TINY_TEAMS.fragments).save_pretrained(tmp_path)
    for name in ("tokenizer.json", "tokenizer_config.json"):
        shipped, built = ((folder / name).read_text() for folder in (FOLDER, tmp_path))
        assert json.loads(shipped) == json.loads(built)


def test_embedded_models_are_small_together():
    assert set(RECIPES) == set(EMBEDDED)
    files = [file for name in EMBEDDED for file in POLICIES[name]().iterdir()]
    assert sum(file.stat().st_size for file in files) < 1_100_000


def test_weights_are_stored_in_half_precision_and_loaded_in_single(policy):
    with safe_open(FOLDER / "model.safetensors", framework="pt") as file:
        assert {str(file.get_tensor(name).dtype) for name in file.keys()} == {"torch.float16"}  # noqa: SIM118
    assert {str(p.dtype) for p in policy.module.parameters()} == {"torch.float32"}


def test_make_tiny_writes_the_same_bytes_twice(tmp_path):
    few = WarmStart(num_steps=2, batch_size=20)
    for name in ("a", "b"):
        make.make_tiny(tmp_path / name, few, recipe=TINY_TEAMS, report=lambda _line: None)
    first, second = (
        {path.name: path.read_bytes() for path in (tmp_path / name).iterdir()} for name in "ab"
    )
    assert first == second


@TEAMS
def test_a_prompt_of_the_environment_costs_few_tokens_and_is_demonstrated(policy, topology):
    env = TeamAnswerEnv(topology, tasks=[(SUM.question, "4")])
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
        assert prompt == team_prompt(topology.prompts, turn.role, SUM, read, answers=answers)
        text = "47+5=2;2+3=5"
        said.append(Message(turn.speaker, text))
        env.step(text)


@pytest.mark.parametrize("mix", [LESSON, HABITS], ids=["lesson", "habits"])
def test_demonstrations_are_of_the_train_split_and_fit_the_tokenizer(mix, policy, rng):
    for _ in range(300):
        shown = draw_team_demonstration(mix, rng)
        question = shown.prompt.split("Problem:\n")[1].split("\n\n")[0]
        assert in_split(question, "train")
        assert policy.tokenizer.unk_token_id not in policy.tokenizer.encode(shown.prompt)


def test_specialists_are_those_of_the_topology():
    assert tuple(SPECIALIST_OF.values()) == tuple(SPECIALTIES)
    assert specialist_of(SUM) == "adder"
    assert set(HABITS.statement_styles) == set(LESSON.statement_styles) == set(NUM_VOTERS)


def test_nonsense_has_the_form_of_a_thought_with_results_that_do_not_follow(rng):
    results = Counter()
    for _ in range(2000):
        thought = draw_nonsense(SUM, rng)
        first, second = thought.text.split(";")
        assert first.startswith("47+5=")
        assert second.startswith(f"{first[-1]}+3=")
        assert thought.answer == (int(second[-1]) + 9) % 10
        results[first[-1]] += 1
    assert all(abs(count - 200) < 75 for count in results.values())


def draw_messages(role: str, chains: Iterable[Chain], policy: HFPolicy) -> list[str]:
    prompts = [Prompt(team_prompt(SPECIALISTS, role, chain, (), answers=False)) for chain in chains]
    found = policy.sample(prompts, sampling=Sampling(), rng=np.random.default_rng(1))
    return [completion.text for completion in found]


@pytest.fixture(scope="module")
def unseen() -> Mapping[str, list[Chain]]:
    """Questions of the test split by the role that can do them."""
    found: dict[str, list[Chain]] = {role: [] for role in SPECIALIST_OF.values()}
    for task in load_tasks("arithmetic_one_kind", split="test"):
        symbol = next(symbol for symbol in SPECIALIST_OF if symbol in task.question)
        first, *numbers = task.question.split(": ")[1].split(symbol)
        chain = Chain(int(first), tuple((symbol, int(number)) for number in numbers))
        assert chain.question == task.question
        found[specialist_of(chain)].append(chain)
    return found


def is_worked_out(text: str, chain: Chain) -> bool:
    """Whether a thought has the right result of every operation but the last."""
    values = intermediate_values(chain.start, list(chain.steps))
    return [equation[-1:] for equation in text.split(";")] == [str(v) for v in values[1:-1]]


@pytest.mark.parametrize("role", SPECIALTIES)
def test_a_specialist_can_do_its_own_operation_and_no_other(role, policy, unseen):
    own = unseen[role][:120]
    rate = np.mean(
        [is_worked_out(t, c) for t, c in zip(draw_messages(role, own, policy), own, strict=True)]
    )
    assert 0.15 < rate < 0.5
    others = [chain for other in SPECIALTIES if other != role for chain in unseen[other][:60]]
    texts = draw_messages(role, others, policy)
    assert 0.5 < np.mean([text == FILLER for text in texts]) < 0.8
    wrong = [is_worked_out(t, c) for t, c in zip(texts, others, strict=True)]
    assert np.mean(wrong) < 0.1  # one digit in ten is right by chance


def solver_accuracy(
    policy: HFPolicy, chains: Iterable[Chain], said: Iterable[Mapping[str, str]]
) -> float:
    chains = list(chains)
    prompts = []
    for chain, texts in zip(chains, said, strict=True):
        messages = tuple(Message(f"{role}_0", text) for role, text in texts.items())
        prompts.append(Prompt(team_prompt(SPECIALISTS, "solver", chain, messages, answers=True)))
    found = policy.sample(prompts, sampling=Sampling(), rng=np.random.default_rng(2))
    return float(np.mean([c.text == boxed(x.answer) for c, x in zip(found, chains, strict=True)]))


def test_the_solver_needs_the_specialist_of_the_question_and_nonsense_misleads_it(
    policy, unseen, rng
):
    chains = [chain for role in SPECIALTIES for chain in unseen[role][:60]]

    def said(own: str, other: str) -> list[dict[str, str]]:
        texts = {
            "nothing": lambda _chain: FILLER,
            "nonsense": lambda chain: draw_nonsense(chain, rng).text,
        }
        full = {"full": lambda chain: draw_thought(chain, "full", rng).text, **texts}
        return [
            {
                role: (full[own] if role == specialist_of(chain) else full[other])(chain)
                for role in SPECIALTIES
            }
            for chain in chains
        ]

    helped = solver_accuracy(policy, chains, said("full", "nothing"))
    misled = solver_accuracy(policy, chains, said("full", "nonsense"))
    alone = solver_accuracy(policy, chains, said("nothing", "nothing"))
    assert helped > 0.75
    assert misled < helped - 0.4
    assert alone < 0.25


def test_voters_differ_in_how_often_they_work_a_question_out(policy):
    tasks = load_tasks("arithmetic", split="test", limit=250)
    rates = []
    for role in NUM_VOTERS:
        instruction = MIXED_VOTE.instruction(role, answers=True)
        prompts = [
            Prompt(f"{instruction}\n\nProblem:\n{t.question}\n\nYour message:\n") for t in tasks
        ]
        found = policy.sample(prompts, sampling=Sampling(), rng=np.random.default_rng(3))
        rates.append(np.mean(["=" in completion.text for completion in found]))
    expert, apprentice, novice = rates
    assert expert > apprentice + 0.05 > novice + 0.1
    assert novice < 0.2
