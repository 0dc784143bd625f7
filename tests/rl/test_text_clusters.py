from __future__ import annotations

import importlib.util
from types import SimpleNamespace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from baselines.rollouts import text_clusters as module
from baselines.rollouts.text_clusters import (
    embeddings,
    expect_encoder,
    numbers_of_clusters,
    text_clusters,
)

MULTIPLY = [
    "Multiply the boxes by the apples in each of them.",
    "We need a multiplication: boxes times apples.",
    "Multiplication gives the product of boxes and apples.",
    "First multiply, boxes times apples per box.",
]
NO_IDEA = [
    "I am not sure what to do, sorry.",
    "Sorry, I have no idea what to do.",
    "I am sorry, I do not know what is asked.",
    "No idea, I am not sure at all.",
]
WORDS = st.sampled_from(["add", "apples", "multiply", "the", "boxes", "42", "sorry", "", "Ω"])
TEXTS = st.lists(st.lists(WORDS, max_size=4).map(" ".join), min_size=1, max_size=24)


def partition(labels) -> set[frozenset[int]]:
    return {frozenset(np.flatnonzero(labels == label).tolist()) for label in set(labels.tolist())}


@pytest.mark.parametrize(
    ("num_texts", "fewest", "most"),
    [
        *((1, 1, 1), (2, 1, 1), (3, 1, 1), (4, 2, 2), (8, 2, 4), (15, 3, 7), (16, 4, 8)),
        *((17, 4, 8), (64, 8, 16), (100, 10, 20)),
    ],
)
def test_clusters_number_from_the_root_to_twice_the_root_of_the_texts(num_texts, fewest, most):
    allowed = numbers_of_clusters(num_texts)
    assert (allowed[0], allowed[-1]) == (fewest, most)


def test_different_texts_of_one_meaning_are_one_cluster():
    clusters = text_clusters([*MULTIPLY, *NO_IDEA])
    assert partition(clusters) == {frozenset(range(4)), frozenset(range(4, 8))}


def test_few_different_texts_are_a_cluster_each_however_similar_they_are():
    texts = ["add 3 and 4", "add 3 and 5", "add 3 and 4", "add 3 and 6"] * 2
    assert text_clusters(texts).tolist() == [0, 1, 0, 2] * 2


def test_four_different_texts_of_eight_need_no_encoder(monkeypatch):
    monkeypatch.delattr(module, "embeddings")
    assert text_clusters(list("aabbccdd")).tolist() == [0, 0, 1, 1, 2, 2, 3, 3]
    with pytest.raises(NameError):
        text_clusters(list("aabbccde"))


@pytest.mark.parametrize("texts", [["a"], ["a", "b"], ["a", "b", "c"], ["a", "a"]])
def test_texts_too_few_for_clusters_are_one_and_need_no_encoder(texts, monkeypatch):
    monkeypatch.delattr(module, "embeddings")
    assert text_clusters(texts).tolist() == [0] * len(texts)


@given(texts=TEXTS, seed=st.integers(0, 99))
def test_clusters_do_not_depend_on_the_order_and_join_equal_texts(texts, seed):
    clusters = text_clusters(texts)
    assert set(clusters.tolist()) == set(range(len(set(clusters.tolist()))))
    assert len(set(clusters.tolist())) <= numbers_of_clusters(len(texts))[-1]
    assert len(set(zip(texts, clusters.tolist(), strict=True))) == len(set(texts))
    order = np.random.default_rng(seed).permutation(len(texts))
    reordered = text_clusters([texts[place] for place in order])
    assert reordered.tolist() == clusters[order].tolist()


def test_embeddings_have_length_one_and_ignore_what_all_texts_share():
    words = ("apple", "pear", "car", "truck")
    vectors = embeddings([f"The answer to this question is the word {word}." for word in words])
    np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), 1.0, rtol=0, atol=1e-12)
    cosine = vectors @ vectors.T
    assert min(cosine[0, 1], cosine[2, 3]) > cosine[:2, 2:].max()
    assert cosine[:2, 2:].max() < 0.0  # of the whole sentences they would be near 1


def test_a_token_counts_once_and_less_the_more_texts_have_it(monkeypatch):
    table = np.array([[1.0, 0.0], [0.0, 1.0]])

    class Tokenizer:
        def encode(self, text, add_special_tokens):
            assert not add_special_tokens
            return SimpleNamespace(ids=[int(digit) for digit in text])

    monkeypatch.setattr(module, "_encoder", lambda: (Tokenizer(), table))
    common, rare = module.LEAST_WEIGHT, np.sqrt(np.log(3 / 2)) + module.LEAST_WEIGHT
    first = np.array([1.0, 0.0])
    second = np.array([common, rare]) / np.hypot(common, rare)
    mean = (first + second) / 2
    wanted = [(v - mean) / np.linalg.norm(v - mean) for v in (first, second)]
    np.testing.assert_allclose(embeddings(["000", "011"]), wanted, rtol=0, atol=1e-12)


def test_a_text_without_tokens_has_the_embedding_zero_less_the_mean():
    assert np.isfinite(embeddings(["", "apple", "pear"])).all()
    assert embeddings([""]).tolist() == [[0.0] * 256]


def test_silhouette_by_hand():
    points = np.array([0.0, 1.0, 5.0, 7.0, 20.0])
    distances = np.abs(points[:, None] - points)
    clusters = np.array([0, 0, 1, 1, 2])
    # Own and nearest: 1 and 6, 1 and 5, 2 and 4.5, 2 and 6.5; the last one is alone.
    wanted = np.mean([5 / 6, 4 / 5, 2.5 / 4.5, 4.5 / 6.5, 0.0])
    assert module._silhouette(distances, clusters) == pytest.approx(wanted)
    assert module._silhouette(np.zeros((4, 4)), np.array([0, 0, 1, 1])) == 0.0


def test_the_number_of_clusters_is_that_of_the_largest_silhouette():
    points = np.array([[0.0], [0.1], [5.0], [5.1], [9.0], [9.1], [9.2]])
    three = {frozenset({0, 1}), frozenset({2, 3}), frozenset({4, 5, 6})}
    assert partition(module._cut(points, range(2, 7))) == three
    capped = module._cut(points, range(2, 3))
    assert partition(capped) == {frozenset({0, 1}), frozenset({2, 3, 4, 5, 6})}
    assert len(partition(module._cut(points, range(5, 7)))) == 5


def test_a_missing_encoder_is_one_sentence(monkeypatch):
    monkeypatch.setattr(importlib.util, "find_spec", lambda _: None)
    with pytest.raises(ImportError, match="must have the package wordllama installed, got none"):
        expect_encoder()
