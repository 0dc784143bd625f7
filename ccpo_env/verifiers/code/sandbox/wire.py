"""Plain values as JSON lines: what arrives is rebuilt from exactly these types or refused."""

from __future__ import annotations

import json
import math
import operator
import os
from collections.abc import Callable, Iterator, Mapping
from itertools import islice

MAX_MESSAGE_BYTES = 8 << 20
"""Longest message of a program."""
PIECE = 16 << 10
"""Bytes that a pipe moves at once, or about so many."""
MAX_ITERATED = 100_000
"""Longest iterator, such as a generator, that is sent as the values that it gives."""
MAX_ELEMENTS = 1_000_000
"""Most values in one message."""
MAX_EQUAL_HASHES = 100
"""Most members of a set or keys of a dict with the same hash: their number counts squared."""
_MAX_PLAIN_INT = 1 << 53
_BIG = 1 << 16

Json = None | bool | int | float | str | list["Json"] | dict[str, "Json"]


class BadMessage(Exception):
    """A message that is not a JSON object, too long, or not made of plain values."""


class NotPlain(TypeError):
    """A value that cannot be sent."""


def encode(value: object, refer: Callable[[object], Json]) -> Json:
    """Return a value as JSON.

    Args:
        value: None, bool, int, float, complex, str, bytes, list, tuple, set, frozenset, dict,
            range, an iterator of these, or any object, which is referred to.
        refer: Called with any other object, for what stands for it.

    Raises:
        RecursionError: If it is nested too deeply.
    """
    if value is None or isinstance(value, bool | str):
        return value
    if isinstance(value, int):
        return int(value) if abs(value) <= _MAX_PLAIN_INT else {"int": hex(value)}
    if isinstance(value, float):
        return float(value) if math.isfinite(value) else {"float": repr(float(value))}
    if isinstance(value, list):
        return [encode(item, refer) for item in value]
    if isinstance(value, dict):
        pairs = value.items()
        return {"dict": [[encode(key, refer), encode(item, refer)] for key, item in pairs]}
    for kind in (tuple, set, frozenset):
        if isinstance(value, kind):
            return {kind.__name__: [encode(item, refer) for item in value]}
    return _encode_rare(value, refer)


def _encode_rare(value: object, refer: Callable[[object], Json]) -> Json:
    if isinstance(value, complex):
        return {"complex": [encode(value.real, refer), encode(value.imag, refer)]}
    if isinstance(value, bytes | bytearray):
        return {"bytearray" if isinstance(value, bytearray) else "bytes": value.hex()}
    if isinstance(value, range):
        return {"range": [encode(n, refer) for n in (value.start, value.stop, value.step)]}
    if isinstance(value, Iterator):
        return {"iterator": [encode(item, refer) for item in islice(value, MAX_ITERATED)]}
    return refer(value)


def decode(data: object, resolve: Callable[[str, object], object]) -> object:
    """Return the value of JSON, made of exactly the types of `encode`.

    Args:
        data: What `json.loads` returned.
        resolve: Called with the kind and the number or name of a reference.

    Raises:
        BadMessage: If it is anything else, such as a set of lists, or takes long to rebuild: more
            than MAX_ELEMENTS values, or more than MAX_EQUAL_HASHES of a set with the same hash.
    """
    try:
        return _decode(data, resolve, iter(range(MAX_ELEMENTS)))
    except StopIteration:
        raise BadMessage(f"message must hold at most {MAX_ELEMENTS} values") from None
    except (ArithmeticError, LookupError, TypeError, ValueError, RecursionError) as error:
        raise BadMessage(f"message must hold plain values, got {error!r}") from None


