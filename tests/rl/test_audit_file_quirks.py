"""What the audit of a file names where trainers round, mask, clip and scale in their own ways."""

from __future__ import annotations

import io
import json
from dataclasses import replace

import numpy as np
import pytest
from rich.console import Console

from baselines.audit.audit import audit_rows
from baselines.audit.columns import NamedColumns
from baselines.audit.report import audit_file
from baselines.audit.terminal import printed
from baselines.optimizers import OPTIMIZERS
from tests.rl.audit_rows import (
    STEPS,
    TASKS,
    G,
    bfloat16,
    centred,
    draw_rewards,
    only,
    registered,
    rows_of,
    step_scaled,
    two_agents,
    z_scores,
)

BINARY, REAL = draw_rewards(), np.random.default_rng(1).normal(0.3, 1.0, (STEPS, TASKS, G))
SMALL = 0.01 * REAL
"""Rewards whose deviation what is added to it changes by up to a tenth."""
PAIRS, SIGNS = draw_rewards(size=2), draw_rewards(values=(-1.0, 1.0), size=2)
REAL_PAIRS = np.random.default_rng(2).normal(size=(STEPS, TASKS, 2))


def kind(found):
    """A name, and the settings that make it another method."""
    return found.name, None if found.match is None else found.match.formula.settings.get("std")


QUIRKS = {
    **{
        f"deviation, ddof {ddof}, epsilon {epsilon:g}": (
            SMALL,
            z_scores(SMALL, ddof=ddof, epsilon=epsilon),
            ("grpo", True),
        )
        for ddof in (0, 1)
        for epsilon in (0.0, 1e-9, 1e-8, 1e-6, 1e-4, 1e-3)
    },
    "no deviation": (REAL, centred(REAL), ("grpo", None)),
    **{
        f"deviation of the step, ddof {ddof}, epsilon {epsilon:g}": (
            SMALL,
            step_scaled(SMALL, ddof=ddof, epsilon=epsilon),
            ("grpo", "step"),
        )
        for ddof in (0, 1)
        for epsilon in (0.0, 1e-8, 1e-6, 1e-4)
    },
    "clipped": (REAL, np.clip(z_scores(REAL), -1.5, 1.5), ("grpo", True)),
    "float32": (REAL, z_scores(REAL).astype(np.float32), ("grpo", True)),
    "float16": (REAL, z_scores(REAL).astype(np.float16), ("grpo", True)),
    "bfloat16": (REAL, bfloat16(z_scores(REAL)), ("grpo", True)),
    "bfloat16, no deviation": (REAL, bfloat16(centred(REAL)), ("grpo", None)),
    "bfloat16, binary rewards": (BINARY, bfloat16(z_scores(BINARY, epsilon=1e-4)), ("grpo", True)),
    "three decimals": (REAL, z_scores(REAL).round(3), ("grpo", True)),
    "pairs, as TRL computes them": (PAIRS, z_scores(PAIRS, epsilon=1e-4), ("grpo", True)),
    "pairs of different rewards, left one out": (
        REAL_PAIRS,
        registered("rloo", REAL_PAIRS),
        ("rloo", None),
    ),
    "pairs of different rewards, no deviation": (REAL_PAIRS, centred(REAL_PAIRS), ("grpo", None)),
    "pairs of different rewards, whitened": (
        REAL_PAIRS,
        registered("reinforce_pp_baseline", REAL_PAIRS),
        ("reinforce_pp_baseline", None),
    ),
    "a multiple": (REAL, 1.5 * z_scores(REAL), (None, None)),
    "the other sign": (REAL, -z_scores(REAL), (None, None)),
    "noise": (REAL, z_scores(REAL) + 0.02, (None, None)),
    "something of a length": (
        REAL,
        z_scores(REAL) + np.linspace(0.0, 0.1, REAL.size).reshape(REAL.shape),
        (None, None),
    ),
}


@pytest.mark.parametrize("name", QUIRKS)
def test_quirks_of_trainers(name):
    rewards, advantages, expected = QUIRKS[name]
    assert kind(only(rows_of(rewards, advantages))) == expected


