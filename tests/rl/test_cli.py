"""The scripts from their command lines, each in this process and with very few steps."""

from __future__ import annotations

import json
import re
import shutil
import sys

import pytest
from safetensors.torch import load_file

from baselines import __main__ as cli
from baselines.common.jsonl import read_rows
from baselines.common.metrics import METRICS
from baselines.evaluate import command as evaluate
from baselines.policies.registry import POLICIES
from baselines.train import command as train
from ccpo_env import __version__
from tests.rl.teams import PAIR, quietly, write_rows, write_tasks

FEW = ("--steps", 3, "--tasks-per-step", 4, "--num-eval-tasks", 8)
ATTACK = '</script><img src=x onerror="alert(1)">'
CONTRACT = {
    "accuracy/joint",
    "accuracy/solo",
    "credit/help_rate",
    "credit/hurt_rate",
    *(f"credit/{agent}/{name}" for agent in PAIR for name in ("mean", "slope_vs_shared")),
    "time/step_s",
    "time/generate_s",
    "cost/tokens_generated",
    "cost/verifier_calls",
}
"""Names of metrics that readers of metrics.jsonl rely on."""
PAPER = ("--allocator", "counterfactual", "--optimizer", "grpo")
"""A pair whose credit is cancelled."""


@pytest.fixture(scope="module")
def tasks(tmp_path_factory):
    return write_tasks(tmp_path_factory.mktemp("tasks") / "tasks.jsonl")


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    """The folder of a short run with credit and optimizer of the paper, and what it printed."""
    folder = tmp_path_factory.mktemp("runs") / "finished"
    code, printed = quietly(train.main, *FEW, *PAPER, "--out-dir", folder)
    assert code == 0, printed
    return folder, printed


@pytest.fixture
def copy_of_run(finished, tmp_path):
    return shutil.copytree(finished[0], tmp_path / "copy")


def rows_of(folder):
    return read_rows(folder / "metrics.jsonl")


def weights_of(folder, role):
    (checkpoint,) = (folder / "checkpoints").glob("step_*")
    return load_file(checkpoint / role / "model.safetensors")


def is_same(some, other) -> bool:
    return all(some[name].equal(other[name]) for name in some)


def test_train_writes_the_files_of_a_run(finished):
    folder, _ = finished
    names = ["checkpoints", "command.txt", "completions.jsonl", "config.json", "credit.json"]
    names += ["evaluations.jsonl", "examples.json", "metrics.jsonl", "model", "report.html"]
    names += ["rollouts.jsonl", "summary.json", "transcripts.jsonl"]
    assert sorted(path.name for path in folder.iterdir()) == names
    kept = sorted(path.name for path in (folder / "checkpoints").iterdir())
    assert kept == ["best.json", "step_000003"]
    assert sorted(path.name for path in (folder / "model").iterdir() if path.is_dir()) == [
        "solver",
        "thinker",
    ]
    config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    assert (config["steps"], config["tasks_per_step"], config["allocator"]) == (
        3,
        4,
        "counterfactual",
    )


def test_train_writes_one_row_of_metrics_per_step(finished):
    rows = rows_of(finished[0])
    assert [row["step"] for row in rows] == [1, 2, 3]
    for row in rows:
        assert row.keys() >= CONTRACT
        assert row["time/step_s"] > row["time/generate_s"] > 0
        # 4 tasks, 8 rollouts of the whole team, and 4 without the thinker where that can matter
        assert row["cost/verifier_calls"] == 4 * 8 + 4 * row["rollout/removed_groups"]
        assert 0 <= row["cost/tokens_removed"] < row["cost/tokens_generated"]
        assert 0 <= row["accuracy/joint"] <= 1


def test_train_writes_the_metrics_that_are_described_and_no_others(finished):
    names = {name for row in rows_of(finished[0]) for name in row}
    stands_for = {"<agent>": PAIR, "<role>": ("thinker", "solver")}
    described = set()
    for name in METRICS:
        (placeholder,) = re.findall(r"<\w+>", name) or [""]
        words = stands_for.get(placeholder, ("",))
        described |= {name.replace(placeholder, word) if placeholder else name for word in words}
    optional = {name for name in described if name.startswith("retrospect/")} | {
        *("cost/tokens_probe", "rollout/staleness", "time/rollouts_s", "time/wait_s")
    }
    assert names == described - optional  # with --retrospect or --rollouts-ahead only


