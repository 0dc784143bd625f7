from __future__ import annotations

import copy
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from baselines.policies.base import Completion, Prompt, Sampling
from baselines.policies.endpoint.address import EndpointConfig
from baselines.policies.endpoint.wire import (
    BadAnswerError,
    Usage,
    model_names,
    question,
    read_answer,
)

CHAT = Prompt("1+1", ({"role": "user", "content": "1+1"},))
PLAIN_ANSWER = {
    "choices": [
        {
            "index": 0,
            "text": "two",
            "finish_reason": "stop",
            "token_ids": [5, 6],
            "prompt_token_ids": [1, 2, 3],
            "logprobs": {"token_logprobs": [-0.5, -0.25], "tokens": ["t", "wo"]},
        }
    ],
    "usage": {"prompt_tokens": 3, "completion_tokens": 2},
}
CHAT_ANSWER = {
    "choices": [
        {
            "index": 0,
            "message": {"role": "assistant", "content": "two"},
            "finish_reason": "stop",
            "token_ids": [5, 6],
            "logprobs": {"content": [{"logprob": -0.5}, {"logprob": -0.25}]},
        }
    ],
    "prompt_token_ids": [1, 2, 3],
    "usage": {"prompt_tokens": 3, "completion_tokens": 2},
}
COMPLETION = Completion("two", (1, 2, 3), (5, 6), (-0.5, -0.25))


def asked_of(prompt=CHAT, *, temperature=1.0, max_tokens=8, **options):
    config = EndpointConfig(url="http://h/v1", **options)
    sampling = Sampling(temperature=temperature, max_tokens=max_tokens)
    return question(prompt, sampling=sampling, config=config, model="m")


def read(answer, *, num_samples=1, api="completions", redact=str, **options):
    body = answer if isinstance(answer, bytes) else json.dumps(answer).encode()
    asked = asked_of(api=api, **options)
    return read_answer(body, asked, num_samples=num_samples, redact=redact)


def changed(answer, **fields):
    """The answer with fields of its choice replaced."""
    other = copy.deepcopy(answer)
    other["choices"][0] |= fields
    return other


def test_question_turns_off_what_would_change_the_distribution():
    body = asked_of().body
    neutral = {"top_p": 1.0, "top_k": -1, "min_p": 0.0, "repetition_penalty": 1.0}
    assert {name: body[name] for name in neutral} == neutral
    assert body["return_token_ids"] is True


def test_question_of_openai_has_no_field_beyond_its_reference():
    chat = asked_of(server="openai").body
    assert set(chat) == {
        *("model", "temperature", "top_p", "messages"),
        *("max_completion_tokens", "logprobs", "top_logprobs"),
    }


@pytest.mark.parametrize(
    ("prompt", "api", "path", "field"),
    [
        (CHAT, "chat", "/chat/completions", "messages"),
        (CHAT, "completions", "/completions", "prompt"),
        (Prompt("plain"), "chat", "/completions", "prompt"),
    ],
)
def test_question_is_chat_where_there_are_messages(prompt, api, path, field):
    asked = asked_of(prompt, api=api)
    assert asked.path == path
    assert field in asked.body
    assert asked.body["max_tokens"] == 8


def test_question_always_says_the_longest_completion():
    assert asked_of(max_tokens=None).body["max_tokens"] == asked_of(max_tokens=None).max_tokens > 0


@pytest.mark.parametrize(
    ("logprobs", "temperature", "kept"),
    [
        *[("raw", 0.0, True), ("raw", 0.7, False), ("raw", 1.0, True)],
        *[("processed", 0.0, False), ("processed", 0.7, True), ("processed", 1.0, True)],
        ("none", 1.0, False),
    ],
)
def test_logprobs_are_kept_where_they_are_those_sampled_with(logprobs, temperature, kept):
    options = {"logprobs": logprobs, "temperature": temperature}
    (completion,) = read(PLAIN_ANSWER, **options).completions
    assert completion.logprobs == ((-0.5, -0.25) if kept else ())
    assert ("logprobs" in asked_of(logprobs=logprobs).body) == (logprobs != "none")


