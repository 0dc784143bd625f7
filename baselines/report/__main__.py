"""Run ``python -m baselines.report``."""

import sys

from baselines.report.command import main

if __name__ == "__main__":
    sys.exit(main())
