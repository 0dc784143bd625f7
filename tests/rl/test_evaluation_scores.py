"""Scores of an evaluation besides correctness: token F1, and the likelihood of options."""

from __future__ import annotations

import json
import math
from dataclasses import replace

import numpy as np
import pytest

from baselines.evaluate import command as evaluate
from baselines.evaluate.correctness import correctness_of
from baselines.evaluate.episodes import Episode
from baselines.evaluate.paths import JOINT, TeamPath
from baselines.evaluate.scores import (
    OptionLikelihood,
    expect_option_scorers,
    f1_of,
    option_likelihoods,
    softmax,
)
from baselines.evaluate.summary import summarize
from baselines.evaluate.tables import grids
from baselines.policies.base import Completion, Prompt, Sampling
from baselines.policies.endpoint.next_token import read_next_token
from baselines.policies.endpoint.wire import BadAnswerError
from baselines.policies.option_scorers import scorer_of
from baselines.policies.registry import load_sampler
from baselines.rollouts.runner import RolloutRunner
from ccpo_env import think_solve_v0, vote_v0
from ccpo_env.types import Message, Task, Verdict
from ccpo_env.verifiers.registry import VERIFIERS
from tests.rl.fake_server import FakeServer
from tests.rl.teams import RecordingPolicy, quietly

WHO = Task("w", "Who?", "Ada Lovelace", answers=("Countess of Lovelace",))
ALONE = TeamPath("without", ("thinker_0",))


def episode(
    task: Task, status: str, answer: str | None, *, path=JOINT, sample=0, said=()
) -> Episode:
    return Episode("b", task, sample, path, tuple(said), Verdict(status, answer))


@pytest.mark.parametrize(
    ("status", "answer", "f1"),
    [
        ("correct", "the Ada Lovelace", 1.0),
        ("wrong", "Ada", 2 / 3),  # precision 1, recall 1/2
        ("wrong", "countess Ada", 0.5),  # 1/2 of the second gold answer's precision, 1/3 recall
        ("wrong", "Turing", 0.0),
        ("no_answer", None, 0.0),
        ("timeout", None, math.nan),
    ],
)
def test_token_f1_is_the_best_over_the_gold_answers_by_hand(status, answer, f1):
    assert f1_of(episode(WHO, status, answer)) == pytest.approx(f1, nan_ok=True)


def test_token_f1_of_short_answers_is_reported_on_every_path():
    episodes = [
        episode(WHO, "correct", "Ada Lovelace"),
        episode(WHO, "wrong", "Ada", sample=1),
        episode(WHO, "wrong", "Turing", path=ALONE),
        episode(WHO, "timeout", None, path=ALONE, sample=1),
    ]
    own = correctness_of(episodes, verify=VERIFIERS["qa"])
    (summary,) = summarize({"b": own})
    team, alone = summary.find("token_f1", JOINT), summary.find("token_f1", ALONE)
    assert team.estimate.value == pytest.approx((1 + 2 / 3) / 2)
    assert (alone.estimate.value, alone.total) == (0.0, 1)
    (grid,) = grids([summary])
    assert ("token F1, whole team", "0.833") in [row[:2] for row in grid.rows]
    assert correctness_of(episodes, verify=VERIFIERS["exact"]).scores[JOINT] == {}


def test_share_of_tests_is_reported_where_a_part_is_paid_and_survives_the_journal():
    tested = Task("p", "Add.", "", tests="assert add(1, 2) == 3")
    partly = Episode("b", tested, 0, JOINT, (), Verdict("wrong", "def add(): ...", score=0.25))
    restored = Episode.from_json(partly.to_json(), benchmark="b", tasks={"p": tested})
    assert restored == partly
    episodes = [restored, replace(partly, sample=1, verdict=Verdict("correct", "def add"))]
    (summary,) = summarize({"b": correctness_of(episodes, verify=VERIFIERS["code_partial"])})
    assert summary.find("test_share", JOINT).estimate.value == pytest.approx(0.625)
    assert summary.find("accuracy", JOINT).estimate.value == 0.5
    assert correctness_of(episodes, verify=VERIFIERS["code"]).scores[JOINT] == {}


