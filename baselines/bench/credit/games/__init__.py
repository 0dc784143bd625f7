"""Games with known credit, exact or estimated from held-out continuations."""
