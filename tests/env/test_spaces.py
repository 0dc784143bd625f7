"""Text as a Gymnasium space: what is in it, and what it samples."""

from __future__ import annotations

import copy
import pickle

import numpy as np
import pytest
from gymnasium import spaces
from gymnasium.vector.utils import (
    batch_differing_spaces,
    batch_space,
    create_empty_array,
    create_shared_memory,
    iterate,
    read_from_shared_memory,
    write_to_shared_memory,
)
from gymnasium.wrappers.utils import create_zero_array
from hypothesis import given
from hypothesis import strategies as st

from ccpo_env import think_solve_v0
from ccpo_env.spaces import MAX_SAMPLE_CHARS, TextSpace


@given(max_chars=st.integers(1, 10**6), seed=st.integers(0, 2**32))
def test_sample_is_in_the_space(max_chars: int, seed: int) -> None:
    space = TextSpace(max_chars, seed=seed)
    for _ in range(5):
        text = space.sample()
        assert space.contains(text)
        assert text.isascii()
        assert text == "" or text.isprintable()


@given(text=st.text())
def test_text_of_any_script_is_in_the_space_up_to_its_length(text: str) -> None:
    assert text in TextSpace(len(text) + 1)
    assert text in TextSpace(max(len(text), 1))
    assert f"{text}x" not in TextSpace(max(len(text), 1)) or not text


@pytest.mark.parametrize("text", ["\ud800", "a\udfff", "\udc00\ud800"])
def test_lone_surrogates_are_not_in_the_space(text: str) -> None:
    assert text not in TextSpace(10)


@pytest.mark.parametrize("value", [None, b"text", 3, ["text"], np.array("text"), {"prompt": "a"}])
def test_what_is_no_text_is_not_in_the_space(value: object) -> None:
    assert value not in TextSpace(10)


def test_a_numpy_string_is_in_the_space() -> None:
    assert np.str_("text") in TextSpace(10)


def test_same_seed_gives_the_same_samples() -> None:
    first, second = TextSpace(100, seed=5), TextSpace(100)
    second.seed(5)
    samples = [first.sample() for _ in range(20)]
    assert [second.sample() for _ in range(20)] == samples
    assert len(set(samples)) > 15


def test_samples_have_every_length_up_to_the_bound() -> None:
    space = TextSpace(3, seed=0)
    assert {len(space.sample()) for _ in range(200)} == {0, 1, 2, 3}
    long_space = TextSpace(10**6, seed=0)
    assert max(len(long_space.sample()) for _ in range(2000)) == MAX_SAMPLE_CHARS


@pytest.mark.parametrize("masks", [{"mask": (3, None)}, {"probability": (3, None)}])
def test_sample_refuses_a_mask(masks: dict[str, object]) -> None:
    with pytest.raises(ValueError, match="must be called without a mask"):
        TextSpace(10).sample(**masks)


@pytest.mark.parametrize("max_chars", [0, -1])
def test_a_space_must_have_room(max_chars: int) -> None:
    with pytest.raises(ValueError, match=f"max_chars must be >= 1, got {max_chars}; try"):
        TextSpace(max_chars)


def test_spaces_are_equal_when_they_hold_the_same_texts() -> None:
    assert TextSpace(10, seed=1) == TextSpace(10, seed=2)
    assert hash(TextSpace(10)) == hash(TextSpace(10))
    assert TextSpace(10) != TextSpace(11)
    assert TextSpace(10) != spaces.Text(10)


def test_repr_is_short() -> None:
    assert repr(TextSpace(65_536)) == "TextSpace(65536)"


def test_pickle_and_deepcopy_keep_the_space_and_its_stream() -> None:
    space = TextSpace(50, seed=3)
    space.sample()
    twins = [pickle.loads(pickle.dumps(space)), copy.deepcopy(space)]
    samples = [space.sample() for _ in range(3)]
    for twin in twins:
        assert twin == space
        assert [twin.sample() for _ in range(3)] == samples


def test_text_survives_the_json_form_of_a_space() -> None:
    space, texts = TextSpace(10), ["", "≤ π²", "x\ny"]
    assert space.from_jsonable(space.to_jsonable(texts)) == texts


