"""Training on replays: the expected gradient, by enumeration of everything that may be sampled."""

from __future__ import annotations

import itertools
from dataclasses import dataclass, replace

import numpy as np
import pytest
import torch

from baselines.bench.credit.games.chain import Chain, make_chain
from baselines.bench.credit.games.enumeration import enumerated_gradient
from baselines.bench.credit.games.turn_game import IDLE, is_last
from baselines.credit import ALLOCATORS
from baselines.optimizers import OPTIMIZERS
from baselines.optimizers.advantages import no_baseline
from baselines.policies.base import Completion
from baselines.rollouts.groups import Group
from baselines.rollouts.plan import Plan
from baselines.rollouts.rollout import Replays, Rollout, RolloutRequest
from baselines.train.config import TrainConfig
from baselines.train.replay_samples import SampleMaker, advantage_scale
from baselines.train.trainer import Trainer
from baselines.train.update.batching import TrainingSample
from baselines.train.update.updater import Updater
from ccpo_env.topologies.think_solve import think_solve
from ccpo_env.types import Message, Verdict
from tests.rl.teams import NO_THINKER, TASK, write_tasks
from tests.rl.test_groups import TASKS, groups_of
from tests.rl.test_trainer import run
from tests.rl.toy_policy import ToyPolicy

PLAIN = replace(OPTIMIZERS["rloo"], baseline=no_baseline, min_group_size=1, centres_on_group=False)
"""Advantages equal to credit."""
NOBODY: frozenset[str] = frozenset()
NUM_CHOICES = 2


@dataclass(frozen=True)
class Part:
    """One episode of the tree of a group: a rollout, a continuation, or one without agents."""

    rollout: int
    kept: int = 0
    removed: frozenset[str] = NOBODY
    is_replay: bool = False


def tree(game: Chain, size: int, num_branches: int, removals: dict[frozenset[str], int]):
    """All episodes of a group: rollouts first."""
    last = len(game.agents)
    parts = [Part(g) for g in range(size)]
    parts += [
        Part(g, k, is_replay=True)
        for g in range(size)
        for k in range(1, last)
        for _ in range(num_branches)
    ]
    for removed, count in removals.items():
        kept = min(game.agents.index(a) for a in removed)
        owners = range(size) if kept else (0,)
        parts += [Part(g, kept, removed, True) for g in owners for _ in range(count)]
    return parts


def played(game: Chain, parts: list[Part]):
    """Every outcome of a group: choices of each episode, rows of the policy, probability."""
    agents = game.agents
    free = [[t for t in range(p.kept, len(agents)) if agents[t] not in p.removed] for p in parts]
    drawn = np.array(list(itertools.product(range(NUM_CHOICES), repeat=sum(map(len, free)))))
    columns = iter(drawn.T)
    probability = np.ones(len(drawn))
    choices, rows = [], []
    for part, turns in zip(parts, free, strict=True):
        own = np.full((len(drawn), len(agents)), IDLE)
        own[:, : part.kept] = choices[part.rollout][:, : part.kept] if part.kept else IDLE
        for turn in turns:
            own[:, turn] = next(columns)
        read = np.zeros_like(own)
        for turn in turns:
            read[:, turn] = game.rows(turn, own[:, :turn], is_last(own, turn))
            probability *= game.policy[read[:, turn], own[:, turn]]
        choices.append(own)
        rows.append(read)
    return free, choices, rows, probability


def groups_played(game: Chain, parts: list[Part]) -> tuple[list[Group], np.ndarray]:
    """One group per outcome; a completion carries its row, its choice and the outcome."""
    free, choices, rows, probability = played(game, parts)
    rewards = [game.reward(own) for own in choices]

    def completions(place: int, outcome: int) -> tuple[Completion, ...]:
        return tuple(
            Completion(
                str(outcome), (int(rows[place][outcome, t]),), (int(choices[place][outcome, t]),)
            )
            for t in free[place]
        )

    def group(outcome: int) -> Group:
        def verdict(place: int) -> Verdict:
            return Verdict("correct" if rewards[place][outcome] > 0 else "wrong")

        rollouts = tuple(
            Rollout(RolloutRequest(TASK), (), completions(n, outcome), verdict(n))
            for n, part in enumerate(parts)
            if not part.is_replay
        )
        families: dict[tuple[frozenset[str], int, int], list[int]] = {}
        for n, part in enumerate(parts):
            if part.is_replay:
                families.setdefault((part.removed, part.rollout, part.kept), []).append(n)
        replays = tuple(
            Replays(
                removed,
                rollout if kept else None,
                tuple(range(kept)),
                tuple((Message("?", "?"),) for _ in own),
                tuple(verdict(n) for n in own),
                tuple(float(rewards[n][outcome]) for n in own),
                completions=tuple(completions(n, outcome) for n in own),
            )
            for (removed, rollout, kept), own in families.items()
        )
        branches = {
            game.agents[kept - 1]: np.array(
                [
                    [rewards[n][outcome] for n in families[NOBODY, g, kept]]
                    for g in range(len(rollouts))
                ]
            )
            for removed, rollout, kept in families
            if not removed and rollout == 0
        }
        return Group(TASK, rollouts, {}, branches, replays=replays)

    return [group(n) for n in range(len(probability))], probability


