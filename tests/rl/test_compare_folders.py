"""Folders of runs and evaluations read as methods: grouping by seed, names, credit and cost."""

from __future__ import annotations

import json

import pytest

from baselines.common.evaluation_file import JOINT
from baselines.compare.comparison import compare
from baselines.compare.folders import read_methods
from baselines.compare.methods import AgentCredit, differing_settings
from baselines.compare.run_folder import cost_of, credit_of
from tests.rl.compare_cases import write_evaluation, write_run

CURVE = {0: "0011", 100: "0111", 220: "1111"}


def test_run_is_read_with_its_curve_credit_and_cost(tmp_path):
    folders = [write_run(tmp_path / name, CURVE, allocator=name) for name in ("shared", "branch")]
    shared, branch = read_methods(folders, "joint")
    assert (shared.name, branch.name) == ("shared", "branch")
    (run,) = branch.runs
    assert [(p.tokens, p.step, p.accuracy) for p in run.points] == [
        *((0, 0, 0.5), (100, 1, 0.75)),
        (220, 2, 1.0),
    ]
    assert (run.seed, run.status, run.folder) == (0, "finished", folders[1])
    assert run.cost.tokens == {
        **{"whole team": 165.0, "an agent removed": 0.0},
        **{"continuations": 55.0, "ratings": 0.0},
    }
    assert (run.cost.steps, run.cost.verifier_calls, run.cost.seconds) == (2, 16.0, 1.0)
    # variances 0.3 and 0.1 of the advantages; not those relative to the shared one, 4 and 1
    assert run.credit["thinker_0"] == AgentCredit(
        mean=0.25, share=pytest.approx(0.75), correlation=0.5
    )
    assert run.credit["solver_0"] == AgentCredit(
        mean=None, share=pytest.approx(0.25), correlation=None
    )
    assert set(run.without) == {"without thinker_0"}
    assert differing_settings([shared, branch]) == {"allocator": ["shared", "branch"]}


def test_runs_that_differ_only_in_the_seed_are_one_method(tmp_path):
    folders = [
        write_run(tmp_path / f"{name}-{seed}", CURVE, allocator=name, seed=seed)
        for seed in (1, 0)
        for name in ("shared", "branch")
    ]
    shared, branch = read_methods(folders, "joint")
    assert (shared.name, [run.seed for run in shared.runs]) == ("shared", [1, 0])
    assert list(branch.by_seed) == [0, 1]
    whole = read_methods([tmp_path], "joint")  # the folder that holds them, in the order of names
    assert [(own.name, list(own.by_seed)) for own in whole] == [
        ("branch", [0, 1]),
        ("shared", [0, 1]),
    ]


def test_runs_of_one_method_alone_are_compared_with_each_other(tmp_path):
    folders = [write_run(tmp_path / f"r{seed}", CURVE, seed=seed) for seed in (0, 1)]
    assert [own.name for own in read_methods(folders, "joint")] == ["r0", "r1"]


def test_runs_with_the_same_settings_and_seed_stay_apart(tmp_path):
    folders = [write_run(tmp_path / name, CURVE) for name in ("a", "b")]
    folders.append(write_run(tmp_path / "c", CURVE, optimizer="rloo"))
    assert [own.name for own in read_methods(folders, "joint")] == ["a", "b", "c"]


@pytest.mark.parametrize(
    ("first", "second", "names"),
    [
        ({}, {"optimizer": "rloo"}, ["grpo", "rloo"]),
        ({}, {"optimizer": "rloo", "allocator": "branch"}, ["shared, grpo", "branch, rloo"]),
        ({}, {"learning_rate": 1}, ["x/run", "y/run"]),
        ({"allocator_args": {"weight": "1"}}, {"allocator_args": {}}, ["x/run", "y/run"]),
    ],
)
def test_methods_are_named_by_what_tells_them_apart(tmp_path, first, second, names):
    folders = [
        write_run(tmp_path / "x" / "run", CURVE, **{"learning_rate": 0, **first}),
        write_run(tmp_path / "y" / "run", CURVE, **{"learning_rate": 0, **second}),
    ]
    assert [own.name for own in read_methods(folders, "joint")] == names


def test_mixture_names_runs_by_settings_and_evaluations_by_folder(tmp_path):
    folders = [
        write_run(tmp_path / "x", CURVE),
        write_evaluation(tmp_path / "base", {"joint": "01-1", "without thinker_0": "0000"}),
        write_run(tmp_path / "y", CURVE, allocator="branch"),
    ]
    shared, base, branch = read_methods(folders, "joint")
    assert (shared.name, base.name, branch.name) == ("shared", "base", "branch")
    assert (base.is_trained, branch.is_trained) == (False, True)
    (run,) = base.runs
    assert run.last.rates == {("b", "t/0"): 0.0, ("b", "t/1"): 1.0, ("b", "t/3"): 1.0}
    assert run.questions["b", "t/2"] == "q 2"
    assert set(run.without) == {"without thinker_0"}


