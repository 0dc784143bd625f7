from __future__ import annotations

import asyncio
import copy
import json
import logging
import pickle
import signal
import subprocess
import sys
import threading
import time
import warnings
from collections import Counter
from datetime import UTC, datetime
from email.utils import format_datetime

import numpy as np
import pytest

from baselines.policies.base import Completion, Prompt, Sampling
from baselines.policies.endpoint import client as client_module
from baselines.policies.endpoint import wire as wire_module
from baselines.policies.endpoint.address import EndpointConfig, parse_endpoint
from baselines.policies.endpoint.policy import EndpointPolicy, load_endpoint
from baselines.policies.endpoint.retry_after import retry_after_s
from baselines.policies.registry import load_policy, load_sampler
from tests.rl.fake_server import FAULTS_THAT_PASS, PATIENCE_S, FakeServer, Request

SECRET = "sk-Zx81/very+secret"
PROMPTS = [Prompt(f"question {number}") for number in range(6)]


def echo(request: Request) -> list[Completion]:
    """One sample of each index says the prompt, the seed and its number."""
    body = request.body
    return [
        Completion(f"{request.prompt.text}|{body['seed']}|{number}", (1, 2), (3, 4, 5), (-0.5,) * 3)
        for number in range(body["n"])
    ]


def ask(policy, prompts=PROMPTS, *, seed=0, **settings) -> list[Completion]:
    return policy.sample(prompts, sampling=Sampling(**settings), rng=np.random.default_rng(seed))


def ask_in_vain(policy, prompts=PROMPTS, **settings) -> list[Completion]:
    with pytest.warns(UserWarning, match="their episodes measure nothing"):
        return ask(policy, prompts, **settings)


def heads(completions) -> list[str]:
    return [c.text.partition("|")[0] for c in completions]


def test_equal_prompts_become_one_request_of_several_samples():
    with FakeServer(echo) as server:
        completions = ask(load_endpoint(server.spec()), [*PROMPTS, *PROMPTS[:2], PROMPTS[0]])
    assert heads(completions) == [p.text for p in [*PROMPTS, *PROMPTS[:2], PROMPTS[0]]]
    assert sorted(request.body["n"] for request in server.requests) == [1, 1, 1, 1, 2, 3]
    assert len({request.body["seed"] for request in server.requests}) == len(PROMPTS)


def test_many_samples_are_split_over_requests_with_seeds_of_their_own():
    with FakeServer(echo) as server:
        completions = ask(load_endpoint(server.spec(max_samples=4)), PROMPTS[:1] * 10)
    assert sorted(request.body["n"] for request in server.requests) == [2, 4, 4]
    assert len({c.text for c in completions}) == 10


def test_a_server_that_ignores_n_is_asked_for_the_rest_with_another_seed():
    with FakeServer(lambda request: echo(request)[:1]) as server:
        completions = ask(load_endpoint(server.spec()), PROMPTS[:1] * 4)
    assert [request.body["n"] for request in server.requests] == [4, 3, 2, 1]
    assert len({c.text for c in completions}) == 4


def test_the_seed_of_a_prompt_does_not_depend_on_the_other_prompts():
    with FakeServer(echo) as server:
        policy = load_endpoint(server.spec())
        among_all, alone = ask(policy, PROMPTS), ask(policy, PROMPTS[3:4])
    assert among_all[3] == alone[0]


def test_requests_under_way_are_bounded():
    def slowly(request):
        time.sleep(0.02)
        return echo(request)

    prompts = [Prompt(str(number)) for number in range(24)]
    with FakeServer(slowly) as server:
        ask(load_endpoint(server.spec(concurrency=3)), prompts)
    assert 1 < server.most_at_once <= 3


def test_requests_per_minute_spaces_the_requests():
    with FakeServer(echo) as server:
        policy = load_endpoint(server.spec(requests_per_minute=1200))
        started = time.monotonic()
        ask(policy, PROMPTS)
    assert time.monotonic() - started >= (len(PROMPTS) - 1) * 60 / 1200