class Letters(RecordingPolicy):
    """Answers with A, and gives the options these weights, by the first letter of the question."""

    def __init__(self, weights):
        super().__init__(lambda _: r"\boxed{A}")
        self.weights = weights
        self.scored = []

    def option_logprobs(self, prompts, options, *, temperature=1.0):
        self.scored += [(prompt.text, tuple(options)) for prompt in prompts]
        rows = [
            next(own for word, own in self.weights.items() if f"{word}?" in prompt.text)
            for prompt in prompts
        ]
        return np.log(np.array(rows)), 0


CHOICES = (
    Task("c/1", "first?", "B", choices=("x", "y")),
    Task("c/2", "second?", "A", choices=("x", "y")),
    Task("c/3", "third?", "C", choices=("x", "y", "z")),
)


def played(policy, make=think_solve_v0):
    env = make(tasks=CHOICES)
    roles = env.unwrapped.topology.roles
    runner = RolloutRunner(env, dict.fromkeys(roles, policy), dict.fromkeys(roles, Sampling()))
    episodes = []
    for task in CHOICES:
        said = [
            Message(turn.speaker, f"message of {turn.speaker}") for turn in runner.topology.turns
        ]
        episodes.append(episode(task, "wrong", "A", said=said))
    return runner, episodes


def test_likelihood_of_options_by_hand():
    # Without normalising, .02 + .06 = .08: B has 3/4. In a tie of two, each is right half the time.
    policy = Letters({"first": [0.02, 0.06], "second": [0.1, 0.1], "third": [0.5, 0.2, 0.1]})
    runner, episodes = played(policy)
    found = option_likelihoods(runner, episodes)
    assert found["b", "c/1", 0] == OptionLikelihood(1.0, pytest.approx(0.75))
    assert found["b", "c/2", 0] == OptionLikelihood(0.5, pytest.approx(0.5))
    assert found["b", "c/3", 0] == OptionLikelihood(0.0, pytest.approx(0.125))
    assert {options for _, options in policy.scored} == {
        (r"\boxed{A", r"\boxed{B"),
        (r"\boxed{A", r"\boxed{B", r"\boxed{C"),
    }
    assert all("message of thinker_0" in text for text, _ in policy.scored)
    own = correctness_of(episodes, verify=runner.verifier, likelihoods=found)
    (summary,) = summarize({"b": own})
    assert summary.find("option_accuracy", JOINT).estimate.value == pytest.approx(0.5)
    assert summary.find("option_probability", JOINT).estimate.value == pytest.approx(1.375 / 3)


def test_likelihood_of_a_vote_is_the_mean_over_the_voters():
    policy = Letters({"first": [0.2, 0.6], "second": [0.1, 0.3], "third": [0.1, 0.1, 0.2]})
    runner, episodes = played(policy, vote_v0)
    found = option_likelihoods(runner, episodes)
    assert len(policy.scored) == 9
    assert found["b", "c/1", 0] == OptionLikelihood(1.0, pytest.approx(0.75))
    assert found["b", "c/2", 0] == OptionLikelihood(0.0, pytest.approx(0.25))


def test_likelihood_leaves_out_what_has_no_letter_or_no_answer():
    runner, (first, *_) = played(Letters({"first": [0.2, 0.6]}))
    text = replace(first, task=replace(CHOICES[0], answer="y"))
    beyond = replace(first, task=replace(CHOICES[0], answer="C"))
    unfinished = replace(first, messages=first.messages[:1])
    other = replace(first, path=ALONE)
    assert option_likelihoods(runner, [text, beyond, unfinished, other]) == {}


def test_softmax_is_that_of_a_distribution():
    table = softmax(np.log([[0.2, 0.6], [1e-300, 3e-300]]))
    np.testing.assert_allclose(table, [[0.25, 0.75]] * 2, rtol=1e-12)


def test_likelihood_needs_options_and_a_policy_that_scores_them():
    runner, _ = played(Letters({}))
    with pytest.raises(ValueError, match=r"^option_likelihood needs tasks with options, got none"):
        expect_option_scorers(runner, [WHO])
    runner, _ = played(RecordingPolicy(["A"] * 9))
    with pytest.raises(ValueError, match=r"must score given letters.*got RecordingPolicy"):
        expect_option_scorers(runner, CHOICES)


