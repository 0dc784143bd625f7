from __future__ import annotations

import numpy as np
import pytest
import torch

from baselines.bench import exactness
from baselines.bench.exactness import in_double_precision, plain_logprobs
from baselines.policies.base import Completion, Sampling
from baselines.policies.registry import load_policy
from tests.rl.models import GROUPED, LLAMA, build
from tests.rl.teams import quietly

ROWS = [
    Completion("", (1, 2, 3), (4, 0), (-1.0, -1.0)),
    Completion("", (5,), (6, 6, 2), (-1.0, -1.0, -1.0)),
]


@pytest.mark.parametrize("config", [LLAMA, GROUPED], ids=["llama", "grouped"])
def test_double_precision_is_that_of_the_whole_network(config):
    model = build(config)
    before = {name: value.clone() for name, value in model.state_dict().items()}
    double = in_double_precision(model)
    single, exact = plain_logprobs(model, ROWS), plain_logprobs(double, ROWS)
    gap = np.abs(single - exact).max()
    assert 0.0 < gap < 1e-4
    # A change far below single precision moves the result in proportion, through every norm.
    step = 1e-11
    with torch.no_grad():
        double.model.embed_tokens.weight[1] += step
    moved = plain_logprobs(double, ROWS)[0] - exact[0]
    with torch.no_grad():
        double.model.embed_tokens.weight[1] += step
    assert plain_logprobs(double, ROWS)[0] - exact[0] == pytest.approx(2 * moved, rel=1e-3)
    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())


def test_plain_logprobs_are_those_of_each_row_alone(monkeypatch):
    model = build(LLAMA)
    monkeypatch.setattr(exactness, "ROWS_AT_ONCE", 1)
    alone = plain_logprobs(model, ROWS)
    monkeypatch.setattr(exactness, "ROWS_AT_ONCE", 2)
    assert plain_logprobs(model, ROWS) == pytest.approx(alone, abs=1e-6)
    with torch.no_grad():
        logits = model(torch.tensor([[5, 6, 6, 2]])).logits[0]
    expected = [
        logits.log_softmax(-1)[place, token].item() for place, token in enumerate((6, 6, 2))
    ]
    assert alone[2:] == pytest.approx(expected, abs=1e-6)


def test_sampler_is_as_near_to_double_precision_as_single_precision_is():
    policy = load_policy("tiny")
    rng = np.random.default_rng(0)
    prompts = exactness.thinker_prompts(8)
    rows = [
        row
        for _ in range(16)
        for row in policy.sample(prompts, sampling=Sampling(max_tokens=24), rng=rng)
    ]
    exact = plain_logprobs(in_double_precision(policy.module), rows)
    ours = np.concatenate([row.logprobs for row in rows])
    plain = plain_logprobs(policy.module, rows)
    assert len(ours) > 5000
    errors = [np.sqrt(np.square(values - exact).mean()) for values in (ours, plain)]
    assert errors[0] < 1.5 * errors[1]
    assert np.mean(np.abs(ours - exact) > 1e-5) < 1e-3
    assert np.abs(ours - exact).max() < 1e-4


def test_exactness_bench_runs_and_writes_its_page(tmp_path):
    page = tmp_path / "benchmarks.md"
    code, printed = quietly(exactness.main, "--num-tokens", "50", "--page", str(page))
    assert code == 0
    assert "Log-probabilities of sampled tokens" in printed
    assert page.read_text().count("| sampler against") == 2


def test_exactness_bench_refuses_no_tokens(capsys):
    code, _ = quietly(exactness.main, "--num-tokens", "0")
    assert code == 2
    assert "num_tokens must be >= 1, got 0" in capsys.readouterr().err
