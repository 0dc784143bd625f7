from __future__ import annotations

import json
import os
import sys

import numpy as np
import pytest
import torch
from torch import nn

from baselines.optimizers import OPTIMIZERS
from baselines.policies.base import Prompt, Sampling
from baselines.policies.local.adapter_files import base_name, is_adapter
from baselines.policies.local.llama import as_plain_llama
from baselines.policies.local.lora import LoraBase, LoraPolicy, LoraSettings
from baselines.policies.registry import load_policy
from baselines.policies.team import load_team
from baselines.train.update.batching import TrainingSample
from baselines.train.update.updater import Updater
from ccpo_env import think_solve_v0
from tests.rl.policies import PROMPT, first_logits, hand_made

ROLES = ("thinker", "solver")
PROMPTS = [Prompt(f"Problem: {n}+{n}\n") for n in range(6)] * 2
SETTINGS = LoraSettings(rank=4, seed=3)


@pytest.fixture
def base() -> LoraBase:
    """The embedded model with an adapter per role, each of them changed."""
    base = LoraBase.load("tiny")
    for number, role in enumerate(ROLES):
        disturb(base.add(role, SETTINGS), seed=number)
    return base


def disturb(policy, *, seed) -> None:
    """Move the trained weights away from where a new adapter begins."""
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for weight in trained(policy).values():
            weight += 0.1 * torch.randn(weight.shape, generator=generator)


def trained(policy) -> dict[str, nn.Parameter]:
    return {name: p for name, p in policy.module.named_parameters() if p.requires_grad}


def policies_of(base) -> dict[str, LoraPolicy]:
    return {role: LoraPolicy(base, role) for role in base.adapters}


def sampled(policy, *, temperature=1.0):
    sampling = Sampling(temperature=temperature, max_tokens=8)
    return policy.sample(PROMPTS, sampling=sampling, rng=np.random.default_rng(0))


def test_new_adapter_changes_nothing():
    adapter = LoraBase.load("tiny").add("thinker", SETTINGS)
    plain = load_policy("tiny")
    assert sampled(adapter) == sampled(plain)
    torch.testing.assert_close(first_logits(adapter), first_logits(plain), rtol=0, atol=0)


def test_adapter_adds_the_scaled_product_of_its_factors(base):
    policies = policies_of(base)
    plain = load_policy("tiny")
    state = base.state("solver")
    with torch.no_grad():
        for name, weight in state.items():
            if "lora_A" in name:
                layer = name.removeprefix("base_model.model.").removesuffix(".lora_A.weight")
                product = state[name.replace("lora_A", "lora_B")] @ weight
                plain.module.get_submodule(layer).weight += 2 * product  # alpha is 2 * rank
    torch.testing.assert_close(
        first_logits(policies["solver"]), first_logits(plain), rtol=1e-4, atol=1e-4
    )


def test_adapters_take_every_linear_layer_but_the_last(base):
    plain = load_policy("tiny").module
    linear = {n for n, m in plain.named_modules() if isinstance(m, nn.Linear)} - {"lm_head"}
    state = {name.removeprefix("base_model.model.") for name in base.state("thinker")}
    adapted = {name.removesuffix(".weight").rpartition(".lora_")[0] for name in state}
    assert adapted == linear


@pytest.mark.parametrize("temperature", [0.7, 1.0])
@pytest.mark.parametrize("is_small", [True, False])
def test_logprobs_are_those_of_the_sampling(base, temperature, is_small):
    """Of a small base, a plain copy computes them; of a large one, the base with its adapters."""
    if not is_small:
        base._plain = None
    for policy in policies_of(base).values():
        completions = sampled(policy, temperature=temperature)
        found = policy.logprobs(completions)
        for row, completion in zip(found.tolist(), completions, strict=True):
            length = len(completion.logprobs)
            np.testing.assert_allclose(row[:length], completion.logprobs, rtol=0, atol=1e-4)


