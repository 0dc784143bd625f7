"""Hyperparameters of the optimizers, and what single methods do beyond the contract."""

from __future__ import annotations

import numpy as np
import pytest

from baselines.optimizers import OPTIMIZERS, Hyperparameters
from baselines.optimizers.advantages import whiten_tokens

every_optimizer = pytest.mark.parametrize("name", OPTIMIZERS)


def test_published_defaults() -> None:
    clips = {
        n: (m.hyperparameters.clip_low, m.hyperparameters.clip_high) for n, m in OPTIMIZERS.items()
    }
    for name in ("rloo", "magrpo", "rae"):
        del clips[name]  # have none
    assert clips.pop("gspo") == (3e-4, 4e-4)
    assert clips.pop("dapo") == (0.2, 0.28)
    assert set(clips.values()) == {(0.2, 0.2)}
    assert {n for n, m in OPTIMIZERS.items() if m.hyperparameters.std} == {
        "dapo",
        "dr_mas",
        "at_grpo",
    }
    assert {n for n, m in OPTIMIZERS.items() if m.hyperparameters.dual_clip} == {"grpo"}
    assert {n for n, m in OPTIMIZERS.items() if m.min_group_size == 1} == {"reinforce_pp", "rae"}
    assert {n: m.hyperparameters.aggregation for n, m in OPTIMIZERS.items()} == {
        "grpo": "token_mean",
        "dr_grpo": "constant",
        "dapo": "token_mean",
        "gspo": "completion_token_mean",
        "rloo": "completion_token_sum",
        "reinforce_pp": "token_mean",
        "reinforce_pp_baseline": "token_mean",
        "magrpo": "completion_token_sum",
        "dr_mas": "token_mean",
        "at_grpo": "token_mean",
        "rae": "completion_token_sum",
    }


@every_optimizer
def test_with_hyperparameters_changes_a_copy(name: str) -> None:
    method = OPTIMIZERS[name].with_hyperparameters(kl_weight=0.125)
    assert method.hyperparameters.kl_weight == 0.125
    assert OPTIMIZERS[name].hyperparameters.kl_weight == 0.0
    assert method.name == name


def test_with_hyperparameters_refuses_a_name_the_method_does_not_have() -> None:
    with pytest.raises(
        ValueError, match=r"unknown hyperparameter 'gamma' of optimizer 'rloo'; avail"
    ):
        OPTIMIZERS["rloo"].with_hyperparameters(gamma=0.9)


def test_an_error_names_the_default_of_the_method() -> None:
    with pytest.raises(ValueError, match=r"^clip_high must be >= 0, got -1; .* default, 0.28$"):
        OPTIMIZERS["dapo"].with_hyperparameters(clip_high=-1)
    with pytest.raises(ValueError, match=r"^gamma must lie in \[0, 1\], got 2"):
        Hyperparameters(gamma=2)


@every_optimizer
def test_every_hyperparameter_can_be_set_to_what_it_is_as_text(name: str) -> None:
    method = OPTIMIZERS[name]
    texts = {
        hyperparameter: str(getattr(method.hyperparameters, hyperparameter))
        for hyperparameter in method.tunable
    }
    assert method.read_hyperparameters(texts) == method


@pytest.mark.parametrize(
    ("name", "texts", "field", "value"),
    [
        ("grpo", {"clip_low": "0.1"}, "clip_low", 0.1),
        ("grpo", {"dual_clip": "none"}, "dual_clip", None),
        ("grpo", {"std": "True"}, "std", True),
        ("dapo", {"drop_equal_groups": "false"}, "drop_equal_groups", False),
        ("gspo", {"aggregation": "token_mean"}, "aggregation", "token_mean"),
        ("reinforce_pp", {"gamma": "0.99"}, "gamma", 0.99),
    ],
)
def test_read_hyperparameters_reads_text(
    name: str, texts: dict[str, str], field: str, value
) -> None:
    found = getattr(OPTIMIZERS[name].read_hyperparameters(texts).hyperparameters, field)
    assert found == value
    assert type(found) is type(value)


