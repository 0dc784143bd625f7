"""Credit assignment inside other trainers: TRL and verl."""
