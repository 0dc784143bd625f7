"""The tokens of a tiny model: one per printable character and one per fixed piece of a prompt.

An instruction so costs one position.
"""

from __future__ import annotations

import re
import string
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

from ccpo_env import prompts
from ccpo_env.tasks.arithmetic import QUESTION
from ccpo_env.types import PromptTemplate
from scripts.tiny.chains import FILLER

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerFast

UNKNOWN, PADDING, END = "<unk>", "<pad>", "<end>"
CONTEXT = 2048
CHARACTERS = (*string.digits, *string.ascii_letters, *string.punctuation, " ", "\n")


def fragments_of(
    templates: Iterable[PromptTemplate], agents: Iterable[str], *, others: Iterable[str] = ()
) -> tuple[str, ...]:
    """Return the fixed texts that get one token each.

    Args:
        templates: The instructions that the model reads.
        agents: Agents whose messages it reads.
        others: Further fixed texts.
    """
    templates = tuple(templates)
    texts = (
        *(text for template in templates for text in template.roles.values()),
        *(template.hand_over for template in templates if template.hand_over),
        *(template.give_answer for template in templates),
        f"\n\n{prompts.PROBLEM}",
        *(prompts.MESSAGE_OF.format(agent=agent) for agent in agents),
        prompts.YOUR_MESSAGE,
        QUESTION,
        FILLER,
        r"\boxed{",
        *others,
    )
    return tuple(dict.fromkeys(texts))


def vocabulary_of(fragments: Sequence[str]) -> list[str]:
    """Return the tokens in the order of their ids: special ones, characters and fragments."""
    return [UNKNOWN, PADDING, END, *CHARACTERS, *fragments]


def build_tokenizer(fragments: Sequence[str]) -> PreTrainedTokenizerFast:
    """Return the tokenizer: one token per fragment or character, and three special ones."""
    from tokenizers import Regex, Tokenizer, decoders, models, pre_tokenizers
    from transformers import PreTrainedTokenizerFast

    vocabulary = vocabulary_of(fragments)
    model = models.WordLevel({token: i for i, token in enumerate(vocabulary)}, unk_token=UNKNOWN)
    tokenizer = Tokenizer(model)
    longest_first = sorted(fragments, key=len, reverse=True)
    pattern = "|".join([*(re.escape(fragment) for fragment in longest_first), r"[\s\S]"])
    tokenizer.pre_tokenizer = pre_tokenizers.Split(Regex(pattern), behavior="isolated")
    tokenizer.decoder = decoders.Fuse()
    return PreTrainedTokenizerFast(  # type: ignore[no-untyped-call]
        tokenizer_object=tokenizer,
        unk_token=UNKNOWN,
        pad_token=PADDING,
        eos_token=END,
        model_max_length=CONTEXT,
        clean_up_tokenization_spaces=False,
    )