def test_plain_copy_gives_what_the_base_with_adapters_gives_and_the_same_gradients(base):
    policy = policies_of(base)["solver"]
    completions = [*sampled(policy), *sampled(policy, temperature=0.8)]

    def measured():
        policy.module.zero_grad(set_to_none=True)
        logprobs, entropy = policy.logprobs_and_entropy(completions)
        (logprobs + 0.3 * entropy).sum().backward()
        gradients = [p.grad.clone() for p in trained(policy).values()]
        with torch.no_grad():
            alone = policy.logprobs(completions)
        options, _ = policy.option_logprobs(PROMPTS, ["1", "23"])
        return [logprobs.detach(), entropy.detach(), alone, torch.tensor(options), *gradients]

    fast = measured()
    base._plain = None
    for found, expected in zip(fast, measured(), strict=True):
        scale = float(expected.abs().max())
        torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-5 * max(scale, 1.0))


def test_lora_policy_answers_all_that_a_plain_policy_answers(base):
    public = {name for name in vars(type(load_policy("tiny"))) if not name.startswith("_")}
    assert public - {"load", "shard"} <= set(dir(LoraPolicy))
    assert policies_of(base)["solver"].max_tokens == load_policy("tiny").max_tokens


def test_adapters_of_a_base_speak_for_themselves_in_any_order(base):
    policies = policies_of(base)
    alone = {role: sampled(policy) for role, policy in policies.items()}
    assert alone["thinker"] != alone["solver"]
    again = {role: sampled(policies[role]) for role in ("solver", "thinker", "solver")}
    assert again == alone


def test_module_requires_a_gradient_of_its_own_adapter_alone(base):
    for role, policy in policies_of(base).items():
        names = set(trained(policy))
        assert names
        assert all(f".{role}.weight" in name and "lora_" in name for name in names)


def test_reading_text_for_an_adapter_leaves_another_one_in_training(base):
    thinker, solver = policies_of(base).values()
    in_training = set(trained(thinker))
    assert solver.max_tokens > 0
    assert solver.tokenizer is thinker.tokenizer
    assert all(solver.encode(PROMPTS, 8))
    assert all(solver.option_tokens(["yes", "no"]))
    assert solver.completions_of(PROMPTS[:1], ["4"], sampling=Sampling(max_tokens=8))
    module = base.activate(None).module  # with the adapter that is active
    assert {name for name, p in module.named_parameters() if p.requires_grad} == in_training


def test_update_of_a_role_moves_its_adapter_and_nothing_else(base):
    policies = policies_of(base)
    updaters = {
        role: Updater(
            policy,
            OPTIMIZERS["grpo"].read_hyperparameters({}),
            learning_rate=1e-2,
            warmup_steps=0,
            max_grad_norm=1.0,
            micro_batch_tokens=4096,
        )
        for role, policy in policies.items()
    }
    for role in ("thinker", "solver", "thinker"):
        module = policies[role].module
        before = {name: p.detach().clone() for name, p in module.named_parameters()}
        completions = sampled(policies[role])
        rows = [TrainingSample(c, (-1.0) ** i) for i, c in enumerate(completions)]
        assert updaters[role].update(rows)["grad_norm"] > 0
        moved = {n for n, p in module.named_parameters() if not torch.equal(p, before[n])}
        assert moved == set(trained(policies[role]))


def test_as_plain_llama_leaves_a_model_with_adapters_alone(base):
    assert as_plain_llama(load_policy("tiny").module) is not None
    assert as_plain_llama(policies_of(base)["solver"].module) is None
    assert as_plain_llama(base._peft) is None


