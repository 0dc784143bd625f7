"""The tokens of a tokenizer that control a model, and how texts are kept from writing them."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from functools import cached_property
from typing import TYPE_CHECKING

from ccpo_env.content.control_text import CONTROL_TEXT, spelled_out
from ccpo_env.text import plain_letters

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

_TAG = re.compile(r"[<\[].*[>\]]")
_UNKNOWN_CHARACTER = "\U0010fffd"
"""A character for private use, which no vocabulary holds."""
_MIN_MARKER_CHARS = 3


class ControlTokens:
    """Control tokens of a tokenizer: its special tokens, and others that its chat template writes.

    Added tokens that are neither, such as runs of spaces or HTML tags, are text. So is the token
    of unknown characters, wherever it stands for one.

    Args:
        tokenizer: The tokenizer.
        around: Texts that its chat template puts around the contents of messages, if it has one. A
            line of them that holds no control token, such as ``USER:``, is a marker of a role.
    """

    def __init__(self, tokenizer: PreTrainedTokenizerBase, around: Iterable[str] = ()) -> None:
        template = str(tokenizer.chat_template or "")
        self._is_lower = tokenizer.tokenize("A") == tokenizer.tokenize("a")
        names = _control_names(tokenizer, template)
        unknown = _unknown_id(tokenizer)
        self._ids = frozenset(names) - {unknown}
        written = {own for own in CONTROL_TEXT.findall(template) if "{" not in own}
        written -= set(names.values())
        self._plain = sorted(written | ({names[unknown]} if unknown in names else set()))
        self._names = sorted({*names.values(), *self._plain}, key=len, reverse=True)
        lines = {line.strip() for text in around for line in text.splitlines()}
        self._markers = sorted(
            line
            for line in lines
            if len(line) >= _MIN_MARKER_CHARS
            and any(map(str.isalpha, line))
            and not any(name in line for name in self._names)
        )

    def of(self, token_ids: Sequence[int]) -> tuple[int, ...]:
        """Return the control tokens among some token ids, in order."""
        control = self._ids
        return tuple([token for token in token_ids if token in control])

    def is_written_in(self, text: str) -> bool:
        """Return whether a text holds a control string that is no control token.

        Such as ``[INST]`` where it is a part of the template but not of the vocabulary.
        """
        if not (self._plain or self._markers):
            return False
        return self._written.search(plain_letters(text)) is not None

    def spelled_out(self, text: str) -> str:
        """Return a text with a space in each control string that it holds."""
        return spelled_out(text, self._all)

    @cached_property
    def _written(self) -> re.Pattern[str]:
        return _pattern(self._plain, self._markers, re.IGNORECASE if self._is_lower else 0)

    @cached_property
    def _all(self) -> re.Pattern[str]:
        # Case and more, because this is called where the tokenizer has read a control token.
        return _pattern(self._names, self._markers, re.IGNORECASE)


def _pattern(names: Iterable[str], markers: Iterable[str], flags: int) -> re.Pattern[str]:
    """Return what matches names anywhere, and markers that do not go on with a word."""
    parts = [re.escape(plain_letters(name)) for name in names if name[1:]]
    parts += [rf"(?<!\w){re.escape(plain_letters(marker))}" for marker in markers]
    return re.compile("|".join(parts) or r"(?!)", flags)


def _control_names(tokenizer: PreTrainedTokenizerBase, template: str) -> dict[int, str]:
    """Return the ids of control tokens, each with its text."""
    names = dict(zip(tokenizer.all_special_ids, tokenizer.all_special_tokens, strict=True))
    for token, added in tokenizer.added_tokens_decoder.items():
        is_tag = _TAG.fullmatch(added.content) and added.content in template
        if added.special or is_tag or CONTROL_TEXT.fullmatch(plain_letters(added.content)):
            names[token] = added.content
    for name, token in tokenizer.get_vocab().items():  # not added, but a model may know it
        if name[0] in "<[" and CONTROL_TEXT.fullmatch(name):
            names.setdefault(token, name)
    return names


def _unknown_id(tokenizer: PreTrainedTokenizerBase) -> int | None:
    """Return the id that unknown characters get, if there is one."""
    unknown = tokenizer.unk_token_id
    read = tokenizer.encode(_UNKNOWN_CHARACTER, add_special_tokens=False)
    return unknown if isinstance(unknown, int) and unknown in read else None