@pytest.mark.parametrize("ddof", [0, 1])
@pytest.mark.parametrize("epsilon", [1e-8, 1e-6, 1e-4])
def test_what_is_added_to_a_small_deviation_is_found(ddof, epsilon):
    for scaled in (z_scores, step_scaled):
        advantages = scaled(0.1 * SMALL, ddof=ddof, epsilon=epsilon)
        found = only(rows_of(0.1 * SMALL, advantages)).match.formula.settings
        # That of the registered method, a variance divided by G - 1 and 1e-6, is no setting.
        assert (found.get("ddof", 1), found.get("epsilon", 1e-6)) == (ddof, epsilon)


def zeroed(advantages, where):
    return np.where(where, 0.0, advantages)


def test_zeros_are_left_out_of_a_formula_only_if_they_fill_groups():
    rng = np.random.default_rng(3)
    advantages = z_scores(REAL)
    groups = rng.random((STEPS, TASKS, 1)) < 0.3
    found = only(rows_of(REAL, zeroed(advantages, groups)))
    assert found.name == "grpo"
    assert found.match.fit.num_zeroed == groups.sum() * G > 0
    # A score that is nearly 0 supports nothing.
    assert found.match.fit.num_support == pytest.approx(REAL.size - groups.sum() * G, abs=2)
    # Single zeros in a group that has others, from one row to nearly half of all.
    for share in (0.1, 0.45):
        for seed in range(5):
            where = np.random.default_rng(seed).random(REAL.shape) < share
            found = only(rows_of(REAL, zeroed(advantages, where)))
            assert found.name is None
            assert found.found.nearest.fit.share == pytest.approx(1.0 - where.mean(), abs=0.02)
    one = np.zeros(REAL.shape, dtype=bool)
    one[1, 2, 3] = True
    assert only(rows_of(REAL, zeroed(advantages, one))).name is None
    # Most groups of zeros leave nothing that a formula is known by.
    assert only(rows_of(REAL, zeroed(advantages, rng.random((STEPS, TASKS, 1)) < 0.8))).name is None


def test_zeros_in_groups_of_one_do_not_count_as_groups_of_zeros():
    rewards = np.random.default_rng(4).normal(size=(STEPS, TASKS * G, 1))
    advantages = registered("reinforce_pp", rewards)
    assert only(rows_of(rewards, advantages)).name == "reinforce_pp"
    where = np.random.default_rng(5).random(rewards.shape) < 0.45
    assert only(rows_of(rewards, zeroed(advantages, where))).name is None


def test_rows_that_were_masked_as_missing_are_left_out():
    advantages = z_scores(REAL)
    advantages[np.random.default_rng(6).random(REAL.shape) < 0.45] = np.nan
    found = only(rows_of(REAL, advantages))
    assert (found.name, found.num_missing) == ("grpo", np.isnan(advantages).sum())


def test_groups_of_mixed_sizes_and_groups_of_one():
    rng = np.random.default_rng(7)
    sizes = np.append(rng.integers(2, 9, 20), np.ones(6, dtype=int))
    group = np.arange(len(sizes)).repeat(sizes)
    reward = rng.normal(size=len(group))
    mean = (np.bincount(group, reward) / sizes)[group]
    for method, advantage in (
        ("grpo", reward - mean),
        ("rloo", (reward - mean) * (sizes / np.maximum(sizes - 1, 1))[group]),
    ):
        alone = np.where(sizes[group] == 1, reward, advantage)  # verl: a group of one has no mean
        given = {"group": group, "step": np.zeros_like(group)}
        found = only(rows_of(reward[None, None], alone, **given))
        assert (found.name, found.num_single) == (method, 6)
    # Where most rows are alone, a formula that says nothing of them does not explain the file.
    lonely = np.append(group, len(sizes) + np.arange(200))
    rewards = np.append(reward, rng.normal(size=200))
    advantages = np.append(reward - mean, rng.normal(size=200))
    given = {"group": lonely, "step": np.zeros_like(lonely)}
    assert only(rows_of(rewards[None, None], advantages, **given)).name is None


