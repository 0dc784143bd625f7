"""Games whose true credit is known: small ones exactly, the embedded model's by held-out play."""