@pytest.mark.parametrize(
    ("name", "texts", "message"),
    [
        (
            "grpo",
            {"clip_hi": "1"},
            r"unknown hyperparameter 'clip_hi' .*; did you mean 'clip_high'\?",
        ),
        (
            "rloo",
            {"clip_low": "1"},
            r"unknown hyperparameter .* of optimizer 'rloo'; available: aggregation, ",
        ),
        (
            "gspo",
            {"dual_clip": "3"},
            r"unknown hyperparameter .* of optimizer 'gspo'; available: aggregation, ",
        ),
        (
            "dr_grpo",
            {"std": "true"},
            r"unknown hyperparameter .* of optimizer 'dr_grpo'; available: aggregation, ",
        ),
        (
            "grpo",
            {"clip_low": "lots"},
            r"^clip_low must be a number, got 'lots'; leave it out for",
        ),
        ("grpo", {"clip_low": "none"}, r"^clip_low must be a number, got 'none'"),
        ("grpo", {"clip_low": "true"}, r"^clip_low must be a number, got 'true'"),
        ("grpo", {"std": "1"}, r"^std must be true or false, got '1'"),
        ("grpo", {"std": "none"}, r"^std must be true or false, got 'none'"),
        (
            "grpo",
            {"clip_low": "1.5"},
            r"^clip_low must lie in \[0, 1\], got 1.5; leave it",
        ),
        ("grpo", {"clip_high": "nan"}, r"^clip_high must be >= 0, got nan"),
        ("grpo", {"kl_weight": "inf"}, r"^kl_weight must be >= 0 and finite, got inf"),
        (
            "grpo",
            {"kl_estimator": "k4"},
            r"^unknown kl_estimator 'k4'; available: k1, k2, k3",
        ),
        (
            "grpo",
            {"aggregation": "mean"},
            r"^unknown aggregation '.*'; available: completion_token_mean",
        ),
        (
            "dapo",
            {"overlong_rate": "0"},
            r"^overlong_rate must lie in \(0, 1\], got 0",
        ),
    ],
)
def test_read_hyperparameters_refuses_what_it_cannot_use(
    name: str, texts: dict[str, str], message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        OPTIMIZERS[name].read_hyperparameters(texts)


@pytest.mark.parametrize("rewards", [[1.0, 1.0], [-1.0, -1.0, -1.0]])
def test_dapo_drops_groups_of_equal_rewards_and_no_other_method_does(rewards) -> None:
    kept = {name for name, method in OPTIMIZERS.items() if method.keeps(np.array(rewards))}
    assert kept == set(OPTIMIZERS) - {"dapo"}
    assert OPTIMIZERS["dapo"].keeps(np.array([*rewards, 0.5]))
    assert OPTIMIZERS["dapo"].with_hyperparameters(drop_equal_groups=False).keeps(np.array(rewards))


def test_dapo_takes_off_credit_for_length_by_hand() -> None:
    # Of 20 tokens the last fifth, 4, costs: 16 nothing, 17 a quarter, 20 all.
    credit = np.ones((5, 1))
    lengths = np.array([[3], [16], [17], [20], [25]])
    shaped = OPTIMIZERS["dapo"].shape(credit, lengths, 20)
    np.testing.assert_allclose(shaped[:, 0], [1.0, 1.0, 0.75, 0.0, 0.0], rtol=0, atol=1e-12)
    assert (credit == 1.0).all()


@every_optimizer
def test_shape_leaves_credit_alone_without_a_limit_or_a_penalty(name: str) -> None:
    credit, lengths = np.ones((2, 1)), np.array([[9], [10]])
    np.testing.assert_array_equal(OPTIMIZERS[name].shape(credit, lengths, None), credit)
    if name != "dapo":
        np.testing.assert_array_equal(OPTIMIZERS[name].shape(credit, lengths, 10), credit)


def test_reinforce_pp_with_a_discount_prefers_late_tokens_of_a_good_completion() -> None:
    method = OPTIMIZERS["reinforce_pp"].with_hyperparameters(gamma=0.5)
    assert method.is_per_token
    step, counts = [np.array([[1.0], [-1.0]])], [np.array([[3], [2]])]
    (found,) = method.token_advantage(step, counts)
    returns = [np.array([[[0.25, 0.5, 1.0]], [[-0.5, -1.0, 0.0]]])]
    np.testing.assert_allclose(found, whiten_tokens(returns, counts)[0], rtol=0, atol=1e-12)


def test_reinforce_pp_charges_kl_to_the_tokens_up_to_it() -> None:
    method = OPTIMIZERS["reinforce_pp"].with_hyperparameters(reward_kl=0.5)
    step, counts = [np.array([[1.0], [1.0]])], [np.array([[2], [2]])]
    kl = [np.array([[[0.0, 2.0]], [[0.0, 0.0]]])]
    (found,) = method.token_advantage(step, counts, kl)
    # returns 0, 0 and 1, 1: mean 1/2, variance 1/3
    expected = np.array([[-0.5, -0.5], [0.5, 0.5]]) / np.sqrt(1 / 3)
    np.testing.assert_allclose(found[:, 0], expected, rtol=1e-7)
    with pytest.raises(ValueError, match=r"kl must be given if reward_kl is above 0, got None"):
        method.token_advantage(step, counts)
