from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Sequence

import numpy as np
import pytest
import torch
from scipy.stats import chisquare
from transformers import PreTrainedModel

from baselines.policies.base import Prompt, Sampling
from baselines.policies.local import sampler
from baselines.policies.local.sampler import (
    SampledTokens,
    _draw,
    sample_tokens,
    scaled_logprobs,
)
from baselines.policies.registry import load_policy
from tests.rl.models import CONFIGS, END, LLAMA, NUM_TOKENS, build, plain_logprobs


@pytest.fixture(params=["numpy", "transformers"])
def llama(request, monkeypatch) -> PreTrainedModel:
    if request.param == "transformers":
        monkeypatch.setattr(sampler, "as_plain_llama", lambda _: None)
        monkeypatch.setattr(sampler, "as_llama", lambda _: None)
    return build(LLAMA)


def sample(
    model: PreTrainedModel, prompts: Sequence[Sequence[int]], **settings
) -> list[SampledTokens]:
    settings = {"max_tokens": 8, "end_ids": (END,), "temperature": 1.0, **settings}
    generator = torch.Generator().manual_seed(settings.pop("seed", 0))
    return sample_tokens(model, prompts, generator=generator, **settings)


PROMPTS = [[1, 2, 3], [4], [1, 2, 3], [5, 5, 1, 6, 2, 3, 1], [4], [2, 6]] * 4


@pytest.mark.parametrize("config", CONFIGS.values(), ids=CONFIGS)
@pytest.mark.parametrize("temperature", [0.5, 1.0, 2.0])
def test_sample_tokens_logprobs_equal_a_plain_forward(config, temperature):
    model = build(config)
    rows = sample(model, PROMPTS, temperature=temperature)
    assert len({len(row.token_ids) for row in rows}) > 2  # rows have left the batch
    for prompt, row in zip(PROMPTS, rows, strict=True):
        expected = plain_logprobs(model, prompt, row.token_ids, temperature)
        assert torch.tensor(row.logprobs) == pytest.approx(expected.detach(), abs=1e-5)


@pytest.mark.parametrize("temperature", [0.7, 1.0])
def test_sample_tokens_draws_40000_tokens_from_the_distribution(llama, temperature):
    prompt, num_rows = [1, 2], 20_000
    rows = sample(llama, [prompt] * num_rows, max_tokens=2, temperature=temperature, end_ids=())
    counts = Counter(row.token_ids for row in rows)
    cells: dict[tuple[int, ...] | str, list[float]] = {"rare": [0.0, 0.0]}
    for pair in itertools.product(range(NUM_TOKENS), repeat=2):
        with torch.no_grad():
            probability = float(plain_logprobs(llama, prompt, pair, temperature).sum().exp())
        expected = num_rows * probability
        cell = cells.setdefault(pair if expected >= 5 else "rare", [0.0, 0.0])
        cell[0] += counts[pair]
        cell[1] += expected
    observed, expectation = zip(*(cell for cell in cells.values() if cell[1]), strict=True)
    assert len(observed) > 10
    assert chisquare(observed, expectation, sum_check=False).pvalue > 1e-3


@pytest.mark.parametrize("temperature", [0.0, 1.0, 0.7, torch.tensor([[0.7], [2.0]])])
def test_scaled_logprobs_are_computed_in_single_precision(temperature):
    logits = torch.tensor([[1.0, 2.5, -3.0], [0.1, 0.0, 7.0]], dtype=torch.bfloat16)
    found = scaled_logprobs(logits, temperature)
    divisor = 1.0 if isinstance(temperature, float) and temperature == 0.0 else temperature
    assert found.dtype == torch.float32
    torch.testing.assert_close(found, (logits.float() / divisor).log_softmax(dim=-1))


@pytest.mark.parametrize("uniform", [0.0, 1.0 - 2.0**-53])
def test_draw_never_takes_an_impossible_token(uniform):
    logits = torch.tensor([[-torch.inf, 0.3, -torch.inf, 0.1, -torch.inf]])
    tokens, logprobs = _draw(logits, torch.tensor([uniform], dtype=torch.float64), 1.0)
    assert tokens.tolist() == [1 if uniform == 0.0 else 3]
    assert logprobs.isfinite().all()


@pytest.mark.parametrize("rate", [0.0, 0.5, 2.0])
def test_sample_tokens_compaction_changes_nothing(llama, rate, monkeypatch):
    reference = sample(llama, PROMPTS * 3, max_tokens=20)
    monkeypatch.setattr(sampler, "COMPACT_RATE", rate)
    rows = sample(llama, PROMPTS * 3, max_tokens=20)
    for one, other in zip(reference, rows, strict=True):
        assert one.token_ids == other.token_ids
        assert one.logprobs == pytest.approx(other.logprobs, abs=1e-5)


def test_sample_tokens_end_tokens_may_be_unknown_to_the_model(llama):
    assert sample(llama, PROMPTS, end_ids=(END, 1000)) == sample(llama, PROMPTS)


