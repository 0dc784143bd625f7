"""Policies behind an OpenAI-compatible server."""
