"""``python -m baselines.bench credit``: allocators on games with known credit."""
