"""Dumps of TRL, verl, verifiers and our runs, hostile files, and the command."""

from __future__ import annotations

import importlib.util
import json
import shutil
from pathlib import Path

import numpy as np
import pytest

from baselines import __main__ as cli
from baselines.audit.columns import NamedColumns
from baselines.audit.report import audit_file
from baselines.integrations.advantage_log import log_advantages

RECORDED = Path(__file__).parent / "vectors" / "trl_1.16_completions"
"""The first two steps of GRPOTrainer of TRL 1.16.0 on the embedded model, 4 prompts by 8."""

SIMPLE = {"task": "a", "reward": 1.0}


def write(path, rows):
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return path


def centred_rows(seed=0, groups=8, size=4):
    rewards = np.random.default_rng(seed).choice([0.0, 1.0], (groups, size))
    advantages = rewards - rewards.mean(axis=1, keepdims=True)
    return [
        {"task": f"t{n}", "reward": rewards[n, g], "advantage": advantages[n, g]}
        for n in range(groups)
        for g in range(size)
    ]


def agents_of(path, **given):
    return audit_file(path, **given).to_json()["agents"]


def run(capsys, *arguments):
    """Exit code, output and errors of the command."""
    try:
        code = cli.main(["audit", *map(str, arguments)])
    except SystemExit as stop:
        code = stop.code
    printed = capsys.readouterr()
    return code, printed.out, printed.err


@pytest.mark.parametrize("path", [RECORDED, RECORDED / "completions_00001.parquet"], ids=str)
def test_recorded_dump_of_trl_is_named_with_its_epsilon(path):
    found = audit_file(path).to_json()
    assert (found["format"], found["columns"]["reward"]) == ("trl", ["team_reward"])
    assert found["num_groups"] == 4 * found["num_steps"]
    (agent,) = found["agents"].values()
    assert agent["formula"] == "grpo"
    assert agent["settings"] == {"std": True, "ddof": 1, "epsilon": 1e-4}
    assert agent["max_error"] < 1e-5


def test_shuffled_dump_of_trl_is_named_nothing(tmp_path):
    import pyarrow as pa
    import pyarrow.parquet as pq

    table = pq.read_table(RECORDED / "completions_00001.parquet")
    column = table.column("advantage").to_numpy()
    shuffled = pa.array(np.random.default_rng(0).permutation(column))
    place = table.column_names.index("advantage")
    pq.write_table(table.set_column(place, "advantage", shuffled), tmp_path / "x.parquet")
    (agent,) = agents_of(tmp_path / "x.parquet").values()
    assert agent["formula"] is None
    assert agent["reason"].startswith("no formula reproduces the advantages")


def test_output_dir_of_trl_and_chats_as_prompts_are_read(tmp_path):
    import pyarrow as pa
    import pyarrow.parquet as pq

    rows = centred_rows()
    folder = tmp_path / "completions"
    folder.mkdir()
    chats = [[{"role": "user", "content": row["task"]}] for row in rows]
    columns = {
        "step": [1] * len(rows),
        "prompt": chats,
        "completion": chats,
        "right": [row["reward"] for row in rows],
        "short": [0.5] * len(rows),
        "advantage": [row["advantage"] for row in rows],
    }
    pq.write_table(pa.table(columns), folder / "completions_00001.parquet")
    found = audit_file(tmp_path).to_json()
    assert found["num_groups"] == 8
    assert found["columns"]["reward"] == ["right", "short"]
    assert found["agents"]["agent"]["formula"] == "grpo"
    (agent,) = agents_of(tmp_path, weights=[0.5, 1.0]).values()
    assert "2 times grpo" in agent["reason"]


def verl_rows(keys):
    return [
        {
            "input": f"question {row['task']}",
            "output": "\\boxed{1}",
            "gts": "1",
            "score": row["reward"],
            "step": 3,
            **({"uid": f"{row['task']}-uid_{n}_0"} if keys else {}),
        }
        for n, row in enumerate(centred_rows())
    ]


