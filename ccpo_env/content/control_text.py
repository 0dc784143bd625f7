"""Break the control strings of language models in a text, so that it stays a text to all of them.

A chat template puts special tokens such as ``<|im_end|>`` between messages, and a tokenizer makes
those tokens of the same characters wherever they stand. `spelled_out` puts a space behind the
first character of each, which no tokenizer reads as one; all other text stays as it is. Prompts
hold every content like this (`ccpo_env.content.quoting`); a policy that knows its tokenizer breaks
the strings of that one as well.
"""

from __future__ import annotations

import re
import unicodedata

from ccpo_env.text import is_unseen, plain_letters

_NAMES = (
    *("s", "bos", "eos", "pad", "unk", "mask", "cls", "sep", "think", "thinking"),
    *("start_of_turn", "end_of_turn", "start_of_image", "end_of_image", "fim_[a-z]+"),
    *("tool_call", "tool_calls", "tool_response", "repo_name", "reponame", "file_sep"),
    *("filename", "gh_stars", "issue_[a-z]+", "jupyter_[a-z]+", "empty_output"),
    *(r"unused_?\d+", r"extra_id_\d+", r"reserved_\w*\d"),
)
"""Names of control strings in angle brackets; other tags, such as those of HTML, are text."""
CONTROL_TEXT = re.compile(
    r"<\|[^\s<>|][^<>|\n]{0,62}\|>"  # Llama 3 and 4, Qwen, Phi, OLMo, gpt-oss, DeepSeek
    r"|\[/?(?:INST|SYS|SYSTEM_PROMPT|TOOL_[A-Z]+|AVAILABLE_TOOLS|IMG|IMG_[A-Z]+|PREFIX|MIDDLE"
    r"|SUFFIX|THINK|ARGS|CALL_ID|CLS|SEP|MASK|PAD|UNK|BOS|EOS)\]"  # Mistral, BERT
    r"|<</?SYS>>"  # Llama 2
    rf"|</?(?:{'|'.join(_NAMES)})>"
)
"""Control strings of the known families of models, in plain letters."""
MAX_ROUNDS = 8
"""Breaking one string hardly ever makes another; each round breaks all that are left."""


def spelled_out(text: str, control: re.Pattern[str] = CONTROL_TEXT) -> str:
    """Return a text that holds no control string, with a space in each that it held.

    Args:
        text: What an agent, a data set or a server wrote.
        control: Matches control strings of at least two characters, in plain letters. Compatible
            forms of them, and strings with characters that cannot be seen, are found as well,
            because some tokenizers read them as the same.
    """
    if control.search(plain_letters(text)) is None:
        return text
    for _ in range(MAX_ROUNDS):
        folded, places = _folded(text)
        found = [(places[m.start()], places[m.start() + 1]) for m in control.finditer(folded)]
        if not found:
            break
        for first, second in reversed(found):
            if first == second:  # one character that stands for several
                text = f"{text[:first]}\ufffd{text[first + 1 :]}"
            else:
                text = f"{text[:second]} {text[second:]}"
    return text


def _folded(text: str) -> tuple[str, list[int]]:
    """Return a text as tokenizers may read it, and the place of each of its characters in it."""
    folded: list[str] = []
    places: list[int] = []
    for place, char in enumerate(text):
        for part in unicodedata.normalize("NFKD", char):
            if not is_unseen(part):
                folded.append(part)
                places.append(place)
    return "".join(folded), [*places, len(text)]
