"""Games with known credit: enumerated exactly, or estimated from held-out continuations."""
