from __future__ import annotations

import copy
from functools import cache as cache_calls
from pathlib import Path

import gguf
import huggingface_hub.constants
import numpy as np
import pytest
import torch
from scipy.stats import chisquare
from transformers import LlamaConfig, LlamaForCausalLM
from transformers.utils import logging

from baselines.policies.base import Completion, Prompt, Sampling
from baselines.policies.local import loading
from baselines.policies.local.hf import HFPolicy
from baselines.policies.local.loading import converted_gguf
from baselines.policies.registry import load_policy

PROMPTS = [Prompt("1+1"), Prompt("a longer prompt: "), Prompt("1+1"), Prompt("?")] * 3
# Half of it is what float32 itself differs from float64 on the shipped weights.
ROUNDING = 5e-5
CHAT = (
    "{% for message in messages %}<{{ message['role'] }}>{{ message['content'] }}{% endfor %}"
    "{% if add_generation_prompt %}<assistant>{% endif %}"
)


@pytest.fixture(scope="module")
def shipped() -> HFPolicy:
    return load_policy("tiny")


@pytest.fixture
def policy(shipped) -> HFPolicy:
    return copy.deepcopy(shipped)


def sample(policy: HFPolicy, prompts=PROMPTS, *, seed=0, **settings) -> list[Completion]:
    return policy.sample(prompts, sampling=Sampling(**settings), rng=np.random.default_rng(seed))


def plain_logprobs(policy: HFPolicy, completion: Completion, temperature: float) -> torch.Tensor:
    """One row, no padding."""
    prompt, sampled = list(completion.prompt_ids), list(completion.token_ids)
    logits = policy.module(torch.tensor([prompt + sampled])).logits[0]
    before = (logits[len(prompt) - 1 : -1] / temperature).log_softmax(-1)
    return before[range(len(sampled)), sampled]


def test_sample_decodes_without_special_tokens_and_keeps_the_end_token(policy):
    end = policy.tokenizer.eos_token_id
    ended = [c for c in sample(policy, PROMPTS * 8) if c.token_ids[-1] == end]
    assert ended
    for completion in ended:
        assert "<end>" not in completion.text
        assert end not in completion.token_ids[:-1]
        assert len(completion.token_ids) == len(completion.logprobs)


def test_sample_prompt_ids_are_those_of_the_plain_text(policy):
    for prompt, completion in zip(PROMPTS, sample(policy), strict=True):
        assert policy.tokenizer.decode(list(completion.prompt_ids)) == prompt.text


def test_sample_uses_the_chat_template_when_there_is_one(policy):
    policy.tokenizer.chat_template = CHAT
    messages = ({"role": "system", "content": "Hi"}, {"role": "user", "content": "2+3"})
    prompts = [Prompt("plain", messages), Prompt("plain"), Prompt("plain", messages[1:])]
    read = [policy.tokenizer.decode(list(c.prompt_ids)) for c in sample(policy, prompts)]
    assert read == ["<system>Hi<user>2+3<assistant>", "plain", "<user>2+3<assistant>"]


def test_sample_answers_prompts_of_both_kinds_in_order(policy):
    policy.tokenizer.chat_template = CHAT
    chat = Prompt("unread", ({"role": "user", "content": "7"},))
    prompts = [Prompt("1+1"), chat, Prompt("1+1"), Prompt("?"), chat]
    read = [policy.tokenizer.decode(list(c.prompt_ids)) for c in sample(policy, prompts)]
    assert read == ["1+1", "<user>7<assistant>", "1+1", "?", "<user>7<assistant>"]


def test_sample_of_no_prompts_is_empty(policy):
    assert sample(policy, []) == []


def test_sample_depends_on_the_rng_alone(policy):
    before = torch.random.get_rng_state()
    assert sample(policy, seed=1) == sample(policy, seed=1)
    assert sample(policy, seed=1) != sample(policy, seed=2)
    assert torch.equal(torch.random.get_rng_state(), before)


@pytest.mark.parametrize(("limit", "longest"), [(3, 3), (None, 32)])
def test_sample_max_tokens_defaults_to_the_generation_config(policy, limit, longest):
    policy.module.get_parameter("model.norm.weight").data.fill_(0.0)  # all tokens equally likely
    rows = sample(policy, PROMPTS[:2] * 40, max_tokens=limit)
    assert max(len(row.token_ids) for row in rows) == longest


