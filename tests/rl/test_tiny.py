from __future__ import annotations

import hashlib
import json
import re
import string
from collections.abc import Sequence

import numpy as np
import pytest
from transformers import AutoModelForCausalLM, AutoTokenizer

from baselines.policies.base import Prompt, Sampling
from baselines.policies.local.hf import HFPolicy
from baselines.rollouts.ratings import TENTHS, RatedRollout, rating_prompt
from ccpo_env import debate_v0, load_tasks, think_solve_v0, vote_v0
from ccpo_env.tasks.arithmetic import draw_chain
from ccpo_env.tasks.splits import in_split
from ccpo_env.types import Message, Task
from scripts.tiny import make
from scripts.tiny.chains import Chain, boxed, draw_thought
from scripts.tiny.demonstrations import prompt_text, thought_messages
from scripts.tiny.make import TINY_FOLDER
from scripts.tiny.recipes import CHAIN_AGENTS, RECIPES, TINY, WarmStart
from scripts.tiny.vocabulary import build_tokenizer

FEW = WarmStart(num_steps=3, batch_size=40)


@pytest.fixture(scope="module")
def policy() -> HFPolicy:
    return HFPolicy.load(TINY_FOLDER)


def test_shipped_tokenizer_is_the_one_the_script_builds_today(tmp_path):
    # It fails when a prompt has changed: then run `python -m scripts.tiny.make`.
    build_tokenizer(TINY.fragments).save_pretrained(tmp_path)
    for name in ("tokenizer.json", "tokenizer_config.json"):
        shipped, built = ((folder / name).read_text() for folder in (TINY_FOLDER, tmp_path))
        assert json.loads(shipped) == json.loads(built)


def test_weights_are_small_and_single_precision(policy):
    assert (TINY_FOLDER / "model.safetensors").stat().st_size < 1_000_000
    assert {str(p.dtype) for p in policy.module.parameters()} == {"torch.float32"}


def test_folder_loads_with_transformers_alone(policy):
    model = AutoModelForCausalLM.from_pretrained(TINY_FOLDER)
    tokenizer = AutoTokenizer.from_pretrained(TINY_FOLDER)
    assert model.generation_config.max_new_tokens == 32
    assert len(tokenizer) == model.config.vocab_size == policy.module.config.vocab_size
    assert tokenizer.decode(tokenizer.encode("1+1=2")) == "1+1=2"


def assert_costs(policy: HFPolicy, prompt: str, *, max_tokens: int) -> None:
    token_ids = policy.tokenizer.encode(prompt)
    assert policy.tokenizer.decode(token_ids) == prompt
    assert policy.tokenizer.unk_token_id not in token_ids
    assert len(token_ids) < max_tokens


@pytest.mark.parametrize(
    ("env", "removed", "message", "max_tokens"),
    [
        (think_solve_v0(num_thinkers=2), [], "47+5=2;2*3=6", 50),
        (think_solve_v0(num_thinkers=2), ["thinker_0"], "47+5=2;2*3=6", 50),
        (think_solve_v0(num_thinkers=2), ["solver_0"], "47+5=2;2*3=6", 50),
        (think_solve_v0(num_thinkers=2), ["thinker_1"], "47+5=2;2*3=6", 50),
        (vote_v0(), [], r"\boxed{7}", 20),
        (debate_v0(), [], r"47+5=2 \boxed{2}", 60),
    ],
)
def test_a_prompt_of_the_environment_costs_few_tokens_and_decodes_exactly(
    policy, env, removed, message, max_tokens
):
    env.reset(seed=0, options={"removed": removed})
    for _ in env.agent_iter():
        observation, _, terminated, _, _ = env.last()
        if not terminated:
            assert_costs(policy, observation["prompt"], max_tokens=max_tokens)
        env.step(None if terminated else message)


@pytest.mark.parametrize("is_correct", [True, False])
@pytest.mark.parametrize("agent", CHAIN_AGENTS)
def test_a_rating_prompt_costs_few_tokens_and_decodes_exactly(policy, agent, is_correct):
    task = Task("t", Chain(47, (("+", 5), ("*", 3))).question, "6")
    said = (Message("thinker_0", "47+5=2"), Message("solver_0", r"\boxed{6}"))
    prompt = rating_prompt(RatedRollout(task, said, is_correct), agent, agent, as_json=False)
    assert_costs(policy, prompt.text, max_tokens=35)


