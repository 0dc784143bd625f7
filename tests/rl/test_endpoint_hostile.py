"""What a server may send: an answer is measured, and nothing else is."""

from __future__ import annotations

import os
import subprocess
import sys

import numpy as np
import pytest

from baselines.policies.base import Prompt, Sampling
from baselines.policies.endpoint.policy import EndpointPolicy, load_endpoint
from tests.rl.hostile_server import CASES, HostileServer
from tests.rl.launching import ROOT

SAMPLING = Sampling(temperature=1.0, max_tokens=16)
SLOW = ("silence", "half_then_silence", "slow_loris", "endless_information")
"""Cases that only a limit of time ends."""
LIMITS = {"backoff_s": 0.001, "read_timeout_s": 1, "total_timeout_s": 1}


def ask(policy: EndpointPolicy, prompts: list[str]) -> list[str | None]:
    """Return the text of each answer; None where there was none."""
    asked = [Prompt(text) for text in prompts]
    found = policy.sample(asked, sampling=SAMPLING, rng=np.random.default_rng(0))
    return [None if one.failure is not None else one.text for one in found]


@pytest.mark.filterwarnings("ignore:the endpoint")
def test_nothing_that_a_server_sends_is_taken_for_an_answer() -> None:
    prompts = [f"{number} {name}" for number, name in enumerate([*CASES, *["good"] * 20])]
    with HostileServer() as server:
        policy = load_endpoint(server.spec(retries=0, concurrency=16, **LIMITS))
        found = ask(policy, prompts)
    taken = {text: got for text, got in zip(prompts, found, strict=True) if got is not None}
    assert taken == {text: text for text in prompts if text.endswith("good")}
    assert policy.usage.num_failed == len(CASES)


@pytest.mark.filterwarnings("ignore:the endpoint")
def test_rest_of_a_response_is_no_answer_to_the_next_request() -> None:
    prompts = [f"{number} {name}" for number, name in enumerate(["split", "good"] * 8)]
    with HostileServer() as server:
        policy = load_endpoint(server.spec(retries=2, concurrency=1, backoff_s=0.001))
        found = ask(policy, prompts)
    assert all(got in (None, text) for text, got in zip(prompts, found, strict=True))
    assert found[1::2] == prompts[1::2]


def test_client_keeps_no_cookies() -> None:
    with HostileServer() as server:
        policy = load_endpoint(server.spec(retries=0, concurrency=1))
        ask(policy, [f"{number} good" for number in range(20)])
        assert max(server.header_sizes) < 1000


MANY = """
import resource, sys, warnings
import numpy as np
from tests.rl.test_endpoint_hostile import ask, load_endpoint, CASES, SLOW, LIMITS
warnings.simplefilter("ignore")
names = [name for name in CASES if name not in SLOW]
rng = np.random.default_rng(0)
prompts = [f"{n} {rng.choice(names) if n % 4 else 'good'}" for n in range(2000)]
policy = load_endpoint(sys.argv[1])
found = ask(policy, prompts)
wrong = [(p, f) for p, f in zip(prompts, found) if f != (p if p.endswith("good") else None)]
most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
print(len(wrong), most, "torch" in sys.modules)
"""


@pytest.mark.skipif("CCPO_SLOW" not in os.environ, reason="2,000 requests; set CCPO_SLOW=1")
def test_two_thousand_requests_count_nothing_wrong_and_take_little_memory() -> None:
    with HostileServer() as server:
        spec = server.spec(retries=0, **{**LIMITS, "read_timeout_s": 20, "total_timeout_s": 20})
        done = subprocess.run(
            [sys.executable, "-c", MANY, spec], cwd=ROOT, capture_output=True, text=True, check=True
        )
    num_wrong, megabytes, has_torch = done.stdout.split()
    assert (num_wrong, has_torch) == ("0", "False")
    assert int(megabytes) < 150, megabytes