@pytest.mark.no_cover
@pytest.mark.slow
def test_sample_30000_tokens_fit_the_distribution_of_plain_forwards(shipped):
    # Given the tokens before it, P(smaller id) + v P(id) of a sampled id is uniform if v is.
    rng = np.random.default_rng(0)
    places, num_tokens = [], 0
    for prompt in PROMPTS[:2]:
        rows = sample(shipped, [prompt] * 1200, max_tokens=24)
        filled = [[*c.token_ids, *[0] * (24 - len(c.token_ids))] for c in rows]
        is_token = torch.tensor([[k < len(c.token_ids) for k in range(24)] for c in rows])
        token_ids = torch.tensor([[*rows[0].prompt_ids, *row] for row in filled])
        with torch.no_grad():
            logits = torch.cat([shipped.module(part).logits for part in token_ids.split(500)])
        start = len(rows[0].prompt_ids)
        probabilities = logits[:, start - 1 : -1][is_token].double().softmax(-1).numpy()
        sampled = token_ids[:, start:][is_token].numpy()[:, None]
        share = np.take_along_axis(probabilities, sampled, 1)[:, 0]
        below = np.take_along_axis(probabilities.cumsum(1), sampled, 1)[:, 0] - share
        places.append(below + rng.random(len(share)) * share)
        num_tokens += len(share)
    assert num_tokens > 30_000
    counts, _ = np.histogram(np.concatenate(places), bins=100, range=(0.0, 1.0))
    assert chisquare(counts).pvalue > 1e-3


@pytest.mark.parametrize("temperature", [0.6, 1.0])
def test_logprobs_equal_those_of_sampling_and_of_a_plain_forward(policy, temperature):
    completions = sample(policy, temperature=temperature)
    scored = policy.logprobs(completions)
    longest = max(len(c.token_ids) for c in completions)
    assert scored.shape == (len(completions), longest)
    assert len({len(c.token_ids) for c in completions}) > 1
    for row, completion in zip(scored, completions, strict=True):
        num_tokens = len(completion.token_ids)
        assert row[:num_tokens].tolist() == pytest.approx(completion.logprobs, abs=ROUNDING)
        plain = plain_logprobs(policy, completion, temperature)
        torch.testing.assert_close(row[:num_tokens], plain, rtol=0, atol=ROUNDING)
        assert (row[num_tokens:] == 0.0).all()


def test_logprobs_gradient_equals_that_of_plain_forwards(policy):
    completions = sample(policy)
    weights = np.random.default_rng(0).normal(size=len(completions))
    gradients = []
    batched = policy.logprobs(completions).sum(dim=1)
    plain = torch.stack([plain_logprobs(policy, c, 1.0).sum() for c in completions])
    for totals in (batched, plain):
        policy.module.zero_grad()
        (totals * torch.tensor(weights)).sum().backward()
        gradients.append(torch.cat([p.grad.flatten() for p in policy.module.parameters()]))
    assert gradients[0].isfinite().all()
    torch.testing.assert_close(gradients[0], gradients[1], rtol=1e-3, atol=1e-4)


def test_logprobs_are_free_of_dropout(policy):
    assert not policy.module.training


@pytest.mark.parametrize("completions", [[], [Completion("text only")]])
def test_logprobs_needs_token_ids(policy, completions):
    with pytest.raises(ValueError, match="completions must hold token ids"):
        policy.logprobs(completions)


def test_save_and_load_give_the_same_policy(policy, tmp_path):
    policy.module.get_parameter("lm_head.weight").data += 0.1
    policy.save(tmp_path / "saved")
    loaded = HFPolicy.load(tmp_path / "saved")
    assert sample(loaded) == sample(policy)
    assert (tmp_path / "saved" / "model.safetensors").is_file()


def test_load_keeps_quiet_and_restores_the_settings_of_transformers(policy, tmp_path, capfd):
    verbosity = logging.get_verbosity()
    policy.save(tmp_path)
    HFPolicy.load(tmp_path)
    assert capfd.readouterr() == ("", "")
    assert logging.get_verbosity() == verbosity
    assert logging.is_progress_bar_enabled()


def test_sample_cuts_the_middle_of_a_long_prompt_and_warns_once(policy):
    context = policy.module.config.max_position_embeddings
    long = Prompt("a" * context + "m" * 50 + "z" * context)
    with pytest.warns(UserWarning, match="its middle is cut") as caught:
        (completion,) = sample(policy, [long])
    assert len(caught) == 1
    assert len(completion.prompt_ids) == context - 32
    text = policy.tokenizer.decode(list(completion.prompt_ids))
    assert set(text) == {"a", "z"}
    assert abs(text.count("a") - text.count("z")) <= 1
    sample(policy, [long])  # warnings are errors: no second one


def test_sample_needs_room_for_two_tokens_of_a_prompt(policy):
    context = policy.module.config.max_position_embeddings
    prompts = [Prompt("1+1" * context)]
    with pytest.raises(ValueError, match="max_tokens must leave room for a prompt, got"):
        policy.encode(prompts, context - 1)
    with pytest.warns(UserWarning, match="its middle is cut"):
        (cut,) = policy.encode(prompts, context - 2)
    assert len(cut) == 2


def test_sample_refuses_max_tokens_that_leave_no_room(policy):
    with pytest.raises(ValueError, match="max_tokens must leave room for a prompt, got 2048"):
        sample(policy, max_tokens=2048)


@pytest.mark.parametrize("name", ["nobody/no-such-model", "no such model", "./no/such/folder"])
def test_load_says_what_to_do_about_an_unknown_model(name, monkeypatch):
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_OFFLINE", True)
    with pytest.raises(FileNotFoundError, match=r"a model must be .* and pass its folder"):
        HFPolicy.load(name)


