"""Groups of rollouts as text, for a checkpoint: every field, so that reading gives them back."""

from __future__ import annotations

import base64
import json
import zlib
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import fields, is_dataclass
from typing import Any

import numpy as np

from baselines.policies.base import Completion
from baselines.rollouts.costs import CostTracker
from baselines.rollouts.groups import Group
from baselines.rollouts.rollout import Replays, Rollout, RolloutRequest
from ccpo_env.types import Message, Task, Verdict
from ccpo_env.voting import Ballot

CLASSES: Mapping[str, type] = {
    kind.__name__: kind
    for kind in (
        *(Group, Rollout, Replays, RolloutRequest, Completion, CostTracker),
        *(Task, Message, Verdict, Ballot),
    )
}
"""Classes that are written; the text only names them."""


def to_text(value: object) -> str:
    """Return groups, or what is made of them, as a short text.

    Args:
        value: Numbers, texts, tuples, mappings, counters, frozen sets, arrays, and objects of
            CLASSES, nested in any way.

    Raises:
        TypeError: If it holds anything else.
    """
    text = json.dumps(_json(value), separators=(",", ":"))
    return base64.b64encode(zlib.compress(text.encode(), 1)).decode()


def from_text(text: str) -> Any:
    """Return the value that `to_text` was given; a sequence is read as a tuple."""
    return _value(json.loads(zlib.decompress(base64.b64decode(text))))


def _json(value: object) -> Any:
    if value is None or isinstance(value, bool | int | float | str):
        return value
    if isinstance(value, np.generic):
        return value.item()
    if isinstance(value, np.ndarray):
        return {"array": [value.dtype.str, list(value.shape), value.ravel().tolist()]}
    if isinstance(value, Mapping):
        tag = "counter" if isinstance(value, Counter) else "mapping"
        return {tag: [[_json(key), _json(own)] for key, own in value.items()]}
    if isinstance(value, frozenset):
        return {"set": sorted(value)}
    if isinstance(value, Sequence):
        return [_json(own) for own in value]
    name = type(value).__name__
    if not is_dataclass(value) or CLASSES.get(name) is not type(value):
        raise TypeError(
            f"a value must be of {', '.join(CLASSES)}, an array or a plain value to be stored, got "
            f"{value!r}; leave it out"
        )
    return {name: {f.name: _json(getattr(value, f.name)) for f in fields(value) if f.init}}


def _value(found: Any) -> Any:
    if isinstance(found, list):
        return tuple(map(_value, found))
    if not isinstance(found, dict):
        return found
    ((tag, content),) = found.items()
    if tag in READERS:
        return READERS[tag](content)
    return CLASSES[tag](**{name: _value(own) for name, own in content.items()})


def _array(content: Any) -> Any:
    dtype, shape, values = content
    return np.array(values, dtype=dtype).reshape(shape)


def _mapping(content: Any) -> dict[Any, Any]:
    return {_value(key): _value(own) for key, own in content}


READERS: Mapping[str, Callable[[Any], Any]] = {
    "array": _array,
    "mapping": _mapping,
    "counter": lambda content: Counter(_mapping(content)),
    "set": frozenset,
}
