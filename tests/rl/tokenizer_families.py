"""Small tokenizers with the special tokens, normalizers and chat templates of model families.

The templates and vocabularies are our own, after the published formats.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from functools import cache

from tokenizers import (
    AddedToken,
    Regex,
    Tokenizer,
    decoders,
    models,
    normalizers,
    pre_tokenizers,
    processors,
    trainers,
)
from transformers import PreTrainedTokenizerBase, PreTrainedTokenizerFast

CORPUS = (
    "You are the solver in a team. Problem: add 3 and 4. Message of thinker_0: the sum is 7.",
    "system user assistant model start of turn end im header id content is the answer, x = 12",
    "<| |> <s> </s> [INST] [/INST] < start_of_turn > |im_end| think tool_call [ ] { } ( ) / _",
)
ZERO_WIDTH = "[\u00ad\u200b-\u200f\u2060\ufeff]"


def byte_level(
    specials: Sequence[str], *, normalizer: normalizers.Normalizer | None = None
) -> Tokenizer:
    """Byte-level BPE, as of GPT-2, Llama 3, Qwen and SmolLM2."""
    tokenizer = Tokenizer(models.BPE())
    tokenizer.normalizer = normalizer
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    trainer = trainers.BpeTrainer(
        vocab_size=400,
        special_tokens=list(specials),
        initial_alphabet=alphabet,
        show_progress=False,
    )
    tokenizer.train_from_iterator(CORPUS, trainer)
    return tokenizer


def metaspace(specials: Sequence[str]) -> Tokenizer:
    """BPE with byte fallback on text whose spaces are letters, as of Llama 2, Gemma and Mistral."""
    tokenizer = Tokenizer(models.BPE(unk_token="<unk>", byte_fallback=True, fuse_unk=True))
    tokenizer.normalizer = normalizers.Replace(" ", "\u2581")
    tokenizer.decoder = decoders.Sequence(
        [decoders.Replace("\u2581", " "), decoders.ByteFallback(), decoders.Fuse()]
    )
    bytes_ = [f"<0x{number:02X}>" for number in range(256)]
    trainer = trainers.BpeTrainer(
        vocab_size=800, special_tokens=[*specials, *bytes_], show_progress=False
    )
    tokenizer.train_from_iterator(CORPUS, trainer)
    made = json.loads(tokenizer.to_str())  # bytes are of the vocabulary, not added
    made["added_tokens"] = [own for own in made["added_tokens"] if own["content"] not in bytes_]
    return Tokenizer.from_str(json.dumps(made))


def unigram(
    specials: Sequence[str], *, normalizer: normalizers.Normalizer | None = None
) -> Tokenizer:
    """Unigram with Metaspace, as of T5 and XLM-R; unknown characters get an id of their own."""
    tokenizer = Tokenizer(models.Unigram())
    tokenizer.normalizer = normalizer
    tokenizer.pre_tokenizer = pre_tokenizers.Metaspace()
    tokenizer.decoder = decoders.Metaspace()
    trainer = trainers.UnigramTrainer(
        vocab_size=150, special_tokens=list(specials), unk_token="<unk>", show_progress=False
    )
    tokenizer.train_from_iterator([*CORPUS, *CORPUS], trainer)
    return tokenizer


def finished(
    tokenizer: Tokenizer,
    template: str | None,
    *,
    extra: Sequence[AddedToken] = (),
    special: Sequence[str] = (),
    **names: str,
) -> PreTrainedTokenizerBase:
    """Wrap a tokenizer as transformers loads it."""
    made: PreTrainedTokenizerBase = PreTrainedTokenizerFast(  # type: ignore[no-untyped-call]
        tokenizer_object=tokenizer, **names
    )
    made.add_tokens([AddedToken(own, special=True) for own in special], special_tokens=True)
    made.add_tokens(list(extra))
    made.chat_template = template
    return made


LOOP = "{% for m in messages %}"
LLAMA_3 = (
    "{{ bos_token }}" + LOOP + "<|start_header_id|>{{ m['role'] }}<|end_header_id|>\n\n"
    "{{ m['content'] | trim }}<|eot_id|>{% endfor %}"
    "{% if add_generation_prompt %}<|start_header_id|>assistant<|end_header_id|>\n\n{% endif %}"
)
GEMMA = (
    "{{ bos_token }}{% if messages[0]['role'] == 'system' %}"
    "{{ raise_exception('System role not supported') }}{% endif %}" + LOOP + "<start_of_turn>"
    "{{ 'model' if m['role'] == 'assistant' else m['role'] }}\n{{ m['content'] | trim }}"
    "<end_of_turn>\n{% endfor %}{% if add_generation_prompt %}<start_of_turn>model\n{% endif %}"
)
MISTRAL = (
    "{{ bos_token }}{% for m in messages %}{% if m['role'] == 'system' %}"
    "{% set ns = m['content'] %}[SYSTEM_PROMPT]{{ m['content'] }}[/SYSTEM_PROMPT]"
    "{% elif m['role'] == 'user' %}[INST]{{ m['content'] }}[/INST]"
    "{% else %}{{ m['content'] }}{{ eos_token }}{% endif %}{% endfor %}"
)
CHATML = (
    LOOP + "<|im_start|>{{ m['role'] }}\n{{ m['content'] }}<|im_end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n<think>\n\n</think>\n\n{% endif %}"
)
PHI = (
    LOOP + "<|{{ m['role'] }}|>\n{{ m['content'] }}<|end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|assistant|>\n{% endif %}"
)
LLAMA_2 = (
    "{{ bos_token }}{% if messages[0]['role'] == 'system' %}[INST] <<SYS>>\n"
    "{{ messages[0]['content'] }}\n<</SYS>>\n\n{{ messages[1]['content'] }} [/INST]"
    "{% else %}[INST] {{ messages[0]['content'] }} [/INST]{% endif %}"
)
VICUNA = LOOP + "{{ m['role'] | upper }}: {{ m['content'] }} {% endfor %}ASSISTANT:"
BY_LENGTH = (  # a template that writes another token around long contents
    LOOP + "<|im_start|>{{ m['role'] }}{% if m['content'] | length > 60 %}<|long|>{% endif %}\n"
    "{{ m['content'] }}<|im_end|>{% endfor %}"
)


def _llama_3() -> PreTrainedTokenizerBase:
    special = (
        *("<|begin_of_text|>", "<|end_of_text|>", "<|start_header_id|>", "<|end_header_id|>"),
        *("<|eot_id|>", "<|eom_id|>", "<|python_tag|>"),
        *(f"<|reserved_special_token_{number}|>" for number in range(4)),
    )
    tokenizer = byte_level(special)
    begin = ("<|begin_of_text|>", tokenizer.token_to_id("<|begin_of_text|>"))
    tokenizer.post_processor = processors.TemplateProcessing(
        single=f"{begin[0]} $A", special_tokens=[begin]
    )
    return finished(tokenizer, LLAMA_3, bos_token=begin[0], eos_token="<|eot_id|>", special=special)


def _gemma() -> PreTrainedTokenizerBase:
    special = ("<pad>", "<eos>", "<bos>", "<unk>", "<start_of_turn>", "<end_of_turn>")
    return finished(
        metaspace(special),
        GEMMA,
        special=special,
        extra=[AddedToken(own, normalized=False) for own in ("<table>", "\n\n", "\u2581\u2581")],
        pad_token="<pad>",
        eos_token="<eos>",
        bos_token="<bos>",
        unk_token="<unk>",
    )


def _mistral() -> PreTrainedTokenizerBase:
    special = (
        *("<unk>", "<s>", "</s>", "[INST]", "[/INST]", "[SYSTEM_PROMPT]", "[/SYSTEM_PROMPT]"),
        *("[TOOL_CALLS]", "[AVAILABLE_TOOLS]"),
    )
    return finished(
        metaspace(special),
        MISTRAL,
        special=special,
        bos_token="<s>",
        eos_token="</s>",
        unk_token="<unk>",
    )


def _llama_2() -> PreTrainedTokenizerBase:
    special = ("<unk>", "<s>", "</s>")  # and its template writes plain text
    return finished(
        unigram(special),
        LLAMA_2,
        special=special,
        bos_token="<s>",
        eos_token="</s>",
        unk_token="<unk>",
    )


def _qwen() -> PreTrainedTokenizerBase:
    special = ("<|endoftext|>", "<|im_start|>", "<|im_end|>", "<|vision_start|>")
    plain = ("<tool_call>", "</tool_call>", "<think>", "</think>")
    return finished(
        byte_level(special, normalizer=normalizers.NFC()),
        CHATML,
        special=special,
        extra=[AddedToken(own, normalized=False, special=False) for own in plain],
        eos_token="<|im_end|>",
        pad_token="<|endoftext|>",
    )


def _phi() -> PreTrainedTokenizerBase:
    special = ("<unk>", "<s>", "</s>", "<|endoftext|>")
    roles = ("<|system|>", "<|user|>", "<|assistant|>", "<|end|>")
    made = finished(metaspace(special), PHI, special=special, eos_token="<|endoftext|>")
    made.add_tokens(
        [AddedToken(own, rstrip=True, lstrip=True, normalized=False) for own in roles],
        special_tokens=True,
    )
    return made


def _folding() -> PreTrainedTokenizerBase:
    special = ("<unk>", "<|im_start|>", "<|im_end|>", "<|endoftext|>")
    normalizer = normalizers.Sequence(
        [
            normalizers.Replace(Regex(ZERO_WIDTH), ""),
            normalizers.NFKD(),
            normalizers.StripAccents(),
            normalizers.Lowercase(),
        ]
    )
    made = finished(
        unigram(["<unk>"], normalizer=normalizer), CHATML, unk_token="<unk>", eos_token="<unk>"
    )
    made.add_tokens([AddedToken(own, normalized=True) for own in special[1:]], special_tokens=True)
    made.eos_token = "<|endoftext|>"
    return made


def _by_length() -> PreTrainedTokenizerBase:
    special = ("<|im_start|>", "<|im_end|>", "<|long|>")
    return finished(byte_level(special), BY_LENGTH, special=special, eos_token="<|im_end|>")


def _plain() -> PreTrainedTokenizerBase:
    special = ("<|endoftext|>",)
    return finished(byte_level(special), None, special=special, eos_token=special[0])


def _vicuna() -> PreTrainedTokenizerBase:
    special = ("<unk>", "<s>", "</s>")
    return finished(metaspace(special), VICUNA, special=special, eos_token="</s>")


FAMILIES: Mapping[str, Callable[[], PreTrainedTokenizerBase]] = {
    **{"llama_3": _llama_3, "gemma": _gemma, "mistral": _mistral, "qwen": _qwen, "phi": _phi},
    **{"llama_2": _llama_2, "vicuna": _vicuna, "folding": _folding, "plain": _plain},
    **{"by_length": _by_length},
}


@cache
def family(name: str) -> PreTrainedTokenizerBase:
    """Return the tokenizer of a family, made once."""
    return FAMILIES[name]()
