"""Run ``python -m baselines.compare``."""

import sys

from baselines.compare.command import main

if __name__ == "__main__":  # not in the processes that it starts
    sys.exit(main())
