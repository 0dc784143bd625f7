"""``python -m baselines.bench``: how fast, and how true, each part is beside a reference."""

from baselines.bench.command import main
from baselines.bench.measuring import BenchConfig
from baselines.bench.registry import BENCHES

__all__ = ["BENCHES", "BenchConfig", "main"]
