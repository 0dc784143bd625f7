"""Pilots of games: gradients of mixtures are exact on average, and rows are counted by kind."""

from __future__ import annotations

import numpy as np
import pytest

from baselines.advise.candidates import Candidates, Variant
from baselines.advise.efficiency import Efficiency
from baselines.bench.credit.game_pilots import exact_gradient, mixture_pilot, pilot_of
from baselines.bench.credit.games.chain import make_chain
from baselines.bench.credit.pilots import Counts, PilotRow, Truth
from baselines.bench.credit.pilots_command import GAMES, _json_of, by_credit, by_kind
from baselines.bench.map.mixture import chain_mixture, single


def test_pilot_of_one_task_is_that_of_its_game() -> None:
    game = make_chain(1, np.random.default_rng(0))
    mixture = single(game)
    np.testing.assert_allclose(exact_gradient(mixture), game.gradient().reshape(-1))
    own = mixture_pilot(mixture, 10, 4, 2, np.random.default_rng(1))
    assert len(own.outcomes) == 10
    assert own.sketches is not None
    assert own.sketches.shape == (10, 4, 2, game.policy.size)
    one = pilot_of(game, 10, 4, 2, np.random.default_rng(1))
    assert own.removed_tokens.keys() == one.removed_tokens.keys()


def test_pilot_of_a_mixture_has_its_exact_gradient_as_mean() -> None:
    mixture = chain_mixture(1, need=0.5, skill=0.3)
    data = mixture_pilot(mixture, 2000, 4, 1, np.random.default_rng(0))
    gradients = Candidates(data).unbiased()
    exact = exact_gradient(mixture)
    assert gradients.shape == (2000, mixture.policy.size)
    errors = gradients.std(axis=0) / np.sqrt(2000)
    assert (np.abs(gradients.mean(axis=0) - exact) < 4.5 * errors).all()
    assert np.linalg.norm(exact) > 4.0 * np.linalg.norm(errors)


def test_a_rare_need_leaves_few_tasks_with_a_gradient() -> None:
    mixture = GAMES["rarely_needed_reliable"](np.random.default_rng(0))
    data = mixture_pilot(mixture, 200, 8, 1, np.random.default_rng(0))
    share = (Candidates(data).unbiased() != 0.0).any(axis=1).mean()
    assert 0.0 < share < 0.12


def test_rows_are_counted_by_kind_and_credit() -> None:
    known = Efficiency(value=1.0, low=0.5, high=2.0, signal=0.0, signal_error=1.0, noise=1.0)
    unknown = Efficiency(signal=0.0, signal_error=1.0, noise=1.0)

    def row(
        credit: str, found: Efficiency, true: float, is_like: bool, is_strong: bool
    ) -> PilotRow:
        variant = Variant(credit, "grpo", 8)
        return PilotRow(
            variant=variant, found=found, true=true, is_like=is_like, is_strong=is_strong
        )

    rows = [
        row("branch", known, 1.5, True, True),
        row("branch", known, 3.0, True, False),
        row("c3", unknown, 1.0, True, True),
        row("shapley", known, 2.0, False, False),
    ]
    counts = by_kind(rows)
    assert counts["like"] == Counts(3, 2, 1, 2, 1)
    assert counts["projected"] == Counts(1, 1, 1, 0, 0)
    assert (counts["like"].coverage, counts["like"].power) == pytest.approx((0.5, 0.5))
    assert counts["projected"].power is None
    assert counts["all"].rows == 4
    written = _json_of(rows)
    assert written["like"]["coverage"] == pytest.approx(0.5)
    assert written["credit"]["shapley"]["projected"]["covered"] == 1
    assert {name: len(own) for name, own in by_credit(rows).items()} == {
        "branch": 2,
        "c3": 1,
        "shapley": 1,
    }


def test_level_of_no_gradient_is_zero() -> None:
    none = Truth(along=0.0, noise=0.0, tokens=4.0, effective_share=0.0)
    assert none.level == 0.0
    some = Truth(along=0.5, noise=2.0, tokens=4.0, effective_share=0.5)
    assert some.level == pytest.approx(0.25 / 8.0)
