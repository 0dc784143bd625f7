"""Run ``python -m baselines.train_sb3``."""

import sys

from baselines.train_sb3.command import main

if __name__ == "__main__":  # not in the processes that it starts
    sys.exit(main())
