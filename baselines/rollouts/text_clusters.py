"""Clusters of texts by meaning: static token embeddings, Ward linkage, silhouette.

The encoder is the token table of the package wordllama, 16 MB that come with it, so nothing is
downloaded, no network runs, and equal input gives equal clusters.
"""

from __future__ import annotations

import importlib.util
from collections import Counter
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from baselines.common.types import FloatArray, IntArray

if TYPE_CHECKING:
    from tokenizers import Tokenizer

LEAST_WEIGHT = 1e-3
"""Weight of a token that all texts share; not 0, so that a text of such tokens has a direction."""


def numbers_of_clusters(num_texts: int) -> range:
    """Return the possible numbers of clusters of so many texts: from sqrt(n) to 2 sqrt(n).

    At most n / 2, so that a cluster has two members or more on average, without which no effect
    can be estimated, and at least 1: from 2 to 4 clusters of 8 texts, 4 to 8 of 16, 8 to 16 of 64.
    Too many clusters only cost precision, too few join messages of different effect.
    """
    root = num_texts**0.5
    most = max(1, min(num_texts // 2, int(2.0 * root)))
    return range(min(most, int(root)), most + 1)


def text_clusters(texts: Sequence[str]) -> IntArray:
    """Return the cluster of each text, numbered from 0, shape (number of texts,).

    Args:
        texts: Any texts. Equal ones are in one cluster, and their order does not matter.

    Returns:
        A cluster for each different text if that is no more than `numbers_of_clusters` allows;
        else the clusters of Ward's linkage of their embeddings, of the allowed number with the
        largest mean silhouette.

    Raises:
        ImportError: If texts must be embedded and the package wordllama is not installed.
    """
    allowed = numbers_of_clusters(len(texts))
    distinct, places = numbered(texts)
    if len(distinct) < allowed.stop:
        return places
    if allowed.stop == 2:
        return np.zeros(len(texts), dtype=np.int64)
    return _cut(embeddings(distinct), allowed)[places]


def numbered(texts: Sequence[str]) -> tuple[list[str], IntArray]:
    """Return the different texts, sorted, and the place of each text among them."""
    distinct = sorted(set(texts))
    place_of = {text: place for place, text in enumerate(distinct)}
    return distinct, np.array([place_of[text] for text in texts], dtype=np.int64)


def embeddings(texts: Sequence[str]) -> FloatArray:
    """Return embeddings of different texts, of length 1, shape (number of texts, D).

    Each is the sum of the vectors of the text's different tokens, less the mean over the texts. A
    token has the weight sqrt(log((1 + n) / (1 + number of the n texts that have it))), so that what
    all texts of a group share, such as words of the question, has none.
    """
    tokenizer, table = _encoder()
    # One by one, because a batch starts threads, which do not go with forked processes.
    encoded = [tokenizer.encode(text, add_special_tokens=False) for text in texts]
    tokens = [sorted(set(one.ids)) for one in encoded]
    counts = Counter(token for own in tokens for token in own)
    vectors = np.zeros((len(tokens), table.shape[1]))
    for row, own in enumerate(tokens):
        frequency = np.array([counts[token] for token in own], dtype=np.float64)
        weights = np.sqrt(np.log((1.0 + len(tokens)) / (1.0 + frequency))) + LEAST_WEIGHT
        vectors[row] = weights @ table[own].astype(np.float64)
    return _of_length_one(_of_length_one(vectors) - _of_length_one(vectors).mean(axis=0))


def expect_encoder() -> Path:
    """Return the folder of the encoder.

    Raises:
        ImportError: If the package wordllama is not installed.
    """
    # Not imported: only its table is needed, and its import changes the logging of the program.
    package = importlib.util.find_spec("wordllama")
    if package is None or not package.submodule_search_locations:
        raise ImportError(
            "clusters of messages must have the package wordllama installed, got none; "
            "run pip install 'ccpo-env[hf]', or pass --message-categories text"
        )
    return Path(package.submodule_search_locations[0])


@cache
def _encoder() -> tuple[Tokenizer, FloatArray]:
    from safetensors.numpy import load_file
    from tokenizers import Tokenizer

    folder = expect_encoder()
    tokenizer = Tokenizer.from_file(str(folder / "tokenizers/l2_supercat_tokenizer_config.json"))
    table = load_file(folder / "weights/l2_supercat_256.safetensors")["embedding.weight"]
    return tokenizer, table


def _of_length_one(vectors: FloatArray) -> FloatArray:
    lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
    scaled: FloatArray = vectors / np.where(lengths > 0.0, lengths, 1.0)
    return scaled


def _cut(vectors: FloatArray, allowed: range) -> IntArray:
    """Return the clustering of an allowed number of clusters with the largest mean silhouette."""
    from scipy.cluster.hierarchy import fcluster, linkage
    from scipy.spatial.distance import pdist, squareform

    tree = linkage(vectors, "ward")
    distances = squareform(pdist(vectors, "sqeuclidean"))  # twice the cosine distance
    cuts = [fcluster(tree, number, "maxclust") - 1 for number in allowed]
    best: IntArray = max(cuts, key=lambda own: _silhouette(distances, own))  # the first of a tie
    return best.astype(np.int64)


def _silhouette(distances: FloatArray, clusters: IntArray) -> float:
    """Return the mean silhouette of points, 0 for one that is alone in its cluster.

    silhouette = (b - a) / max(a, b)      a, b: mean distance to the own and the nearest cluster
    """
    members = np.eye(clusters.max() + 1)[clusters]  # (n, K)
    sizes = members.sum(axis=0)
    sums = distances @ members  # (n, K)
    points = np.arange(len(clusters))
    own = sums[points, clusters] / np.maximum(sizes[clusters] - 1.0, 1.0)
    means = sums / sizes
    means[points, clusters] = np.inf
    nearest = means.min(axis=1)
    larger = np.maximum(own, nearest)
    scored = (sizes[clusters] > 1.0) & (larger > 0.0) & np.isfinite(larger)
    return float(np.where(scored, (nearest - own) / np.where(scored, larger, 1.0), 0.0).mean())
