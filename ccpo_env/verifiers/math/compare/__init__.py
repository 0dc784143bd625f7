"""Compare two answers by type; each module says when two of its kind are equal."""