def expected_gradient(game, groups, probability, *, allocator, optimizer):
    """Mean over outcomes of sum of weight * advantage * grad log p, and the scale."""
    topology = think_solve(len(game.agents) - 1)
    credit = ALLOCATORS[allocator].many([group.outcomes(game.agents) for group in groups])
    # One step per outcome: the scale of linear advantages does not depend on the outcome.
    advantages = optimizer.advantage(credit)
    scale = advantage_scale(optimizer, credit, advantages)
    maker = SampleMaker(topology, scale, optimizer, [1] * len(game.agents))
    made = maker.samples(groups, advantages, ("thinker", "solver"))
    samples = [sample for own in made.values() for sample in own]
    rows = np.array([sample.completion.prompt_ids[0] for sample in samples])
    chosen = np.array([sample.completion.token_ids[0] for sample in samples])
    worth = np.array(
        [s.advantage * s.weight * probability[int(s.completion.text)] for s in samples]
    )
    gradient = np.zeros_like(game.policy)
    np.add.at(gradient, (rows, chosen), worth)
    np.add.at(gradient, rows, -worth[:, None] * game.policy[rows])
    return gradient, scale


def gradient_without(game: Chain, removed: frozenset[str]) -> np.ndarray:
    """Exact gradient of the expected reward without some agents, by finite enumeration."""
    own = [part for part in tree(game, 1, 0, {removed: 1}) if part.is_replay and not part.kept]
    assert own, "only for agents that speak first"
    _, (choices,), (rows,), probability = played(game, own)
    worth = probability * game.reward(choices)
    total = np.zeros_like(game.policy)
    for turn in range(len(game.agents)):
        if game.agents[turn] not in removed:
            np.add.at(total, (rows[:, turn], choices[:, turn]), worth)
            np.add.at(total, rows[:, turn], -worth[:, None] * game.policy[rows[:, turn]])
    return total


@pytest.mark.parametrize(
    ("num_thinkers", "size", "num_branches", "allocator", "optimizer"),
    [
        (1, 2, 1, "shared", OPTIMIZERS["rloo"]),
        (1, 2, 1, "branch", OPTIMIZERS["grpo"]),
        (1, 1, 3, "shared", PLAIN),
        (2, 1, 2, "shared", PLAIN),
        (3, 1, 1, "shared", PLAIN),
        (2, 2, 1, "branch", OPTIMIZERS["rloo"]),
    ],
)
def test_continuations_keep_the_expected_gradient_of_the_rollouts(
    num_thinkers, size, num_branches, allocator, optimizer
):
    game = make_chain(num_thinkers, np.random.default_rng(5), num_choices=NUM_CHOICES)
    groups, probability = groups_played(game, tree(game, size, num_branches, {}))
    assert probability.sum() == pytest.approx(1.0, abs=1e-12)
    gradient, scale = expected_gradient(
        game, groups, probability, allocator=allocator, optimizer=optimizer
    )
    # The same factor for every turn, so that the gradient of shared parameters is right as well.
    assert np.ptp(scale) <= 1e-12
    expected = size * scale[0] * enumerated_gradient(game)
    np.testing.assert_allclose(gradient, expected, rtol=0, atol=1e-9)
    assert np.abs(expected).max() > 0.01


@pytest.mark.parametrize(("size", "num_removed"), [(1, 2), (2, 2), (2, 3), (3, 2)])
def test_answers_without_an_agent_add_the_gradient_of_the_team_without_it(size, num_removed):
    game = make_chain(1, np.random.default_rng(6), num_choices=NUM_CHOICES)
    parts = tree(game, size, 0, {NO_THINKER: num_removed})
    gradient, _ = expected_gradient(
        game, *groups_played(game, parts), allocator="shared", optimizer=PLAIN
    )
    without = gradient_without(game, NO_THINKER)
    share = min(1.0, num_removed / size)
    expected = size * (enumerated_gradient(game) + share * without)
    np.testing.assert_allclose(gradient, expected, rtol=0, atol=1e-9)
    # It is no multiple of the gradient of the team, whose solver never reads that prompt.
    assert np.abs(without).max() > 0.01
    assert not np.abs(without * enumerated_gradient(game)).any()


