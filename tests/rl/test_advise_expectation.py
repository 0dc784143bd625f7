"""Which advantages are unbiased, and by which factor: checked against exact gradients of games."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from baselines.advise.candidates import PLAIN, Candidates, Variant
from baselines.advise.efficiency import Pilot
from baselines.advise.expectation import (
    UNBIASED,
    OwnBaseline,
    is_linear,
    own_shares,
    token_weights,
)
from baselines.advise.pilot_data import (
    PilotData,
    batches,
    compacted,
    orthogonal_sketches,
    scaled_to_noise,
    subsampled,
    task_gradients,
)
from baselines.advise.rows import is_degenerate
from baselines.bench.credit.game_pilots import pilot_of
from baselines.bench.credit.games.chain import Chain, make_chain
from baselines.bench.credit.games.vote_game import make_vote
from baselines.credit import ALLOCATORS
from baselines.credit.audit import audit
from baselines.optimizers import OPTIMIZERS

GROUP, SAMPLES = 4, 2


@pytest.fixture(scope="module")
def chain() -> PilotData:
    return pilot_of(
        make_chain(1, np.random.default_rng(0)), 40, GROUP, SAMPLES, np.random.default_rng(1)
    )


@pytest.fixture(scope="module")
def vote() -> PilotData:
    return pilot_of(make_vote(3, np.random.default_rng(0)), 40, GROUP, 1, np.random.default_rng(1))


AFTER_LAST = (("after", "last"),)


@pytest.mark.no_cover
@pytest.mark.parametrize("optimizer", ["grpo", "rloo", "reinforce_pp", "reinforce_pp_baseline"])
def test_unbiased_candidates_have_the_exact_gradient_as_their_mean(optimizer: str) -> None:
    game = make_chain(1, np.random.default_rng(0))
    candidates = Candidates(pilot_of(game, 1200, GROUP, SAMPLES, np.random.default_rng(2)))
    known = [
        own
        for own in candidates.variants(tuple(ALLOCATORS), [optimizer], [GROUP, 2])
        if own.credit in UNBIASED and own.num_samples in (0, SAMPLES)
    ]
    assert len({own.credit for own in known}) == len(UNBIASED)
    for variant in known:
        expect_exact(candidates, variant, game)


@pytest.mark.no_cover
@pytest.mark.parametrize("optimizer", ["grpo", "reinforce_pp"])
def test_more_answers_have_the_exact_gradient_for_two_thinkers(optimizer: str) -> None:
    game = make_chain(2, np.random.default_rng(1))
    candidates = Candidates(pilot_of(game, 1000, GROUP, SAMPLES, np.random.default_rng(2)))
    expect_exact(candidates, Variant("branch", optimizer, GROUP, SAMPLES, AFTER_LAST), game)


def expect_exact(candidates: Candidates, variant: Variant, game: Chain) -> None:
    exact = game.gradient().reshape(-1)
    own = candidates.candidate(variant)
    assert own.expectation == PLAIN, variant
    mean = own.gradients.mean(axis=0)  # (N, P)
    errors = mean.std(axis=0) / np.sqrt(len(mean))
    z = (mean.mean(axis=0) - exact)[errors > 0] / errors[errors > 0]
    assert np.abs(z).max() < 5.0, variant
    # A factor that is wrong by a tenth would be seen in the length of the gradient.
    scale = mean.mean(axis=0) @ exact / (exact @ exact)
    assert scale == pytest.approx(1.0, abs=0.15), variant


def test_factors_by_hand() -> None:
    none, group, others = OwnBaseline(), OwnBaseline("group"), OwnBaseline("others")
    grpo, rloo, plain = OPTIMIZERS["grpo"], OPTIMIZERS["rloo"], OPTIMIZERS["reinforce_pp"]
    np.testing.assert_allclose(own_shares(grpo, none, 4, 2), [0.75, 0.75])
    np.testing.assert_allclose(own_shares(grpo, group, 4, 2), [0.75, 0.75])
    np.testing.assert_allclose(own_shares(grpo, others, 4, 2), [1.0, 0.75])
    np.testing.assert_allclose(own_shares(rloo, none, 4, 2), [1.0, 1.0])
    np.testing.assert_allclose(own_shares(plain, none, 4, 2), [1.0, 1.0])
    np.testing.assert_allclose(own_shares(plain, group, 4, 2), [0.75, 1.0])
    tree = UNBIASED["hierarchical_grpo"]
    np.testing.assert_allclose(own_shares(plain, tree, 4, 3, 3), [0.75, 0.75, 0.75])
    last = UNBIASED["branch after last"]
    np.testing.assert_allclose(own_shares(plain, last, 4, 3), [0.75, 0.75, 1.0])


def test_division_by_a_standard_deviation_is_not_linear() -> None:
    linear = {name for name, optimizer in OPTIMIZERS.items() if is_linear(optimizer)}
    assert {"grpo", "rloo", "reinforce_pp"} <= linear
    assert not linear & {"dapo", "dr_mas"}


def test_baseline_of_several_turns_of_a_role_is_not_that_of_the_turn_alone() -> None:
    agents, apart = ("voter_0", "voter_1"), ("thinker", "solver")
    assert is_linear(OPTIMIZERS["rae"].for_team(agents, apart), 2)
    assert not is_linear(OPTIMIZERS["rae"].for_team(agents, ("voter", "voter")), 2)
    assert is_linear(OPTIMIZERS["grpo"].for_team(agents, ("voter", "voter")), 2)


def test_weights_of_tokens_are_those_of_the_loss() -> None:
    lengths = np.array([[[2, 4]], [[4, 8]]])
    assert token_weights(OPTIMIZERS["grpo"], lengths, [8, 8]).tolist() == [[[1, 1]], [[1, 1]]]
    means = token_weights(OPTIMIZERS["gspo"], lengths, [8, 8])  # one over the length
    np.testing.assert_allclose(means / means[0, 0, 0], 2.0 / lengths)


def test_branch_credit_of_one_rollout_is_not_unbiased(chain: PilotData) -> None:
    own = Candidates(chain).candidate(Variant("branch", "reinforce_pp", 1, SAMPLES))
    assert own.expectation is None


def test_degenerate_credit_has_the_expectation_of_the_reference(vote: PilotData) -> None:
    candidates = Candidates(vote)
    variant = Variant("counterfactual", "dapo", GROUP, 1)
    shared = candidates.candidate(variant.reference)
    assert shared.expectation == variant.reference
    assert candidates.candidate(Variant("shapley", "dapo", GROUP, 1)).expectation is None


def test_multiple_of_a_shared_reward_without_bias_costs_its_tokens(chain: PilotData) -> None:
    # One replay is a success or a failure, and so the bonus a fixed share of the reward.
    candidates, variant = Candidates(chain), Variant("counterfactual", "grpo", GROUP, 1)
    own, shared = (candidates.candidate(each) for each in (variant, variant.reference))
    np.testing.assert_allclose(own.gradients, shared.gradients, atol=1e-9)
    assert own.expectation == shared.expectation == PLAIN
    pilot = Pilot(candidates.unbiased(), expectation=PLAIN, num_resamples=50)
    known = pilot.information(own)
    found = pilot.efficiency(known, pilot.compare(known, pilot.information(shared)))
    ratio = shared.num_tokens[0] / own.num_tokens[0]
    assert ratio < 1.0
    assert (found.value, found.low, found.high) == pytest.approx((ratio, ratio, ratio), rel=1e-6)


@pytest.mark.parametrize("allocator", ["counterfactual", "leave_one_out", "shapley", "branch"])
@pytest.mark.parametrize("optimizer", ["grpo", "reinforce_pp"])
def test_degeneracy_is_that_of_the_audit(chain: PilotData, allocator: str, optimizer: str) -> None:
    candidates = Candidates(chain)
    variant = Variant(allocator, optimizer, GROUP, SAMPLES)
    values, shared = (candidates.advantages(own)[0] for own in (variant, variant.reference))
    found = audit(allocator, optimizer=optimizer, batches=chain.outcomes)
    assert is_degenerate(values, shared) == all(own.degenerate for own in found.values())


def test_in_groups_of_one_the_step_is_one_group() -> None:
    shared = np.array([1.0, -1.0, 2.0]).reshape(1, 3, 1, 1)
    assert is_degenerate(2.0 * shared, shared)
    assert not is_degenerate(shared**2, shared)


def test_variants_are_those_that_the_measurements_allow(vote: PilotData) -> None:
    variants = list(Candidates(vote).variants(tuple(ALLOCATORS), ["grpo", "reinforce_pp"], [4, 1]))
    names = {variant.allocator for variant in variants}
    assert {"shared", "shapley", "leave_one_out", "regression"} <= names
    assert not names & {"branch", "self_evaluation"}  # nobody reads, and nobody rated
    assert {v.group_size for v in variants if v.optimizer == "grpo"} == {4}
    alone = {v.allocator for v in variants if v.group_size == 1}
    assert "shared" in alone
    assert "regression" not in alone  # it refuses a group of one


def test_tokens_count_what_a_variant_samples(chain: PilotData) -> None:
    candidates = Candidates(chain)
    shared = candidates.tokens(Variant("shared", "grpo", 4))
    np.testing.assert_array_equal(shared, 8.0)  # two messages of one token in each rollout
    branch = candidates.tokens(Variant("branch", "grpo", 4, 2))
    np.testing.assert_array_equal(branch, 8.0 + 4 * 2 * 1)
    thinkers = pilot_of(
        make_chain(2, np.random.default_rng(0)), 8, GROUP, SAMPLES, np.random.default_rng(1)
    )
    last = Candidates(thinkers).extra_tokens(Variant("branch", "grpo", 4, 2, AFTER_LAST))
    np.testing.assert_array_equal(last, 4 * 2 * 1)  # an answer; after each turn 4 * 2 * (2 + 1)
    # Two replays without the thinker and two without the solver, once for the task.
    alone = candidates.tokens(Variant("leave_one_out", "grpo", 2, 2))
    np.testing.assert_array_equal(alone, 4.0 + 2 + 2)


def test_subsample_has_the_credit_of_the_smaller_group(chain: PilotData) -> None:
    ((_, batch),) = batches(chain.outcomes)
    part = subsampled(batch, slice(2, 4), 1)
    assert part.team_rewards.shape == (40, 2)
    assert part.branch_rewards is not None
    assert part.removed_rewards is not None
    assert part.branch_rewards["thinker_0"].shape == (40, 2, 1)
    assert {entry.shape for entry in part.removed_rewards.values()} == {(40, 1)}
    values, _ = Candidates(chain).advantages(Variant("shared", "grpo", 2))
    rewards = np.array([own.team_rewards[2:4] for own in chain.outcomes])
    expected = (rewards - rewards.mean(axis=1, keepdims=True)) / 0.5  # divided by 1 - 1/G
    np.testing.assert_allclose(values[1, ..., 0], expected)


def test_gradient_of_a_task_is_the_mean_over_rollouts() -> None:
    rng = np.random.default_rng(0)
    sketches, advantages = rng.normal(size=(3, 4, 2, 5)), rng.normal(size=(3, 4, 2))
    found = task_gradients(sketches, advantages, (0, 1))  # (N, W, P)
    for task, own in np.ndindex(3, 2):
        terms = [advantages[task, g, own] * sketches[task, g, own] for g in range(4)]
        np.testing.assert_allclose(found[task, own], np.mean(terms, axis=0))
    np.testing.assert_allclose(
        task_gradients(sketches, advantages, (0, 0))[:, 0], found.sum(axis=1)
    )


def test_each_set_of_weights_has_unit_noise_under_the_shared_reward(chain: PilotData) -> None:
    apart = replace(chain, weights_of=(0, 1), weights_names=("thinker", "solver"))
    before = Candidates(apart).unbiased().reshape(40, 2, -1)
    after = Candidates(scaled_to_noise(apart, before)).unbiased().reshape(40, 2, -1)
    np.testing.assert_allclose(after.var(axis=0).sum(axis=-1), 1.0)


@pytest.mark.parametrize("weights_of", [(0, 0), (0, 1)])
def test_shorter_sketches_have_the_same_inner_products(
    chain: PilotData, weights_of: tuple[int, int]
) -> None:
    few = replace(chain, weights_of=weights_of, weights_names=("thinker", "solver"))
    sketches = np.random.default_rng(0).normal(size=(3, 2, 2, 50))
    found = compacted(replace(few, sketches=sketches)).sketches
    assert found is not None
    assert found.shape[-1] == (12 if weights_of == (0, 0) else 6)
    for turns in ([0, 1],) if weights_of == (0, 0) else ([0], [1]):
        before, after = (
            own[:, :, turns].reshape(3 * 2 * len(turns), -1) for own in (sketches, found)
        )
        np.testing.assert_allclose(before @ before.T, after @ after.T, atol=1e-9)
    same = compacted(chain).sketches  # fewer numbers than completions
    np.testing.assert_array_equal(same, chain.sketches)


def test_without_gradients_noise_is_the_mean_square_of_the_advantages() -> None:
    sketches = orthogonal_sketches((5, 2, 3), seed=0)
    advantages = np.random.default_rng(0).normal(size=(5, 2, 3))
    own = task_gradients(sketches, advantages, (0, 0, 0))[:, 0]
    np.testing.assert_allclose((own**2).sum(axis=-1), (advantages**2).sum(axis=(1, 2)) / 4.0)
