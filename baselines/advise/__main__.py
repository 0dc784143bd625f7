"""Run ``python -m baselines.advise``."""

import sys

from baselines.advise.command import main

if __name__ == "__main__":  # not in the processes that it starts
    sys.exit(main())