@pytest.mark.parametrize("fault", [*FAULTS_THAT_PASS, "wrong_shape"])
def test_a_fault_that_passes_is_tried_again(fault):
    with FakeServer(echo, fault=lambda request: fault if request.number < 2 else None) as server:
        patience = {"read_timeout_s": PATIENCE_S} if fault == "slow" else {}
        policy = load_endpoint(server.spec(concurrency=1, **patience))
        completions = ask(policy)
    assert heads(completions) == [p.text for p in PROMPTS]
    assert all(c.failure is None for c in completions)
    assert server.faults == [fault] * 2
    assert (policy.usage.num_requests, policy.usage.num_retries) == (len(PROMPTS) + 2, 2)
    bodies = [request.body for request in server.requests[:3]]
    assert bodies[0] == bodies[1] == bodies[2]  # the same question with the same seed


@pytest.mark.parametrize("fault", ["400", "401", "302"])
def test_a_refusal_is_final_and_fails_no_other_prompt(fault):
    def refuse(request):
        return fault if request.prompt == PROMPTS[2] else None

    with FakeServer(echo, fault=refuse) as server:
        policy = load_endpoint(server.spec())
        completions = ask_in_vain(policy)
    assert [row for row, c in enumerate(completions) if c.failure is not None] == [2]
    assert completions[2].failure.startswith(f"HTTP {fault}: ")
    assert completions[2].failure.endswith("(1 try)")
    assert (completions[2].text, completions[2].token_ids) == ("", ())
    assert len(server.requests) == len(PROMPTS)
    assert policy.usage.num_failed == 1


@pytest.mark.parametrize("fault", [*FAULTS_THAT_PASS, "wrong_shape"])
def test_a_fault_that_stays_is_a_failure_of_that_prompt_alone(fault):
    def stay(request):
        return fault if request.prompt == PROMPTS[0] else None

    with FakeServer(echo, fault=stay) as server:
        patience = {"read_timeout_s": PATIENCE_S} if fault == "slow" else {}
        completions = ask_in_vain(load_endpoint(server.spec(retries=2, **patience)))
    assert [c.failure is None for c in completions] == [False, *[True] * 5]
    assert completions[0].failure.endswith("(3 tries)")
    assert "\n" not in completions[0].failure
    assert len(server.faults) == 3


def test_failures_are_warned_about_once():
    with FakeServer(echo, fault="400") as server:
        policy = load_endpoint(server.spec())
        ask_in_vain(policy)
        assert all(c.failure for c in ask(policy))  # warnings are errors: no second one


def test_a_request_has_a_total_time():
    with FakeServer(echo, fault="slow") as server:
        spec = server.spec(retries=0, read_timeout_s=5, total_timeout_s=0.1)
        completions = ask_in_vain(load_endpoint(spec), PROMPTS[:1])
    assert completions[0].failure == "no answer in 0.1 s (1 try)"


def test_retry_after_holds_back_every_request(monkeypatch):
    arrived, slept, sleep = [], [], client_module.anyio.sleep

    def fault(request):
        arrived.append(time.monotonic())
        return "429" if request.number == 0 else None

    async def sleep_and_tell(seconds):
        slept.append(seconds)
        await sleep(seconds)

    monkeypatch.setattr(client_module.anyio, "sleep", sleep_and_tell)
    with FakeServer(echo, fault=fault, retry_after_s=0.3) as server:
        ask(load_endpoint(server.spec(concurrency=1, backoff_s=0)))
    assert arrived[1] - arrived[0] >= 0.3
    assert sum(slept) <= 0.31  # once for all of them, however long a busy machine takes


def test_retry_after_that_is_too_long_is_a_failure():
    with FakeServer(echo, fault="429", retry_after_s=3600) as server:
        completions = ask_in_vain(load_endpoint(server.spec()), PROMPTS[:1])
    assert completions[0].failure.startswith("requested a delay of 3600 s, HTTP 429: ")
    assert len(server.requests) == 1


@pytest.mark.parametrize(
    ("header", "expected"),
    [
        *[(None, 0), ("7", 7), ("0.5", 0.5), ("-3", 0), ("nan", 0), ("inf", 0), ("soon", 0)],
        (format_datetime(datetime.fromtimestamp(1_000_030, UTC), usegmt=True), 30),
        (format_datetime(datetime.fromtimestamp(1_000, UTC), usegmt=True), 0),
    ],
)
def test_retry_after_s_reads_seconds_and_dates(header, expected):
    assert retry_after_s(header, now_s=1_000_000) == expected


