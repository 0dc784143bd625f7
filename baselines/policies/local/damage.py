"""Damaged or crafted models: one sentence for whatever a library raises, and a check of weights."""

from __future__ import annotations

import pickle
import threading
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from torch import Tensor

from baselines.policies.base import Prompt
from baselines.policies.local.prompt_encoder import PromptEncoder

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

TEMPLATE_LIMIT_S = 30.0
"""Longest time in which a chat template may render one prompt, in seconds."""
CHAT = (
    {"role": "system", "content": "You solve problems."},
    {"role": "user", "content": "Problem: 1 + 1"},
)
"""A prompt with the roles of all prompts."""
MAX_REASON_CHARS = 200


class BadModelError(ValueError):
    """A model cannot be used; the message gives the reason and a remedy."""


@contextmanager
def reading(what: str, source: str | Path) -> Iterator[None]:
    """Turn any error of a library that reads a file into a ValueError of one sentence.

    Args:
        what: What is read, as a noun for the message.
        source: The file, folder or name that it is read from.

    Raises:
        BadModelError: In place of the error; an ImportError is unchanged.
    """
    try:
        yield
    except (BadModelError, ImportError, MemoryError):
        raise
    except Exception as error:  # whatever the parsers of libraries raise
        reason = " ".join(str(error).split())[:MAX_REASON_CHARS]
        if isinstance(error, pickle.UnpicklingError):
            reason = "a pickled file that holds more than tensors, and could run code"
        raise BadModelError(
            f"{what} must be as it was saved, got {type(error).__name__} ({reason}) in {source}; "
            f"restore or download it again"
        ) from error


def expect_complete(missing: Collection[str], source: str | Path) -> None:
    """Check that a model has found all of its weights; those that are tied to others need no own.

    Args:
        missing: Names of the weights that it has not found.
        source: Where it has looked.

    Raises:
        BadModelError: If there are any.
    """
    if missing:
        raise BadModelError(
            f"weights must be all those of the model, got none for {len(missing)} of them, such as "
            f"{min(missing)}, in {source}; restore its files, or pass the folder of another model"
        )


def expect_finite(weights: Mapping[str, Tensor], source: str | Path) -> None:
    """Check that weights are numbers.

    Raises:
        BadModelError: If one is NaN or infinite; quantised weights are not checked.
    """
    for name, weight in weights.items():
        if weight.is_floating_point() and not weight.isfinite().all():
            raise BadModelError(
                f"weights must be finite, got NaN or infinity in {name} of {source}; restore the "
                f"file, or go back to an earlier checkpoint"
            )


def expect_template(
    tokenizer: PreTrainedTokenizerBase,
    source: str | Path,
    *,
    limit_s: float = TEMPLATE_LIMIT_S,
) -> None:
    """Check that the chat template of a tokenizer, if it has one, renders a prompt in time.

    transformers renders it in a sandbox, which has no limit of time.

    Raises:
        BadModelError: If it does not.
    """
    if not tokenizer.chat_template:
        return
    failures: list[str] = []

    def render() -> None:
        try:
            PromptEncoder(tokenizer, None).encode([Prompt("", CHAT)], 1)
        except Exception as error:  # whatever a template makes the sandbox raise
            reason = " ".join(str(error).split())[:MAX_REASON_CHARS]
            failures.append(f"{type(error).__name__} ({reason})")

    # A thread cannot be stopped: this one ends with the process, which a bad template ends at once.
    thread = threading.Thread(target=render, daemon=True)
    thread.start()
    thread.join(limit_s)
    if thread.is_alive():
        failures.append(f"nothing after {limit_s:g} s")
    if failures:
        raise BadModelError(
            f"a chat template must render messages of a system and a user, got {failures[0]} from "
            f"that of {source}; choose another model, or correct its chat template"
        )
