"""Run ``python -m baselines.audit``."""

import sys

from baselines.audit.command import main

if __name__ == "__main__":
    sys.exit(main())
