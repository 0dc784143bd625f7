"""Run ``python -m baselines.bench``."""

import sys

from baselines.bench.command import main

if __name__ == "__main__":  # not in the processes that it starts
    sys.exit(main())
