from __future__ import annotations

import math
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from baselines.policies.endpoint.address import (
    SERVERS,
    EndpointConfig,
    is_endpoint,
    parse_endpoint,
    read_key,
)

SECRET = "sk-Zx81-very-secret"


def test_parse_endpoint_reads_url_options_and_model():
    config = parse_endpoint(
        "endpoint:https://host:8000/v1/?api=completions&concurrency=4&read_timeout_s=2.5"
        "&journal=runs/a%20b.jsonl&key_env=LAB_KEY#Qwen/Qwen2.5-1.5B-Instruct"
    )
    assert config == EndpointConfig(
        url="https://host:8000/v1",
        model="Qwen/Qwen2.5-1.5B-Instruct",
        api="completions",
        concurrency=4,
        read_timeout_s=2.5,
        journal=Path("runs/a b.jsonl"),
        key_env="LAB_KEY",
    )


def test_parse_endpoint_adds_v1_to_a_bare_host_and_needs_no_model():
    assert parse_endpoint("endpoint:http://localhost:8000") == EndpointConfig(
        url="http://localhost:8000/v1"
    )


@given(
    st.fixed_dictionaries(
        {
            "server": st.sampled_from(sorted(SERVERS)),
            "concurrency": st.integers(1, 999),
            "retries": st.integers(0, 9),
            "prompt_price": st.floats(0, 100),
            "requests_per_minute": st.floats(1, 1e6),
        }
    )
)
def test_parse_endpoint_reads_back_every_option(options):
    query = "&".join(f"{name}={value}" for name, value in options.items())
    config = parse_endpoint(f"endpoint:http://[::1]:80/v1?{query}#m")
    assert {name: getattr(config, name) for name in options} == options


@pytest.mark.parametrize(
    ("spec", "message"),
    [
        ("endpoint:", "an endpoint must be an http or https URL"),
        ("endpoint:ftp://host/v1", "an endpoint must be an http or https URL"),
        ("endpoint:http:///v1", "an endpoint must be an http or https URL"),
        ("endpoint:http://host:none/v1", "an endpoint must be an http or https URL"),
        ("endpoint:http://h/v1?concurency=2", "did you mean 'concurrency'"),
        ("endpoint:http://h/v1?concurrency=two", "concurrency must be a number, got 'two'"),
        ("endpoint:http://h/v1?concurrency=0", "concurrency must be >= 1, got 0"),
        ("endpoint:http://h/v1?read_timeout_s=nan", "read_timeout_s must be > 0, got nan"),
        ("endpoint:http://h/v1?retries=-1", "retries must be >= 0, got -1"),
        ("endpoint:http://h/v1?server=vlm", "did you mean 'vllm'"),
        ("endpoint:http://h/v1?api=chatty", "did you mean 'chat'"),
    ],
)
def test_parse_endpoint_says_what_is_wrong(spec, message):
    with pytest.raises(ValueError, match=message) as caught:
        parse_endpoint(spec)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    "spec",
    [
        f"endpoint:http://me:{SECRET}@host/v1#m",
        f"endpoint:http://host/v1?key_env={SECRET}#m",
        f"endpoint:http://host/v1?api_key={SECRET}#m",
    ],
)
def test_parse_endpoint_refuses_a_key_and_does_not_repeat_it(spec):
    with pytest.raises(ValueError, match=r"must|unknown option 'api_key'") as caught:
        parse_endpoint(spec)
    assert SECRET not in str(caught.value)
    assert "Zx81" not in repr(caught.value.__cause__ or "")


def test_config_takes_no_infinite_number():
    with pytest.raises(ValueError, match="prompt_price must be >= 0, got inf"):
        EndpointConfig(url="http://h/v1", prompt_price=math.inf)


@pytest.mark.parametrize(
    ("url", "key_env", "expected"),
    [
        ("http://localhost:8000/v1", None, SECRET),
        ("http://127.0.0.1:8000/v1", None, SECRET),
        ("https://api.example.org/v1", None, SECRET),
        ("http://lab.example.org/v1", None, None),  # not sent in the clear unless asked to
        ("http://lab.example.org/v1", "OPENAI_API_KEY", SECRET),
        ("https://api.example.org/v1", "OTHER_KEY", "other-key"),
    ],
)
def test_read_key_takes_the_named_variable_and_the_default_only_where_it_is_safe(
    url, key_env, expected, monkeypatch
):
    monkeypatch.setenv("OPENAI_API_KEY", f"{SECRET}\n")  # as from a file
    monkeypatch.setenv("OTHER_KEY", "other-key")
    assert read_key(EndpointConfig(url=url, key_env=key_env)) == expected


def test_read_key_names_a_variable_that_is_not_set(monkeypatch):
    monkeypatch.delenv("LAB_KEY", raising=False)
    with pytest.raises(ValueError, match="got LAB_KEY, which is not set; export LAB_KEY"):
        read_key(EndpointConfig(url="http://h/v1", key_env="LAB_KEY"))
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    assert read_key(EndpointConfig(url="https://h/v1")) is None


@pytest.mark.parametrize("key", [f"{SECRET}\r\nX-Evil: 1", f"{SECRET} 2", f"{SECRET}é"])
def test_read_key_refuses_what_no_header_holds_and_does_not_repeat_it(key, monkeypatch):
    monkeypatch.setenv("LAB_KEY", key)
    with pytest.raises(ValueError, match="a key must be printable ASCII") as caught:
        read_key(EndpointConfig(url="http://h/v1", key_env="LAB_KEY"))
    assert SECRET not in str(caught.value)


@pytest.mark.parametrize(
    ("spec", "expected"),
    [("endpoint:http://h", True), ("tiny", False), ("", False), (Path("endpoint:x"), False)],
)
def test_is_endpoint_is_true_of_the_prefix_alone(spec, expected):
    assert is_endpoint(spec) is expected