def test_sample_tokens_neighbours_do_not_change_a_row(llama):
    alone = sample(llama, [[3, 1], [2]])
    padded = sample(llama, [[3, 1], [2], [5] * 9, [6, 6, 6, 6]])
    for one, other in zip(alone, padded, strict=False):
        assert one.token_ids == other.token_ids
        assert one.logprobs == pytest.approx(other.logprobs, abs=1e-5)


@pytest.mark.parametrize("max_rows", [1, 2, 5, 1000])
def test_sample_tokens_max_rows_changes_nothing(llama, max_rows):
    reference = sample(llama, PROMPTS)
    rows = sample(llama, PROMPTS, max_rows=max_rows)
    assert [row.token_ids for row in rows] == [row.token_ids for row in reference]


def test_sample_tokens_ends_a_row_at_its_first_end_token(llama):
    rows = sample(llama, PROMPTS, end_ids=(END, 3), max_tokens=12)
    ended = [row for row in rows if len(row.token_ids) < 12]
    assert {row.token_ids[-1] for row in ended} == {END, 3}
    assert all(not {END, 3} & set(row.token_ids[:-1]) for row in rows)


def test_sample_tokens_without_end_tokens_fills_every_row(llama):
    assert {len(row.token_ids) for row in sample(llama, PROMPTS, end_ids=())} == {8}


def test_sample_tokens_at_temperature_0_takes_the_most_probable(llama):
    prompt = [4, 1]
    (row,) = sample(llama, [prompt], temperature=0.0, end_ids=())
    greedy: list[int] = []
    for _ in range(8):
        greedy.append(int(llama(torch.tensor([[*prompt, *greedy]])).logits[0, -1].argmax()))
    assert list(row.token_ids) == greedy
    expected = plain_logprobs(llama, prompt, greedy, 1.0).detach()
    assert torch.tensor(row.logprobs) == pytest.approx(expected, abs=1e-5)


def test_sample_tokens_reads_each_prompt_once_and_drops_ended_rows():
    llama = build(LLAMA)
    sizes: list[tuple[int, ...]] = []

    def record(_module, _args, kwargs):
        sizes.append(tuple(kwargs["input_ids"].shape))

    # What listens to the model must hear it, so a hook calls for its own forward pass.
    hook = llama.register_forward_pre_hook(record, with_kwargs=True)
    rows = sample(llama, PROMPTS, max_tokens=50)
    hook.remove()
    assert sizes[0] == (4, 7)  # four distinct prompts, the longest of seven tokens
    assert sizes[1][0] <= len(PROMPTS)
    assert sizes[-1][0] < len(PROMPTS) / 2
    assert len(sizes) == max(len(row.token_ids) for row in rows)  # stops with the last row


def test_sample_tokens_leaves_the_global_generator_alone(llama):
    before = torch.random.get_rng_state()
    first = sample(llama, PROMPTS, seed=1)
    assert torch.equal(torch.random.get_rng_state(), before)
    assert sample(llama, PROMPTS, seed=1) == first
    assert sample(llama, PROMPTS, seed=2) != first


def test_sample_tokens_of_no_prompts_is_empty(llama):
    assert sample(llama, []) == []


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"max_tokens": 0}, "max_tokens must be >= 1, got 0"),
        ({"max_rows": 0}, "max_rows must be >= 1, got 0"),
        ({"prompts": [[1], []]}, "a prompt must hold at least one token"),
    ],
)
def test_sample_tokens_names_what_is_wrong(llama, settings, message):
    with pytest.raises(ValueError, match=message):
        sample(llama, **{"prompts": [[1]], **settings})


@pytest.mark.parametrize("family", ["fast", "general"])
def test_a_stop_text_ends_a_completion_and_stays_in_it(family, monkeypatch):
    if family == "general":
        monkeypatch.setattr(sampler, "as_plain_llama", lambda _model: None)
        monkeypatch.setattr(sampler, "as_llama", lambda _model: None)
    policy = load_policy("tiny")
    prompts = [Prompt(f"{n}+5=") for n in range(10, 60)]
    free = policy.sample(prompts, sampling=Sampling(max_tokens=20), rng=np.random.default_rng(0))
    stopped = policy.sample(
        prompts, sampling=Sampling(max_tokens=20, stop="6"), rng=np.random.default_rng(0)
    )
    num_cut = 0
    for whole, cut in zip(free, stopped, strict=True):
        before, found, _ = whole.text.partition("6")
        assert cut.text == before + found
        assert cut.token_ids == whole.token_ids[: len(cut.token_ids)]
        num_cut += len(cut.token_ids) < len(whole.token_ids)
    assert 5 < num_cut < 50


def test_an_empty_stop_text_is_refused():
    with pytest.raises(ValueError, match="stop must not be empty"):
        Sampling(stop="")