@pytest.mark.parametrize("keys", [False, True])
def test_plain_dump_of_verl_has_statistics_of_rewards_and_the_reason(tmp_path, keys):
    rows = verl_rows(keys)
    write(tmp_path / "3.jsonl", rows)
    found = audit_file(tmp_path).to_json()
    assert (found["format"], found["num_groups"]) == ("verl dump", 8)
    (agent,) = found["agents"].values()
    for name in ("formula", "degenerate", "slope", "correlation"):
        assert agent[name] is None
    assert "has scores and no advantages" in agent["reason"]
    scores = np.array([row["score"] for row in rows]).reshape(8, 4)
    assert agent["reward_mean"] == pytest.approx(scores.mean())
    assert agent["signal_rate"] == pytest.approx(np.ptp(scores, axis=1).astype(bool).mean())


def test_log_of_advantages_from_verl_is_audited_by_role(tmp_path):
    path = tmp_path / "advantages.jsonl"
    rows = centred_rows()
    for step in (1, 2):
        log_advantages(
            path,
            uid=[row["task"] for row in rows] * 2,
            role=["thinker"] * len(rows) + ["solver"] * len(rows),
            reward=[row["reward"] for row in rows] * 2,
            advantage=[1.1 * row["advantage"] for row in rows]
            + [row["advantage"] * 4 / 3 for row in rows],
            step=step,
            num_tokens=[7] * 2 * len(rows),
        )
    found = audit_file(path).to_json()
    assert (found["format"], found["num_groups"], found["num_steps"]) == ("verl log", 16, 2)
    assert {name: each["formula"] for name, each in found["agents"].items()} == {
        "thinker": None,
        "solver": "rloo",
    }
    assert found["agents"]["thinker"]["degenerate"]


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"role": ["a"]}, r"one value per completion, got lengths \[1, 2\]"),
        ({"advantage": [1.0, float("nan")]}, "must be finite, got 1 NaN"),
    ],
)
def test_log_of_advantages_refuses_what_it_cannot_write(tmp_path, changes, message):
    given = {"uid": [1, 1], "role": ["a", "a"], "reward": [0, 1], "advantage": [-0.5, 0.5]}
    with pytest.raises(ValueError, match=message):
        log_advantages(tmp_path / "x.jsonl", **(given | changes))
    assert not (tmp_path / "x.jsonl").exists()


def test_evaluation_of_verifiers_has_no_advantages(tmp_path):
    rows = [
        {
            "example_id": row["task"],
            "prompt": [],
            "completion": [],
            "task": "math",
            "reward": row["reward"],
            "answer": "1",
        }
        for row in centred_rows()
    ]
    write(tmp_path / "results.jsonl", rows)
    found = audit_file(tmp_path).to_json()
    assert (found["format"], found["num_groups"]) == ("verifiers results", 8)
    assert "is an evaluation" in found["agents"]["agent"]["reason"]


@pytest.mark.parametrize("has_credit", [True, False])
def test_traces_of_verifiers_are_read_by_agent(tmp_path, has_credit):
    def trace(name, row):
        node = {"sampled": True, "advantages": [row["advantage"]] * 3}
        return {
            "agent": {"name": name, "config": {}},
            "nodes": [{"sampled": False}, node if has_credit else {"sampled": True}],
            "rewards": {"right": {"score": 2 * row["reward"], "weight": 0.5}, "judge": None},
        }

    episodes = [
        {
            "id": f"e{n}",
            "task": {"type": "T", "data": {"idx": 3}, "hash": "h"},
            "group": {"id": row["task"]},
            "run": {"type": "train", "id": "r", "work": {"type": "train", "step": 5}},
            "traces": [trace("proposer", row), trace("solver", row)],
        }
        for n, row in enumerate(centred_rows())
    ]
    write(tmp_path / "traces.jsonl", episodes)
    found = audit_file(tmp_path).to_json()
    assert (found["num_rows"], found["num_groups"]) == (64, 8)
    for agent in found["agents"].values():
        assert agent["formula"] == ("grpo" if has_credit else None)
        assert agent["reward_std"] > 0.0
    assert set(found["agents"]) == {"proposer", "solver"}


