"""Run ``python -m baselines.train.engines``."""

import sys

from baselines.train.engines.command import main

if __name__ == "__main__":  # not in the processes that it starts
    sys.exit(main())
