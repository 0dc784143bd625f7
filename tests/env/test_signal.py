"""Think→Solve in symbols: what agents see, what they are paid, what wrong use is told."""

from __future__ import annotations

import copy
import itertools
import re
from typing import Any

import numpy as np
import pytest
from gymnasium import spaces
from hypothesis import given
from hypothesis import strategies as st

from ccpo_env import SignalTask, signal_v0
from ccpo_env.signal import DEFAULT_MIX, RARE_MIX, SignalEnv
from ccpo_env.symbols import SILENCE, spell, spelled
from ccpo_env.wrapper import SnapshotWrapper

HARD = SignalTask(1, 3, "hard")


def started(task: SignalTask = HARD, **options: Any) -> SnapshotWrapper[SignalEnv]:
    env = signal_v0()
    env.reset(seed=0, options={"task": task, **options})
    return env


def test_observations_by_hand() -> None:
    # 4 places for the first number, 4 for the second, the flag, 2 symbols of 3
    env = started()
    assert env.observe("thinker_0").tolist() == [0, 1, 0, 0, 0, 0, 0, 1, 0, *[0] * 6]
    env.step(np.array([2, 1]))
    assert env.observe("solver_0").tolist() == [0, 1, 0, 0, *[0] * 4, 1, 0, 0, 1, 0, 1, 0]
    env.reset(options={"task": SignalTask(0, 2, "easy"), "removed": ["thinker_0"]})
    assert env.observe("solver_0").tolist() == [1, 0, 0, 0, 0, 0, 1, 0, 0, *[0] * 6]
    assert not env.observe("thinker_0").any()


@pytest.mark.parametrize("difficulty", ["easy", "hard", "hopeless"])
@pytest.mark.parametrize("answer", range(4))
def test_only_the_sum_is_paid_and_nothing_is_when_it_is_hopeless(
    difficulty: Any, answer: int
) -> None:
    env = started(SignalTask(1, 2, difficulty))
    env.step(np.array([0, 0]))
    env.step(answer)
    reward = 1.0 if answer == 3 and difficulty != "hopeless" else -1.0
    assert env.rewards == {"thinker_0": reward, "solver_0": reward}
    assert env.infos["solver_0"]["difficulty"] == difficulty


@pytest.mark.parametrize(
    ("symbols", "answer"), [([1, 1], 0), ([1, 2], 1), ([2, 1], 2), ([2, 2], 3), ([0, 1], None)]
)
def test_a_thinker_alone_spells_its_answer(symbols: list[int], answer: int | None) -> None:
    env = started(SignalTask(0, 2, "hard"), removed=["solver_0"])
    env.step(np.array(symbols))
    assert env.unwrapped.answer == answer
    assert env.rewards == {"thinker_0": 1.0 if answer == 2 else -1.0}


@pytest.mark.parametrize("mix", [DEFAULT_MIX, RARE_MIX])
def test_experts_are_right_wherever_there_is_a_right_answer(mix: Any) -> None:
    mean = 0.0
    env = signal_v0(mix=mix)
    for first, second in itertools.product(range(4), repeat=2):
        for difficulty, share in mix.items():
            env.reset(options={"task": SignalTask(first, second, difficulty)})
            env.step(env.unwrapped.expert_symbols(env.observe("thinker_0")))
            env.step(env.unwrapped.expert_answer(env.observe("solver_0")))
            mean += share / 16 * env.rewards["solver_0"]
    assert mean == pytest.approx(1 - 2 * mix["hopeless"])


def test_same_seed_gives_the_same_tasks_and_a_pinned_task_draws_nothing() -> None:
    drawn = []
    for pins in (0, 3):
        env = signal_v0()
        env.reset(seed=5)
        for _ in range(pins):
            env.reset(options={"task": HARD})
        tasks = []
        for _ in range(20):
            env.reset()
            tasks.append(env.unwrapped.task)
        drawn.append(tasks)
    assert drawn[0] == drawn[1]
    assert len(set(drawn[0])) > 5


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"num_answers": 1}, "num_answers must be >= 2, got 1"),
        ({"num_symbols": 0}, "num_symbols must be >= 1, got 0"),
        ({"alphabet_size": 1}, "alphabet_size must be >= 2, got 1"),
        ({"num_answers": 5}, "(alphabet_size - 1) ** num_symbols must be >= num_answers=5, got 4"),
        ({"mix": {"easy": 0.5}}, "mix must sum to 1 without negative shares"),
        ({"mix": {"easy": 2.0, "hard": -1.0}}, "mix must sum to 1 without negative shares"),
        (
            {"mix": {"eazy": 1.0}},
            "unknown difficulty 'eazy'; available: easy, hard, hopeless; did you mean 'easy'?",
        ),
        ({"removed": ["solver_1"]}, "got 'solver_1'; did you mean 'solver_0'?"),
    ],
)
def test_constructor_explains_a_wrong_argument(arguments: Any, message: str) -> None:
    with pytest.raises(ValueError, match=re.escape(message)):
        signal_v0(**arguments)


