"""Policies in this process: transformers models, LoRA adapters and the embedded decoder."""
