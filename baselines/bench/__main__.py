"""Run ``python -m baselines.bench``."""

import sys

from baselines.bench.command import main

if __name__ == "__main__":  # not in child processes
    sys.exit(main())
