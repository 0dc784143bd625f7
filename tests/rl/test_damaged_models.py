"""Models that are damaged or crafted: one sentence, and no code of theirs runs."""

from __future__ import annotations

import io
import json
import pickle
import shutil
import sys

import pytest
import torch
from safetensors.torch import load_file, save_file

from baselines.evaluate.command import main as evaluate
from baselines.policies.local.damage import BadModelError, expect_template
from baselines.policies.local.lora import LoraBase, LoraSettings
from baselines.policies.local.remote_code import remote_code
from baselines.policies.registry import POLICIES, load_policy
from baselines.policies.team import load_team

EVIL = """
from pathlib import Path
from transformers import LlamaConfig, LlamaForCausalLM

Path(__file__).with_name("ran").touch()
Path({mark!r}).touch()


class EvilConfig(LlamaConfig):
    model_type = "evil"


class Evil(LlamaForCausalLM):
    config_class = EvilConfig
"""


class Payload:
    """Touches a file when it is unpickled."""

    def __init__(self, mark):
        self.mark = str(mark)

    def __reduce__(self):
        return open, (self.mark, "w")


@pytest.fixture
def folder(tmp_path):
    return shutil.copytree(POLICIES["tiny"](), tmp_path / "model")


@pytest.fixture
def mark(tmp_path):
    """A file that exists after code of the model has run."""
    return tmp_path / "ran"


@pytest.fixture
def with_code(folder, mark, monkeypatch, tmp_path):
    """A model with code of its own; standard input says yes to whatever is asked."""
    change(folder / "config.json", model_type="evil", architectures=["Evil"], auto_map=AUTO_MAP)
    (folder / "evil.py").write_text(EVIL.format(mark=str(mark)), encoding="utf-8")
    monkeypatch.setattr(sys, "stdin", io.StringIO("y\n" * 9))
    monkeypatch.setattr(
        "transformers.dynamic_module_utils.HF_MODULES_CACHE", str(tmp_path / "cache")
    )
    monkeypatch.setattr(sys, "path", [*sys.path])
    return folder


AUTO_MAP = {"AutoConfig": "evil.EvilConfig", "AutoModelForCausalLM": "evil.Evil"}


def change(path, **values):
    known = json.loads(path.read_text(encoding="utf-8"))
    path.write_text(json.dumps({**known, **values}), encoding="utf-8")


def nan(folder, _mark):
    weights = load_file(folder / "model.safetensors")
    weights["lm_head.weight"][3, 2] = float("nan")
    save_file(weights, folder / "model.safetensors", metadata={"format": "pt"})


def pickled(folder, mark):
    (folder / "model.safetensors").unlink()
    torch.save({"lm_head.weight": Payload(mark)}, folder / "pytorch_model.bin")


def plain_pickle(folder, mark):
    (folder / "model.safetensors").unlink()
    (folder / "pytorch_model.bin").write_bytes(pickle.dumps(Payload(mark), protocol=2))


def half(folder, _mark):
    path = folder / "model.safetensors"
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def without(*layers):
    """Leave out the weights of some layers, as a file of another model does."""

    def damage(folder, _mark):
        weights = load_file(folder / "model.safetensors")
        kept = {name: value for name, value in weights.items() if not name.startswith(layers)}
        save_file(kept, folder / "model.safetensors", metadata={"format": "pt"})

    return damage


def foreign(folder, _mark):
    (folder / "model.safetensors").unlink()
    torch.save({"a": torch.zeros(2)}, folder / "pytorch_model.bin")


def template(text):
    return lambda folder, _mark: change(folder / "tokenizer_config.json", chat_template=text)


