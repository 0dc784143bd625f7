"""Run ``python -m baselines.signal``."""

import sys

from baselines.signal.command import main

if __name__ == "__main__":  # not in the processes that it starts
    sys.exit(main())