def test_advantages_that_differ_between_tokens_are_compared_with_nothing(tmp_path):
    rows = centred_rows()
    for row in rows:
        row["advantage"] = [row["advantage"], row["advantage"] * 0.9]
    (agent,) = agents_of(write(tmp_path / "x.jsonl", rows)).values()
    assert agent["formula"] is None
    assert "completions differ in advantage" in agent["reason"]
    assert agent["degenerate"]


def our_rollouts(optimizer):
    group = {
        "task_id": "t/1",
        "question": "1+1",
        "gold": "2",
        "turns": ["thinker_0", "solver_0"],
        "messages": [["a", "b"]] * 4,
        "rewards": [1.0, -1.0, -1.0, 1.0],
        "credit": [[0.0, 0.0]] * 4,
        "shared_advantage": [[1.0, 1.0], [-1.0, -1.0], [-1.0, -1.0], [1.0, 1.0]],
    }
    centred = [1.0, -1.0, -1.0, 1.0]
    removed = [-1.0, -1.0, 1.0, 1.0]  # on each rollout, without the thinker
    credit = np.array([1.0 - -1.0, -1.0 - -1.0, -1.0 - 1.0, 1.0 - 1.0])
    thinker = credit - credit.mean()
    replays = [
        {"without": ["thinker_0"], "rollout": g, "rewards": [reward]}
        for g, reward in enumerate(removed)
    ] + [{"without": [], "rollout": 0, "rewards": [1.0, -1.0]}]
    advantage = np.stack([thinker, centred], axis=1).tolist()
    return [
        {"step": step, **group, "advantage": advantage, "replays": replays} for step in (1, 2, 3, 4)
    ], {"optimizer": optimizer}


@pytest.mark.parametrize("optimizer", ["grpo", "dr_grpo"])
def test_run_folder_of_ours_is_named_as_its_config_says(tmp_path, optimizer):
    rows, config = our_rollouts(optimizer)
    write(tmp_path / "rollouts.jsonl", rows)
    (tmp_path / "config.json").write_text(json.dumps(config))
    found = agents_of(tmp_path)
    assert (found["thinker_0"]["formula"], found["thinker_0"]["credit"]) == (
        optimizer,
        "leave_one_out",
    )
    assert (found["solver_0"]["formula"], found["solver_0"]["credit"]) == (optimizer, "shared")
    assert not found["thinker_0"]["degenerate"]
    assert found["solver_0"]["degenerate"]


def test_recorded_advantage_of_the_shared_reward_is_what_ours_are_compared_with(tmp_path):
    rows, config = our_rollouts("reinforce_pp")  # some groups of a step that was whitened
    for row in rows:
        row["shared_advantage"] = [[0.3, 0.7], [-1.9, -1.3], [-1.9, -1.3], [0.3, 0.7]]
        row["advantage"] = [[0.33, 0.7], [-2.09, -1.3], [-2.09, -1.3], [0.33, 0.7]]
        row["replays"] = []
    write(tmp_path / "rollouts.jsonl", rows)
    (tmp_path / "config.json").write_text(json.dumps(config))
    found = agents_of(tmp_path)
    assert (found["solver_0"]["formula"], found["solver_0"]["slope"]) == ("reinforce_pp", 1.0)
    assert found["thinker_0"]["formula"] is None
    assert found["thinker_0"]["degenerate"]
    assert found["thinker_0"]["slope"] == pytest.approx(1.1)


@pytest.mark.parametrize("can_be_told", [False, True])
def test_run_of_ours_says_what_it_was_trained_with_where_the_file_cannot_tell(
    tmp_path, can_be_told
):
    rows, _ = our_rollouts("reinforce_pp")
    for row in rows:
        row["advantage"] = [[0.3, 0.7], [-1.9, -1.3], [1.9, -1.3], [-0.3, 0.7]]
        if can_be_told:
            row["advantage"] = row["shared_advantage"]
    write(tmp_path / "rollouts.jsonl", rows)
    config = {"allocator": "branch", "optimizer": "reinforce_pp"}
    (tmp_path / "config.json").write_text(json.dumps(config))
    told = (
        "This run was trained with branch and reinforce_pp, whose credit the file does not allow "
        "to recompute."
    )
    assert (told in audit_file(tmp_path).notes) != can_be_told