@pytest.mark.parametrize("role", ROLES)
def test_saved_adapter_gives_the_same_logits(base, tmp_path, role):
    policy = policies_of(base)[role]
    policy.save(tmp_path / role)
    assert sorted(p.name for p in (tmp_path / role).iterdir()) == [
        "adapter_config.json",
        "adapter_model.safetensors",
    ]
    assert is_adapter(tmp_path / role)
    assert base_name(tmp_path / role) == "tiny"
    config = json.loads((tmp_path / role / "adapter_config.json").read_text(encoding="utf-8"))
    assert config["target_modules"] == sorted(config["target_modules"])
    copy = LoraBase.load("tiny").add_saved("another_name", tmp_path / role, settings=SETTINGS)
    torch.testing.assert_close(first_logits(copy), first_logits(policy), rtol=0, atol=0)
    assert sampled(copy) == sampled(policy)


def test_saved_adapter_is_what_peft_reads(base, tmp_path):
    from peft import PeftModel

    policy = policies_of(base)["thinker"]
    policy.save(tmp_path)
    with pytest.warns(FutureWarning, match="is_gradient_checkpointing"):
        model = PeftModel.from_pretrained(load_policy("tiny").module, str(tmp_path))
    ids = torch.tensor([policy.tokenizer.encode(PROMPT)])
    with torch.no_grad():
        found = model(input_ids=ids).logits[0, -1]
    torch.testing.assert_close(found, first_logits(policy), rtol=1e-5, atol=1e-5)


def test_load_team_gives_each_role_an_adapter_on_one_base():
    team = load_team("tiny", ROLES, own_copies=True, lora=SETTINGS)
    assert list(team) == list(ROLES)
    assert team["thinker"].base is team["solver"].base
    assert team["thinker"].base.adapters == ROLES
    sizes = {
        role: sum(p.numel() for p in trained(policy).values()) for role, policy in team.items()
    }
    assert sizes["thinker"] == sizes["solver"] < 121_000


@pytest.fixture
def saved(base, tmp_path):
    """A folder with an adapter per role, and the policies that are in it."""
    for role, policy in policies_of(base).items():
        policy.save(tmp_path / "model" / role)
    return tmp_path / "model", policies_of(base)


@pytest.mark.parametrize(("own_copies", "lora"), [(False, None), (True, None), (True, SETTINGS)])
def test_load_team_takes_the_adapters_of_a_folder(saved, own_copies, lora):
    folder, policies = saved
    team = load_team(str(folder), ROLES, own_copies=own_copies, lora=lora)
    for role in ROLES:
        found, expected = first_logits(team[role]), first_logits(policies[role])
        torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-4)


def test_load_team_merges_adapters_into_weights_that_are_trained_on(saved):
    team = load_team(str(saved[0]), ROLES, own_copies=True)
    for policy in team.values():
        assert as_plain_llama(policy.module) is not None
        assert len(trained(policy)) == len(list(load_policy("tiny").module.parameters()))


def test_load_team_shares_the_base_of_adapters_that_nobody_trains(saved):
    team = load_team(str(saved[0]), ROLES, own_copies=False)
    assert team["thinker"].base is team["solver"].base
    for_all = load_team(str(saved[0] / "solver"), ROLES, own_copies=False)
    assert for_all["thinker"] is for_all["solver"]


def test_load_team_gives_roles_of_two_families_a_base_each(tmp_path):
    hand_made("gpt_neox").save(tmp_path / "other")
    other = str(tmp_path / "other")
    team = load_team("tiny", ROLES, own_copies=True, instead={"solver": other}, lora=SETTINGS)
    assert team["thinker"].base is not team["solver"].base
    for policy in team.values():
        disturb(policy, seed=5)
        policy.save(tmp_path / "model" / policy.base.adapters[0])
    again = load_team(str(tmp_path / "model"), ROLES, own_copies=True, lora=SETTINGS)
    for role in ROLES:
        torch.testing.assert_close(
            first_logits(again[role]), first_logits(team[role]), rtol=0, atol=0
        )
        completions = sampled(again[role])
        found = again[role].logprobs(completions)
        sums = [sum(c.logprobs) for c in completions]
        np.testing.assert_allclose(found.sum(dim=1).tolist(), sums, rtol=0, atol=1e-3)


