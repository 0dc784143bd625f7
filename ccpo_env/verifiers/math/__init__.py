"""The ``math`` verifier: reads answers as mathematics and compares them."""