@pytest.mark.parametrize(
    ("answer", "api"), [(PLAIN_ANSWER, "completions"), (CHAT_ANSWER, "chat")], ids=["plain", "chat"]
)
def test_read_answer_reads_both_forms(answer, api):
    read_back = read(answer, api=api)
    assert read_back.completions == (COMPLETION,)
    assert read_back.usage == Usage(3, 2)


def test_read_answer_orders_choices_by_their_index_and_takes_fewer_than_asked():
    answer = copy.deepcopy(PLAIN_ANSWER)
    answer["choices"] = [
        answer["choices"][0] | {"index": 1, "text": "second"},
        answer["choices"][0] | {"index": 0, "text": "first"},
    ]
    assert [c.text for c in read(answer, num_samples=3).completions] == ["first", "second"]


def test_read_answer_counts_tokens_where_the_server_does_not():
    assert read({"choices": PLAIN_ANSWER["choices"]}).usage == Usage(3, 2)


def test_read_answer_without_token_ids_is_text_alone():
    answer = changed(PLAIN_ANSWER, token_ids=None, prompt_token_ids=None)
    assert read(answer).completions == (Completion("two"),)


def test_read_answer_of_reasoning_that_was_cut_off_is_an_empty_text():
    answer = changed(CHAT_ANSWER, message={"content": None}, finish_reason="length")
    assert read(answer, api="chat").completions[0].text == ""


def test_read_answer_redacts_what_the_model_wrote():
    assert read(PLAIN_ANSWER, redact=str.upper).completions[0].text == "TWO"


@pytest.mark.parametrize(
    "answer",
    [
        *[b"", b"{", b"<html>", b"[" * 100_000, b"\xff\xfe", b'{"choices": NaN}', b"7"],
        *[{}, {"choices": {}}, {"choices": []}, {"choices": [7]}],
        {"choices": PLAIN_ANSWER["choices"] * 2},  # more than asked for
        changed(PLAIN_ANSWER, text=None),
        changed(PLAIN_ANSWER, text=["two"]),
        *[changed(PLAIN_ANSWER, finish_reason=r) for r in (None, "abort", "content_filter", 3)],
        *[changed(PLAIN_ANSWER, index=i) for i in (-1, "0", True, 1.5)],
        *[
            changed(PLAIN_ANSWER, token_ids=ids)
            for ids in ([5], [5, -6], [5, 2**70], "56", [5, "6"])
        ],
        changed(PLAIN_ANSWER, token_ids=list(range(9)), logprobs=None),  # 8 were allowed
        changed(PLAIN_ANSWER, prompt_token_ids={"0": 1}),
        *[
            changed(PLAIN_ANSWER, logprobs={"token_logprobs": values})
            for values in ([-0.5], [-0.5, 0.5], [-0.5, None], [-0.5, "x"], [-0.5, True], "ab")
        ],
        {"choices": PLAIN_ANSWER["choices"], "usage": {"prompt_tokens": -1}},
    ],
)
def test_read_answer_refuses_what_is_broken(answer):
    with pytest.raises(BadAnswerError):
        read(answer)


def test_read_answer_refuses_two_choices_of_one_index():
    with pytest.raises(BadAnswerError, match="indices of choices must differ"):
        read({"choices": PLAIN_ANSWER["choices"] * 2}, num_samples=2)


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner),
    max_leaves=8,
)


@given(field=st.sampled_from(sorted(PLAIN_ANSWER["choices"][0])), value=json_values)
def test_read_answer_gives_consistent_completions_or_refuses(field, value):
    try:
        (completion,) = read(changed(PLAIN_ANSWER, **{field: value})).completions
    except BadAnswerError:
        return
    assert isinstance(completion.text, str)
    assert len(completion.logprobs) in (0, len(completion.token_ids))
    assert all(isinstance(token, int) and token >= 0 for token in completion.token_ids)


@given(cut=st.integers(0, 10_000))
def test_read_answer_refuses_every_torn_body(cut):
    body = json.dumps(PLAIN_ANSWER).encode()
    with pytest.raises(BadAnswerError):
        read(body[: cut % len(body)])


def test_model_names_are_the_ids_of_the_list():
    assert model_names(b'{"data": [{"id": "a"}, {"id": "b"}]}') == ["a", "b"]
    for body in (b"{}", b'{"data": [{}]}', b'{"data": {"id": "a"}}', b"null"):
        with pytest.raises(BadAnswerError):
            model_names(body)
