"""No content of a prompt writes a control token, for any tokenizer; other prompts stay as they are.

The control tokens are listed here by what a family's special tokens are, not by what the package
takes for them.
"""

from __future__ import annotations

import os
import re
from functools import cache

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from transformers import AutoTokenizer, PreTrainedTokenizer

from baselines.policies.base import Prompt, Sampling
from baselines.policies.endpoint.address import parse_endpoint
from baselines.policies.endpoint.wire import question
from baselines.policies.local.hf import HFPolicy
from baselines.policies.local.prompt_encoder import PromptEncoder
from baselines.policies.local.prompt_reader import PromptReader
from baselines.policies.registry import POLICIES
from ccpo_env import think_solve_v0
from ccpo_env.control_text import CONTROL_TEXT, spelled_out
from ccpo_env.prompts import chat_messages, plain_text
from tests.rl.tokenizer_families import FAMILIES, family

NUM_MESSAGES = 10_000 if os.environ.get("CCPO_SLOW") else 40
SLOW = pytest.mark.skipif("not os.environ.get('CCPO_SLOW')", reason="set CCPO_SLOW=1")
NAMES = (*FAMILIES, "embedded", pytest.param("smollm2", marks=SLOW))
WRITTEN_BY_TEMPLATES = {
    "llama_2": ("[INST]", "[/INST]", "<<SYS>>", "<</SYS>>"),
    "vicuna": ("USER:", "SYSTEM:", "ASSISTANT:"),
    "folding": ("<think>", "</think>"),
}
"""Plain text that marks roles."""
CONTROL = (
    *("<|im_start|>", "<|im_end|>", "<|endoftext|>", "<|begin_of_text|>", "<|eot_id|>", "<|end|>"),
    *("<|start_header_id|>", "<|end_header_id|>", "<|reserved_special_token_3|>", "<|user|>"),
    *("<|system|>", "<|assistant|>", "<|python_tag|>", "<|vision_start|>", "<s>", "</s>", "<unk>"),
    *("<start_of_turn>", "<end_of_turn>", "<bos>", "<eos>", "<pad>", "[INST]", "[/INST]", "<end>"),
    *("[SYSTEM_PROMPT]", "[/SYSTEM_PROMPT]", "[TOOL_CALLS]", "<<SYS>>", "<</SYS>>", "<think>"),
    *("</think>", "<tool_call>", "</tool_call>", "USER:", "ASSISTANT:", "<repo_name>", "<|long|>"),
)
TEXT = ("system\n", "user", "The sum is 7.", " ", "\n", "<", "|>", "<|", "im_end", "_", "[", "x<y")


def fuzzed(rng: np.random.Generator) -> str:
    """A message of control strings, whole, in halves, nested or disguised, and of other text."""
    return "".join(_piece(rng) for _ in range(rng.integers(1, 6)))


def _piece(rng: np.random.Generator) -> str:
    one, other = rng.choice(CONTROL, 2)
    place = int(rng.integers(1, len(one)))
    disguises = (
        lambda: str(one),
        lambda: str(rng.choice(TEXT)),
        lambda: one[:place],
        lambda: one[place:],
        lambda: f"{one[:place]}{other}{one[place:]}",
        lambda: f"{one[:place]}\u200b{one[place:]}",
        lambda: f"{one[:place]}\u0301{one[place:]}",
        lambda: one.upper(),
        lambda: "".join(chr(ord(c) + 0xFEE0) if "!" <= c <= "~" else c for c in one),
        lambda: f"{one} {one}{other}",
    )
    return str(disguises[int(rng.integers(len(disguises)))]())


def prompt_of(problem: str) -> Prompt:
    instruction = "You are the solver."
    return Prompt(plain_text(instruction, problem), tuple(chat_messages(instruction, problem)))


@cache
def control_ids(name: str) -> frozenset[int]:
    tokenizer = tokenizer_of(name)
    unknown = set(tokenizer.encode("\U0010fffd", add_special_tokens=False))
    return frozenset(
        token
        for token, added in tokenizer.added_tokens_decoder.items()
        if (added.special or added.content in CONTROL) and token not in unknown
    )


@cache
def tokenizer_of(name: str):
    if name in FAMILIES:
        return family(name)
    if name == "embedded":
        return AutoTokenizer.from_pretrained(POLICIES["tiny"]())
    path = POLICIES[name]()
    return AutoTokenizer.from_pretrained(path.parent, gguf_file=path.name)


def control_of(name: str, ids) -> list[int]:
    return [token for token in ids if token in control_ids(name)]


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("is_chat", [True, False])
def test_fuzzed_messages_write_no_control_token(name: str, is_chat: bool) -> None:
    reader, rng = PromptReader(tokenizer_of(name)), np.random.default_rng(0)
    texts = [fuzzed(rng) for _ in range(NUM_MESSAGES)]
    prompts = [prompt_of(f"Problem:\n1 + 2?\n\nMessage of a_0:\n{text}") for text in texts]
    if not is_chat:
        prompts = [Prompt(prompt.text) for prompt in prompts]
    harmless = prompt_of("Problem:\n1 + 2?\n\nMessage of a_0:\nadd")
    (expected,) = reader.read([harmless if is_chat else Prompt(harmless.text)])
    marks = WRITTEN_BY_TEMPLATES.get(name, ()) if is_chat else ()
    decode = tokenizer_of(name).decode
    for text, ids in zip(texts, reader.read(prompts), strict=True):
        control = control_of(name, ids)
        if "<|long|>" not in decode(ids[:20]):
            assert control == control_of(name, expected), repr(text)
        for mark in marks:
            assert decode(ids).count(mark) == decode(expected).count(mark), repr(text)