def test_a_body_without_end_is_not_read(monkeypatch):
    monkeypatch.setattr(wire_module, "MAX_BODY_BYTES", 1000)
    with FakeServer(lambda request: [Completion(request.prompt.text * 200)]) as server:
        completions = ask_in_vain(load_endpoint(server.spec()), PROMPTS[:1])
    assert completions[0].failure == "an answer over 1000 bytes (1 try)"


def test_lone_surrogates_do_not_stop_a_request():
    with FakeServer(echo) as server:
        (completion,) = ask(load_endpoint(server.spec()), [Prompt("a\ud800b")])
    assert completion.failure is None
    assert server.requests[0].body["prompt"] == "a\ufffdb"


def test_a_server_that_is_gone_is_a_failure_and_not_an_error():
    with FakeServer(echo) as server:
        policy = load_endpoint(server.spec(retries=1))
    completions = ask_in_vain(policy, PROMPTS[:2])
    assert all(c.failure and "ConnectError" in c.failure for c in completions)


def test_sample_works_where_an_event_loop_runs():
    async def in_a_notebook():
        return ask(policy)

    with FakeServer(echo) as server:
        policy = load_endpoint(server.spec())
        assert heads(asyncio.run(in_a_notebook())) == [p.text for p in PROMPTS]


def test_load_endpoint_takes_the_only_model_of_a_server():
    with FakeServer(echo, models=["lab/model"]) as server:
        policy = load_sampler(f"endpoint:{server.url}")
        assert isinstance(policy, EndpointPolicy)
        assert repr(policy) == f"EndpointPolicy('lab/model' at {server.url})"
        ask(policy, PROMPTS[:1])
    assert server.requests[0].body["model"] == "lab/model"


@pytest.mark.parametrize(
    ("models", "fragment", "message"),
    [
        (["thinker", "solver"], "", "which has thinker, solver, got None; pass one of them"),
        (["thinker", "solver"], "#solvr", "did you mean 'solver'"),
        ([], "#solver", "which has none, got solver"),
    ],
)
def test_load_endpoint_names_the_models_of_a_server(models, fragment, message):
    with FakeServer(echo, models=models) as server, pytest.raises(ValueError, match=message):
        load_endpoint(f"endpoint:{server.url}{fragment}")


def test_load_endpoint_says_what_to_do_about_a_server_that_does_not_run():
    with FakeServer(echo) as server:
        url = server.url
    with pytest.raises(ValueError, match="check the URL, the key and whether the server runs"):
        load_endpoint(f"endpoint:{url}?retries=0")


def test_load_policy_refuses_to_train_an_endpoint():
    with pytest.raises(ValueError, match="a policy to train must have its weights here, got an"):
        load_policy("endpoint:http://localhost:8000/v1#m")


def test_endpoint_without_its_package_says_what_to_install():
    code = (
        "import sys; sys.modules['httpx2'] = None\n"
        "from baselines.policies.registry import load_sampler\n"
        "load_sampler('endpoint:http://localhost:8000/v1#m')\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=False, timeout=280
    )
    assert done.stderr.splitlines()[-1] == (
        "ImportError: an endpoint must be reached with the package httpx2, got none installed; "
        "pip install 'ccpo-env[endpoint]'"
    )


def test_journal_answers_without_the_server(tmp_path):
    journal = tmp_path / "answers.jsonl"
    with FakeServer(echo) as server:
        spec = server.spec(journal=journal)
        first = ask(load_endpoint(spec), PROMPTS * 2)
        num_asked = len(server.requests)
        resumed = load_endpoint(spec)
        assert ask(resumed, PROMPTS * 2) == first
        assert len(server.requests) == num_asked
        assert (resumed.usage.num_reused, resumed.usage.num_requests) == (len(first), 0)
        assert resumed.usage.earlier_completion_tokens == 3 * len(first)
        for other in ({"seed": 1}, {"temperature": 0.5}, {"max_tokens": 4}):
            (answer,) = ask(resumed, PROMPTS[:1], **other)
            assert answer.text != first[0].text
            assert (answer.temperature, answer.max_tokens) == (
                other.get("temperature", 1.0),
                other.get("max_tokens", first[0].max_tokens),
            )
    assert len(server.requests) == num_asked + 3


