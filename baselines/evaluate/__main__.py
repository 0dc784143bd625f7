"""Run ``python -m baselines.evaluate``."""

import sys

from baselines.evaluate.command import main

if __name__ == "__main__":  # not in the processes that it starts
    sys.exit(main())