def _decode(
    data: object, resolve: Callable[[str, object], object], budget: Iterator[int]
) -> object:
    next(budget)
    if isinstance(data, list):
        return [_decode(item, resolve, budget) for item in data]
    if not isinstance(data, dict):
        return data
    ((kind, content),) = data.items()
    if kind in _OF_TEXT:
        if not isinstance(content, str):
            raise TypeError(f"{kind} of {type(content).__name__}")
        return _OF_TEXT[kind](content)
    if kind not in _OF_LIST:
        return resolve(kind, content)
    members = _decode(content, resolve, budget)
    if not isinstance(members, list):
        raise TypeError(f"{kind} of {type(members).__name__}")
    return _OF_LIST[kind](members)


def _hashed(items: list[object]) -> list[object]:
    """Return the members of a set, of which few have the same hash."""
    hashes = sorted(map(hash, items))
    if any(map(operator.eq, hashes, hashes[MAX_EQUAL_HASHES:])):
        raise ValueError(f"more than {MAX_EQUAL_HASHES} equal hashes")
    return items


def _complex(items: list[object]) -> complex:
    real, imaginary = items
    if not isinstance(real, float | int) or not isinstance(imaginary, float | int):
        raise TypeError("complex of other values than numbers")
    return complex(real, imaginary)


def _pairs(items: list[object]) -> dict[object, object]:
    pairs = [tuple(pair) for pair in items if isinstance(pair, list)]
    _hashed([pair[0] for pair in pairs])
    return dict(pairs)


def _range(items: list[object]) -> range:
    start, stop, step = (item for item in items if isinstance(item, int))
    return range(start, stop, step)


_OF_TEXT: Mapping[str, Callable[[str], object]] = {
    "int": lambda text: int(text, 16),
    "float": float,
    "bytes": bytes.fromhex,
    "bytearray": bytearray.fromhex,
}
_OF_LIST: Mapping[str, Callable[[list[object]], object]] = {
    "tuple": tuple,
    "set": lambda items: set(_hashed(items)),
    "frozenset": lambda items: frozenset(_hashed(items)),
    "dict": _pairs,
    "complex": _complex,
    "range": _range,
    "iterator": iter,
}


class Lines:
    """JSON objects, one a line, over a pair of files.

    Args:
        reads: File to read from.
        writes: File to write to.
        moved: Called with the number of bytes after each read and write; a write is a piece more.
    """

    def __init__(
        self, reads: int, writes: int, moved: Callable[[int], object] = lambda _: None
    ) -> None:
        self._reads = reads
        self._writes = writes
        self._moved = moved
        self._rest = bytearray()

    def send(self, message: Mapping[str, Json]) -> None:
        """Write a message.

        Raises:
            BadMessage: If it is too long, or the other side has gone.
        """
        line = json.dumps(message, allow_nan=False).encode() + b"\n"
        if len(line) > MAX_MESSAGE_BYTES:
            raise BadMessage(f"message must have at most {MAX_MESSAGE_BYTES} bytes")
        try:
            while line:
                num_bytes = os.write(self._writes, line)
                self._moved(PIECE + num_bytes)
                line = line[num_bytes:]
        except OSError:
            raise BadMessage("the other side must not have ended") from None

    def receive(self) -> dict[str, object]:
        """Wait for a message.

        Raises:
            BadMessage: If the other side has gone, or sends anything else.
        """
        searched = 0
        while (end := self._rest.find(b"\n", searched)) < 0:
            searched = len(self._rest)
            if searched > MAX_MESSAGE_BYTES:
                raise BadMessage(f"message must have at most {MAX_MESSAGE_BYTES} bytes")
            chunk = os.read(self._reads, _BIG)
            if not chunk:
                raise BadMessage("the other side must not have ended")
            self._moved(len(chunk))
            self._rest += chunk
        line = bytes(self._rest[:end])
        del self._rest[: end + 1]
        try:
            message = json.loads(line, parse_constant=_refuse)
        except (ValueError, RecursionError) as error:
            raise BadMessage(f"message must be JSON, got {error!r}") from None
        if not isinstance(message, dict):
            raise BadMessage("message must be a JSON object")
        return message


def _refuse(constant: str) -> None:
    raise ValueError(f"{constant} is no JSON")
