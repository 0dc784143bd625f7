"""Memory that training needs on each GPU, for the tables of docs/scaling.md.

    python -m scripts.memory_table Qwen/Qwen2.5-7B-Instruct --roles 2 --weights lora --gpus 4

Bytes are those of `baselines.train.update.updater.Updater`: weights, gradients and both moments of
AdamW in float32.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from typing import Literal

from baselines.policies.local.hf import MAX_CACHE_BYTES
from baselines.train.config import TrainConfig
from baselines.train.presets import PRESETS
from scripts.model_sizes import MODELS, Sizes, sizes_of

Weights = Literal["full", "lora"]

FLOAT = 4
"""Bytes of a number in float32."""
TRAINED = 4 * FLOAT
"""Bytes of a trained parameter: itself, its gradient and two moments."""
LOGIT_COPIES = 3
"""Tables of completion tokens times vocabulary in float32 at the peak of a micro-batch: 3.05 to
3.07 were measured with 3,000 tokens of a vocabulary of 30,000, with and without autocast."""
WITH_ENTROPY = 5
"""The same with an entropy term; 5.06 to 5.07 were measured."""
GPU_BYTES = 80e9
USABLE = 0.9
"""Share of a GPU that is filled; the rest is for kernels, fragmentation and communication."""
GPUS = (1, 2, 4, 8, 16)
SHOWN_GPUS = (2, 4, 8)
FEW_TOKENS = 4096
"""Micro-batch of the tables, in tokens."""


def state_bytes(
    roles: Sequence[Sizes], weights: Weights, *, shards: int = 1, references: int = 0
) -> float:
    """Return the bytes of weights, gradients and AdamW's moments in each process.

    Args:
        roles: The network of each trained role; with adapters, equal networks are one base.
        weights: Whether a role trains all weights, or an adapter of a frozen base.
        shards: Processes over which all of it is sharded; 1 is unsharded.
        references: Frozen copies for a KL term, of the first network; adapters need none.
    """
    if weights == "lora":
        frozen = FLOAT * sum(base.parameters for base in dict.fromkeys(roles))
        return (frozen + TRAINED * sum(base.adapter for base in roles)) / shards
    trained = TRAINED * sum(role.parameters for role in roles)
    return (trained + FLOAT * references * roles[0].parameters) / shards


def gathered_bytes(role: Sizes, weights: Weights) -> float:
    """Return the bytes that a process gathers for a forward and backward pass of sharded weights.

    They are the ends and two layers, of which the second is prefetched, and with full weights
    their gradients before these are scattered.
    """
    copies = 1 if weights == "lora" else 2
    return copies * FLOAT * (role.ends + 2 * role.layer)


def activation_bytes(role: Sizes, tokens: int, *, copies: int = LOGIT_COPIES) -> float:
    """Return the bytes of the activations of a micro-batch with gradient checkpointing.

    They are the logits, if all tokens are completion tokens, and the input of every layer in
    float32. What one layer computes inside is not included.

    Args:
        role: The network.
        tokens: Completion tokens of the micro-batch.
        copies: Tables of logits: LOGIT_COPIES or WITH_ENTROPY.
    """
    return FLOAT * tokens * (copies * role.vocabulary + role.layers * role.width)


def peak_bytes(
    roles: Sequence[Sizes],
    weights: Weights,
    *,
    shards: int,
    tokens: int,
    references: int = 0,
    copies: int = LOGIT_COPIES,
) -> float:
    """Return the bytes of an update in each process: state, gathered weights and activations."""
    gathered = max(gathered_bytes(role, weights) for role in roles) if shards > 1 else 0.0
    return (
        state_bytes(roles, weights, shards=shards, references=references)
        + gathered
        + max(activation_bytes(role, tokens, copies=copies) for role in roles)
    )


def sampling_bytes(roles: Sequence[Sizes], weights: Weights, *, shards: int) -> float:
    """Return the bytes of sampling in each process: state, all weights gathered, and a cache."""
    models = dict.fromkeys(roles) if weights == "lora" else roles
    gathered = FLOAT * sum(model.parameters for model in models) if shards > 1 else 0
    return state_bytes(roles, weights, shards=shards) + gathered + MAX_CACHE_BYTES


def fewest_gpus(
    roles: Sequence[Sizes],
    weights: Weights,
    *,
    tokens: int,
    references: int = 0,
    has_server: bool = True,
) -> int | None:
    """Return the fewest of GPUS processes that fit GPUs of 80 GB; None if none of them does.

    Args:
        roles: The network of each trained role.
        weights: What a role trains.
        tokens: Tokens of a micro-batch.
        references: Frozen copies for a KL term.
        has_server: Whether a server samples; else these processes do.
    """
    for shards in GPUS:
        needed = [peak_bytes(roles, weights, shards=shards, tokens=tokens, references=references)]
        if not has_server:
            needed.append(sampling_bytes(roles, weights, shards=shards))
        if max(needed) <= USABLE * GPU_BYTES:
            return shards
    return None


def models_table() -> str:
    """Return the state of each model in GB per GPU, as Markdown."""
    lines = [
        "| model | trained | whole | " + " | ".join(f"{n} GPUs" for n in SHOWN_GPUS)
        + f" | gathered | {FEW_TOKENS:,} tokens | fewest, server | fewest |",
        "|---|---|" + "---:|" * (len(SHOWN_GPUS) + 5),
    ]  # fmt: skip
    for model in MODELS:
        size = sizes_of(model)
        kinds: tuple[tuple[int, Weights], ...] = ((1, "full"), (2, "full"), (2, "lora"))
        for number, weights in kinds:
            roles = [size] * number
            cells = [
                _short(model),
                f"{number} {'LoRA' if weights == 'lora' else weights}",
                *(_gb(state_bytes(roles, weights, shards=n)) for n in (1, *SHOWN_GPUS)),
                _gb(gathered_bytes(size, weights)),
                _gb(activation_bytes(size, FEW_TOKENS)),
                *(
                    _number(fewest_gpus(roles, weights, tokens=FEW_TOKENS, has_server=is_served))
                    for is_served in (True, False)
                ),
            ]
            lines.append("| " + " | ".join(cells) + " |")
    return "\n".join(lines)


def presets_table() -> str:
    """Return what each preset of the paper needs, as Markdown."""
    lines = [
        "| preset | trained | whole | its micro-batch | fewest, server "
        f"| with {FEW_TOKENS:,} tokens | without server |",
        "|---|---|---:|---:|---:|---:|---:|",
    ]
    for name, settings in PRESETS.items():
        if settings.get("policy") not in MODELS:
            continue
        config = TrainConfig(**settings)
        models = trained_models(config)
        roles = [sizes_of(model) for model in models]
        references = len(roles) if "kl_weight" in config.optimizer_args else 0
        own = config.micro_batch_tokens
        fewest = [
            fewest_gpus(roles, "full", tokens=n, references=references, has_server=is_served)
            for n, is_served in ((own, True), (FEW_TOKENS, True), (FEW_TOKENS, False))
        ]
        cells = [
            f"`{name}`",
            ", ".join(f"{models.count(model)} {_short(model)}" for model in dict.fromkeys(models)),
            _gb(state_bytes(roles, "full", references=references)),
            _gb(max(activation_bytes(role, own) for role in roles)),
            *map(_number, fewest),
        ]
        lines.append("| " + " | ".join(cells) + " |")
    return "\n".join(lines)


def _short(model: str) -> str:
    """Return the name of a model without its owner and kind, which no line break divides."""
    name = model.split("/")[1].removesuffix("-Instruct").removesuffix("-Base")
    return name.replace("-", "&#8209;")


def _number(gpus: int | None) -> str:
    return f"over&nbsp;{GPUS[-1]}" if gpus is None else str(gpus)


TABLES = {"models": models_table, "presets": presets_table}
"""Tables of docs/scaling.md."""


def trained_models(config: TrainConfig) -> list[str]:
    """Return the model of each trained role of a preset."""
    roles = ("voter",) if config.topology == "vote" else ("thinker", "solver")
    return [config.role_policies.get(role, config.policy) for role in roles]


def _gb(count: float) -> str:
    return f"{count / 1e9:,.1f}" if count < 99.95e9 else f"{count / 1e9:,.0f}"


def main() -> None:
    """Print what one team needs."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("model", choices=MODELS)
    parser.add_argument("--roles", type=int, default=2)
    parser.add_argument("--weights", choices=("full", "lora"), default="full")
    parser.add_argument("--gpus", type=int, default=1)
    parser.add_argument("--micro-batch-tokens", type=int, default=FEW_TOKENS)
    given = parser.parse_args()
    size = sizes_of(given.model)
    roles = [size] * given.roles
    peak = peak_bytes(roles, given.weights, shards=given.gpus, tokens=given.micro_batch_tokens)
    print(f"state: {_gb(state_bytes(roles, given.weights, shards=given.gpus))} GB per GPU")
    print(f"update: {_gb(peak)} GB per GPU; fill at most {USABLE:.0%} of a GPU")


if __name__ == "__main__":
    main()