def test_columns_can_be_named(tmp_path):
    rows = [
        {"q": r["task"], "who": "a", "r": r["reward"], "A": r["advantage"], "epoch": n % 2, "w": 1}
        for n, r in enumerate(centred_rows())
    ]
    path = write(tmp_path / "x.jsonl", rows)
    named = NamedColumns(
        group_column=("q",), agent_column="who", reward_column=("r",), advantage_column="A"
    )
    found = audit_file(path, named=named).to_json()
    assert found["agents"]["a"]["formula"] == "grpo"
    named = NamedColumns(
        group_column=("q", "epoch"), reward_column=("r", "w"), advantage_column="A"
    )
    assert audit_file(path, named=named).rows.num_groups == 16


def test_columns_of_removed_rewards_are_numbers_lists_or_mappings(tmp_path):
    rng = np.random.default_rng(5)
    rewards, removed = (rng.choice([0.0, 1.0], (8, 4)) for _ in range(2))
    credit = rewards - removed
    advantages = credit - credit.mean(axis=1, keepdims=True)
    for written in (float, lambda s: [float(s), float(s)], lambda s: {"a": float(s), "b": None}):
        rows = [
            {
                "task": n,
                "agent": agent,
                "reward": rewards[n, g],
                "advantage": advantages[n, g] if agent == "a" else 0.0,
                "removed_reward": written(removed[n, g]) if agent == "a" else None,
            }
            for n in range(8)
            for g in range(4)
            for agent in ("a", "b")
        ]
        found = agents_of(write(tmp_path / "x.jsonl", rows))
        assert (found["a"]["formula"], found["a"]["credit"]) == ("grpo", "leave_one_out")
        assert found["b"]["formula"] is None
        assert "all advantages are 0, although" in found["b"]["reason"]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("not json\n", "each line must be a JSON object, got 'not json' in line 33"),
        ("[1, 2]\n", r"got '\[1, 2\]' in line 33"),
        ("null\n", "got 'null' in line 33"),
        ("[" * 100_000 + "\n", "in line 33"),
        ('{"task": "t", "reward": "\\u001b[31mhigh"}\n', "must hold numbers, got .* in line 33"),
        ('{"reward": 1.0}\n', "each row must have a value in column 'task', got none in line 33"),
        ('{"task": "t", "reward": {"a": 1}}\n', "'reward' must hold numbers"),
    ],
)
def test_line_that_cannot_be_read_is_named(tmp_path, capsys, text, message):
    path = write(tmp_path / "x.jsonl", centred_rows())
    with path.open("a") as file:
        file.write(text + json.dumps(centred_rows()[0]) + "\n")
    with pytest.raises(ValueError, match=message):
        audit_file(path)
    code, out, err = run(capsys, path)
    assert (code, out) == (2, "")
    assert err.count("\n") == 1
    assert "\x1b" not in err


def test_last_line_that_was_cut_off_is_left_out_and_noted(tmp_path):
    path = write(tmp_path / "x.jsonl", centred_rows())
    with path.open("a") as file:
        file.write('{"task": "t0", "rew')
    found = audit_file(path).to_json()
    assert found["num_rows"] == 32
    assert "Line 33 of x.jsonl is cut off and left out." in found["notes"]


def test_nested_object_that_is_not_as_written_is_named(tmp_path):
    rows = json.loads(json.dumps(our_rollouts("grpo")[0]))
    del rows[1]["advantage"][3]
    write(tmp_path / "rollouts.jsonl", rows)
    with pytest.raises(ValueError, match=r"IndexError.* in line 2 of "):
        audit_file(tmp_path)


