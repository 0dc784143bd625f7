"""A policy that is a Hugging Face causal language model."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, cast

import numpy as np
import torch
from torch import Tensor

from baselines.common.types import FloatArray
from baselines.policies.base import Completion, Prompt, Sampling
from baselines.policies.local.hidden_states import last_hidden_states
from baselines.policies.local.loading import converted_gguf, load_model, quiet_transformers
from baselines.policies.local.option_scores import option_logprobs
from baselines.policies.local.prompt_encoder import PromptEncoder
from baselines.policies.local.sampler import DEFAULT_MAX_ROWS, StopRule, sample_tokens
from baselines.policies.local.scoring import completion_logprobs, completion_logprobs_and_entropy
from baselines.policies.local.self_check import expect_exact
from baselines.policies.local.sharding import is_sharded, shard, whole_state, writes_files

if TYPE_CHECKING:
    from torch.distributed.device_mesh import DeviceMesh
    from transformers import PreTrainedModel, PreTrainedTokenizerBase

MAX_CACHE_BYTES = 4 * 2**30
"""Largest key-value cache of a batch, in bytes; more rows are sampled in several batches."""
DEFAULT_MAX_TOKENS = 256
"""Default length limit if the model's generation config has none.

At most half of the context.
"""


class HFPolicy:
    """Completes prompts with a causal language model, and can be trained.

    Prompts are read as by `PromptReader`: their contents cannot write special tokens.

    Args:
        model: The network. It stays in eval mode, also in training: dropout would make the
            log-probabilities of an update differ from those of the sampling.
        tokenizer: Its tokenizer. Completions keep the sampled token ids; texts are
            never tokenized again for training.
        max_rows: Most rows sampled in one batch; affects the memory, not the result.
    """

    def __init__(
        self,
        model: PreTrainedModel,
        tokenizer: PreTrainedTokenizerBase,
        *,
        max_rows: int = DEFAULT_MAX_ROWS,
    ) -> None:
        self._model: PreTrainedModel = model
        self._model.train(False)  # also while training, see above
        self._tokenizer = tokenizer
        self._max_rows = max_rows
        self._end_ids = _end_ids(model, tokenizer)
        # Absent where positions have no limit, such as in a recurrent model.
        context: int | None = getattr(
            model.config.get_text_config(), "max_position_embeddings", None
        )
        self._encoder = PromptEncoder(tokenizer, context)
        config = model.generation_config
        self._max_tokens = DEFAULT_MAX_TOKENS
        if config is not None and config.max_new_tokens is not None:
            self._max_tokens = int(config.max_new_tokens)
        elif context is not None:
            self._max_tokens = min(DEFAULT_MAX_TOKENS, context // 2)

    @classmethod
    def load(
        cls,
        name_or_path: str | Path,
        *,
        device: str | None = None,
        max_rows: int = DEFAULT_MAX_ROWS,
    ) -> HFPolicy:
        """Load a model in float32, ready to be trained.

        Args:
            name_or_path: A Hugging Face folder, the name of a model on the hub (a copy in the local
                cache takes precedence), or a .gguf file, which is converted once and stored
                in the cache of the user: ``$XDG_CACHE_HOME/ccpo``, else
                ``~/.cache/ccpo``.
            device: Device of the model; None: "cuda" if available, else "cpu".
            max_rows: Most rows sampled in one batch.

        Raises:
            FileNotFoundError: If it is neither a folder nor a file nor available on the hub.
            ValueError: If its architecture cannot be sampled and trained exactly.
        """
        path = Path(name_or_path)
        source = str(name_or_path)
        if path.suffix == ".gguf":
            source = str(converted_gguf(path))
        model, tokenizer = load_model(source)
        device = device or ("cuda" if torch.cuda.is_available() else "cpu")
        model.to(torch.device(device))  # type: ignore[arg-type]  # annotated as a bound method
        expect_exact(model)
        return cls(model, tokenizer, max_rows=max_rows)

    @property
    def module(self) -> PreTrainedModel:
        """The network whose parameters are trained."""
        return self._model

    @property
    def max_tokens(self) -> int:
        """Default length limit of a completion, in tokens."""
        return self._max_tokens

    @property
    def tokenizer(self) -> PreTrainedTokenizerBase:
        """The tokenizer of the network."""
        return self._tokenizer

    def sample(
        self, prompts: Sequence[Prompt], *, sampling: Sampling, rng: np.random.Generator
    ) -> list[Completion]:
        """Return one completion per prompt, in order; deterministic given the state of rng."""
        max_tokens = sampling.max_tokens or self._max_tokens
        prompt_ids = self.encode(prompts, max_tokens)
        rows = sample_tokens(
            self._model,
            prompt_ids,
            max_tokens=max_tokens,
            end_ids=self._end_ids,
            temperature=sampling.temperature,
            generator=torch.Generator().manual_seed(int(rng.integers(2**63))),
            max_rows=self._rows_that_fit(max(map(len, prompt_ids), default=0) + max_tokens),
            stop=None if sampling.stop is None else StopRule(sampling.stop, self._decode_all),
        )
        texts = {ids: self._decode(ids) for ids in {row.token_ids for row in rows}}
        return [
            Completion(
                texts[row.token_ids],
                ids,
                row.token_ids,
                row.logprobs,
                temperature=sampling.temperature,
                max_tokens=max_tokens,
            )
            for ids, row in zip(prompt_ids, rows, strict=True)
        ]

    def completions_of(
        self, prompts: Sequence[Prompt], texts: Sequence[str], *, sampling: Sampling
    ) -> list[Completion]:
        """Return given texts as completions of prompts, such as recorded ones, without logprobs.

        Args:
            prompts: B prompts.
            texts: B texts, tokenized anew; one shorter than the length limit ends with the end
                token. The tokens that were sampled may have been others of the same text.
            sampling: Temperature and length limit that they were sampled with.
        """
        limit = sampling.max_tokens or self._max_tokens
        read = self.encode(prompts, limit)
        end = self._tokenizer.eos_token_id
        written = [self._encoder.reader.read_text(text) for text in texts]
        return [
            Completion(
                text,
                prompt_ids,
                tuple([*ids, *([end] if isinstance(end, int) else [])][:limit]),
                temperature=sampling.temperature,
                max_tokens=limit,
            )
            for text, prompt_ids, ids in zip(texts, read, written, strict=True)
        ]

    def logprobs(self, completions: Sequence[Completion]) -> Tensor:
        """Return log-probabilities of the sampled tokens, with gradient.

        Args:
            completions: Completions with token ids, each scored at its own temperature; 0 counts
                as 1, as in sampling.

        Returns:
            Shape (B, T), nats, float32, T the longest completion; positions after the end of a row
            are 0.

        Raises:
            ValueError: If there are no completions, or one has no token ids.
        """
        prompts, sampled = _token_rows(completions)
        temperatures = [completion.temperature for completion in completions]
        return completion_logprobs(self._model, prompts, sampled, temperatures=temperatures)

    def logprobs_and_entropy(self, completions: Sequence[Completion]) -> tuple[Tensor, Tensor]:
        """Return `logprobs` and the entropy of the policy at each of the tokens.

        Returns:
            Two tensors of shape (B, T), nats, float32; positions after the end of a row are 0.

        Raises:
            ValueError: If there are no completions, or one has no token ids.
        """
        prompts, sampled = _token_rows(completions)
        temperatures = [completion.temperature for completion in completions]
        return completion_logprobs_and_entropy(
            self._model, prompts, sampled, temperatures=temperatures
        )

    def option_logprobs(
        self, prompts: Sequence[Prompt], options: Sequence[str], *, temperature: float = 1.0
    ) -> tuple[FloatArray, int]:
        """Return log-probabilities of each option after each prompt, and the prompt tokens.

        Args:
            prompts: N prompts.
            options: K texts, none empty.
            temperature: Divides the logits, > 0.

        Returns:
            Shape (N, K), nats; and the number of prompt tokens.
        """
        texts = self.option_tokens(options)
        prompt_ids = self.encode(prompts, max(map(len, texts)))
        max_rows = self._rows_that_fit(max(map(len, prompt_ids), default=1))
        table = option_logprobs(
            self._model, prompt_ids, texts, max_rows=max_rows, temperature=temperature
        )
        return table, sum(map(len, prompt_ids))

    def option_tokens(self, options: Sequence[str]) -> list[tuple[int, ...]]:
        """Return the token ids of each option, those that `option_logprobs` scores."""
        return [tuple(self._encoder.reader.read_text(option)) for option in options]

    def encode(self, prompts: Sequence[Prompt], max_tokens: int) -> list[tuple[int, ...]]:
        """Return token ids of each prompt, cut to leave room for max_tokens."""
        return self._encoder.encode(prompts, max_tokens)

    def hidden_states(self, prompts: Sequence[tuple[int, ...]]) -> FloatArray:
        """Return the last hidden state after each prompt, without gradient.

        Args:
            prompts: Token ids of B prompts, none empty.

        Returns:
            Shape (B, D), D the width of the network.
        """
        max_rows = self._rows_that_fit(max(map(len, prompts), default=1))
        return last_hidden_states(self._model, prompts, max_rows=max_rows)

    def shard(self, mesh: DeviceMesh) -> None:
        """Keep only the shard of this process; see `baselines.policies.local.sharding.shard`."""
        shard(self._model, mesh)

    def save(self, folder: Path) -> None:
        """Write weights and tokenizer in Hugging Face format, for `load`.

        Note: To be called by all processes if the weights are sharded; rank 0 writes.
        """
        state = whole_state(self._model) if is_sharded(self._model) else None
        if not writes_files(self._model):
            return
        with quiet_transformers():
            self._model.save_pretrained(folder, state_dict=state)
            self._tokenizer.save_pretrained(folder)

    def _rows_that_fit(self, num_tokens: int) -> int:
        """Return how many rows of a length fit into MAX_CACHE_BYTES, at least one."""
        # Attributes, because model families may store them under other names.
        config = self._model.config.get_text_config()
        num_heads = getattr(config, "num_attention_heads", None) or 1  # recurrent models have none
        head_size = getattr(config, "head_dim", None) or config.hidden_size // num_heads
        num_shared = getattr(config, "num_key_value_heads", None) or num_heads
        numbers_per_token = 2 * config.num_hidden_layers * num_shared * head_size
        row_bytes: int = numbers_per_token * self._model.dtype.itemsize * num_tokens
        return max(1, min(self._max_rows, MAX_CACHE_BYTES // row_bytes))

    def _decode_all(self, rows: list[list[int]]) -> list[str]:
        return [self._decode(tuple(row)) for row in rows]

    def _decode(self, token_ids: tuple[int, ...]) -> str:
        text = self._tokenizer.decode(
            list(token_ids), skip_special_tokens=True, clean_up_tokenization_spaces=False
        )
        return cast("str", text)


def _token_rows(
    completions: Sequence[Completion],
) -> tuple[list[tuple[int, ...]], list[tuple[int, ...]]]:
    """Return the tokens of the prompts and those of the completions."""
    if not completions or not all(c.prompt_ids and c.token_ids for c in completions):
        raise ValueError(
            "completions must hold token ids, got at least one without; "
            "score completions of an HFPolicy"
        )
    return [c.prompt_ids for c in completions], [c.token_ids for c in completions]


def _end_ids(model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase) -> frozenset[int]:
    config = model.generation_config
    listed = None if config is None else config.eos_token_id  # int, list or None
    of_model = listed if isinstance(listed, list) else [listed]
    return frozenset(int(i) for i in (*of_model, tokenizer.eos_token_id) if i is not None)