@pytest.mark.parametrize("is_small", [True, False])
def test_load_team_gives_a_reference_on_the_base_that_is_in_memory(is_small):
    bases: dict[str, LoraBase] = {}
    team = load_team("tiny", ROLES, own_copies=True, lora=SETTINGS, bases=bases)
    (base,) = bases.values()
    if not is_small:
        base._plain = None
    for number, policy in enumerate(team.values()):
        disturb(policy, seed=number)
    reference = load_team("tiny", ROLES, own_copies=False, bases=bases)["solver"]
    assert reference.base is base
    assert list(bases) == ["tiny"]
    completions, mine = sampled(team["solver"]), trained(team["solver"])
    with torch.no_grad():
        found = reference.logprobs(completions)
        expected = load_policy("tiny").logprobs(completions)
    torch.testing.assert_close(found, expected, rtol=0, atol=1e-4)
    assert set(trained(team["solver"])) == set(mine)
    with torch.no_grad():
        again = team["solver"].logprobs(completions)
    np.testing.assert_allclose(
        again.sum(dim=1).tolist(), [sum(c.logprobs) for c in completions], rtol=0, atol=1e-3
    )


def test_load_team_gives_an_adapter_as_reference_beside_the_one_that_is_trained(saved):
    bases: dict[str, LoraBase] = {}
    folder, policies = str(saved[0]), saved[1]
    team = load_team(folder, ROLES, own_copies=True, lora=SETTINGS, bases=bases)
    for policy in team.values():
        disturb(policy, seed=9)
    references = load_team(folder, ROLES, own_copies=False, bases=bases)
    assert len(bases) == 1
    for role in ROLES:
        assert references[role].base is team[role].base
        found, expected = first_logits(references[role]), first_logits(policies[role])
        torch.testing.assert_close(found, expected, rtol=0, atol=0)
        assert not torch.equal(first_logits(team[role]), expected)


def test_adapter_finds_a_base_in_a_relative_folder_from_anywhere(tmp_path, monkeypatch):
    hand_made("llama").save(tmp_path / "models" / "small")
    monkeypatch.chdir(tmp_path)
    team = load_team("models/small", ROLES, own_copies=True, lora=SETTINGS)
    for role, policy in team.items():
        policy.save(tmp_path / "model" / role)
    monkeypatch.chdir("/")
    again = load_team(str(tmp_path / "model"), ROLES, own_copies=False)
    torch.testing.assert_close(
        first_logits(again["solver"]), first_logits(team["solver"]), rtol=0, atol=0
    )


def test_load_team_refuses_an_adapter_of_another_rank(saved):
    with pytest.raises(ValueError, match=r"lora_rank must be .* 4, got 8 .*--lora-rank 4"):
        load_team(str(saved[0]), ROLES, own_copies=True, lora=LoraSettings(rank=8))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"use_dora": True}, "an adapter must be plain LoRA"),
        ({"bias": "all"}, "an adapter must be plain LoRA"),
        ({"base_model_name_or_path": None}, "an adapter must name its base model"),
        ({"r": 3}, "an adapter must fit the layers of its base 'tiny'"),
        ({"base_model_name_or_path": "tiyn"}, "did you mean 'tiny'"),
    ],
)
def test_load_team_refuses_an_adapter_that_it_cannot_use(saved, change, message):
    file = saved[0] / "solver" / "adapter_config.json"
    config = json.loads(file.read_text(encoding="utf-8"))
    file.write_text(json.dumps({**config, **change}), encoding="utf-8")
    with pytest.raises(ValueError, match=message):
        load_team(str(saved[0]), ROLES, own_copies=False)


def test_lora_says_what_to_install_when_peft_is_missing(monkeypatch):
    monkeypatch.setitem(sys.modules, "peft", None)
    with pytest.raises(ImportError, match=r"got none; pip install 'ccpo-env\[lora\]'"):
        load_team("tiny", ROLES, own_copies=True, lora=SETTINGS)