def test_train_evaluates_before_the_first_and_after_the_last_update(finished):
    folder, printed = finished
    evaluated = [row["step"] for row in rows_of(folder) if "eval/accuracy/joint" in row]
    summary = json.loads((folder / "summary.json").read_text(encoding="utf-8"))
    assert evaluated == [1]
    assert (summary["status"], summary["steps_done"]) == ("finished", 3)
    assert summary["initial"]["joint"]["total"] == summary["final"]["joint"]["total"] == 8
    lines = printed.splitlines()
    for label in ("whole team", "without thinker_0", "thinker_0 adds"):
        assert sum(line.strip().startswith(label) for line in lines) == 1
    assert "Inconclusive: held-out accuracy " in printed
    assert f"next   ccpo explore {folder}" in printed


def test_train_warns_once_that_credit_is_cancelled(finished):
    folder, printed = finished
    assert (
        printed.count("warning: counterfactual credit with a task-level baseline is cancelled") == 1
    )
    (warning,) = json.loads((folder / "summary.json").read_text(encoding="utf-8"))["warnings"]
    assert f"warning: {warning} " in f"{' '.join(printed.split())} "
    assert f"warning: {warning}\n" not in printed  # wrapped to the width of the terminal


def test_train_shows_examples_with_their_credit(finished):
    examples = json.loads((finished[0] / "examples.json").read_text(encoding="utf-8"))
    assert 1 <= len(examples) <= 3
    for example in examples:
        joint, without = example["episodes"]
        assert [m["agent"] for m in joint["messages"]] == [*PAIR]
        assert without["removed"] == ["thinker_0"]
        assert joint["credit"]["solver_0"] == joint["reward"]


def test_train_gives_each_role_weights_of_its_own(finished):
    start = load_file(POLICIES["tiny"]() / "model.safetensors")
    thinker, solver = (weights_of(finished[0], role) for role in ("thinker", "solver"))
    assert not is_same(thinker, start)
    assert not is_same(solver, start)
    assert not is_same(thinker, solver)


def test_train_with_shared_credit_removes_nobody(tasks, tmp_path):
    code, printed = quietly(
        train.main, *FEW, "--allocator", "shared", "--tasks", tasks, "--out-dir", tmp_path / "run"
    )
    assert (code, "warning" in printed) == (0, False)
    for row in rows_of(tmp_path / "run"):
        assert row["accuracy/solo"] is row["credit/help_rate"] is row["credit/hurt_rate"] is None
        assert row["cost/verifier_calls"] == 4 * 8
        assert row["cost/tokens_removed"] == 0
        assert row["credit/thinker_0/slope_vs_shared"] in (1.0, None)


def test_train_and_evaluate_take_a_team_of_one(tasks, tmp_path):
    run, alone = tmp_path / "run", ("--topology", "vote", "--num-voters", 1)
    flags = ("--tasks", tasks, *alone, "--allocator", "shared")
    code, printed = quietly(train.main, *FEW, *flags, "--out-dir", run)
    assert code == 0, printed
    examples = json.loads((run / "examples.json").read_text(encoding="utf-8"))
    assert {example["title"] for example in examples} <= {"right", "wrong"}
    assert all(len(example["episodes"]) == 1 for example in examples)
    assert "voter_0" in (run / "report.html").read_text(encoding="utf-8")
    code, printed = quietly(evaluate.main, "--policy", run, "--limit", 4)
    assert (code, "accuracy, whole team" in printed) == (0, True)


def test_train_with_the_defaults_gives_credit_that_is_not_cancelled(tasks, tmp_path):
    run = tmp_path / "run"
    code, printed = quietly(train.main, *FEW, "--tasks", tasks, "--out-dir", run)
    assert (code, "warning" in printed) == (0, False)
    audit = json.loads((run / "summary.json").read_text(encoding="utf-8"))["audit"]
    assert list(audit) == [*PAIR]
    assert not any(entry["degenerate"] for entry in audit.values())


