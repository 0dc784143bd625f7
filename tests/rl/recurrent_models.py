"""Small random networks with recurrent states, and of architectures that are refused."""

from __future__ import annotations

from transformers import (
    BambaConfig,
    FalconH1Config,
    FalconMambaConfig,
    GraniteMoeHybridConfig,
    JambaConfig,
    Lfm2Config,
    Mamba2Config,
    MambaConfig,
    MiniMaxConfig,
    OlmoHybridConfig,
    PreTrainedConfig,
    Qwen3NextConfig,
    RecurrentGemmaConfig,
    RwkvConfig,
    ZambaConfig,
    xLSTMConfig,
)

SIZES = {"vocab_size": 40, "hidden_size": 16, "num_hidden_layers": 2, "intermediate_size": 24}
IDS = {"pad_token_id": 0, "bos_token_id": 1, "eos_token_id": 2}
HEADS = {"num_attention_heads": 2, "num_key_value_heads": 1}
STATE = {"state_size": 4, "conv_kernel": 3, "expand": 2}
MAMBA = {"mamba_d_state": 4, "mamba_n_heads": 4, "mamba_d_head": 8, "mamba_chunk_size": 4}
LINEAR = {
    **{"linear_num_value_heads": 2, "linear_num_key_heads": 1, "linear_conv_kernel_dim": 3},
    **{"linear_key_head_dim": 8, "linear_value_head_dim": 8},
}
BASE = {**SIZES, **IDS}
TEAM = {**BASE, **HEADS}
EXPERTS = {"num_experts_per_tok": 1, "moe_intermediate_size": 8}

EXACT: dict[str, PreTrainedConfig] = {
    "mamba": MambaConfig(**BASE, **STATE, time_step_rank=2),
    "mamba2": Mamba2Config(**BASE, **STATE, num_heads=4, head_dim=8, n_groups=1, chunk_size=4),
    "falcon_mamba": FalconMambaConfig(**BASE, **STATE, time_step_rank=2),
    "bamba": BambaConfig(**TEAM, **MAMBA, attn_layer_indices=[1]),
    "falcon_h1": FalconH1Config(**TEAM, **MAMBA, mamba_d_ssm=32, head_dim=8),
    "granitemoehybrid": GraniteMoeHybridConfig(
        **TEAM, **MAMBA, layer_types=["mamba", "attention"], shared_intermediate_size=8
    ),
    "jamba": JambaConfig(
        **TEAM,
        mamba_d_state=4,
        mamba_dt_rank=2,
        attn_layer_period=2,
        attn_layer_offset=1,
        num_experts=2,
        num_experts_per_tok=1,
    ),
    "lfm2": Lfm2Config(**TEAM, layer_types=["conv", "full_attention"], block_multiple_of=8),
    "olmo_hybrid": OlmoHybridConfig(
        **TEAM, **LINEAR, layer_types=["linear_attention", "full_attention"]
    ),
    "qwen3_next": Qwen3NextConfig(
        **TEAM,
        **LINEAR,
        **EXPERTS,
        full_attention_interval=2,
        num_experts=2,
        head_dim=8,
        shared_expert_intermediate_size=8,
    ),
    "zamba": ZambaConfig(
        **{**TEAM, "num_hidden_layers": 4},
        layers_block_type=["mamba", "hybrid"] * 2,
        attention_head_dim=16,
        attention_hidden_size=32,
        n_mamba_heads=2,
        mamba_d_state=4,
        mamba_dt_rank=2,
    ),
}
"""Sampled and trained exactly."""

INEXACT: dict[str, PreTrainedConfig] = {
    "minimax": MiniMaxConfig(
        **TEAM,
        layer_types=["linear_attention", "full_attention"],
        num_local_experts=2,
        num_experts_per_tok=1,
        head_dim=8,
        block_size=4,
    ),
    "recurrent_gemma": RecurrentGemmaConfig(
        **{**TEAM, "num_hidden_layers": 3}, lru_width=16, attention_window_size=8
    ),
    "rwkv": RwkvConfig(**BASE, attention_hidden_size=16, context_length=64),
    "xlstm": xLSTMConfig(**BASE, num_heads=2, chunk_size=8),
}
"""Their padding is read as tokens, or their cache is of a kind of its own."""
