"""The verifier ``code``: runs a program that a model wrote, isolated, against a task's tests."""