def test_train_with_two_thinkers_removes_each_of_them(tasks, tmp_path):
    run = tmp_path / "run"
    flags = ("--num-thinkers", 2, "--tasks", tasks)
    code, _ = quietly(train.main, *FEW, *PAPER, *flags, "--out-dir", run)
    assert code == 0
    row = rows_of(run)[0]
    # Without the first thinker 4 per task; without the second 4 per rollout, its thought kept.
    assert row["cost/verifier_calls"] == 4 * (8 + 4 + 8 * 4)
    assert {"credit/thinker_1/mean", "rollout/thinker_1/tokens"} <= row.keys()
    final = json.loads((run / "summary.json").read_text(encoding="utf-8"))["final"]
    assert list(final["help"]) == ["thinker_0", "thinker_1"]


def test_train_in_turns_leaves_the_other_role_as_it_was(tasks, tmp_path):
    run = tmp_path / "run"
    flags = ("--steps", 1, "--tasks-per-step", 4, "--num-eval-tasks", 8, "--alternate-period", 1)
    code, _ = quietly(train.main, *flags, "--tasks", tasks, "--out-dir", run)
    assert code == 0
    start = load_file(POLICIES["tiny"]() / "model.safetensors")
    assert is_same(weights_of(run, "solver"), start)
    assert not is_same(weights_of(run, "thinker"), start)
    (row,) = rows_of(run)
    assert row["update/solver/loss"] is row["update/solver/learning_rate"] is None
    assert row["update/thinker/grad_norm"] > 0


def test_train_on_a_file_treats_its_text_as_data(tmp_path):
    rows = [(f"\ud800 {number} {ATTACK}", str(number)) for number in range(30)]
    tasks = write_rows(tmp_path / "tasks.jsonl", rows)
    run = tmp_path / "run [/b]"
    flags = ("--steps", 1, "--tasks-per-step", 2, "--num-eval-tasks", 2, "--tracker", "tensorboard")
    code, printed = quietly(train.main, *flags, "--tasks", tasks, "--out-dir", run)
    assert code == 0
    assert f"run {run}\n" in printed
    assert f"report {run / 'report.html'}\n" in printed
    assert "<img" not in (run / "report.html").read_text(encoding="utf-8")
    examples = json.loads((run / "examples.json").read_text(encoding="utf-8"))
    assert ATTACK in examples[0]["question"]
    assert list((run / "tensorboard").iterdir())


def evaluated(folder):
    return json.loads((folder / "evaluation.json").read_text(encoding="utf-8"))


def transcripts_of(folder):
    lines = (folder / "transcripts.jsonl").read_text(encoding="utf-8").split("\n")
    return [json.loads(line) for line in lines[:-1]]


@pytest.mark.parametrize("removed", [(), ("--removed", "solver_0")])
def test_evaluate_writes_counts_and_transcripts(finished, tasks, tmp_path, removed):
    flags = ("--policy", finished[0], "--tasks", tasks, "--limit", 6, "--out-dir", tmp_path)
    code, printed = quietly(evaluate.main, *flags, *removed)
    assert code == 0
    missing = removed[1] if removed else "thinker_0"
    assert f"right only with {missing}," in " ".join(printed.split())
    counts = evaluated(tmp_path)
    assert counts["joint"]["total"] == counts["without"][missing]["total"] == 6
    episodes = transcripts_of(tmp_path)
    assert [e["removed"] for e in episodes] == [[]] * 6 + [[missing]] * 6
    right = sum(e["status"] == "correct" for e in episodes[:6])
    assert right == counts["joint"]["successes"]
    assert len({e["task_id"] for e in episodes}) == 6


def test_resume_and_evaluate_take_the_settings_of_the_run(tasks, tmp_path):
    run = tmp_path / "run"
    team = ("--num-thinkers", 2, "--tasks", tasks, "--group-size", 3)
    assert quietly(train.main, *FEW, *team, "--out-dir", run)[0] == 0
    code, printed = quietly(train.main, "--resume", "--out-dir", run, "--steps", 4)
    assert (code, "resumed after step 3" in printed) == (0, True)
    assert json.loads((run / "config.json").read_text(encoding="utf-8"))["group_size"] == 3
    code, printed = quietly(evaluate.main, "--policy", run, "--limit", 2)
    assert (code, "2 tasks, 3 paths" in printed, "net gain of" in printed) == (0, True, True)