DAMAGE = {
    "nan": (nan, "weights must be finite, got NaN or infinity in lm_head.weight"),
    "pickle": (pickled, "holds more than tensors, and could run code"),
    "plain pickle": (plain_pickle, "holds more than tensors, and could run code"),
    "half": (half, "a model must be as it was saved, got SafetensorError"),
    "header": (
        lambda folder, _: (folder / "model.safetensors").write_bytes(b"\xff" * 99),
        "a model must be as it was saved, got SafetensorError",
    ),
    "missing": (without("model.norm"), "got none for 1 of them, such as model.norm.weight"),
    "foreign": (foreign, "weights must be all those of the model, got none for "),
    "tokenizer": (
        lambda folder, _: (folder / "tokenizer.json").write_text("{}"),
        "a model must be as it was saved, got KeyError",
    ),
    "shape": (
        lambda folder, _: change(folder / "config.json", hidden_size=7),
        "a model must be as it was saved, got ",
    ),
    "list": (
        lambda folder, _: (folder / "config.json").write_text("[]"),
        "config.json must hold a JSON object, got list",
    ),
    "attributes": (
        template("{{ ''.__class__.__mro__[1].__subclasses__() }}"),
        "a chat template must render .* got SecurityError",
    ),
    "syntax": (template("{% for %}"), "a chat template must render .* got TemplateSyntaxError"),
    "range": (template("{% for i in range(10**12) %}.{% endfor %}"), "got OverflowError"),
}


@pytest.mark.parametrize("name", DAMAGE)
def test_damaged_model_is_refused_in_one_sentence(folder, mark, name):
    damage, sentence = DAMAGE[name]
    damage(folder, mark)
    with pytest.raises(ValueError, match=sentence) as refused:
        load_policy(folder)
    assert "\n" not in str(refused.value)
    assert str(folder) in str(refused.value)
    assert not mark.exists()


def test_chat_template_that_never_ends_is_refused():
    tokenizer = load_policy("tiny").tokenizer
    loop = "{% for i in range(9**5) %}" * 2 + "{% endfor %}" * 2
    tokenizer.chat_template = loop.replace("i in", "j in", 1).replace("9**5", "2000")
    with pytest.raises(BadModelError, match=r"got nothing after 0\.01 s from that of here"):
        expect_template(tokenizer, "here", limit_s=0.01)


def test_code_of_a_model_runs_only_if_it_is_trusted(with_code, mark, capsys):
    with pytest.raises(ValueError, match="pass --trust-remote-code"):
        load_policy(with_code)
    with pytest.raises(SystemExit):
        evaluate(["--policy", str(with_code), "--limit", "1"])
    assert capsys.readouterr().err.count("\n") == 1
    assert not mark.exists()
    with remote_code(trusted=True):
        load_policy(with_code)
    assert mark.exists()


def test_code_of_the_base_of_an_adapter_runs_only_if_it_is_trusted(with_code, mark, tmp_path):
    LoraBase.load("tiny").add("solver", LoraSettings(rank=1)).save(tmp_path / "adapter")
    change(tmp_path / "adapter" / "adapter_config.json", base_model_name_or_path=str(with_code))
    with pytest.raises(ValueError, match="pass --trust-remote-code"):
        load_team(str(tmp_path / "adapter"), ["solver"], own_copies=False)
    assert not mark.exists()


ADAPTERS = {
    "type": ("adapter_config.json", b'{"peft_type": "EVIL"}', "KeyError"),
    "list": ("adapter_config.json", b"[]", "must hold a JSON object, got list"),
    "base": ("adapter_config.json", b'{"peft_type": "LORA"}', "an adapter must name its base"),
    "text": ("adapter_config.json", b"\xff\xfe{", "must be a JSON file"),
    "header": ("adapter_model.safetensors", b"\xff" * 99, "got SafetensorError"),
    "empty": ("adapter_model.safetensors", b"", "got SafetensorError"),
}


@pytest.mark.parametrize("name", ADAPTERS)
def test_damaged_adapter_is_refused_in_one_sentence(tmp_path, name):
    file, contents, sentence = ADAPTERS[name]
    LoraBase.load("tiny").add("solver", LoraSettings(rank=1)).save(tmp_path)
    (tmp_path / file).write_bytes(contents)
    if name == "type":
        change(tmp_path / file, base_model_name_or_path="tiny")
    with pytest.raises(ValueError, match=sentence) as refused:
        load_team(str(tmp_path), ["solver"], own_copies=False)
    assert "\n" not in str(refused.value)


def test_adapter_with_weights_that_are_no_numbers_is_refused(tmp_path):
    LoraBase.load("tiny").add("solver", LoraSettings(rank=1)).save(tmp_path)
    path = tmp_path / "adapter_model.safetensors"
    weights = load_file(path)
    next(iter(weights.values()))[0] = float("inf")
    save_file(weights, path, metadata={"format": "pt"})
    with pytest.raises(ValueError, match="weights must be finite"):
        load_team(str(tmp_path), ["solver"], own_copies=False)
