"""The environment and its credit inside other trainers: TRL and verl."""