def test_resume_refuses_a_metrics_file_that_lost_rows(tasks, tmp_path, capsys):
    run = tmp_path / "run"
    assert quietly(train.main, *FEW, "--tasks", tasks, "--out-dir", run)[0] == 0
    rows = (run / "metrics.jsonl").read_text(encoding="utf-8").splitlines(keepends=True)
    (run / "metrics.jsonl").write_text("".join(rows[1:]), encoding="utf-8")
    assert quietly(train.main, "--resume", "--out-dir", run)[0] == 2
    assert "must hold the steps 1 to 3" in capsys.readouterr().err


def test_evaluate_takes_the_embedded_model_and_repeats_itself(tmp_path):
    for name in ("some", "same"):
        flags = ("--policy", "tiny", "--limit", 5, "--seed", 3, "--out-dir", tmp_path / name)
        code, printed = quietly(evaluate.main, *flags)
        assert (code, "5 tasks, 2 paths" in printed) == (0, True)
    assert transcripts_of(tmp_path / "some") == transcripts_of(tmp_path / "same")


def test_evaluate_writes_nothing_without_a_folder(tasks, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    code, _ = quietly(evaluate.main, "--policy", "tiny", "--tasks", tasks, "--limit", 3)
    assert (code, list(tmp_path.iterdir())) == (0, [])


def refused(main, capsys, *flags) -> str:
    """Return the one line that a script prints about its input."""
    code, printed = quietly(main, *flags)
    errors = capsys.readouterr().err
    assert code == 2
    assert printed == ""
    assert errors.startswith("error: ")
    assert errors.count("\n") == 1
    assert errors.endswith("\n")
    return errors


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        (
            ("--allocator", "sharde"),
            "unknown allocator 'sharde'; .*; did you mean 'shared'?",
        ),
        (("--optimizer", "sgd"), "unknown optimizer 'sgd'; available: at_grpo, dapo, "),
        (("--tracker", "mlflow"), "unknown tracker 'mlflow'; available: "),
        (("--tasks", "arithmetik"), "unknown tasks 'arithmetik'; .*; did you mean 'arithmetic'?"),
        (("--tasks", "no/such.jsonl"), "tasks must be an existing file, got 'no/such.jsonl'"),
        ((*PAPER, "--group-size", 1), "group_size must be >= 2 .*, got 1"),
        (("--max-tokens", 0), "max_tokens must be >= 1, got 0"),
        ((*PAPER, "--allocator-args", "weight", -1), "weight must be >= 0, got -1.0"),
        ((*PAPER, "--allocator-args", "baseline", "rollout"), "for baseline 'rollout', got"),
    ],
)
def test_train_refuses_bad_flags_before_it_makes_a_folder(
    capsys, tmp_path, monkeypatch, flags, message
):
    monkeypatch.chdir(tmp_path)
    assert re.search(message, refused(train.main, capsys, *flags))
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("main", [train.main, evaluate.main])
@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "must hold at least one task, got an empty file"),
        (
            '{"question": "1+1", "answer": "2"}\n\n{"question": "1+\n',
            "line 3 must be a JSON object",
        ),
        ('{"question": "1+1"}\n', "line 1 must have a text or number as 'answer'"),
    ],
)
def test_scripts_refuse_a_bad_task_file_and_name_the_line(capsys, tmp_path, main, text, message):
    file = tmp_path / "tasks.jsonl"
    file.write_text(text, encoding="utf-8")
    flags = ("--tasks", file) if main is train.main else ("--tasks", file, "--policy", "tiny")
    found = refused(main, capsys, *flags)
    assert message in found
    assert str(file) in found


def test_train_refuses_a_folder_that_holds_a_run(capsys, copy_of_run):
    before = (copy_of_run / "config.json").read_bytes()
    message = refused(train.main, capsys, "--out-dir", copy_of_run, "--steps", 5)
    assert "out_dir must not hold a run already" in message
    assert "--resume" in message
    assert (copy_of_run / "config.json").read_bytes() == before


@pytest.mark.parametrize("main", [train.main, evaluate.main])
def test_scripts_refuse_a_folder_that_cannot_be_written(capsys, tmp_path, tasks, main):
    file = tmp_path / "file"
    file.write_text("", encoding="utf-8")
    for out_dir in (file, file / "run"):
        flags = ("--tasks", tasks, "--policy", "tiny", "--out-dir", out_dir)
        message = refused(main, capsys, *flags)
        assert message.startswith("error: out_dir must be a writable folder")
        assert str(out_dir) in message
        assert message.endswith("pass another --out-dir\n")
    assert file.read_bytes() == b""


