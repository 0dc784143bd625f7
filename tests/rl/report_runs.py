"""Synthetic run folders, and a parser of report pages."""

from __future__ import annotations

import json
from html.parser import HTMLParser

import numpy as np

from baselines.common.evaluation_file import (
    EVALUATIONS_FILE,
    BenchmarkOutcomes,
    RecordedEvaluation,
    evaluation_rows,
)
from baselines.common.metrics import METRICS_FILE
from baselines.report import figures
from baselines.report.run_page import write_report

VOID = {"br", "hr", "img", "input", "link", "meta"}
TEAM = ("thinker_0", "solver_0")


FIGURES = (
    *("_rates", "added", "credit", "distribution", "shares", "slopes", "variances"),
    *("ratings", "updates", "completions", "tokens", "times"),
)
"""Functions that draw the figures of a page; together they take seconds."""


def draw_only(monkeypatch, *names):
    """Leave out the figures of a page that the test does not read."""
    assert set(names) <= set(FIGURES)
    for name in set(FIGURES) - set(names):
        monkeypatch.setattr(figures, name, lambda *_args, **_kwargs: None)


class Page(HTMLParser):
    """Parser of a page; fails on tags that are not nested."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.tags: list[str] = []
        self.attributes: list[tuple[str, str, str]] = []
        self.texts: dict[str, list[str]] = {}
        self.feed(text)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        self.attributes += [(tag, name, value or "") for name, value in attrs]
        self.texts.setdefault(tag, []).append("")
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attrs):
        self.handle_starttag(tag, attrs)
        if tag not in VOID:
            self.open.pop()

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        for tag in set(self.open):
            self.texts[tag][-1] += data

    def values(self, name):
        return [value for _, attribute, value in self.attributes if attribute == name]


def count(rate, total=400):
    return {"successes": round(rate * total), "total": total}


def evaluation(joint, without, total=400):
    return {
        "num_tasks": total,
        "joint": count(joint, total),
        "without": {agent: count(rate, total) for agent, rate in without.items()},
        "help": {agent: count(max(joint - rate, 0.02), total) for agent, rate in without.items()},
        "hurt": {agent: count(0.02, total) for agent in without},
        "unmeasured": 0,
    }


def roles_of(agents):
    return list(dict.fromkeys(agent.rpartition("_")[0] for agent in agents))


def metric_rows(num_steps, agents, *, roles=None):
    roles = roles_of(agents) if roles is None else roles
    rng = np.random.default_rng([7, num_steps])
    for step in range(1, num_steps + 1):
        skill = 1.0 / (1.0 + np.exp(-(step - 0.35 * num_steps) / (0.08 * num_steps + 1)))
        joint = float(np.clip(0.4 + 0.55 * skill + rng.normal(0, 0.04), 0, 1))
        solo = float(np.clip(0.31 + rng.normal(0, 0.04), 0, 1)) if agents else None
        generate, verify, update = rng.uniform([1.9, 0.2, 0.8], [2.4, 0.3, 1.1])
        row = {"step": step, "accuracy/joint": joint, "accuracy/solo": solo}
        for place, agent in enumerate(agents):
            row[f"rollout/{agent}/tokens"] = 20.0 + 5 * place
            row[f"rollout/{agent}/neg_logprob"] = 1.0 - 0.8 * skill
            row[f"credit/{agent}/advantage_variance"] = 1.0 - skill / (1 + place) / 2
            row[f"credit/{agent}/correlation_vs_shared"] = 0.6 + 0.2 * place
            row[f"credit/{agent}/degenerate"] = 0.0
            row[f"credit/{agent}/signal_rate"] = 0.5
            row[f"credit/{agent}/variance_ratio"] = 0.6 + 0.2 * place
            row[f"rating/{agent}/valid_rate"] = 0.9
            row[f"rating/{agent}/calibration"] = None if step % 2 else 0.3 * place
            row[f"credit/{agent}/mean"] = 2 * joint - 1 + 0.1 * float(rng.normal())
            row[f"credit/{agent}/std"] = 2 * float(np.sqrt(joint * (1 - joint)))
            slope = 1.0 if agent.startswith("solver") else 1.07 + 0.02 * float(rng.normal())
            row[f"credit/{agent}/slope_vs_shared"] = None if step % 9 == 0 else slope
        for role in roles:
            row[f"update/{role}/loss"] = 0.01 * float(rng.normal())
            row[f"update/{role}/grad_norm"] = 1.0 + float(rng.random())
            row[f"update/{role}/grad_snr"] = None if step == 1 else 0.3 + float(rng.random())
            row[f"update/{role}/approx_kl"] = 1e-9 * float(rng.random())
            row[f"update/{role}/clip_rate"] = 0.0
            row[f"update/{role}/mismatch"] = 1e-6
            row[f"update/{role}/entropy"] = None
        row |= {
            "rollout/groups": 32,
            "credit/help_rate": joint * 0.6 if agents else None,
            "credit/hurt_rate": (1 - joint) * 0.2 if agents else None,
            "cost/tokens_generated": int(21000 - 5000 * skill + rng.normal(0, 400)),
            "cost/tokens_removed": int(5200 + rng.normal(0, 100)),
            "cost/tokens_branch": 3000,
            "cost/tokens_rating": 900,
            "cost/tokens_read": 60000,
            "cost/tokens_read_rating": 4000,
            "cost/forward_passes": 77,
            "cost/verifier_calls": 384,
            "time/step_s": float(generate + verify + update + 0.25),
            "time/rate_s": 0.15,
            "time/credit_s": 0.05,
            "time/generate_s": float(generate),
            "time/verify_s": float(verify),
            "time/update_s": float(update),
        }
        yield row


CONFIG = {
    "policy": "tiny",
    "tasks": "arithmetic",
    "allocator": "counterfactual",
    "allocator_args": {"weight": "0.2", "mode": "event"},
    "optimizer": "grpo",
    "group_size": 8,
    "tasks_per_step": 32,
    "steps": 80,
    "learning_rate": 5e-4,
    "max_tokens": None,
    "seed": 0,
}


def summary_of(*, agents=TEAM, initial=(0.40, 0.35), final=(0.95, 0.32), **changes):
    """Return a summary with given accuracies of the team and without a thinker."""
    ends = {"initial": initial, "final": final}
    return {
        "status": "finished",
        "steps_done": 80,
        **{
            name: end and evaluation(end[0], dict.fromkeys(agents[:-1], end[1]))
            for name, end in ends.items()
        },
        "warnings": ["credit of thinker_0 is degenerate; try --allocator branch"],
        "unused_settings": ["max_tokens"],
        "versions": {"python": "3.11.2", "numpy": "2.4.6", "torch": "2.13.0"},
        **changes,
    }


def example_of(agents=TEAM, text="84*9=756, so 6. 6-1=5. 5*9=45, so 5. 5-2=3."):
    spoken = [{"agent": agent, "text": text} for agent in agents]
    whole = {
        "removed": [],
        "messages": spoken,
        "status": "correct",
        "answer": "3",
        "reward": 1.0,
        "credit": {agents[0]: 1.2},
    }
    alone = {
        "removed": list(agents[:-1]),
        "messages": spoken[-1:],
        "status": "timeout",
        "answer": None,
        "reward": None,
        "credit": None,
    }
    return {
        "title": "Right together, wrong alone",
        "task_id": "arithmetic/84*9-1*9-2",
        "question": "Compute from left to right modulo 10: 84*9-1*9-2",
        "gold": "3",
        "episodes": [whole, alone],
    }


def credit_of(agents, *, num_tasks=40, group_size=8, step=80):
    """Return a record of groups in which the k-th task is correct in k rollouts."""
    rng = np.random.default_rng([5, num_tasks])
    groups = []
    for k in range(num_tasks):
        rewards = np.where(np.arange(group_size) < k * (group_size + 1) // num_tasks, 1.0, -1.0)
        credit = rewards[:, None] + 0.2 * rng.normal(size=(group_size, len(agents)))
        groups.append(
            {
                "step": step - (k < num_tasks // 2),
                "task_id": f"arithmetic/{k}",
                "question": f"Compute from left to right modulo 10: 84*9-1*{k}",
                "rewards": rewards.tolist(),
                "credit": credit.round(6).tolist(),
            }
        )
    return {"agents": list(agents), "groups": groups}


def outcomes_of(step, *, joint, without, num_tasks=400, seed=0):
    """Return an evaluation in which the k-th task is solved if its own difficulty allows it."""
    difficulty = np.random.default_rng([3, seed]).permutation(num_tasks)
    rows = {"joint": difficulty < round(joint * num_tasks)}
    for agent, rate in without.items():
        rows[f"without {agent}"] = difficulty[::-1] < round(rate * num_tasks)
    outcomes = {path: own[None, :].astype(float) for path, own in rows.items()}
    tasks = tuple(f"t/{k}" for k in range(num_tasks))
    return RecordedEvaluation(step, 1000 * step, {"arithmetic": BenchmarkOutcomes(tasks, outcomes)})


def evaluations_of(num_steps, agents, *, joint=(0.40, 0.95), without=(0.35, 0.32)):
    """Return evaluations before, halfway through and after training."""
    steps = (0, num_steps // 2, num_steps)
    ends = [np.linspace(*pair, 3) for pair in (joint, without)]
    size = 400 if len(agents) == 2 else 40  # resampling many agents takes its time
    return [
        outcomes_of(step, joint=team, without=dict.fromkeys(agents[:-1], left), num_tasks=size)
        for step, team, left in zip(steps, *ends, strict=True)
    ]


def make_run(folder, *, num_steps=80, agents=TEAM, rows=None, evaluations=None, **files):
    """Write the files of a synthetic run; a file given as None is omitted."""
    contents = {
        "config": {**CONFIG, "steps": num_steps},
        "summary": summary_of(agents=agents, steps_done=num_steps),
        "examples": [example_of(agents)] * 3,
        "credit": credit_of(agents),
        **files,
    }
    folder.mkdir(parents=True, exist_ok=True)
    for name, content in contents.items():
        if content is not None:
            (folder / f"{name}.json").write_text(json.dumps(content), encoding="utf-8")
    (folder / "command.txt").write_text("ccpo train\n", encoding="utf-8")
    lines = metric_rows(num_steps, agents) if rows is None else rows
    text = "".join(json.dumps(row, allow_nan=False) + "\n" for row in lines)
    (folder / METRICS_FILE).write_text(text, encoding="utf-8")
    if evaluations is None:
        evaluations = evaluations_of(num_steps, agents) if num_steps > 1 else ()
    lines = [row for one in evaluations for row in evaluation_rows(one)]
    text = "".join(json.dumps(row) + "\n" for row in lines)
    (folder / EVALUATIONS_FILE).write_text(text, encoding="utf-8")
    return folder


def read_page(run_dir):
    return Page(write_report(run_dir).read_text(encoding="utf-8"))
