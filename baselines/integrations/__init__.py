"""Credit assignment inside other trainers: TRL, verl, rLLM, prime-rl and what reads verifiers."""