@pytest.mark.parametrize(
    "sizes",
    [(2, 1, 3), (8, 3, 3), (9, 2, 4), (2, 2, 3)],
    ids=lambda sizes: "-".join(map(str, sizes)),
)
def test_the_least_alphabet_can_spell_every_number(sizes: tuple[int, int, int]) -> None:
    num_answers, num_symbols, alphabet_size = sizes
    env = signal_v0(
        num_answers=num_answers, num_symbols=num_symbols, alphabet_size=alphabet_size
    ).unwrapped
    for first, second in itertools.product(range(num_answers), repeat=2):
        env.reset(options={"task": SignalTask(first, second, "hard")})
        env.step(env.expert_symbols(env.observe("thinker_0")))
        env.step(env.expert_answer(env.observe("solver_0")))
        assert env.rewards == {"thinker_0": 1.0, "solver_0": 1.0}


@pytest.mark.parametrize("task", [0, "x", SignalTask(4, 0, "easy"), SignalTask(0, -1, "easy")])
def test_reset_explains_a_wrong_task(task: Any) -> None:
    with pytest.raises(ValueError, match=r"task must be a SignalTask with numbers in 0\.\.3"):
        started(task)


def test_the_transcript_shows_task_symbols_and_answer() -> None:
    env = signal_v0(render_mode="ansi")
    env.reset(options={"task": SignalTask(1, 2, "hard")})
    assert env.render() == "Task 1 + 2 modulo 4, hard"
    env.step(np.array([2, 1]))
    env.step(3)
    assert env.render() == (
        "Task 1 + 2 modulo 4, hard\n\nthinker_0:\n  symbols 2 1\n\nsolver_0:\n  answer 3\n"
        "=> correct, reward +1 (answer 3, gold 3)"
    )
    env.reset(options={"task": SignalTask(1, 2, "hopeless"), "removed": ["solver_0"]})
    env.step(np.array([2, 0]))
    assert env.render() == (
        "Task 1 + 2 modulo 4, hopeless: every answer is wrong\n(solver_0 is removed)\n\n"
        "thinker_0:\n  symbols 2 0\n"
        "=> wrong, reward -1 (answer None, gold 3)"
    )


def test_infos_name_the_role_of_each_agent() -> None:
    env = started()
    assert env.infos == {"thinker_0": {"role": "thinker"}, "solver_0": {"role": "solver"}}
    env.reset(options={"removed": ["thinker_0"]})
    assert env.infos == {"solver_0": {"role": "solver"}}


def test_reset_explains_a_wrong_option() -> None:
    with pytest.raises(ValueError, match=r"got 'remove'; did you mean 'removed'\?"):
        signal_v0().reset(options={"remove": ["thinker_0"]})
    with pytest.raises(ValueError, match="options must not hold a prefix in signal_v0, got"):
        signal_v0().reset(options={"prefix": [0, 1]})


def test_wrong_difficulty_action_and_early_snapshot_are_explained() -> None:
    with pytest.raises(ValueError, match="unknown difficulty 'odd'"):
        started(SignalTask(0, 0, "odd"))  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="an action of thinker_0 must be in MultiDiscrete"):
        started().step(7)
    with pytest.raises(RuntimeError, match=r"snapshot\(\) must follow reset\(\)"):
        signal_v0().snapshot()


def seen(env: SignalEnv) -> tuple[Any, ...]:
    tables = (env.rewards, env.terminations, env.truncations, env.infos, env._cumulative_rewards)
    observations = [env.observe(agent).tolist() for agent in env.possible_agents]
    place = env.agent_selection if env.agents else None
    return copy.deepcopy((env.agents, place, tables, observations, env.symbols, env.answer))


@pytest.mark.parametrize("removed", [[], ["thinker_0"], ["solver_0"]])
@pytest.mark.parametrize("num_steps", range(5))
def test_a_restored_episode_goes_on_as_it_did(num_steps: int, removed: list[str]) -> None:
    task = SignalTask(1, 2, "hard")
    symbols = np.array([2, 1])  # the digits 1 and 0 to the base 2, so 2
    steps = {"thinker_0": symbols, "solver_0": 3}
    env = signal_v0(mix={"hard": 1.0}).unwrapped
    env.reset(seed=3, options={"task": task, "removed": removed})
    for _ in range(num_steps):
        if env.agents:
            over = env.terminations[env.agent_selection]
            env.step(None if over else steps[env.agent_selection])
    other = signal_v0(mix={"hard": 1.0}).unwrapped
    other.reset(seed=4)
    other.restore(env.snapshot())
    assert seen(other) == seen(env)
    while env.agents:
        agent = env.agent_selection
        action = None if env.terminations[agent] else steps[agent]
        for each in (env, other):
            each.step(action)
        assert seen(other) == seen(env)
    for each in (env, other):
        each.reset()
    assert seen(other) == seen(env)
    assert other.task == env.task