def test_journal_asks_again_for_nothing_but_what_failed(tmp_path):
    prompts = [*PROMPTS, *PROMPTS[:3]]
    lost = PROMPTS[1]

    def fault(request):
        return "400" if request.prompt == lost else None

    with FakeServer(echo, fault=fault) as server:
        spec = server.spec(journal=tmp_path / "answers.jsonl")
        first = ask_in_vain(load_endpoint(spec), prompts)
        del server.requests[:]
        server.fault = None
        second = ask(load_endpoint(spec), prompts)
    assert [request.prompt for request in server.requests] == [lost]
    assert [a == b for a, b in zip(first, second, strict=True)] == [p != lost for p in prompts]
    assert all(c.failure is None for c in second)


def test_journal_keeps_the_samples_that_came_before_a_failure(tmp_path):
    with FakeServer(
        lambda request: echo(request)[:1],
        fault=lambda request: "400" if request.number == 2 else None,
    ) as server:
        spec = server.spec(journal=tmp_path / "answers.jsonl")
        first = ask_in_vain(load_endpoint(spec), PROMPTS[:1] * 4)
        second = ask(load_endpoint(spec), PROMPTS[:1] * 4)
    assert [c.failure is None for c in first] == [True, True, False, False]
    assert second[:2] == first[:2]
    assert [request.body["n"] for request in server.requests] == [4, 3, 2, 2, 1]


def test_journal_fills_gaps_between_samples(tmp_path):
    """Of four samples, asked for one by one, the second and the fourth are lost at first."""
    prompts = PROMPTS[:1] * 4
    lost = (1, 3)

    def fault(request):
        return "400" if request.number in lost else None

    with FakeServer(echo, fault=fault) as server:
        journal = tmp_path / "answers.jsonl"
        one_by_one = server.spec(max_samples=1, concurrency=1, journal=journal)
        first = ask_in_vain(load_endpoint(one_by_one), prompts)
        second = ask(load_endpoint(server.spec(journal=journal)), prompts)
        third = ask(load_endpoint(server.spec(journal=journal)), prompts)
    assert [c.failure is None for c in first] == [True, False, True, False]
    assert [a == b for a, b in zip(first, second, strict=True)] == [True, False, True, False]
    assert third == second
    assert [request.body["n"] for request in server.requests[4:]] == [1, 1]


def test_ledger_counts_what_the_server_counts():
    with FakeServer(echo) as server:
        policy = load_endpoint(server.spec(prompt_price=1000, completion_price=10_000))
        ask(policy, PROMPTS * 2)
    usage = policy.usage
    assert (usage.prompt_tokens, usage.completion_tokens) == (2 * 6, 3 * 12)
    assert usage.cost == pytest.approx((12 * 1000 + 36 * 10_000) / 1e6)
    assert (usage.num_answered, usage.num_failed) == (12, 0)


def leaks(*outputs: object) -> bool:
    """Whether the key, or a part of it that tells, is in any of the outputs."""
    return any(part in str(output) for output in outputs for part in (SECRET, "Zx81", "very+sec"))


@pytest.mark.parametrize("fault", ["401", "500", "429", "400"])
def test_the_key_is_sent_and_never_shown(fault, tmp_path, monkeypatch, caplog, capfd):
    monkeypatch.setenv("LAB_KEY", SECRET)
    caplog.set_level(logging.DEBUG)
    journal = tmp_path / "answers.jsonl"

    def say_it(request):
        return [Completion(f"the key is {request.headers['Authorization']}", (), (1,), (-1.0,))]

    def fault_of(request):
        return fault if request.prompt == PROMPTS[0] else None

    with FakeServer(say_it, fault=fault_of) as server:
        spec = server.spec(key_env="LAB_KEY", journal=journal, retries=1)
        policy = load_endpoint(spec)
        with pytest.warns(UserWarning, match="unanswered") as caught:
            completions = ask(policy, PROMPTS[:2])
    assert server.requests[0].headers["Authorization"] == f"Bearer {SECRET}"
    assert "refused Bearer [key]" in completions[0].failure
    assert completions[1].text == "the key is Bearer [key]"
    assert not leaks(completions, spec, repr(policy), vars(policy), policy.usage)
    assert not leaks(*(w.message for w in caught), caplog.text, *capfd.readouterr())
    assert not leaks(journal.read_text(encoding="utf-8"), parse_endpoint(spec))
    assert not leaks(pickle.dumps(policy), copy.deepcopy(policy).__dict__)