def plain_forward(policy, completion, temperature) -> list[float]:
    """What transformers and peft say of the sampled tokens: one row, no padding, no cache."""
    ids = torch.tensor([[*completion.prompt_ids, *completion.token_ids]])
    with torch.no_grad():
        logits = policy.module(input_ids=ids).logits[0, len(completion.prompt_ids) - 1 : -1]
    before = (logits / temperature).log_softmax(dim=-1)
    return before[range(len(completion.token_ids)), list(completion.token_ids)].tolist()


def check_against_plain_forward(base, prompts, *, temperature, max_tokens, tolerance) -> None:
    """Sampler, scoring and plain forward agree on every row, whatever stands beside it."""
    sampling = Sampling(temperature=temperature, max_tokens=max_tokens)
    said = {}
    for policy in policies_of(base).values():
        completions = policy.sample(prompts, sampling=sampling, rng=np.random.default_rng(0))
        with torch.no_grad():
            scored = policy.logprobs(completions).tolist()
        for row, completion in zip(scored, completions, strict=True):
            expected = plain_forward(policy, completion, temperature)
            np.testing.assert_allclose(completion.logprobs, expected, rtol=0, atol=tolerance)
            np.testing.assert_allclose(row[: len(expected)], expected, rtol=0, atol=tolerance)
        assert len({len(completion.prompt_ids) for completion in completions}) > 1
        said[policy] = [sum(completion.logprobs) for completion in completions]
    assert len({tuple(sums) for sums in said.values()}) == len(said)  # each has its own adapter


@pytest.mark.parametrize("family", ["gpt_neox", "llama"])
@pytest.mark.parametrize("temperature", [0.7, 1.0])
def test_adapters_sample_with_the_logprobs_of_a_plain_forward(family, temperature):
    base = LoraBase(hand_made(family), family)
    for number, role in enumerate(ROLES):
        disturb(base.add(role, SETTINGS), seed=number)
    prompts = [Prompt(text) for text in ("a", "Problem: 3+4\n" * 3, "Problem: 3+4\n", "7 7")] * 4
    check_against_plain_forward(
        base, prompts, temperature=temperature, max_tokens=8, tolerance=1e-4
    )


@pytest.mark.slow
@pytest.mark.skipif("CCPO_SLOW" not in os.environ, reason="large; set CCPO_SLOW to run it")
def test_smollm2_samples_with_the_logprobs_of_a_plain_forward():
    base = LoraBase.load("smollm2")
    for number, role in enumerate(ROLES):
        policy = base.add(role, SETTINGS)
        generator = torch.Generator().manual_seed(number)
        with torch.no_grad():
            for weight in trained(policy).values():  # as far as a short training moves it
                weight += 0.01 * torch.randn(weight.shape, generator=generator)
    env = think_solve_v0(tasks="lookup", verifier="number")
    prompts = []
    for task in range(2):
        env.reset(options={"task": task, "prefix": ["Look at the fact." * (1 + 5 * task)]})
        messages = tuple(env.infos["solver_0"]["messages"])
        prompts += [Prompt(env.observe("solver_0")["prompt"], messages)] * 4
    check_against_plain_forward(base, prompts, temperature=0.7, max_tokens=16, tolerance=1e-3)


@pytest.mark.slow
@pytest.mark.skipif("CCPO_SLOW" not in os.environ, reason="large; set CCPO_SLOW to run it")
def test_large_base_is_not_copied_and_speaks_for_every_role():
    team = load_team("smollm2", ROLES, own_copies=True, lora=SETTINGS)
    assert team["thinker"].base is team["solver"].base
    assert team["solver"].base._plain is None
    sampling = Sampling(temperature=1.0, max_tokens=2)
    completions = team["solver"].sample(
        PROMPTS[:1], sampling=sampling, rng=np.random.default_rng(0)
    )
    with torch.no_grad():
        found = team["solver"].logprobs(completions)
    np.testing.assert_allclose(found[0].tolist(), completions[0].logprobs, rtol=0, atol=1e-4)
