from __future__ import annotations

import errno
import sys
from types import SimpleNamespace

import pytest
import yaml

from baselines.common.errors import StorageError
from baselines.common.stats import proportion
from baselines.policies.local.lora import LoraBase, LoraSettings
from baselines.policies.registry import load_policy
from baselines.policies.team import TEAM, load_team
from baselines.train import model_card
from baselines.train.model_card import HubError, ModelCard, push_to_hub, save_model
from tests.rl.policies import first_logits

ROLES = ("thinker", "solver")
CONFIG = {
    "policy": "tiny",
    "topology": "think_solve",
    "allocator": "branch",
    "allocator_args": {},
    "optimizer": "dapo",
    "optimizer_args": {"clip_low": "0.1"},
    "role_policies": {},
    "weights": "separate",
    "lora_rank": 4,
    "tasks": "/home/someone/secret folder/sums.jsonl",
    "tasks_per_step": 32,
    "group_size": 8,
    "learning_rate": 5e-4,
    "seed": 3,
}
SUMMARY = {
    "steps_done": 80,
    "initial": {
        "joint": {"successes": 160, "total": 400},
        "without": {"thinker_0": {"successes": 100, "total": 400}},
    },
    "final": {
        "joint": {"successes": 380, "total": 400},
        "without": {"thinker_0": {"successes": 0, "total": 0}},
    },
    "audit": {
        "thinker_0": {
            "slope": 0.25,
            "correlation": 0.5,
            "degenerate": False,
            "signal_rate": 1.0,
        }
    },
}


def card(**changes) -> ModelCard:
    config = {**CONFIG, **changes.pop("config", {})}
    settings = {"summary": SUMMARY, "folders": ROLES, **changes}
    return ModelCard(config=config, **settings)


def header(text) -> dict:
    _, block, _ = text.split("---\n", 2)
    return yaml.safe_load(block)


def test_card_tells_what_the_models_were_trained_with():
    text = card().render()
    for row in (
        "| credit | branch |",
        "| optimizer | dapo clip_low=0.1 |",
        "| started from | tiny |",
        "| tasks | sums.jsonl |",
        "| steps | 80 |",
        "| learning rate | 0.0005 |",
    ):
        assert row in text
    assert "thinker_0 | differs from that of shared credit | 0.500 | 0.250 |" in text


def test_card_gives_accuracy_with_its_interval():
    text, share = card().render(), proportion(380, 400)
    assert (
        f"| whole team, after training | 0.950 | [{share.low:.3f}, {share.high:.3f}] | 400 |"
    ) in text
    assert "| whole team, before training | 0.400 |" in text
    assert "| without thinker_0, after training | not measured |  | 0 |" in text


def test_card_says_nothing_of_the_folders_of_a_machine():
    policy = "/home/someone/secret folder/model"
    text = card(config={"policy": policy, "role_policies": {"solver": policy}}).render()
    assert "secret" not in text
    assert "| solver started from | model |" in text


@pytest.mark.parametrize(
    ("policy", "base", "expected"),
    [
        ("tiny", None, {"library_name": "transformers"}),
        ("Qwen/Qwen2.5-1.5B", None, {"base_model": "Qwen/Qwen2.5-1.5B"}),
        ("tiny", "Qwen/Qwen3-8B", {"library_name": "peft", "base_model": "Qwen/Qwen3-8B"}),
        ("tiny", "tiny", {"library_name": "peft", "pipeline_tag": "text-generation"}),
    ],
)
def test_header_is_yaml_that_the_hub_knows(policy, base, expected):
    fields = header(card(config={"policy": policy}, base=base).render())
    assert fields.items() >= expected.items()
    assert ("base_model" in fields) == ("base_model" in expected)
    assert fields["tags"] == ["ccpo", "multi-agent", "credit-assignment", "branch", "dapo"]


def test_card_survives_names_that_mean_something_in_yaml_and_markdown():
    odd = "a: [b] | c\n---\nd"
    text = card(config={"allocator": odd, "allocator_args": {"weight": "1|2"}}).render()
    assert header(text)["tags"][3] == odd
    (row,) = [line for line in text.splitlines() if line.startswith("| credit")]
    assert row == "| credit | a: [b] \\| c --- d weight=1\\|2 |"


def test_card_of_an_unfinished_audit_has_no_empty_tables():
    summary = {**SUMMARY, "initial": None, "final": None, "audit": {}}
    text = card(summary=summary).render()
    assert "Accuracy" not in text
    assert "Does the credit" not in text


def code_of(text) -> str:
    return text.partition("```python\n")[2].partition("```")[0]


