from __future__ import annotations

import hashlib
import json
import string

import numpy as np
import pytest
from transformers import AutoModelForCausalLM, AutoTokenizer

import ccpo_env
from baselines.policies import make_tiny
from baselines.policies.base import Prompt, Sampling
from baselines.policies.hf import HFPolicy
from baselines.policies.make_tiny import (
    FILLER,
    HABITS,
    LESSON,
    TINY_FOLDER,
    Chain,
    Mix,
    WarmStart,
    build_tokenizer,
    draw_demonstration,
    draw_thought,
    prompt_text,
)
from ccpo_env.tasks.arithmetic import draw_chain
from ccpo_env.tasks.splits import in_split
from ccpo_env.types import Message

CHAIN = Chain(47, (("+", 5), ("*", 3), ("-", 9)))
SHORT = Chain(47, (("+", 5),))
FEW = WarmStart(num_steps=3, batch_size=40)


@pytest.fixture(scope="module")
def policy() -> HFPolicy:
    return HFPolicy.load(TINY_FOLDER)


def test_shipped_tokenizer_is_the_one_the_script_builds_today(tmp_path):
    # It fails when a prompt has changed: then run `python -m baselines.policies.make_tiny`.
    build_tokenizer().save_pretrained(tmp_path)
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


@pytest.mark.parametrize("removed", [[], ["thinker_0"], ["solver_0"], ["thinker_1"]])
def test_a_prompt_of_the_environment_costs_few_tokens_and_decodes_exactly(policy, removed):
    env = ccpo_env.think_solve_v0(tasks="arithmetic", num_thinkers=2)
    env.reset(seed=0, options={"removed": removed})
    for agent in env.agent_iter():
        observation, _, terminated, _, _ = env.last()
        if not terminated:
            token_ids = policy.tokenizer.encode(observation["prompt"])
            assert policy.tokenizer.decode(token_ids) == observation["prompt"]
            assert policy.tokenizer.unk_token_id not in token_ids
            assert len(token_ids) < 50, agent
        env.step(None if terminated else "47+5=2;2*3=6")


def test_tokenizer_is_exact_on_printable_text(policy):
    text = string.digits + string.ascii_letters + string.punctuation + " \n  \n\n x\ny . , 's"
    assert policy.tokenizer.decode(policy.tokenizer.encode(text)) == text
    assert policy.tokenizer.unk_token_id not in policy.tokenizer.encode(text)


def test_tokenizer_reads_other_characters_as_unknown(policy):
    unknown = policy.tokenizer.unk_token_id
    token_ids = policy.tokenizer.encode("2é\t→")
    assert [token_id == unknown for token_id in token_ids] == [False, True, True, True]


@pytest.mark.parametrize(
    ("chain", "style", "thought", "answer"),
    [
        (CHAIN, "full", "47+5=2;2*3=6", 7),  # (47 + 5) * 3 - 9 = 147
        (CHAIN, "filler", FILLER, 7),
        (CHAIN, "none", "", 7),
        (SHORT, "full", "47=7", 2),
        (SHORT, "partial", "47=7", 2),
    ],
)
def test_draw_thought_of_a_style(chain, style, thought, answer):
    assert draw_thought(chain, style, np.random.default_rng(0)) == (thought, answer)


def test_draw_thought_partial_stops_early():
    rng = np.random.default_rng(0)
    drawn = {draw_thought(CHAIN, "partial", rng) for _ in range(40)}
    assert drawn == {("47=7", 7), ("47+5=2", 7)}


def test_draw_thought_wrong_goes_on_from_another_first_number():
    rng = np.random.default_rng(0)
    drawn = [draw_thought(CHAIN, "wrong", rng) for _ in range(100)]
    assert {answer for _, answer in drawn} == set(range(10)) - {7}
    for thought, answer in drawn:
        first, last = thought.split(";")
        assert first.startswith("4")
        assert (int(last[-1]) - 9) % 10 == answer


@pytest.mark.parametrize("mix", [LESSON, HABITS], ids=["lesson", "habits"])
def test_demonstrations_are_of_the_train_split(mix: Mix):
    rng = np.random.default_rng(0)
    prompts = [draw_demonstration(mix, rng)[0] for _ in range(300)]
    questions = [prompt.split("Problem:\n")[1].split("\n")[0] for prompt in prompts]
    assert all(in_split(question, "train") for question in questions)
    assert len(set(questions)) > 200


def test_make_tiny_writes_the_same_bytes_twice(tmp_path):
    lines: list[str] = []
    digests = [make_tiny.make_tiny(tmp_path / n, FEW, report=lines.append) for n in ("a", "b")]
    first, second = (sorted((tmp_path / name).iterdir()) for name in ("a", "b"))
    assert [path.name for path in first] == [path.name for path in second]
    assert [path.read_bytes() for path in first] == [path.read_bytes() for path in second]
    weights = (tmp_path / "a" / "model.safetensors").read_bytes()
    assert digests == [hashlib.sha256(weights).hexdigest()] * 2
    assert lines[0].startswith("step 3 of 3: ")


def test_make_tiny_seed_gives_other_weights(tmp_path):
    digests = {
        make_tiny.make_tiny(tmp_path / str(seed), WarmStart(num_steps=1, seed=seed), report=print)
        for seed in (0, 1)
    }
    assert len(digests) == 2


def test_make_tiny_folder_loads(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr("sys.argv", ["make_tiny", "--out", str(tmp_path), "--num-steps", "1"])
    make_tiny.main()
    assert str(tmp_path) in capsys.readouterr().out
    assert HFPolicy.load(tmp_path).module.config.vocab_size == len(build_tokenizer())


def solver_accuracy(policy: HFPolicy, style: str, num_operations: tuple[int, ...]) -> float:
    """Accuracy on unseen questions of these lengths, sampled after a thought of a style."""
    rng = np.random.default_rng(0)
    prompts, answers = [], []
    while len(prompts) < 200:
        start, steps = draw_chain(rng)
        chain = Chain(start, tuple(steps))
        if in_split(chain.question, "test") and len(steps) in num_operations:
            thought, _ = draw_thought(chain, style, rng)
            messages = (Message("thinker_0", thought),) if thought else ()
            prompts.append(Prompt(prompt_text("solver", chain, messages, answers=True)))
            answers.append(rf"\boxed{{{chain.values[-1]}}}")
    completions = policy.sample(prompts, sampling=Sampling(), rng=rng)
    texts = [completion.text for completion in completions]
    return float(np.mean([text == answer for text, answer in zip(texts, answers, strict=True)]))


def test_a_full_thought_is_what_helps_the_solver(policy):
    assert solver_accuracy(policy, "full", (2, 3, 4)) > 0.8
    for style in ("partial", "filler", "wrong", "none"):
        assert solver_accuracy(policy, style, (2, 3, 4)) < 0.2
    assert solver_accuracy(policy, "none", (1,)) > 0.8
