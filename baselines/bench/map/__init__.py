"""Map of where credit pays: exact efficiency of every allocator in games, checked by training."""
