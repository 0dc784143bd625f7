"""``python -m baselines.explore``: a page to look at credit, message by message."""

from baselines.explore.page import write_explorer

__all__ = ["write_explorer"]
