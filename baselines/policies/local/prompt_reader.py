"""From prompts to the token ids of a tokenizer, without control tokens written by contents."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeAlias, cast

from jinja2 import TemplateError

from baselines.policies.base import Prompt
from baselines.policies.local.control_tokens import ControlTokens

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

Chat: TypeAlias = tuple[Mapping[str, str], ...]
"""Chat messages; empty for a prompt that is read as plain text."""
_HARMLESS = "content"
"""A content without control strings."""
_NO_WORD = re.compile(r"[^\w\s]")


@dataclass(frozen=True, slots=True)
class _Form:
    """How the chat template writes messages of some roles.

    Args:
        has_system: Whether it takes a system message.
        control: The control tokens of harmless contents, in order.
        around: The texts around the contents.
    """

    has_system: bool
    control: tuple[int, ...]
    around: tuple[str, ...] = ()


class PromptReader:
    """Tokenizes prompts: as chat messages if the tokenizer has a chat template, else as plain text.

    A template that refuses system messages gets their text at the start of the next message.

    Contents cannot write control tokens: where the tokens of a prompt hold others than those of
    harmless contents, each control string in it gets a space behind its first character. All other
    prompts are read as the tokenizer reads them.

    Args:
        tokenizer: Tokenizer of the model.
        settings: Further variables of its chat template, such as whether the model may think.
    """

    def __init__(
        self, tokenizer: PreTrainedTokenizerBase, settings: Mapping[str, Any] | None = None
    ) -> None:
        self._tokenizer = tokenizer
        self._settings = dict(settings or {})
        self.template = tokenizer.chat_template
        self._forms: dict[tuple[str, ...], _Form] = {}
        self._control = ControlTokens(tokenizer)
        if self.template:
            around = self._form(("system", "user")).around
            self._control = ControlTokens(tokenizer, around)

    def read(self, prompts: Sequence[Prompt]) -> list[tuple[int, ...]]:
        """Return the token ids of each prompt."""
        chats = [self._chat_of(prompt) for prompt in prompts]
        texts = [prompt.text for prompt in prompts]
        read = self._plainly(chats, texts)
        for place, (chat, text) in enumerate(zip(chats, texts, strict=True)):
            if not self._is_harmless(chat, text, read[place]):
                read[place] = self._spelled_out(chat, text)
        return read

    def read_text(self, text: str) -> tuple[int, ...]:
        """Return the token ids of a text that a model wrote or may write, its control strings too.

        They are read as ordinary characters.
        """
        encode, tokens = self._tokenizer.encode, self._control
        ids: list[int] = encode(text, add_special_tokens=False)
        if tokens.of(ids):
            ids = encode(text, add_special_tokens=False, split_special_tokens=True)
        for variant in self._variants():
            if not tokens.of(ids):
                break
            ids = encode(variant(text), add_special_tokens=False)
        return tuple(ids)

    def _chat_of(self, prompt: Prompt) -> Chat:
        """Return the messages as the template takes them."""
        if not (prompt.messages and self.template):
            return ()
        if self._form(tuple(message["role"] for message in prompt.messages)).has_system:
            return prompt.messages
        return _without_system(prompt.messages)

    def _form(self, roles: tuple[str, ...]) -> _Form:
        form = self._forms.get(roles)
        if form is None:
            form = self._forms[roles] = self._new_form(roles)
        return form

    def _new_form(self, roles: tuple[str, ...]) -> _Form:
        chat: Chat = tuple({"role": role, "content": _HARMLESS} for role in roles)
        if not chat:
            return _Form(True, self._control.of(self._plainly([()], [_HARMLESS])[0]))
        try:
            (ids,) = self._plainly([chat], [""])
            has_system = True
        except TemplateError:
            if "system" not in roles:
                raise
            chat, has_system = _without_system(chat), False
            (ids,) = self._plainly([chat], [""])
        written = self._tokenizer.apply_chat_template(
            [dict(message) for message in chat],
            add_generation_prompt=True,
            tokenize=False,
            **self._settings,
        )
        around = tuple(cast("str", written).split(_HARMLESS))
        return _Form(has_system, self._control.of(ids), around)

    def _is_harmless(self, chat: Chat, text: str, ids: Sequence[int]) -> bool:
        contents = [message["content"] for message in chat] or [text]
        if any(map(self._control.is_written_in, contents)):
            return False
        return self._control.of(ids) == self._harmless_control(chat)

    def _harmless_control(self, chat: Chat) -> tuple[int, ...]:
        return self._form(tuple(message["role"] for message in chat)).control

    def _spelled_out(self, chat: Chat, text: str) -> tuple[int, ...]:
        """Return the token ids of a prompt whose contents hold control strings."""
        read = []
        for change in self._variants():
            (ids,) = self._plainly([_changed(chat, change)], [change(text)])
            if self._control.of(ids) == self._harmless_control(chat):
                return ids
            read.append(ids)
        # Around other contents a template may write other tokens, as it does around bare words.
        control = self._control.of(read[-1])
        return next(ids for ids in read if self._control.of(ids) == control)

    def _variants(self) -> Iterator[Callable[[str], str]]:
        """Yield changes of contents, the mildest first; after the last, only words are left."""
        spelled_out = self._control.spelled_out
        yield spelled_out
        yield lambda text: spelled_out(_NO_WORD.sub(r"\g<0> ", text))
        yield lambda text: spelled_out(_NO_WORD.sub(" ", text))

    def _plainly(self, chats: Sequence[Chat], texts: Sequence[str]) -> list[tuple[int, ...]]:
        """Return the tokenizer's ids of chats, and of the texts where there is none.

        A batch costs a third of single calls.
        """
        asked = [list(chat) for chat in chats if chat]
        plain = [text for chat, text in zip(chats, texts, strict=True) if not chat]
        of_chats: list[list[int]] = []
        of_texts: list[list[int]] = []
        if asked:
            encoded = self._tokenizer.apply_chat_template(
                cast("list[list[dict[str, str]]]", asked),
                add_generation_prompt=True,
                return_dict=False,
                **self._settings,
            )
            of_chats = cast("list[list[int]]", encoded)
        if plain:
            of_texts = self._tokenizer(plain, return_attention_mask=False)["input_ids"]
        rest = {True: iter(of_chats), False: iter(of_texts)}
        return [tuple(next(rest[bool(chat)])) for chat in chats]


def _changed(chat: Chat, change: Callable[[str], str]) -> Chat:
    return tuple({**message, "content": change(message["content"])} for message in chat)


def _without_system(chat: Chat) -> Chat:
    """Return the messages, each system message at the start of the one after it."""
    messages: list[Mapping[str, str]] = []
    above: list[str] = []
    for message in chat:
        if message["role"] == "system":
            above.append(message["content"])
        else:
            messages.append({**message, "content": "\n\n".join([*above, message["content"]])})
            above = []
    rest = [{"role": "user", "content": "\n\n".join(above)}] if above else []
    return (*messages, *rest)