def test_an_agent_removed_on_each_rollout_adds_the_gradient_of_what_is_sampled_after_it():
    game = make_chain(2, np.random.default_rng(7), num_choices=NUM_CHOICES)
    removed = frozenset({"thinker_1"})
    groups, probability = groups_played(game, tree(game, 1, 0, {removed: 2}))
    gradient, _ = expected_gradient(game, groups, probability, allocator="shared", optimizer=PLAIN)
    # Of E[R without thinker_1] in the solver's answer to each first thought.
    own = [Part(0), Part(0, 1, removed, True)]
    _, choices, rows, chance = played(game, own)
    without = np.zeros_like(game.policy)
    worth = chance * game.reward(choices[1])
    np.add.at(without, (rows[1][:, 2], choices[1][:, 2]), worth)
    np.add.at(without, rows[1][:, 2], -worth[:, None] * game.policy[rows[1][:, 2]])
    assert np.abs(without).max() > 0.01
    expected = enumerated_gradient(game) + without
    np.testing.assert_allclose(gradient, expected, rtol=0, atol=1e-9)


CREDIT = [np.array([[1.0, 0.0], [-1.0, 2.0], [1.0, -1.0], [1.0, 0.5]]), np.ones((4, 2))]


@pytest.mark.parametrize(
    ("name", "expected"),
    [("grpo", 0.75), ("rloo", 1.0), ("dr_grpo", 0.75)],
)
def test_scale_is_what_a_rollout_counts_beside_the_mean_of_its_group(name, expected):
    method = OPTIMIZERS[name]
    scale = advantage_scale(method, CREDIT, method.advantage(CREDIT))
    np.testing.assert_allclose(scale, [expected, expected], rtol=0, atol=1e-12)
    # Also where no rollout differs from another, so that there is no slope to measure.
    same = [np.ones((4, 2)), np.zeros((4, 2))]
    scale = advantage_scale(method, same, method.advantage(same))
    np.testing.assert_allclose(scale, [expected, expected], rtol=0, atol=1e-12)


def test_scale_of_a_whitened_advantage_is_one_over_the_deviation_of_the_step():
    method = OPTIMIZERS["reinforce_pp"]
    scale = advantage_scale(method, CREDIT, method.advantage(CREDIT))
    deviation = np.concatenate(CREDIT).std(axis=0, ddof=1)
    np.testing.assert_allclose(scale, 1.0 / deviation, rtol=1e-6)
    single = np.split(np.concatenate(CREDIT), 8)  # groups of one rollout
    found = advantage_scale(method, single, method.advantage(single))
    np.testing.assert_allclose(found, scale, rtol=1e-12)
    centred = OPTIMIZERS["reinforce_pp_baseline"]
    advantages = centred.advantage(CREDIT)
    inner = np.concatenate([group - group.mean(axis=0) for group in CREDIT])
    np.testing.assert_allclose(
        advantage_scale(centred, CREDIT, advantages),
        0.75 / inner.std(axis=0, ddof=1),
        rtol=1e-6,
    )


def made_of(
    answers, plan, *, num_thinkers=1, optimizer=PLAIN, limit=9, active=("thinker", "solver")
):
    """The samples of a scripted group of one task, whose gold answer is 2."""
    (group,) = groups_of(answers, plan, num_thinkers=num_thinkers, tasks=TASKS[:1])
    maker = SampleMaker(
        think_solve(num_thinkers),
        np.full(num_thinkers + 1, 2.0),
        optimizer,
        [limit] * (num_thinkers + 1),
    )
    advantages = np.zeros((len(group.rollouts), num_thinkers + 1))
    return maker.samples([group], [advantages], active)


def shown(samples):
    return [(s.completion.text, s.advantage, s.weight) for s in samples]


def test_a_continuation_is_compared_with_the_rollout_and_its_other_continuations():
    plan = Plan(group_size=2, branches=("thinker_0",), num_branches=2, keep_completions=True)
    made = made_of(["2", "9", "9", "2", "9", "?"], plan)
    third = 1 / 2.5  # 2 rollouts and 3 measured continuations: weights 2 / 5 each
    assert shown(made["thinker"]) == [("thought 0", 0.0, 1.0), ("thought 1", 0.0, 1.0)]
    assert shown(made["solver"])[:2] == [("2", 0.0, third), ("9", 0.0, third)]
    # Scale 2. Of the first thought: -1 against 1 and 1, then 1 against 1 and -1; of the second:
    # -1 against the rollout's -1.
    assert shown(made["solver"])[2:] == [("9", -4.0, third), ("2", 2.0, third), ("9", 0.0, third)]
    assert list(made_of(["2", "9"], Plan(group_size=2), active=("solver",))) == ["solver"]


