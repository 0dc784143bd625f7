"""Rewrite the text of an answer to one notation; nothing here parses it."""