RIVALS = {
    # Rewards 0 and 1: 1 - 0 is also (1 - .5) / .5.
    "left one out": (PAIRS, registered("rloo", PAIRS), {("grpo", True), ("rloo", None)}),
    "a variance divided by G": (
        PAIRS,
        z_scores(PAIRS, ddof=0),
        {("grpo", True), ("rloo", None)},
    ),
    # Rewards -1 and +1: half of the difference is 1, as the deviation is.
    "no deviation": (SIGNS, centred(SIGNS), {("grpo", None), ("grpo", True)}),
}


@pytest.mark.parametrize("name", RIVALS)
def test_formulas_that_rewards_do_not_tell_apart_are_listed_instead_of_one(name, tmp_path):
    rewards, advantages, expected = RIVALS[name]
    found = only(rows_of(rewards, advantages))
    assert found.name is None
    assert {
        (each.formula.names[0], each.formula.settings.get("std")) for each in found.alternatives
    } == expected
    assert found.degenerate
    path = tmp_path / "dump.jsonl"
    write(path, rewards, advantages)
    whole = audit_file(path)
    agent = whole.to_json()["agents"]["agent"]
    assert {
        (each["formula"], each["settings"].get("std")) for each in agent["alternatives"]
    } == expected
    assert agent["reason"].startswith("no single formula: ")
    assert agent["also"] == []
    console = Console(width=80, file=io.StringIO(), record=True)
    for part in printed(whole):
        console.print(part)
    assert " or " in console.export_text().split("slope")[1].split("agent: ")[0]


def test_pairs_of_unequal_rewards_only_are_whitened_in_three_ways():
    # All group means are equal, so the mean of the step is that of each group.
    rewards = np.tile([1.0, 0.0], (STEPS, TASKS, 1))
    found = only(rows_of(rewards, registered("reinforce_pp", rewards)))
    names = {each.formula.names[0] for each in found.alternatives}
    assert found.name is None
    assert {"reinforce_pp", "reinforce_pp_baseline", "grpo"} <= names


def test_the_optimizer_of_a_run_decides_between_rivals():
    rewards, advantages, _ = RIVALS["left one out"]
    found = only(rows_of(rewards, advantages), prefer="rloo")
    assert (found.name, found.alternatives) == ("rloo", ())


@pytest.mark.parametrize("size", [2, 4, 6])
@pytest.mark.parametrize("name", OPTIMIZERS)
def test_shuffled_advantages_are_named_nothing_in_any_order(name, size):
    rewards = draw_rewards(seed=8, values=(0.0, 0.4, 1.0), size=size)
    advantages = registered(name, rewards)
    for seed in range(3):
        rng = np.random.default_rng(seed)
        orders = (
            rng.permutation(advantages.ravel()),
            rng.permuted(advantages, axis=2),
            rng.permutation(advantages.reshape(-1, size)),
        )
        for shuffled in orders:
            found = only(rows_of(rewards, shuffled))
            assert (found.name, found.alternatives) == (None, ())


def test_few_rows_in_random_order_are_named_nothing():
    rewards = np.array([[[1.0, 0.0, 0.0, 0.0], [1.0, 1.0, 0.0, 0.0]]])
    advantages = centred(rewards).ravel()
    for seed in range(60):
        shuffled = np.random.default_rng(seed).permutation(advantages)
        assert (only(rows_of(rewards, shuffled)).name == "grpo") == bool(
            (shuffled == advantages).all()
        )


def test_a_deviation_of_the_step_over_the_prompts_of_all_agents():
    # A trainer that knows of no agents: prompts differ by agent, and so do groups.
    first, second = draw_rewards(9, (0.0, 0.4, 1.0)), draw_rewards(10, (0.0, 0.2, 3.0))
    both = np.concatenate([first, second], axis=1)
    scaled = step_scaled(both)
    rows = two_agents(first, scaled[:, :TASKS], scaled[:, TASKS:])
    reward = np.append(first.ravel(), second.ravel())
    group = rows.group + STEPS * TASKS * rows.agent
    for found in audit_rows(replace(rows, reward=reward, group=group)):
        assert kind(found) == ("grpo", "step")
        assert found.match.formula.settings["normalised_over"] == "all agents of a group"


