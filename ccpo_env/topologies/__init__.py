"""Topologies: who speaks when and who reads what, as data."""