@pytest.mark.parametrize(
    ("row", "flags", "message"),
    [
        (
            {"task": "a", "value": 1.0},
            [],
            "x.jsonl must have a column of rewards, got the columns task, value; name it with "
            "--reward-column",
        ),
        (
            {"id": 3, "reward": 1.0},
            [],
            "must have a column of the task or group, got the columns id, reward; name it with "
            "--group-column",
        ),
        (
            SIMPLE,
            ["--advantage-column", "A"],
            "--advantage-column must name a column of x.jsonl, got 'A'; its columns are task, "
            "reward",
        ),
        (SIMPLE, ["--agent-column", "who"], "--agent-column must name a column"),
        (SIMPLE, ["--step-column", "s"], "--step-column must name a column"),
        (SIMPLE, ["--group-column", "task", "s"], "--group-column must name a column"),
        (SIMPLE, ["--reward-weights", "1", "2"], "must have a weight for each of reward, got 2"),
        ({"task": "a", "reward": None}, ["--reward-column", "reward"], "must hold rewards, got no"),
        (SIMPLE, ["--tolerance", "0"], "tolerance must be above 0"),
        (None, [], "FILE must have rows, got none"),
    ],
)
def test_file_that_cannot_be_audited_is_refused_in_one_sentence(
    tmp_path, capsys, row, flags, message
):
    path = write(tmp_path / "x.jsonl", [row] if row else [])
    code, out, err = run(capsys, path, *flags)
    assert (code, out) == (2, "")
    assert message in err
    assert err.count("\n") == 1


def test_column_of_hundreds_of_agents_is_none(tmp_path):
    rows = [{**SIMPLE, "agent": number} for number in range(300)]
    with pytest.raises(ValueError, match="at most 200 agents, got 300"):
        audit_file(write(tmp_path / "x.jsonl", rows))


@pytest.mark.parametrize(
    ("name", "message"),
    [("x.csv", "FILE must be .jsonl or .parquet, got '.csv'"), ("no.jsonl", "FILE must exist")],
)
def test_other_files_are_refused(tmp_path, capsys, name, message):
    (tmp_path / "x.csv").write_text("a,b\n")
    code, _, err = run(capsys, tmp_path / name)
    assert code == 2
    assert message in err


def test_folder_of_two_kinds_and_damaged_parquet_are_refused(tmp_path, capsys):
    write(tmp_path / "1.jsonl", centred_rows())
    (tmp_path / "1.parquet").write_bytes(b"PAR1 and nothing else")
    code, _, err = run(capsys, tmp_path)
    assert code == 2
    assert "got 1.jsonl, 1.parquet" in err
    code, _, err = run(capsys, tmp_path / "1.parquet")
    assert code == 2
    assert "must be readable as Parquet" in err