def test_train_refuses_to_resume_nowhere(capsys):
    assert "pass --out-dir" in refused(train.main, capsys, "--resume")


def test_train_refuses_to_resume_with_another_config(capsys, copy_of_run):
    message = refused(train.main, capsys, *FEW, "--seed", 7, "--resume", "--out-dir", copy_of_run)
    assert "seed must be that of the checkpoint, 0, got 7" in message
    assert "step_000003" in message
    config = json.loads((copy_of_run / "config.json").read_text(encoding="utf-8"))
    assert config["seed"] == 0
    assert len(rows_of(copy_of_run)) == 3


@pytest.mark.parametrize("name", ["updaters.pt", "thinker/model.safetensors", "state.json"])
def test_scripts_refuse_a_damaged_checkpoint(capsys, copy_of_run, name):
    file = copy_of_run / "checkpoints" / "step_000003" / name
    file.write_bytes(file.read_bytes()[:-10])
    for message in (
        refused(train.main, capsys, *FEW, "--resume", "--out-dir", copy_of_run),
        refused(evaluate.main, capsys, "--policy", copy_of_run, "--limit", 2),
    ):
        assert f"truncated, changed or missing {name}" in message
        assert str(file.parents[len(name.split("/")) - 1]) in message


def test_train_says_what_to_install_for_a_tracker(capsys, tmp_path, tasks, monkeypatch):
    monkeypatch.setitem(sys.modules, "torch.utils.tensorboard", None)
    flags = ("--tasks", tasks, "--tracker", "tensorboard", "--out-dir", tmp_path / "run")
    assert "pip install 'ccpo-env[trackers]'" in refused(train.main, capsys, *flags)


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        (("--removed", "thinker_7"), "got 'thinker_7'; did you mean 'thinker_0'?"),
        (("--removed", *PAIR), "removed must leave at least one agent to answer"),
        (("--limit", 0), "limit must be >= 1, got 0"),
        (("--split", "dev"), "split must be 'train', 'test' or None, got 'dev'; pass one of"),
        (("--num-thinkers", 0), "num_thinkers must be >= 1, got 0"),
        (("--temperature", -1), "temperature must be a number >= 0, got -1.0"),
    ],
)
def test_evaluate_refuses_bad_flags(capsys, tasks, flags, message):
    found = refused(evaluate.main, capsys, "--policy", "tiny", "--tasks", tasks, *flags)
    assert message in found


def test_evaluate_refuses_a_folder_that_is_no_model(capsys, tmp_path, tasks):
    (tmp_path / "config.json").write_text("{}", encoding="utf-8")
    refused(evaluate.main, capsys, "--policy", tmp_path, "--tasks", tasks)


def test_evaluate_refuses_a_run_without_a_checkpoint(capsys, copy_of_run, tasks):
    shutil.rmtree(copy_of_run / "checkpoints")
    message = refused(evaluate.main, capsys, "--policy", copy_of_run, "--tasks", tasks)
    assert "policy must hold a checkpoint if it is a run" in message


@pytest.mark.parametrize(("flags", "code"), [((), 2), (("--help",), 0), (("-h",), 0)])
def test_ccpo_shows_its_usage(flags, code):
    assert quietly(cli.main, *flags) == (code, f"{cli.usage()}\n")
    lines = cli.usage().splitlines()
    for command, (_, text) in cli.COMMANDS.items():
        assert [*filter(re.compile(rf"  {command}  +{re.escape(text)}$").match, lines)]


def test_ccpo_shows_its_version():
    assert quietly(cli.main, "--version") == (0, f"ccpo {__version__}\n")


def test_ccpo_refuses_an_unknown_command(capsys):
    assert "got 'trian'; did you mean 'train'?" in refused(cli.main, capsys, "trian")


@pytest.mark.parametrize("command", cli.COMMANDS)
def test_ccpo_runs_each_script(command):
    code, printed = quietly(cli.main, command, "--help")
    assert code == 0
    assert f"usage: ccpo {command}" in printed


def test_ccpo_takes_its_arguments_from_the_command_line(monkeypatch, capsys):
    monkeypatch.setattr(sys, "argv", ["ccpo", "evalute"])
    assert cli.main() == 2
    assert "did you mean 'evaluate'?" in capsys.readouterr().err
