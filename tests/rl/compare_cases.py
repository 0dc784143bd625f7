"""Handmade runs and evaluations for the tests of comparisons, in memory and as folders."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from itertools import pairwise
from pathlib import Path

import numpy as np

from baselines.common.evaluation_file import TaskValues
from baselines.compare.methods import AgentCredit, Cost, HeldOut, Method, Run

RIGHT = {"1": 1.0, "0": 0.0}


def held_out(outcomes: str, tokens: float | None = None, *, benchmark: str = "b") -> HeldOut:
    """An evaluation with one sample per task: "110" are three tasks, the last one wrong."""
    rates = {(benchmark, f"t/{i}"): RIGHT[c] for i, c in enumerate(outcomes) if c != "-"}
    mean = float(np.mean(list(rates.values())))
    return HeldOut(accuracy=mean, tokens=tokens, step=None, rates=TaskValues.of(rates))


def run_of(points: Mapping[float, str], *, seed: int = 0, **values) -> Run:
    """A training run from its outcomes by the tokens at which they were measured."""
    return Run(points=tuple(held_out(o, t) for t, o in points.items()), seed=seed, **values)


def method(name: str, *runs: Run, **settings) -> Method:
    return Method(name=name, runs=runs, settings=settings)


def evaluation(name: str, outcomes: str, **arguments) -> Method:
    return method(name, Run(points=(held_out(outcomes, **arguments),)))


def curve_method(name: str, finals: Sequence[float], *, tokens=(0, 1000)) -> Method:
    """A method of which only the accuracies are known: one run per seed, which starts at 0.3."""
    return method(
        name,
        *(
            Run(
                points=(
                    *(HeldOut(accuracy=0.3, tokens=t) for t in tokens[:-1]),
                    HeldOut(accuracy=final, tokens=tokens[-1]),
                ),
                seed=seed,
                credit={"thinker_0": AgentCredit(mean=0.5, share=0.5, correlation=0.9)},
                cost=Cost(
                    steps=3,
                    tokens={
                        **{"whole team": tokens[-1], "an agent removed": 0},
                        **{"continuations": 0, "ratings": 0},
                    },
                    verifier_calls=10,
                    seconds=2.0,
                ),
            )
            for seed, final in enumerate(finals)
        ),
    )


def write_run(
    folder: Path,
    evaluations: Mapping[int, str],
    *,
    is_finished: bool = True,
    transcripts: bool = True,
    text: str = "hm",
    question: str = "q",
    **settings,
) -> Path:
    """Write the folder of a run whose k-th evaluation is before step k + 1."""
    folder.mkdir(parents=True)
    config = {
        **{"allocator": "shared", "optimizer": "grpo", "steps": len(evaluations) - 1, "seed": 0},
        **{"tasks": "b", "out_dir": str(folder)},
        **settings,
    }
    put(folder / "config.json", json.dumps(config))
    tokens = list(evaluations)
    rows = [
        {
            "step": step,
            "cost/tokens_generated": after - before,
            "cost/tokens_branch": (after - before) // 4,
            "cost/verifier_calls": 8,
            "time/step_s": 0.5,
            "rollout/groups": 4,
            "credit/thinker_0/signal_rate": 0.5,
            "credit/solver_0/signal_rate": 0.5,
            "credit/thinker_0/mean": 0.25,
            "credit/thinker_0/variance_ratio": 4.0,
            "credit/thinker_0/advantage_variance": 0.3,
            "credit/thinker_0/correlation_vs_shared": 0.5,
            "credit/solver_0/mean": None,
            "credit/solver_0/variance_ratio": 1.0,
            "credit/solver_0/advantage_variance": 0.1,
            "credit/solver_0/correlation_vs_shared": None,
        }
        for step, (before, after) in enumerate(pairwise(tokens), start=1)
    ]
    put(folder / "metrics.jsonl", "".join(json.dumps(row) + "\n" for row in rows))
    lines = [
        {
            "step": step,
            "tokens": tokens,
            "benchmark": "b",
            "tasks": [f"t/{i}" for i in range(len(outcomes))],
            "outcomes": {"joint": [outcomes], "without thinker_0": ["0" * len(outcomes)]},
        }
        for step, (tokens, outcomes) in enumerate(evaluations.items())
    ]
    put(folder / "evaluations.jsonl", "".join(json.dumps(line) + "\n" for line in lines))
    if is_finished:
        summary = {"status": "finished", "steps_done": config["steps"]}
        put(folder / "summary.json", json.dumps(summary))
    if transcripts and lines:
        last = list(evaluations.values())[-1]
        write_transcripts(folder, {"joint": last}, text=text, question=question)
    return folder


def write_evaluation(folder: Path, paths: Mapping[str, str], **arguments) -> Path:
    """Write the folder of an evaluation, with the outcomes of each path; "-" is not measured."""
    folder.mkdir(parents=True)
    write_transcripts(folder, paths, **arguments)
    return folder


def write_transcripts(
    folder: Path, paths: Mapping[str, str], *, text: str = "hm", question: str = "q"
) -> None:
    rewards = {"1": 1.0, "0": -1.0, "-": None}
    lines = [
        {
            "benchmark": "b",
            "task_id": f"t/{i}",
            "question": f"{question} {i}",
            "gold": "7",
            "sample": 0,
            "path": path,
            "messages": [{"agent": "thinker_0", "text": text}],
            "answer": None if outcome == "-" else f"answer {outcome}",
            "reward": rewards[outcome],
        }
        for path, outcomes in paths.items()
        for i, outcome in enumerate(outcomes)
    ]
    put(folder / "transcripts.jsonl", "".join(json.dumps(line) + "\n" for line in lines))


def put(path: Path, text: str) -> None:
    path.write_text(text, encoding="utf-8")
