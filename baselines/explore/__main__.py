"""Run ``python -m baselines.explore``."""

import sys

from baselines.explore.command import main

if __name__ == "__main__":  # not in the processes that it starts
    sys.exit(main())