def test_command_prints_80_columns_and_writes_json(tmp_path, capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", "80")
    rows = [
        {**row, "agent": agent, "step": 1, "num_tokens": 3}
        for row in centred_rows()
        for agent in ("\x1b[31mthinker_0[/red]", "a very long name of an agent, for a table")
    ]
    path, out = write(tmp_path / "x.jsonl", rows), tmp_path / "new" / "F.json"
    code, printed, err = run(capsys, path, "--out", out)
    assert (code, err) == (0, "")
    lines = printed.splitlines()
    assert max(map(len, lines)) <= max(80, len(f"wrote {out}"))
    assert "\x1b" not in printed
    assert "\\x1b[31mthinker_0[/red]" in printed
    assert "Tolerance 0.001 of the root mean square" in printed
    assert set(json.loads(out.read_text())["agents"]) == {row["agent"] for row in rows}


needs_trl = pytest.mark.skipif(
    importlib.util.find_spec("trl") is None,
    reason="trl is not installed: pip install 'ccpo-env[trl]'",
)


def test_out_may_not_be_a_file_that_is_read(tmp_path, capsys):
    first = write(tmp_path / "1.jsonl", centred_rows())
    content = first.read_bytes()
    (tmp_path / "link").symlink_to(first)
    for file, out in (
        (first, first),
        (first, tmp_path / "link"),
        (tmp_path, first),
        (tmp_path, tmp_path / "new.jsonl"),
        (tmp_path, tmp_path / "config.json"),
    ):
        code, printed, err = run(capsys, file, "--out", out)
        assert (code, printed) == (2, "")
        assert "--out must not be among the files that are audited" in err
    assert first.read_bytes() == content
    assert not (tmp_path / "new.jsonl").exists()
    for _ in range(2):  # an earlier audit may be replaced
        assert run(capsys, tmp_path, "--out", tmp_path / "audit.json")[0] == 0


@pytest.mark.parametrize(
    ("row", "flags"),
    [
        ({"reward": 1e308}, ()),
        ({"reward": -1e61}, ()),
        ({"reward": 1.0}, ("--reward-weights", "1e300")),
        ({"reward": 1.0, "advantage": 1e200}, ()),
        ({"reward": 1.0, "advantage": [0.5, 1e308]}, ()),
        ({"reward": 1.0, "removed_reward": [1e308, 1e308]}, ()),
    ],
)
def test_numbers_that_are_too_large_to_average_are_refused(tmp_path, capsys, row, flags):
    path = write(tmp_path / "rows.jsonl", [SIMPLE, {"task": "a", **row}])
    code, printed, err = run(capsys, path, "--reward-column", "reward", *flags)
    assert (code, printed) == (2, "")
    assert "must hold numbers of at most 1e+60" in err
    assert ("line 1" if flags else "line 2") in err


def test_numbers_up_to_the_limit_are_audited(tmp_path):
    rows = [
        {**row, "reward": 1e60 * row["reward"], "advantage": 1e60 * row["advantage"]}
        for row in centred_rows()
    ]
    agent = agents_of(write(tmp_path / "rows.jsonl", rows))["agent"]
    assert (agent["formula"], agent["degenerate"], agent["correlation"]) == ("grpo", True, 1.0)


@pytest.mark.parametrize("value", [float("inf"), float("nan")])
def test_column_without_a_finite_advantage_is_not_called_absent(tmp_path, value):
    rows = [{**row, "advantage": value} for row in centred_rows()]
    agent = agents_of(write(tmp_path / "rows.jsonl", rows))["agent"]
    assert agent["reason"] == "no formula: the column of advantages holds no finite number"


def test_byte_order_mark_is_left_out(tmp_path):
    path = write(tmp_path / "rows.jsonl", centred_rows())
    path.write_bytes(b"\xef\xbb\xbf" + path.read_bytes())
    assert agents_of(path)["agent"]["formula"] == "grpo"


def test_markup_in_the_name_of_an_agent_is_printed_as_it_is(tmp_path, capsys):
    rows = [{**row, "agent": "[b]x[/b]"} for row in centred_rows()]
    code, printed, _ = run(capsys, write(tmp_path / "rows.jsonl", rows))
    assert code == 0
    assert "[b]x[/b] " in printed
    assert "\\" not in printed


@needs_trl
@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")  # those of TRL
def test_dump_that_the_trl_adapter_writes_has_the_advantages_that_train(tmp_path):
    from trl import GRPOConfig

    from baselines.integrations.trl import CreditGRPOTrainer
    from baselines.policies.registry import load_policy
    from baselines.train.config import TrainConfig
    from ccpo_env import load_tasks

    policy = load_policy("tiny")
    CreditGRPOTrainer(
        policy.module,
        config=TrainConfig(
            weights="shared", allocator="shared", optimizer="reinforce_pp", group_size=4
        ),
        tasks=load_tasks("arithmetic", split="train")[:40],
        args=GRPOConfig(
            output_dir=str(tmp_path),
            num_generations=8,
            per_device_train_batch_size=32,
            max_steps=1,
            max_completion_length=16,
            use_cpu=True,
            bf16=False,
            report_to="none",
            save_strategy="no",
            logging_steps=1,
            log_completions=True,
            disable_tqdm=True,
        ),
        tokenizer=policy.tokenizer,
    ).train()
    found = agents_of(tmp_path)
    shutil.rmtree(tmp_path)
    assert set(found) == {"thinker_0", "solver_0"}
    for agent in found.values():
        assert (agent["formula"], agent["settings"]) == ("reinforce_pp", {"weights": "tokens"})
