"""Run ``python -m baselines.experiment``."""

import sys

from baselines.experiment.command import main

if __name__ == "__main__":  # not in the processes that it starts
    sys.exit(main())
