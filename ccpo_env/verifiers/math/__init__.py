"""The ``math`` verifier: parses answers as mathematics and compares them."""