def test_text_is_an_array_of_a_number_for_each_character() -> None:
    space = TextSpace(5)
    assert (space.shape, space.is_np_flattenable) == (None, True)
    assert spaces.flatten(space, "a😀").tolist() == [98, 0x1F600 + 1, 0, 0, 0]
    assert spaces.flatten_space(space) == spaces.Box(0, 0x110000, (5,), np.int32)
    assert spaces.flatdim(spaces.Dict({"prompt": space})) == 5
    with pytest.raises(ValueError, match="a text must have at most 5 characters, got 6; shorten"):
        spaces.flatten(space, "abcdef")


@given(text=st.text(max_size=30))
def test_text_survives_its_array(text: str) -> None:
    space = TextSpace(30)
    array = spaces.flatten(space, text)
    assert array in spaces.flatten_space(space)
    assert spaces.unflatten(space, array) == text


def test_every_array_of_the_flat_space_is_a_text() -> None:
    space, flat = TextSpace(200), spaces.flatten_space(TextSpace(200))
    flat.seed(0)
    assert all(spaces.unflatten(space, flat.sample()) in space for _ in range(5))


def test_env_spaces_are_one_object_per_agent() -> None:
    env = think_solve_v0(num_thinkers=2, verifier="exact")
    for space_of in (env.observation_space, env.action_space):
        found = [space_of(agent) for agent in env.possible_agents]
        assert [space_of(agent) for agent in env.possible_agents] == found
        assert all(
            space_of(agent) is space
            for agent, space in zip(env.possible_agents, found, strict=True)
        )
        assert len({id(space) for space in found}) == 3
        assert found[0] == found[1] == found[2]


def test_env_action_space_is_as_long_as_a_message_may_be() -> None:
    env = think_solve_v0(verifier="exact", max_chars=20)
    assert env.action_space("solver_0").contains("x" * 20)
    assert not env.action_space("solver_0").contains("x" * 21)


def test_env_has_its_spaces_as_attributes() -> None:
    env = think_solve_v0(verifier="exact")
    for agent in env.possible_agents:
        assert env.observation_spaces[agent] is env.observation_space(agent)
        assert env.action_spaces[agent] is env.action_space(agent)


def test_batches_of_texts_are_tuples_with_different_samples() -> None:
    space = TextSpace(40, seed=0)
    batch = batch_space(space, 3)
    samples = batch.sample()
    assert (batch, len(set(samples))) == (spaces.Tuple([space] * 3), 3)
    assert samples in batch
    assert list(iterate(batch, samples)) == list(samples)
    assert list(iterate(space, samples)) == list(samples)  # as SuperSuit calls it
    assert batch_differing_spaces([TextSpace(4), TextSpace(5)])[1] == TextSpace(5)
    assert batch_space(space, 3).sample() == samples
    assert (create_empty_array(space, n=2), create_empty_array(space)) == (("", ""), ("",))
    assert create_zero_array(space) == ""
    nested = batch_space(spaces.Dict({"prompt": space, "n": spaces.Discrete(3)}), 2)
    items = {"prompt": ("a", "b"), "n": np.array([1, 2])}
    assert list(iterate(nested, items)) == [{"prompt": "a", "n": 1}, {"prompt": "b", "n": 2}]
    assert spaces.utils.is_space_dtype_shape_equiv(space, TextSpace(40))
    assert not spaces.utils.is_space_dtype_shape_equiv(space, TextSpace(41))


def test_shared_texts_are_those_that_were_written_last() -> None:
    space = spaces.Dict({"prompt": TextSpace(6)})
    memory = create_shared_memory(space, n=2)
    shared = read_from_shared_memory(space, memory, n=2)
    assert list(shared["prompt"]) == ["", ""]
    write_to_shared_memory(space, 1, {"prompt": "≤ π²"}, memory)
    assert shared in batch_space(space, 2)
    kept = copy.deepcopy(shared)
    write_to_shared_memory(space, 1, {"prompt": "b"}, memory)
    assert kept["prompt"] == ("", "≤ π²")
    assert (len(shared["prompt"]), shared["prompt"][1], shared["prompt"][:]) == (2, "b", ("", "b"))
    with pytest.raises(ValueError, match="a text must have at most 6 characters, got 7"):
        write_to_shared_memory(space, 0, {"prompt": "abcdefg"}, memory)
