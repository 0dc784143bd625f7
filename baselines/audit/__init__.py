"""Audit of rewards and advantages that any trainer has written to a file."""