def test_answers_without_an_agent_weigh_at_most_as_much_as_the_rollouts():
    plan = Plan(group_size=2, removals=(NO_THINKER,), num_removed=4, keep_completions=True)
    made = made_of(["2", "9", "2", "9", "9", "9"], plan)
    # 1 against the mean -1 of three others; -1 against -1/3.
    alone = shown(made["solver"])[2:]
    assert alone == [("2", 4.0, 0.5), *[("9", pytest.approx(-4 / 3), 0.5)] * 3]
    assert [weight for _, _, weight in shown(made["solver"])[:2]] == [1.0, 1.0]


def test_a_single_replay_has_a_baseline_only_in_other_rollouts():
    first, second = frozenset({"thinker_0"}), frozenset({"thinker_1"})
    plan = Plan(
        group_size=2,
        removals=(first, second),
        num_removed=1,
        num_branches=1,
        keep_completions=True,
    )
    made = made_of(["2", "9", "2", "9", "2"], plan, num_thinkers=2)
    # Without thinker_1, each rollout is continued once; without thinker_0 there is one episode.
    assert shown(made["solver"])[2:] == [("2", 4.0, 1.0), ("9", -4.0, 1.0)]
    assert len(made["thinker"]) == 4


def test_a_long_replay_is_penalised_as_a_rollout_is():
    plan = Plan(group_size=2, branches=("thinker_0",), num_branches=1, keep_completions=True)
    strict = OPTIMIZERS["dapo"].with_hyperparameters(overlong_weight=1.0, overlong_rate=1.0)
    made = made_of(["2", "9", "2", "99"], plan, optimizer=strict, limit=4)
    # Scale 2 times: 1 - 1 less 1 of 4 tokens; -1 + 1 less 2 of 4.
    assert [advantage for _, advantage, _ in shown(made["solver"])[2:]] == [-0.5, -1.0]


def test_replays_keep_their_completions_only_if_they_are_trained_on():
    plan = Plan(group_size=2, branches=("thinker_0",), num_branches=1)
    for keep in (False, True):
        (group,) = groups_of(
            ["2", "9", "2", "9"], replace(plan, keep_completions=keep), tasks=TASKS[:1]
        )
        assert [bool(own.completions) for own in group.replays] == [keep, keep]


def test_a_sample_of_weight_two_counts_as_two_of_weight_one():
    said = [
        Completion("", (1,), tokens, (-1.0, -1.5, -0.5)[: len(tokens)])
        for tokens in ((2, 3, 3), (4, 3), (5,))
    ]
    samples = [TrainingSample(c, a) for c, a in zip(said, (1.0, -0.5, 2.0), strict=True)]
    heavy = [replace(samples[0], weight=2.0), *samples[1:]]
    gradients = []
    for own in ([samples[0], *samples], heavy, [replace(s, weight=3 * s.weight) for s in heavy]):
        policy = ToyPolicy()
        Updater(
            policy,
            OPTIMIZERS["grpo"],
            learning_rate=1e-3,
            warmup_steps=0,
            max_grad_norm=1e9,
            micro_batch_tokens=100,
        ).update(own)
        gradients.append(torch.cat([p.grad.flatten() for p in policy.module.parameters()]))
    for found in gradients[1:]:
        np.testing.assert_allclose(found, gradients[0], rtol=1e-12)


def test_a_step_of_training_updates_on_all_that_was_sampled(tmp_path, monkeypatch):
    seen = []

    def update(_updater, samples):
        seen.append([sample.weight for sample in samples])
        return {}

    monkeypatch.setattr(Updater, "update", update)
    tasks = write_tasks(tmp_path / "tasks.jsonl", num_train=4, num_test=2)
    config = TrainConfig(
        tasks=str(tasks),
        allocator="branch",
        num_thinkers=2,
        group_size=2,
        branch_samples=1,
        tasks_per_step=2,
        num_eval_tasks=2,
        steps=1,
        train_on="all",
    )
    run(Trainer(config, tmp_path))
    # Of 2 tasks with 2 rollouts: a thinker's first thought, then 2 of the second, 3 answers.
    thoughts, answers = seen
    assert sorted(thoughts) == [0.5] * 8 + [1.0] * 4
    assert answers == [pytest.approx(1 / 3)] * 12
