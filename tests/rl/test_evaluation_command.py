"""``python -m baselines.evaluate``: files, resuming and what it refuses."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from baselines.advise.settings import AdviseConfig
from baselines.common.flags import flags_of
from baselines.evaluate import command as evaluate
from baselines.evaluate.command import EvalConfig, load_benchmarks
from baselines.evaluate.episodes import Episode, benchmark_name
from baselines.evaluate.evaluation import Evaluation
from baselines.evaluate.identity import policy_identity, settings_of
from baselines.evaluate.output import write_outputs
from baselines.evaluate.paths import JOINT, TeamPath, each_that_can_be_spared
from baselines.policies.registry import EMBEDDED
from baselines.train.config import TrainConfig
from ccpo_env import debate_v0, think_solve_v0, vote_v0
from ccpo_env.types import Message, Task, Verdict
from tests.rl.teams import quietly, write_rows

ATTACK = "</script><img src=x onerror=alert(1)>"
FILES = {
    "episodes.jsonl",
    "evaluation.html",
    "evaluation.json",
    "evaluation.md",
    "transcripts.jsonl",
}


@pytest.fixture
def tasks(tmp_path):
    rows = [
        {"question": f"{n}+{n}", "answer": str(2 * n % 10), "level": str(n % 2)} for n in range(9)
    ]
    file = tmp_path / "sums.jsonl"
    file.write_text("".join(f"{json.dumps(row)}\n" for row in rows), encoding="utf-8")
    return file


def run(tasks, out_dir, *flags):
    given = ("--policy", "tiny", "--tasks", tasks, "--tasks-per-batch", 4, "--out-dir", out_dir)
    return quietly(evaluate.main, *given, *flags)


def results(folder):
    names = FILES - {"episodes.jsonl"}
    return {name: (folder / name).read_bytes() for name in names}


def test_evaluate_writes_tables_and_transcripts_and_plays_nothing_twice(
    tasks, tmp_path, monkeypatch
):
    out_dir = tmp_path / "out"
    flags = ("--num-samples", 2, "--controls")
    code, printed = run(tasks, out_dir, *flags)
    assert code == 0
    assert "9 tasks, 4 paths, 2 samples each" in printed
    assert f"next   ccpo compare {out_dir} OTHER  # test it against another" in printed
    assert {path.name for path in out_dir.iterdir()} == FILES
    lines = (out_dir / "transcripts.jsonl").read_text(encoding="utf-8").split("\n")[:-1]
    assert len(lines) == 9 * 4 * 2
    found = json.loads((out_dir / "evaluation.json").read_text(encoding="utf-8"))
    summaries = [(s["benchmark"], s["tag"]) for s in found["summaries"]]
    tags = (None, ["level", "0"], ["level", "1"])
    assert summaries == [("sums.jsonl", tag) for tag in tags]
    for row in (row for s in found["summaries"] for row in s["rows"]):
        assert row["low"] <= row["value"] <= row["high"]
        assert row["low"] < row["high"]
    first = results(out_dir)

    monkeypatch.setattr(
        "baselines.rollouts.runner.RolloutRunner._play_turn", None
    )  # no episode may be played
    code, again = run(tasks, out_dir, *flags)
    assert code == 0
    assert "6 of 6 batches are already finished" in again
    assert results(out_dir) == first
    assert again.replace("6 of 6 batches are already finished\n", "") == printed


def test_evaluate_takes_several_benchmarks(tasks, tmp_path):
    other = write_rows(tmp_path / "other.jsonl", [("1+1", "2"), ("2+2", "4")])
    code, printed = quietly(evaluate.main, "--policy", "tiny", "--tasks", tasks, other)
    assert code == 0
    for title in ("sums.jsonl: 9 tasks", "other.jsonl: 2 tasks", "all benchmarks: 11 tasks"):
        assert title in printed
    again = f"ccpo evaluate --policy tiny --tasks {tasks} {other} --out-dir evaluations/A"
    assert f"next   {again}  # the same with a page" in printed


@pytest.mark.parametrize(
    ("env", "removed"),
    [
        (think_solve_v0(tasks=[("1", "1")], num_thinkers=2), ["thinker_0", "thinker_1"]),
        (vote_v0(tasks=[("1", "1")], num_voters=3), ["voter_0", "voter_1", "voter_2"]),
        (debate_v0(tasks=[("1", "1")], num_debaters=2), ["debater_0", "debater_1"]),
        (vote_v0(tasks=[("1", "1")], num_voters=1), []),
    ],
    ids=["chain", "vote", "debate", "alone"],
)
def test_each_agent_is_removed_but_a_chains_solver(env, removed):
    found = each_that_can_be_spared(env.unwrapped.topology)
    assert found == tuple(frozenset({agent}) for agent in removed)


def test_evaluate_says_why_two_of_three_voters_are_worth_the_same(tasks, tmp_path):
    given = ("--policy", "tiny", "--tasks", tasks, "--limit", 1, "--topology", "vote")
    code, printed = quietly(evaluate.main, *given, "--num-voters", 3, "--out-dir", tmp_path / "out")
    note = "without voter_1, as without voter_2, the answer is the vote of voter_0"
    assert (code, note in " ".join(printed.split())) == (0, True)
    assert "1 task, 4 paths" in printed
    for name in ("evaluation.html", "evaluation.md"):
        text = (tmp_path / "out" / name).read_text(encoding="utf-8")
        assert "as without voter" in text.replace("\\", "")


def test_evaluate_refuses_a_folder_without_a_model_in_one_sentence(tasks, tmp_path, capsys):
    (tmp_path / "empty").mkdir()
    started = tmp_path / "started"
    started.mkdir()
    (started / "config.json").write_text('{"steps": 3, "tasks": "arithmetic"}')
    for folder in (tmp_path / "empty", started):
        code, _ = quietly(evaluate.main, "--policy", folder, "--tasks", tasks)
        error = capsys.readouterr().err
        assert code == 2
        assert (
            "a folder as policy must hold a model, an adapter or a run with a checkpoint" in error
        )
        assert error.count("\n") == 1


def test_evaluate_says_what_every_voter_is_worth(tasks, tmp_path):
    flags = ("--topology", "vote", "--num-voters", 2, "--limit", 4)
    code, printed = run(tasks, tmp_path / "out", *flags)
    assert code == 0
    for voter in ("voter_0", "voter_1"):
        assert f"net gain of {voter}" in printed


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        (("--seed", 1), "seed must be that of the evaluation that out_dir holds, 0, got 1"),
        (("--num-samples", 2), "num_samples must be that of"),
        (("--limit", 3), "tasks must be that of"),
        (("--temperature", 0.5), "temperature must be that of"),
        (("--num-thinkers", 2), "num_thinkers must be that of"),
    ],
)
def test_evaluate_refuses_to_go_on_with_other_settings(tasks, tmp_path, capsys, flags, message):
    out_dir = tmp_path / "out"
    assert run(tasks, out_dir)[0] == 0
    before = results(out_dir)
    assert run(tasks, out_dir, *flags)[0] == 2
    assert message in capsys.readouterr().err
    assert results(out_dir) == before


def test_evaluate_compares_answers_as_it_is_told(tmp_path, capsys):
    words = write_rows(tmp_path / "words.jsonl", [("1+1", "two"), ("2+2", "four")])
    out_dir = tmp_path / "out"
    assert run(words, out_dir, "--verifier", "exact", "--num-samples", 2)[0] == 0
    lines = (out_dir / "transcripts.jsonl").read_text(encoding="utf-8").splitlines()
    assert {json.loads(line)["status"] for line in lines} <= {"wrong", "no_answer"}
    assert run(words, tmp_path / "number", "--verifier", "number", "--num-samples", 2)[0] == 1
    assert "gold must be a number, got 'two'" in capsys.readouterr().err


def test_evaluate_without_flags_is_one_sample_of_every_path():
    config = evaluate.with_settings_of_run(EvalConfig(policy="tiny"))
    assert (config.num_samples, config.controls, config.removed) == (1, False, ())
    assert (config.temperature, config.max_tokens) == (1.0, None)
    assert (config.tasks_per_batch, config.seed, config.out_dir) == (32, 0, None)
    assert (config.tasks, config.split, config.limit) == (("arithmetic",), None, None)
    assert len(load_benchmarks(config)["arithmetic"]) == 500


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("topology", "nope", "must be as the run wrote it: .*nope"),
        ("verifier", "nope", "must be as the run wrote it: .*nope"),
        ("topology", 5, "must be of type str, got 5"),
        ("num_thinkers", "2", "must be of type int, got '2'"),
    ],
)
def test_evaluate_names_the_file_with_a_damaged_team(tmp_path, name, value, message):
    saved = {**TrainConfig(verifier="math").to_json(), name: value}
    (tmp_path / "config.json").write_text(json.dumps(saved), encoding="utf-8")
    with pytest.raises(ValueError, match=f"config.json {message}"):
        evaluate.with_settings_of_run(EvalConfig(policy=str(tmp_path)))


def test_evaluate_refuses_a_run_without_settings_but_not_a_model(tmp_path):
    model = tmp_path / "model"
    model.mkdir()
    (model / "config.json").write_text('{"model_type": "llama"}', encoding="utf-8")
    config = evaluate.with_settings_of_run(EvalConfig(policy=str(model)))
    assert config.topology == "think_solve"
    (tmp_path / "checkpoints").mkdir()
    with pytest.raises(ValueError, match=r"config.json of a run must be in its folder, got none"):
        evaluate.with_settings_of_run(EvalConfig(policy=str(tmp_path)))


@pytest.mark.parametrize("settings", [EvalConfig, AdviseConfig, TrainConfig])
def test_help_of_the_policy_lists_every_embedded_model(settings):
    (text,) = [flag.text for flag in flags_of(settings) if flag.name == "--policy"]
    assert all(f'"{name}"' in text for name in EMBEDDED)


def test_evaluate_takes_the_verifier_of_the_run_unless_told_otherwise(tmp_path):
    saved = TrainConfig(verifier="number", num_thinkers=2).to_json()
    (tmp_path / "config.json").write_text(json.dumps(saved), encoding="utf-8")
    config = evaluate.with_settings_of_run(EvalConfig(policy=str(tmp_path)))
    assert (config.verifier, config.num_thinkers) == ("number", 2)
    told = evaluate.with_settings_of_run(EvalConfig(policy=str(tmp_path), verifier="exact"))
    assert told.verifier == "exact"


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        (("--verifier", "nubmer"), "did you mean 'number'?"),
        (("--num-samples", 0), "num_samples must be >= 1, got 0"),
        (("--tasks-per-batch", 0), "tasks_per_batch must be >= 1, got 0"),
        (("--seed", -1), "seed must be >= 0, got -1"),
        (("--controls", "--limit", 1), "controls must take messages from another task"),
        (("--controls", "--removed", "solver_0"), "controls must replace the message of an agent"),
    ],
)
def test_evaluate_refuses_samples_and_controls_that_cannot_be(tasks, capsys, flags, message):
    code, _ = quietly(evaluate.main, "--policy", "tiny", "--tasks", tasks, *flags)
    assert code == 2
    assert message in capsys.readouterr().err


@pytest.mark.parametrize(
    ("tasks", "name"), [("arithmetic", "arithmetic"), ("some/folder/sums.jsonl", "sums.jsonl")]
)
def test_benchmark_is_named_by_its_source(tasks, name):
    assert benchmark_name(tasks) == name


def test_load_benchmarks_refuses_two_files_of_one_name(tasks, tmp_path):
    (tmp_path / "again").mkdir()
    twin = write_rows(tmp_path / "again" / tasks.name, [("1+1", "2")])
    with pytest.raises(ValueError, match=r"must have different names, got 'sums\.jsonl' twice"):
        load_benchmarks(EvalConfig(policy="tiny", tasks=(str(tasks), str(twin))))


def test_outputs_keep_what_a_model_wrote_as_data(tmp_path):
    texts = (f"{ATTACK}\u2028\n\x00", f"\\ud800 \ud800{ATTACK}")
    env = think_solve_v0(tasks=[("1+1", "2")])
    task = Task("t/0", ATTACK, "2", tags=(("level", ATTACK),))
    episodes = [
        Episode("b", task, 0, path, (Message("thinker_0", text),), Verdict("wrong", ATTACK))
        for path, text in zip((JOINT, TeamPath("without", ("solver_0",))), texts, strict=True)
    ]
    config = {"policy": "tiny", "tasks": ["b"]}
    evaluation = Evaluation.of(episodes, verify=env.unwrapped.verifier)
    write_outputs(tmp_path, config, evaluation, topology=env.unwrapped.topology)
    lines = (tmp_path / "transcripts.jsonl").read_text(encoding="utf-8").split("\n")[:-1]
    first, second = map(json.loads, lines)
    assert first["messages"][0] == {"agent": "thinker_0", "text": texts[0]}
    assert second["messages"][0]["text"] == texts[1].replace("\ud800", "\N{REPLACEMENT CHARACTER}")
    assert "<img" not in (tmp_path / "evaluation.html").read_text(encoding="utf-8")


@pytest.mark.parametrize(
    "change",
    [
        {"question": "1+2"},
        {"answer": "B"},
        {"choices": ("2", "1")},
        {"context": ("a passage",)},
        {"answers": ("1",)},
        {"tests": "assert True"},
    ],
    ids=lambda change: next(iter(change)),
)
def test_an_evaluation_is_identified_by_all_that_is_read_or_verified(change):
    task = Task("t", "1+1", "A", choices=("1", "2"))
    first, same, other = (
        settings_of("tiny", {"b": [own]}, {})
        for own in (task, replace(task), replace(task, **change))
    )
    assert first == same
    assert first != other


def test_policy_identity_tells_checkpoints_apart_and_servers_by_their_model(tmp_path):
    (tmp_path / "model.bin").write_bytes(b"123")
    before = policy_identity(str(tmp_path))
    assert before == policy_identity(str(tmp_path))
    (tmp_path / "model.bin").write_bytes(b"1234")
    assert policy_identity(str(tmp_path)) != before
    assert policy_identity("tiny") == "tiny"
    here, there = (f"endpoint:http://{h}/v1?retries=3#m" for h in ("127.0.0.1:1", "localhost:2"))
    assert policy_identity(here) == policy_identity(there)
    assert policy_identity(here) != policy_identity(here.replace("#m", "#n"))
    assert policy_identity(here) != policy_identity(here.replace("?", "?api=completions&"))
