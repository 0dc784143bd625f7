"""Run ``python -m baselines.train``."""

import sys

from baselines.train.command import main

if __name__ == "__main__":  # not in the processes that it starts
    sys.exit(main())