def test_load_names_a_missing_gguf_file(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"a \.gguf policy must be a file, got .*no\.gguf"):
        HFPolicy.load(tmp_path / "no.gguf")


@pytest.fixture
def cache(tmp_path, monkeypatch) -> Path:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return tmp_path / "cache" / "ccpo"


def write_gguf(path: Path, model: LlamaForCausalLM, *, skip: str = "nothing") -> None:
    """Write a Llama of two tokens per letter, the way llama.cpp lays its weights out."""
    config = model.config
    writer = gguf.GGUFWriter(path, "llama")
    writer.add_name("toy")
    writer.add_block_count(config.num_hidden_layers)
    writer.add_context_length(config.max_position_embeddings)
    writer.add_embedding_length(config.hidden_size)
    writer.add_feed_forward_length(config.intermediate_size)
    writer.add_head_count(config.num_attention_heads)
    writer.add_head_count_kv(config.num_key_value_heads)
    writer.add_layer_norm_rms_eps(config.rms_norm_eps)
    writer.add_rope_dimension_count(config.head_dim)
    writer.add_vocab_size(config.vocab_size)
    writer.add_tokenizer_model("gpt2")
    writer.add_tokenizer_pre("default")
    writer.add_token_list(["<|endoftext|>", "a", "b", "c", "ab"])
    writer.add_token_types([3, 1, 1, 1, 1])
    writer.add_token_merges(["a b"])
    writer.add_bos_token_id(0)
    writer.add_eos_token_id(0)
    names = gguf.get_tensor_name_map(gguf.MODEL_ARCH.LLAMA, config.num_hidden_layers)
    for name, weight in model.state_dict().items():
        values = weight.numpy()
        for part in ("q_proj", "k_proj"):
            if part in name:  # llama.cpp interleaves the two halves of a rotated head
                heads = values.reshape(-1, 2, config.head_dim // 2, values.shape[1])
                values = heads.swapaxes(1, 2).reshape(values.shape)
        if skip not in name:
            writer.add_tensor(names.get_name(name, (".weight",)), np.ascontiguousarray(values))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


@pytest.fixture
def toy() -> LlamaForCausalLM:
    with torch.random.fork_rng():
        torch.manual_seed(0)
        config = LlamaConfig(
            vocab_size=5,
            hidden_size=32,
            intermediate_size=32,
            num_hidden_layers=1,
            num_attention_heads=2,
            max_position_embeddings=64,
            bos_token_id=0,
            eos_token_id=0,
        )
        return LlamaForCausalLM(config).eval()


def test_load_converts_a_gguf_file_once(toy, tmp_path, cache, capfd, monkeypatch):
    write_gguf(tmp_path / "toy.gguf", toy)
    policy = HFPolicy.load(tmp_path / "toy.gguf")
    token_ids = torch.tensor([[1, 2, 3, 4, 1]])
    torch.testing.assert_close(policy.module(token_ids).logits, toy(token_ids).logits)
    assert policy.tokenizer.encode("abc") == [4, 3]
    assert capfd.readouterr() == ("", "")

    monkeypatch.setattr(loading, "_convert_gguf", None)  # may not be called again
    again = HFPolicy.load(tmp_path / "toy.gguf")
    assert sample(again, [Prompt("ab")], seed=3) == sample(policy, [Prompt("ab")], seed=3)
    assert len(list(cache.iterdir())) == 1
    again.save(tmp_path / "saved")  # not refused, as it would be for a quantised model


def test_converted_gguf_tells_files_of_one_name_apart(toy, tmp_path, cache):
    write_gguf(tmp_path / "toy.gguf", toy)
    first = converted_gguf(tmp_path / "toy.gguf")
    toy.lm_head.weight.data += 1.0
    write_gguf(tmp_path / "toy.gguf", toy)
    assert converted_gguf(tmp_path / "toy.gguf") != first
    assert len(list(cache.iterdir())) == 2


def test_converted_gguf_refuses_a_file_with_missing_weights(toy, tmp_path, cache):
    write_gguf(tmp_path / "toy.gguf", toy, skip="up_proj")
    with pytest.raises(ValueError, match=r"must hold every weight of .*up_proj"):
        converted_gguf(tmp_path / "toy.gguf")
    assert list(cache.iterdir()) == []  # no half-made folder is left


@pytest.mark.no_cover
@pytest.mark.slow
@pytest.mark.usefixtures("cache")
def test_load_smollm2_answers_in_english(monkeypatch):
    for name in (
        "GGUFReader",
        "get_tensor_name_map",
    ):  # transformers makes the same ones many times
        monkeypatch.setattr(gguf, name, cache_calls(getattr(gguf, name)))
    policy = load_policy("smollm2")
    assert isinstance(policy, HFPolicy)
    question = Prompt("", ({"role": "user", "content": "What is the capital of France?"},))
    (completion,) = sample(policy, [question], temperature=0.0, max_tokens=12)
    assert completion.text == "The capital of France is Paris."
    assert completion.token_ids[-1] == policy.tokenizer.eos_token_id
    assert policy.logprobs([completion])[0].tolist() == pytest.approx(completion.logprobs, abs=1e-3)