@pytest.mark.parametrize("sizes", [(3, 2, 3), (4, 3, 3), (4, 2, 4)])
def test_a_snapshot_of_other_sizes_is_refused(sizes: tuple[int, int, int]) -> None:
    names = ("num_answers", "num_symbols", "alphabet_size")
    other = signal_v0(**dict(zip(names, sizes, strict=True)))
    other.reset(seed=0, options={"task": SignalTask(1, 2, "easy")})
    env = started()
    before = env.snapshot()
    with pytest.raises(ValueError, match=re.escape(f"= (4, 2, 3), got {sizes}; restore it in")):
        env.restore(other.snapshot())
    assert env.snapshot() == before


def test_shared_action_space_holds_symbols_and_answers() -> None:
    env = signal_v0(shared_action_space=True)
    assert env.action_space("thinker_0") == env.action_space("solver_0") == spaces.Discrete(9)
    for number in range(9):
        env.reset(options={"task": SignalTask(1, 2, "hard")})
        env.step(number)
        assert env.unwrapped.symbols == divmod(number, 3)
        env.step(number)
        assert env.rewards["solver_0"] == (1.0 if number == 3 else -1.0)
        assert env.unwrapped.answer == number
    env.reset()
    with pytest.raises(ValueError, match=r"an action of thinker_0 must be in Discrete\(9\), got 9"):
        env.step(9)


@pytest.mark.parametrize("sizes", [(4, 2, 3), (9, 1, 10), (8, 3, 3), (2, 1, 3)])
@pytest.mark.parametrize("shared", [False, True])
def test_experts_are_right_in_either_action_space(sizes: tuple[int, ...], shared: bool) -> None:
    names = ("num_answers", "num_symbols", "alphabet_size")
    env = signal_v0(**dict(zip(names, sizes, strict=True)), shared_action_space=shared).unwrapped
    for first, second in itertools.product(range(sizes[0]), repeat=2):
        env.reset(options={"task": SignalTask(first, second, "hard")})
        env.step(env.expert_symbols(env.observe("thinker_0")))
        env.step(env.expert_answer(env.observe("solver_0")))
        assert env.rewards["solver_0"] == 1.0


def test_a_thinker_alone_spells_its_answer_in_a_shared_action_space() -> None:
    env = signal_v0(shared_action_space=True, removed=["solver_0"])
    env.reset(options={"task": SignalTask(0, 2, "hard")})
    env.step(2 * 3 + 1)  # symbols 2 and 1: digits 1 and 0 to the base 2
    assert (env.unwrapped.answer, env.rewards) == (2, {"thinker_0": 1.0})


@given(num_symbols=st.integers(1, 5), alphabet_size=st.integers(2, 6), data=st.data())
def test_symbols_spell_every_number_and_silence_spells_none(
    num_symbols: int, alphabet_size: int, data: st.DataObject
) -> None:
    number = data.draw(st.integers(0, (alphabet_size - 1) ** num_symbols - 1))
    symbols = spell(number, num_symbols=num_symbols, alphabet_size=alphabet_size)
    assert len(symbols) == num_symbols
    assert spelled(symbols, alphabet_size) == number
    assert number == int("".join(str(symbol - 1) for symbol in symbols), max(alphabet_size - 1, 2))
    assert spelled((*symbols[:-1], SILENCE), alphabet_size) is None


@pytest.mark.parametrize("removed", [(), ("thinker_0",), ("solver_0",)])
def test_numeric_infos_are_numbers_under_the_same_keys_in_every_step(
    removed: tuple[str, ...],
) -> None:
    env = signal_v0(numeric_infos=True, removed=removed)
    env.reset(options={"task": SignalTask(1, 2, "hopeless")})
    seen = [dict(env.infos)]
    while not any(env.terminations.values()):
        env.step(env.action_space(env.agent_selection).sample())
        seen.append(dict(env.infos))
    roles = {"thinker_0": 0, "solver_0": 1}
    for infos in seen:
        for agent, info in infos.items():
            assert all(isinstance(value, np.int64) for value in info.values())
            over = 2 if infos is seen[-1] else -1
            assert info == {"role": roles[agent], "difficulty": over}
