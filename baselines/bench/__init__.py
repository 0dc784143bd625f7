"""``python -m baselines.bench``: speed of each part compared with a reference."""

from baselines.bench.command import main
from baselines.bench.measuring import BenchConfig
from baselines.bench.registry import BENCHES

__all__ = ["BENCHES", "BenchConfig", "main"]
