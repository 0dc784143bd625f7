"""The signal game in arrays against the environment that it stands for, and against sampling."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from stable_baselines3.common.vec_env import VecMonitor

from baselines.credit import ALLOCATORS
from baselines.train_sb3.exact_values import message_values, worth
from baselines.train_sb3.game import MISSING, MIXES, SignalGame, Tasks, draw
from baselines.train_sb3.measured_credit import (
    MEANINGFUL,
    CreditPlan,
    CreditSource,
    Rollouts,
    rewards_without,
    unbatched,
)
from baselines.train_sb3.signal_to_noise import spread
from baselines.train_sb3.vec_env import SignalVecEnv
from ccpo_env.signal import DIFFICULTIES, SignalEnv, SignalTask

SHARED = CreditPlan()


def random_table(shape, rng):
    return rng.dirichlet(np.full(shape[1], 0.5), size=shape[0])


def tables(game, seed=0):
    rng = np.random.default_rng(seed)
    thinker = random_table((game.num_rows[0], game.num_messages), rng)
    return thinker, random_table((game.num_rows[1], game.num_answers), rng)


def task_at(tasks, index):
    first, second, difficulty = (
        int(field[index]) for field in (tasks.first, tasks.second, tasks.difficulty)
    )
    return SignalTask(first, second, DIFFICULTIES[difficulty])


def inverse_cdf(probabilities, coin):
    """Walk along the bar of probabilities until the coin is used up."""
    for choice, probability in enumerate(probabilities[:-1]):
        if coin < probability:
            return choice
        coin -= probability
    return len(probabilities) - 1


def row_of(observations, seen):
    return int(np.flatnonzero((observations == seen).all(axis=1))[0])


def play(env, game, task, *, solver=None, coin=None, symbols=None, answer=None, removed=()):
    """Play the environment by hand; a solver without an answer looks its row up in its table."""
    env.reset(options={"task": task, "removed": list(removed)})
    seen = {}
    for agent in env.agent_iter():
        observation, _, terminated, truncated, _ = env.last()
        if terminated or truncated:
            env.step(None)
            continue
        seen[agent] = observation
        if agent == "thinker_0":
            env.step(symbols)
        elif answer is not None:
            env.step(answer)
        else:
            env.step(inverse_cdf(solver[row_of(game.solver_observations, observation)], coin))
        reward = dict(env.rewards)
    return seen, next(iter(reward.values()))


@pytest.mark.parametrize("mix", MIXES)
def test_vec_env_equals_the_environment_rollout_for_rollout_for_a_thinker(mix):
    game, env = SignalGame(MIXES[mix]), SignalEnv(mix=MIXES[mix])
    solver = tables(game)[1]
    vec = SignalVecEnv(game, role="thinker", partner=solver, plan=SHARED, num_envs=64, seed=5)
    rng = np.random.default_rng(0)
    observations = vec.reset()
    for _ in range(4):
        tasks, coins = vec.tasks, vec.coins[:, 0]
        actions = rng.integers(0, 3, size=(64, 2))
        following, rewards, dones, infos = vec.step(actions)
        assert dones.all()
        for index in range(64):
            task, coin = task_at(tasks, index), coins[index]
            seen, reward = play(env, game, task, solver=solver, coin=coin, symbols=actions[index])
            assert_array_equal(seen["thinker_0"], observations[index])
            assert reward == rewards[index] == infos[index]["team"]
            _, alone = play(env, game, task, solver=solver, coin=coin, removed=["thinker_0"])
            assert alone == infos[index]["alone"]
        observations = following


def test_vec_env_equals_the_environment_rollout_for_rollout_for_a_solver():
    game, env = SignalGame(), SignalEnv()
    thinker = game.expert_thinker(silence=0.5)
    vec = SignalVecEnv(game, role="solver", partner=thinker, plan=SHARED, num_envs=96, seed=2)
    observations = vec.reset()
    tasks, messages = vec.tasks, vec._messages[:, 0]
    answers = np.random.default_rng(1).integers(0, 4, size=96)
    _, rewards, _, infos = vec.step(answers)
    assert 20 < (messages == 0).sum() < 76  # half of them silent
    for index in range(96):
        task, symbols = task_at(tasks, index), game.symbols[messages[index]]
        seen, reward = play(env, game, task, symbols=symbols, answer=int(answers[index]))
        assert_array_equal(seen["solver_0"], observations[index])
        assert reward == rewards[index]
        _, without = play(env, game, task, symbols=symbols, removed=["solver_0"])
        assert without == infos[index]["alone"]


def test_expert_tables_are_the_experts_of_the_environment():
    game, env = SignalGame(), SignalEnv()
    answers = [env.expert_answer(seen) for seen in game.solver_observations]
    assert_array_equal(game.expert_solver(guesses=False), np.eye(4)[answers])
    symbols = np.array([env.expert_symbols(seen) for seen in game.thinker_observations])
    assert_array_equal(game.expert_thinker(), np.eye(9)[game.messages(symbols)])


def test_observations_of_rows_differ_and_are_found_again():
    game = SignalGame()
    assert len(np.unique(game.thinker_observations, axis=0)) == game.num_rows[0] == 16
    # a missing message differs from silence, and a hidden number from each that is seen
    assert len(np.unique(game.solver_observations, axis=0)) == game.num_rows[1] == 4 * 5 * 10


def test_tasks_are_drawn_at_the_rates_of_the_mix():
    game = SignalGame(MIXES["rare"])
    tasks = game.draw_tasks(40_000, np.random.default_rng(0))
    rates = np.bincount(tasks.difficulty, minlength=3) / 40_000
    assert_allclose(rates, [0.80, 0.05, 0.15], atol=0.01)  # 5 standard errors
    pairs = np.bincount(tasks.first * 4 + tasks.second, minlength=16) / 40_000
    assert_allclose(pairs, 1 / 16, atol=0.006)


@pytest.mark.parametrize("mix", MIXES)
def test_exact_contribution_equals_the_mean_of_many_rollouts(mix):
    game = SignalGame(MIXES[mix])
    thinker, solver = tables(game, seed=1)
    found = worth(game, thinker, solver)
    rng = np.random.default_rng(2)
    tasks = game.draw_tasks(200_000, rng)
    messages = draw(thinker[game.thinker_rows(tasks)], rng.random(200_000))
    coins = rng.random(200_000)
    answers = draw(solver[game.solver_rows(tasks, messages)], coins)
    team = game.rewards(tasks, answers)
    alone = game.rewards(tasks, draw(solver[game.solver_rows(tasks, np.array(MISSING))], coins))
    spelled = game.rewards(tasks, game.spelled[messages])
    for role, gain in (("thinker", team - alone), ("solver", team - spelled)):
        error = gain.std() / np.sqrt(len(gain))
        assert abs(gain.mean() - found.contribution(role)) < 4 * error
    assert abs(team.mean() - found.team) < 4 * team.std() / np.sqrt(len(team))


def test_worth_of_experts_by_hand():
    # Alone the solver answers the easy .6 and guesses 1/4 of the hard .15; with a hint it has both.
    found = worth(SignalGame(), SignalGame().expert_thinker(), SignalGame().expert_solver())
    assert found.without_thinker == pytest.approx(2 * (0.6 + 0.15 / 4) - 1)
    assert found.team == pytest.approx(2 * 0.75 - 1)
    assert found.ceiling("thinker") == pytest.approx(0.225)
    assert found.share("thinker") == pytest.approx(1.0)


def test_ceilings_are_reached_by_the_best_reply_and_by_no_other_policy():
    game = SignalGame()
    thinker, solver = tables(game, seed=4)
    found = worth(game, thinker, solver)
    best = message_values(game, solver)[:, :-1].argmax(axis=1)
    assert worth(game, np.eye(9)[best], solver).share("thinker") == pytest.approx(1.0)
    replies = [worth(game, thinker, tables(game, seed=s)[1]) for s in range(5, 15)]
    assert max(reply.team for reply in replies) < found.best_solver
    teams = [worth(game, tables(game, seed=s)[0], solver).team for s in range(5, 15)]
    assert max(teams) < found.best_thinker


def test_best_solver_is_the_one_that_improves_on_every_row():
    """A solver of one answer a row, changed greedily row by row, ends at the ceiling."""
    game = SignalGame()
    thinker = game.expert_thinker(silence=0.5)
    table = np.eye(4)[np.zeros(game.num_rows[1], dtype=int)]
    for row in range(len(table)):
        replies = [np.where(np.arange(len(table))[:, None] == row, e, table) for e in np.eye(4)]
        table = max(replies, key=lambda reply: worth(game, thinker, reply).team)
    assert worth(game, thinker, table).team == pytest.approx(
        worth(game, thinker, table).best_solver
    )


def rollouts_of(game, solver, *, num_groups=12, group_size=4, seed=0):
    rng = np.random.default_rng(seed)
    tasks = game.draw_tasks(num_groups, rng)
    each = tasks.repeat(group_size)
    messages = rng.integers(0, game.num_messages, size=(num_groups, group_size))
    coins = rng.random((num_groups, group_size))
    answers = draw(solver[game.solver_rows(each, messages)], coins)
    return Rollouts(tasks, coins, messages, answers, game.rewards(each, answers))


@pytest.mark.parametrize("replay", ["same_coin", "fresh", "task"])
@pytest.mark.parametrize("allocator", MEANINGFUL)
def test_credit_equals_the_allocator_on_checked_groups(allocator, replay):
    game = SignalGame()
    solver = game.expert_solver()
    rollouts = rollouts_of(game, solver)
    plan = CreditPlan(allocator=allocator, replay=replay, num_samples=2)
    credit = CreditSource(game, plan, np.random.default_rng(7)).credit(rollouts, solver)
    again = CreditSource(game, plan, np.random.default_rng(7))
    groups = unbatched(again.measured(rollouts, solver))
    expected = [ALLOCATORS[allocator](group, **plan.all_hyperparameters) for group in groups]
    assert_allclose(credit, np.stack(expected), atol=1e-12)


def test_same_coin_gives_no_credit_to_what_changes_nothing():
    game = SignalGame()
    solver = game.expert_solver()
    rollouts = rollouts_of(game, solver, num_groups=200)
    source = CreditSource(game, CreditPlan(allocator="leave_one_out"), np.random.default_rng(0))
    credit = source.credit(rollouts, solver)[..., 0]
    alone = rewards_without(game, rollouts, solver, "thinker")
    assert_array_equal(credit, rollouts.rewards - alone)
    is_hard = rollouts.tasks.difficulty == DIFFICULTIES.index("hard")
    assert not credit[~is_hard].any()
    silent = game.spelled[rollouts.messages] == MISSING
    assert not credit[silent].any()  # the solver guesses as it would alone
    assert credit[is_hard].any()


@pytest.mark.parametrize("replay", ["same_coin", "fresh", "task"])
def test_removal_credit_prefers_a_message_as_much_as_the_reward_does(replay):
    """Unbiased: the difference between two messages is that of the reward, in expectation."""
    game = SignalGame()
    solver = game.expert_solver()
    num = 60_000
    hard = np.full(num, DIFFICULTIES.index("hard"))
    tasks = Tasks(np.zeros(num, int), np.full(num, 2), hard)
    rng = np.random.default_rng(0)
    right = int(game.expert_thinker()[2].argmax())
    means = []
    for message in (right, 0):
        messages, coins = np.full((num, 1), message), rng.random((num, 1))
        answers = draw(solver[game.solver_rows(tasks.repeat(1), messages)], coins)
        rewards = game.rewards(tasks.repeat(1), answers)
        plan = CreditPlan(allocator="leave_one_out", replay=replay)
        source = CreditSource(game, plan, np.random.default_rng(1))
        rollouts = Rollouts(tasks, coins, messages, answers, rewards)
        means.append(source.credit(rollouts, solver)[..., 0].mean())
    assert means[0] - means[1] == pytest.approx(1.5, abs=0.03)  # always right, or 1/4 of the time


def test_a_removal_measured_for_the_task_cancels_in_a_group_baseline():
    game = SignalGame()
    solver = game.expert_solver()
    common = {"role": "thinker", "partner": solver, "num_envs": 64, "group_size": 8, "seed": 3}
    paid = {}
    for name in ("shared", "leave_one_out"):
        plan = CreditPlan(allocator=name, replay="task", num_samples=8)
        vec = SignalVecEnv(game, plan=plan, group_baseline=True, **common)
        vec.reset()
        paid[name] = vec.step(np.random.default_rng(0).integers(0, 3, size=(64, 2)))[1]
    assert paid["shared"].any()
    assert_allclose(paid["leave_one_out"], paid["shared"], atol=1e-6)


def test_answers_are_counted_that_the_credit_of_the_learner_needs():
    game = SignalGame()
    solver = game.expert_solver()
    rollouts = rollouts_of(game, solver, num_groups=2, group_size=4)
    counted = {}
    for name in MEANINGFUL:
        plan = CreditPlan(allocator=name, replay="task", num_samples=3)
        source = CreditSource(game, plan, np.random.default_rng(0))
        source.measured(rollouts, solver)
        counted[name] = source.num_answers_drawn
    base, removed = 2 * 4, 2 * 3
    assert counted == {
        "shared": base,
        "regression": base,
        "counterfactual": base + removed,
        "history": base + removed,
        "leave_one_out": base + removed,
        "shapley": base + removed + base,  # and each message as the answer
        "banzhaf": base + removed + base,
        "branch": base + base * 3,
        "c3": base + base * 3,
        "hierarchical_grpo": base + base * 3,
    }


def test_spread_of_a_thinker_that_says_anything_by_hand():
    """The right message gains where the task is hard, over 5 silent and 3 wrong ones of 8."""
    game = SignalGame()
    gap = 0.15 * 2 * (1 - 5 / 8 / 4)
    right = 0.6 + 0.15 * (1 / 9 + 5 / 9 / 4)
    found = spread(game, SHARED, np.random.default_rng(0))
    assert found.gap == pytest.approx(gap, abs=0.015)  # 3 standard errors
    assert found.deviation == pytest.approx(2 * np.sqrt(right * (1 - right)), abs=0.003)
    grouped = spread(game, SHARED, np.random.default_rng(0), group_baseline=True)
    assert grouped.gap == pytest.approx(gap * 7 / 8, abs=0.005)
    same = spread(game, CreditPlan(allocator="leave_one_out"), np.random.default_rng(0))
    # The difference is 2 if only the message helps and -2 if it misleads a correct guess
    changes = 0.15 * (1 / 9 * 3 / 4 + 3 / 9 / 4)
    mean = 0.15 * 2 * (1 / 9 * 3 / 4 - 3 / 9 / 4)
    assert same.deviation == pytest.approx(np.sqrt(4 * changes - mean**2), abs=0.003)


def test_effort_costs_each_symbol_but_silence():
    game = SignalGame()
    actions = np.array([[0, 0], [1, 0], [2, 1], [0, 2]])
    paid = {}
    for effort in (0.0, 0.25):
        vec = SignalVecEnv(
            game,
            role="thinker",
            partner=game.expert_solver(),
            plan=SHARED,
            num_envs=4,
            effort=effort,
        )
        vec.reset()
        paid[effort] = vec.step(actions)[1]
    assert_allclose(paid[0.0] - paid[0.25], [0.0, 0.25, 0.5, 0.25])


def test_vec_env_keeps_the_contract_of_stable_baselines3():
    game = SignalGame()
    vec = SignalVecEnv(
        game, role="thinker", partner=game.expert_solver(), plan=SHARED, num_envs=8, group_size=4
    )
    vec.seed(11)
    first = vec.reset()
    vec.seed(11)
    assert_array_equal(vec.reset(), first)
    assert_array_equal(first[:4], np.repeat(first[:1], 4, axis=0))  # a group shares its task
    assert vec.observation_space.contains(first[0])
    _, rewards, _, infos = vec.step(np.zeros((8, 2), dtype=int))
    assert rewards.dtype == np.float32
    assert_array_equal(infos[0]["terminal_observation"], first[0])
    assert vec.get_attr("role", [0, 3]) == ["thinker", "thinker"]
    assert vec.env_is_wrapped(VecMonitor) == [False] * 8
    vec.set_attr("own_table", np.ones(1))
    assert vec.own_table is not None
    with pytest.raises(ValueError, match="share their attributes"):
        vec.set_attr("own_table", None, indices=[0])
    with pytest.raises(NotImplementedError, match=r"gymnasium\.make"):
        vec.env_method("render")
    vec.close()
    monitored = VecMonitor(vec)
    monitored.reset()
    assert "episode" in monitored.step(np.zeros((8, 2), dtype=int))[3][0]


def test_credit_plan_refuses_numbers_out_of_range():
    with pytest.raises(ValueError, match="num_samples must be >= 1, got 0"):
        CreditPlan(num_samples=0)
    with pytest.raises(ValueError, match="did you mean 'shapley'"):
        CreditPlan(allocator="shaply")
