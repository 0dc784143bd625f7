"""Credit for teams of language models: allocators, optimizers, policies and the trainer."""
