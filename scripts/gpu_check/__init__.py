"""Check agreement, speed, memory, sharding and resuming on one GPU: see README.md beside it."""
