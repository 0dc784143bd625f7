"""``ccpo bench decoder``: both kinds of steps run, and only one of them uses the decoder."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from baselines.bench import decoder
from baselines.bench.stepwise import TINY_STEP
from baselines.policies.local import sampler
from tests.rl.teams import quietly

SMALL = replace(TINY_STEP, tasks_per_step=1, group_size=2, removed_samples=1)


def test_half_of_the_steps_are_without_the_decoder(monkeypatch):
    made = []

    class Counted(sampler.LlamaDecoder):
        def __init__(self, *arguments) -> None:
            made.append(sampler.MAX_PARAMETERS)
            super().__init__(*arguments)

    class CountedCache(sampler.CacheDecoder):
        def __init__(self, *arguments) -> None:
            made.append(sampler.MAX_PARAMETERS)
            super().__init__(*arguments)

    monkeypatch.setattr(sampler, "LlamaDecoder", Counted)
    monkeypatch.setattr(sampler, "CacheDecoder", CountedCache)
    finding = decoder.decoder_finding(2, np.random.default_rng(0), SMALL)
    assert 0 in made
    assert sampler.MAX_PARAMETERS in made
    assert [row[0] for row in finding.rows] == ["NumPy decoder", "cache of transformers"]
    assert all(float(row[1]) > 0.0 for row in finding.rows)


def test_command_writes_its_section(tmp_path, monkeypatch):
    monkeypatch.setattr(decoder, "decoder_finding", lambda *_: FOUND)
    page = tmp_path / "benchmarks.md"
    code, printed = quietly(decoder.main, "--repeats", "1", "--page", str(page))
    assert code == 0
    assert "1.40" in printed
    assert "<!-- bench decoder -->" in page.read_text()


FOUND = decoder.Finding("Decoder", "Both.", ("sampling", "ratio"), (("cache", "1.40"),))