def records(rewards, advantages):
    for step, task, g in np.ndindex(rewards.shape):
        yield {
            "step": step,
            "prompt": f"question {task}",
            "completion": f"answer {g}",
            "reward": float(rewards[step, task, g]),
            "advantage": float(advantages[step, task, g]),
        }


def write(path, rewards, advantages, change=lambda row: [row]):
    rows = [new for row in records(rewards, advantages) for new in change(row)]
    path.write_text("".join(f"{json.dumps(row)}\n" for row in rows))


def as_text(row):
    return [{**row, "reward": str(row["reward"]), "advantage": f"{row['advantage']:.6f}"}]


def as_masked_tokens(row):
    """A list of tokens in which what a tool said, and the padding, are 0."""
    value = row["advantage"]
    return [{**row, "advantage": [value, value, 0.0, value, 0.0, 0.0]}]


def as_discounted_tokens(row):
    return [{**row, "advantage": [0.9**k * row["advantage"] for k in range(3)]}]


def as_rows_of_tokens(row):
    return [row] * (3 + hash_of(row["completion"], row["prompt"]))


def as_rows_of_three_tokens(row):
    return [row] * 3


def hash_of(*texts):
    return sum(map(ord, "".join(texts))) % 5


def with_nan(row):
    is_lost = row["completion"] == "answer 3"
    return [{**row, "advantage": float("nan")} if is_lost else row]


def with_truth(row):
    return [{**row, "reward": row["reward"] > 0.5}]


@pytest.mark.parametrize(
    ("change", "formula", "reason"),
    [
        (as_text, "grpo", None),
        (as_masked_tokens, "grpo", None),
        (with_nan, "grpo", None),
        (with_truth, "grpo", None),
        (as_rows_of_three_tokens, "grpo", None),
        (as_rows_of_tokens, None, "no formula reproduces the advantages"),
        (as_discounted_tokens, None, "differ in advantage"),
    ],
)
def test_columns_as_trainers_write_them(change, formula, reason, tmp_path):
    path = tmp_path / "dump.jsonl"
    advantages = centred(BINARY)
    write(path, BINARY, advantages, change)
    named = NamedColumns(reward_column=("reward",))
    found = audit_file(path, named=named).to_json()["agents"]["agent"]
    assert found["formula"] == formula
    assert reason is None or reason in found["reason"]


def test_groups_that_are_split_over_files_are_read_together(tmp_path):
    rows = [*records(REAL, z_scores(REAL, epsilon=1e-4))]
    for rank in range(4):
        own = "".join(f"{json.dumps(row)}\n" for row in rows[rank::4])
        (tmp_path / f"rank_{rank}.jsonl").write_text(own)
    found = audit_file(tmp_path, named=NamedColumns(reward_column=("reward",))).to_json()
    assert (found["num_rows"], found["num_groups"]) == (REAL.size, STEPS * TASKS)
    assert found["agents"]["agent"]["formula"] == "grpo"
    alone = audit_file(
        tmp_path / "rank_0.jsonl", named=NamedColumns(reward_column=("reward",))
    ).to_json()
    assert alone["agents"]["agent"]["formula"] is None


def test_sixteen_bits_are_stated_as_part_of_the_tolerance(tmp_path):
    path = tmp_path / "dump.jsonl"
    write(path, REAL, bfloat16(z_scores(REAL)))
    found = audit_file(path, named=NamedColumns(reward_column=("reward",)))
    agent = found.to_json()["agents"]["agent"]
    assert (agent["formula"], agent["precision"]) == ("grpo", "bfloat16")
    assert agent["allowed_error"] == pytest.approx(
        1e-3 * np.sqrt((z_scores(REAL) ** 2).mean())
        + 1.01 * np.abs(z_scores(REAL)).max() * 2.0**-8,
        rel=1e-2,
    )
    assert "of the last bit of the largest advantage in bfloat16." in [*printed(found)][6]