def test_command_reports_the_likelihood_beside_what_guessing_scores(tmp_path, monkeypatch):
    golds = {"first": "A", "second": "B", "third": "A"}
    rows = [{"question": f"{n}?", "choices": ["x", "y"], "answer": g} for n, g in golds.items()]
    file = tmp_path / "asked.jsonl"
    file.write_text("".join(f"{json.dumps(row)}\n" for row in rows), encoding="utf-8")
    policy = Letters({"first": [3, 1], "second": [1, 3], "third": [1, 3]})
    monkeypatch.setattr(
        "baselines.policies.team.load_samplers", lambda _, roles, **__: dict.fromkeys(roles, policy)
    )
    arguments = ("--policy", "mine", "--tasks", file, "--option-likelihood")
    code, printed = quietly(evaluate.main, *arguments)
    assert code == 0
    found = {
        line[:8]: " ".join(line.split()[-3:]) for line in printed.splitlines() if " of 3" in line
    }
    assert found["accuracy"] == "2 of 3"
    assert found["no reada"] == "0 of 3"
    assert found["most pro"] == "2 of 3"
    assert found["always A"] == "2 of 3"
    assert "most probable option" in printed
    assert "probability of the gold" in printed


def next_tokens(prompt: str) -> dict[str, float]:
    """What a server lists: B is three times as likely as A, and C is not among the tokens."""
    return {"A": math.log(0.2), "B": math.log(0.6), "\n": math.log(0.1)} if "?" in prompt else {}


def test_server_scores_letters_by_its_next_token():
    with FakeServer(lambda _: [Completion("B")], next_tokens=next_tokens) as server:
        policy = load_sampler(server.spec(api="completions", retries=0))
        runner, episodes = played(policy)
        found = option_likelihoods(runner, episodes)
        with pytest.raises(ValueError, match=r"list at least one option.*none for 1 of 2 prompts"):
            scorer_of(policy).option_logprobs([Prompt("?"), Prompt("x")], ["A", "B"])
        with pytest.raises(ValueError, match=r"score letters after the same text"):
            scorer_of(policy).option_logprobs([Prompt("?")], ["A", "so B"])
    assert found["b", "c/1", 0] == OptionLikelihood(1.0, pytest.approx(0.75))
    assert found["b", "c/3", 0] == OptionLikelihood(0.0, 0.0)
    assert {request.path for request in server.requests} == {"/v1/completions"}
    assert all(
        request.body["prompt"].endswith(r"\boxed{") for request in server.requests[: len(CHOICES)]
    )


def test_server_of_chat_messages_is_refused():
    with (
        FakeServer(lambda _: [Completion("B")]) as server,
        pytest.raises(ValueError, match=r"plain text.*got api=chat.*pass api=completions"),
    ):
        scorer_of(load_sampler(server.spec()))


def test_server_without_log_probabilities_is_one_sentence():
    with FakeServer(lambda _: [Completion("B")]) as server:
        policy = load_sampler(server.spec(api="completions", retries=0))
        with pytest.raises(ValueError, match=r"must return the log-probabilities of the next"):
            scorer_of(policy).option_logprobs([Prompt("?")], ["A", "B"])


@pytest.mark.parametrize(
    "logprobs",
    [
        {"tokens": ["A"], "top_logprobs": [{"A": -0.5, "B": -1.5}]},
        {
            "content": [
                {
                    "token": "A",
                    "top_logprobs": [
                        {"token": "A", "logprob": -0.5},
                        {"token": "B", "logprob": -1.5},
                    ],
                }
            ]
        },
    ],
    ids=["openai", "llama.cpp"],
)
def test_next_token_of_a_server_is_read_in_either_form(logprobs):
    body = json.dumps({"choices": [{"text": "A", "logprobs": logprobs}]}).encode()
    assert read_next_token(body) == {"A": -0.5, "B": -1.5}


@pytest.mark.parametrize(
    "choices",
    [
        [],
        [{"logprobs": None}],
        [{"logprobs": {"top_logprobs": []}}],
        [{"logprobs": {"top_logprobs": [{"A": 3.0}]}}],
        [{"logprobs": {"top_logprobs": [{"A": None}]}}],
        [{"logprobs": {"top_logprobs": [None]}}],
    ],
)
def test_next_token_without_valid_log_probabilities_is_refused(choices):
    with pytest.raises(BadAnswerError):
        read_next_token(json.dumps({"choices": choices}).encode())