def test_tokenizer_is_exact_on_printable_text(policy):
    text = string.digits + string.ascii_letters + string.punctuation + " \n  \n\n x\ny . , 's"
    assert policy.tokenizer.decode(policy.tokenizer.encode(text)) == text
    assert policy.tokenizer.unk_token_id not in policy.tokenizer.encode(text)


def test_tokenizer_reads_other_characters_as_unknown(policy):
    unknown = policy.tokenizer.unk_token_id
    token_ids = policy.tokenizer.encode("2é\t→")
    assert [token_id == unknown for token_id in token_ids] == [False, True, True, True]


def test_make_tiny_writes_the_same_bytes_twice(tmp_path):
    lines: list[str] = []
    digests = [make.make_tiny(tmp_path / n, FEW, report=lines.append) for n in ("a", "b")]
    first, second = (sorted((tmp_path / name).iterdir()) for name in ("a", "b"))
    assert [path.name for path in first] == [path.name for path in second]
    assert [path.read_bytes() for path in first] == [path.read_bytes() for path in second]
    weights = (tmp_path / "a" / "model.safetensors").read_bytes()
    assert digests == [hashlib.sha256(weights).hexdigest()] * 2
    assert lines[0].startswith("step 3 of 3: ")


def test_make_tiny_seed_gives_other_weights(tmp_path):
    digests = {
        make.make_tiny(tmp_path / str(seed), WarmStart(num_steps=1, seed=seed), report=print)
        for seed in (0, 1)
    }
    assert len(digests) == 2


@pytest.mark.parametrize("name", RECIPES)
def test_make_tiny_folder_loads(name, tmp_path, monkeypatch, capsys):
    words = ["make", "--model", name, "--out", str(tmp_path), "--num-steps", "1"]
    monkeypatch.setattr("sys.argv", words)
    make.main()
    assert str(tmp_path) in capsys.readouterr().out
    tokenizer = build_tokenizer(RECIPES[name].fragments)
    assert HFPolicy.load(tmp_path).module.config.vocab_size == len(tokenizer)


def unseen_chains(number: int, num_operations: Sequence[int]) -> list[Chain]:
    """Return questions of the test split of these lengths."""
    rng = np.random.default_rng(0)
    chains: list[Chain] = []
    while len(chains) < number:
        start, steps = draw_chain(rng)
        chain = Chain(start, tuple(steps))
        if in_split(chain.question, "test") and len(steps) in num_operations:
            chains.append(chain)
    return chains


def replies(policy: HFPolicy, prompts: Sequence[str]) -> list[str]:
    rng = np.random.default_rng(1)
    completions = policy.sample([Prompt(p) for p in prompts], sampling=Sampling(), rng=rng)
    return [completion.text for completion in completions]


def solver_accuracy(
    policy: HFPolicy, styles: Sequence[str], num_operations: Sequence[int]
) -> float:
    """Accuracy on unseen questions of these lengths, sampled after thoughts of these styles."""
    rng = np.random.default_rng(0)
    chains = unseen_chains(200, num_operations)
    thoughts = [[draw_thought(chain, style, rng) for style in styles] for chain in chains]
    prompts = [
        prompt_text("solver", chain, thought_messages(said), answers=True)
        for chain, said in zip(chains, thoughts, strict=True)
    ]
    texts = replies(policy, prompts)
    return float(np.mean([t == boxed(c.answer) for t, c in zip(texts, chains, strict=True)]))


def test_a_full_thought_is_what_helps_the_solver(policy):
    assert solver_accuracy(policy, ["full"], (2, 3, 4)) > 0.8
    for style in ("partial", "filler", "wrong"):
        assert solver_accuracy(policy, [style], (2, 3, 4)) < 0.2
    assert solver_accuracy(policy, [], (2, 3, 4)) < 0.2
    assert solver_accuracy(policy, [], (1,)) > 0.8


