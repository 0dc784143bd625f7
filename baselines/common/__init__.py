"""Shared code: errors, files, types, checks, statistics, metrics and process groups."""