def test_an_evaluation_of_more_samples_is_not_better_for_that(tmp_path):
    """Each of ten tasks is solved 8 or 9 times of 10 in both; one sample of each says 0 or 10."""
    run = write_run(tmp_path / "run", {0: "0" * 10, 1000: "1" * 10})
    folder = write_evaluation(tmp_path / "evaluation", {"joint": "1" * 10})
    episodes = (folder / "transcripts.jsonl").read_text(encoding="utf-8").splitlines()
    lines = [
        json.dumps(
            {**json.loads(line), "sample": sample, "reward": 1.0 if sample > place % 2 else -1.0}
        )
        for place, line in enumerate(episodes)
        for sample in range(10)
    ]
    (folder / "transcripts.jsonl").write_text("\n".join(lines) + "\n", encoding="utf-8")
    methods = read_methods([run, folder], JOINT)
    assert set(methods[1].runs[0].last.num_samples.values()) == {10}
    (found,) = compare(methods)
    assert found.tested.difference.value == pytest.approx(-0.15)
    assert (found.verdict, found.tested.test) == ("inconclusive", "sample exchange")


def test_a_run_that_is_going_is_read_as_far_as_it_has_come(tmp_path):
    going = write_run(tmp_path / "a", CURVE, is_finished=False, steps=80)
    longer = write_run(tmp_path / "b", CURVE, steps=80)  # finished once, and then resumed
    with (going / "metrics.jsonl").open("a") as file:
        file.write('{"step": 3, "cost/tok')
    first, second = read_methods([going, longer], "joint")
    summary = json.dumps({"status": "finished", "steps_done": 2})
    (longer / "summary.json").write_text(summary, encoding="utf-8")
    first, second = read_methods([going, longer], "joint")
    assert first.runs[0].status == second.runs[0].status == "unfinished, 2 of 80 steps"


def test_credit_is_averaged_over_the_steps_that_have_a_signal():
    rows = [
        {
            **{"rollout/groups": 4, "credit/a/mean": 1.0, "credit/a/signal_rate": 0.0},
            **{
                "credit/a/advantage_variance": 0.0,
                "credit/b/mean": 0.0,
                "credit/b/signal_rate": 0.0,
            },
        },
        {
            **{"rollout/groups": 4, "credit/a/mean": 0.0, "credit/a/signal_rate": 0.5},
            **{
                "credit/a/advantage_variance": 3.0,
                "credit/b/mean": 0.0,
                "credit/b/signal_rate": 0.5,
            },
            "credit/b/advantage_variance": 1.0,
        },
    ]
    found = credit_of(rows)
    assert found["a"] == AgentCredit(mean=0.5, share=0.75, correlation=None)
    assert found["b"].share == 0.25
    assert credit_of([]) == {}
    assert cost_of([]).all_tokens == 0


def test_another_path_is_compared(tmp_path):
    folders = [write_run(tmp_path / n, CURVE, allocator=n) for n in ("shared", "branch")]
    methods = read_methods(folders, "without thinker_0")
    assert [own.runs[0].last.accuracy for own in methods] == [0.0, 0.0]


@pytest.mark.parametrize(
    ("names", "path", "message"),
    [
        ((), "joint", "folders must be at least 2, got none"),
        (("run",), "joint", "folders must be at least 2, got .*run; pass the folder"),
        (("run", "run"), "joint", "folders must be different"),
        (
            ("run", "none"),
            "joint",
            "must be the folder of a training run or an evaluation, got .*none, which does not",
        ),
        (("run", "experiment"), "joint", "got only a comparison in .*; open .*compare.html"),
        (("run", "empty"), "joint", "must hold evaluations.jsonl with an evaluation, got none in"),
        (("run", "old"), "joint", "must be that of an evaluation of this version, got another"),
        (
            ("evaluation", "run"),
            "alone",
            "must be a path of the evaluations, got 'alone' in .*eval",
        ),
        (("run", "evaluation"), "alone", "must be a path of the evaluations, got 'alone' in .*run"),
        (("run", "silent"), "joint", "a run must have measured a held-out task, got none on path"),
        (("run", "unmeasured"), "joint", "an evaluation must have measured a task, got none on"),
    ],
)
def test_read_methods_refuses_what_it_cannot_compare(tmp_path, names, path, message):
    write_run(tmp_path / "run", CURVE)
    write_run(tmp_path / "empty", {})
    write_run(tmp_path / "silent", {0: "--", 100: "--"})
    (tmp_path / "experiment").mkdir()
    (tmp_path / "experiment" / "compare.html").touch()
    write_evaluation(tmp_path / "evaluation", {"joint": "01"})
    write_evaluation(tmp_path / "unmeasured", {"joint": "--"})
    write_evaluation(tmp_path / "old", {"joint": "01"})
    (tmp_path / "old" / "transcripts.jsonl").write_text('{"task_id": "t/0"}\n', encoding="utf-8")
    with pytest.raises((ValueError, FileNotFoundError), match=message):
        read_methods([tmp_path / name for name in names], path)
