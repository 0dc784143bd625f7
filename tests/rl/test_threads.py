from __future__ import annotations

import pytest
import torch
from threadpoolctl import threadpool_info

from baselines.policies.registry import load_policy
from baselines.policies.scripted import ScriptedPolicy
from baselines.policies.threads import VARIABLE, suitable_threads


class Large:
    """A policy whose weights take no memory."""

    module = torch.nn.Linear(10_000, 2_000, device="meta")


def numbers() -> set[int]:
    return {torch.get_num_threads(), *(pool["num_threads"] for pool in threadpool_info())}


@pytest.fixture
def _two_threads(monkeypatch):
    monkeypatch.delenv(VARIABLE, raising=False)
    torch.set_num_threads(2)
    yield
    torch.set_num_threads(1)


@pytest.mark.usefixtures("_two_threads")
def test_small_models_have_one_thread_and_the_former_number_returns():
    before = numbers()
    with suitable_threads([load_policy("tiny"), ScriptedPolicy(["a"])]):
        assert numbers() == {1}
    assert numbers() == before
    assert torch.get_num_threads() == 2


@pytest.mark.usefixtures("_two_threads")
@pytest.mark.parametrize(
    "policies", [[Large()], [Large(), load_policy("tiny")], [ScriptedPolicy(["a"])]]
)
def test_others_keep_their_threads(policies):
    with suitable_threads(policies):
        assert torch.get_num_threads() == 2


@pytest.mark.usefixtures("_two_threads")
def test_the_users_own_number_is_kept(monkeypatch):
    monkeypatch.setenv(VARIABLE, "2")
    with suitable_threads([load_policy("tiny")]):
        assert torch.get_num_threads() == 2