def test_the_thinker_is_needed_in_5_to_20_percent_of_the_rare_tasks(policy):
    rng = np.random.default_rng(0)
    chains = [chain_of(task.question) for task in load_tasks("arithmetic_rare", split="test")]
    rates = {}
    for style in ("full", "filler"):
        thoughts = [[draw_thought(chain, style, rng)] for chain in chains]
        prompts = [
            prompt_text("solver", chain, thought_messages(said), answers=True)
            for chain, said in zip(chains, thoughts, strict=True)
        ]
        texts = replies(policy, prompts)
        rates[style] = np.array([t == boxed(c.answer) for t, c in zip(texts, chains, strict=True)])
    is_short = np.array([chain.is_short for chain in chains])
    helped = rates["full"].astype(float) - rates["filler"]
    assert 0.05 < helped.mean() < 0.2
    assert helped[~is_short].mean() > 0.5
    assert abs(helped[is_short].mean()) < 0.1
    assert rates["filler"][is_short].mean() > 0.7


def chain_of(question: str) -> Chain:
    """Return the chain of a question."""
    first, *steps = re.split(r"([+*-])", question.split(": ")[1])
    chain = Chain(
        int(first), tuple((s, int(n)) for s, n in zip(steps[::2], steps[1::2], strict=True))
    )
    assert chain.question == question
    return chain


def test_a_full_thought_helps_the_solver_also_beside_filler(policy):
    for styles in (["full", "filler"], ["filler", "full"]):
        assert solver_accuracy(policy, styles, (2, 3, 4)) > 0.6


@pytest.mark.parametrize(("role", "answers"), [("voter", True), ("debater", False)])
def test_who_speaks_first_mostly_guesses_and_is_right_if_it_works(policy, role, answers):
    chains = unseen_chains(600, (2, 3, 4))
    texts = replies(policy, [prompt_text(role, chain, (), answers=answers) for chain in chains])
    is_right = np.array([t.endswith(boxed(c.answer)) for t, c in zip(texts, chains, strict=True)])
    works = np.array(["=" in text for text in texts])
    assert 0.1 < works.mean() < 0.3
    assert is_right[works].mean() > 0.5
    assert is_right[~works].mean() < 0.2


def test_a_voter_answers_one_operation_alone(policy):
    chains = unseen_chains(200, (1,))
    texts = replies(policy, [prompt_text("voter", chain, (), answers=True) for chain in chains])
    accuracy = np.mean([t.endswith(boxed(c.answer)) for t, c in zip(texts, chains, strict=True)])
    assert accuracy > 0.8


def mean_rating(policy: HFPolicy, style: str, *, is_correct: bool, agent: str) -> float:
    """Mean tenths for an agent, over raters and unseen questions."""
    rng = np.random.default_rng(0)
    prompts = []
    for chain in unseen_chains(60, (2, 3, 4)):
        answer = chain.answer if is_correct else (chain.answer + 1) % 10
        thought = draw_thought(chain, style, rng).text
        said = (Message("thinker_0", thought), Message("solver_0", boxed(answer)))
        rollout = RatedRollout(Task("t", chain.question, str(chain.answer)), said, is_correct)
        prompts += [
            rating_prompt(rollout, rater, agent, as_json=False)
            for rater in ("thinker_0", "solver_0")
        ]
    logprobs, _ = policy.option_logprobs(prompts, TENTHS)
    assert np.exp(logprobs).sum(axis=1).min() > 0.9  # it replies with a digit
    weights = np.exp(logprobs) / np.exp(logprobs).sum(axis=1, keepdims=True)
    return float((weights @ np.arange(1, 10)).mean())


def test_ratings_credit_a_full_thought_and_not_filler(policy):
    full, filler = (
        {
            agent: mean_rating(policy, style, is_correct=True, agent=agent)
            for agent in ("thinker_0", "solver_0")
        }
        for style in ("full", "filler")
    )
    assert full["thinker_0"] > full["solver_0"] + 2
    assert filler["solver_0"] > filler["thinker_0"] + 2


def test_ratings_blame_who_erred(policy):
    for style, guilty, innocent in (
        ("wrong", "thinker_0", "solver_0"),
        ("filler", "thinker_0", "solver_0"),
        ("full", "solver_0", "thinker_0"),
    ):
        blamed, spared = (
            mean_rating(policy, style, is_correct=False, agent=agent)
            for agent in (guilty, innocent)
        )
        assert blamed > spared + 2, style