def test_a_key_that_a_server_wrote_with_escapes_is_not_shown(monkeypatch):
    monkeypatch.setenv("LAB_KEY", SECRET)
    hidden = "".join(f"\\u{ord(c):04x}" for c in SECRET)
    client = client_module.EndpointClient(
        EndpointConfig(url="http://127.0.0.1:1/v1"),
        key=SECRET,
        rate_limiter=client_module.RateLimiter(),
        rng=np.random.default_rng(0),
        usage=None,
    )
    assert json.loads(f'"{hidden}"') == SECRET
    for text in (f'{{"error": "{hidden}"}}', SECRET.replace("/", "\\/").join('""'), SECRET * 50):
        assert not leaks(client._shown(text))
        assert "[key]" in client._shown(text)


def test_a_key_in_the_name_of_a_model_is_not_shown(monkeypatch):
    monkeypatch.setenv("LAB_KEY", SECRET)
    models = [f"model {SECRET}", *map(str, range(30))]
    with (
        FakeServer(echo, models=models) as server,
        pytest.raises(ValueError, match=r"which has model \[key\], 0, .*, and 21 more") as caught,
    ):
        load_endpoint(f"endpoint:{server.url}?key_env=LAB_KEY#other")
    assert not leaks(caught.value)


def test_no_key_is_sent_when_there_is_none(monkeypatch):
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    with FakeServer(echo) as server:
        ask(load_endpoint(server.spec()), PROMPTS[:1])
    assert "Authorization" not in server.requests[0].headers


@pytest.mark.no_cover
def test_hundreds_of_requests_with_faults_are_answered_or_reported():
    """Some prompts are lost for good; of the others every fourth request goes wrong."""
    rng = np.random.default_rng(0)
    kinds = ("429", "500", "reset", "truncated", "slow")

    def fault(request):
        if request.prompt.text.endswith("7"):
            return "500"
        return kinds[rng.integers(len(kinds))] if rng.random() < 0.25 else None

    prompts = [Prompt(f"question {number}") for number in range(200)]
    with FakeServer(echo, fault=fault) as server:
        policy = load_endpoint(server.spec(retries=8, concurrency=64, read_timeout_s=0.5))
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", "the endpoint .* left 20 of 200")
            completions = ask(policy, prompts)
    assert len(completions) == len(prompts)
    for prompt, completion in zip(prompts, completions, strict=True):
        if prompt.text.endswith("7"):
            assert completion.failure is not None
        else:
            assert completion.failure is None
            assert completion.text.startswith(f"{prompt.text}|")
    seen = Counter(server.faults)
    assert all(seen[kind] > 4 for kind in kinds)
    assert policy.usage.num_retries == policy.usage.num_requests - 200 > 50
    assert (policy.usage.num_answered, policy.usage.num_failed) == (180, 20)


def test_an_interrupt_ends_the_requests_that_are_under_way():
    code = (
        "import sys\n"
        "from tests.rl.test_endpoint_policy import ask, load_endpoint\n"
        "policy = load_endpoint(sys.argv[1])\n"
        "print('ready', flush=True)\n"
        "ask(policy)\n"
    )

    def wait(request):
        arrived.set()
        closing.wait(120)
        return echo(request)

    arrived, closing = threading.Event(), threading.Event()
    with FakeServer(wait) as server:
        command = [sys.executable, "-c", code, server.spec(read_timeout_s=120)]
        with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as process:
            assert arrived.wait(120)
            process.send_signal(signal.SIGINT)
            _, errors = process.communicate(timeout=60)
        closing.set()
    assert errors.splitlines()[-1] == "KeyboardInterrupt"