@pytest.mark.parametrize("kind", ["separate", "lora", "shared"])
def test_save_model_writes_what_its_card_and_load_team_read(tmp_path, monkeypatch, kind):
    if kind == "separate":
        policies = {role: load_policy("tiny") for role in ROLES}
    elif kind == "shared":
        policies = {TEAM: load_policy("tiny")}
    else:
        base = LoraBase.load("tiny")
        policies = {role: base.add(role, LoraSettings(rank=4)) for role in ROLES}
    config = {**CONFIG, "weights": kind}
    folder = save_model(tmp_path, policies, config=config, summary=SUMMARY)
    assert sorted(p.name for p in tmp_path.iterdir()) == ["model"]
    assert sorted(p.name for p in folder.iterdir()) == sorted(["README.md", *policies])
    team = load_team(str(folder), ROLES, own_copies=False)
    monkeypatch.chdir(tmp_path)
    for name, policy in policies.items():
        role = "solver" if name == TEAM else name
        assert (first_logits(team[role]) == first_logits(policy)).all()
        text = (folder / name / "README.md").read_text(encoding="utf-8")
        assert header(text)["library_name"] == ("peft" if kind == "lora" else "transformers")
        found: dict = {}
        with pytest.warns() if kind == "lora" else monkeypatch.context():
            exec(code_of(text), found)
        loaded = SimpleNamespace(module=found["model"], tokenizer=policy.tokenizer)
        assert (first_logits(loaded) - first_logits(policy)).abs().max() < 1e-4


def test_save_model_replaces_the_models_of_before_and_keeps_them_on_a_full_disk(
    tmp_path, monkeypatch
):
    policies = {TEAM: load_policy("tiny")}
    save_model(tmp_path, policies, config=CONFIG, summary=SUMMARY)
    later = {**SUMMARY, "steps_done": 90}
    with monkeypatch.context() as patch:

        def fail(_path, _text):
            raise OSError(errno.ENOSPC, "No space left on device")

        patch.setattr(model_card, "write_text", fail)
        with pytest.raises(StorageError, match="the trained models must be written"):
            save_model(tmp_path, policies, config=CONFIG, summary=later)
    card_of_before = (tmp_path / "model" / "README.md").read_text(encoding="utf-8")
    assert "| steps | 80 |" in card_of_before
    assert [p.name for p in tmp_path.iterdir()] == ["model"]
    save_model(tmp_path, policies, config=CONFIG, summary=later)
    assert "| steps | 90 |" in (tmp_path / "model" / "README.md").read_text(encoding="utf-8")


class FakeApi:
    """Remembers what it was asked for, or cannot be reached."""

    calls: list = []  # noqa: RUF012  one for all, as the function makes its own
    failure: Exception | None = None

    def create_repo(self, name, **options):
        if self.failure is not None:
            raise self.failure
        self.calls.append((name, options))

    def upload_folder(self, *, repo_id, folder_path):
        self.calls.append((repo_id, folder_path))
        return f"https://example.org/{repo_id}"


@pytest.fixture
def api(monkeypatch):
    monkeypatch.setattr(FakeApi, "calls", [])
    monkeypatch.setattr("huggingface_hub.HfApi", FakeApi)
    return FakeApi


def test_push_to_hub_uploads_the_folder_to_a_private_repository(api, tmp_path):
    assert push_to_hub(tmp_path, "me/team") == "https://example.org/me/team"
    created, uploaded = api.calls
    assert created == ("me/team", {"private": True, "exist_ok": True})
    assert uploaded == ("me/team", tmp_path)


def failures():
    from huggingface_hub.errors import HfHubHTTPError, HFValidationError, OfflineModeIsEnabled

    transport = HfHubHTTPError.__bases__[0]
    return [
        OfflineModeIsEnabled("offline\nmode"),
        HFValidationError("no such name"),
        transport("no route to host"),
    ]


@pytest.mark.parametrize("failure", failures(), ids=lambda failure: type(failure).__name__)
def test_push_to_hub_says_in_one_sentence_why_it_failed_and_where_the_models_are(
    api, monkeypatch, tmp_path, failure
):
    monkeypatch.setattr(api, "failure", failure)
    with pytest.raises(HubError) as error:
        push_to_hub(tmp_path, "me/team")
    text = str(error.value)
    assert text.startswith(
        f"the hub must take the models as 'me/team', got {type(failure).__name__}"
    )
    assert f"they are in {tmp_path}" in text
    assert "\n" not in text


def test_push_to_hub_says_what_to_install(monkeypatch, tmp_path):
    monkeypatch.setitem(sys.modules, "huggingface_hub", None)
    with pytest.raises(ImportError, match="pip install huggingface_hub"):
        push_to_hub(tmp_path, "me/team")
